#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/policy/proxy_bypass.hpp>
#include <ferry/options.hpp>

namespace ferry {

inline ProxyOptions ProxyOptions::from_environment() {
  const auto get = [](const char* lower, const char* upper) {
    Variable variable;
    for (const char* name : {lower, upper}) {
      const char* const value = name ? std::getenv(name) : nullptr;
      if (!value || !*value || !variable.value.empty()) continue;
      variable.name = name;
      variable.value = value;
    }
    if (detail::iequals(variable.value.substr(0, 8), "socks://"))
      variable.value.replace(0, 8, "socks5h://");
    return variable;
  };
  const auto or_all = [&get](Variable own) {
    return own.value.empty() ? get("all_proxy", "ALL_PROXY") : own;
  };
  ProxyOptions options;
  options.http_variable_ =
      or_all(get("http_proxy", std::getenv("REQUEST_METHOD") ? nullptr : "HTTP_PROXY"));
  options.https_variable_ = or_all(get("https_proxy", "HTTPS_PROXY"));
  options.http = options.http_variable_.value;
  options.https = options.https_variable_.value;
  const std::string bypass = get("no_proxy", "NO_PROXY").value;
  for (std::size_t begin = 0; begin < bypass.size();) {
    const auto word = bypass.find_first_not_of(" \t", begin);
    const auto end = std::min(bypass.find_first_of(", \t", word), bypass.size());
    std::string entry = bypass.substr(begin, end - begin);
    begin = end + 1;
    const bool has_meaning = detail::ProxyBypass().add(entry);
    (has_meaning ? options.bypass : options.ignored).push_back(std::move(entry));
  }
  return options;
}

}  // namespace ferry
