// Verbs consume their arguments before they return the awaitable: the arguments, and the handle
// that the verb was called on, may be destroyed before the awaitable is awaited.
//
// The arguments are on the heap, so that AddressSanitizer sees a late use of any of them. Before
// they are destroyed, their options are changed to ones that make every call fail.

#include <cstddef>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/download.hpp>
#include <ferry/testing/mock_transport.hpp>

#include "support/folder.hpp"
#include "support/run.hpp"
#include "support/server.hpp"

using ferry::Body;
using ferry::Client;
using ferry::ClientOptions;
using ferry::ConnectionPool;
using ferry::Lease;
using ferry::Next;
using ferry::Request;
using ferry::RequestOptions;
using ferry::Response;
using ferry::testing::MockRequest;
using ferry::testing::MockResponse;
using ferry::testing::MockTransport;

namespace {

// No text fits into the string objects themselves.
const std::string url = "http://verbs.test/a/path/that/is/long/enough/for/the/heap";
const std::string content = "some content that is long enough for the heap";
const std::string token = "a value that is long enough for the heap";

MockResponse echo(const MockRequest& request) {
  MockResponse response(200, request.method + " " + request.url + " " + request.body);
  response.headers.set("Token", request.headers.get("Token").value_or("none"));
  return response;
}

/// Everything that a call is given, and what it is called on.
struct Arguments {
  explicit Arguments(Client made) : client(std::move(made)) {}

  Client client;
  std::string to = url;
  std::string file;
  Body body = Body(content);
  Request request = Request::post(url, Body(content)).header("Token", token);
  Response page;
  ClientOptions client_options;
  RequestOptions options;
};

class Verbs {
 public:
  explicit Verbs(ClientOptions options = ClientOptions())
      : network_(std::make_shared<MockTransport>(echo)), options_(std::move(options)) {
    network_->serve(options_);
    options_.limits.max_body_size = 1;  // Each call overrides it by its own options.
  }

  std::unique_ptr<Arguments> arguments() {
    auto made = std::make_unique<Arguments>(Client(context, options_));
    made->client_options = options_;
    made->options.max_body_size = 1000;
    return made;
  }

  /// Calls a verb, destroys its arguments, and then awaits it.
  template <class Verb>
  auto outcome(Verb verb) {
    return outcome_with(arguments(), verb);
  }
  template <class Verb>
  auto outcome_with(std::unique_ptr<Arguments> given, Verb verb) {
    auto awaitable = verb(*given);
    given->options.max_body_size = 0;
    given.reset();
    return finish(std::move(awaitable));
  }

  /// Runs an awaitable to its end.
  template <class T>
  T finish(asio::awaitable<T> awaitable) {
    std::optional<T> result;
    test::run(context, [&]() -> asio::awaitable<void> {
      T value = co_await std::move(awaitable);
      result.emplace(std::move(value));
    });
    return std::move(*result);
  }

  const MockTransport& network() const { return *network_; }
  ferry::PoolOptions pool_options() const {
    ferry::PoolOptions options;
    static_cast<ferry::ConnectOptions&>(options) = options_;
    return options;
  }

  asio::io_context context{1};

 private:
  std::shared_ptr<MockTransport> network_;
  ClientOptions options_;
};

/// The same for the calls of a pool.
struct ForPool {
  explicit ForPool(ConnectionPool made) : pool(std::move(made)) {}

  ConnectionPool pool;
  ferry::Origin origin = ferry::Origin(url);
  RequestOptions options;
};

/// One verb that comes to a `Response`, and what the server has to have seen.
struct Case {
  std::string_view method;
  std::string_view content;
  asio::awaitable<Response> (*call)(Arguments& given);
};

using Given = Arguments;

const Case client_verbs[] = {
    {"GET", "", [](Given& g) { return g.client.get(g.to, g.options); }},
    {"HEAD", "", [](Given& g) { return g.client.head(g.to, g.options); }},
    {"OPTIONS", "", [](Given& g) { return g.client.options(g.to, g.options); }},
    {"POST", content, [](Given& g) { return g.client.post(g.to, g.body, g.options); }},
    {"PUT", content, [](Given& g) { return g.client.put(g.to, g.body, g.options); }},
    {"PATCH", content, [](Given& g) { return g.client.patch(g.to, g.body, g.options); }},
    {"DELETE", "", [](Given& g) { return g.client.delete_(g.to, g.options); }},
    {"POST", content, [](Given& g) { return g.client.send(g.request, g.options); }},
};

const Case free_verbs[] = {
    {"GET", "", [](Given& g) { return ferry::get(g.to, g.options, g.client_options); }},
    {"HEAD", "", [](Given& g) { return ferry::head(g.to, g.options, g.client_options); }},
    {"OPTIONS", "", [](Given& g) { return ferry::options(g.to, g.options, g.client_options); }},
    {"POST", content,
     [](Given& g) { return ferry::post(g.to, g.body, g.options, g.client_options); }},
    {"PUT", content,
     [](Given& g) { return ferry::put(g.to, g.body, g.options, g.client_options); }},
    {"PATCH", content,
     [](Given& g) { return ferry::patch(g.to, g.body, g.options, g.client_options); }},
    {"DELETE", "", [](Given& g) { return ferry::delete_(g.to, g.options, g.client_options); }},
    {"POST", content, [](Given& g) { return ferry::send(g.request, g.options, g.client_options); }},
};

const Case plain_free_verbs[] = {
    {"GET", "", [](Given& g) { return ferry::get(g.to, g.options); }},
    {"HEAD", "", [](Given& g) { return ferry::head(g.to, g.options); }},
    {"OPTIONS", "", [](Given& g) { return ferry::options(g.to, g.options); }},
    {"POST", content, [](Given& g) { return ferry::post(g.to, g.body, g.options); }},
    {"PUT", content, [](Given& g) { return ferry::put(g.to, g.body, g.options); }},
    {"PATCH", content, [](Given& g) { return ferry::patch(g.to, g.body, g.options); }},
    {"DELETE", "", [](Given& g) { return ferry::delete_(g.to, g.options); }},
    {"POST", content, [](Given& g) { return ferry::send(Request(g.request), g.options); }},
};

std::string answer_to(const Case& verb, const std::string& where = url) {
  if (verb.method == "HEAD") return {};
  return std::string(verb.method) + " " + where + " " + std::string(verb.content);
}

/// Calls each verb with arguments that end before it is awaited.
template <std::size_t Count>
void check_each(Verbs& verbs, const Case (&cases)[Count]) {
  for (const Case& verb : cases) {
    CAPTURE(verb.method);
    const Response response = verbs.outcome(verb.call);
    CHECK(response.body() == answer_to(verb));
    CHECK(verbs.network().requests().back().method == verb.method);
  }
}

/// A middleware whose handle to the rest of the chain ends before the rest is awaited.
asio::awaitable<Response> drop_next(Request request, Next next) {
  auto held = std::make_unique<Next>(std::move(next));
  auto sent = std::make_unique<Request>(std::move(request));
  auto rest = (*held)(*sent);
  held.reset();
  sent.reset();
  co_return co_await std::move(rest);
}

}  // namespace

TEST_CASE("a client's verbs need neither the client nor their arguments once they have returned") {
  Verbs verbs;
  check_each(verbs, client_verbs);
}

TEST_CASE("with a middleware, too, and neither does the rest of its chain") {
  ClientOptions options;
  options.middleware.push_back(ferry::middleware(drop_next));
  Verbs verbs(options);
  check_each(verbs, client_verbs);
  const auto tried =
      verbs.outcome([](Given& g) { return g.client.try_send(g.request, g.options); });
  REQUIRE(tried);
  CHECK(tried->headers().get("Token") == token);
}

TEST_CASE("try_send, stream and upgrade need none of their arguments once they have returned") {
  Verbs verbs;
  const auto tried =
      verbs.outcome([](Given& g) { return g.client.try_send(g.request, g.options); });
  REQUIRE(tried);
  CHECK(tried->body() == "POST " + url + " " + content);
  CHECK(tried->headers().get("Token") == token);

  auto posted = verbs.outcome([](Given& g) { return g.client.stream(g.request, g.options); });
  CHECK(verbs.finish(posted.read_all()) == "POST " + url + " " + content);
  auto got = verbs.outcome([](Given& g) { return g.client.stream(g.to, g.options); });
  CHECK(verbs.finish(got.read_all()) == "GET " + url + " ");

  const auto refused = verbs.outcome([](Given& g) {
    g.request.header("Upgrade", "a-protocol-that-nobody-speaks");
    return g.client.upgrade(g.request, g.options);
  });
  CHECK(!refused);
  CHECK(refused.response.body() == "POST " + url + " " + content);
  CHECK(verbs.network().requests().back().headers.get("Upgrade") ==
        "a-protocol-that-nobody-speaks");
}

TEST_CASE("refresh takes the response by value") {
  for (const bool through_middleware : {false, true}) {
    ClientOptions options;
    if (through_middleware) options.middleware.push_back(ferry::middleware(drop_next));
    Verbs verbs(options);
    auto given = verbs.arguments();
    given->page = verbs.outcome(client_verbs[0].call);
    const Response again = verbs.outcome_with(
        std::move(given), [](Given& g) { return g.client.refresh(g.page, g.options); });
    CHECK(again.body() == "GET " + url + " ");
  }
}

TEST_CASE("a download and read_to take the name of the file by value") {
  const test::Folder folder;
  const auto written = [](const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string first = folder / "the-file-that-the-first-download-writes";
  const std::string second = folder / "the-file-that-the-second-download-writes";
  const std::string third = folder / "the-file-that-a-stream-is-written-to";
  Verbs verbs;
  auto given = verbs.arguments();
  given->file = first;
  verbs.outcome_with(std::move(given), [](Given& g) {
    auto options = std::make_unique<ferry::DownloadOptions>();
    options->request = g.options;
    return g.client.download(g.to, g.file, *options);
  });
  CHECK(written(first) == "GET " + url + " ");

  given = verbs.arguments();
  given->file = second;
  verbs.outcome_with(std::move(given), [](Given& g) {
    auto options = std::make_unique<ferry::DownloadOptions>();
    options->request = g.options;
    return g.client.download(g.request, g.file, *options);
  });
  CHECK(written(second) == "POST " + url + " " + content);

  auto stream = verbs.outcome([](Given& g) { return g.client.stream(g.to, g.options); });
  auto name = std::make_unique<std::string>(third);
  auto reading = stream.read_to(*name);
  name.reset();
  const auto size = verbs.finish(std::move(reading));
  CHECK(written(third) == "GET " + url + " ");
  CHECK(size == written(third).size());
}

TEST_CASE("the free functions need none of their arguments once they have returned") {
  Verbs verbs;
  check_each(verbs, free_verbs);
}

TEST_CASE("the free functions without a client's options, over real sockets") {
  test::Server server;
  Verbs verbs;
  const std::string path = url.substr(url.find("/a/path"));
  for (const Case& verb : plain_free_verbs) {
    CAPTURE(verb.method);
    auto given = verbs.arguments();
    given->to = server.url(path);
    given->request = Request::post(server.url(path), Body(content)).header("Token", token);
    const Response response = verbs.outcome_with(std::move(given), verb.call);
    CHECK(response.status() == 200);
    CHECK(response.body() == (verb.method == "HEAD" ? "" : path));
  }
}

TEST_CASE("acquire and a lease's send need none of their arguments once they have returned") {
  Verbs verbs;
  auto given = std::make_unique<ForPool>(ConnectionPool(verbs.context, verbs.pool_options()));
  auto acquiring = given->pool.acquire(given->origin, given->options);
  given.reset();
  auto lease = std::make_unique<Lease>(verbs.finish(std::move(acquiring)));
  CHECK(lease->is_usable());

  auto request =
      std::make_unique<Request>(Request::post(url, Body(content)).header("Token", token));
  auto options = std::make_unique<RequestOptions>();
  options->max_body_size = 1000;
  auto sending = lease->send(*request, *options);
  options->max_body_size = 0;
  options.reset();
  request.reset();
  lease.reset();
  const Response response = verbs.finish(std::move(sending));
  CHECK(response.body() == "POST " + url + " " + content);
  CHECK(response.headers().get("Token") == token);
}

TEST_CASE("warm and drain need neither the pool's handle nor their arguments") {
  Verbs verbs;
  const ConnectionPool pool(verbs.context, verbs.pool_options());
  auto given = std::make_unique<ForPool>(pool);
  auto warming = given->pool.warm(given->origin, 2, given->options);
  given.reset();
  CHECK(verbs.finish(std::move(warming)) == 2);
  CHECK(pool.stats().idle == 2);

  given = std::make_unique<ForPool>(pool);
  auto draining = given->pool.drain();
  given.reset();
  test::run(verbs.context, [&]() -> asio::awaitable<void> { co_await std::move(draining); });
  CHECK(pool.stats().idle == 0);
}
