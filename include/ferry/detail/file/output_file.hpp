#pragma once

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/process.hpp>
#include <ferry/detail/file/file_flags.hpp>
#include <ferry/error.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Throws `Errc::file_failed` for a path, with the system's error as its cause.
[[noreturn]] inline void throw_file_error(std::string_view path, std::string_view what, int code) {
  throw Error(Errc::file_failed, in_quotes(path).append(" ").append(what),
              std::error_code(code, std::generic_category()));
}

/// A file to write; every failure is an `Error`.
///
/// The file has no buffer: after fork(2), a child process would have a copy of the buffer, and
/// write it at exit(3). A child process cannot write with a copy of this object.
class OutputFile {
 public:
  enum class Mode {
    replace,  ///< Makes the file, or empties it.
    create,   ///< Makes a new file that only its owner can open.
  };

  /// @throws Error `Errc::file_failed`; for `Mode::create` also if the name exists.
  OutputFile(std::string path, Mode mode) : path_(std::move(path)), file_(open(mode)) {
    make_unbuffered();
  }
  /// Takes over a descriptor, and writes from its current position.
  /// @throws Error `Errc::file_failed`.
  OutputFile(std::string path, int descriptor)
      : path_(std::move(path)), file_(open(descriptor, "r+b")) {
    make_unbuffered();
  }

  /// @throws Error `Errc::file_failed`.
  void write(std::string_view bytes) {
    if (!process_.is_current()) {
      errno = EPERM;
      fail("belongs to the parent process");
    }
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
      fail("cannot be written");
  }

  /// Closes the file. Some systems report a failed write only now.
  /// @throws Error `Errc::file_failed`.
  void close() {
    if (std::fclose(file_.release()) != 0) fail("cannot be written");
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };

  std::FILE* open(Mode mode) const noexcept {
    if (path_.find('\0') != path_.npos) {  // The system would open another file.
      errno = EINVAL;
      return nullptr;
    }
    if (mode == Mode::replace) return std::fopen(path_.c_str(), "wb");
    return open(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | file_flags, 0600), "wb");
  }
  static std::FILE* open(int descriptor, const char* mode) noexcept {
    if (descriptor < 0) return nullptr;
    std::FILE* const file = ::fdopen(descriptor, mode);
    if (!file) ::close(descriptor);
    return file;
  }

  void make_unbuffered() {
    if (!file_) fail("cannot be opened");
    if (std::setvbuf(file_.get(), nullptr, _IONBF, 0) != 0) fail("cannot be written");
  }

  [[noreturn]] void fail(const char* what) const { throw_file_error(path_, what, errno); }

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  ProcessMark process_;
};

/// A file that replaces another one in one step when it is complete. Until then it has a unique
/// name and only its owner can open it; an incomplete one is removed.
class ReplacementFile {
 public:
  /// @throws Error `Errc::file_failed`.
  explicit ReplacementFile(std::string path)
      : path_(std::move(path)),
        unfinished_(path_ + unique_suffix()),
        file_(std::in_place, unfinished_, OutputFile::Mode::create) {}
  ReplacementFile(const ReplacementFile&) = delete;
  ReplacementFile& operator=(const ReplacementFile&) = delete;
  ~ReplacementFile() {
    if (finished_) return;
    file_.reset();  // Windows does not remove an open file.
    std::error_code ignored;
    std::filesystem::remove(unfinished_, ignored);
  }

  /// @throws Error `Errc::file_failed`.
  void write(std::string_view bytes) { file_->write(bytes); }

  /// Closes the complete file and replaces the other one.
  /// @throws Error `Errc::file_failed`.
  void finish() {
    file_->close();
    std::error_code error;
    std::filesystem::rename(unfinished_, path_, error);
    if (error) throw Error(Errc::file_failed, in_quotes(path_) + " cannot be replaced", error);
    finished_ = true;
  }

 private:
  /// A suffix that other processes, threads and hosts do not use.
  static std::string unique_suffix() {
    std::random_device random;
    char suffix[24];
    std::snprintf(suffix, sizeof suffix, ".%08x%08x.new", static_cast<unsigned>(random()),
                  static_cast<unsigned>(random()));
    return suffix;
  }

  const std::string path_;
  const std::string unfinished_;
  std::optional<OutputFile> file_;
  bool finished_ = false;
};

}  // namespace ferry::detail
