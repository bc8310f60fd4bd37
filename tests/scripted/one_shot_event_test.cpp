#include <doctest/doctest.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include <ferry/detail/time/one_shot_event.hpp>

TEST_CASE("[59] a wake-up that comes before its wait is not lost") {
  asio::io_context context{1};
  ferry::detail::OneShotEvent event;
  event.fire();
  asio::co_spawn(context, event.wait(), asio::detached);
  context.poll();
  CHECK(context.stopped());

  ferry::detail::OneShotEvent later;
  asio::co_spawn(context, later.wait(), asio::detached);
  context.restart();
  context.poll();
  CHECK_FALSE(context.stopped());
  later.fire();
  context.poll();
  CHECK(context.stopped());
}

TEST_CASE("[59] a wake-up that is taken back is none, until it is given once more") {
  asio::io_context context{1};
  ferry::detail::OneShotEvent event;
  event.fire();
  event.rearm();
  CHECK_FALSE(event.fired());
  asio::co_spawn(context, event.wait(), asio::detached);
  context.poll();
  CHECK_FALSE(context.stopped());
  event.fire();
  context.poll();
  CHECK(context.stopped());
}

TEST_CASE("[40] a wake-up that is given when the context of who waited for it has gone") {
  ferry::detail::OneShotEvent event;
  {
    asio::io_context context{1};
    asio::co_spawn(context, event.wait(), asio::detached);
    context.poll();
  }
  event.fire();
  CHECK(event.fired());
}
