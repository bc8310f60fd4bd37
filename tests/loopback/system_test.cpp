// Effects of the system on a client: look-ups that take long, signals.

#include <condition_variable>
#include <csignal>
#include <dlfcn.h>
#include <mutex>
#include <netdb.h>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include "support/hostile_server.hpp"
#include "support/run.hpp"
#include "support/server.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using test::code_of;
using test::HostileServer;
using test::Server;

namespace {

/// Look-ups of slow.invalid wait while one of these lives.
class SlowLookups {
 public:
  SlowLookups() { set(true); }
  SlowLookups(const SlowLookups&) = delete;
  SlowLookups& operator=(const SlowLookups&) = delete;
  ~SlowLookups() { set(false); }

  static void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [] { return !slow; });
  }

 private:
  static void set(bool value) {
    const std::lock_guard lock(mutex);
    slow = value;
    changed.notify_all();
  }
  static inline std::mutex mutex;
  static inline std::condition_variable changed;
  static inline bool slow = false;
};

volatile std::sig_atomic_t signals = 0;

/// Counts a signal while one of these lives; system calls that it interrupts are not restarted.
class Counting {
 public:
  explicit Counting(int signal) : signal_(signal) {
    signals = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { signals = signals + 1; };
    ::sigaction(signal, &action, &before_);
  }
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;
  ~Counting() { ::sigaction(signal_, &before_, nullptr); }

 private:
  int signal_;
  struct sigaction before_ {};
};

}  // namespace

/// In the place of the C library's: slow.invalid takes as long as a test wants.
extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                           addrinfo** result) {
  static const auto next =
      reinterpret_cast<decltype(&getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (host && std::string(host) == "slow.invalid") SlowLookups::wait();
  return next(host, service, hints, result);
}

TEST_CASE("[57] [58] [60] a look-up that takes long: its time limits, its cancellation") {
  asio::io_context context{1};
  const Client client(context);
  const SlowLookups slow;
  const auto send = [&](ferry::RequestOptions options, bool cancel) {
    ferry::Result<ferry::Response> result;
    bool ended = false;
    asio::cancellation_signal signal;
    asio::co_spawn(context, client.try_send(Request::get("http://slow.invalid/"), options),
                   asio::bind_cancellation_slot(
                       signal.slot(), [&](std::exception_ptr, ferry::Result<ferry::Response> r) {
                         result = std::move(r);
                         ended = true;
                       }));
    context.restart();
    context.poll();
    if (cancel) signal.emit(asio::cancellation_type::terminal);
    while (!ended) REQUIRE(context.run_one() == 1);
    REQUIRE_FALSE(result);
    return result.error();
  };
  const auto limit = send({.resolve_timeout = 10ms}, false);
  CHECK(limit.code() == Errc::resolve_timeout);
  CHECK(limit.phase() == ferry::Phase::resolve);
  CHECK(send({.resolve_timeout = 0ms}, false).code() == Errc::resolve_timeout);
  CHECK(send({.timeout = 10ms}, false).code() == Errc::total_timeout);
  CHECK(send({}, true).code() == Errc::cancelled);
  context.poll();
  const auto stats = client.pool().stats();
  CHECK(stats.active + stats.idle + stats.connecting + stats.waiting == 0);
}

TEST_CASE("[62] no signal is raised when the other side of a connection has gone") {
  const Counting pipes(SIGPIPE);
  const std::string large(20'000'000, 'b');
  // It never reads: the sending is stuck until its time is up, and the socket shut down under it.
  HostileServer deaf({{HostileServer::hold()}});
  asio::io_context context{1};
  const Client client(context);
  std::error_code code;
  asio::co_spawn(context,
                 client.try_send(Request::post(deaf.url(), ferry::Body(large)), {.timeout = 20ms}),
                 [&](std::exception_ptr, ferry::Result<ferry::Response> r) { code = code_of(r); });
  deaf.drive(context, [&] { return static_cast<bool>(code); });
  CHECK(code == Errc::total_timeout);
  CHECK(signals == 0);
}
