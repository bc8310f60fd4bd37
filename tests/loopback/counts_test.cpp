// The cost of a reused GET in the steady state: system calls and heap allocations of the client.
// Built without sanitizers.

#include "support/counts.hpp"

#include <sys/resource.h>

TEST_CASE("a reused GET makes at most 5 system calls, the look before reuse among them") {
  const test::Server server(test::delayed());
  test::check_system_calls(server.url("/a/path"), {}, 5);
}

TEST_CASE("a GET on a new connection makes at most 14 system calls, a look before it among them") {
  const test::Server server(test::delayed());
  test::check_system_calls(server.url("/a/path"), {}, 14, test::get_once);
}

TEST_CASE("a reused GET allocates twice: its URL, the response's head") {
  const test::Server server(test::delayed());
  test::check_allocations(server.url("/a/path"), {}, 2);
}

TEST_CASE("a response that is refreshed allocates nothing") {
  const test::Server server(test::delayed());
  const auto refresh = [](const ferry::Client& client, const std::string&, ferry::Response& page) {
    return client.refresh(std::move(page));
  };
  test::check_allocations(server.url("/a/path"), {}, 0, refresh);
}

TEST_CASE("an idle connection takes at most 4 KiB of memory") {
  const test::Server server(test::delayed());
  constexpr std::size_t count = 200;
  asio::io_context context{1};
  ferry::ClientOptions options;
  options.limits.max_connections = count;
  ferry::Client client(context, options);
  const auto get = [&] {
    asio::co_spawn(context, client.get(server.url()),
                   [](std::exception_ptr, const ferry::Response& response) {
                     CHECK(response.body().size() == 13);
                   });
  };
  get();
  context.run();
  const auto before = test::heap.in_use;
  for (std::size_t i = 0; i < count; ++i) get();
  context.restart();
  context.run();
  REQUIRE(client.pool().stats().idle == count);
  const auto each = (test::heap.in_use - before) / (count - 1);
  MESSAGE("bytes per idle connection: " << each);
  if (test::reference_tools) CHECK(each <= 4096);
}

namespace {

/// So many descriptors may be open, for as long as it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t count) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit limit{count, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

// Here because UBSan needs descriptors of its own.
TEST_CASE("[62] without a descriptor to be had a request fails, and the next one does not") {
  test::Server server;
  asio::io_context context{1};
  ferry::Client client(context);
  std::error_code code;
  std::error_code cause;
  const auto get = [&] {
    asio::co_spawn(context, client.try_send(ferry::Request::get(server.url())),
                   [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     code = result ? std::error_code() : result.error().code();
                     cause = result ? std::error_code() : result.error().cause();
                   });
    context.restart();
    context.run();
  };
  {
    const DescriptorLimit none(0);
    get();
  }
  CHECK((code == ferry::Errc::connect_failed));
  CHECK(cause.value() == EMFILE);
  get();
  CHECK_FALSE(code);
}
