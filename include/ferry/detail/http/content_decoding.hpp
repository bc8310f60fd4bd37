#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/content_coding.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/headers.hpp>
#include <ferry/result.hpp>

// The decoder for the content codings of a response's body (RFC 9110 8.4).
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The value of `Accept-Encoding` for these codings; empty if there are none (RFC 9110 12.5.3).
inline std::string accept_encoding(std::span<const ContentCoding> codings) {
  std::string value;
  for (const ContentCoding& coding : codings) {
    if (!value.empty()) value += ", ";
    value += coding.name;
  }
  return value;
}

/// Undoes the codings of one body, piece by piece, with a buffer of 16 KiB between two codings.
///
/// `feed` takes a piece of the body, `read` returns decoded bytes until it returns 0, and so on;
/// `finish` follows the last piece. After an error the object is of no further use. The decoded
/// bytes do not depend on the pieces. For a broken body, the pieces may decide how many bytes come
/// before the error, and which error it is if there are several.
class ContentDecoding {
 public:
  /// Undoes nothing: `is_active` is false.
  ContentDecoding() = default;

  /// The decoder for a response with these fields. Without `Content-Encoding` it costs nothing.
  /// @param codings the known codings. If an unknown one was applied, none is undone: the body
  ///   stays as received.
  /// @return the decoder, or `Errc::undecodable_body` if there are more than five codings.
  /// @throws std::bad_alloc
  static Result<ContentDecoding> of(const Headers& headers,
                                    std::span<const ContentCoding> codings) {
    Result<ContentDecoding> decoding;
    if (codings.empty()) return decoding;
    std::array<const ContentCoding*, max_codings> applied{};
    std::size_t count = 0;
    bool all_known = true;
    for (const auto [name, value] : headers) {
      if (!iequals(name, "Content-Encoding")) continue;
      for (std::string_view list = value; !list.empty();) {
        const auto comma = std::min(list.find(','), list.size());
        const std::string_view token = trim_ows(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 1, list.size()));
        // RFC 9110 5.6.1.2: empty elements are ignored. 8.4.1: "identity" should not occur here.
        if (token.empty() || iequals(token, "identity")) continue;
        // The limit applies to all fields together (CVE-2023-23916).
        if (count == max_codings)
          return Error(Errc::undecodable_body,
                       "it has more than " + std::to_string(max_codings) + " content codings");
        applied[count] = find(codings, token);
        if (!applied[count]) all_known = false;
        ++count;
      }
    }
    if (count == 0 || !all_known) return decoding;
    // The fields name the codings in the order of their application: the last one is undone first.
    decoding->stages_.reserve(count);
    while (count-- > 0) {
      decoding->stages_.emplace_back(*applied[count], count > 0);
      if (!decoding->stages_.back().decoder)
        return undecodable(applied[count]->name, "its function gave no decoder");
    }
    return decoding;
  }

  /// False if the body needs no decoding; then no other function may be called.
  bool is_active() const noexcept { return !stages_.empty(); }

  /// Takes the next piece of the body, which must stay valid until `read` returns 0. Call this only
  /// after `read` has returned 0 for the previous piece.
  void feed(std::string_view raw) noexcept { raw_ = raw; }

  /// Fills `out`, which must not be empty, with decoded bytes.
  /// @return the number of bytes; 0 if another piece is needed. Or `Errc::undecodable_body`.
  /// @throws std::bad_alloc
  Result<std::size_t> read(std::span<char> out) {
    std::size_t made = 0;
    // Works at the last stage that has input, and ends when no stage has any.
    for (std::size_t at = stages_.size() - 1;;) {
      CodingStage& stage = stages_[at];
      std::string_view& input = at == 0 ? raw_ : stages_[at - 1].output;
      if (input.empty() && !stage.has_more) {
        if (at == 0) return made;
        --at;
        if (auto error = check_swelling(stages_[at])) return *error;
        continue;
      }
      const bool is_last = at + 1 == stages_.size();
      const std::span<char> target = is_last ? out.subspan(made) : stage.room();
      const auto progress = stage.decoder->decode(input, target);
      if (!progress) return progress.error();
      if (progress->used == 0 && progress->made == 0 && !input.empty())
        // Without progress, the loop would never end.
        return undecodable(stage.name, "the data are broken");
      input.remove_prefix(progress->used);
      stage.has_more = progress->made == target.size();
      stage.ended = progress->ended;
      stage.total += progress->made;
      if (is_last) {
        made += progress->made;
        if (made == out.size()) return made;
      } else if (progress->made > 0) {
        stage.output = std::string_view(target.data(), progress->made);
        ++at;
      }
    }
  }

  /// Appends decoded bytes to `body`, until the current piece is used up or `most` bytes were made.
  /// @param limit the maximum size of `body` in bytes. Its memory grows to this size, and takes
  ///   half as much again while it is moved; it is never more than twice as large as the decoded
  ///   bytes.
  /// @param most the number of bytes to make, within 16 KiB.
  /// @return true if the piece is used up; or `Errc::undecodable_body`, `Errc::body_too_large`.
  /// @throws std::bad_alloc
  Result<bool> read_more(std::string& body, std::uint64_t limit, std::uint64_t most) {
    // Not filled with zeros, unlike the end of a resized string.
    std::array<char, buffer_size> piece;
    for (std::uint64_t all = 0; all < most;) {
      const auto made = read(piece);
      if (!made) return made.error();
      if (*made == 0) return true;
      if (body.size() > limit || *made > limit - body.size())
        return Error(Errc::body_too_large,
                     "it is larger than " + std::to_string(limit) +
                         " bytes (limits.max_body_size, or max_body_size of this call)");
      make_room(body, body.size() + *made, limit);
      body.append(piece.data(), *made);
      all += *made;
    }
    return false;
  }

  /// Ends the body. Call this only after `read` has returned 0.
  /// @return nothing, or `Errc::undecodable_body` if a coding's data are not complete. A body
  ///   without a byte is complete.
  std::optional<Error> finish() const {
    for (const CodingStage& stage : stages_)
      if (!stage.ended) return undecodable(stage.name, "the data end too early");
    return std::nullopt;
  }

  /// Decodes a whole body at once: `feed`, `read_more` and `finish`.
  Result<std::string> decode_all(std::string_view raw, std::uint64_t limit) {
    std::string body;
    feed(raw);
    const auto done = read_more(body, limit, std::numeric_limits<std::uint64_t>::max());
    if (!done) return done.error();
    if (auto error = finish()) return *error;
    return body;
  }

 private:
  static constexpr std::size_t max_codings = 5;
  static constexpr std::size_t buffer_size = 16 * 1024;

  /// One coding, and its output that the next one has not taken.
  class CodingStage {
   public:
    CodingStage(const ContentCoding& coding, bool has_next)
        : name(coding.name),
          decoder(coding.decoder()),
          buffer_(has_next ? new char[buffer_size] : nullptr) {}

    /// The space for the next bytes. The space never passes a multiple of the buffer's size, so
    /// that the result of `check_swelling` does not depend on the pieces.
    std::span<char> room() const noexcept {
      return {buffer_.get(), static_cast<std::size_t>(buffer_size - total % buffer_size)};
    }

    std::string_view name;
    std::unique_ptr<ContentDecoder> decoder;
    std::string_view output;  ///< Decoded bytes in the buffer, if this is not the last stage.
    std::uint64_t total = 0;  ///< Number of bytes made.
    bool has_more = false;    ///< True if the last output was full: more may follow without input.
    bool ended = true;        ///< True if the data are complete; no data at all are complete, too.

   private:
    std::unique_ptr<char[]> buffer_;
  };

  static const ContentCoding* find(std::span<const ContentCoding> codings,
                                   std::string_view token) noexcept {
    for (const ContentCoding& coding : codings)
      if (iequals(coding.name, token) || iequals(coding.alias, token)) return &coding;
    return nullptr;
  }

  /// Limits the work that a small body can cause. Five codings swell it a thousandfold each, and
  /// the last one may make nothing of that, so that no limit on the output would apply. Called when
  /// all output of the stage is used up.
  std::optional<Error> check_swelling(const CodingStage& stage) const {
    static constexpr std::uint64_t slack = 1024 * 1024;
    static constexpr std::uint64_t ratio = 64;  // Encoders that flush every byte make about ten.
    if (stage.total % buffer_size != 0 || stage.total <= slack) return std::nullopt;
    if ((stage.total - slack) / ratio <= stages_.back().total) return std::nullopt;
    return undecodable(stage.name, "it swells to much more than the body that comes of it");
  }

  /// Gives the string room for `size` bytes. The capacity grows by about doubling and ends exactly
  /// at `limit`, unlike that of a growing string.
  static void make_room(std::string& body, std::uint64_t size, std::uint64_t limit) {
    if (size <= body.capacity()) return;
    std::uint64_t room = limit;
    if (body.empty()) room = size;  // Most bodies come in a single piece.
    while (room - room / 2 >= size) room -= room / 2;
    std::string grown;
    grown.reserve(static_cast<std::size_t>(room));
    grown = body;
    body.swap(grown);
  }

  std::vector<CodingStage> stages_;  // In the order of decoding.
  std::string_view raw_;
};
static_assert(co_await_safe<ContentDecoding>);

}  // namespace ferry::detail
