#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/file/part_file.hpp>
#include <ferry/detail/file/resume.hpp>
#include <ferry/download.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

/// A hash that tells apart the targets of requests, by the client's base URL and query too, without
/// showing the secrets in them.
inline std::string fingerprint(const ClientCore& client, const Request& request) {
  Url url;
  const auto error = Request(request).take_target(client.base, client.options.query,
                                                  client.pool->host_to_ascii(), url);
  std::uint64_t hash = 0xcbf29ce484222325U;  // The offset basis of FNV-1a.
  for (const char c : error ? request.url() : url.str())
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return std::to_string(hash);
}

/// One download: sends requests for the missing bytes until the file is complete.
///
/// If there is a part with a mark, the first request asks for the rest. A response that cannot be
/// added to the part is followed by one request for the whole file. A response that brings nothing
/// of the rest (an error status, silence, a body that breaks off before its first byte) is followed
/// by that request too, but only if the previous request for the rest brought nothing either. So a
/// server that cannot serve ranges does not prevent the download, and a server that is overloaded
/// for a while does not cost the part. If no time is left for that request, the next download
/// begins with it. The part is left alone until a response with the whole file begins.
class DownloadRun {
 public:
  static asio::awaitable<Downloaded> run(Client client, Request request, std::string path,
                                         DownloadOptions options) {
    if (request.headers().contains("Range") || request.headers().contains("If-Range"))
      throw Error(Errc::invalid_header, "a download sets Range and If-Range itself");
    std::string target = fingerprint(*access::core(client), request);
    DownloadRun download(std::move(client), std::move(request), std::move(path), std::move(target),
                         std::move(options));
    try {
      co_await download.make_whole();
    } catch (const std::system_error& error) {
      throw cancellation_of(error);
    }
    download.part_.finish(download.result_.size);
    co_return download.result_;
  }

 private:
  /// The result of one response.
  enum class Outcome {
    whole,      ///< The file is complete.
    part,       ///< The rest must still be requested.
    unfitting,  ///< The response cannot be added to the part: see `unfitting_`.
  };

  DownloadRun(Client client, Request request, std::string path, std::string target,
              DownloadOptions options)
      : client_(std::move(client)),
        request_(std::move(request)),
        options_(std::move(options)),
        part_(std::move(path), std::move(target)),
        takes_ranges_(request_.method() == Method::get()) {  // RFC 9110 14.2.
    // Parts of a coded body could not be put together.
    request_.header("Accept-Encoding", "identity");
    options_.request.decode = false;
    if (options_.request.timeout) until_ = after(Clock::now(), *options_.request.timeout);
    if (!options_.resume || !takes_ranges_) return;
    const auto mark = part_.mark();
    const auto size = part_.size();
    if (!mark || !size || check_field("If-Range", mark->validator)) return;
    if (mark->total && *size > *mark->total) return;
    mark_ = *mark;
    if (!mark_.whole_next) {
      result_.size = result_.resumed_from = *size;
      return;
    }
    mark_.whole_next = false;  // If this request brings nothing either, the next one asks for the
                               // rest.
    remember();
    mark_ = PartMark();
  }

  asio::awaitable<void> make_whole() {
    for (bool begun_again = false;;) {
      const bool asks_for_all = result_.size == 0;
      Outcome outcome = Outcome::unfitting;
      std::optional<Error> failure;
      is_fruitless_ = !asks_for_all;
      try {
        outcome = co_await take_one();
      } catch (const Error& error) {
        if (!is_fruitless_ || !is_of_answer(error)) throw;
        failure = error;
      }
      if (outcome == Outcome::whole) co_return;
      const bool is_late = until_ && Clock::now() >= *until_;
      if (failure && (begun_again || !mark_.fruitless || is_late)) {
        mark_.whole_next = std::exchange(mark_.fruitless, true);
        remember();
        throw *failure;
      }
      if (outcome == Outcome::unfitting) {
        if (begun_again || asks_for_all) throw Error(Errc::malformed_response, unfitting_);
        begun_again = true;
        result_ = Downloaded();
      }
      if (until_) options_.request.timeout = std::max(*until_ - Clock::now(), Duration());
    }
  }

  /// Sends one request, and writes the bytes of its response.
  asio::awaitable<Outcome> take_one() {
    Request request = request_;
    if (result_.size > 0) {
      request.header("Range", "bytes=" + std::to_string(result_.size) + "-");
      request.header("If-Range", mark_.validator);
    }
    ResponseStream stream = co_await client_.stream(std::move(request), options_.request);
    const Headers& headers = stream.headers();
    if (stream.status() == 416 && result_.size > 0) {
      if (says_whole(headers, mark_, result_.size)) co_return Outcome::whole;
      co_return does_not_fit("416 for the rest of a part");
    }
    if (stream.status() < 200 || stream.status() > 299)
      throw status_error(
          stream.status(), stream.reason(), stream.url(),
          stream.status() == 304 ? ": nothing has changed, so no body was sent" : "");
    std::optional<std::uint64_t> end, total;  // The end of this response's bytes in the file, and
                                              // the file's total size.
    if (stream.status() == 206) {
      // Some servers ignore `If-Range` or `Range`.
      const auto range = fitting_range(headers, mark_, result_.size);
      if (!range) co_return does_not_fit("206 with another range than was asked for");
      end = range->last + 1;
      total = range->size;
    } else {
      result_ = Downloaded();
      is_fruitless_ = false;
      if (const auto length = headers.get("Content-Length")) end = total = parse_decimal(*length);
    }
    if (result_.size == 0) {
      const bool may_go_on = takes_ranges_ && (stream.status() == 200 || stream.status() == 206);
      mark_ = PartMark();
      mark_.total = total;
      if (may_go_on) mark_.validator = strong_validator(headers);
      if (end != total && mark_.validator.empty())
        co_return does_not_fit("206 with a part, of which the rest cannot be asked for");
    }
    co_return co_await write(stream, end, total);
  }

  asio::awaitable<Outcome> write(ResponseStream& stream, std::optional<std::uint64_t> end,
                                 std::optional<std::uint64_t> total) {
    OutputFile file = result_.size == 0 ? part_.begin(mark_) : part_.go_on();
    bool is_longer = false;
    while (const auto piece = co_await stream.read()) {
      is_longer = end && piece->size() > *end - result_.size;
      if (is_longer) break;
      if (std::exchange(is_fruitless_, false) && (mark_.fruitless || !mark_.total)) {
        mark_.fruitless = false;
        mark_.total = total;
        part_.set_mark(mark_);
      }
      file.write(*piece);
      result_.size += piece->size();
      if (options_.progress) options_.progress(result_.size, total);
    }
    file.close();
    if (is_longer || (end && result_.size != *end)) {
      part_.remove_mark();  // The part cannot be resumed.
      co_return does_not_fit("its body is not as long as its range");
    }
    co_return end == total ? Outcome::whole : Outcome::part;
  }

  Outcome does_not_fit(const char* why) noexcept {
    unfitting_ = why;
    return Outcome::unfitting;
  }

  /// True for an error that the requested range may have caused: an error in the response, or
  /// silence or a closed connection instead of one.
  static bool is_of_answer(const Error& error) noexcept {
    const auto code = error.code();
    if (code == Condition::timeout)
      return error.phase() == Phase::first_byte || error.phase() == Phase::read;
    return code == Condition::protocol_error || code == Errc::head_too_large ||
           code == Errc::http_status || code == Errc::connection_lost;
  }

  void remember() noexcept {
    try {
      part_.set_mark(mark_);
    } catch (const std::exception&) {  // The caller gets the response's error instead.
    }
  }

  const Client client_;
  Request request_;
  DownloadOptions options_;
  PartFile part_;
  const bool takes_ranges_;
  std::optional<Clock::time_point> until_;  ///< The time at which the time for all requests
                                            ///< together runs out.
  PartMark mark_;                           ///< The mark of the bytes that `result_` counts.
  Downloaded result_;                       ///< The bytes that are there and fit.
  bool is_fruitless_ = false;               ///< True if the rest was requested, and nothing of it
                                            ///< has come.
  const char* unfitting_ = "";
};

FERRY_DEFINITION asio::awaitable<Downloaded> Download::run(Client client, Request request,
                                                           std::string path,
                                                           DownloadOptions options) {
  return DownloadRun::run(std::move(client), std::move(request), std::move(path),
                          std::move(options));
}

}  // namespace detail

}  // namespace ferry
