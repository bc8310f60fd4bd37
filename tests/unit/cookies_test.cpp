#include <algorithm>
#include <chrono>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/cookies.hpp>

#include "support/folder.hpp"

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

/// The cookies that go to a URL after another one has set a cookie.
std::string after(const std::string& from, const std::string& field, const std::string& to,
                  CookieJarOptions options = CookieJarOptions()) {
  return Jar(std::move(options)).set(from, {field}).sent(to);
}

/// A list of public suffixes that is as long as these tests need.
CookieJarOptions with_list() {
  CookieJarOptions options;
  options.is_public_suffix = [](std::string_view domain) {
    return domain.find('.') == domain.npos || domain == "co.uk" || domain == "github.test";
  };
  return options;
}

/// A jar for a.test, whose hosts share.
CookieJarOptions shared() {
  CookieJarOptions options;
  options.shared_domains = {"a.test"};
  return options;
}

/// A file in a folder of its own.
struct CookieFile {
  std::string operator()(const std::string& content) const {
    return folder.write("cookies", content);
  }
  std::string content() const {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  test::Folder folder;
  std::string path = folder / "cookies";
};

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
      {"a=b; Expires=Thu, 01 Jan 1970 01:33:44 GMT", ""},
      {"a=b; Expires=Thu, 01 Jan 1970 1a:33:44 GMT", "a=b"},
      {"a=b; Max-Age=-", "a=b"},
      {"a=b; Max-Age=", "a=b"},
      {"a=b; Max-Age=0x", "a=b"},
      {"a=b; Max-Age=-0", ""},
      {"a=b; Max-Age=-99999999999999999999999", ""},
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
    const auto field = std::string("a=b; Domain=") + row.domain;
    CHECK(after(row.from, field, row.to, with_list()).empty() != row.sent);
  }
}

TEST_CASE("[74] with a list, a public suffix is never a cookie's domain") {
  Jar jar(with_list());
  jar.set("http://me.github.test/", {"a=1; Domain=github.test"});
  jar.set("http://github.test/", {"b=1; Domain=github.test"});
  jar.set("http://bbc.uk/", {"c=1; Domain=bbc.uk"});
  jar.set("http://me.github.test./", {"a=1; Domain=github.test."});
  CHECK(jar.sent("http://you.github.test/").empty());
  CHECK(jar.sent("http://you.github.test./").empty());
  CHECK(jar.sent("http://github.test/") == "b=1");  // For itself alone.
  CHECK(jar.sent("http://www.bbc.uk/") == "c=1");
  Cookie by_hand("d", "1", "co.uk");
  by_hand.host_only = false;
  jar.jar.set(by_hand);
  CHECK(jar.sent("http://other.co.uk/").empty());
  CHECK(jar.sent("http://co.uk/") == "d=1");
  const CookieFile file;
  jar.jar.load(
      file(".github.test\tTRUE\t/\tFALSE\t0\te\t1\n.me.github.test\tTRUE\t/\tFALSE\t0\tf\t1\n"));
  CHECK(jar.sent("http://you.github.test/").empty());
  CHECK(jar.sent("http://github.test/") == "b=1; e=1");
  CHECK(jar.sent("http://www.me.github.test/") == "f=1");
  for (const Cookie& cookie : jar.jar.all())
    CHECK(cookie.narrowed_from == (cookie.name == "d"   ? "co.uk"
                                   : cookie.name == "e" ? "github.test"
                                                        : ""));
}

TEST_CASE("[74] without a list a cookie goes back to its host alone, and says so") {
  for (const char* domain : {"github.test", "blogspot.com", "police.uk", "kobe.jp", "k12.ca.us",
                             "co.uk", "com", "example.com", "example.com."}) {
    CAPTURE(std::string(domain));
    const std::string host = std::string("http://evil.") + domain + "/";
    const std::string sibling = std::string("http://you.") + domain + "/";
    const std::string parent = std::string("http://") + domain + "/";
    Jar jar;
    jar.set(host, {std::string("a=1; Domain=") + domain, "b=2"});
    jar.set(parent, {std::string("c=3; Domain=") + domain});
    CHECK(jar.sent(host) == "a=1; b=2");
    CHECK(jar.sent(sibling).empty());
    CHECK(jar.sent(parent) == "c=3");
    for (const Cookie& cookie : jar.jar.all()) {
      CHECK(cookie.host_only);
      CHECK(cookie.narrowed_from == (cookie.name == "b" ? "" : domain));
    }
    // A file's cookies are not shared, either.
    const CookieFile file;
    Jar loaded;
    loaded.jar.load(file(std::string(".") + domain + "\tTRUE\t/\tFALSE\t0\td\t4\n"));
    CHECK(loaded.sent(sibling).empty());
    CHECK(loaded.sent(parent) == "d=4");
    CHECK(loaded.jar.all().at(0).narrowed_from == domain);
  }
}

TEST_CASE("[74] domains that the caller names are shared, with those below them") {
  CookieJarOptions options;
  options.shared_domains = {".Example.COM", "svc", "", "other.test."};
  Jar jar(options);
  jar.set("http://www.example.com/", {"a=1; Domain=example.com", "b=2; Domain=www.example.com"});
  CHECK(jar.sent("http://api.example.com/") == "a=1");
  CHECK(jar.sent("http://x.www.example.com/") == "a=1; b=2");
  jar.set("http://x.svc/", {"c=3; Domain=svc"});
  CHECK(jar.sent("http://y.svc/") == "c=3");
  jar.set("http://x.other.test./", {"d=4; Domain=other.test."});
  CHECK(jar.sent("http://y.other.test./") == "d=4");
  jar.set("http://me.notexample.com/", {"e=5; Domain=notexample.com"});
  CHECK(jar.sent("http://you.notexample.com/").empty());
  jar.set("http://me.com/", {"f=6; Domain=com"});
  CHECK(jar.sent("http://you.com/").empty());
  const CookieFile file;
  jar.jar.load(
      file(".example.com\tTRUE\t/\tFALSE\t0\tg\t7\n.nomad.test\tTRUE\t/\tFALSE\t0\th\t8\n"));
  CHECK(jar.sent("http://api.example.com/") == "a=1; g=7");
  CHECK(jar.sent("http://x.nomad.test/").empty());

  // Beside a list, the caller's word counts for the domain that it names.
  options = with_list();
  options.shared_domains = {"svc", "github.test"};
  Jar listed(options);
  listed.set("http://x.svc/", {"a=1; Domain=svc"});
  listed.set("http://a.example.com/", {"b=2; Domain=example.com"});
  listed.set("http://x.github.test/", {"c=3; Domain=github.test"});
  CHECK(listed.sent("http://y.svc/") == "a=1");
  CHECK(listed.sent("http://b.example.com/") == "b=2");
  CHECK(listed.sent("http://y.github.test/") == "c=3");
}

TEST_CASE("a cookie that was narrowed is not the one that its host has beside it") {
  Jar jar;
  // Sites do so when they move from a shared cookie to one of the host's own.
  jar.set("http://www.a.test/", {"id=new", "id=; Domain=a.test; Max-Age=0"});
  CHECK(jar.sent("http://www.a.test/") == "id=new");
  jar.set("http://www.a.test/", {"id=old; Domain=a.test"});
  CHECK(jar.sent("http://www.a.test/") == "id=new; id=old");
  jar.set("http://www.a.test/", {"id=; Domain=a.test; Max-Age=0"});
  CHECK(jar.sent("http://www.a.test/") == "id=new");
  // The prefix promises that there was no Domain.
  CHECK(after("https://a.test/", "__Host-a=b; Secure; Path=/; Domain=a.test", "https://a.test/")
            .empty());
  // An address is shared by nobody, so that nothing was narrowed.
  jar.set("http://127.0.0.1/", {"a=1; Domain=127.0.0.1"});
  for (const Cookie& cookie : jar.jar.all()) CHECK(cookie.narrowed_from.empty());
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
  const char* const wide = "__Host-a=b; Secure; Path=/; Domain=a.test";
  CHECK(after("https://s.a.test/", wide, "https://s.a.test/").empty());
  CHECK(after("https://s.a.test/", wide, "https://s.a.test/", shared()).empty());
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
  const CookieFile file;
  const std::string& path = file.path;
  Jar jar(shared());
  jar.set("https://a.test/",
          {"a=1; Secure; HttpOnly", "b=; Max-Age=100; Domain=a.test; Path=/x", "c=x y"});
  CHECK(jar.jar.save(path) == 0);
  CHECK(file.content() ==
        "# Netscape HTTP Cookie File\n"
        "#HttpOnly_a.test\tFALSE\t/\tTRUE\t0\ta\t1\n"
        ".a.test\tTRUE\t/x\tFALSE\t1700000100\tb\t\n"
        "a.test\tFALSE\t/\tFALSE\t0\tc\tx y\n");
  CHECK((fs::status(path).permissions() & (fs::perms::group_all | fs::perms::others_all)) ==
        fs::perms::none);
  Jar again(shared());
  CHECK(again.jar.load(path).taken == 3);
  CHECK(again.jar.all() == jar.jar.all());
  again.now += 200s;
  Jar later(shared());
  later.now = again.now;
  const auto loaded = later.jar.load(path);
  CHECK(later.jar.all().size() == 2);
  CHECK(loaded.taken == 2);
  CHECK(loaded.ended == 1);
  CHECK(loaded.skipped.empty());

  fs::remove(path);
  for (const std::string& unreadable :
       {path, (file.folder / ""), std::string(path).append("\0x", 2)}) {
    try {
      again.jar.load(unreadable);
      FAIL("it was read");
    } catch (const ferry::Error& error) {
      CHECK(error.code() == Errc::invalid_option);
      CHECK(error.cause());
    }
  }
  jar.set("http://a.test/", {"d=x\ty"});  // The format has no form for it.
  CHECK(jar.jar.save(path) == 1);
  CHECK_THROWS_AS(again.jar.save("/nowhere/at/all"), ferry::Error);
  CHECK_THROWS_AS(again.jar.save(path + std::string("\0x", 2)), ferry::Error);
}

TEST_CASE("[74] a cookie from a file is replaced and removed, whether or not it was narrowed") {
  const CookieFile file;
  const std::string url = "http://www.a.test/";
  const std::string narrowed = "; Domain=a.test", its_own;
  for (const std::string& of_file : {narrowed, its_own}) {
    for (const std::string& of_server : {narrowed, its_own}) {
      CAPTURE(of_file);
      CAPTURE(of_server);
      Jar first;
      first.set(url, {"x=0; Path=/", "sid=1" + of_file, "sid=p; Path=/p" + of_file});
      first.jar.save(file.path);
      Jar second;
      second.jar.load(file.path);
      second.set(url, {"sid=2" + of_server});
      CHECK(second.sent(url) == "x=0; sid=2");
      CHECK(second.sent(url + "p") == "sid=p; x=0; sid=2");  // Another path is another cookie.
      second.jar.load(file.path);                            // Once more: nothing is there twice.
      CHECK(second.sent(url) == "x=0; sid=1");
      second.set(url, {"sid=; Max-Age=0" + of_server});
      CHECK(second.sent(url) == "x=0");
    }
  }
  // A file's cookie takes the place of both kinds.
  file.folder.write("cookies", "www.a.test\tFALSE\t/\tFALSE\t0\tsid\t3\n");
  Jar both;
  both.set(url, {"sid=1", "sid=2; Domain=a.test"});
  CHECK(both.sent(url) == "sid=1; sid=2");
  both.jar.load(file.folder / "cookies");
  CHECK(both.sent(url) == "sid=3");
  // The two kinds are two cookies again when the server has set them.
  both.set(url, {"sid=new", "sid=; Domain=a.test; Max-Age=0"});
  CHECK(both.sent(url) == "sid=new");
  // A public suffix that sets one for itself, as the list has it.
  file.folder.write("cookies", ".github.test\tTRUE\t/\tFALSE\t0\tsid\t1\n");
  Jar listed(with_list());
  listed.jar.load(file.folder / "cookies");
  listed.set("http://github.test/", {"sid=2; Domain=github.test"});
  CHECK(listed.sent("http://github.test/") == "sid=2");
}

TEST_CASE("a line that is no cookie keeps no other from being taken, and is told of") {
  const CookieFile file;
  const struct {
    const char* line;
    const char* reason;
  } cases[] = {
      {"a.test\tFALSE\t/\tFALSE\t0", "fields"},
      {"a.test FALSE / FALSE 0 a hunter2", "fields"},
      {"a.test\tFALSE\t/\tFALSE\t0\ta\thunter2\tc", "fields"},
      {"a.test\tmaybe\t/\tFALSE\t0\ta\thunter2", "flag"},
      {"a.test\tFALSE\t/\t\t0\ta\thunter2", "flag"},
      {"a.test\tFALSE\tx\tFALSE\t0\ta\thunter2", "path"},
      {"a.test\tFALSE\t/\tFALSE\t-1\ta\thunter2", "seconds"},
      {"a.test\tFALSE\t/\tFALSE\tsoon\ta\thunter2", "seconds"},
      {"\tFALSE\t/\tFALSE\t0\ta\thunter2", "domain"},
      {".\tFALSE\t/\tFALSE\t0\ta\thunter2", "domain"},
      {"a.test\tFALSE\t/\tFALSE\t0\t\t", "neither"},
      {"a.test\tFALSE\t/\tFALSE\t0\ta\thunter2;c", "semicolon"},
      {"a.test\tFALSE\t/\tFALSE\t0\ta\thunt\x01r2", "control"},
      {"{\"hunter2\":1}", "fields"},
  };
  const std::string good = "a.test\tFALSE\t/\tFALSE\t0\t";
  for (const auto& row : cases) {
    CAPTURE(std::string(row.line));
    Jar jar;
    const auto loaded = jar.jar.load(file(good + "x\t1\n# a comment\r\n\r\n" + row.line + "\n" +
                                          row.line + "\n" + good + "y\t2"));
    CHECK(jar.sent("http://a.test/") == "x=1; y=2");
    CHECK(loaded.taken == 2);
    REQUIRE(loaded.skipped.size() == 2);
    CHECK(loaded.skipped[0].number == 4);
    CHECK(loaded.skipped[1].number == 5);
    CHECK(loaded.skipped[0].reason.find(row.reason) != std::string_view::npos);
    CHECK(loaded.skipped[0].reason.find("hunter2") == std::string_view::npos);
  }
}

TEST_CASE("what other programs write is taken") {
  const CookieFile file;
  for (const char* line : {
           "a.test\tFALSE\t/\tFALSE\t\ta\tb",  // Python's MozillaCookieJar, of a session.
           "\xEF\xBB\xBF"
           "a.test\tFALSE\t/\tFALSE\t0\ta\tb",
           "\xEF\xBB\xBF# Netscape HTTP Cookie File\na.test\tFALSE\t/\tFALSE\t0\ta\tb",
           "a.test\tfalse\t/\tFalse\t0\ta\tb",
           "a.test\tFALSE\t/\tFALSE\t0\ta\tb\r",
           "  a.test\tFALSE\t/\tFALSE\t0\ta\tb",
           " a.test \t FALSE\t/ \tFALSE \t 0 \ta\tb\t\t",
           " \t \n   # a comment\n\t#another\na.test\tFALSE\t/\tFALSE\t0\ta\tb\n \t",
       }) {
    CAPTURE(std::string(line));
    Jar jar;
    const auto loaded = jar.jar.load(file(line));
    CHECK(loaded.taken == 1);
    CHECK(loaded.skipped.empty());
    CHECK(jar.jar.all() == std::vector<Cookie>{Cookie("a", "b", "a.test")});
  }
  Jar jar(shared());
  jar.jar.load(file("#HttpOnly_.a.test\ttrue\t/\ttrue\t\ta\t\n \t\n"));
  const Cookie cookie = jar.jar.all().at(0);
  CHECK_FALSE(cookie.host_only);
  CHECK(cookie.secure);
  CHECK(cookie.http_only);
  CHECK_FALSE(cookie.expires);
  CHECK(cookie.value.empty());
}

TEST_CASE("two saves at a time: both succeed, and the file is one of them, whole") {
  const CookieFile file;
  Jar other;
  other.set("http://b.test/", {"b=2"});
  CookieJarOptions options;
  bool is_nested = false;
  options.now = [&] {
    // The first save has begun. It must not matter that another one comes and ends.
    if (std::exchange(is_nested, false)) other.jar.save(file.path);
    return std::chrono::system_clock::time_point(other.now);
  };
  CookieJar jar(options);
  jar.set(Cookie("a", "1", "a.test"));
  is_nested = true;
  jar.save(file.path);
  CHECK(file.content() == "# Netscape HTTP Cookie File\na.test\tFALSE\t/\tFALSE\t0\ta\t1\n");
}

TEST_CASE("a save leaves nothing beside its file, and follows nothing that is there") {
  namespace fs = std::filesystem;
  const CookieFile file;
  const auto names = [&] {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(file.folder / ""))
      all.push_back(entry.path().filename().string());
    std::sort(all.begin(), all.end());
    return all;
  };
  Jar jar;
  jar.set("http://a.test/", {"a=1"});
  // A folder and a link have the names that it might use.
  fs::create_directory(file.path + ".new");
  const auto precious = file.folder.write("precious", "precious");
  fs::create_symlink(precious, file.path);
  jar.jar.save(file.path);
  CHECK_FALSE(fs::is_symlink(file.path));
  CHECK(fs::file_size(precious) == 8);
  CHECK(names() == std::vector<std::string>{"cookies", "cookies.new", "precious"});
  CHECK_THROWS_AS(jar.jar.save(file.path + ".new"), ferry::Error);  // The name is that of a folder.
  CHECK(names() == std::vector<std::string>{"cookies", "cookies.new", "precious"});
}

TEST_CASE("the functions of its options may use the jar") {
  const CookieFile file;
  CookieJar* jar = nullptr;
  int calls = 0;
  bool is_nested = false;
  const auto use = [&] {
    if (!jar || std::exchange(is_nested, true)) return;
    ++calls;
    const Url url = Url::parse("http://a.test/").value();
    jar->all();
    jar->get(url, "a");
    jar->cookies_for(url);
    jar->set(Cookie("x", "1", "x.test"));
    jar->take(url, Headers().add("Set-Cookie", "y=1; Domain=a.test"));
    jar->clear("x.test");
    jar->save(file.path);
    jar->load(file.path);
    is_nested = false;
  };
  CookieJarOptions options;
  options.now = [&] {
    use();
    return std::chrono::system_clock::time_point(1'700'000'000s);
  };
  options.is_public_suffix = [&](std::string_view) {
    use();
    return false;
  };
  CookieJar it(options);
  jar = &it;
  const Url url = Url::parse("http://a.test/").value();
  it.take(url, Headers().add("Set-Cookie", "a=1; Domain=a.test").add("Set-Cookie", "b=2"));
  it.set(Cookie("c", "3", "a.test"));
  CHECK(it.get(url, "c") == "3");
  it.save(file.path);
  it.load(file.path);
  CHECK(it.all().size() == 4);
  CHECK(it.cookies_for(url) == "y=1; a=1; b=2; c=3");
  CHECK(calls >= 9);
}
