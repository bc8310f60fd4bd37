#pragma once

/// @file
/// `Tally`: the counters of the soak's client side.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <ferry/error.hpp>
#include <ferry/event.hpp>

namespace soak {

/// The name of the code in C++ source.
constexpr std::string_view name_of(ferry::Errc code) noexcept {
  switch (code) {
    case ferry::Errc::invalid_url: return "invalid_url";
    case ferry::Errc::invalid_method: return "invalid_method";
    case ferry::Errc::invalid_header: return "invalid_header";
    case ferry::Errc::invalid_option: return "invalid_option";
    case ferry::Errc::unsupported_scheme: return "unsupported_scheme";
    case ferry::Errc::tls_unavailable: return "tls_unavailable";
    case ferry::Errc::lease_unusable: return "lease_unusable";
    case ferry::Errc::host_not_found: return "host_not_found";
    case ferry::Errc::connection_refused: return "connection_refused";
    case ferry::Errc::connect_failed: return "connect_failed";
    case ferry::Errc::pool_timeout: return "pool_timeout";
    case ferry::Errc::resolve_timeout: return "resolve_timeout";
    case ferry::Errc::connect_timeout: return "connect_timeout";
    case ferry::Errc::write_timeout: return "write_timeout";
    case ferry::Errc::first_byte_timeout: return "first_byte_timeout";
    case ferry::Errc::read_timeout: return "read_timeout";
    case ferry::Errc::total_timeout: return "total_timeout";
    case ferry::Errc::connection_lost: return "connection_lost";
    case ferry::Errc::truncated_head: return "truncated_head";
    case ferry::Errc::truncated_body: return "truncated_body";
    case ferry::Errc::malformed_response: return "malformed_response";
    case ferry::Errc::ambiguous_framing: return "ambiguous_framing";
    case ferry::Errc::head_too_large: return "head_too_large";
    case ferry::Errc::body_too_large: return "body_too_large";
    case ferry::Errc::unexpected_upgrade: return "unexpected_upgrade";
    case ferry::Errc::cancelled: return "cancelled";
    case ferry::Errc::client_closed: return "client_closed";
    case ferry::Errc::http_status: return "http_status";
  }
  return "unknown";
}

/// Counters. Threads: every member may be used from any thread. The memory order is relaxed,
/// because counting must not order threads and hide a race from TSan.
class Tally {
 public:
  class Counter {
   public:
    void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
    void raise_to(std::uint64_t least) noexcept {
      std::uint64_t value = value_.load(std::memory_order_relaxed);
      while (value < least &&
             !value_.compare_exchange_weak(value, least, std::memory_order_relaxed)) {
      }
    }
    std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

   private:
    std::atomic<std::uint64_t> value_{0};
  };

  static constexpr std::size_t error_kinds = static_cast<std::size_t>(ferry::Errc::http_status) + 1;
  static constexpr std::size_t close_reasons =
      static_cast<std::size_t>(ferry::CloseReason::ambiguous_framing) + 1;

  Counter responses;
  Counter response_bytes;
  Counter retried;       ///< Requests that were sent twice.
  Counter longest_call;  ///< The longest call in milliseconds.
  Counter opened;        ///< Connections opened, by their events.
  Counter not_opened;
  Counter reused;
  std::array<Counter, error_kinds> errors;    ///< Errors by `Errc`.
  std::array<Counter, close_reasons> closed;  ///< Closed connections by `CloseReason`.

  std::uint64_t errors_of(ferry::Errc code) const noexcept {
    return errors[static_cast<std::size_t>(code)].get();
  }
  std::uint64_t failures() const noexcept { return sum(errors); }
  std::uint64_t done() const noexcept { return responses.get() + failures(); }
  std::uint64_t closings() const noexcept { return sum(closed); }

  void observe(const ferry::Event& event) noexcept {
    using Kind = ferry::Event::Kind;
    switch (event.kind) {
      case Kind::connection_opened: return opened.add();
      case Kind::connection_failed: return not_opened.add();
      case Kind::connection_reused: return reused.add();
      case Kind::connection_closed: return closed[static_cast<std::size_t>(event.reason)].add();
      case Kind::request_retried: return retried.add();
      default: return;
    }
  }

 private:
  template <std::size_t N>
  static std::uint64_t sum(const std::array<Counter, N>& counters) noexcept {
    std::uint64_t total = 0;
    for (const Counter& one : counters) total += one.get();
    return total;
  }
};

}  // namespace soak
