#pragma once

#include <string>

#include <ferry/detail/auth/credentials.hpp>
#include <ferry/detail/auth/digest_authenticator.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/digest.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

FERRY_DEFINITION std::shared_ptr<Authenticator> digest(std::string_view user,
                                                       std::string_view password) {
  if (auto error = detail::check_credential("digest(): the user name", user)) throw *error;
  if (auto error = detail::check_credential("digest(): the password", password)) throw *error;
  return std::make_shared<detail::DigestAuthenticator>(std::string(user), std::string(password));
}

}  // namespace ferry
