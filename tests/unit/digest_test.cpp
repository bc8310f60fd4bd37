#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/auth/digest_authenticator.hpp>
#include <ferry/detail/auth/digest_challenge.hpp>
#include <ferry/digest.hpp>

#include "support/digest_server.hpp"

using ferry::AuthContext;
using ferry::Headers;
using ferry::Url;
using ferry::detail::DigestAuthenticator;
using test::DigestServer;
using test::send;

namespace {

/// The field that is sent in answer to challenges, one field each; empty for none.
std::string answer(ferry::Authenticator& auth, const std::vector<std::string>& challenges,
                   std::string_view target = "/dir/index.html", bool proxy = false) {
  const Url url = Url::parse("http://h/dir/index.html").value();
  Headers headers;
  for (const std::string& challenge : challenges)
    headers.add(proxy ? "Proxy-Authenticate" : "WWW-Authenticate", challenge);
  AuthContext context{.method = "GET", .url = url, .target = target, .proxy = proxy};
  context.challenge = &headers;
  context.challenges = 1;
  const std::string value = auth.authorize_now(context).value();
  CHECK(auth.challenged(context) == !value.empty());
  return value;
}

std::string answer(std::string user, std::string password, std::string cnonce,
                   const std::vector<std::string>& challenges,
                   std::string_view target = "/dir/index.html") {
  DigestAuthenticator auth(std::move(user), std::move(password),
                           [cnonce = std::move(cnonce)] { return cnonce; });
  return answer(auth, challenges, target);
}

/// The value of a parameter of credentials, without its quotes.
std::string param(const std::string& credentials, std::string_view name) {
  std::vector<ferry::detail::Challenge> list;
  ferry::detail::ChallengeParser(credentials).read(list);
  REQUIRE(list.size() == 1);
  return std::string(list[0].param(name).value_or("none"));
}

const std::string rfc_7616_nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
const std::string rfc_7616_cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

std::string rfc_7616_challenge(const std::string& algorithm) {
  return "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=" + algorithm +
         ", nonce=\"" + rfc_7616_nonce +
         "\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
}

std::string rfc_7616_answer(const std::string& algorithm, const std::string& response) {
  return "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", "
         "algorithm=" +
         algorithm + ", nonce=\"" + rfc_7616_nonce + "\", nc=00000001, cnonce=\"" +
         rfc_7616_cnonce + "\", qop=auth, response=\"" + response +
         "\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
}

}  // namespace

TEST_CASE("RFC 7616 3.9.1: SHA-256, and MD5") {
  const auto answered = [](const std::vector<std::string>& challenges) {
    return answer("Mufasa", "Circle of Life", rfc_7616_cnonce, challenges);
  };
  const std::string sha256 = rfc_7616_answer(
      "SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
  const std::string md5 = rfc_7616_answer("MD5", "8ca523f5e9506fed4657c9700eebdbec");
  CHECK(answered({rfc_7616_challenge("SHA-256"), rfc_7616_challenge("MD5")}) == sha256);
  CHECK(answered({rfc_7616_challenge("MD5"), rfc_7616_challenge("SHA-256")}) == sha256);
  CHECK(answered({rfc_7616_challenge("MD5") + ", " + rfc_7616_challenge("SHA-256")}) == sha256);
  CHECK(answered({rfc_7616_challenge("MD5")}) == md5);
  CHECK(answered({rfc_7616_challenge("md5")}) == md5);
  CHECK(answered({rfc_7616_challenge("SHA-3"), "Basic realm=x", rfc_7616_challenge("MD5")}) == md5);
}

TEST_CASE("RFC 7616 3.9.2: SHA-512-256, charset and userhash, as erratum 4897 corrects it") {
  // The document's own values are those of a SHA-512 cut short, which is another function.
  const std::string cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v";
  const std::string challenge =
      "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, "
      "nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", "
      "opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8";
  const std::string rest =
      ", realm=\"api@example.org\", uri=\"/doe.json\", algorithm=SHA-512-256, "
      "nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", nc=00000001, cnonce=\"" +
      cnonce +
      "\", qop=auth, "
      "response=\"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5\", "
      "opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\"";
  const auto answered = [&](const std::string& more) {
    return answer("J\xC3\xA4s\xC3\xB8n Doe", "Secret, or not?", cnonce, {challenge + more},
                  "/doe.json");
  };
  CHECK(answered(", userhash=true") ==
        "Digest username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\"" +
            rest + ", userhash=true");
  CHECK(answered(", userhash=false") == "Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe" + rest);
}

TEST_CASE("RFC 2617 3.5, and RFC 2069 2.4 as its erratum 749 corrects it") {
  const std::string nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
  const std::string opaque = "5ccc069c403ebaf9f0171e9517f40e41";
  const std::string challenge =
      "Digest realm=\"testrealm@host.com\", nonce=\"" + nonce + "\", opaque=\"" + opaque + "\"";
  const std::string begin =
      "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", uri=\"/dir/index.html\", "
      "nonce=\"" +
      nonce + "\"";
  CHECK(answer("Mufasa", "Circle Of Life", "0a4f113b", {challenge + ", qop=\"auth,auth-int\""}) ==
        begin +
            ", nc=00000001, cnonce=\"0a4f113b\", qop=auth, "
            "response=\"6629fae49393a05397450978507c4ef1\", opaque=\"" +
            opaque + "\"");
  const std::string old =
      begin + ", response=\"1949323746fe6a43ef61f9606e7febea\", opaque=\"" + opaque + "\"";
  CHECK(answer("Mufasa", "CircleOfLife", "unused", {challenge}) == old);
  CHECK(answer("Mufasa", "CircleOfLife", "unused", {challenge + ", qop=\"\""}) == old);
}

TEST_CASE("of equally strong hashes, the one that the server names first") {
  const std::string one = "Digest realm=r, nonce=n, qop=auth, algorithm=SHA-512-256";
  const std::string two = "Digest realm=r, nonce=n, qop=auth, algorithm=SHA-256-sess";
  CHECK(param(answer("u", "p", "c", {one, two}), "algorithm") == "SHA-512-256");
  CHECK(param(answer("u", "p", "c", {two, one}), "algorithm") == "SHA-256-sess");
}

TEST_CASE("challenges that are not answered") {
  DigestAuthenticator auth("user", "secret");
  for (const char* challenge : {
           "Basic realm=x",
           "Digest",
           "Digest realm=x",                                      // No nonce.
           "Digest realm=x, nonce=y, qop=\"auth-int\"",           // It wants the body.
           "Digest realm=x, nonce=y, qop=\"auth2\"",              //
           "Digest realm=x, nonce=y, qop=auth, algorithm=SHA-1",  //
           "Digest realm=x, nonce=y, qop=auth, algorithm=\"\"",   //
           "Digest realm=x, nonce=y, algorithm=MD5-sess",         // Without qop there is no cnonce.
           "NTLM, Negotiate abc=",
       }) {
    CAPTURE(challenge);
    CHECK(answer(auth, {challenge}) == "");
  }
  CHECK(answer(auth, {}) == "");
  // Bytes that no field may have can only come from a parser's mistake; they do not go out either.
  Headers broken;
  ferry::detail::access::table(broken).add("WWW-Authenticate",
                                           "Digest realm=\"a\r\nX: y\", nonce=n, qop=auth");
  CHECK_FALSE(ferry::detail::choose_digest_challenge(broken, false));
}

TEST_CASE("what stands in quotes is escaped, and hashed without") {
  const std::string value = answer("a\"b\\c", "p", "c\"n",
                                   {"Digest realm=\"r\\\"\\\\s\\x\", "
                                    "nonce=\"n\\\"\", qop=auth, "
                                    "opaque=\"\""});
  CHECK(value.starts_with(R"(Digest username="a\"b\\c", realm="r\"\\sx", uri="/dir/index.html", )"
                          R"(nonce="n\"", nc=00000001, cnonce="c\"n", qop=auth, response=")"));
  CHECK(value.ends_with(", opaque=\"\""));
  const auto& md5 = ferry::detail::digest_algorithms[0];
  const auto hash = [&](const std::string& text) { return ferry::detail::digest_hash(md5, text); };
  CHECK(param(value, "response") ==
        hash(hash("a\"b\\c:r\"\\sx:p") + ":n\":00000001:c\"n:auth:" + hash("GET:/dir/index.html")));
}

TEST_CASE("a name that is not ASCII, for servers that have not said UTF-8, or is not UTF-8") {
  const std::string challenge = "Digest realm=r, nonce=n, qop=auth";
  CHECK(param(answer("\xC3\xA4", "p", "c", {challenge}), "username") == "\xC3\xA4");
  CHECK(param(answer("\xE4", "p", "c", {challenge + ", charset=UTF-8"}), "username") == "\xE4");
  CHECK(param(answer("a", "p", "c", {challenge + ", charset=utf-8"}), "username") == "a");
}

TEST_CASE("the first request asks, the others know") {
  for (const char* algorithm :
       {"MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"}) {
    CAPTURE(algorithm);
    DigestServer server("secret", algorithm);
    const auto auth = ferry::digest("user", "secret");
    CHECK_FALSE(auth->chooses_by_origin());
    for (int i = 0; i < 20; ++i) CHECK(send(*auth, server) == 200);
    CHECK(server.requests() == 21);
    CHECK(server.replays() == 0);
  }
}

TEST_CASE("nothing is said before a challenge, or to another origin, or to a proxy") {
  DigestServer server;
  const auto auth = ferry::digest("user", "secret");
  CHECK(test::given(*auth) == "");
  CHECK(send(*auth, server, "http://h/") == 200);
  CHECK(test::given(*auth, "http://h/") != "");
  CHECK(test::given(*auth, "http://h:8080/") == "");
  CHECK(test::given(*auth, "https://h/") == "");
  CHECK(test::given(*auth, "http://h.evil/") == "");
  const Url url = Url::parse("http://h/").value();
  const AuthContext proxy{.method = "CONNECT", .url = url, .target = "x:443", .proxy = true};
  CHECK(auth->authorize_now(proxy) == "");
}

TEST_CASE("a proxy has fields of its own") {
  DigestServer server;
  server.proxy = true;
  server.says_next = true;
  const auto auth = ferry::digest("user", "secret");
  for (int i = 0; i < 5; ++i) CHECK(send(*auth, server, "http://proxy:3128/") == 200);
  CHECK(server.requests() == 6);
  CHECK(test::given(*auth, "http://proxy:3128/") == "");
  // All of a proxy is one protection space, whatever it says.
  DigestAuthenticator other("user", "secret");
  const std::string value =
      answer(other, {"Digest realm=r, nonce=n, qop=auth, domain=\"/x\""}, "example.com:443", true);
  CHECK(param(value, "uri") == "example.com:443");
  const Url url = Url::parse("http://h/").value();
  const AuthContext next{.method = "CONNECT", .url = url, .target = "b:443", .proxy = true};
  CHECK(param(other.authorize_now(next).value(), "nc") == "00000002");
}

TEST_CASE("a nonce that has become too old is replaced") {
  DigestServer server;
  server.uses = 3;
  const auto auth = ferry::digest("user", "secret");
  for (int i = 0; i < 9; ++i) CHECK(send(*auth, server) == 200);
  CHECK(server.requests() == 12);
  // A server that has forgotten its nonces, and does not say so.
  server.says_stale = false;
  server.restart();
  CHECK(send(*auth, server) == 200);
  CHECK(server.requests() == 14);
  // One whose nonces are stale at once.
  server.says_stale = true;
  server.uses = 0;
  CHECK(send(*auth, server) == 401);
  CHECK(server.requests() == 14 + 1 + ferry::Authenticator::max_challenges);
}

TEST_CASE("the next nonce comes with the response") {
  for (const char* algorithm : {"SHA-256", "SHA-256-sess"}) {
    CAPTURE(algorithm);
    DigestServer server("secret", algorithm);
    server.says_next = true;
    if (std::string_view(algorithm) == "SHA-256") server.uses = 1;
    const auto auth = ferry::digest("user", "secret");
    for (int i = 0; i < 5; ++i) CHECK(send(*auth, server) == 200);
    CHECK(server.requests() == 6);
  }
}

TEST_CASE("a nonce follows only the one that it was given with, and is counted from 1") {
  const Url url = Url::parse("http://h/").value();
  DigestAuthenticator auth("user", "secret");
  AuthContext context{.method = "GET", .url = url, .target = "/", .challenges = 1};
  Headers challenge;
  challenge.add("WWW-Authenticate", "Digest realm=r, nonce=first, qop=auth");
  context.challenge = &challenge;
  const std::string first = auth.authorize_now(context).value();
  context.challenge = nullptr;
  context.challenges = 0;
  const std::string second = auth.authorize_now(context).value();
  CHECK(param(second, "nonce") == "first");
  CHECK(param(second, "nc") == "00000002");

  const auto answered = [&](const std::string& sent, std::string_view field) {
    Headers response;
    response.add("Authentication-Info", field);
    context.sent = sent;
    auth.answered(context, response);
    const std::string value = auth.authorize_now(context).value();
    return param(value, "nonce") + " " + param(value, "nc");
  };
  CHECK(answered(second, "rspauth=\"x\", qop=auth") == "first 00000003");
  CHECK(answered(second, "nextnonce=\"\"") == "first 00000004");
  CHECK(answered(second, "nextnonce=\"first\"") == "first 00000005");
  CHECK(answered("Basic YTpi", "nextnonce=\"second\"") == "first 00000006");
  CHECK(answered(second, "nextnonce=\"second\"") == "second 00000001");
  CHECK(answered(first, "nextnonce=\"third\"") == "second 00000002");
}

TEST_CASE("a server that gives everybody the same nonce sees each count once") {
  DigestServer server;
  server.one_nonce = true;
  const auto auth = ferry::digest("user", "secret");
  // Two requests are challenged before either is sent again.
  const Url url = Url::parse("http://h/").value();
  const auto one = server.answer("GET", "/", "");
  const auto two = server.answer("GET", "/", "");
  AuthContext context{.method = "GET", .url = url, .target = "/", .challenges = 1};
  context.challenge = &one.headers;
  const std::string first = auth->authorize_now(context).value();
  context.challenge = &two.headers;
  const std::string second = auth->authorize_now(context).value();
  CHECK(param(first, "nc") == "00000001");
  CHECK(param(second, "nc") == "00000002");
  CHECK(param(first, "cnonce") != param(second, "cnonce"));
  CHECK(server.answer("GET", "/", second).status == 200);
  CHECK(server.answer("GET", "/", first).status == 200);
}

TEST_CASE("wrong credentials are tried once, and not remembered") {
  for (const bool stale : {false, true}) {
    DigestServer server("other");
    server.says_stale = stale;
    const auto auth = ferry::digest("user", "secret");
    CHECK(send(*auth, server) == 401);
    CHECK(server.requests() == 2);
    CHECK(test::given(*auth) == "");
    CHECK(send(*auth, server) == 401);
    CHECK(server.requests() == 4);
  }
  // One that refuses the nonce that it has just given.
  DigestServer server("other");
  server.one_nonce = true;
  const auto auth = ferry::digest("user", "secret");
  CHECK(send(*auth, server) == 401);
  CHECK(server.requests() == 2);
}

TEST_CASE("a request that cannot be sent again spares the next one the challenge") {
  DigestServer server;
  const auto auth = ferry::digest("user", "secret");
  CHECK(send(*auth, server, "http://h/", false) == 401);
  CHECK(send(*auth, server, "http://h/", false) == 200);
  CHECK(server.requests() == 2);
}

TEST_CASE("nor does one with a nonce that is too old by then leave that to the next one") {
  for (const bool stale : {false, true}) {
    DigestServer server;
    server.says_stale = stale;
    const auto auth = ferry::digest("user", "secret");
    CHECK(send(*auth, server) == 200);
    server.restart();
    CHECK(send(*auth, server, "http://h/", false) == 401);
    CHECK(send(*auth, server, "http://h/", false) == 200);
    CHECK(server.requests() == 4);
  }
}

TEST_CASE("two protection spaces on one server") {
  DigestServer one, two;
  one.realm = "one";
  two.realm = "two";
  two.restart();
  const auto auth = ferry::digest("user", "secret");
  SUBCASE("that say where they are") {
    one.extra = ", domain=\"/one http://h/uno/ https://h/ http://evil/ :::\"";
    two.extra = ", domain=\"http://h/\ttwo\"";
    CHECK(send(*auth, one, "http://h/one/x") == 200);
    CHECK(test::given(*auth, "http://h/three") == "");
    CHECK(send(*auth, two, "http://h/two") == 200);
    CHECK(one.requests() == 2);
    CHECK(two.requests() == 2);
    for (int i = 0; i < 3; ++i) {
      CHECK(send(*auth, one, "http://h/one/y?q") == 200);
      CHECK(send(*auth, one, "http://h/uno/") == 200);
      CHECK(send(*auth, two, "http://h/two/z") == 200);
    }
    CHECK(one.requests() == 8);
    CHECK(two.requests() == 5);
    CHECK(test::given(*auth, "http://evil/") == "");
    CHECK(test::given(*auth, "https://h/") == "");
  }
  SUBCASE("that do not") {
    for (int i = 0; i < 3; ++i) {
      CHECK(send(*auth, one) == 200);
      CHECK(send(*auth, two) == 200);
    }
    CHECK(one.requests() <= 6);
    CHECK(two.requests() <= 6);
  }
}

TEST_CASE("what is remembered has a limit") {
  const auto auth = ferry::digest("user", "secret");
  for (int i = 0; i < 200; ++i) {
    DigestServer server;
    CHECK(send(*auth, server, "http://h" + std::to_string(i) + "/") == 200);
  }
  CHECK(test::given(*auth, "http://h0/") == "");
  CHECK(test::given(*auth, "http://h199/") != "");
}

TEST_CASE("what cannot be sent is refused, and not shown") {
  for (const auto& [user, password] :
       std::vector<std::pair<std::string, std::string>>{{"hunter2\r", "x"}, {"x", "hunter2\n"}}) {
    try {
      ferry::digest(user, password);
      FAIL("accepted");
    } catch (const ferry::Error& error) {
      CHECK(error.code() == ferry::Errc::invalid_option);
      CHECK(std::string_view(error.what()).find("hunter2") == std::string_view::npos);
      CHECK(std::string_view(error.what()).ends_with(" has a line end"));
    }
  }
}
