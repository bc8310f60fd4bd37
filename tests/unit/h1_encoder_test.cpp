#include <doctest/doctest.h>
#include <string>
#include <utility>

#include <ferry/detail/h1/encoder.hpp>

using ferry::Headers;
using ferry::Method;
using ferry::Url;

namespace {

struct Input {
  Method method;
  std::string url = "http://example.com/a?b=c#fragment";
  Headers headers;
  Headers defaults;
  std::string user_agent = "ferry/test";
  std::string content_type;
  std::string accept_encoding;
  std::optional<std::uint64_t> body_size = 0;
  bool has_body = false;
  bool close = false;
};

std::string encode(const Input& in) {
  const Url url = Url::parse(in.url).value();
  std::string without;
  std::string out;
  for (const auto& fields : {std::string(), ferry::detail::default_head_fields(
                                                in.defaults, in.user_agent, in.accept_encoding)}) {
    without = std::move(out);
    ferry::detail::ByteBuffer bytes;
    ferry::detail::encode_head({.method = in.method,
                                .url = url,
                                .headers = in.headers,
                                .defaults = in.defaults,
                                .user_agent = in.user_agent,
                                .content_type = in.content_type,
                                .accept_encoding = in.accept_encoding,
                                .body_size = in.body_size,
                                .has_body = in.has_body,
                                .close = in.close,
                                .default_head_fields = fields},
                               bytes);
    out = bytes.view();
  }
  CHECK(out == without);  // To know the usual fields beforehand makes no difference.
  return out;
}

}  // namespace

TEST_CASE("a plain GET") {
  CHECK(encode({}) ==
        "GET /a?b=c HTTP/1.1\r\n"
        "Host: example.com\r\n"
        "User-Agent: ferry/test\r\n"
        "Accept: */*\r\n"
        "Connection: keep-alive\r\n"
        "\r\n");
}

TEST_CASE("Host carries the port unless it is the default, and IPv6 its brackets") {
  Input in;
  in.url = "http://example.com:8080/";
  CHECK(encode(in).find("Host: example.com:8080\r\n") != std::string::npos);
  in.url = "http://example.com:80/";
  CHECK(encode(in).find("Host: example.com\r\n") != std::string::npos);
  in.url = "http://[::1]:81/";
  CHECK(encode(in).find("Host: [::1]:81\r\n") != std::string::npos);
}

TEST_CASE("[47] userinfo appears nowhere") {
  Input in;
  in.url = "http://user:hunter2@example.com/";
  CHECK(encode(in).find("hunter2") == std::string::npos);
  CHECK(encode(in).find("user:") == std::string::npos);
}

TEST_CASE("a request's own fields replace the client's and the library's") {
  Input in;
  in.defaults.add("X-Client", "client").add("Accept", "text/html").add("User-Agent", "mine");
  in.headers.add("x-client", "request").add("Host", "other.example");
  CHECK(encode(in) ==
        "GET /a?b=c HTTP/1.1\r\n"
        "Host: other.example\r\n"
        "Accept: text/html\r\n"
        "User-Agent: mine\r\n"
        "x-client: request\r\n"
        "Connection: keep-alive\r\n"
        "\r\n");
}

TEST_CASE("[45] Content-Length is there whenever the method or a body asks for it, once") {
  Input in;
  in.method = Method::post();
  CHECK(encode(in).find("Content-Length: 0\r\n") != std::string::npos);
  in.has_body = true;
  in.body_size = 12345;
  in.content_type = "application/json";
  in.headers.add("Content-Length", "12345");
  const auto text = encode(in);
  CHECK(text.find("Content-Length: 12345\r\n") != std::string::npos);
  CHECK(text.find("Content-Length") == text.rfind("Content-Length"));
  CHECK(text.find("Content-Type: application/json\r\n") != std::string::npos);
  in.headers.add("content-type", "text/plain");
  CHECK(encode(in).find("application/json") == std::string::npos);
}

TEST_CASE("Connection: close is announced once") {
  Input in;
  in.close = true;
  CHECK(encode(in).find("Connection: close\r\n") != std::string::npos);
  in.headers.add("Connection", "Close");
  const auto text = encode(in);
  CHECK(text.find("Connection") == text.rfind("Connection"));
}

TEST_CASE("a body of unknown size goes in chunks") {
  Input in;
  in.method = Method::put();
  in.has_body = true;
  in.body_size = std::nullopt;
  const auto text = encode(in);
  CHECK(text.find("Transfer-Encoding: chunked\r\n") != std::string::npos);
  CHECK(text.find("Content-Length") == std::string::npos);
}

TEST_CASE("a field without a value keeps what would stand in its place from being sent") {
  Input in;
  in.defaults.add("X-Default", "1").add("X-Other", "2");
  in.headers.add("x-default", "").add("Accept", "").add("user-agent", "").add("Connection", "");
  CHECK(encode(in) == "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-Other: 2\r\n\r\n");
}

TEST_CASE("Accept-Encoding gives way to the request's own, and to a Range") {
  Input in;
  in.accept_encoding = "gzip, br";
  CHECK(encode(in).find("Accept-Encoding: gzip, br\r\n") != std::string::npos);
  in.headers.add("Accept-Encoding", "identity");
  CHECK(encode(in).find("Accept-Encoding: identity\r\n") != std::string::npos);
  CHECK(encode(in).find("gzip") == std::string::npos);
  in.headers = Headers();
  in.headers.add("Range", "bytes=5-");
  CHECK(encode(in).find("Accept-Encoding") == std::string::npos);
}
