#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/policy/proxy_bypass.hpp>
#include <ferry/options.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

FERRY_DEFINITION bool same_pool_limits(const Limits& a, const Limits& b) noexcept {
  return a.max_connections == b.max_connections &&
         a.max_connections_per_host == b.max_connections_per_host && a.max_idle == b.max_idle &&
         a.idle_timeout == b.idle_timeout && a.max_lifetime == b.max_lifetime;
}

FERRY_DEFINITION Timeouts merged(Timeouts timeouts, const RequestOptions& options) noexcept {
  timeouts.pool = options.pool_timeout.value_or(timeouts.pool);
  timeouts.resolve = options.resolve_timeout.value_or(timeouts.resolve);
  timeouts.connect = options.connect_timeout.value_or(timeouts.connect);
  timeouts.tls = options.tls_timeout.value_or(timeouts.tls);
  timeouts.write = options.write_timeout.value_or(timeouts.write);
  timeouts.expect_continue = options.expect_continue_timeout.value_or(timeouts.expect_continue);
  timeouts.first_byte = options.first_byte_timeout.value_or(timeouts.first_byte);
  timeouts.read = options.read_timeout.value_or(timeouts.read);
  timeouts.total = options.timeout.value_or(timeouts.total);
  return timeouts;
}

}  // namespace detail

FERRY_DEFINITION PoolOptions::PoolOptions() {}

FERRY_DEFINITION PoolOptions::PoolOptions(const PoolOptions& other) = default;

FERRY_DEFINITION PoolOptions::PoolOptions(PoolOptions&& other) noexcept = default;

FERRY_DEFINITION PoolOptions& PoolOptions::operator=(const PoolOptions& other) = default;

FERRY_DEFINITION PoolOptions& PoolOptions::operator=(PoolOptions&& other) noexcept = default;

FERRY_DEFINITION PoolOptions::~PoolOptions() = default;

FERRY_DEFINITION ClientOptions::ClientOptions() {}

FERRY_DEFINITION ClientOptions::ClientOptions(const ClientOptions& other) = default;

FERRY_DEFINITION ClientOptions::ClientOptions(ClientOptions&& other) noexcept = default;

FERRY_DEFINITION ClientOptions& ClientOptions::operator=(const ClientOptions& other) = default;

FERRY_DEFINITION ClientOptions& ClientOptions::operator=(ClientOptions&& other) noexcept = default;

FERRY_DEFINITION ClientOptions::~ClientOptions() = default;

FERRY_DEFINITION ProxyOptions ProxyOptions::from_environment() {
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
