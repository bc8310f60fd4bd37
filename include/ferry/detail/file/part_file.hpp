#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#if defined(_WIN32)
#include <fstream>
#include <io.h>
#include <iterator>
#include <share.h>
#else
#include <sys/file.h>
#endif

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/process.hpp>
#include <ferry/detail/file/file_flags.hpp>
#include <ferry/detail/file/output_file.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The identity of the representation to which a part file belongs.
class PartMark {
 public:
  PartMark() {}

  std::string validator;  ///< A strong validator; empty: nothing can be added to the part.
  /// Size of the whole in bytes; nothing: the server did not say it.
  std::optional<std::uint64_t> total;
  /// True if the server answered the last request for the rest, but none of the rest came.
  bool fruitless = false;
  /// True if that happened twice, and there was no time left to ask for the whole: the next
  /// download asks for the whole first.
  bool whole_next = false;
};
static_assert(co_await_safe<PartMark>);

/// An owned file descriptor. Its destructor closes the descriptor and gives up its lock. A copy in
/// a child process is only closed, because the lock is also the parent's.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept
      : number_(std::exchange(other.number_, -1)), process_(other.process_) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    std::swap(process_, other.process_);
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const noexcept { return number_; }
  explicit operator bool() const noexcept { return number_ >= 0; }
  void close() noexcept {
    if (number_ < 0) return;
#if !defined(_WIN32)
    // A child process may also have the descriptor, so closing it here does not end the lock.
    if (process_.is_current()) ::flock(number_, LOCK_UN);
#endif
    ::close(std::exchange(number_, -1));
  }

 private:
  int number_ = -1;
  ProcessMark process_;
};

/// An incomplete file: `path.part`, with its mark in `path.part.validator`.
///
/// The part is locked while this object lives, so two downloads never write into one part. Part and
/// mark are used only if no other user can have made them: they must be regular files of this user,
/// with one link, opened without following a symbolic link. Anything else with their names is
/// removed; the target of a link stays. A part that is empty at the end is removed.
///
/// Without locks in the file system, two downloads are not kept apart. A child process that has a
/// copy of this object does not change the files.
class PartFile {
 public:
  /// @param fingerprint the request's: a part of another request may have the same validator.
  /// @throws Error `Errc::file_failed`, also if another download holds the part.
  PartFile(std::string path, std::string fingerprint)
      : path_(std::move(path)),
        part_(path_ + ".part"),
        mark_(part_ + ".validator"),
        fingerprint_(std::move(fingerprint)) {
    // The system would cut the path at the NUL, and open another file.
    if (path_.find('\0') != path_.npos)
      throw Error(Errc::file_failed, in_quotes(path_) + " has a NUL in it");
    for (int attempt = 0; attempt < 100; ++attempt)
      if (open()) return;
    throw_file_error(part_, "is replaced again and again", EBUSY);
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile() {
    if (finished_ || !process_.is_current() || size() != std::uint64_t{0} || !is_in_place()) return;
#if defined(_WIN32)
    descriptor_.close();
#endif
    std::error_code ignored;
    std::filesystem::remove(mark_, ignored);
    std::filesystem::remove(part_, ignored);
  }

  /// Size of the part in bytes; nothing if the system does not tell it.
  std::optional<std::uint64_t> size() const noexcept {
#if defined(_WIN32)
    struct _stat64 facts {};  // The plain struct is too small for sizes of 2 GiB and more.
    if (::_fstat64(descriptor_.get(), &facts) != 0) return std::nullopt;
#else
    struct stat facts {};
    if (::fstat(descriptor_.get(), &facts) != 0) return std::nullopt;
#endif
    return static_cast<std::uint64_t>(facts.st_size);
  }

  /// The part's mark; nothing if there is none, or if another request made it.
  std::optional<PartMark> mark() const {
    const auto text = read_mark();
    std::string_view rest = text;
    const auto line = [&rest]() -> std::optional<std::string_view> {
      const auto end = rest.find('\n');
      if (end == rest.npos) return std::nullopt;
      const auto result = rest.substr(0, end);
      rest.remove_prefix(end + 1);
      return result;
    };
    const auto validator = line(), of = line(), total = line(), fruitless = line();
    // Older versions wrote no total, so nothing can be added to their parts.
    if (!fruitless || validator->empty() || *of != fingerprint_) return std::nullopt;
    PartMark mark;
    mark.validator = *validator;
    mark.total = parse_decimal(*total);
    mark.whole_next = *fruitless == "2";
    mark.fruitless = mark.whole_next || *fruitless == "1";
    if (!mark.total && *total != "*") return std::nullopt;
    return mark;
  }

  /// Replaces the part's mark.
  /// @throws Error `Errc::file_failed`.
  void set_mark(const PartMark& mark) {
    remove_mark();
    if (mark.validator.empty()) return;
    OutputFile file(mark_, OutputFile::Mode::create);
    std::string text = mark.validator + "\n" + fingerprint_ + "\n";
    text += mark.total ? std::to_string(*mark.total) : "*";
    text += mark.whole_next ? "\n2\n" : mark.fruitless ? "\n1\n" : "\n0\n";
    file.write(text);
    file.close();
  }
  /// Removes the mark, so that nothing can be added to the part from now on.
  /// @throws Error `Errc::file_failed`.
  void remove_mark() {
    check_process();
    std::error_code error;
    std::filesystem::remove(mark_, error);
    if (error) throw Error(Errc::file_failed, in_quotes(mark_) + " cannot be removed", error);
  }

  /// Empties the part and begins a new one.
  /// @throws Error `Errc::file_failed`.
  OutputFile begin(const PartMark& mark) {
    remove_mark();  // Remove the old mark first: it must not stand beside other bytes.
    if (::ftruncate(descriptor_.get(), 0) != 0) throw_file_error(part_, "cannot be emptied", errno);
    set_mark(mark);
    return writer(SEEK_SET);
  }
  /// Opens the part to append to it.
  /// @throws Error `Errc::file_failed`.
  OutputFile go_on() { return writer(SEEK_END); }

  /// Renames the complete part to its final name, which replaces an existing file in one step.
  /// @param written the number of bytes that the part should have.
  /// @throws Error `Errc::file_failed`, also if the size differs: then nothing can be added to the
  ///   part.
  void finish(std::uint64_t written) {
    check_process();
    if (!is_in_place()) throw_file_error(part_, "was replaced by something else", EBUSY);
    if (size() != written) {
      remove_mark();
      throw_file_error(part_, "has another size than was written", EIO);
    }
    // Remove the mark first: after the rename, another download may begin and set its own.
    const auto mark = this->mark();
    remove_mark();
#if defined(_WIN32)
    descriptor_.close();
#endif
    std::error_code error;
    std::filesystem::rename(part_, path_, error);
    finished_ = !error;
    if (finished_) return;
    if (mark) set_mark(*mark);
    throw Error(Errc::file_failed, in_quotes(part_) + " cannot be renamed to " + in_quotes(path_),
                error);
  }

 private:
  void check_process() const {
    if (!process_.is_current()) throw_file_error(part_, "belongs to the parent process", EPERM);
  }

  OutputFile writer(int whence) {
    check_process();
#if defined(_WIN32)
    const auto at = ::_lseeki64(descriptor_.get(), 0, whence);
#else
    const auto at = ::lseek(descriptor_.get(), 0, whence);
#endif
    if (at < 0) throw_file_error(part_, "cannot be written", errno);
      // A second descriptor: closing it reports write failures while the first one keeps the lock.
#if defined(_WIN32)
    return OutputFile(part_, ::_dup(descriptor_.get()));
#else
    note_holder();
    return OutputFile(part_, ::fcntl(descriptor_.get(), F_DUPFD_CLOEXEC, 0));
#endif
  }

#if defined(_WIN32)
  /// Opens the part for exclusive use, which is Windows' lock.
  bool open() {
    descriptor_ = Descriptor(
        ::_sopen(part_.c_str(), O_RDWR | O_CREAT | file_flags, _SH_DENYRW, _S_IREAD | _S_IWRITE));
    if (!descriptor_) throw_file_error(part_, "cannot be opened, or is in use", errno);
    return true;
  }
  bool is_in_place() const noexcept { return true; }
  std::string read_mark() const {
    std::ifstream file(mark_, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
#else
  // Maximum size of a mark in bytes; a validator, a part of a head, is smaller.
  static constexpr int most_mark = 1 << 20;
  static constexpr int flags = O_NOFOLLOW | O_NONBLOCK | file_flags;

  /// Opens or makes the part, and locks it.
  /// @return false if the caller must try again, because a file was removed or appeared meanwhile.
  bool open() {
    bool is_new = false;
    descriptor_.close();  // Close the last attempt's now, because closing may change errno.
    descriptor_ = Descriptor(::open(part_.c_str(), O_RDWR | flags));
    if (!descriptor_ && errno == ENOENT) {
      is_new = true;
      descriptor_ = Descriptor(::open(part_.c_str(), O_RDWR | O_CREAT | O_EXCL | flags, 0666));
      if (!descriptor_ && errno == EEXIST) return false;
    }
    if (!descriptor_) {
      const int code = errno;
      struct stat facts {};
      if (::lstat(part_.c_str(), &facts) == 0 && !is_own(facts) && ::unlink(part_.c_str()) == 0)
        return false;
      throw_file_error(part_, "cannot be opened", code);
    }
    lock();
    if (!is_in_place()) return false;
    struct stat facts {};
    // A file made here is good, even if the file system gives all files to one user.
    if (!is_new && (::fstat(descriptor_.get(), &facts) != 0 || !is_own(facts))) {
      if (::unlink(part_.c_str()) == 0) return false;
      throw_file_error(part_, "is no file of this user's alone, and cannot be removed", errno);
    }
    note_holder();
    return true;
  }

  void lock() {
    int result = 0;
    do {
      result = ::flock(descriptor_.get(), LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result == 0) return;
    const int code = errno;
    for (const int none : {ENOSYS, EOPNOTSUPP, ENOTSUP, ENOLCK})
      if (code == none) return;  // The file system has no locks.
    if (code != EWOULDBLOCK) throw_file_error(part_, "cannot be locked", code);
    std::string what = "is in use by another download";
    if (const auto process = holder()) what += ", of process " + std::to_string(process);
    throw_file_error(part_, what, code);
  }

  /// Takes a record lock beside the other lock, so that other processes can see which one holds the
  /// file. The record may fail, or be lost when this process closes another descriptor of the file;
  /// both are harmless.
  void note_holder() noexcept {
    struct flock record {};
    record.l_type = F_WRLCK;
    record.l_whence = SEEK_SET;
    ::fcntl(descriptor_.get(), F_SETLK, &record);
  }
  /// The process that has noted that it holds the file; 0 if none is known.
  long holder() const noexcept {
    struct flock record {};
    record.l_type = F_WRLCK;
    record.l_whence = SEEK_SET;
#if defined(F_OFD_GETLK)
    const int command = F_OFD_GETLK;  // Also sees this process's own record.
#else
    const int command = F_GETLK;
#endif
    const bool known = ::fcntl(descriptor_.get(), command, &record) == 0 &&
                       record.l_type != F_UNLCK && record.l_pid > 0;
    return known ? static_cast<long>(record.l_pid) : 0;
  }

  static bool is_own(const struct stat& facts) noexcept {
    return S_ISREG(facts.st_mode) && facts.st_uid == ::geteuid() && facts.st_nlink == 1;
  }
  /// True if the part's name still leads to the open file.
  bool is_in_place() const noexcept {
    struct stat opened {
    }, named{};
    return ::fstat(descriptor_.get(), &opened) == 0 && ::lstat(part_.c_str(), &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
  }

  std::string read_mark() const {
    std::string text;
    const Descriptor file(::open(mark_.c_str(), O_RDONLY | flags));
    struct stat facts {};
    if (!file || ::fstat(file.get(), &facts) != 0 || !is_own(facts)) return text;
    if (facts.st_size > most_mark) return text;
    text.resize(static_cast<std::size_t>(facts.st_size));
    const auto count = ::read(file.get(), text.data(), text.size());
    text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return text;
  }
#endif

  const std::string path_, part_, mark_, fingerprint_;
  const ProcessMark process_;
  Descriptor descriptor_;
  bool finished_ = false;
};

}  // namespace ferry::detail
