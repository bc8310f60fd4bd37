#include <doctest/doctest.h>
#include <string>
#include <utility>

#include <ferry/form.hpp>
#include <ferry/request.hpp>

using ferry::Body;
using ferry::Form;
using namespace std::string_literals;

TEST_CASE("a form is written as the WHATWG URL standard does") {
  CHECK(Form().str().empty());
  CHECK(Form().add("a", "b").str() == "a=b");
  CHECK(Form().add("a", "1").add("b", "2").add("a", "3").str() == "a=1&b=2&a=3");
  CHECK(Form().add("", "").add("x", "").add("", "y").str() == "=&x=&=y");
  CHECK(Form().add("a b", "c  d").str() == "a+b=c++d");
  CHECK(Form().add("+", "a+b").str() == "%2B=a%2Bb");
  CHECK(Form().add("&=;", "%25").str() == "%26%3D%3B=%2525");
  CHECK(Form().add("n", "*-._~").str() == "n=*-._%7E");
  CHECK(Form().add("n", "M\u00fcller \u20ac").str() == "n=M%C3%BCller+%E2%82%AC");
  CHECK(Form().add("n", "a\r\nb\0c"s).str() == "n=a%0D%0Ab%00c");
}

TEST_CASE("every byte arrives as it was given") {
  const std::string digits = "0123456789ABCDEF";
  const std::string kept = "*-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string c(1, static_cast<char>(byte));
    std::string expected = {'%', digits[static_cast<std::size_t>(byte / 16)],
                            digits[static_cast<std::size_t>(byte % 16)]};
    if (kept.find(c) != std::string::npos) expected = c;
    if (byte == ' ') expected = "+";
    CHECK(Form().add(c, "").str() == expected + "=");
    CHECK(Form().add("", c).str() == "=" + expected);
  }
}

TEST_CASE("a form is a body with its content type") {
  Form form;
  form.add("a", "1").add("b", "x y");
  const Body copied = form;
  CHECK(copied.is_present());
  CHECK(copied.bytes() == "a=1&b=x+y");
  CHECK(copied.content_type() == "application/x-www-form-urlencoded");
  CHECK_FALSE(copied.source());
  CHECK(form.str() == "a=1&b=x+y");

  const Body moved = std::move(form);
  CHECK(moved.bytes() == "a=1&b=x+y");
  CHECK(Body(Form()).is_present());

  const auto request = ferry::Request::post("http://h/", Form().add("a", "b"));
  CHECK(request.body().bytes() == "a=b");
  CHECK(ferry::Request::get("http://h/").body(Form().add("c", "d")).body().bytes() == "c=d");
}

TEST_CASE("a field may be a view into the form") {
  Form form;
  form.add("long enough not to be small", "value");
  for (int i = 0; i < 5; ++i) form.add(form.str(), form.str());
  Form other;
  other.add("long enough not to be small", "value");
  for (int i = 0; i < 5; ++i) {
    const std::string text = other.str();
    other.add(text, text);
  }
  CHECK(form.str() == other.str());
}
