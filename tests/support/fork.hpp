#pragma once

#include <functional>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/io_context.hpp>

namespace test {

/// Forks with the notifications that Asio needs, and waits for the child.
/// @param in_child runs in the child; it cannot use doctest.
/// @return the result of `in_child`; false if it threw, crashed or hung.
inline bool child_says(asio::io_context& context, const std::function<bool()>& in_child) {
  context.notify_fork(asio::io_context::fork_prepare);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(10);  // The alarm ends a child that hangs.
    bool says = false;
    try {
      context.notify_fork(asio::io_context::fork_child);
      says = in_child();
    } catch (...) {
    }
    ::_exit(says ? 0 : 1);
  }
  context.notify_fork(asio::io_context::fork_parent);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace test
