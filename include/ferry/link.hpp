#pragma once

/// @file
/// `links`: the `Link` header fields, which tell where the next page is, for example.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/headers.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// A link in a response's head: `Link: </orders?page=2>; rel="next"`.
///
/// Lifetime: owns its texts. Threads: a value. (RFC 8288)
class Link {
 public:
  Link() = default;

  /// The link's target as it was written. It may be relative to the response's URL:
  /// `response.url().resolve(link.target)`.
  std::string target;
  /// The parameters in order: each name in lower case, each value without quotes and escapes. The
  /// value of a name with a star (`title*`) is decoded to UTF-8; if that fails, the parameter is
  /// left out. A value comes from the server and may hold any byte.
  std::vector<std::pair<std::string, std::string>> params;

  /// The value of the first parameter of this name, given in lower case; or of the name with a
  /// star, if there is one (RFC 8288 3.4.1). Valid as long as `params` is not changed.
  std::optional<std::string_view> param(std::string_view name) const&;
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::optional<std::string_view> param(std::string_view name) const&& = delete;

  /// The relation types as they were written, separated by spaces; empty if there are none.
  std::string_view rel() const& noexcept;
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view rel() const&& = delete;

  /// True if the link has this relation type, in any case: `has_rel("next")`.
  bool has_rel(std::string_view type) const noexcept;

 private:
  std::optional<std::string_view> find(std::string_view name) const noexcept;
};
static_assert(detail::co_await_safe<Link>);

/// The links of all `Link` fields, in order:
/// `for (const auto& link : ferry::links(page.headers())) if (link.has_rel("next")) ...`.
///
/// Malformed fields are no error: each field is read up to its first malformed part (RFC 8288 B.2).
/// A link may have no relation types. A link with an `anchor` starts from that anchor instead of
/// the response. Threads: any.
std::vector<Link> links(const Headers& headers);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/link.ipp>
#endif
