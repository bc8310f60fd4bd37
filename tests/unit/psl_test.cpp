#include <doctest/doctest.h>
#include <string>

#include <ferry/cookies.hpp>
#include <ferry/psl.hpp>

#include "support/folder.hpp"

TEST_CASE("the list knows where anybody can have a domain") {
  for (const char* suffix : {"com", "co.uk", "github.io", "uk"})
    CHECK(ferry::psl::is_public_suffix(suffix));
  for (const char* domain : {"example.com", "bbc.co.uk", "me.github.io", "bbc.uk"})
    CHECK_FALSE(ferry::psl::is_public_suffix(domain));
}

TEST_CASE("[74] a jar that asks it") {
  ferry::CookieJarOptions options;
  options.is_public_suffix = ferry::psl::is_public_suffix;
  ferry::CookieJar jar(options);
  ferry::Headers headers;
  headers.add("Set-Cookie", "a=1; Domain=github.io").add("Set-Cookie", "b=2; Domain=me.github.io");
  jar.take(ferry::Url::parse("http://www.me.github.io/").value(), headers);
  CHECK(jar.cookies_for(ferry::Url::parse("http://me.github.io/").value()) == "b=2");
  for (const char* suffix : {"github.io", "blogspot.com", "police.uk", "kobe.jp", "k12.ca.us"}) {
    const std::string name(suffix);
    headers = ferry::Headers();
    headers.add("Set-Cookie", "c=3; Domain=" + name);
    jar.take(ferry::Url::parse("http://evil." + name + "/").value(), headers);
    CHECK(jar.cookies_for(ferry::Url::parse("http://you." + name + "/").value()).empty());
  }
  const test::Folder folder;
  jar.load(folder.write("cookies", ".police.uk\tTRUE\t/\tFALSE\t0\td\t4\n"));
  CHECK(jar.cookies_for(ferry::Url::parse("http://you.police.uk/").value()).empty());
  CHECK(jar.cookies_for(ferry::Url::parse("http://police.uk/").value()) == "d=4");
}
