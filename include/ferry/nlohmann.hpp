#pragma once

/// @file
/// JSON values of the library nlohmann/json: in a request's body, and from a response's. This is
/// the only public header that includes that library.

#include <concepts>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <utility>

#include <ferry/body.hpp>
#include <ferry/detail/base/access.hpp>
#include <ferry/error.hpp>
#include <ferry/response.hpp>

namespace ferry {

/// A body of JSON: `co_await client.post("/users", ferry::json(user))`, where `user` is a
/// `nlohmann::json` or `nlohmann::ordered_json`. Other types are not converted; text is sent as
/// given (`ferry/body.hpp`).
/// @throws Error `Errc::invalid_body` for a value that cannot be written: one that contains text
///   that is not UTF-8, or one that a parser has discarded.
template <class Value>
requires std::same_as<Value, nlohmann::json> || std::same_as<Value, nlohmann::ordered_json>
inline Body json(const Value& value) {
  if (value.is_discarded()) throw Error(Errc::invalid_body, "the JSON value was discarded");
  try {
    return json(value.dump());
  } catch (const nlohmann::json::type_error&) {
    throw Error(Errc::invalid_body, "a text in the JSON value is not UTF-8");
  }
}

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

/// The body of a response as JSON, whatever its status and `Content-Type`; JSON is always UTF-8
/// (RFC 8259 8.1).
/// @return a value independent of the response.
/// @throws Error `Errc::undecodable_body`; the message says at which byte parsing failed, and shows
///   nothing of the body. Threads: any.
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

/// The body of a response as a type that `nlohmann::json` converts to:
/// `auto user = ferry::response_as<User>(response)`.
/// @throws Error `Errc::undecodable_body` if the body is not JSON, or JSON of another form; the
///   message says what is missing. An exception that a `from_json` throws itself is passed on.
///   Threads: any.
template <class T>
T response_as(const Response& response) {
  const nlohmann::json value = json_of(response);
  try {
    return value.get<T>();
  } catch (const nlohmann::json::parse_error&) {
    // The parser's message would quote the text.
    throw Error(Errc::undecodable_body, "a text in its JSON is no JSON");
  } catch (const nlohmann::json::exception& error) {
    throw Error(Errc::undecodable_body,
                std::string("its JSON is of another form: ") + error.what());
  }
}

}  // namespace ferry
