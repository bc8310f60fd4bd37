#include <doctest/doctest.h>
#include <optional>
#include <string>

#include <ferry/detail/base/http_date.hpp>

namespace {

/// Seconds since 1970, or -1.
long long at(const std::string& text) {
  const auto date = ferry::detail::parse_date(text);
  return date ? static_cast<long long>(date->time_since_epoch().count()) : -1;
}

}  // namespace

TEST_CASE("the three forms of HTTP's dates (RFC 9110 5.6.7)") {
  for (const char* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994"})
    CHECK(at(text) == 784111777);
}

TEST_CASE("what servers have made of them (RFC 6265bis 5.1.1)") {
  const struct {
    const char* text;
    long long seconds;
  } table[] = {
      {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
      {"Thu, 01-Jan-1970 00:00:01 GMT", 1},
      {"1 Jan 1970 0:0:2", 2},
      {"Mon, 10-Dec-2007 17:02:24 GMT", 1197306144},
      {"Wed, 09 Dec 2009 16:27:23 GMT", 1260376043},
      {"Thursday, 01-Jan-1970 00:00:03 GMT", 3},
      {"Mon Dec 24 16:32:39 1977 GMT", 251829159},
      {"09 Nov 99 23:12:40", 942189160},
      {"Sat, 15-Apr-17 21:01:22 GMT", 1492290082},
      {"Thu, 19-Apr-2007 16:00:00 GMT", 1176998400},
      {"Wed, 25 Apr 2007 21:02:13 UTC", 1177534933},
      {"Thu, 2038 Jan 19 03:14:08", 2147483648},
      {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
      {"29 Feb 2000 12:00:00", 951825600},
      {"Sep 12 2007 20:12:40abc", 1189627960},
      {"12Foo Sep 2007 20:12:40", 1189627960},
      {"Jan 1 1601 00:00:00", -11644473600},
      // A token may have other characters after its digits.
      {"1x JanX 2000x 1:2:3x", 946688523},
      {"1: January 2000: 01:02:03:04", 946688523},
      {"1a:33:44 Jan 2000 01:02:03", 946688523},  // A day, as it is no time.
      {"1 Jan 2000 01:02:03 04:05:06", 946688523},
      {"1 Jan 2000 1:2:3+01:00", 946688523},
      {"2000 1 Jan 1:2:3", 946688523},
      {"1 Jan 070 0:0:2", 2},
  };
  for (const auto& row : table) {
    CAPTURE(std::string(row.text));
    CHECK(at(row.text) == row.seconds);
  }
}

TEST_CASE("what is no date") {
  for (const char* text : {"",
                           "now",
                           "Sun, 06 Nov 1994",
                           "08:49:37",
                           "06 Nov 08:49:37",
                           "Nov 1994 08:49:37",
                           "06 Foo 1994 08:49:37",
                           "31 Feb 2000 00:00:00",
                           "29 Feb 2001 00:00:00",
                           "0 Jan 2000 00:00:00",
                           "32 Jan 2000 00:00:00",
                           "1 Jan 2000 24:00:00",
                           "1 Jan 2000 00:60:00",
                           "1 Jan 2000 00:00:60",
                           "1 Jan 1600 00:00:00",
                           "1 Jan 20000 00:00:00",
                           "1 Jan 2000 000:00:00",
                           "1 Jan 2000 00:00",
                           "1 Jan 2000 00:00:",
                           "1 Jan 2000 1a:33:44",
                           "1 Jan 2000 01a:33:44",
                           "1 Jan 2000 01:3b:44",
                           "1 Jan 2000 01:33b:44",
                           "1 Jan 2000 a1:33:44",
                           "1 Jan 2000 :33:44",
                           "1 Jan 2000 01::44",
                           "1 Jan 2000 01:33:a44",
                           "1 Jan 2000 01:33:444",
                           "1 Jan 2000 01:333:44",
                           "100 Jan 2000 01:33:44x",
                           "x1 Jan 2000 01:33:44",
                           "1 xJan 2000 01:33:44",
                           "1 Ja 2000 01:33:44",
                           "1 Jan x2000 01:33:44",
                           "1 Jan 2 01:33:44",
                           "1 Jan 99999999999999999999 00:00:00"})
    CHECK(at(text) == -1);
}
