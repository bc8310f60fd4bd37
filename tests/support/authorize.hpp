#pragma once

#include <exception>
#include <string>
#include <utility>

#include <ferry/authenticator.hpp>

namespace test {

/// The value that an authenticator gives, waited for if necessary.
inline std::string authorize(ferry::Authenticator& auth, const ferry::AuthContext& context) {
  if (auto value = auth.authorize_now(context)) return *value;
  asio::io_context io{1};
  std::string given;
  asio::co_spawn(io, auth.authorize(context), [&](std::exception_ptr e, std::string value) {
    if (e) std::rethrow_exception(e);
    given = std::move(value);
  });
  io.run();
  return given;
}

/// The value that an authenticator gives a GET before any response.
inline std::string given(ferry::Authenticator& auth, std::string url = "http://h/") {
  const ferry::Url parsed = ferry::Url::parse(std::move(url)).value();
  return authorize(auth, {.method = "GET", .url = parsed, .target = parsed.target()});
}

}  // namespace test
