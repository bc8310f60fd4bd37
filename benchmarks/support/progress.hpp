#pragma once

/// @file
/// `Progress`: shows the progress of a benchmark on a terminal.

#include <iostream>
#include <string>
#include <unistd.h>

namespace benchmark {

/// A line on stderr that the next line replaces; the destructor erases it.
class Progress {
 public:
  Progress() = default;
  ~Progress() { clear(); }

  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(const std::string& line) {
    clear();
    if (shown_) std::cerr << line << std::flush;
  }

 private:
  void clear() {
    if (shown_) std::cerr << "\r\x1b[K" << std::flush;
  }

  const bool shown_ = isatty(STDERR_FILENO) == 1;
};

}  // namespace benchmark
