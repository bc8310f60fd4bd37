#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/file/file_flags.hpp>
#include <ferry/error.hpp>
#include <ferry/file.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

/// A source that reads a file, opened again for every attempt.
class FileSource final : public BodySource {
 public:
  explicit FileSource(std::string path) : path_(std::move(path)) {}
  ~FileSource() override { close(); }

  std::optional<Error> rewind() override {
    if (begun_ && !regular_)
      return Error(Errc::invalid_body,
                   in_quotes(path_) + " has been read before and cannot be read again");
    close();
    begun_ = false;
    // The system would open the file whose name ends at the NUL.
    if (path_.find('\0') != std::string::npos)
      return Error(Errc::invalid_body, "the path " + in_quotes(path_) + " has a NUL");
    do {
      descriptor_ = ::open(path_.c_str(), O_RDONLY | file_flags);
    } while (descriptor_ < 0 && errno == EINTR);
    if (descriptor_ < 0) return failure("cannot be opened", errno);
    return check_idle();
  }

  bool can_rewind() const noexcept override { return regular_; }
  std::optional<std::uint64_t> size() const override { return size_; }

  std::optional<std::size_t> read_now(asio::mutable_buffer buffer) override {
    if (descriptor_ < 0) return 0;
    begun_ = true;
    const auto most = std::min<std::size_t>(buffer.size(), 1 << 30);  // Windows counts in 32 bits.
    ssize_t count = 0;
    do {
      count = ::read(descriptor_, buffer.data(), static_cast<unsigned>(most));
    } while (count < 0 && errno == EINTR);
    if (count < 0)
      throw std::system_error(errno, std::system_category(), "reading " + in_quotes(path_));
    // The descriptor is released at the end, without waiting for the body to be destroyed.
    if (count == 0) close();
    return static_cast<std::size_t>(count);
  }
  asio::awaitable<std::size_t> read(asio::mutable_buffer buffer) override {
    co_return *FileSource::read_now(buffer);
  }

 private:
  /// Examines the opened file: whether it can be read again, and how large it is.
  std::optional<Error> check_idle() {
    struct stat facts {};
    if (::fstat(descriptor_, &facts) != 0) return failure("cannot be looked at", errno);
    if (S_ISDIR(facts.st_mode)) return failure("cannot be sent", EISDIR);
    regular_ = S_ISREG(facts.st_mode);
    size_.reset();
    if (!regular_) return std::nullopt;
    // Files that the kernel generates when they are read (in /proc, for example) report a size of
    // 0.
    char byte;
    if (facts.st_size > 0 || ::read(descriptor_, &byte, 1) == 0)
      size_ = static_cast<std::uint64_t>(facts.st_size);
    if (facts.st_size == 0 && ::lseek(descriptor_, 0, SEEK_SET) != 0)
      return failure("cannot be read", errno);
    return std::nullopt;
  }

  Error failure(const char* what, int code) {
    close();
    return Error(Errc::invalid_body, in_quotes(path_) + " " + what,
                 std::error_code(code, std::system_category()));
  }

  void close() noexcept {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

  const std::string path_;
  int descriptor_ = -1;
  std::optional<std::uint64_t> size_;
  bool regular_ = true;  // Assumed until the file has been opened.
  bool begun_ = false;
};

}  // namespace detail

FERRY_DEFINITION Body file(std::string path, std::string content_type) {
  return Body(std::make_shared<detail::FileSource>(std::move(path)), std::move(content_type));
}

}  // namespace ferry
