#pragma once

/// @file
/// `Machine`: the conditions of a measurement.

#include <ctime>
#include <fstream>
#include <string>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#endif

#include <asio/version.hpp>

#include "json.hpp"

namespace benchmark {

/// The place, time and build of a benchmark's run.
struct Machine {
  std::string cpu;
  int cores = 0;
  int usable_cores = 0;  ///< The cores that this process may run on.
  std::string kernel;
  std::string compiler;
  std::string asio;
  std::string date;  ///< The date in UTC.
};

/// The machine that this program runs on, and the program's build.
inline Machine this_machine() {
  Machine machine;
  utsname system{};
  uname(&system);
  machine.kernel = std::string{system.sysname} + " " + system.release;

  machine.cpu = system.machine;
  std::ifstream cpus{"/proc/cpuinfo"};
  for (std::string line; std::getline(cpus, line);) {
    if (!line.starts_with("model name")) continue;
    machine.cpu = line.substr(line.find(": ") + 2);
    break;
  }
  machine.cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  machine.usable_cores = machine.cores;
#if defined(__linux__)
  cpu_set_t usable;
  if (sched_getaffinity(0, sizeof usable, &usable) == 0) machine.usable_cores = CPU_COUNT(&usable);
#endif

#if defined(__clang__)
  machine.compiler = "clang " __clang_version__;
#else
  machine.compiler = "g++ " __VERSION__;
#endif
#if !defined(__OPTIMIZE__)
  machine.compiler += " without optimisation";
#endif
  machine.asio = std::to_string(ASIO_VERSION / 100000) + "." +
                 std::to_string(ASIO_VERSION / 100 % 1000) + "." +
                 std::to_string(ASIO_VERSION % 100);

  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char date[sizeof "2000-01-01"];
  std::strftime(date, sizeof date, "%Y-%m-%d", &utc);
  machine.date = date;
  return machine;
}

/// All members in one line.
inline std::string to_string(const Machine& machine) {
  std::string cores = std::to_string(machine.cores);
  if (machine.usable_cores != machine.cores) {
    cores = std::to_string(machine.usable_cores) + " of " + cores;
  }
  return machine.cpu + ", " + cores + (machine.cores == 1 ? " core, " : " cores, ") +
         machine.kernel + ", " + machine.compiler + ", Asio " + machine.asio + ", " + machine.date;
}

/// Writes all members into the object that is being written.
inline void write_members(JsonWriter& json, const Machine& machine) {
  json.member("cpu", machine.cpu);
  json.member("cores", machine.cores);
  json.member("usable_cores", machine.usable_cores);
  json.member("kernel", machine.kernel);
  json.member("compiler", machine.compiler);
  json.member("asio", machine.asio);
  json.member("date", machine.date);
}

}  // namespace benchmark
