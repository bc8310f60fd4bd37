#pragma once

/// @file
/// `client.download()`: a response's body into a file, resumed where an earlier attempt ended.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <ferry/client.hpp>
#include <ferry/detail/content_range.hpp>

namespace ferry {

/// What a download does differently. Set its members on a named variable.
class DownloadOptions {
 public:
  DownloadOptions() {}

  /// Called as bytes are written: how many the file has, and how many it will have, if that is
  /// known. What it throws ends the download.
  std::function<void(std::uint64_t size, std::optional<std::uint64_t> total)> progress;
  /// Go on where an earlier download ended, if the server still has the same (RFC 9110 13.1.5).
  bool resume = true;
  /// Time limits and the like.
  RequestOptions request;
};
static_assert(detail::co_await_safe<DownloadOptions>);

/// What a download came to.
struct Downloaded {
  std::uint64_t size = 0;          ///< Of the file.
  std::uint64_t resumed_from = 0;  ///< As much of it was there already.
};
static_assert(detail::co_await_safe<Downloaded>);

namespace detail {

/// What can stand in `If-Range`: a strong validator (RFC 9110 8.8, 13.1.5); empty if there is none.
inline std::string strong_validator(const Headers& headers) {
  if (const auto tag = headers.get("ETag"))
    return tag->starts_with('"') ? std::string(*tag) : std::string();
  const auto modified = headers.get("Last-Modified");
  const auto date = headers.get("Date");
  // One of the same second as the response may have changed once more since (8.8.2.2).
  return modified && date && *modified != *date ? std::string(*modified) : std::string();
}

/// Tells requests' URLs apart, without what they may hold of secrets.
inline std::string fingerprint(const Request& request) {
  static const Url anywhere = *Url::parse("http://localhost/");
  const auto url = request.target(anywhere);
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a.
  for (const char c : url ? url->str() : request.url())
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return std::to_string(hash);
}

/// A file while it is not whole: `path.part`, with what it is a part of in `path.part.validator`:
/// the validator and, as another URL's may be the same, the fingerprint.
class PartFile {
 public:
  PartFile(std::string path, std::string fingerprint)
      : path_(std::move(path)),
        part_(path_ + ".part"),
        mark_(part_ + ".validator"),
        fingerprint_(std::move(fingerprint)) {
    if (path_.find('\0') != path_.npos)  // Cut there, it would be another file's.
      throw Error(Errc::file_failed, in_quotes(path_) + " has a NUL in it");
  }

  const std::string& path() const noexcept { return part_; }

  std::uint64_t size() const {
    std::error_code none;
    const auto size = std::filesystem::file_size(part_, none);
    return none ? 0 : size;
  }
  std::string validator() const {
    std::ifstream file(mark_, std::ios::binary);
    std::string validator, of;
    std::getline(file, validator);
    std::getline(file, of);
    return of == fingerprint_ ? validator : std::string();
  }
  /// Says what it is a part of from now on; empty: of nothing that could be gone on with.
  void mark(const std::string& validator) const {
    std::error_code ignored;
    std::filesystem::remove(mark_, ignored);
    if (validator.empty()) return;
    OutputFile file(mark_, OutputFile::Mode::replace);
    file.write(validator + "\n" + fingerprint_);
    file.close();
  }
  /// It is whole: takes the place of what had its name before, in one step.
  void finish() const {
    std::error_code error;
    std::filesystem::rename(part_, path_, error);
    if (error)
      throw Error(Errc::file_failed, in_quotes(part_) + " cannot be renamed to " + in_quotes(path_),
                  error);
    mark({});
  }

 private:
  std::string path_, part_, mark_, fingerprint_;
};

struct Download {
  using Options = DownloadOptions;

  static asio::awaitable<Downloaded> run(Client client, Request request, std::string path,
                                         DownloadOptions options) {
    const PartFile part(std::move(path), fingerprint(request));
    // Parts of a coded body could not be put together.
    request.header("Accept-Encoding", "identity");
    options.request.decode = false;
    Downloaded result;
    std::string validator;
    if (options.resume) validator = part.validator();
    if (!validator.empty()) result.resumed_from = part.size();
    for (;;) {
      Request attempt = request;
      if (result.resumed_from > 0) {
        attempt.header("Range", "bytes=" + std::to_string(result.resumed_from) + "-");
        attempt.header("If-Range", validator);
      }
      ResponseStream stream = co_await client.stream(std::move(attempt), options.request);
      if ((stream.status() == 206 || stream.status() == 416) && result.resumed_from > 0) {
        // Not every server heeds If-Range: parts of two things would make a third (RFC
        // 9110 15.3.7.3).
        const auto of = strong_validator(stream.headers());
        if (of.starts_with('"') == validator.starts_with('"') && !of.empty() && of != validator) {
          result.resumed_from = 0;
          continue;
        }
      }
      if (stream.status() == 416 && result.resumed_from > 0) {
        const auto whole = stream.headers().get("Content-Range");
        result.size = result.resumed_from;
        if (whole && *whole == "bytes */" + std::to_string(result.size)) break;
        result.resumed_from = 0;  // It has become shorter than what is there.
        continue;
      }
      if (stream.status() < 200 || stream.status() > 299)
        throw status_error(stream.status(), stream.reason(), stream.url());
      std::optional<std::uint64_t> total;
      if (const auto length = stream.headers().get("Content-Length"))
        total = parse_decimal(*length);
      if (stream.status() == 206) {
        const auto range = parse_content_range(stream.headers().get("Content-Range").value_or(""));
        if (range && !range->size && result.resumed_from > 0) {
          result.resumed_from = 0;  // Who knows whether that is the rest.
          continue;
        }
        if (result.resumed_from == 0 || !range || range->first != result.resumed_from ||
            *range->size != range->last + 1)
          throw Error(Errc::malformed_response, "206 with another range than was asked for");
        total = range->last + 1;
      } else {
        result.resumed_from = 0;
      }
      result.size = result.resumed_from;
      co_await write(stream, part, result, total, options);
      break;
    }
    part.finish();
    co_return result;
  }

 private:
  static asio::awaitable<void> write(ResponseStream& stream, const PartFile& part,
                                     Downloaded& result, std::optional<std::uint64_t> total,
                                     const DownloadOptions& options) {
    const bool from_start = result.resumed_from == 0;
    if (from_start) part.mark({});  // What is there is a part of something else.
    OutputFile file(part.path(), from_start ? OutputFile::Mode::replace : OutputFile::Mode::append);
    if (from_start) part.mark(strong_validator(stream.headers()));
    while (const auto piece = co_await stream.read()) {
      file.write(*piece);
      result.size += piece->size();
      if (options.progress) options.progress(result.size, total);
    }
    file.close();
    if (total && result.size != *total) {
      part.mark({});  // Nothing that could be gone on with.
      throw Error(Errc::malformed_response, "its body is not as long as its range");
    }
  }
};

}  // namespace detail

}  // namespace ferry
