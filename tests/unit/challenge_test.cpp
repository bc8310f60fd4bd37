#include <chrono>
#include <doctest/doctest.h>
#include <string>
#include <string_view>
#include <vector>

#include <ferry/detail/policy/challenge.hpp>

using ferry::detail::Challenge;
using ferry::detail::ChallengeParser;

namespace {

// "Scheme(token68){name=value,...} Scheme{...}"
std::string shown(const std::vector<Challenge>& list) {
  std::string text;
  for (const Challenge& challenge : list) {
    if (!text.empty()) text += ' ';
    text += challenge.scheme;
    if (!challenge.token68.empty()) text += '(' + challenge.token68 + ')';
    text += '{';
    for (const auto& [name, value] : challenge.params) {
      if (!text.ends_with('{')) text += ',';
      text += name + '=' + value;
    }
    text += '}';
  }
  return text;
}

std::string parsed(std::string_view field) {
  std::vector<Challenge> list;
  ChallengeParser(field).read(list);
  return shown(list);
}

}  // namespace

TEST_CASE("the example of RFC 9110 11.6.1") {
  CHECK(parsed("Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to "
               "\\\"apps\\\"\"") ==
        "Basic{realm=simple} Newauth{realm=apps,type=1,title=Login to \"apps\"}");
}

TEST_CASE("challenges as they are allowed to be") {
  const struct {
    std::string_view field, meaning;
  } cases[] = {
      {"", ""},
      {" ,\t, ,", ""},
      {"Negotiate", "Negotiate{}"},
      {"Negotiate, NTLM", "Negotiate{} NTLM{}"},
      {"Negotiate oYGVMIGS==", "Negotiate(oYGVMIGS==){}"},
      {"Negotiate oYG=, Basic realm=x", "Negotiate(oYG=){} Basic{realm=x}"},
      {"Negotiate a=", "Negotiate(a=){}"},
      {"Negotiate aA0-._~+/== ,Basic", "Negotiate(aA0-._~+/==){} Basic{}"},
      {"Basic realm=x, NTLM TlRMTVNT/AAC=, Digest realm=y, nonce=z",
       "Basic{realm=x} NTLM(TlRMTVNT/AAC=){} Digest{realm=y,nonce=z}"},
      {",, Basic ,realm=\"a, b\",, charset=UTF-8 ,", "Basic{realm=a, b,charset=UTF-8}"},
      {"Digest  realm = \"a\" ,\tNONCE\t=\tb", "Digest{realm=a,nonce=b}"},
      {"Digest realm=\"\", nonce=\"\\\\\\a\\\"\"", "Digest{realm=,nonce=\\a\"}"},
      {"Digest qop=\"auth,auth-int\", stale=FALSE", "Digest{qop=auth,auth-int,stale=FALSE}"},
      {"Basic Basic", "Basic(Basic){}"},
      {"A b, c", "A(b){} c{}"},
  };
  for (const auto& [field, meaning] : cases) {
    CAPTURE(field);
    CHECK(parsed(field) == meaning);
  }
}

TEST_CASE("what servers send all the same") {
  const struct {
    std::string_view field, meaning;
  } cases[] = {
      {"realm=x", ""},                               // No scheme.
      {"realm=x, Basic realm=y", "Basic{realm=y}"},  //
      {"Basic realm=a b", "Basic{realm=a} b{}"},     // A space without quotes.
      {"Digest nonce=ab/+=, realm=a@b", "Digest{nonce=ab/+=,realm=a@b}"},  // No tokens.
      {"Digest realm=\"a\" nonce=\"b\"", "Digest{realm=a,nonce=b}"},       // No comma.
      {"Basic realm=\"a\" Digest nonce=\"b\"", "Basic{realm=a} Digest{nonce=b}"},
      {"Basic realm=\"a", "Basic{realm=a}"},           // Not closed.
      {"Basic realm=\"a\\", "Basic{realm=a}"},         //
      {"Basic realm=", "Basic(realm=){}"},             //
      {"Basic x=y, realm=", "Basic{x=y,realm=}"},      //
      {"Basic realm=, x=y", "Basic(realm=){x=y}"},     //
      {"Digest realm=x, REALM=y", "Digest{realm=x}"},  // Twice: the first counts.
      {"/, \"a, b\", =, Basic", "Basic{}"},            // Junk, up to the next comma.
      {"Basic realm=\"a\";junk, b=c", "Basic{realm=a,b=c}"},
      {"\xFF, Basic", "Basic{}"},
      {"Basic realm=\"\xC3\xA4\"", "Basic{realm=\xC3\xA4}"},
  };
  for (const auto& [field, meaning] : cases) {
    CAPTURE(field);
    CHECK(parsed(field) == meaning);
  }
}

TEST_CASE("the lines of a field are one list; other fields are none of it") {
  ferry::Headers headers;
  CHECK(ferry::detail::challenges(headers, "WWW-Authenticate").empty());
  headers.add("WWW-Authenticate", "Basic realm=\"never closed");
  headers.add("Proxy-Authenticate", "Digest realm=proxy");
  headers.add("www-authenticate", "charset=UTF-8, Digest realm=a");
  headers.add("WWW-AUTHENTICATE", "nonce=b");
  CHECK(shown(ferry::detail::challenges(headers, "WWW-Authenticate")) ==
        "Basic{realm=never closed,charset=UTF-8} Digest{realm=a,nonce=b}");
  CHECK(shown(ferry::detail::challenges(headers, "proxy-authenticate")) == "Digest{realm=proxy}");
}

TEST_CASE("a challenge finds its parameters") {
  std::vector<Challenge> list;
  ChallengeParser("DIGEST Realm=a").read(list);
  REQUIRE(list.size() == 1);
  CHECK(list[0].is("digest"));
  CHECK_FALSE(list[0].is("digest2"));
  CHECK(list[0].param("realm") == "a");
  CHECK_FALSE(list[0].param("nonce"));
}

TEST_CASE("a field of parameters alone") {
  Challenge info;
  ChallengeParser("nextnonce=\"a,b\", qop=auth, junk, \"x\", nc=00000001").read_params(info);
  CHECK(shown({info}) == "{nextnonce=a,b,qop=auth,nc=00000001}");
}

TEST_CASE("there is a limit to what is kept, and to the time that it takes") {
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string_view piece :
       {"a,", "a ", "a=b,", "a b,", "a=\"", "\"", "\\", "a b=", "=", " ", ",", "a=\"\\\"\","}) {
    std::string field;
    while (field.size() < 1'000'000) field += piece;
    std::vector<Challenge> list;
    ChallengeParser(field).read(list);
    CHECK(list.size() <= ChallengeParser::most_challenges);
    for (const Challenge& challenge : list)
      CHECK(challenge.params.size() <= ChallengeParser::most_params);
    Challenge info;
    ChallengeParser(field).read_params(info);
    CHECK(info.params.size() <= ChallengeParser::most_params);
  }
  // Quadratic time would be hours.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::minutes(2));
}
