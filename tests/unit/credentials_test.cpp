#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/auth/credentials.hpp>

using ferry::Errc;
using namespace ferry::detail;
using namespace std::string_literals;

TEST_CASE("credentials: no control character, and no error shows them") {
  CHECK_FALSE(check_credential("it", ""));
  CHECK_FALSE(check_credential("it", "a \xC3\xA9:~"));
  for (const auto& secret : {"hunter2\n"s, "hun\rter2"s, "hunter2\0"s, "\x7Fhunter2"s}) {
    const auto error = check_credential("it", secret);
    REQUIRE(error);
    CHECK(error->code() == Errc::invalid_option);
    const std::string why = error->what();
    CHECK(why.find("hunter2") == std::string::npos);
    const bool line_end = secret.find_first_of("\r\n") != std::string::npos;
    CHECK(why.find(line_end ? "it has a line end" : "it has a control character") !=
          std::string::npos);
  }
}

TEST_CASE("credentials of Basic: a user without a colon") {
  CHECK(basic_authorization("Aladdin", "open sesame", "").value() ==
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  CHECK(basic_authorization("", "a:b", "").value() == "Basic OmE6Yg==");
  const auto colon = basic_authorization("us:er", "hunter2", "here: ", Errc::invalid_url);
  REQUIRE_FALSE(colon);
  CHECK(colon.error().code() == Errc::invalid_url);
  CHECK(std::string(colon.error().what()).find("hunter2") == std::string::npos);
  CHECK_FALSE(basic_authorization("user\n", "", ""));
  CHECK_FALSE(basic_authorization("user", "\n", ""));
}

TEST_CASE("credentials of a URL: each part is decoded by itself") {
  CHECK(basic_from_userinfo("me").value() == "Basic bWU6");
  CHECK(basic_from_userinfo("me:a%3Ab").value() == basic_authorization("me", "a:b", "").value());
  CHECK(basic_from_userinfo("me:a:b").value() == basic_authorization("me", "a:b", "").value());
  CHECK_FALSE(basic_from_userinfo("m%3Ae:x"));  // The colon is the user's own.
  CHECK_FALSE(basic_from_userinfo("me:%0A"));
}
