#include <cstdint>
#include <doctest/doctest.h>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ferry/nlohmann.hpp>
#include <ferry/request.hpp>

#include "support/scripted.hpp"

using ferry::Errc;
using ferry::Response;
using namespace std::string_literals;

namespace {

Response response(std::string body) {
  ferry::detail::ResponseMessage message;
  message.status = 200;
  message.body = std::move(body);
  return Response(std::move(message), ferry::Url(), {}, {}, {});
}

struct User {
  std::string name;
  int age = 0;
};
void to_json(nlohmann::json& json, const User& user) {
  json = nlohmann::json::object();
  json["name"] = user.name;
  json["age"] = user.age;
}
void from_json(const nlohmann::json& json, User& user) {
  json.at("name").get_to(user.name);
  json.at("age").get_to(user.age);
  if (user.age < 0) throw std::invalid_argument("nobody is so young");
}

// The message of the error that this throws, which has this code.
template <class Function>
std::string error_of(Errc code, Function function) {
  try {
    function();
  } catch (const ferry::Error& error) {
    CHECK(error.code() == code);
    return error.what();
  }
  return "nothing thrown";
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("a JSON value as a body") {
  nlohmann::json value;
  value["name"] = "Ada";
  value["tags"] = std::vector<int>{1, 2};
  const auto body = ferry::json(value);
  CHECK(body.bytes() == R"({"name":"Ada","tags":[1,2]})");
  CHECK(body.content_type() == "application/json");

  nlohmann::ordered_json ordered;
  ordered["z"] = 1;
  ordered["a"] = "\u20ac";
  CHECK(ferry::json(ordered).bytes() == "{\"z\":1,\"a\":\"\u20ac\"}");
  CHECK(ferry::json(nlohmann::json()).bytes() == "null");
  CHECK(ferry::json(nlohmann::json(User{"Bob", 7})).bytes() == R"({"age":7,"name":"Bob"})");
  CHECK(ferry::json(nlohmann::json::parse("[]")).bytes() == "[]");
  const auto request = ferry::Request::post("http://h/", ferry::json(value));
  CHECK(request.body().content_type() == "application/json");
}

TEST_CASE("text is sent as it is, and a value that is a text is written as one") {
  CHECK(ferry::json("{\"a\":1}").bytes() == "{\"a\":1}");
  CHECK(ferry::json(R"([1])"s).bytes() == "[1]");
  const std::string text = "not even JSON";
  CHECK(ferry::json(text).bytes() == text);
  CHECK(ferry::json(std::string(text)).bytes() == text);
  const nlohmann::json value = "text";
  CHECK(ferry::json(value).bytes() == "\"text\"");
  CHECK(ferry::json(nlohmann::json("text")).bytes() == "\"text\"");
  nlohmann::json object;
  object["a"] = "b";
  CHECK(ferry::json(object["a"]).bytes() == "\"b\"");
}

TEST_CASE("a value that cannot be written is refused") {
  nlohmann::json value;
  value["secret"] = "hunter2\xff";
  const auto what = error_of(Errc::invalid_body, [&] { ferry::json(value); });
  CHECK(contains(what, "UTF-8"));
  CHECK_FALSE(contains(what, "hunter2"));
  const auto discarded = nlohmann::json::parse("{", nullptr, false);
  CHECK(contains(error_of(Errc::invalid_body, [&] { ferry::json(discarded); }), "discarded"));
}

TEST_CASE("a response as JSON") {
  CHECK(ferry::json_of(response(R"({"a":[1,{"b":null}]})"))["a"][0] == 1);
  CHECK(ferry::json_of(response(" 42 ")) == 42);
  CHECK(ferry::json_of(response("\xEF\xBB\xBF[]")).empty());
  CHECK(ferry::json_of(response("\"\u20ac\"")) == "\u20ac");
  CHECK(ferry::json_of(response("18446744073709551615")).get<std::uint64_t>() == UINT64_MAX);
}

TEST_CASE("what is no JSON is an error, which says where and quotes nothing") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "empty"},
      {"hunter2", "from byte 1 of 7"},
      {"{\"hunter2\":}", "from byte 12 of 12"},
      {"[1,2] hunter2", "from byte 7 of 13"},
      {"[\"hunter2", "breaks off after byte 9"},
      {"\"hunter2\xff\"", "from byte 9 of 10"},
      {"1e400", "too large"},
      {"[1", "breaks off after byte 2"},
      {"\"\\ud800\"", "of 8 on"},
      {"{'hunter2':1}", "from byte 2 of 13"},
      {"NaN", "from byte 1 of 3"},
  };
  for (const auto& [body, part] : cases) {
    const auto what = error_of(Errc::undecodable_body, [&] { ferry::json_of(response(body)); });
    CHECK_MESSAGE(contains(what, part), what);
    CHECK_FALSE(contains(what, "hunter"));
  }
}

TEST_CASE("JSON whose content coding nobody has undone is an error that names the coding") {
  test::Scripted s(
      test::script({"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                    "Content-Length: 4\r\n\r\n\x1f\x8b\x08\x01"}));
  const auto coded = s.get();
  REQUIRE(coded);
  const auto what = error_of(Errc::undecodable_body, [&] { ferry::json_of(*coded); });
  CHECK_MESSAGE(contains(what, "\"gzip\" was not undone"), what);
}

TEST_CASE("a NUL is no end: nothing that comes after it is lost in silence") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{\"a\":1}\0{\"a\":2}"s, "from byte 8 of 15"},
      {"[1,2]\0"s, "from byte 6 of 6"},
      {"42\0\0"s, "from byte 3 of 4"},
      {"\0[1]"s, "from byte 1 of 4"},
      {"[1\0,2]"s, "from byte 3 of 6"},
      {"[1,\0"s, "from byte 4 of 4"},
      {"\"a\0b\""s, "from byte 3 of 5"},
      {"null \n\0hunter2"s, "from byte 7 of 14"},
  };
  for (const auto& [body, part] : cases) {
    const auto what = error_of(Errc::undecodable_body, [&] { ferry::json_of(response(body)); });
    CHECK_MESSAGE(contains(what, part), what);
    error_of(Errc::undecodable_body, [&] { ferry::response_as<nlohmann::json>(response(body)); });
  }
  CHECK(ferry::json_of(response("\"a\\u0000b\"")) == "a\0b"s);  // An escape may be a zero byte.
}

TEST_CASE("depth costs memory, not the stack") {
  const std::size_t depth = 200'000;
  CHECK(ferry::json_of(response(std::string(depth, '[') + std::string(depth, ']'))).size() == 1);
  error_of(Errc::undecodable_body, [&] { ferry::json_of(response(std::string(depth, '['))); });
}

TEST_CASE("a response as a type") {
  const auto user = ferry::response_as<User>(response(R"({"name":"Ada","age":36})"));
  CHECK(user.name == "Ada");
  CHECK(user.age == 36);
  CHECK(ferry::response_as<std::vector<int>>(response("[1,2]")) == std::vector<int>{1, 2});
  CHECK(ferry::response_as<std::map<std::string, int>>(response(R"({"a":1})")).at("a") == 1);
  CHECK(ferry::response_as<nlohmann::json>(response("[]")).is_array());

  const auto as_user = [](const char* body) {
    return error_of(Errc::undecodable_body, [&] { ferry::response_as<User>(response(body)); });
  };
  CHECK(contains(as_user(R"({"name":"hunter2"})"), "'age' not found"));
  CHECK(contains(as_user(R"({"name":"hunter2","age":"x"})"), "must be number, but is string"));
  CHECK_FALSE(contains(as_user(R"({"name":"hunter2","age":"x"})"), "hunter2"));
  CHECK(contains(as_user("["), "breaks off after byte 1 ("));
  CHECK_THROWS_AS(ferry::response_as<User>(response(R"({"name":"x","age":-1})")),
                  std::invalid_argument);
}
