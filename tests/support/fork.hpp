#pragma once

#include <functional>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/io_context.hpp>

namespace test {

/// Forks, as Asio wants it, and waits for the child.
/// @param in_child what it does; it cannot use doctest.
/// @return what that returned; false if it threw, crashed or hung.
inline bool child_says(asio::io_context& context, const std::function<bool()>& in_child) {
  context.notify_fork(asio::io_context::fork_prepare);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(10);  // Only so that a failure is one.
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
