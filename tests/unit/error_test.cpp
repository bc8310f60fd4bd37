#include <doctest/doctest.h>
#include <string>

#include <ferry/result.hpp>

using ferry::Condition;
using ferry::Errc;
using ferry::Error;
using ferry::Phase;
using ferry::Result;

TEST_CASE("every Errc has a message of its own and at most one family") {
  const Condition families[] = {Condition::invalid_request, Condition::connection_failed,
                                Condition::timeout, Condition::protocol_error,
                                Condition::too_large};
  std::string seen;
  for (int value = 1; value <= static_cast<int>(Errc::http_status); ++value) {
    const std::error_code code = static_cast<Errc>(value);
    CHECK(code.message() != "unknown error");
    CHECK(seen.find("|" + code.message() + "|") == std::string::npos);
    seen += "|" + code.message() + "|";
    int members = 0;
    for (const auto family : families) members += code == family;
    const bool alone = code == Errc::body_source_failed || code == Errc::file_failed ||
                       code == Errc::cancelled || code == Errc::client_closed ||
                       code == Errc::http_status;
    CHECK(members == (alone ? 0 : 1));
  }
}

TEST_CASE("every family has a message of its own") {
  std::string seen;
  for (const auto family : {Condition::invalid_request, Condition::connection_failed,
                            Condition::timeout, Condition::protocol_error, Condition::too_large}) {
    const std::string message = std::error_condition(family).message();
    CHECK(message != "unknown condition");
    CHECK(seen.find("|" + message + "|") == std::string::npos);
    seen += "|" + message + "|";
  }
  CHECK(std::string(std::error_condition(Condition::timeout).category().name()) ==
        "ferry.condition");
}

TEST_CASE("[60] timeouts of every phase match Condition::timeout") {
  for (const auto code : {Errc::pool_timeout, Errc::resolve_timeout, Errc::connect_timeout,
                          Errc::proxy_timeout, Errc::tls_timeout, Errc::write_timeout,
                          Errc::first_byte_timeout, Errc::read_timeout, Errc::total_timeout})
    CHECK(Error(code).code() == Condition::timeout);
  CHECK(Error(Errc::cancelled).code() != Condition::timeout);
}

TEST_CASE("a cancellation is also the standard's operation_canceled") {
  CHECK(Error(Errc::cancelled).code() == std::errc::operation_canceled);
}

TEST_CASE("an error says what, where and why") {
  const auto cause = std::make_error_code(std::errc::connection_refused);
  const Error error = Error(Errc::connection_refused, "localhost:1", cause)
                          .at(Phase::connect, "http://localhost:1", 2, true, 7);
  const std::string what = error.what();
  CHECK(what ==
        "connection refused: localhost:1 (Connection refused) [http://localhost:1, connecting, "
        "attempt 2, kept connection]");
  CHECK(error.cause() == cause);
  CHECK(error.phase() == Phase::connect);
  CHECK(error.origin() == "http://localhost:1");
  CHECK(error.attempt() == 2);
  CHECK(error.reused());
  CHECK(error.bytes_sent() == 7);
  CHECK(std::string(Error(Errc::cancelled).what()) == "cancelled");
}

TEST_CASE("Result holds a value or an error") {
  Result<std::string> good("text");
  CHECK(good.has_value());
  CHECK(static_cast<bool>(good));
  CHECK(*good == "text");
  CHECK(good->size() == 4);
  CHECK(good.value() == "text");
  CHECK(std::move(good).value() == "text");

  const Result<std::string> bad{Error(Errc::read_timeout)};
  CHECK_FALSE(bad);
  CHECK(bad.error().code() == Errc::read_timeout);
  CHECK_THROWS_AS(bad.value(), Error);

  CHECK(Result<int>().has_value());
}

TEST_CASE("a code of another library's copy of the category is equal, and of its conditions") {
  /// A copy like that of a library that hides its symbols, such as tests/build/plugin.cpp.
  class Copy final : public std::error_category {
   public:
    const char* name() const noexcept override { return "ferry"; }
    std::string message(int) const override { return "of the copy"; }
  };
  const Copy copy;
  const std::error_code code(static_cast<int>(Errc::read_timeout), copy);
  CHECK(code == Errc::read_timeout);
  CHECK(Errc::read_timeout == code);
  CHECK(code != Errc::write_timeout);
  CHECK(code == Condition::timeout);
  CHECK(code != Condition::too_large);
  CHECK(std::error_code(static_cast<int>(Errc::read_timeout), std::generic_category()) !=
        Errc::read_timeout);
  CHECK(std::error_code() != Errc::read_timeout);
}
