#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/policy/option_checks.hpp>

using namespace std::chrono_literals;
using ferry::ConnectOptions;
using ferry::Errc;
using ferry::HostAddresses;
using ferry::TcpOptions;
using ferry::Timeouts;
using ferry::detail::check;

namespace {
bool refused(const std::optional<ferry::Error>& error, const char* why) {
  return error && error->code() == Errc::invalid_option &&
         std::string(error->what()).find(why) != std::string::npos;
}
}  // namespace

TEST_CASE("options that make no sense are refused by name") {
  ferry::Limits limits;
  CHECK_FALSE(check(limits));
  limits.max_connections = 0;
  CHECK(std::string(check(limits)->what()).find("max_connections is 0") != std::string::npos);
  limits = {};
  limits.max_connections_per_host = 0;
  CHECK(check(limits));
  ferry::Timeouts timeouts;
  CHECK_FALSE(check(timeouts));
  timeouts.connect = std::chrono::seconds(-1);
  CHECK(std::string(check(timeouts)->what()).find("connect timeout is negative") !=
        std::string::npos);
  // A limit that is too large for its type has become negative before it can be seen.
  timeouts.connect = std::chrono::nanoseconds(-1'000'000);  // milliseconds::max()
  CHECK(std::string(check(timeouts)->what()).find("ferry::no_timeout means none") !=
        std::string::npos);
  CHECK(std::string(check(timeouts)->what()).find("milliseconds::max()") != std::string::npos);
}

TEST_CASE("every time limit is checked, under its own name") {
  const std::pair<ferry::Duration Timeouts::*, const char*> limits[] = {
      {&Timeouts::pool, "the pool timeout"},
      {&Timeouts::resolve, "the resolve timeout"},
      {&Timeouts::connect, "the connect timeout"},
      {&Timeouts::tls, "the TLS timeout"},
      {&Timeouts::write, "the write timeout"},
      {&Timeouts::expect_continue, "the expect-continue timeout"},
      {&Timeouts::first_byte, "the first-byte timeout"},
      {&Timeouts::read, "the read timeout"},
      {&Timeouts::total, "the total timeout"}};
  for (const auto& [limit, name] : limits) {
    Timeouts timeouts;
    timeouts.*limit = 0s;
    CHECK_FALSE(check(timeouts));
    timeouts.*limit = -1ns;
    CHECK(refused(check(timeouts), name));
  }
  ferry::Limits pool;
  pool.idle_timeout = -1s;
  CHECK(refused(check(pool), "limits.idle_timeout"));
  pool = {};
  pool.max_lifetime = -1s;
  CHECK(refused(check(pool), "limits.max_lifetime"));
}

TEST_CASE("options of sockets: addresses are numbers, sizes are not negative") {
  TcpOptions tcp;
  CHECK_FALSE(check(tcp));
  for (const char* address : {"127.0.0.1", "::1"}) {
    tcp.local_address = address;
    CHECK_FALSE(check(tcp));
  }
  for (const char* address : {"localhost", "[::1]", "127.1", "127.0.0.1:80"}) {
    tcp.local_address = address;
    CHECK(refused(check(tcp), "tcp.local_address"));
  }
  tcp = {};
  tcp.send_buffer = -1;
  CHECK(refused(check(tcp), "size is negative"));
  tcp = {};
  tcp.receive_buffer = -1;
  CHECK(refused(check(tcp), "size is negative"));
  tcp = {};
  tcp.attempt_delay = -1ms;
  CHECK(refused(check(tcp), "tcp.attempt_delay"));
  tcp = {};
  tcp.dns_ttl = -1ms;
  CHECK(refused(check(tcp), "tcp.dns_ttl"));
}

TEST_CASE("options of sockets: a host that is given addresses has at least one") {
  TcpOptions tcp;
  tcp.hosts.push_back(HostAddresses("a.test", 0, {"192.0.2.1", "2001:db8::1"}));
  CHECK_FALSE(check(tcp));
  tcp.hosts.push_back(HostAddresses("b.test", 0, {}));
  CHECK(refused(check(tcp), "no address for \"b.test\""));
  tcp.hosts.back() = HostAddresses("b.test", 0, {"192.0.2.1", "a.test"});
  CHECK(refused(check(tcp), "\"a.test\", for \"b.test\", is no numeric address"));
}

TEST_CASE("a Unix socket has a name, absolute or abstract") {
  ConnectOptions options;
  for (const char* path : {"", "/run/app.sock", "@app"}) {
    options.unix_socket = path;
    CHECK_FALSE(check(options));
  }
  for (const char* path : {"run/app.sock", "/", "@"}) {
    options.unix_socket = path;
    CHECK(refused(check(options), "unix_socket: "));
  }
  options.unix_socket = "";
  options.tcp.send_buffer = -1;
  CHECK(refused(check(options), "size is negative"));
}
