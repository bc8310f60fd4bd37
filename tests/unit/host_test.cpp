#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/base/host.hpp>

using namespace ferry::detail;
using namespace std::string_literals;

TEST_CASE("IPv4 addresses are four plain numbers") {
  for (const char* text : {"0.0.0.0", "127.0.0.1", "255.255.255.255", "1.20.3.40"})
    CHECK(is_ipv4(text));
  for (const char* text :
       {"", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", "256.1.1.1", "01.1.1.1", "00.1.1.1",
        "1..1.1", "1.1.1.-1", "0x1.1.1.1", " 1.1.1.1", "1.1.1.1 ", "1.1.1.99999999999"})
    CHECK_FALSE(is_ipv4(text));
}

TEST_CASE("IPv6 addresses have eight groups, or one gap") {
  for (const char* text :
       {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1::8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
        "ABCD:ef01::", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1::1.2.3.4"})
    CHECK(is_ipv6(text));
  for (const char* text :
       {"", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "1::2::3",
        ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "12345::", "g::", "1.2.3.4::", "::1.2.3",
        "1:2:3:4:5:6:7:1.2.3.4", "::1%eth0", "[::1]"})
    CHECK_FALSE(is_ipv6(text));
}

TEST_CASE("a host's problem is named") {
  for (const char* host : {"a", "a.test", "a.test.", "A-b_c~.x", "[::1]", "127.0.0.1",
                           "1.2.3.4.test", "xn--bcher-kva.example", "!$&'()*+,;="})
    CHECK(host_problem(host) == "");
  CHECK(host_problem(std::string(255, 'a')) == "");
  const auto has = [](std::string_view host, std::string_view why) {
    return host_problem(host).find(why) != std::string_view::npos;
  };
  CHECK(has("", "missing"));
  CHECK(has(std::string(256, 'a'), "longer than 255"));
  CHECK(has("[::1%25eth0]", "zone"));
  for (const char* host : {"[::1", "[", "[]", "[1.2.3.4]", "[a]"}) CHECK(has(host, "IPv6"));
  CHECK(
      has("b\xC3\xBC"
          "cher",
          "not ASCII"));
  CHECK(has("a%41", "percent-encoded"));
  for (const auto& host : {"a b"s, "a/b"s, "a:1"s, "a@b"s, "a\0b"s, "a\nb"s, "::1"s})
    CHECK(has(host, "no host may have"));
  for (const char* host : {".", "..", ".a", "a..b", "a.."}) CHECK(has(host, "empty label"));
  for (const char* host :
       {"1", "1.2.3", "0x7f.1", "010.0.0.1", "256.256.256.256", "a.1", "a.0x", "1.2.3.4."})
    CHECK(has(host, "looks like an IPv4 address"));
}

TEST_CASE("a host before and after its mapping to ASCII") {
  CHECK(unmapped_host_problem("b\xC3\xBC"
                              "cher.example") == "");
  CHECK(unmapped_host_problem("b\xC3\xBC/x").find("no host may have") != std::string_view::npos);
  CHECK(unmapped_host_problem("b\xC3\xBC%41").find("percent") != std::string_view::npos);
  CHECK(unmapped_host_problem(std::string(1021, 'a')).find("1020") != std::string_view::npos);
  CHECK(mapped_host_problem("a.test") == "");
  CHECK_FALSE(mapped_host_problem("[::1]").empty());
  CHECK_FALSE(mapped_host_problem("a/b").empty());
  CHECK_FALSE(mapped_host_problem("").empty());
}

TEST_CASE("names of Unix sockets") {
  CHECK(unix_path_problem("/a") == "");
  CHECK(unix_path_problem("@a") == "");
  CHECK(unix_path_problem("/" + std::string(106, 'x')) == "");
  CHECK_FALSE(unix_path_problem("/" + std::string(107, 'x')).empty());
  for (const auto& path : {""s, "a"s, "./a"s, "/"s, "@"s, "/a\0b"s})
    CHECK_FALSE(unix_path_problem(path).empty());
}
