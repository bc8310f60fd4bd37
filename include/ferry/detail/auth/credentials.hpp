#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/base64.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>
#include <ferry/url.hpp>

// What users and passwords may be made of. None is ever shown, nor a part of it.
namespace ferry::detail {

/// Why a part of credentials cannot be sent, if it cannot: it has a control character, a line end
/// most often, of the file that it was read from.
/// @param what how the error calls it: `basic(): the password`.
inline std::optional<Error> check_credential(std::string_view what, std::string_view text,
                                             Errc code = Errc::invalid_option) {
  const auto control = std::find_if(text.begin(), text.end(), is_control);
  if (control == text.end()) return std::nullopt;
  const bool line_end = *control == '\r' || *control == '\n';
  return Error(code,
               std::string(what) + (line_end ? " has a line end" : " has a control character"));
}

/// The value of `Authorization` for a user and a password (RFC 7617 2), or why there is none.
/// @param where what the error's text begins with: `basic(): `.
inline Result<std::string> basic_authorization(std::string_view user, std::string_view password,
                                               const std::string& where,
                                               Errc code = Errc::invalid_option) {
  if (auto error = check_credential(where + "the user name", user, code)) return *error;
  if (auto error = check_credential(where + "the password", password, code)) return *error;
  // The server would take what is behind it for a part of the password.
  if (user.find(':') != user.npos)
    return Error(code, where + "the user name has a colon, which Basic authentication cannot send");
  std::string both(user);
  (both += ':') += password;
  return "Basic " + base64(both);
}

/// The value of `Authorization` that a URL's userinfo means: `user:password`, both
/// percent-encoded (RFC 3986 3.2.1); or `Errc::invalid_url`.
inline Result<std::string> basic_from_userinfo(std::string_view userinfo) {
  const auto colon = std::min(userinfo.find(':'), userinfo.size());
  const auto user = unescaped(userinfo.substr(0, colon));
  const auto password = unescaped(userinfo.substr(std::min(colon + 1, userinfo.size())));
  return basic_authorization(user, password, "before its \"@\", ", Errc::invalid_url);
}

}  // namespace ferry::detail
