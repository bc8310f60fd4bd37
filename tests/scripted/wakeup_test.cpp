#include <doctest/doctest.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include <ferry/detail/wakeup.hpp>

TEST_CASE("[59] a wake-up that comes before its wait is not lost") {
  asio::io_context context{1};
  ferry::detail::Wakeup wakeup;
  wakeup.fire();
  asio::co_spawn(context, wakeup.wait(), asio::detached);
  context.poll();
  CHECK(context.stopped());

  ferry::detail::Wakeup later;
  asio::co_spawn(context, later.wait(), asio::detached);
  context.restart();
  context.poll();
  CHECK_FALSE(context.stopped());
  later.fire();
  context.poll();
  CHECK(context.stopped());
}
