// A small curl, and a program to learn from: of ferry it uses the public headers, as yours would.

#include <charconv>
#include <cstdio>
#include <fstream>
#include <getopt.h>
#include <iostream>
#include <stdexcept>
#include <tuple>
#include <unistd.h>

#include <asio.hpp>

#include <ferry/auth.hpp>
#include <ferry/ferry.hpp>
#include <ferry/file.hpp>
#ifdef FETCH_WITH_GZIP
#include <ferry/gzip.hpp>
#endif
#include <ferry/multipart.hpp>
#include <ferry/tls.hpp>

namespace {

constexpr char usage[] = R"(usage: fetch [OPTION]... URL...
  -X METHOD               instead of GET; of POST, with -d or -F; of PUT, with -T
  -H 'NAME: VALUE'        a header; without a value, none of that name is sent
  -d TEXT, -d @FILE       a body, as the fields of a form
  -F NAME=TEXT, =@FILE    a part of a form with files
  -T FILE                 a body: this file; the last one of -d, -F and -T counts
  -u USER:PASSWORD        Basic authentication
  -o FILE                 where the body goes; the first -o is for the first URL
  -i                      print the response's head before its body
  -v                      log what happens
  -x URL                  go through this proxy
  -k, --cacert FILE       accept any certificate; trust these authorities, too
  -L, --no-location       follow redirects, as is done anyway; do not
  --compressed            ask for gzip, and undo it
  --max-time SECONDS      for each URL
  --progress              draw a bar for -o, even if stderr is no terminal
  --timings               print how long each step took
)";

/// The wishes of the command line.
struct Command {
  std::string method;
  std::vector<std::pair<std::string, std::string>> headers;
  ferry::Body body;
  ferry::ClientOptions client;
  std::vector<std::string> urls, outputs;
  bool show_head = false, show_timings = false, show_progress = ::isatty(STDERR_FILENO) == 1;
};

using UsageError = std::invalid_argument;

/// The text before a separator and the text after it. The separator has to be there.
std::pair<std::string, std::string> split(const std::string& text, char separator) {
  const auto at = text.find(separator);
  if (at == text.npos) throw UsageError("'" + text + "' has no '" + separator + "'");
  return {text.substr(0, at), text.substr(at + 1)};
}

ferry::Duration seconds(const std::string& text) {
  double value = -1;
  const char* const end = text.data() + text.size();
  if (std::from_chars(text.data(), end, value).ptr != end || !(value > 0 && value < 1e9))
    throw UsageError("'" + text + "' is no number of seconds");
  return std::chrono::duration_cast<ferry::Duration>(std::chrono::duration<double>(value));
}

Command parse(int argc, char** argv) {
  enum { cacert = 256, compressed, max_time, no_location, progress, timings };
  const option names[] = {{"cacert", required_argument, nullptr, cacert},
                          {"compressed", no_argument, nullptr, compressed},
                          {"max-time", required_argument, nullptr, max_time},
                          {"no-location", no_argument, nullptr, no_location},
                          {"progress", no_argument, nullptr, progress},
                          {"timings", no_argument, nullptr, timings},
                          {}};
  Command command;
  ferry::Multipart form;
  ferry::tls::Options tls;
  int body_option = 0;
  for (int name; (name = getopt_long(argc, argv, "X:H:d:F:T:u:o:ivx:kL", names, nullptr)) != -1;) {
    const std::string text = optarg ? optarg : "";
    if (name == 'd' || name == 'F' || name == 'T') body_option = name;
    switch (name) {
      case 'X': command.method = text; break;
      case 'H': command.headers.push_back(split(text, ':')); break;
      case 'd': {
        const std::string type = "application/x-www-form-urlencoded";
        command.body = text[0] == '@' ? ferry::file(text.substr(1), type) : ferry::Body(text, type);
        break;
      }
      case 'F': {
        const auto [field, value] = split(text, '=');
        value[0] == '@' ? form.file(field, value.substr(1)) : form.field(field, value);
        command.body = form;
        break;
      }
      case 'T': command.body = ferry::file(text); break;
      case 'u': command.client.auth = std::apply(ferry::basic, split(text, ':')); break;
      case 'o': command.outputs.push_back(text); break;
      case 'i': command.show_head = true; break;
      case 'v': command.client.observer = ferry::log_to(std::cerr, {.verbose = true}); break;
      case 'x': command.client.proxy = ferry::ProxyOptions(text); break;
      case 'k': tls.danger_accept_any_certificate = true; break;
      case cacert: tls.roots.push_back(ferry::tls::Pem::file(text)); break;
      case 'L': command.client.redirects.follow = true; break;
      case no_location: command.client.redirects.follow = false; break;
#ifdef FETCH_WITH_GZIP
      case compressed: command.client.codings = {ferry::gzip, ferry::deflate}; break;
#endif
      case max_time: command.client.timeouts.total = seconds(text); break;
      case progress: command.show_progress = true; break;
      case timings: command.show_timings = true; break;
      default: throw UsageError("this option cannot be used");
    }
  }
  command.urls.assign(argv + optind, argv + argc);
  if (command.urls.empty()) throw UsageError("there is no URL");
  if (command.method.empty())
    command.method = body_option == 0 ? "GET" : body_option == 'T' ? "PUT" : "POST";
  command.client.tls = ferry::tls::context(tls);
  return command;
}

/// A line on stderr: how much has come, and of what.
void draw_progress(std::uint64_t size, const ferry::Headers& headers) {
  std::fprintf(stderr, "\r%11llu bytes", static_cast<unsigned long long>(size));
  const auto length = headers.get("Content-Length").value_or("");
  std::uint64_t total = 0;
  std::from_chars(length.data(), length.data() + length.size(), total);
  if (size > total || headers.contains("Content-Encoding")) return;  // Coded, it is shorter.
  const auto done = static_cast<int>(size * 100 / total);
  std::fprintf(stderr, " %3d%% [%-50s]", done, std::string(done / 2, '#').c_str());
}

void print_head(const ferry::ResponseStream& response, std::ostream& out) {
  out << response.version() << ' ' << response.status() << ' ' << response.reason() << "\r\n";
  for (const auto [name, value] : response.headers()) out << name << ": " << value << "\r\n";
  out << "\r\n";
}

void print_timings(const ferry::ResponseStream& response) {
  const ferry::Timings& t = response.timings();
  const std::pair<const char*, ferry::Duration> rows[] = {
      {"queued", t.queued},   {"resolve", t.resolve}, {"connect", t.connect},
      {"tls", t.tls},         {"send", t.send},       {"first byte", t.first_byte},
      {"receive", t.receive}, {"total", t.total}};
  std::cerr << response.url().str() << ": connection " << response.connection().id() << ", request "
            << response.connection().request_number << '\n';
  for (const auto& [step, took] : rows)
    std::fprintf(stderr, "%10s %11.3f ms\n", step, static_cast<double>(took.count()) / 1e6);
}

asio::awaitable<void> fetch(ferry::Client client, const Command& command, std::size_t number) {
  ferry::Request request(ferry::Method(command.method), command.urls[number]);
  for (const auto& [name, value] : command.headers) request.add_header(name, value);
  request.body(command.body);
  ferry::ResponseStream response = co_await client.stream(std::move(request));

  std::ofstream file;
  const bool to_file = number < command.outputs.size();
  const bool draws = to_file && command.show_progress;
  if (to_file) file.open(command.outputs[number], std::ios::binary);
  std::ostream& out = to_file ? file : std::cout;
  if (command.show_head) print_head(response, out);

  std::uint64_t size = 0;
  while (const auto piece = co_await response.read()) {
    if (!(out << *piece)) break;
    if (draws) draw_progress(size += piece->size(), response.headers());
  }
  if (draws) std::cerr << '\n';
  if (!out.flush()) throw std::runtime_error("the body cannot be written");
  if (command.show_timings) print_timings(response);
}

/// One client for all URLs: they share its connections.
asio::awaitable<void> fetch_all(ferry::Client client, const Command& command) {
  for (std::size_t i = 0; i < command.urls.size(); ++i) co_await fetch(client, command, i);
}

}  // namespace

int main(int argc, char** argv) try {
  const Command command = parse(argc, argv);
  asio::io_context context{1};
  const ferry::Client client(context, command.client);
  auto done = asio::co_spawn(context, fetch_all(client, command), asio::use_future);
  context.run();
  done.get();
} catch (const UsageError& error) {
  std::cerr << "fetch: " << error.what() << '\n' << usage;
  return 2;
} catch (const std::exception& error) {
  std::cerr << "fetch: " << error.what() << '\n';
  return 1;
}
