// Any Set-Cookie from any host: what is sent goes to whom it is for, fits into one field, keeps to
// the limits, and is the same after the jar was written to a file and read again.

#include <filesystem>
#include <unistd.h>

#include <ferry/cookies.hpp>
#include <ferry/detail/policy/retry.hpp>

#include "fuzz/support.hpp"

namespace {

ferry::CookieJarOptions options(std::chrono::seconds now) {
  ferry::CookieJarOptions result;
  result.max_per_domain = 5;
  result.max_cookies = 8;
  result.shared_domains = {"a.test"};
  result.now = [now] { return std::chrono::system_clock::time_point(now); };
  return result;
}

bool is_within(std::string_view host, std::string_view domain) {
  return host == domain || (host.ends_with(domain) && host.size() > domain.size() &&
                            host[host.size() - domain.size() - 1] == '.');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const char* const hosts[] = {
      "http://a.test/x/y",  "https://a.test/", "https://s.a.test/x",   "http://t.s.a.test/",
      "https://127.0.0.1/", "http://co.uk/",   "https://x.co.uk/a/b/", "http://test/"};
  static const std::string path =
      (std::filesystem::temp_directory_path() / ("fuzz-cookies-" + std::to_string(getpid())))
          .string();
  FuzzedDataProvider input(data, size);
  const std::chrono::seconds now(1'700'000'000);
  ferry::CookieJar jar(options(now));
  while (input.remaining_bytes() > 0) {
    const auto url = ferry::Url::parse(input.PickValueInArray(hosts)).value();
    const auto field = input.ConsumeRandomLengthString(200);
    if (ferry::detail::check_field("Set-Cookie", field)) continue;
    ferry::Headers headers;
    headers.add("Set-Cookie", field);
    jar.take(url, headers);
    ferry::detail::retry_after(headers);
  }
  const auto all = jar.all();
  fuzz::require(all.size() <= 8, "no more cookies than are allowed");
  for (const char* host : hosts) {
    const auto url = ferry::Url::parse(host).value();
    const auto value = jar.cookies_for(url);
    fuzz::require(!ferry::detail::check_field("Cookie", value), "it can be sent", value);
    std::size_t due = 0;
    for (const auto& cookie : all) {
      const bool at_host =
          cookie.host_only ? url.host() == cookie.domain : is_within(url.host(), cookie.domain);
      const bool safe = !cookie.secure || url.scheme() == "https";
      if (at_host && safe && url.path().starts_with(cookie.path))
        due += cookie.name.size() + cookie.value.size() + 3;
    }
    fuzz::require(value.size() <= due, "only what is for this host is sent", value, host);
  }
  for (const auto& cookie : all)
    fuzz::require(
        cookie.name.find(';') == std::string::npos && cookie.value.find(';') == std::string::npos,
        "a cookie is one cookie", cookie.name);

  jar.save(path);
  ferry::CookieJar again(options(now));
  again.load(path);
  for (const auto& cookie : again.all()) {
    auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) {
      auto plain = one;
      plain.same_site.clear();
      plain.narrowed_from.clear();
      return plain == cookie;
    });
    fuzz::require(found != all.end(), "a file holds what was in the jar", cookie.name);
  }
  return 0;
}
