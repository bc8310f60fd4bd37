/// @file
/// Keeps thousands of requests in flight over a bounded pool, against a server that closes, resets,
/// truncates, stalls and lies at random. Checks that each request ends once, with its own answer or
/// with an error that the server gave a reason for, and that nothing grows meanwhile.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <exception>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio.hpp>

#include <ferry/ferry.hpp>

#include "../support/command_line.hpp"
#include "../support/machine.hpp"
#include "../support/output_file.hpp"
#include "../support/process.hpp"
#include "../support/progress.hpp"
#include "ledger.hpp"
#include "plan.hpp"
#include "report.hpp"
#include "sabotage.hpp"
#include "server.hpp"
#include "tally.hpp"
#include "worker.hpp"

namespace soak {
namespace {

using namespace std::chrono_literals;

constexpr const char* help =
    R"(Holds many requests over a bounded pool, against a server that misbehaves at random.

Each request carries a token that its answer must echo. It holds if no answer came to the wrong
request (wrong), no request failed without the server or its own time limit giving reason for it
(lost), none was read more often than it may be sent (doubled), and memory and descriptors do not
grow. Then the program returns 0, else 1.

  --seconds N      1 to 1000000 (default 60); then what is in flight is finished
  --concurrency N  requests at a time, 1 to 100000 (default 10000)
  --connections N  the pool's limit, 1 to 10000 (default 200)
  --threads N      of the client, 1 to 64 (default 1); the server has one more
  --seed N         what all random choices follow from (default 1)
  --json FILE      also write all figures to FILE, those of each second too
  --svg FILE       also draw them over time into FILE
  --sabotage WHAT  have a fault built in, which has to be found: wrong, lost, doubled, leak or
                   descriptor
  --help           print this
)";

/// The time that the last requests may take once no new ones are made, and then `run()` to return.
constexpr auto patience = 60s;

struct Options {
  Settings settings;
  Sabotage sabotage = Sabotage::none;
  std::string json;
  std::string svg;
  bool help = false;
};

Options read_options(benchmark::CommandLine line) {
  Options options;
  Settings& settings = options.settings;
  while (line.next()) {
    const std::string& option = line.option();
    if (option == "--seconds") {
      settings.seconds = line.number(1, 1'000'000);
    } else if (option == "--concurrency") {
      settings.concurrency = line.number(1, 100'000);
    } else if (option == "--connections") {
      settings.connections = line.number(1, 10'000);
    } else if (option == "--threads") {
      settings.threads = line.number(1, 64);
    } else if (option == "--seed") {
      settings.seed = line.number(0, UINT64_MAX);
    } else if (option == "--sabotage") {
      const std::string name = line.text();
      const auto known = sabotage_named(name);
      if (!known) throw benchmark::UsageError{option + ": \"" + name + "\" is no fault of --help"};
      options.sabotage = *known;
    } else if (option == "--json") {
      options.json = line.text();
    } else if (option == "--svg") {
      options.svg = line.text();
    } else if (option == "--help") {
      options.help = true;
    } else {
      throw benchmark::UsageError{option + ": no such option; --help lists them"};
    }
  }
  return options;
}

ferry::ClientOptions client_options(const Settings& settings, Tally& tally) {
  ferry::ClientOptions options;
  options.limits.max_connections = settings.connections;
  options.limits.max_lifetime = 5s;
  options.timeouts.first_byte = 4s;  // Only a server that does not answer takes that long.
  options.observer = [&tally](const ferry::Event& event) { tally.observe(event); };
  return options;
}

Sample sample(double second, const Tally& tally, const ferry::ConnectionPool& pool) {
  Sample now;
  now.second = second;
  now.responses = tally.responses.get();
  for (std::size_t i = 0; i < now.errors.size(); ++i) now.errors[i] = tally.errors[i].get();
  now.retried = tally.retried.get();
  now.allocated = benchmark::allocated_bytes();
  now.resident = benchmark::resident_bytes();
  now.descriptors = benchmark::open_descriptors();
  now.pool = pool.stats();
  return now;
}

/// The client's side: its threads, its workers, and the clock that stops them.
class Run {
 public:
  Run(const Settings& settings, const HostileServer& server, Ledger& ledger, Findings& findings,
      Tally& tally)
      : settings_{settings},
        context_{static_cast<int>(settings.threads)},
        place_{.seed = settings.seed,
               .client = ferry::Client{context_, client_options(settings, tally)},
               .urls = {server.origin(0), server.origin(1)},
               .ledger = ledger,
               .findings = findings,
               .tally = tally} {
    for (std::uint32_t i = 0; i < settings.concurrency; ++i)
      workers_.emplace_back(place_, executor_for_worker(), i);
  }

  /// Runs the workers to their end, and adds to the report the figures that exist only while they
  /// run.
  void run(Report& report) {
    const auto begin = Clock::now();
    for (Worker& worker : workers_) worker.start();
    for (std::uint64_t i = 0; i < settings_.threads; ++i) {
      threads_.emplace_back([this] {
        context_.run();
        ++returned_;
      });
    }
    deadline(begin, report);
    place_.closing_time = true;
    const bool finished = wait_for_the_end();
    report.seconds = seconds_since(begin);
    if (!finished) give_up();
    for (std::thread& thread : threads_) thread.join();
    inspect_pool(report);
    place_.client.close();
  }

 private:
  asio::any_io_executor executor_for_worker() {
    if (settings_.threads == 1) return context_.get_executor();
    return asio::make_strand(context_);
  }

  static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  /// Takes a sample each second until time is up.
  void deadline(Clock::time_point begin, Report& report) {
    report.samples.reserve(settings_.seconds);  // Reserved now, because growth would be counted as
                                                // the client's.
    benchmark::Progress progress;
    for (std::uint64_t second = 1; second <= settings_.seconds; ++second) {
      std::this_thread::sleep_until(begin + std::chrono::seconds(second));
      report.samples.push_back(sample(seconds_since(begin), place_.tally, place_.client.pool()));
      progress.show(std::to_string(second) + " of " + std::to_string(settings_.seconds) +
                    " s: " + grouped(place_.tally.done()) + " requests, findings: " +
                    std::to_string(place_.findings.count(Findings::wrong) +
                                   place_.findings.count(Findings::lost) +
                                   place_.findings.count(Findings::doubled)));
    }
  }

  /// Waits until every worker has ended and `run()` has returned by itself; idle connections must
  /// not prevent that.
  bool wait_for_the_end() {
    const auto until = Clock::now() + patience;
    while (Clock::now() < until) {
      if (returned_ == settings_.threads) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }

  /// Ends the process, because requests that hang cannot be ended cleanly.
  [[noreturn]] void give_up() {
    std::cout << place_.at_work << " requests never ended; " << settings_.threads - returned_
              << " threads are still running the context\n"
              << place_.client.pool().describe() << "\nDOES NOT HOLD" << std::endl;
    std::_Exit(1);
  }

  void inspect_pool(Report& report) {
    const ferry::PoolStats stats = place_.client.pool().stats();
    if (stats.active + stats.waiting + stats.connecting > 0)
      report.leftovers.push_back("the pool is still busy: " + place_.client.pool().describe());
    if (stats.opened - stats.closed != stats.idle)
      report.leftovers.push_back("the pool has lost count: " + std::to_string(stats.opened) +
                                 " opened, " + std::to_string(stats.closed) + " closed, " +
                                 std::to_string(stats.idle) + " idle");
  }

  const Settings& settings_;
  asio::io_context context_;
  Workplace place_;
  std::deque<Worker> workers_;  // A deque, because workers must not move.
  std::vector<std::thread> threads_;
  std::atomic<std::uint64_t> returned_{0};
};

void count(const Tally& tally, const HostileServer& server, Report& report) {
  report.requests = tally.done();
  report.responses = tally.responses.get();
  report.response_bytes = tally.response_bytes.get();
  report.retried = tally.retried.get();
  report.longest_call = tally.longest_call.get();
  report.opened = tally.opened.get();
  report.reused = tally.reused.get();
  report.accepted = server.accepted();
  for (std::size_t i = 0; i < tally.errors.size(); ++i) {
    const auto code = static_cast<ferry::Errc>(i);
    report.errors.push_back({std::string{name_of(code)}, tally.errors_of(code)});
  }
  for (std::size_t i = 0; i < tally.closed.size(); ++i) {
    const auto reason = static_cast<ferry::CloseReason>(i);
    report.closings.push_back({std::string{to_string(reason)}, tally.closed[i].get()});
  }
  for (std::size_t i = 0; i < acts.size(); ++i)
    report.acts.push_back({acts[i].name, server.done(static_cast<Act>(i))});
  report.acts.push_back({"closing, idle or as a request came", server.closed_idle()});
  for (const Sample& sample : report.samples)
    report.peak_resident = std::max(report.peak_resident, sample.resident);
}

/// Checks that all requests and connections that were begun have ended.
void balance(const Tally& tally, const Ledger& ledger, Report& report) {
  if (ledger.issued() != ledger.settled() || ledger.settled() != tally.done())
    report.leftovers.push_back(std::to_string(ledger.issued()) + " requests began, " +
                               std::to_string(tally.done()) + " ended");
  if (tally.opened.get() != tally.closings())
    report.leftovers.push_back(std::to_string(tally.opened.get()) + " connections were opened, " +
                               std::to_string(tally.closings()) + " closed");
  if (tally.not_opened.get() > 0)
    report.leftovers.push_back(std::to_string(tally.not_opened.get()) +
                               " connections could not be opened");
}

Report soak(const Options& options) {
  Report report;
  report.settings = options.settings;
  report.descriptors_before = benchmark::open_descriptors();
  if (!benchmark::allow_descriptors(2 * options.settings.connections + 256))
    throw std::runtime_error{"the system allows too few descriptors for so many connections"};
  Findings findings;
  Tally tally;
  Ledger ledger{options.settings.concurrency, findings};
  {
    HostileServer server{options.settings.seed, ledger, findings, options.sabotage};
    {
      Run run{options.settings, server, ledger, findings, tally};
      run.run(report);
    }
    count(tally, server, report);
  }
  balance(tally, ledger, report);
  report.descriptors_after = benchmark::open_descriptors();
  for (const auto kind : {Findings::wrong, Findings::lost, Findings::doubled})
    report.findings[kind] = findings.count(kind);
  report.examples = findings.examples();
  report.flatness = flatness_of(report.samples);
  report.machine = benchmark::this_machine();
  return report;
}

bool run(const Options& options) {
  benchmark::OutputFile json{"--json", options.json};
  benchmark::OutputFile svg{"--svg", options.svg};
  if (!options.svg.empty() && options.settings.seconds < 2)
    throw benchmark::UsageError{"--svg: a line takes two --seconds at least"};
  const Report report = soak(options);
  print(std::cout, report);
  json.write([&](std::ostream& out) { write_json(out, report); });
  svg.write([&](std::ostream& out) { write_svg(out, report); });
  return report.holds();
}

}  // namespace
}  // namespace soak

int main(int count, char** arguments) {
  try {
    const soak::Options options = soak::read_options({count, arguments});
    if (options.help) {
      std::cout << soak::help;
      return 0;
    }
    return soak::run(options) ? 0 : 1;
  } catch (const benchmark::UsageError& error) {
    std::cerr << "soak: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "soak: " << error.what() << '\n';
    return 1;
  }
}
