#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/base64.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/percent.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>
#include <ferry/url.hpp>

// Checks of user names and passwords. Errors never show them, not even in part.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Checks a part of credentials. The part must not have a control character, which most often is
/// the line end of the file from which the part was read.
/// @param what the part's name in the error: `basic(): the password`.
/// @return the failure, or nothing.
inline std::optional<Error> check_credential(std::string_view what, std::string_view text,
                                             Errc code = Errc::invalid_option) {
  const auto control = std::find_if(text.begin(), text.end(), is_control);
  if (control == text.end()) return std::nullopt;
  const bool line_end = *control == '\r' || *control == '\n';
  return Error(code,
               std::string(what) + (line_end ? " has a line end" : " has a control character"));
}

/// The value of `Authorization` for a user and a password (RFC 7617 2), or the failure.
/// @param where the beginning of the error's text: `basic(): `.
inline Result<std::string> basic_authorization(std::string_view user, std::string_view password,
                                               const std::string& where,
                                               Errc code = Errc::invalid_option) {
  if (auto error = check_credential(where + "the user name", user, code)) return *error;
  if (auto error = check_credential(where + "the password", password, code)) return *error;
  // The server would read the rest of the user name as a part of the password.
  if (user.find(':') != user.npos)
    return Error(code, where + "the user name has a colon, which Basic authentication cannot send");
  std::string both(user);
  (both += ':') += password;
  return "Basic " + base64(both);
}

/// The value of `Authorization` for a URL's userinfo: `user:password`, both percent-encoded (RFC
/// 3986 3.2.1); or `Errc::invalid_url`.
inline Result<std::string> basic_from_userinfo(std::string_view userinfo) {
  const auto colon = std::min(userinfo.find(':'), userinfo.size());
  const auto user = unescaped(userinfo.substr(0, colon));
  const auto password = unescaped(userinfo.substr(std::min(colon + 1, userinfo.size())));
  return basic_authorization(user, password, "before its \"@\", ", Errc::invalid_url);
}

}  // namespace ferry::detail
