#pragma once

#include <algorithm>
#include <cstddef>
#include <doctest/doctest.h>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <ferry/body.hpp>

namespace test {

/// Reads a body as the sender does: rewinds its source, then reads it to the end in pieces of this
/// size.
/// @throws the error of `rewind`, and the exceptions of `read`.
inline std::string read_all(const ferry::Body& body, std::size_t piece = 1000) {
  if (!body.source()) return body.bytes();
  if (auto error = body.source()->rewind()) throw *error;
  std::string all;
  std::exception_ptr thrown;
  const auto read = [&]() -> asio::awaitable<void> {
    std::vector<char> buffer(piece);
    for (;;) {
      const std::size_t count = co_await body.source()->read(asio::buffer(buffer));
      REQUIRE(count <= piece);
      if (count == 0) break;
      all.append(buffer.data(), count);
    }
  };
  asio::io_context context{1};
  asio::co_spawn(context, read(), [&](std::exception_ptr e) { thrown = e; });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
  return all;
}

/// The error with which a body refuses to be sent; the test fails if there is none.
inline ferry::Error refusal(const ferry::Body& body) {
  REQUIRE(body.source());
  auto error = body.source()->rewind();
  REQUIRE(error);
  return *error;
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

}  // namespace test
