/// @file
/// What the pool's decisions cost as it grows: taking a connection and giving it back, with 1 to
/// 10,000 origins, connections and waiters. No I/O: the connections are numbers.

#include <array>
#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <ferry/detail/pool_state.hpp>
#include <ferry/version.hpp>

#include "support/command_line.hpp"
#include "support/cores.hpp"
#include "support/line_chart.hpp"
#include "support/machine.hpp"
#include "support/statistics.hpp"
#include "support/text.hpp"

namespace {

using Pool = ferry::detail::PoolState<int, int>;
using Clock = std::chrono::steady_clock;

/// Keeps of the pool's decisions only what these measurements need.
struct Decisions {
  void granted(int waiter) { served = waiter; }
  void failed(int) {}
  void dial(Pool::Slot& slot, int) { dialling = &slot; }
  void closing(int, const std::string&, ferry::CloseReason) {}
  void abandoned(Pool::Slot&) {}

  int served = -1;
  Pool::Slot* dialling = nullptr;
};

constexpr std::size_t sizes[] = {1, 10, 100, 1000, 10'000};
constexpr int operations = 100'000;
constexpr int rounds = 9;

ferry::Limits unlimited() {
  ferry::Limits limits;
  limits.max_connections = ferry::no_limit;
  return limits;
}

/// A pool of as many connections to as many origins, all idle. They never expire.
struct Filled {
  Filled(std::size_t origins, std::size_t each, ferry::Limits limits = unlimited()) : pool(limits) {
    std::vector<Pool::Slot*> all;
    for (std::size_t i = 0; i < origins; ++i) {
      keys.push_back("http://host-" + std::to_string(i) + ".example:8080");
      for (std::size_t n = 0; n < each; ++n) {
        Decisions out;
        Pool::Ticket ticket(0, true);
        pool.enqueue(ticket, keys.back(), now, out);
        pool.dialled(*out.dialling, 1, now, Pool::Time::max(), out);
        all.push_back(pool.leave(ticket, out));
      }
    }
    Decisions out;
    for (Pool::Slot* slot : all) pool.release(*slot, now, Pool::Time::max(), out);
  }

  Pool pool;
  std::vector<std::string> keys;
  Pool::Time now{};
};

/// Takes and gives back, nanoseconds each time; the origins in random order.
double reuse(std::size_t origins, std::size_t each) {
  Filled filled(origins, each);
  std::mt19937 random(1);
  std::vector<const std::string*> order;
  for (int i = 0; i < operations; ++i) order.push_back(&filled.keys[random() % origins]);
  const auto begin = Clock::now();
  for (const std::string* key : order) {
    Decisions out;
    filled.now += std::chrono::nanoseconds(1);
    Pool::Slot* slot = filled.pool.take(*key, filled.now, out);
    filled.pool.release(*slot, filled.now, Pool::Time::max(), out);
  }
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / operations;
}

/// The part of it that any pool would need: finding the origin among as many in a hash table.
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

/// One connection and a queue: it is given back, the first waiter gets it, and another one comes.
double queue(std::size_t waiters) {
  ferry::Limits limits;
  limits.max_connections = 1;
  Filled filled(1, 1, limits);
  Pool& pool = filled.pool;
  Decisions none;
  Pool::Slot* slot = pool.take(filled.keys[0], filled.now, none);
  std::vector<std::unique_ptr<Pool::Ticket>> tickets;
  for (std::size_t i = 0; i < waiters; ++i) {
    tickets.push_back(std::make_unique<Pool::Ticket>(static_cast<int>(i)));
    pool.enqueue(*tickets.back(), filled.keys[0], filled.now, none);
  }
  const auto begin = Clock::now();
  for (int i = 0; i < operations; ++i) {
    Decisions out;
    pool.release(*slot, filled.now, Pool::Time::max(), out);
    Pool::Ticket& served = *tickets[static_cast<std::size_t>(out.served)];
    slot = pool.leave(served, out);
    pool.enqueue(served, filled.keys[0], filled.now, out);
  }
  const double cost =
      std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / operations;
  for (auto& ticket : tickets) pool.leave(*ticket, none);
  pool.release(*slot, filled.now, Pool::Time::max(), none);
  return cost;
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
        cases.size());  // Interleaved, so that all see the same machine.
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
