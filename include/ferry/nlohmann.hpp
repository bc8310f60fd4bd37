#pragma once

/// @file
/// JSON values of the library nlohmann/json: in a request's body, and from a response's. This is
/// the only public header that includes that library.

#include <concepts>
#include <nlohmann/json.hpp>
#include <string>

#include <ferry/body.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/response.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

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

/// The body of a response as JSON, whatever its status and `Content-Type`; JSON is always UTF-8
/// (RFC 8259 8.1).
/// @return a value independent of the response.
/// @throws Error `Errc::undecodable_body`; the message says at which byte parsing failed, and shows
///   nothing of the body. Threads: any.
nlohmann::json json_of(const Response& response);

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

// In both modes: nlohmann/json is itself compiled by each file that uses it.
#include <ferry/impl/nlohmann.ipp>
