#pragma once

/// @file
/// `OutputFile`: a file that an option may name.

#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "command_line.hpp"

namespace benchmark {

/// Opened before anything is measured, so that a wrong path costs nobody a run.
class OutputFile {
 public:
  /// @param path empty if the option was not given: then nothing is written.
  /// @throws UsageError if it cannot be written to.
  OutputFile(const std::string& option, std::string path) : path_{std::move(path)} {
    if (path_.empty()) return;
    file_.open(path_);
    if (!file_) throw UsageError{option + ": cannot write to \"" + path_ + "\""};
  }

  /// Has `write(stream)` write the file.
  /// @throws std::runtime_error if that fails.
  template <class Write>
  void write(Write write) {
    if (path_.empty()) return;
    write(file_);
    if (!file_.flush()) throw std::runtime_error{"writing \"" + path_ + "\" failed"};
  }

 private:
  std::string path_;
  std::ofstream file_;
};

}  // namespace benchmark
