#pragma once

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <ferry/detail/ascii.hpp>
#include <ferry/detail/file_flags.hpp>
#include <ferry/error.hpp>

namespace ferry::detail {

/// A file that is written from its beginning, or from its end; every failure is an `Error`.
class OutputFile {
 public:
  enum class Mode {
    replace,
    append,
    secret,  ///< A new file, in the place of one that was there; nobody but its owner can open it.
  };

  /// @throws Error `Errc::file_failed`.
  OutputFile(std::string path, Mode mode) : path_(std::move(path)), file_(open(mode)) {
    if (!file_) fail("cannot be opened");
  }

  /// @throws Error `Errc::file_failed`.
  void write(std::string_view bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
      fail("cannot be written");
  }

  /// Writes what is still buffered. @throws Error `Errc::file_failed`.
  void close() {
    if (std::fclose(file_.release()) != 0) fail("cannot be written");
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };

  std::FILE* open(Mode mode) const noexcept {
    if (path_.find('\0') != path_.npos) {  // It would be another file.
      errno = EINVAL;
      return nullptr;
    }
    if (mode != Mode::secret) return std::fopen(path_.c_str(), mode == Mode::replace ? "wb" : "ab");
    // Who has the old one open, or has put a link there, does not get to see what is written.
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT) return nullptr;
    const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | file_flags, 0600);
    if (descriptor < 0) return nullptr;
    std::FILE* const file = ::fdopen(descriptor, "wb");
    if (!file) ::close(descriptor);
    return file;
  }

  [[noreturn]] void fail(const char* what) const {
    throw Error(Errc::file_failed, in_quotes(path_) + " " + what,
                std::error_code(errno, std::generic_category()));
  }

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace ferry::detail
