#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/policy/proxy_bypass.hpp>

using ferry::detail::AddressBytes;
using ferry::detail::parse_address;
using ferry::detail::ProxyBypass;

TEST_CASE("which hosts are reached without a proxy") {
  struct Case {
    const char* entry;
    const char* host;
    std::uint16_t port;
    bool matches;
  };
  const Case cases[] = {
      {"example.com", "example.com", 80, true},
      {"example.com", "www.example.com", 80, true},
      {"example.com", "notexample.com", 80, false},
      {"example.com", "example.com.evil.test", 80, false},
      {".example.com", "www.example.com", 443, true},
      {".example.com", "example.com", 443, true},
      {"*.example.com", "www.example.com", 443, true},
      {" Example.COM ", "example.com", 80, true},
      {"example.com", "example.com.", 80, true},
      {"example.com:8080", "example.com", 8080, true},
      {"example.com:8080", "example.com", 80, false},
      {"*", "anything.test", 1, true},
      {"", "anything.test", 1, false},
      {"127.0.0.1", "127.0.0.1", 80, true},
      {"127.0.0.1", "127.0.0.2", 80, false},
      {"0.0.1", "127.0.0.1", 80, false},  // An address is not below another.
      {"10.0.0.0/8", "10.1.2.3", 80, true},
      {"10.1.0.0/8", "10.200.2.3", 80, true},
      {"10.0.0.0/8", "11.1.2.3", 80, false},
      {"10.0.0.0/8", "name.10", 80, false},
      {"0.0.0.0/0", "192.0.2.1", 80, true},
      {"::1", "::1", 80, true},
      {"[::1]:8080", "::1", 8080, true},
      {"[::1]:8080", "::1", 80, false},
      {"fd00::/8", "fd12::1", 80, true},
      {"fd00::/8", "fe80::1", 80, false},
      {"10.0.0.0/33", "10.0.0.1", 80, false},
      {"example.com:port", "example.com", 80, false},
      // A trailing dot is the DNS root, on either side.
      {"example.com.", "example.com", 80, true},
      {"example.com.", "example.com.", 80, true},
      {"example.com.", "www.example.com", 80, true},
      {".Example.com.:8080", "www.example.com.", 8080, true},
      {"127.0.0.1.", "127.0.0.1", 80, true},
      // Addresses are compared as addresses.
      {"FD00:0::0001", "fd00::1", 80, true},
      {"fd00::1", "fd00:0:0:0:0:0:0:1", 80, true},
      {"[FD00::0:1]", "fd00::1", 80, true},
      {"[fd00::0:1]:8080", "fd00::1", 8080, true},
      {"[fd00::0:1]:8080", "fd00::1", 80, false},
      {"fd00::1", "fd00::1:0", 80, false},
      {"::", "0:0:0:0:0:0:0:0", 80, true},
      {"1::", "1:0::", 80, true},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:0007:8", 80, true},
      {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304", 80, true},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221", 80, true},
      {"::ffff:10.0.0.1", "10.0.0.1", 80, true},
      {"10.0.0.1", "::ffff:a00:1", 80, true},
      {"10.0.0.0/8", "::ffff:10.1.2.3", 80, true},
      {"::ffff:10.0.0.0/104", "10.1.2.3", 80, true},
      {"::10.0.0.1", "10.0.0.1", 80, false},
      {"10.0.0.1:8080", "10.0.0.1", 8080, true},
      {"10.0.0.1:8080", "10.0.0.1", 80, false},
      {"[fd00::]/8", "fd12::1", 80, true},
      {"FD00:0::/8", "fdff::1", 80, true},
      {"fd80::/9", "fd12::1", 80, false},
      {"fd80::/9", "fdff::1", 80, true},
      {"10.128.0.0/9", "10.127.255.255", 80, false},
      {"10.0.0.1/32", "10.0.0.2", 80, false},
      {"fd00::1/128", "fd00::1", 80, true},
      {"::/0", "2001:db8::1", 80, true},
      {"::/0", "192.0.2.1", 80, false},
      {"0.0.0.0/0", "2001:db8::1", 80, false},
      {"fd00::/8", "fd12.example", 80, false},
      {"localhost", "localhost.", 80, true},
      {"*", "::1", 80, true},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.entry));
    CAPTURE(std::string(one.host));
    ProxyBypass bypass;
    bypass.add(one.entry);
    CHECK(bypass.matches(one.host, one.port) == one.matches);
  }
}

TEST_CASE("an entry that can mean nothing matches no host") {
  for (const char* entry : {"http://host/",
                            "http://me:hunter2@host/",
                            "10.0.0.0/99",
                            "10.0.0.0/33",
                            "10.0.0.0/",
                            "10.0.0.0/-1",
                            "10.0.0.0/8/8",
                            "fd00::/129",
                            "fd00::/x",
                            "host/8",
                            "/",
                            "a*b",
                            "10.*",
                            "**",
                            "*.*.test",
                            ".",
                            "..",
                            "a..b",
                            "*.",
                            "10.",
                            "10.0.0",
                            "010.0.0.1",
                            "0x7f.1",
                            "host:port",
                            "host:",
                            ":80",
                            "host:0",
                            "host:65536",
                            "[::1",
                            "::1]",
                            "[::1]80",
                            "[::1]:",
                            "[::1]:x",
                            "[host]",
                            "fe80::1%eth0",
                            "a b",
                            "a|b",
                            "a.test,b.test",
                            "b\xc3\xbc.test",
                            "a\x01"
                            "b"}) {
    CAPTURE(std::string(entry));
    ProxyBypass bypass;
    CHECK_FALSE(bypass.add(entry));
    for (const char* host : {"host", "a", "10.0.0.1", "::1", "x.test"})
      CHECK_FALSE(bypass.matches(host, 80));
  }
}

TEST_CASE("several entries: one that matches is enough") {
  ProxyBypass bypass;
  CHECK_FALSE(bypass.matches("a.test", 80));
  CHECK(bypass.add("a.test:8080"));
  CHECK(bypass.add("10.0.0.0/8"));
  CHECK(bypass.add("b.test"));
  CHECK_FALSE(bypass.add("c.*"));
  CHECK(bypass.matches("a.test", 8080));
  CHECK(bypass.matches("x.b.test", 1));
  CHECK(bypass.matches("10.9.8.7", 1));
  CHECK_FALSE(bypass.matches("a.test", 80));
  CHECK_FALSE(bypass.matches("c.test", 80));
  CHECK(bypass.add("*"));
  CHECK(bypass.matches("c.test", 80));
}

TEST_CASE("addresses in every spelling") {
  const AddressBytes loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1};
  CHECK(parse_address("127.0.0.1") == loopback);
  CHECK(parse_address("::ffff:127.0.0.1") == loopback);
  CHECK(parse_address("::FFFF:7f00:1") == loopback);
  CHECK(parse_address("0:0:0:0:0:ffff:127.0.0.1") == loopback);
  CHECK(parse_address("::") == AddressBytes{});
  CHECK(parse_address("1::") == AddressBytes{0, 1});
  CHECK(parse_address("1::2:3") == AddressBytes{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3});
  CHECK(parse_address("1:2:3:4:5:6:7:abcd") ==
        AddressBytes{0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0xAB, 0xCD});
  for (const char* text : {"", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1:2", ":::", "[::1]", "a"})
    CHECK_FALSE(parse_address(text));
}
