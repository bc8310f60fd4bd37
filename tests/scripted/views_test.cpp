// Views into temporaries must not compile, because they would dangle. The forms that are to be used
// instead must compile.

#include <concepts>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ferry/async_stream.hpp>
#include <ferry/blocking.hpp>
#include <ferry/form.hpp>
#include <ferry/lines.hpp>
#include <ferry/link.hpp>
#include <ferry/sse.hpp>

#include "support/scripted.hpp"

using ferry::Body;
using ferry::ConnectionInfo;
using ferry::Error;
using ferry::Headers;
using ferry::Link;
using ferry::Method;
using ferry::Request;
using ferry::Response;
using ferry::ResponseStream;
using ferry::Url;

namespace {

/// True if this works for an object that has a name, and for no temporary.
/// @param check whether it works for an expression of a type.
template <class Type>
constexpr bool is_for_named(auto check) {
  return check(std::type_identity<Type&>()) && !check(std::type_identity<Type>()) &&
         !check(std::type_identity<const Type>());
}

#define CHECK_NAMED_ONLY(type, call)                                    \
  static_assert(is_for_named<type>([]<class T>(std::type_identity<T>) { \
    return requires { std::declval<T>().call; };                        \
  }))

CHECK_NAMED_ONLY(Headers, get("X"));
CHECK_NAMED_ONLY(Headers, get_all("X"));
CHECK_NAMED_ONLY(Headers, find("X"));
CHECK_NAMED_ONLY(Headers, begin());
CHECK_NAMED_ONLY(Headers, end());

CHECK_NAMED_ONLY(Url, scheme());
CHECK_NAMED_ONLY(Url, host());
CHECK_NAMED_ONLY(Url, authority());
CHECK_NAMED_ONLY(Url, origin());
CHECK_NAMED_ONLY(Url, path());
CHECK_NAMED_ONLY(Url, query());
CHECK_NAMED_ONLY(Url, fragment());
CHECK_NAMED_ONLY(Url, target());
CHECK_NAMED_ONLY(Url, userinfo());

CHECK_NAMED_ONLY(Method, token());

CHECK_NAMED_ONLY(ConnectionInfo, local_endpoint());
CHECK_NAMED_ONLY(ConnectionInfo, remote_endpoint());
CHECK_NAMED_ONLY(ConnectionInfo, tls());

CHECK_NAMED_ONLY(ResponseStream, headers());
CHECK_NAMED_ONLY(ResponseStream, trailers());
CHECK_NAMED_ONLY(ResponseStream, reason());
CHECK_NAMED_ONLY(ResponseStream, url());
CHECK_NAMED_ONLY(ResponseStream, timings());
CHECK_NAMED_ONLY(ResponseStream, connection());
CHECK_NAMED_ONLY(ResponseStream, history());
CHECK_NAMED_ONLY(ResponseStream, read());

CHECK_NAMED_ONLY(ferry::Lines, next());
CHECK_NAMED_ONLY(ferry::Lines, response());
CHECK_NAMED_ONLY(ferry::ServerEvents, response());
CHECK_NAMED_ONLY(ferry::ServerEvents, last_event_id());

CHECK_NAMED_ONLY(Link, rel());
CHECK_NAMED_ONLY(Link, param("title"));

CHECK_NAMED_ONLY(ferry::DialContext, host());
CHECK_NAMED_ONLY(ferry::DialContext, unix_path());
CHECK_NAMED_ONLY(ferry::AsyncStream, stream());
CHECK_NAMED_ONLY(ferry::AsyncStream, lowest_layer());
CHECK_NAMED_ONLY(ferry::blocking::Client, async());

// An expression that must not compile: `(co_await
// client.get(url)).headers().get("X").value_or("")`.
template <class T>
concept gives_field = requires {
  std::declval<T>().headers().get("X");
};
template <class T>
concept gives_path = requires {
  std::declval<T>().url().path();
};
template <class T>
concept gives_endpoint = requires {
  std::declval<T>().connection().remote_endpoint();
};
template <class T>
concept gives_token = requires {
  std::declval<T>().method().token();
};
static_assert(gives_field<Response&> && !gives_field<Response>);
static_assert(gives_path<Response&> && !gives_path<Response>);
static_assert(gives_endpoint<Response&> && !gives_endpoint<Response>);
static_assert(gives_field<ResponseStream&> && !gives_field<ResponseStream>);
static_assert(gives_path<ResponseStream&> && !gives_path<ResponseStream>);
static_assert(gives_field<Request&> && !gives_field<Request>);
static_assert(gives_token<Request&> && !gives_token<Request>);
static_assert(!gives_field<decltype(std::declval<ferry::Result<Response>>().value())>);
static_assert(!gives_field<decltype(*std::declval<ferry::Result<Response>>())>);

/// True if this gives a value, and no reference.
template <class Expected, class Actual>
constexpr bool is_value = std::same_as<Actual, Expected>;

#define CHECK_VALUE(expected, type, call) \
  static_assert(is_value<expected, decltype(std::declval<type>().call)>)

CHECK_VALUE(std::string, Response, reason());
CHECK_VALUE(Headers, Response, headers());
CHECK_VALUE(Headers, Response, trailers());
CHECK_VALUE(std::string, Response, body());
CHECK_VALUE(Url, Response, url());
CHECK_VALUE(ferry::Timings, Response, timings());
CHECK_VALUE(ConnectionInfo, Response, connection());
CHECK_VALUE(std::vector<Response>, Response, history());
CHECK_VALUE(Response, Response, raise_for_status());
CHECK_VALUE(ResponseStream, ResponseStream, raise_for_status());
CHECK_VALUE(std::string, Url, str());
CHECK_VALUE(std::string, Url, unix_path());
CHECK_VALUE(Method, Request, method());
CHECK_VALUE(std::string, Request, url());
CHECK_VALUE(Headers, Request, headers());
CHECK_VALUE(Body, Request, body());
CHECK_VALUE(std::shared_ptr<ferry::Authenticator>, Request, auth());
CHECK_VALUE(std::string, Body, bytes());
CHECK_VALUE(std::string, Body, content_type());
CHECK_VALUE(std::shared_ptr<ferry::BodySource>, Body, source());
CHECK_VALUE(std::string, ferry::Form, str());
CHECK_VALUE(Error, ferry::Result<int>, error());
CHECK_VALUE(int, ferry::Result<int>, value());
CHECK_VALUE(std::string, Error, origin());
CHECK_VALUE(std::string, ferry::Origin, url());
CHECK_VALUE(ferry::ConnectionPool, ferry::Client, pool());
CHECK_VALUE(ferry::RequestOptions, ferry::Next, options());

}  // namespace

TEST_CASE("parts of a temporary are taken by value, and outlive it") {
  test::Scripted s(test::script(
      {"HTTP/1.1 200 OK\r\nX: field\r\nContent-Length: 0\r\n\r\n", test::ok("streamed")}));
  test::run(s.context, [&]() -> asio::awaitable<void> {
    const Headers headers = (co_await s.client->get("http://test/a?b")).headers();
    CHECK(headers.get("X") == "field");
    ResponseStream stream = (co_await s.client->stream("http://test/")).raise_for_status();
    CHECK(co_await stream.read_all() == "streamed");
  });
  CHECK(Request::post("http://test/", Body("text", "text/plain")).body().bytes() == "text");
  CHECK(Request::get("/path").header("X", "1").headers().size() == 1);
  CHECK(Body(std::make_shared<const std::string>("shared")).bytes() == "shared");
}
