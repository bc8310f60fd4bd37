#pragma once

/// @file
/// `Worker`: one of the many coroutines that send requests and check their results.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <asio.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/ferry.hpp>

#include "judge.hpp"
#include "ledger.hpp"
#include "plan.hpp"
#include "tally.hpp"

namespace soak {

/// Data that all workers share.
struct Workplace {
  std::uint64_t seed;
  ferry::Client client;
  std::array<std::string, origins> urls;
  Ledger& ledger;
  Findings& findings;
  Tally& tally;
  std::atomic<bool> closing_time{false};
  std::atomic<std::size_t> at_work{0};
};

/// Sends its requests one after the other until closing time. A worker must not move, because
/// pending operations refer to it.
class Worker {
 public:
  /// @param executor a strand if several threads run the context, because the worker cancels
  ///   requests.
  Worker(Workplace& place, asio::any_io_executor executor, std::uint32_t number)
      : place_{place}, executor_{executor}, number_{number}, cancel_timer_{executor} {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start() {
    ++place_.at_work;
    asio::co_spawn(executor_, work(), [this](std::exception_ptr failure) {
      --place_.at_work;
      if (failure) std::rethrow_exception(failure);
    });
  }

 private:
  asio::awaitable<void> work() {
    while (!place_.closing_time) {
      const Token token{number_, ++serial_};
      const Errand errand = errand_of(place_.seed, token);
      place_.ledger.issue(token, errand.verb);
      const auto begin = Clock::now();
      cancelled_ = false;
      ferry::Result<ferry::Response> result;
      if (errand.cancel_after) {
        auto sending = send_cancellable(token, errand);
        result = co_await std::move(sending);
      } else {
        auto sending = place_.client.try_send(request_for(token, errand), options_for(errand));
        result = co_await std::move(sending);
      }
      settle(token, errand, result, begin);
    }
  }

  /// Sends a request, and cancels it after a while if it is not done by then.
  asio::awaitable<ferry::Result<ferry::Response>> send_cancellable(Token token, Errand errand) {
    cancel_timer_.expires_after(*errand.cancel_after);
    cancel_timer_.async_wait([this, serial = token.serial](std::error_code error) {
      // The handler may already be queued when the timer is cancelled.
      if (error || serial != cancellable_) return;
      cancelled_ = true;
      cancel_signal_.emit(asio::cancellation_type::terminal);
    });
    cancellable_ = token.serial;
    ferry::Result<ferry::Response> result;
    auto sending = place_.client.try_send(request_for(token, errand), options_for(errand));
    auto slotted = asio::bind_cancellation_slot(cancel_signal_.slot(), asio::use_awaitable);
    try {
      result = co_await asio::co_spawn(executor_, std::move(sending), slotted);
    } catch (const std::system_error& error) {
      if (error.code() != asio::error::operation_aborted) throw;
      result = ferry::Error(ferry::Errc::cancelled);  // Cancelled before it had begun.
    }
    cancellable_ = 0;
    cancel_timer_.cancel();
    co_return result;
  }

  ferry::Request request_for(Token token, const Errand& errand) const {
    const std::string name = to_string(token);
    std::string url = place_.urls[errand.origin] + "/" + name;
    ferry::Request request = errand.verb == Verb::get    ? ferry::Request::get(std::move(url))
                             : errand.verb == Verb::head ? ferry::Request::head(std::move(url))
                                                         : upload(std::move(url), token, errand);
    request.header("Token", name);
    if (errand.verb == Verb::keyed_post) request.header("Idempotency-Key", name);
    return request;
  }
  static ferry::Request upload(std::string url, Token token, const Errand& errand) {
    return ferry::Request::post(std::move(url), pattern(token, request_body, errand.upload));
  }

  static ferry::RequestOptions options_for(const Errand& errand) {
    ferry::RequestOptions options;
    options.timeout = errand.total;
    options.pool_timeout = errand.pool;
    options.first_byte_timeout = errand.first_byte;
    return options;
  }

  void settle(Token token, const Errand& errand, const ferry::Result<ferry::Response>& result,
              Clock::time_point begin) {
    Tally& tally = place_.tally;
    const int attempts = result ? result->connection().retry_reason.empty() ? 1 : 2
                                : std::max(1, result.error().attempt());
    const Entry entry = place_.ledger.settle(token, attempts);
    const Plan plan = plan_of(place_.seed, token, errand.verb, std::max(1, entry.seen));
    const Ending ending{token, errand, entry, plan, cancelled_, Clock::now()};
    if (result) {
      tally.responses.add();
      tally.response_bytes.add(result->body().size());
      if (const auto fault = fault_of(*result, ending))
        place_.findings.add(Findings::wrong, token, *fault);
    } else {
      const auto code = static_cast<std::size_t>(result.error().code().value());
      tally.errors[code].add();
      if (const auto fault = fault_of(result.error(), ending))
        place_.findings.add(Findings::lost, token, *fault);
    }
    const auto took = std::chrono::duration_cast<milliseconds>(ending.at - begin);
    tally.longest_call.raise_to(static_cast<std::uint64_t>(took.count()));
  }

  Workplace& place_;
  const asio::any_io_executor executor_;
  const std::uint32_t number_;
  std::uint32_t serial_ = 0;
  std::uint32_t cancellable_ = 0;  // The serial of the request that the timer may cancel.
  bool cancelled_ = false;
  asio::steady_timer cancel_timer_;
  asio::cancellation_signal cancel_signal_;
};

}  // namespace soak
