#pragma once

#include <cstddef>
#include <string>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/nlohmann.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

/// A message that a body is not JSON from this byte on, counted from 1; if the byte is after the
/// last one, that the body breaks off.
inline std::string no_json_from(std::size_t byte, const Response& response) {
  const auto size = std::to_string(response.body().size());
  std::string text =
      byte > response.body().size()
          ? "its JSON breaks off after byte " + size
          : "it is no JSON from byte " + std::to_string(byte) + " of " + size + " on";
  text.append(" (").append(response.url().origin()).append(response.url().path()).append(")");
  return text;
}

}  // namespace detail

inline nlohmann::json json_of(const Response& response) {
  const std::string& body = response.body();
  if (body.empty()) throw Error(Errc::undecodable_body, "it is empty, which is no JSON");
  try {
    nlohmann::json value = nlohmann::json::parse(body);
    // JSON has no NUL (RFC 8259 2), but the parser takes one for the end and ignores the rest.
    if (const auto nul = body.find('\0'); nul != body.npos)
      throw Error(Errc::undecodable_body, detail::no_json_from(nul + 1, response));
    return value;
  } catch (const nlohmann::json::parse_error& error) {
    if (const auto coded = detail::still_coded(detail::access::state(response))) throw *coded;
    throw Error(Errc::undecodable_body, detail::no_json_from(error.byte, response));
  } catch (const nlohmann::json::out_of_range&) {
    throw Error(Errc::undecodable_body, "a number in its JSON is too large");
  }
}

}  // namespace ferry
