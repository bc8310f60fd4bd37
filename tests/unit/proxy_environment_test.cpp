#include <doctest/doctest.h>
#include <string>
#include <utility>
#include <vector>

#include <ferry/detail/policy/proxy_bypass.hpp>
#include <ferry/options.hpp>

#include "support/environment.hpp"

using ferry::ProxyOptions;
using ferry::detail::ProxyBypass;
using test::Environment;

TEST_CASE("the variables of the environment: lower case first, then those for all") {
  {
    const Environment environment(
        Environment::Variables{{"http_proxy", "http://one:1"},
                               {"HTTP_PROXY", "http://two:2"},
                               {"ALL_PROXY", "socks5h://all:3"},
                               {"no_proxy", "a.test, .b.test,10.0.0.0/8"}});
    const auto options = ProxyOptions::from_environment();
    CHECK(options.http == "http://one:1");
    CHECK(options.https == "socks5h://all:3");
    CHECK(options.bypass == std::vector<std::string>{"a.test", " .b.test", "10.0.0.0/8"});
  }
  {
    const Environment environment(Environment::Variables{{"HTTP_PROXY", "http://two:2"}});
    CHECK(ProxyOptions::from_environment().http == "http://two:2");
  }
  {
    const Environment cgi(
        Environment::Variables{{"HTTP_PROXY", "http://evil:2"}, {"REQUEST_METHOD", "GET"}});
    CHECK(ProxyOptions::from_environment().http.empty());
  }
  {
    const Environment environment(Environment::Variables{
        {"NO_PROXY", "a.test b.test\t,,http://x/ , 10.*,[fd00::1]:80 , *.c.test. "}});
    const auto options = ProxyOptions::from_environment();
    CHECK(options.ignored == std::vector<std::string>{"http://x/", " 10.*"});
    for (const auto& [host, port] : {std::pair("a.test", 1), std::pair("b.test", 1),
                                     std::pair("fd00::1", 80), std::pair("c.test", 1)}) {
      CAPTURE(std::string(host));
      ProxyBypass bypass;
      for (const auto& entry : options.bypass) CHECK(bypass.add(entry));
      CHECK(bypass.matches(host, static_cast<std::uint16_t>(port)));
    }
  }
  const Environment none{Environment::Variables()};
  CHECK(ProxyOptions::from_environment() == ProxyOptions());
}

TEST_CASE("a variable that is empty is not set") {
  const Environment environment(Environment::Variables{{"http_proxy", ""},
                                                       {"HTTP_PROXY", "http://two:2"},
                                                       {"https_proxy", ""},
                                                       {"no_proxy", " , "}});
  const auto options = ProxyOptions::from_environment();
  CHECK(options.http == "http://two:2");
  CHECK(options.https.empty());
  CHECK(options.ignored.empty());
}

TEST_CASE("socks:// of the environment is SOCKS 5 that looks names up") {
  for (const char* set : {"socks://proxy.test:1080/", "SOCKS://proxy.test:1080/"}) {
    const Environment desktop(Environment::Variables{{"ALL_PROXY", set}});
    CHECK(ProxyOptions::from_environment().http == "socks5h://proxy.test:1080/");
  }
  const Environment other(Environment::Variables{{"ALL_PROXY", "socks5://proxy.test"}});
  CHECK(ProxyOptions::from_environment().https == "socks5://proxy.test");
}
