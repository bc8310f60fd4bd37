#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <ferry/auth.hpp>
#include <ferry/detail/auth/netrc.hpp>

#include "support/authorize.hpp"

using ferry::AuthContext;
using ferry::Authenticator;
using ferry::Errc;
using ferry::Url;
using ferry::detail::Netrc;
using namespace std::string_literals;
using test::authorize;
using test::given;

namespace {

/// The error of a call that is refused. It must be an invalid option, and must not show the secret.
template <class Call>
std::string refusal(Call call, std::string_view secret = "hunter2") {
  try {
    call();
  } catch (const ferry::Error& error) {
    CHECK(error.code() == Errc::invalid_option);
    CHECK(error.code() == ferry::Condition::invalid_request);
    const std::string text = error.what();
    CHECK(text.find(secret) == text.npos);
    return text;
  }
  return "accepted";
}

std::string userinfo(std::string_view text) {
  const auto value = ferry::detail::basic_from_userinfo(text);
  if (value) return *value;
  CHECK(value.error().code() == Errc::invalid_url);
  return value.error().what();
}

/// A file that is there as long as this is, or a path where none is.
class TemporaryFile {
 public:
  TemporaryFile() : path_("auth_test." + std::to_string(::getpid()) + ".netrc") {}
  explicit TemporaryFile(std::string_view text) : TemporaryFile() {
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Sets a variable of the environment, and brings back what it was.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    value ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~Variable() { old_ ? ::setenv(name_, old_->c_str(), 1) : ::unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

// "machine=login:password ... *=login:password", or what is wrong.
std::string netrc(std::string_view text) {
  const auto file = Netrc::parse(text, "f");
  if (!file) {
    CHECK(file.error().code() == Errc::invalid_option);
    const std::string why = file.error().what();
    CHECK(why.find("hunter2") == why.npos);
    return why;
  }
  std::string all;
  const auto add = [&](const std::string& name, const Netrc::Entry& entry) {
    if (!all.empty()) all += ' ';
    all += name;
    if (entry.is_set) all += '=' + entry.login + ':' + entry.password;
  };
  for (const auto& [name, entry] : file->machines()) add(name, entry);
  if (file->for_others()) add("*", *file->for_others());
  return all;
}

/// Fetches a token with every call, and says how often it was asked what.
class Fetching final : public Authenticator {
 public:
  asio::awaitable<std::string> authorize(AuthContext context) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    co_return "Token " + std::to_string(++fetched) + " " + std::string(context.target);
  }
  bool challenged(const AuthContext& context) override { return context.challenges == 1; }
  void answered(const AuthContext&, const ferry::Headers&) override { ++answers; }

  int fetched = 0;
  int answers = 0;
};

}  // namespace

TEST_CASE("basic: the examples of RFC 7617") {
  CHECK(given(*ferry::basic("Aladdin", "open sesame")) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  CHECK(given(*ferry::basic("test", "123\xC2\xA3")) == "Basic dGVzdDoxMjPCow==");
  CHECK(given(*ferry::basic("", "")) == "Basic Og==");
  CHECK(given(*ferry::basic("u", "a:b")) == "Basic dTphOmI=");
}

TEST_CASE("basic: what cannot be sent is refused, and not shown") {
  CHECK(refusal([] { ferry::basic("user:hunter2", "x"); }) ==
        "invalid option: basic(): the user name has a colon, which Basic authentication cannot "
        "send");
  CHECK(refusal([] { ferry::basic("user", "hunter2\n"); }) ==
        "invalid option: basic(): the password has a line end");
  CHECK(refusal([] { ferry::basic("hunter2\r", ""); }) ==
        "invalid option: basic(): the user name has a line end");
  CHECK(refusal([] { ferry::basic("user", "hunter2\0x"s); }) ==
        "invalid option: basic(): the password has a control character");
}

TEST_CASE("bearer") {
  CHECK(given(*ferry::bearer("mF_9.B5f-4.1JqM")) == "Bearer mF_9.B5f-4.1JqM");
  CHECK(refusal([] { ferry::bearer(""); }) == "invalid option: bearer(): the token is empty");
  CHECK(refusal([] { ferry::bearer("hunter2\r\n"); }) ==
        "invalid option: bearer(): the token has a line end");
  CHECK(refusal([] { ferry::bearer("hunter2\0"s); }) ==
        "invalid option: bearer(): the token has a control character");
  CHECK(refusal([] { ferry::bearer("Bearer hunter2"); }) ==
        "invalid option: bearer(): the token has a space");
}

TEST_CASE("fixed credentials need no coroutine, and are not sent again once refused") {
  const Url url = Url::parse("http://h/").value();
  const auto auth = ferry::basic("a", "b");
  AuthContext context{.method = "GET", .url = url, .target = "/"};
  CHECK(auth->authorize_now(context) == "Basic YTpi");
  CHECK(authorize(*auth, context) == "Basic YTpi");
  CHECK_FALSE(auth->chooses_by_origin());
  ferry::Headers challenge;
  challenge.add("WWW-Authenticate", "Basic realm=x");
  context.challenge = &challenge;
  context.challenges = 1;
  context.sent = "Basic YTpi";
  CHECK_FALSE(auth->challenged(context));
}

TEST_CASE("userinfo of a URL") {
  CHECK(userinfo("Aladdin:open%20sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  CHECK(userinfo("u:a:b") == "Basic dTphOmI=");
  CHECK(userinfo("u:a%3ab") == "Basic dTphOmI=");
  CHECK(userinfo("u") == "Basic dTo=");
  CHECK(userinfo(":") == "Basic Og==");
  CHECK(userinfo("%75:%") == "Basic dTol");
  CHECK(userinfo("u%3Ahunter2:p") ==
        "invalid URL: before its \"@\", the user name has a colon, which Basic authentication "
        "cannot send");
  CHECK(userinfo("u:hunter2%0A") == "invalid URL: before its \"@\", the password has a line end");
  CHECK(userinfo("u%00:p") ==
        "invalid URL: before its \"@\", the user name has a control character");
}

TEST_CASE("a scheme of one's own may wait") {
  const Url url = Url::parse("http://h/x").value();
  Fetching auth;
  AuthContext context{.method = "GET", .url = url, .target = "/x"};
  CHECK_FALSE(auth.authorize_now(context));
  CHECK(authorize(auth, context) == "Token 1 /x");
  CHECK(authorize(auth, context) == "Token 2 /x");
}

TEST_CASE("only_for gives one origin what it has, and all others nothing") {
  const auto fetching = std::make_shared<Fetching>();
  const auto auth = ferry::only_for("https://api.example/v1?x", fetching);
  CHECK(auth->chooses_by_origin());
  const ferry::Headers response;
  for (const char* text : {"https://api.example/", "https://API.example:443/v2"}) {
    const Url url = Url::parse(text).value();
    AuthContext context{
        .method = "GET", .url = url, .target = "/", .redirected = true, .challenges = 1};
    CHECK_FALSE(auth->authorize_now(context));
    CHECK(authorize(*auth, context).starts_with("Token "));
    CHECK(auth->challenged(context));
    auth->answered(context, response);
  }
  CHECK(fetching->fetched == 2);
  CHECK(fetching->answers == 2);
  for (const char* text :
       {"http://api.example/", "https://api.example:8443/", "https://x.api.example/",
        "https://api.example.evil/", "https://api.example./", "http://h/https://api.example"}) {
    CAPTURE(text);
    const Url url = Url::parse(text).value();
    AuthContext context{.method = "GET", .url = url, .target = "/", .challenges = 1};
    CHECK(auth->authorize_now(context) == "");
    CHECK(authorize(*auth, context) == "");
    CHECK_FALSE(auth->challenged(context));
    auth->answered(context, response);
  }
  CHECK(fetching->fetched == 2);
  CHECK(fetching->answers == 2);
  CHECK(given(*ferry::only_for("http://h", ferry::basic("a", "b"))) == "Basic YTpi");
  CHECK(refusal([] { ferry::only_for("http://h", nullptr); }) ==
        "invalid option: only_for(): there is no authenticator");
  CHECK_THROWS_AS(ferry::only_for("api.example", ferry::basic("a", "b")), ferry::Error);
}

TEST_CASE("netrc: what a file may say") {
  const struct {
    std::string_view text, meaning;
  } cases[] = {
      {"", ""},
      {"\n \t\r\n", ""},
      {"machine h login u password p", "h=u:p"},
      {"machine h\n  login u\n\tpassword p\r\n", "h=u:p"},
      {"machine h password p login u", "h=u:p"},
      {"machine a login b password c machine d login e password f", "a=b:c d=e:f"},
      {"machine\nh\nlogin\nu", "h=u:"},
      {"machine h password p", "h=:p"},
      {"machine h", "h"},
      {"machine h account x", "h"},
      {"machine h login u account x password p", "h=u:p"},
      {"default login u password p", "*=u:p"},
      {"default login u machine h login v default login w", "h=v: *=u:"},
      {"\xEF\xBB\xBFmachine h login u", "h=u:"},
      // Comments, where no value can be.
      {"# machine x\nmachine h # the host\n#\nlogin u #password p\n#", "h=u:"},
      {"machine h login #u password #", "h=#u:#"},
      // Quotes.
      {"machine \"h\" login \"u v\" password \"a\\\"b\\\\c d\"", "h=u v:a\"b\\c d"},
      {"machine h login \"\" password \"#\"", "h=:#"},
      {"machine h login u\"v password p\\\"w", "h=u\"v:p\\\"w"},
      {"machine h login \"u\"password p", "h=u:p"},
      // Words are words, wherever a value has to be.
      {"machine machine login password password login", "machine=password:login"},
      // Words that mean nothing here, and keywords in any case.
      {"hunter2", ""},
      {"machine h protocol https login u port 21 password p", "h=u:p"},
      {"machine h login u protocol https\npassword p method x machine i login v", "h=u:p i=v:"},
      {"protocol https machine h login u", "h=u:"},
      {"default protocol https login u password p", "*=u:p"},
      {"machine h login u password my hunter2", "h=u:my"},
      {"MACHINE h Login U passWord P Default login V", "h=U:P *=V:"},
      {"machine h login u MacDef m\nmachine i login v\n\npassword p", "h=u:p"},
      // Quotes make a word a value, which means nothing where none has to be.
      {"\"machine\" h \"login\" u", ""},
      {"machine h protocol \"x login y \\\" machine z\" login u", "h=u:"},
      // Values of no machine.
      {"login u password p", ""},
      {"login machine password p:q machine h login u", "h=u:"},
      {"account a machine h password p", "h=:p"},
      {"login hunter2:\x7F machine h login u", "h=u:"},
      // Macros.
      {"machine a login b\nmacdef init\ncd /x\nmachine c login d\n\nmachine e login f",
       "a=b: e=f:"},
      {"macdef init\r\ncd /x\r\n\r\nmachine e login f", "e=f:"},
      {"macdef init\nbin\n \t\nmachine e login f", "e=f:"},
      {"macdef init\nmachine c login d", ""},
      {"macdef init", ""},
      {"machine a login b macdef m x\ny\n\npassword c", "a=b:c"},
  };
  for (const auto& [text, meaning] : cases) {
    CAPTURE(text);
    CHECK(netrc(text) == meaning);
  }
}

TEST_CASE("netrc: what is malformed is refused with its line, and not shown") {
  const struct {
    std::string_view text;
    std::string problem;
  } cases[] = {
      {"machine", "line 1: machine has nothing behind it"},
      {"machine h\nlogin hunter2\npassword\n\n", "line 3: password has nothing behind it"},
      {"macdef", "line 1: macdef has nothing behind it"},
      {"machine h password \"hunter2\n\"",
       "line 1: the quotes behind password are not closed on "
       "their line"},
      {"machine h\n\npassword\n\"hunter2\\",
       "line 3: the quotes behind password are not closed on "
       "their line"},
      {"machine h password \"hunter2\\\n\"",
       "line 1: the quotes behind password are not closed on "
       "their line"},
      {"machine h login hunter2:x",
       "line 1: the value of login has a colon, which Basic authentication cannot send"},
      {"machine h password \"hunter2\\n\"",
       "line 1: the value of password has a control character"},
      {"machine h login hunter2\x7F", "line 1: the value of login has a control character"},
      {"macdef m\na\nb\n\n\npassword", "line 6: password has nothing behind it"},
      {"MACHINE h\nLOGIN", "line 2: login has nothing behind it"},
      {"login \"hunter2", "line 1: the quotes behind login are not closed on their line"},
      {"machine h\n\"hunter2", "line 2: quotes are not closed on their line"},
  };
  for (const auto& [text, problem] : cases) {
    CAPTURE(text);
    CHECK(netrc(text) == "invalid option: \"f\", " + problem);
  }
}

TEST_CASE("netrc: exactly the host, the first one; a redirect is no reason for the default") {
  const TemporaryFile file(
      "default login d password e\n"
      "machine example.com login a password b\n"
      "machine EXAMPLE.com login x password y\n"
      "machine none.example\n"
      "machine ::1 login six password p\n");
  const auto auth = ferry::netrc(file.path());
  CHECK(auth->chooses_by_origin());
  const std::string others = "Basic ZDpl";
  CHECK(given(*auth, "http://example.com/") == "Basic YTpi");
  CHECK(given(*auth, "https://Example.COM:8443/x") == "Basic YTpi");
  CHECK(given(*auth, "http://none.example/") == "");
  CHECK(given(*auth, "http://[::1]:80/") == "Basic c2l4OnA=");
  CHECK(given(*auth, "http://www.example.com/") == others);
  CHECK(given(*auth, "http://com/") == others);
  CHECK(given(*auth, "http://example.com.evil/") == others);

  const Url elsewhere = Url::parse("http://elsewhere/").value();
  AuthContext context{.method = "GET", .url = elsewhere, .target = "/", .redirected = true};
  CHECK(auth->authorize_now(context) == "");
  const Url named = Url::parse("http://example.com/").value();
  const AuthContext again{.method = "GET", .url = named, .target = "/", .redirected = true};
  CHECK(auth->authorize_now(again) == "Basic YTpi");
}

TEST_CASE("netrc: which file") {
  const TemporaryFile file("machine h login a password b");
  const std::string folder = std::filesystem::current_path();
  {
    const Variable named("NETRC", file.path().c_str());
    CHECK(given(*ferry::netrc()) == "Basic YTpi");
    CHECK(given(*ferry::netrc("there_is_none")) == "");
    CHECK(given(*ferry::netrc(file.path() + "/none")) == "");
  }
  const Variable none("NETRC", nullptr);
  const Variable home("HOME", folder.c_str());
  CHECK(ferry::detail::netrc_path("") == folder + "/.netrc");
  CHECK(given(*ferry::netrc("~/" + file.path())) == "Basic YTpi");
  {
    const Variable empty("NETRC", "");
    CHECK(ferry::detail::netrc_path("") == folder + "/.netrc");
  }
  const Variable no_home("HOME", nullptr);
  CHECK(ferry::detail::netrc_path("").ends_with("/.netrc"));  // From the list of users.
}

TEST_CASE("netrc: files that cannot be read, or are wrong") {
  CHECK(refusal([] { ferry::netrc("."); }).find("\".\" cannot be read (") != std::string::npos);
  CHECK(refusal([] { ferry::netrc("a\0b"s); }).ends_with("has a NUL"));
  const TemporaryFile wrong("machine h\nlogin hunter2:x");
  CHECK(refusal([&] { ferry::netrc(wrong.path()); }).find(".netrc\", line 2: ") !=
        std::string::npos);
  const TemporaryFile large("#" + std::string(1 << 20, 'x'));
  CHECK(refusal([&] { ferry::netrc(large.path()); }).ends_with("is larger than 1 MiB"));
}
