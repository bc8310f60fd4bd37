#pragma once

#include <optional>
#include <string>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/host.hpp>
#include <ferry/error.hpp>
#include <ferry/options.hpp>

// Checks of options.
namespace ferry::inline FERRY_CONFIGURATION::detail {

inline std::optional<Error> check_duration(const char* name, Duration value) {
  if (value >= Duration::zero()) return std::nullopt;
  return Error(Errc::invalid_option,
               std::string(name) +
                   " is negative, or was too large for nanoseconds (as milliseconds::max() is): "
                   "ferry::no_timeout means none");
}

/// Checks limits.
/// @return the failure, or nothing.
inline std::optional<Error> check(const Limits& limits) {
  if (limits.max_connections == 0)
    return Error(Errc::invalid_option,
                 "limits.max_connections is 0: no request could ever be sent");
  if (limits.max_connections_per_host == 0)
    return Error(Errc::invalid_option,
                 "limits.max_connections_per_host is 0: no request could ever be sent");
  if (auto error = check_duration("limits.idle_timeout", limits.idle_timeout)) return error;
  return check_duration("limits.max_lifetime", limits.max_lifetime);
}

/// Checks the options for TCP.
/// @return the failure, or nothing.
inline std::optional<Error> check(const TcpOptions& tcp) {
  const auto is_address = [](const std::string& text) { return is_ipv4(text) || is_ipv6(text); };
  if (!tcp.local_address.empty() && !is_address(tcp.local_address))
    return Error(Errc::invalid_option,
                 "tcp.local_address: " + in_quotes(tcp.local_address) + " is no numeric address");
  if (tcp.send_buffer < 0 || tcp.receive_buffer < 0)
    return Error(Errc::invalid_option, "a buffer's size is negative; 0 leaves it to the system");
  for (const HostAddresses& entry : tcp.hosts) {
    if (entry.addresses.empty())
      return Error(Errc::invalid_option, "tcp.hosts: no address for " + in_quotes(entry.host));
    for (const std::string& address : entry.addresses)
      if (!is_address(address))
        return Error(Errc::invalid_option, "tcp.hosts: " + in_quotes(address) + ", for " +
                                               in_quotes(entry.host) + ", is no numeric address");
  }
  if (auto error = check_duration("tcp.attempt_delay", tcp.attempt_delay)) return error;
  return check_duration("tcp.dns_ttl", tcp.dns_ttl);
}

/// Checks the options for connecting.
/// @return the failure, or nothing.
inline std::optional<Error> check(const ConnectOptions& options) {
  if (const auto problem = unix_path_problem(options.unix_socket);
      !options.unix_socket.empty() && !problem.empty())
    return Error(Errc::invalid_option,
                 "unix_socket: " + in_quotes(options.unix_socket) + " " + std::string(problem));
  return check(options.tcp);
}

/// Checks time limits.
/// @return the failure, or nothing.
inline std::optional<Error> check(const Timeouts& timeouts) {
  if (auto error = check_duration("the pool timeout", timeouts.pool)) return error;
  if (auto error = check_duration("the resolve timeout", timeouts.resolve)) return error;
  if (auto error = check_duration("the connect timeout", timeouts.connect)) return error;
  if (auto error = check_duration("the TLS timeout", timeouts.tls)) return error;
  if (auto error = check_duration("the write timeout", timeouts.write)) return error;
  if (auto error = check_duration("the expect-continue timeout", timeouts.expect_continue))
    return error;
  if (auto error = check_duration("the first-byte timeout", timeouts.first_byte)) return error;
  if (auto error = check_duration("the read timeout", timeouts.read)) return error;
  return check_duration("the total timeout", timeouts.total);
}

}  // namespace ferry::detail
