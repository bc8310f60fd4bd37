#pragma once

#include <exception>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include "support/run.hpp"

namespace test {

/// A coroutine that the test can cancel, and its result.
template <class T>
class Cancellable {
 public:
  void start(asio::io_context& context, asio::awaitable<ferry::Result<T>> work) {
    asio::co_spawn(context, std::move(work),
                   asio::bind_cancellation_slot(
                       signal_.slot(), [this](std::exception_ptr thrown, ferry::Result<T> came) {
                         ++completions;
                         // A coroutine that is cancelled before its first step throws there.
                         if (thrown) came = ferry::Error(ferry::Errc::cancelled);
                         result = std::move(came);
                       }));
  }
  void cancel() { signal_.emit(asio::cancellation_type::terminal); }

  /// Starts a coroutine, cancels it after this many steps, and runs it to its end.
  /// @return true if it had ended before.
  bool cancel_after(int steps, asio::io_context& context, asio::awaitable<ferry::Result<T>> work) {
    context.restart();
    start(context, std::move(work));
    for (int i = 0; i < steps && completions == 0; ++i) context.run_one();
    const bool ended = completions > 0;
    cancel();
    context.restart();
    context.run();
    REQUIRE(completions == 1);
    if (!ended && !result) CHECK(code_of(result) == ferry::Errc::cancelled);
    return ended;
  }

  int completions = 0;
  ferry::Result<T> result;

 private:
  asio::cancellation_signal signal_;
};

}  // namespace test
