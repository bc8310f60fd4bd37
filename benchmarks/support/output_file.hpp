#pragma once

/// @file
/// `OutputFile`: a file named by an option.

#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "command_line.hpp"

namespace benchmark {

/// A file that is opened before anything is measured, so that a wrong path does not waste a run.
class OutputFile {
 public:
  /// @param option the option's name, for errors.
  /// @param path empty if the option was not given; then nothing is written.
  /// @throws UsageError if the file cannot be written.
  OutputFile(const std::string& option, std::string path) : path_{std::move(path)} {
    if (path_.empty()) return;
    file_.open(path_);
    if (!file_) throw UsageError{option + ": cannot write to \"" + path_ + "\""};
  }

  /// Writes the file by calling `write(stream)`.
  /// @throws std::runtime_error if writing fails.
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
