// A client whose results tests/servers/run compares with those of Python's requests. It reads a
// list of cases as JSON, runs them in order with one client, and prints the result of each. It does
// not judge them.
//
// usage: httpbin URL FOLDER <CASES

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio.hpp>

#include <ferry/auth.hpp>
#include <ferry/brotli.hpp>
#include <ferry/cookies.hpp>
#include <ferry/detail/base/base64.hpp>
#include <ferry/digest.hpp>
#include <ferry/download.hpp>
#include <ferry/ferry.hpp>
#include <ferry/file.hpp>
#include <ferry/form.hpp>
#include <ferry/gzip.hpp>
#include <ferry/lines.hpp>
#include <ferry/multipart.hpp>
#include <ferry/nlohmann.hpp>
#include <ferry/text.hpp>
#include <ferry/zstd.hpp>

namespace {

using nlohmann::json;

/// Converts a list of numbers, as the cases write bytes, to bytes.
std::string bytes_of(const json& list) {
  std::string bytes;
  for (const json& byte : list) bytes += static_cast<char>(byte.get<int>());
  return bytes;
}

ferry::Body chunks_of(std::vector<std::string> chunks) {
  return ferry::pull(
      [chunks = std::move(chunks), at = std::size_t{0}](std::span<char> room) mutable {
        if (at == chunks.size()) return std::size_t{0};
        const std::string& chunk = chunks[at++];
        std::copy(chunk.begin(), chunk.end(), room.begin());
        return chunk.size();
      });
}

ferry::Body body_of(const json& body) {
  if (body.contains("text")) return ferry::Body(body["text"].get<std::string>());
  if (body.contains("bytes")) return ferry::Body(bytes_of(body["bytes"]));
  if (body.contains("json")) return ferry::json(body["json"]);
  if (body.contains("file")) return ferry::file(body["file"].get<std::string>());
  if (body.contains("chunks")) return chunks_of(body["chunks"].get<std::vector<std::string>>());
  if (body.contains("form")) {
    ferry::Form form;
    for (const json& pair : body["form"])
      form.add(pair[0].get<std::string>(), pair[1].get<std::string>());
    return form;
  }
  ferry::Multipart parts;
  for (const json& part : body["multipart"]) {
    const auto name = part["name"].get<std::string>();
    if (part.contains("path"))
      parts.file(name, part["path"].get<std::string>());
    else if (part.contains("filename"))
      parts.part(name, part["filename"].get<std::string>(),
                 part.contains("chunks")
                     ? chunks_of(part["chunks"].get<std::vector<std::string>>())
                     : ferry::Body(bytes_of(part["bytes"]), part["type"].get<std::string>()));
    else
      parts.field(name, part["text"].get<std::string>());
  }
  return parts;
}

// One authenticator for all requests of a user.
std::shared_ptr<ferry::Authenticator> kept(const std::string& user, const std::string& password) {
  static std::map<std::string, std::shared_ptr<ferry::Authenticator>> all;
  return all.try_emplace(user + ':' + password, ferry::digest(user, password)).first->second;
}

ferry::Request request_of(const json& what) {
  ferry::Request request(ferry::Method(what["method"].get<std::string>()),
                         what["url"].get<std::string>());
  for (const json& pair : what.value("query", json::array()))
    request.query(pair[0].get<std::string>(), pair[1].get<std::string>());
  for (const json& pair : what.value("headers", json::array()))
    request.add_header(pair[0].get<std::string>(), pair[1].get<std::string>());
  if (what.contains("body")) request.body(body_of(what["body"]));
  const json auth = what.value("auth", json::array());
  if (auth.size() == 2) request.auth(ferry::bearer(auth[1].get<std::string>()));
  if (auth.size() >= 3) {
    const auto user = auth[1].get<std::string>();
    const auto password = auth[2].get<std::string>();
    request.auth(auth.size() > 3       ? kept(user, password)
                 : auth[0] == "digest" ? ferry::digest(user, password)
                                       : ferry::basic(user, password));
  }
  return request;
}

ferry::RequestOptions options_of(const json& what) {
  ferry::RequestOptions options;
  options.follow_redirects = what.value("follow", true);
  if (what.contains("timeout_ms"))
    options.timeout = std::chrono::milliseconds(what["timeout_ms"].get<int>());
  return options;
}

json list_of(const ferry::Headers& headers) {
  json list = json::array();
  for (const auto [name, value] : headers)
    list.push_back(json::array({std::string(name), std::string(value)}));
  return list;
}

template <class Response>
json facts_of(const Response& response) {
  json facts{{"status", response.status()}, {"reason", response.reason()}};
  facts["url"] = response.url().str();
  facts["headers"] = list_of(response.headers());
  facts["history"] = json::array();
  for (const ferry::Response& hop : response.history())
    facts["history"].push_back(
        json::array({hop.status(), hop.url().str(), list_of(hop.headers())}));
  return facts;
}

asio::awaitable<json> make(ferry::Client client, const json& what, std::string folder) {
  const std::string how = what.value("how", "whole");
  ferry::Request request = request_of(what);
  const ferry::RequestOptions options = options_of(what);
  json facts;
  std::string body;
  if (how == "download") {
    const std::string path = folder + "/download";
    ferry::DownloadOptions download;
    download.progress = [](std::uint64_t size, std::optional<std::uint64_t>) {
      if (size > 0) throw std::runtime_error("cut");
    };
    bool cut = false;
    try {
      co_await client.download(request, path, download);
    } catch (const std::runtime_error& error) {
      cut = error.what() == std::string("cut");
    }
    const ferry::Downloaded done = co_await client.download(request, path);
    std::ifstream file(path, std::ios::binary);
    body.assign(std::istreambuf_iterator<char>(file), {});
    facts = json{{"cut", cut}, {"size", done.size}, {"resumed_from", done.resumed_from}};
  } else if (how == "whole") {
    const ferry::Response response = co_await client.send(std::move(request), options);
    body = response.body();
    facts = facts_of(response);
    facts["text"] = ferry::detail::to_valid_utf8(response.text());
  } else {
    ferry::ResponseStream stream = co_await client.stream(std::move(request), options);
    facts = facts_of(stream);
    if (how == "stream") {
      while (const auto piece = co_await stream.read()) body += *piece;
    } else {
      facts["lines"] = json::array();
      ferry::Lines lines(std::move(stream));
      while (const auto line = co_await lines.next()) facts["lines"].push_back(std::string(*line));
    }
  }
  facts["body"] = ferry::detail::base64(body);
  co_return facts;
}

asio::awaitable<json> make_all(ferry::Client client, const json& cases, std::string folder) {
  json all = json::array();
  for (const json& what : cases) {
    json facts;
    try {
      json made = co_await make(client, what, folder);
      facts = std::move(made);
    } catch (const ferry::Error& error) {
      facts["error"] = error.code() == ferry::Condition::timeout         ? "timeout"
                       : error.code() == ferry::Errc::too_many_redirects ? "redirects"
                       : error.code() == ferry::Errc::invalid_redirect   ? "refused"
                                                                         : error.what();
    }
    facts["name"] = what["name"];
    all.push_back(std::move(facts));
  }
  co_return all;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count != 3) throw std::runtime_error("usage: httpbin URL FOLDER <CASES");
    const json cases = json::parse(std::cin);
    asio::io_context context{1};
    ferry::ClientOptions options;
    options.base_url = arguments[1];
    options.codings = {ferry::gzip, ferry::deflate, ferry::brotli, ferry::zstd};
    options.cookies = std::make_shared<ferry::CookieJar>();
    options.redirects.max = 30;  // The default of Python's requests.
    const ferry::Client client(context, options);
    std::exception_ptr thrown;
    json all;
    asio::co_spawn(context, make_all(client, cases, arguments[2]),
                   [&](std::exception_ptr e, json made) {
                     thrown = e;
                     all = std::move(made);
                   });
    context.run();
    if (thrown) std::rethrow_exception(thrown);
    std::cout << all.dump() << '\n';
  } catch (const std::exception& error) {
    std::cerr << "httpbin: " << error.what() << '\n';
    return 1;
  }
}
