#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/h1/chunk_extensions.hpp>
#include <ferry/detail/h1/line_ends.hpp>
#include <ferry/error.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Checks the framing of one chunked body (RFC 9112 7.1): size lines, extensions, the line ends
/// after data, and trailers. llhttp finds where these begin and end, but does not limit their size,
/// and some versions accept LF without CR (CVE-2025-22871, CVE-2023-39326).
///
///     chunks ---- size line of the last chunk parsed ----> last_size_line
///     last_size_line ---- its bytes checked ----> trailers
///
/// Invariants:
/// 1. Each byte of framing is checked exactly once, in order: `unchecked_` is the first one that is
///    not. Data is no framing, even if the data is refused.
/// 2. The framing before data is checked before the data is taken, so that the first error in the
///    bytes is the one reported, however the bytes are split.
/// 3. `overhead_` is the framing, in bytes, that no data has justified yet. At most one byte more
///    than its limit is looked at: bytes after the excess do not matter.
/// 4. Trailers have a limit of their own: `overhead_` begins at zero with them.
/// 5. An extension is taken out of the bytes before llhttp sees the bytes, but counts as framing.
class ChunkFraming {
 public:
  /// @param max_head_size limit of the trailers, in bytes. Other framing may be as large, or 16 KiB
  ///   if that is more.
  explicit ChunkFraming(std::size_t max_head_size) noexcept : max_head_size_(max_head_size) {
    extensions_.begin_line();
  }

  /// Announces the next bytes of the body. They must stay valid while they are parsed.
  void expect(std::string_view bytes) noexcept { unchecked_ = bytes.data(); }

  /// Divides the next bytes into a part for llhttp and one that belongs to an extension.
  ChunkExtensions::Part divide(std::string_view bytes) noexcept { return extensions_.take(bytes); }
  /// True once an extension is malformed.
  bool has_bad_extension() const noexcept { return extensions_.failed(); }

  /// Notes that a size line has been parsed.
  void begin_chunk(bool is_last) noexcept {
    chunk_begun_ = true;
    if (is_last) part_ = Part::last_size_line;
  }
  /// Notes that a chunk, with the line end after its data, has been parsed.
  /// @return true if a size line follows; false after the trailers.
  bool end_chunk() noexcept {
    if (part_ == Part::trailers) return false;
    extensions_.begin_line();
    return true;
  }

  /// Takes a piece of a chunk's data, and checks the framing before it.
  /// @return false, with an error, if the framing is refused.
  bool take_data(std::string_view data) {
    const bool is_good = check(data.data());
    unchecked_ = data.data() + data.size();
    if (!is_good) return false;
    // Small chunks have as much framing as data, and cost the sender as much as the client.
    const std::size_t due = 2 * data.size() + (std::exchange(chunk_begun_, false) ? 16 : 0);
    overhead_ -= std::min(overhead_, due);
    line_ends_ = LineEnds();
    return true;
  }

  /// Checks the framing before `end`, a place in the announced bytes.
  /// @return false, with an error, if the framing is refused.
  bool check(const char* end) {
    if (unchecked_ < end) {
      const auto size = static_cast<std::size_t>(end - unchecked_);
      const std::size_t most = std::min(limit(), std::numeric_limits<std::size_t>::max() - 1);
      const auto looked_at = std::min(size, most - std::min(most, overhead_) + 1);
      if (!line_ends_.take({unchecked_, looked_at}))
        return fail(Errc::malformed_response, "a line ends without CR");
      overhead_ += looked_at;
      unchecked_ = end;
      if (overhead_ > most) return fail_excess();
    }
    if (part_ == Part::last_size_line) {
      part_ = Part::trailers;
      overhead_ = 0;
    }
    return true;
  }

  /// The error after one of the functions has returned false.
  const Error& error() const noexcept { return *error_; }

 private:
  static constexpr std::size_t max_overhead = 16 * 1024;

  enum class Part { chunks, last_size_line, trailers };

  std::size_t limit() const noexcept {
    return part_ == Part::trailers ? max_head_size_ : std::max(max_overhead, max_head_size_);
  }

  bool fail(Errc code, std::string detail) {
    error_.emplace(code, std::move(detail));
    return false;
  }
  bool fail_excess() {
    if (part_ != Part::trailers)
      return fail(Errc::head_too_large, "the chunk extensions are larger than the data justifies");
    return fail(Errc::head_too_large, "the trailers are larger than " +
                                          std::to_string(max_head_size_) +
                                          " bytes (limits.max_head_size)");
  }

  std::size_t max_head_size_;
  const char* unchecked_ = nullptr;
  std::size_t overhead_ = 0;
  ChunkExtensions extensions_;
  LineEnds line_ends_;
  Part part_ = Part::chunks;
  std::optional<Error> error_;
  bool chunk_begun_ = false;  // True between a size line and the first data of its chunk.
};

}  // namespace ferry::detail
