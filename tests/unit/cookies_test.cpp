#include <chrono>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <ferry/cookies.hpp>

using namespace std::chrono_literals;
using ferry::Cookie;
using ferry::CookieJar;
using ferry::CookieJarOptions;
using ferry::Errc;
using ferry::Headers;
using ferry::Url;

namespace {

/// A jar whose clock the test moves.
struct Jar {
  explicit Jar(CookieJarOptions options = CookieJarOptions())
      : jar(with_clock(std::move(options))) {}
  CookieJarOptions with_clock(CookieJarOptions options) {
    options.now = [this] { return std::chrono::system_clock::time_point(now); };
    return options;
  }
  Jar& set(const std::string& url, std::vector<std::string> fields) {
    Headers headers;
    for (const auto& field : fields) headers.add("Set-Cookie", field);
    jar.take(Url::parse(url).value(), headers);
    return *this;
  }
  std::string sent(const std::string& url) { return jar.cookies_for(Url::parse(url).value()); }

  std::chrono::seconds now{1'700'000'000};
  CookieJar jar;
};

/// What goes to a URL after another has set a cookie.
std::string after(const std::string& from, const std::string& field, const std::string& to) {
  return Jar().set(from, {field}).sent(to);
}

}  // namespace

TEST_CASE("a cookie goes back to its host, with the others, the longest path first") {
  Jar jar;
  jar.set("http://a.test/x/y", {"a=1", "b=2; Path=/", "c=3; Path=/x", "d=4; Path=/x/y/z"});
  CHECK(jar.sent("http://a.test/x/y") == "a=1; c=3; b=2");
  CHECK(jar.sent("http://a.test/x/y/z") == "d=4; a=1; c=3; b=2");
  CHECK(jar.sent("http://a.test/") == "b=2");
  CHECK(jar.sent("http://b.test/").empty());
  CHECK(jar.sent("http://sub.a.test/").empty());
  CHECK(jar.sent("https://a.test:8443/") == "b=2");  // Cookies know no ports.
  jar.set("http://a.test/x/y", {"a=new"});
  CHECK(jar.sent("http://a.test/x/y") == "a=new; c=3; b=2");  // In its old place.
}

TEST_CASE("what stands in Set-Cookie (RFC 6265bis 5.6)") {
  const struct {
    const char* field;
    const char* sent;
  } table[] = {
      {"a=b", "a=b"},
      {"a=b;", "a=b"},
      {"  a  =  b  ; Path=/", "a=b"},
      {"a=", "a="},
      {"a", "a"},
      {"=a", "a"},
      {"a=b=c", "a=b=c"},
      {"a=\"b c\"", "a=\"b c\""},
      {"a=b; unknown=x; Unknown", "a=b"},
      {"a=b;;;", "a=b"},
      {"a=b; PATH=/; path", "a=b"},
      {"", ""},
      {"=", ""},
      {";a=b", ""},
      {"a=b; Max-Age=0", ""},
      {"a=b; Max-Age=-1", ""},
      {"a=b; Max-Age=1", "a=b"},
      {"a=b; Max-Age=x", "a=b"},
      {"a=b; Max-Age=+5", "a=b"},
      {"a=b; Max-Age=99999999999999999999999", "a=b"},
      {"a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""},
      {"a=b; Expires=nonsense", "a=b"},
      {"a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=5", "a=b"},
      {"a=b; Max-Age=0; Expires=Fri, 31 Dec 2038 23:59:59 GMT", ""},
      {"a=b; Max-Age=0; Max-Age=5", "a=b"},
      {"__Secure-a=b", ""},
      {"__host-a=b", ""},
      {"__Secure-", ""},
  };
  for (const auto& row : table) {
    CAPTURE(std::string(row.field));
    CHECK(after("http://a.test/", row.field, "http://a.test/") == row.sent);
  }
  const std::string long_value(4095, 'x');
  CHECK(after("http://a.test/", "a=" + long_value, "http://a.test/") == "a=" + long_value);
  CHECK(after("http://a.test/", "ab=" + long_value, "http://a.test/").empty());
  CHECK(after("http://a.test/", "a=b; Path=/" + std::string(1024, 'p'), "http://a.test/") == "a=b");
}

TEST_CASE("domains (RFC 6265bis 5.1.3, 5.7)") {
  const struct {
    const char* from;
    const char* domain;
    const char* to;
    bool sent;
  } table[] = {
      {"http://a.example.test/", "example.test", "http://b.example.test/", true},
      {"http://a.example.test/", ".example.test", "http://example.test/", true},
      {"http://a.example.test/", "EXAMPLE.Test", "http://a.example.test/", true},
      {"http://a.example.test/", "a.example.test", "http://b.a.example.test/", true},
      {"http://a.example.test/", "a.example.test", "http://example.test/", false},
      {"http://a.example.test/", "b.example.test", "http://b.example.test/", false},
      {"http://example.test/", "a.example.test", "http://a.example.test/", false},
      {"http://example.test/", "xample.test", "http://example.test/", false},
      {"http://example.test/", "other.test", "http://other.test/", false},
      {"http://a.example.test/", "test", "http://b.test/", false},
      {"http://a.example.test/", "", "http://b.example.test/", false},
      {"http://a.example.test/", "", "http://a.example.test/", true},
      {"http://www.bbc.co.uk/", "co.uk", "http://other.co.uk/", false},
      {"http://www.bbc.co.uk/", "bbc.co.uk", "http://bbc.co.uk/", true},
      {"http://example.test./", "test.", "http://other.test./", false},
      {"http://www.bbc.co.uk./", "co.uk.", "http://other.co.uk./", false},
      {"http://www.bbc.co.uk./", "bbc.co.uk.", "http://bbc.co.uk./", true},
      {"http://127.0.0.1/", "127.0.0.1", "http://127.0.0.1/", true},
      {"http://127.0.0.1/", "0.0.1", "http://127.0.0.1/", false},
      {"http://localhost/", "localhost", "http://localhost/", true},
      {"http://localhost/", "localhost", "http://sub.localhost/", false},
      {"http://[::1]/", "::1", "http://[::1]/", true},
  };
  for (const auto& row : table) {
    CAPTURE(std::string(row.from));
    CAPTURE(std::string(row.domain));
    CAPTURE(std::string(row.to));
    CHECK(after(row.from, std::string("a=b; Domain=") + row.domain, row.to).empty() != row.sent);
  }
}

TEST_CASE("a list of public suffixes may be asked in the place of the rule") {
  CookieJarOptions options;
  options.is_public_suffix = [](std::string_view domain) { return domain == "github.test"; };
  Jar jar(options);
  jar.set("http://me.github.test/", {"a=1; Domain=github.test"});
  jar.set("http://github.test/", {"b=1; Domain=github.test"});
  jar.set("http://bbc.uk/", {"c=1; Domain=bbc.uk"});
  jar.set("http://me.github.test./", {"a=1; Domain=github.test."});
  CHECK(jar.sent("http://you.github.test/").empty());
  CHECK(jar.sent("http://you.github.test./").empty());
  CHECK(jar.sent("http://github.test/") == "b=1");  // For itself alone.
  CHECK(jar.sent("http://www.bbc.uk/") == "c=1");
}

TEST_CASE("paths (RFC 6265bis 5.1.4)") {
  const struct {
    const char* from;
    const char* path;
    const char* to;
    bool sent;
  } table[] = {
      {"http://a.test/", "/x", "http://a.test/x", true},
      {"http://a.test/", "/x", "http://a.test/x/y", true},
      {"http://a.test/", "/x", "http://a.test/xy", false},
      {"http://a.test/", "/x/", "http://a.test/x/y", true},
      {"http://a.test/", "/x/", "http://a.test/x", false},
      {"http://a.test/", "/X", "http://a.test/x", false},
      {"http://a.test/x/y", "relative", "http://a.test/x/z", true},
      {"http://a.test/x/y", "", "http://a.test/z", false},
      {"http://a.test/x", "", "http://a.test/z", true},
      {"http://a.test/x/", "", "http://a.test/x", true},
  };
  for (const auto& row : table) {
    CAPTURE(std::string(row.path));
    CAPTURE(std::string(row.to));
    CHECK(after(row.from, std::string("a=b; Path=") + row.path, row.to).empty() != row.sent);
  }
}

TEST_CASE("Secure: only from https, only to https, and not to be replaced from http") {
  CHECK(after("https://a.test/", "a=b; Secure", "https://a.test/") == "a=b");
  CHECK(after("https://a.test/", "a=b; Secure", "http://a.test/").empty());
  CHECK(after("http://a.test/", "a=b; Secure", "https://a.test/").empty());
  CHECK(after("http://localhost/", "a=b; Secure", "https://localhost/").empty());
  Jar jar;
  jar.set("https://a.test/", {"a=good; Secure; Path=/x"});
  jar.set("http://a.test/", {"a=evil; Path=/x/y"});
  jar.set("http://sub.a.test/", {"a=evil; Domain=a.test; Path=/x"});
  CHECK(jar.sent("https://a.test/x/y") == "a=good");
  jar.set("http://a.test/", {"a=fine; Path=/"});
  CHECK(jar.sent("https://a.test/x") == "a=good; a=fine");
}

TEST_CASE("prefixes promise what they say") {
  CHECK(after("https://a.test/", "__Secure-a=b; Secure", "https://a.test/") == "__Secure-a=b");
  CHECK(after("https://a.test/", "__Secure-a=b", "https://a.test/").empty());
  CHECK(after("https://a.test/x", "__Host-a=b; Secure; Path=/", "https://a.test/") == "__Host-a=b");
  CHECK(after("https://a.test/x", "__HOST-a=b; Secure; Path=/x", "https://a.test/x").empty());
  CHECK(after("https://a.test/", "__Host-a=b; Secure", "https://a.test/").empty());
  CHECK(after("https://s.a.test/", "__Host-a=b; Secure; Path=/; Domain=a.test", "https://s.a.test/")
            .empty());
}

TEST_CASE("cookies end; a new end counts; 400 days are the longest") {
  Jar jar;
  jar.set("http://a.test/", {"a=1; Max-Age=10", "b=2", "c=3; Max-Age=1000000000"});
  jar.now += 9s;
  CHECK(jar.sent("http://a.test/") == "a=1; b=2; c=3");
  jar.now += 1s;
  CHECK(jar.sent("http://a.test/") == "b=2; c=3");
  CHECK(jar.jar.all().size() == 2);
  jar.now += std::chrono::hours(400 * 24);
  CHECK(jar.sent("http://a.test/") == "b=2");
  jar.set("http://a.test/", {"b=; Max-Age=0"});
  CHECK(jar.jar.all().empty());
}

TEST_CASE("limits: what has ended goes first, then what is not secure, then what is unused") {
  CookieJarOptions options;
  options.max_per_domain = 3;
  options.max_cookies = 5;
  Jar jar(options);
  jar.set("https://a.test/", {"s=1; Secure", "b=1", "c=1"});
  CHECK(jar.sent("https://a.test/") == "s=1; b=1; c=1");
  jar.set("https://a.test/", {"d=1"});
  CHECK(jar.sent("https://a.test/") == "s=1; c=1; d=1");
  jar.set("https://a.test/", {"e=1; Max-Age=1"});
  CHECK(jar.sent("https://a.test/") == "s=1; d=1; e=1");
  jar.now += 5s;
  jar.set("https://a.test/", {"f=1"});
  CHECK(jar.sent("https://a.test/") == "s=1; d=1; f=1");
  jar.set("https://b.test/", {"x=1; Secure", "y=1; Secure"});
  jar.set("https://c.test/", {"z=1; Secure"});
  CHECK(jar.jar.all().size() == 5);
  CHECK(jar.sent("https://a.test/") == "s=1; f=1");
  CHECK(jar.sent("https://c.test/") == "z=1");
}

TEST_CASE("a jar in the hand") {
  Jar jar;
  jar.jar.set(Cookie("a", "1", "A.test"));
  Cookie wide("b", "2", "a.test", "/x");
  wide.host_only = false;
  jar.jar.set(wide);
  CHECK(jar.sent("http://a.test/x") == "b=2; a=1");
  CHECK(jar.sent("http://sub.a.test/x") == "b=2");
  CHECK(jar.jar.get(Url::parse("http://a.test/").value(), "a") == "1");
  CHECK_FALSE(jar.jar.get(Url::parse("http://a.test/").value(), "b"));
  for (const Cookie& bad :
       {Cookie("a", "hunter2\r\n", "a.test"), Cookie("a;b", "hunter2", "a.test"),
        Cookie("a=b", "hunter2", "a.test"), Cookie("", "", "a.test"), Cookie("a", "hunter2", ""),
        Cookie("a", "hunter2", "a.test", "x")}) {
    try {
      jar.jar.set(bad);
      FAIL("it was taken");
    } catch (const ferry::Error& error) {
      CHECK(error.code() == Errc::invalid_header);
      CHECK(std::string(error.what()).find("hunter2") == std::string::npos);
    }
  }
  jar.set("http://b.test/", {"c=3"});
  jar.jar.clear("A.TEST");
  CHECK(jar.jar.all().size() == 1);
  jar.jar.clear();
  CHECK(jar.jar.all().empty());
}

TEST_CASE("a file that curl reads and writes") {
  namespace fs = std::filesystem;
  const auto path = (fs::temp_directory_path() / "ferry-cookies-test").string();
  Jar jar;
  jar.set("https://a.test/",
          {"a=1; Secure; HttpOnly", "b=; Max-Age=100; Domain=a.test; Path=/x", "c=x y"});
  jar.jar.save(path);
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  CHECK(text ==
        "# Netscape HTTP Cookie File\n"
        "#HttpOnly_a.test\tFALSE\t/\tTRUE\t0\ta\t1\n"
        ".a.test\tTRUE\t/x\tFALSE\t1700000100\tb\t\n"
        "a.test\tFALSE\t/\tFALSE\t0\tc\tx y\n");
  CHECK((fs::status(path).permissions() & (fs::perms::group_all | fs::perms::others_all)) ==
        fs::perms::none);
  // What somebody has put where it is written meanwhile neither gets it nor is overwritten.
  std::ofstream(path + ".other") << "precious";
  fs::create_symlink(path + ".other", path + ".new");
  jar.jar.save(path);
  CHECK_FALSE(fs::is_symlink(path));
  CHECK(fs::file_size(path) == text.size());
  CHECK(fs::file_size(path + ".other") == 8);
  fs::remove(path + ".other");
  Jar again;
  again.jar.load(path);
  CHECK(again.jar.all() == jar.jar.all());
  again.now += 200s;
  Jar later;
  later.now = again.now;
  later.jar.load(path);
  CHECK(later.jar.all().size() == 2);

  for (const char* bad :
       {"a.test\tFALSE\t/\tFALSE\t0", "a.test FALSE / FALSE 0 a b",
        "a.test\tfalse\t/\tFALSE\t0\ta\thunter2", "a.test\tFALSE\tx\tFALSE\t0\ta\tb",
        "a.test\tFALSE\t/\tFALSE\t-1\ta\tb", "\tFALSE\t/\tFALSE\t0\ta\tb",
        "a.test\tFALSE\t/\tFALSE\t0\ta\tb\tc", "a.test\tFALSE\t/\tFALSE\t0\ta\tb;c"}) {
    std::ofstream(path, std::ios::binary) << "# a comment\r\n\r\n" << bad << "\n";
    try {
      again.jar.load(path);
      FAIL("it was taken");
    } catch (const ferry::Error& error) {
      CHECK(error.code() == Errc::invalid_option);
      CHECK(std::string(error.what()).find("line 3") != std::string::npos);
      CHECK(std::string(error.what()).find("hunter2") == std::string::npos);
    }
  }
  fs::remove(path);
  CHECK_THROWS_AS(again.jar.load(path), ferry::Error);
  CHECK_THROWS_AS(again.jar.save("/nowhere/at/all"), ferry::Error);
}
