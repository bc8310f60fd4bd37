#pragma once

/// @file
/// `to_utf8`: converts text in any charset to UTF-8.

#include <optional>
#include <string>
#include <string_view>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// The charset in a `Content-Type`, as it was written; empty if there is none:
/// `charset_of("text/html; Charset=\"utf-8\"")` is `utf-8`. Threads: any. (RFC 9110 8.3)
std::string charset_of(std::string_view content_type);

/// Converts text in this charset to UTF-8.
///
/// A byte order mark of UTF-8 or UTF-16 overrides the charset, and is removed; a mark of UTF-32
/// does too, unless the charset is one of the web's. Bytes that are not a character of the charset
/// become U+FFFD, so the result is always UTF-8.
///
/// Names have the meaning that they have on the web: `iso-8859-1` and `ascii` are windows-1252,
/// `gb2312` is GB18030. Quotes around a name, hyphens and underscores in it, and all but the first
/// name of a list (`utf-8,gbk`) are ignored. Names that the web does not know are passed to the
/// system's `iconv`, which also has the tables for Chinese, Japanese and Korean (link `-liconv` on
/// some systems).
///
/// Text under an unknown name is returned unchanged if it is UTF-8. `to_utf8(bytes, "utf-8")`
/// always returns the text, with U+FFFD for bytes that are not UTF-8.
/// @param bytes the text.
/// @param charset the charset's name, in any case.
/// @return the text in UTF-8, which may be three times as large as `bytes`, or more.
/// @throws Error `Errc::undecodable_body` for an unknown name, unless the text is UTF-8; for
///   charsets that the web refuses because they can hide ASCII (`iso-2022-kr`, `hz-gb-2312`); for
///   text that needs a table that the system lacks. Threads: any. (WHATWG Encoding)
std::string to_utf8(std::string_view bytes, std::string_view charset);

namespace detail {

/// Converts a response's body to text. It is a type so that `Response` can name it before its
/// definition.
struct Text {
  /// Converts a body to UTF-8.
  /// @param coded the error for a body that is not UTF-8 because its content coding was not undone.
  /// @throws Error `Errc::undecodable_body` as `to_utf8` does.
  static std::string of(std::string_view body, std::optional<std::string_view> content_type,
                        const std::optional<Error>& coded = std::nullopt);
};

}  // namespace detail

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/text.ipp>
#endif
