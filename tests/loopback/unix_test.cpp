// Unix sockets: by option and by URL.

#include <filesystem>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <ferry/detail/base/asio.hpp>

#include "support/run.hpp"
#include "support/server.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using test::code_of;

namespace {

/// Answers each request with its own head, in a thread of its own.
class UnixServer {
 public:
  explicit UnixServer(const std::string& path) : acceptor_(context_, path) {
    asio::co_spawn(context_, accept(), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~UnixServer() {
    context_.stop();
    thread_.join();
  }
  int accepted() const { return accepted_; }

 private:
  using local = asio::local::stream_protocol;

  asio::awaitable<void> accept() {
    for (;;) {
      auto socket = co_await acceptor_.async_accept(asio::use_awaitable);
      ++accepted_;
      asio::co_spawn(context_, serve(std::move(socket)), asio::detached);
    }
  }
  asio::awaitable<void> serve(local::socket socket) {
    std::string input;
    for (;;) {
      const auto size = co_await asio::async_read_until(socket, asio::dynamic_buffer(input),
                                                        "\r\n\r\n", asio::use_awaitable);
      const std::string answer = test::response(input.substr(0, size));
      input.erase(0, size);
      co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
    }
  }

  asio::io_context context_{1};
  local::acceptor acceptor_;
  std::atomic<int> accepted_ = 0;
  std::thread thread_;
};

/// A folder for sockets, gone with it.
struct Folder {
  Folder()
      : path(std::filesystem::temp_directory_path() / ("ferry." + std::to_string(::getpid()))) {
    std::filesystem::create_directory(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string socket(const std::string& name) const { return path / name; }
  const std::filesystem::path path;
};

std::string escaped(const std::string& path) {
  std::string out;
  for (char c : path) out += c == '/' ? "%2F" : c == '@' ? "%40" : std::string(1, c);
  return out;
}

}  // namespace

TEST_CASE("a Unix socket, by option: the URL's host is what the request names") {
  const Folder folder;
  for (const std::string& path :
       {folder.socket("App.sock"), "@ferry test " + std::to_string(::getpid())}) {
    CAPTURE(path);
    const UnixServer server(path[0] == '@' ? std::string(1, '\0') + path.substr(1) : path);
    asio::io_context context{1};
    ClientOptions options;
    options.unix_socket = path;
    const Client client(context, options);
    test::run(context, [&]() -> asio::awaitable<void> {
      for (int i = 0; i < 3; ++i) {
        const auto response = co_await client.get("http://ferry.test/path?q");
        CHECK(response.body().starts_with("GET /path?q HTTP/1.1\r\nHost: ferry.test\r\n"));
        CHECK(response.connection().reused == (i > 0));
        CHECK(response.connection().remote_endpoint() == path);
      }
    });
    CHECK(server.accepted() == 1);
  }
}

TEST_CASE("[36] a Unix socket, by URL: each has its own connections, and case matters") {
  const Folder folder;
  const UnixServer one(folder.socket("Sock"));
  const UnixServer other(folder.socket("sock"));
  asio::io_context context{1};
  ClientOptions options;
  options.unix_urls = true;
  const Client client(context, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    for (const char* name : {"Sock", "sock", "Sock", "sock"}) {
      const auto response =
          co_await client.get("http+unix://" + escaped(folder.socket(name)) + "/path");
      CHECK(response.body().starts_with("GET /path HTTP/1.1\r\nHost: localhost\r\n"));
      CHECK(response.url().unix_path() == folder.socket(name));
    }
  });
  CHECK(one.accepted() == 1);
  CHECK(other.accepted() == 1);
  CHECK(client.pool().stats().idle == 2);
}

namespace {

/// The code that awaiting this ends with; a zero code if it ends well.
template <class T>
asio::awaitable<std::error_code> code_after(asio::awaitable<T> awaited) {
  try {
    co_await std::move(awaited);
  } catch (const ferry::Error& error) {
    co_return error.code();
  }
  co_return std::error_code();
}

}  // namespace

TEST_CASE("a URL that names a Unix socket is refused unless the pool's options permit it") {
  const Folder folder;
  const UnixServer server(folder.socket("s"));
  const std::string url = "http+unix://" + escaped(folder.socket("s"));
  for (const bool permitted : {false, true}) {
    CAPTURE(permitted);
    asio::io_context context{1};
    ClientOptions options;
    options.unix_urls = permitted;
    options.proxy = ferry::ProxyOptions("http://127.0.0.1:1");  // It would be passed by.
    const Client client(context, options);
    ferry::PoolOptions pool_options;
    pool_options.unix_urls = permitted;
    const ferry::ConnectionPool pool(context, pool_options);
    const Client on_pool(pool);
    const std::error_code expected =
        permitted ? std::error_code() : make_error_code(Errc::unsupported_scheme);
    test::run(context, [&]() -> asio::awaitable<void> {
      const auto result = co_await client.try_send(Request::get(url + "/x"));
      CHECK(code_of(result) == expected);
      if (!result)
        CHECK(std::string(result.error().what()).find("options.unix_urls") != std::string::npos);
      if (!result) CHECK(result.error().code() == ferry::Condition::invalid_request);
      CHECK(co_await code_after(client.stream(url + "/x")) == expected);
      CHECK(co_await code_after(on_pool.get(url + "/x")) == expected);
      CHECK(co_await code_after(pool.acquire(url)) == expected);
      CHECK(co_await code_after(pool.warm(url, 1)) == expected);
      CHECK(co_await code_after(ferry::get(url, {}, options)) == expected);
      if (!permitted) CHECK(co_await code_after(ferry::get(url)) == expected);
    });
    if (!permitted) CHECK(server.accepted() == 0);
    // It is the pool's to say.
    options = {};
    options.unix_urls = permitted;
    if (permitted) CHECK_THROWS_AS(Client(pool, options), ferry::Error);
  }
}

TEST_CASE("a base URL that names a Unix socket permits that socket, and no other") {
  const Folder folder;
  const UnixServer own(folder.socket("own"));
  const UnixServer other(folder.socket("other"));
  asio::io_context context{1};
  ClientOptions options;
  options.base_url = "http+unix://" + escaped(folder.socket("own")) + "/api/";
  const Client client(context, options);
  options.middleware.push_back(
      ferry::middleware([](Request request, ferry::Next next) -> asio::awaitable<ferry::Response> {
        co_return co_await next(std::move(request));
      }));
  const Client middle(context, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    for (const bool in_the_middle : {false, true}) {
      const Client& one = in_the_middle ? middle : client;
      auto page = co_await one.get("users");
      CHECK(page.body().starts_with("GET /api/users HTTP/1.1\r\nHost: localhost\r\n"));
      page = co_await one.refresh(std::move(page));
      CHECK(page.body().starts_with("GET /api/users HTTP/1.1\r\nHost: localhost\r\n"));
      // The same, written differently.
      std::string same = options.base_url;
      same.replace(same.find("%2F"), 3, "%2f");
      CHECK((co_await one.get(same)).ok());
      const auto refused =
          co_await code_after(one.get("http+unix://" + escaped(folder.socket("other")) + "/"));
      CHECK(refused == Errc::unsupported_scheme);
      CHECK(co_await code_after(one.get("//%2Fother/")) == Errc::unsupported_scheme);
    }
  });
  CHECK(other.accepted() == 0);
}

TEST_CASE("many at once: a socket whose queue is full is tried again") {
  const Folder folder;
  const UnixServer server(folder.socket("s"));
  asio::io_context context{1};
  ClientOptions options;
  options.unix_socket = folder.socket("s");
  options.limits.max_connections = 2000;
  const Client client(context, options);
  int done = 0;
  for (int i = 0; i < 500; ++i) {
    asio::co_spawn(context, client.get("http://ferry.test/"),
                   [&](std::exception_ptr e, ferry::Response) { done += !e; });
  }
  context.run();
  CHECK(done == 500);
}

TEST_CASE("[57] Unix sockets that cannot be connected to: which, and why") {
  const Folder folder;
  asio::io_context context{1};
  const auto error_at = [&](const std::string& path, ferry::RequestOptions call = {}) {
    ClientOptions options;
    options.unix_socket = path;
    const Client client(context, options);
    ferry::Result<ferry::Response> result;
    test::run(context, [&]() -> asio::awaitable<void> {
      auto sent = co_await client.try_send(Request::get("http://ferry.test/"), call);
      result = std::move(sent);
    });
    REQUIRE_FALSE(result);
    CHECK(std::string(result.error().what()).find(path) != std::string::npos);
    CHECK(result.error().phase() == ferry::Phase::connect);
    CHECK(client.pool().stats().connecting == 0);
    return result.error();
  };
  CHECK(error_at(folder.socket("none")).cause().value() == ENOENT);
  const std::string dead = folder.socket("dead");
  { const UnixServer server(dead); }
  CHECK(error_at(dead).code() == Errc::connection_refused);

  asio::local::stream_protocol::acceptor full(context);
  full.open();
  full.bind(folder.socket("full"));
  full.listen(0);
  std::vector<asio::local::stream_protocol::socket> fillers;
  std::error_code error;
  while (!error) {
    auto& filler = fillers.emplace_back(context);
    filler.open({});
    filler.non_blocking(true);
    ferry::detail::native_connect(filler, {folder.socket("full")}, error);
  }
  ClientOptions options;
  options.unix_socket = folder.socket("full");
  const Client client(context, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto result =
        co_await client.try_send(Request::get("http://ferry.test/"), {.connect_timeout = 5ms});
    CHECK(code_of(result) == Errc::connect_timeout);
  });
}

TEST_CASE("names that no Unix socket has") {
  asio::io_context context{1};
  for (const std::string& path : {std::string("relative"), std::string("/"), std::string("@"),
                                  std::string("/a\0b", 4), "/" + std::string(107, 'x')}) {
    ClientOptions options;
    options.unix_socket = path;
    CHECK_THROWS_AS(Client(context, options), ferry::Error);
  }
}
