// The control of the race tests. It breaks a rule of the README on purpose: it cancels a request on
// an executor of several threads, without a strand. This is a data race in Asio, and TSan must
// report it here; otherwise a clean run of threads_test.cpp would prove nothing.

#include <atomic>
#include <thread>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/ferry.hpp>

#include "support/server.hpp"

int main() {
  test::Server server;
  asio::io_context context;
  const ferry::Client client(context);
  auto keep_running = asio::make_work_guard(context);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { context.run(); });
  for (int i = 0; i < 200; ++i) {
    asio::cancellation_signal signal;
    std::atomic<bool> done{false};
    asio::co_spawn(context, client.try_send(ferry::Request::get(server.url())),
                   asio::bind_cancellation_slot(
                       signal.slot(),
                       [&](std::exception_ptr, ferry::Result<ferry::Response>) { done = true; }));
    for (int turn = i % 50; turn > 0; --turn) std::this_thread::yield();
    signal.emit(asio::cancellation_type::terminal);  // Emitting without a strand is the race.
    while (!done) std::this_thread::yield();
  }
  keep_running.reset();
  for (auto& thread : threads) thread.join();
}
