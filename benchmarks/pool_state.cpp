/// @file
/// The cost of the pool's decisions as the pool grows: taking a connection and giving it back, with
/// 1 to 10,000 origins, connections and waiters. There is no I/O: the connections are numbers.

#include <array>
#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <ferry/version.hpp>

#include "support/command_line.hpp"
#include "support/cores.hpp"
#include "support/filled_pool.hpp"
#include "support/line_chart.hpp"
#include "support/machine.hpp"
#include "support/statistics.hpp"
#include "support/text.hpp"

namespace {

using pool_benchmark::FilledPool;
using pool_benchmark::QueuedPool;
using Clock = std::chrono::steady_clock;

constexpr std::size_t sizes[] = {1, 10, 100, 1000, 10'000};
constexpr int operations = 100'000;
constexpr int rounds = 9;

/// The time to take a connection and give it back, in nanoseconds; the origins are in random order.
double reuse(std::size_t origins, std::size_t each) {
  FilledPool filled(origins, each);
  std::mt19937 random(1);
  std::vector<const std::string*> order;
  for (int i = 0; i < operations; ++i) order.push_back(&filled.keys[random() % origins]);
  const auto begin = Clock::now();
  for (const std::string* key : order) filled.take_and_release(*key);
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / operations;
}

/// The part of that time that any pool needs: finding one of as many origins in a hash table, in
/// nanoseconds.
double look_up(std::size_t origins) {
  std::unordered_map<std::string, std::array<char, 128>> table;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < origins; ++i) {
    keys.push_back("http://host-" + std::to_string(i) + ".example:8080");
    table[keys.back()] = {};
  }
  std::mt19937 random(1);
  std::vector<const std::string*> order;
  for (int i = 0; i < operations; ++i) order.push_back(&keys[random() % origins]);
  const auto begin = Clock::now();
  for (const std::string* key : order) ++table.find(*key)->second[0];
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / operations;
}

/// The time to serve one waiter, in nanoseconds.
double queue(std::size_t waiters) {
  QueuedPool queued(waiters);
  const auto begin = Clock::now();
  for (int i = 0; i < operations; ++i) queued.serve_one();
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / operations;
}

struct Case {
  const char* name;
  const char* colour;
  std::function<double(std::size_t)> measure;
};

void run(const std::string& svg) {
  benchmark::share_one_core();
  const std::vector<Case> cases = {
      {"origins", "#0969da", [](std::size_t n) { return reuse(n, 1); }},
      {"connections, one origin", "#bc4c00", [](std::size_t n) { return reuse(1, n); }},
      {"waiters", "#1a7f37", queue},
      {"origins: the look-up alone", "#8c959f", look_up},
  };
  benchmark::LineChart chart;
  std::vector<std::vector<std::string>> rows = {{"ns per take and release, with"}};
  for (const std::size_t size : sizes) rows[0].push_back(std::to_string(size));
  for (const Case& one : cases) {
    rows.push_back({one.name});
    chart.series.push_back({one.name, one.colour, {}});
  }
  for (const std::size_t size : sizes) {
    std::vector<std::vector<double>> costs(
        cases.size());  // The cases alternate, so that all run under the same conditions.
    for (int round = 0; round < rounds; ++round)
      for (std::size_t i = 0; i < cases.size(); ++i) costs[i].push_back(cases[i].measure(size));
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const double median = benchmark::median(costs[i]);
      rows[i + 1].push_back(benchmark::fixed(median, 0));
      chart.series[i].points.emplace_back(static_cast<double>(size), median);
    }
  }
  const std::string machine = to_string(benchmark::this_machine());
  benchmark::print_table(std::cout, rows);
  std::cout << "\nMedians of " << rounds << " rounds. ferry " << ferry::version << " on " << machine
            << ".\n";
  if (svg.empty()) return;
  chart.title = "Taking a connection and giving it back, as the pool grows";
  chart.subtitle = "the pool's decisions alone, origins in random order; medians of " +
                   std::to_string(rounds) + " rounds";
  chart.x_axis = "origins, connections or waiters (logarithmic scale)";
  chart.y_axis = "nanoseconds";
  chart.footnote = "ferry " + std::string(ferry::version) + "; " + machine;
  std::ofstream file(svg);
  chart.write(file);
  if (!file.flush()) throw benchmark::UsageError{"--svg: cannot write to \"" + svg + "\""};
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::string svg;
    benchmark::CommandLine line(argc, argv);
    while (line.next()) {
      if (line.option() == "--svg") {
        svg = line.text();
      } else if (line.option() == "--help") {
        std::cout << "Measures the pool's decisions as it grows.\n\n  --svg FILE  also draw them "
                     "into FILE\n";
        return 0;
      } else {
        throw benchmark::UsageError{line.option() + ": no such option; --help lists them"};
      }
    }
    run(svg);
    return 0;
  } catch (const benchmark::UsageError& error) {
    std::cerr << "pool_state: " << error.what() << '\n';
    return 2;
  }
}
