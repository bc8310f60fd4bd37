// What a reused GET costs in the steady state: system calls and heap allocations of the client.
// Stable on one compiler and one Asio, so asserted there only. Built without sanitizers.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <new>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry/ferry.hpp>

#include "support/server.hpp"

namespace {

thread_local bool counting = false;
thread_local long allocations = 0;

constexpr int rounds = 200;
#if defined(__clang__)
constexpr bool reference_tools = false;
#else
constexpr bool reference_tools = __GNUC__ == 12 && ASIO_VERSION / 100 == 1022;
#endif

/// Answers after a millisecond, as a real server would: an answer that is there at once would hide
/// the waiting that it costs.
test::Server::Handler delayed() {
  return [](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    asio::steady_timer timer(peer->socket().get_executor());
    for (;;) {
      const std::string request = co_await peer->read_request();
      if (request.empty()) co_return;
      timer.expires_after(std::chrono::milliseconds(1));
      co_await timer.async_wait(asio::use_awaitable);
      co_await peer->write(test::response(
          "Hello, world!",
          "Server: test\r\nContent-Type: text/plain\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"));
    }
  };
}

/// Warms up, then calls `begin`, sends the counted requests, and calls `end`.
template <class Begin, class End>
void run_client(const std::string& url, Begin begin, End end) {
  asio::io_context context{1};
  ferry::Client client(context);
  const auto body = [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 20; ++i) co_await client.get(url);
    begin();
    for (int i = 0; i < rounds; ++i) {
      const auto response = co_await client.get(url);
      if (response.body().size() != 13 || !response.connection().reused) std::abort();
    }
    end();
  };
  asio::co_spawn(context, body(), [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  });
  context.run();
}

/// Runs the client in a child process and counts its system calls between two calls of getppid.
double system_calls(const std::string& url) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    run_client(
        url, [] { ::getppid(); }, [] { ::getppid(); });
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSTOPPED(status) ||
      ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD) != 0) {
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return -1;  // Tracing is not permitted here.
  }
  long calls = 0;
  int marks = 0;
  for (;;) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) || WIFSIGNALED(status)) break;
    if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
    if (info.entry.nr == SYS_getppid)
      ++marks;
    else if (marks == 1)
      ++calls;
  }
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(marks == 2);
  return static_cast<double>(calls) / rounds;
}

}  // namespace

void* operator new(std::size_t size) {
  if (counting) ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

TEST_CASE("a reused GET makes at most 5 system calls, the look before reuse among them") {
  test::Server server(delayed());
  const double calls = system_calls(server.url("/a/path"));
  if (calls < 0) {
    std::puts("skipped: system calls: tracing is not permitted here");
    return;
  }
  MESSAGE("system calls per request: " << calls);
  if (reference_tools) CHECK(calls <= 5.05);  // A timer of the library's may fire once in a while.
}

TEST_CASE("a reused GET makes 2 heap allocations: its URL and the response's head") {
  test::Server server(delayed());
  run_client(
      server.url("/a/path"), [] { counting = true; }, [] { counting = false; });
  const double per_request = static_cast<double>(allocations) / rounds;
  MESSAGE("allocations per request: " << per_request);
  if (reference_tools) CHECK(per_request <= 2.05);
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
