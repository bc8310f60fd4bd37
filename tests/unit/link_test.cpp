#include <doctest/doctest.h>
#include <string>
#include <string_view>
#include <vector>

#include <ferry/link.hpp>

using ferry::Link;
using namespace std::string_literals;

namespace {

std::vector<Link> links(std::string_view field) {
  ferry::Headers headers;
  headers.add("Link", field);
  return ferry::links(headers);
}

// "target{name=value,...} target{...}"
std::string shown(const std::vector<Link>& list) {
  std::string text;
  for (const Link& link : list) {
    if (!text.empty()) text += ' ';
    text += link.target + '{';
    for (const auto& [name, value] : link.params) {
      if (!text.ends_with('{')) text += ',';
      text += name + '=' + value;
    }
    text += '}';
  }
  return text;
}

std::string parsed(std::string_view field) { return shown(links(field)); }

}  // namespace

TEST_CASE("the links of a page") {
  const auto list = links(
      "<https://api.example/orders?page=2>; rel=\"next\", "
      "<https://api.example/orders?page=9,5>; rel=\"last\"; title=\"the; last, one\"");
  REQUIRE(list.size() == 2);
  CHECK(list[0].target == "https://api.example/orders?page=2");
  CHECK(list[0].rel() == "next");
  CHECK(list[0].has_rel("next"));
  CHECK_FALSE(list[0].has_rel("last"));
  CHECK(list[1].target == "https://api.example/orders?page=9,5");
  CHECK(list[1].has_rel("last"));
  CHECK(list[1].param("title") == "the; last, one");
  CHECK_FALSE(list[1].param("type"));
}

TEST_CASE("several fields are one list, and each is read by itself") {
  ferry::Headers headers;
  CHECK(ferry::links(headers).empty());
  headers.add("Link", "</a>; rel=first");
  headers.add("X-Link", "</no>");
  headers.add("link", "junk </never>");
  headers.add("LINK", "</b>; rel=\"never closed");
  headers.add("Link", "</c>");
  CHECK(shown(ferry::links(headers)) == "/a{rel=first} /b{rel=never closed} /c{}");
}

TEST_CASE("relation types are a list, in any case, and the first parameter counts") {
  const auto list = links("</a>; REL=\"  Prev \t https://example.org/rel  next\"; rel=last");
  REQUIRE(list.size() == 1);
  CHECK(list[0].rel() == "  Prev \t https://example.org/rel  next");
  CHECK(list[0].has_rel("prev"));
  CHECK(list[0].has_rel("NEXT"));
  CHECK(list[0].has_rel("https://example.org/rel"));
  CHECK_FALSE(list[0].has_rel("last"));
  CHECK_FALSE(list[0].has_rel(""));
  CHECK_FALSE(list[0].has_rel("ne"));
  CHECK_FALSE(Link().has_rel("next"));
  const Link none;
  CHECK(none.rel().empty());
  CHECK_FALSE(links("</a>; rel")[0].has_rel(""));
}

TEST_CASE("values are read in every form") {
  CHECK(parsed("<a>;x=1;Y=\"2\";z") == "a{x=1,y=2,z=}");
  CHECK(parsed("<a> ; x = 1 ; y = \"2\" ; z ") == "a{x=1,y=2,z=}");
  CHECK(parsed("<a>;x=\"q\\\"q\\\\b\\c\"") == "a{x=q\"q\\bc}");
  CHECK(parsed("<a>;x=\"\"") == "a{x=}");
  CHECK(parsed("<a>;x=") == "a{x=}");
  CHECK(parsed("<a>;x=a b;y=2") == "a{x=a b,y=2}");
  CHECK(parsed("<a>;x='1'") == "a{x='1'}");
  CHECK(parsed("<>;rel=next") == "{rel=next}");
  CHECK(parsed("<a;b,c>") == "a;b,c{}");
}

TEST_CASE("values with a star are decoded, and come before those without") {
  const auto list = links("</a>; title=\"? rates\"; title*=UTF-8'en'%e2%82%ac%20rates");
  REQUIRE(list.size() == 1);
  CHECK(list[0].param("title") == "\u20ac rates");
  CHECK(list[0].param("title*") == "\u20ac rates");
  CHECK(shown(list) == "/a{title=? rates,title*=\u20ac rates}");

  CHECK(parsed("<a>;title*=utf-8''x") == "a{title*=x}");
  CHECK(parsed("<a>;title*=\"UTF-8''%C3%BC\"") == "a{title*=\u00fc}");
  // A value that cannot be decoded is left out.
  for (const auto* bad : {"iso-8859-1'en'%A3", "UTF-8'", "UTF-8", "", "x", "UTF-8''%", "UTF-8''%e",
                          "UTF-8''%zz", "UTF-8''%FF", "UTF-8''%C3", "UTF-8''%ED%A0%80"}) {
    const auto fallback = links("<a>;title=plain;title*="s + bad + ";x=1");
    CHECK(shown(fallback) == "a{title=plain,x=1}");
    CHECK(fallback[0].param("title") == "plain");
  }
}

TEST_CASE("what makes no sense ends the field") {
  for (const auto* nothing : {"", " ", ",", ", ,", "a", "<", "<a", "junk, <a>", ";<a>", "\"<a>"})
    CHECK(parsed(nothing).empty());
  CHECK(parsed(",, <a> ,\t, <b>,") == "a{} b{}");
  CHECK(parsed("<a> junk, <b>") == "a{}");
  CHECK(parsed("<a>; x=\"1\"junk, <b>") == "a{x=1}");
  CHECK(parsed("<a>, junk, <b>") == "a{}");
  CHECK(parsed("<a>, <b") == "a{}");
  CHECK(parsed("<a>;") == "a{}");
  CHECK(parsed("<a>;;;x=1;;") == "a{x=1}");
  CHECK(parsed("<a>;=1;x=2") == "a{x=2}");
  CHECK(parsed("<a>;x=\"1") == "a{x=1}");
  CHECK(parsed("<a>;x=\"1\\") == "a{x=1}");
  CHECK(parsed("<a>;x=\"1, <b>; rel=next") == "a{x=1, <b>; rel=next}");
  CHECK(parsed("<a><b>") == "a{}");
  CHECK(parsed("<a<b>") == "a<b{}");
}

TEST_CASE("a megabyte of anything is read in one go") {
  const std::size_t size = 1'000'000;
  const auto repeated = [&](std::string_view piece) {
    std::string text;
    while (text.size() < size) text += piece;
    return text;
  };
  for (const auto* piece :
       {"<", "<a", "<a>", "<>,", "<a>;", "<a>,", ",", ";", "\"", "\\", " ", "="})
    links(repeated(piece));
  CHECK(links(repeated("<>,")).size() > 300'000);
  CHECK(links("<a>" + repeated(";x=\"\\\"")).size() == 1);
  CHECK(links("<a>;x*=UTF-8''" + repeated("%41"))[0].params[0].second.size() > 300'000);
  CHECK(links("<a>;x=" + repeated("  y"))[0].params.size() == 1);
  CHECK_FALSE(links("<a>;rel=\"" + repeated(" x") + "\"")[0].has_rel("y"));
}
