/// @file
/// The benefit of reusing a connection: sequential GETs, each on a new connection (`ferry::get`),
/// compared with the same GETs on one kept connection (`ferry::Client`). Over TLS also on new
/// connections that resume an earlier session.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <asio.hpp>

#include <ferry/ferry.hpp>
#include <ferry/version.hpp>

#include "support/command_line.hpp"
#include "support/cores.hpp"
#include "support/json.hpp"
#include "support/keep_alive_server.hpp"
#include "support/machine.hpp"
#include "support/output_file.hpp"
#include "support/progress.hpp"
#include "support/statistics.hpp"
#include "support/svg.hpp"
#include "support/text.hpp"
#include "support/tls.hpp"

namespace {

using benchmark::fixed;
using Clock = std::chrono::steady_clock;

constexpr const char* help = R"(Measures what reusing a connection is worth to sequential GETs.

Each round makes the same GETs on a new connection each (ferry::get) and on one kept connection
(ferry::Client); which of them goes first changes from round to round. Over TLS there is a third way
between the two: new connections that continue an earlier session.

  --requests N     GETs per mode and round, 1 to 10000000 (default 1000)
  --rounds N       1 to 1000 (default 5)
  --concurrency N  GETs in flight at a time, 1 to 1000 (default 1); more than one share one client,
                   which then keeps as many connections as it needs
  --body BYTES     size of the embedded server's responses, 0 to 100000000 (default 1024)
  --tls            the embedded server speaks TLS (needs OpenSSL at build time)
  --cores WHICH    "one" (default): client and embedded server share a core, so that the figures are
                   the work done; "any": the system places them, and most of what a request takes
                   is waking the other side up, which hides the work. Not with --url
  --url URL        GET this instead, from a server that runs already; https is verified
  --json FILE      also write all figures to FILE, those of each round too
  --svg FILE       also draw both latency distributions into FILE
  --help           print this
)";

struct Settings {
  std::uint64_t requests = 1000;
  std::uint64_t rounds = 5;
  std::uint64_t concurrency = 1;
  std::uint64_t body = 1024;
  bool tls = false;  // TLS of the embedded server
  bool one_core = true;
  std::string url;  // empty: the embedded server
  std::string json;
  std::string svg;
  bool help = false;

  bool is_secure() const { return tls || url.starts_with("https:"); }
};

Settings read_settings(benchmark::CommandLine line) {
  Settings settings;
  bool sized = false;
  bool placed = false;
  while (line.next()) {
    const std::string& option = line.option();
    if (option == "--requests") {
      settings.requests = line.number(1, 10'000'000);
    } else if (option == "--rounds") {
      settings.rounds = line.number(1, 1000);
    } else if (option == "--concurrency") {
      settings.concurrency = line.number(1, 1000);
    } else if (option == "--body") {
      settings.body = line.number(0, 100'000'000);
      sized = true;
    } else if (option == "--tls") {
      settings.tls = true;
    } else if (option == "--cores") {
      const std::string which = line.text();
      if (which != "one" && which != "any") {
        throw benchmark::UsageError{"--cores: \"" + which + "\" is neither \"one\" nor \"any\""};
      }
      settings.one_core = which == "one";
      placed = true;
    } else if (option == "--url") {
      settings.url = line.text();
    } else if (option == "--json") {
      settings.json = line.text();
    } else if (option == "--svg") {
      settings.svg = line.text();
    } else if (option == "--help") {
      settings.help = true;
    } else {
      throw benchmark::UsageError{option + ": no such option; --help lists them"};
    }
  }
  if (sized && !settings.url.empty()) {
    throw benchmark::UsageError{"--body: sizes the embedded server's responses; not with --url"};
  }
  if (settings.tls && !settings.url.empty()) {
    throw benchmark::UsageError{
        "--tls: is the embedded server's; a URL says by itself what it speaks"};
  }
  if (placed && !settings.url.empty()) {
    throw benchmark::UsageError{"--cores: places the embedded server; not with --url"};
  }
  return settings;
}

/// One mode's figures in one round. Times are in seconds, latencies in microseconds.
struct Figures {
  double elapsed = 0;             // the sum of Response::elapsed()
  double elapsed_with_setup = 0;  // the same, with resolving, connecting and securing
  double wall = 0;
  std::uint64_t opened = 0;     // connections
  std::vector<double> latency;  // of each request, ascending

  double p(double fraction) const { return benchmark::percentile(latency, fraction); }
};

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

/// A mode's round while it runs.
struct Run {
  std::uint64_t unsent;
  Clock::time_point start;
  Figures figures;
  std::uint64_t new_connections = 0;
};

/// Sends GETs one after the other until the run has no more.
template <class Get>
asio::awaitable<void> make_requests(Run& run, Get get) {
  while (run.unsent > 0) {
    --run.unsent;
    const Clock::time_point start = Clock::now();
    const ferry::Response response = co_await get();
    const Clock::time_point end = Clock::now();
    response.raise_for_status();

    Figures& figures = run.figures;
    const auto& timings = response.timings();
    figures.latency.push_back(1e6 * seconds(end - start));
    figures.elapsed += seconds(response.elapsed());
    figures.elapsed_with_setup +=
        seconds(response.elapsed() + timings.resolve + timings.connect + timings.tls);
    figures.wall = seconds(end - run.start);
    if (!response.connection().reused) ++run.new_connections;
  }
}

/// Runs `concurrency` coroutines that together make `requests` GETs, to their end.
template <class Get>
Figures measure(asio::io_context& context, std::uint64_t requests, std::uint64_t concurrency,
                Get get) {
  Run run{.unsent = requests, .start = {}, .figures = {}};
  run.figures.latency.reserve(requests);
  for (std::uint64_t i = 0; i < concurrency; ++i) {
    asio::co_spawn(context, make_requests(run, get), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
  }
  run.start = Clock::now();
  context.run();
  std::sort(run.figures.latency.begin(), run.figures.latency.end());
  run.figures.opened = run.new_connections;
  return run.figures;
}

enum Mode : std::size_t { fresh, resumed, kept };

constexpr std::array<const char*, 3> keys{"new", "resumed", "reuse"};  // the names of the modes in
                                                                       // JSON
constexpr std::array<const char*, 3> colours{"#bc4c00", "#8250df", "#0969da"};

using Round = std::array<Figures, 3>;  // indexed by `Mode`

std::vector<Mode> modes_of(const Settings& settings) {
  if (settings.is_secure()) return {fresh, resumed, kept};
  return {fresh, kept};
}

std::string name(Mode mode, const Settings& settings) {
  if (mode == fresh) return "new connection each";
  if (mode == resumed) return "new, session resumed";
  return settings.concurrency == 1 ? "one kept connection" : "kept connections";
}

/// Measures one mode in its own context and, if it keeps connections, with its own client, so that
/// each round opens its connections like a program that starts.
Figures measure(Mode mode, const std::string& url, const benchmark::Tls& tls,
                std::uint64_t requests, std::uint64_t concurrency) {
  asio::io_context context{1};
  ferry::ClientOptions options;
  options.tls = mode == resumed ? tls.resuming : tls.fresh;
  if (mode != kept) {
    return measure(context, requests, concurrency,
                   [&url, &options] { return ferry::get(url, {}, options); });
  }
  options.limits.max_connections = concurrency;
  ferry::Client client{context.get_executor(), options};
  Figures figures =
      measure(context, requests, concurrency, [&url, client]() mutable { return client.get(url); });
  figures.opened = client.pool().stats().opened;
  return figures;
}

/// Warms the modes up and runs all rounds. Work of embedded servers and clients after a round's end
/// counts towards no round.
std::vector<Round> measure_rounds(const Settings& settings, const std::string& url,
                                  const benchmark::Tls& tls,
                                  const benchmark::KeepAliveServer* server) {
  const std::vector<Mode> modes = modes_of(settings);
  benchmark::Progress progress;
  progress.show("warming up");
  const std::uint64_t warm_up = std::min<std::uint64_t>(settings.requests, 200);
  for (const Mode mode : modes) measure(mode, url, tls, warm_up, settings.concurrency);

  std::vector<Round> rounds(settings.rounds);
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    for (std::size_t place = 0; place < modes.size(); ++place) {
      const Mode mode = modes[(place + i) % modes.size()];
      progress.show("round " + std::to_string(i + 1) + " of " + std::to_string(rounds.size()) +
                    ": " + name(mode, settings));
      const std::uint64_t accepted = server ? server->accepted() : 0;
      rounds[i][mode] = measure(mode, url, tls, settings.requests, settings.concurrency);
      if (server) rounds[i][mode].opened = server->accepted() - accepted;
    }
  }
  return rounds;
}

/// A mode's figures over all rounds: the latencies of all of them together, the medians of the
/// others.
Figures over_rounds(const std::vector<Round>& rounds, Mode mode) {
  const auto median_of = [&](auto Figures::*member) {
    std::vector<double> values;
    for (const Round& round : rounds) values.push_back(static_cast<double>(round[mode].*member));
    return benchmark::median(values);
  };
  Figures all;
  all.elapsed = median_of(&Figures::elapsed);
  all.elapsed_with_setup = median_of(&Figures::elapsed_with_setup);
  all.wall = median_of(&Figures::wall);
  all.opened = static_cast<std::uint64_t>(median_of(&Figures::opened));
  for (const Round& round : rounds) {
    const std::vector<double>& latency = round[mode].latency;
    all.latency.insert(all.latency.end(), latency.begin(), latency.end());
  }
  std::sort(all.latency.begin(), all.latency.end());
  return all;
}

/// The speed-up by reuse: the quotient of the two modes within each round.
struct SpeedUp {
  const char* key;
  const char* name;
  double median, lowest, highest;
};

std::vector<SpeedUp> speed_ups(const std::vector<Round>& rounds) {
  std::vector<SpeedUp> result;
  const auto add = [&](const char* key, const char* name, auto value) {
    std::vector<double> quotients;
    for (const Round& round : rounds) quotients.push_back(value(round[fresh]) / value(round[kept]));
    quotients = benchmark::sorted(quotients);
    result.push_back(
        {key, name, benchmark::median(quotients), quotients.front(), quotients.back()});
  };
  add("elapsed", "elapsed", [](const Figures& f) { return f.elapsed; });
  add("elapsed_with_setup", "elapsed with set-up",
      [](const Figures& f) { return f.elapsed_with_setup; });
  add("wall", "wall time", [](const Figures& f) { return f.wall; });
  add("p50", "median latency", [](const Figures& f) { return f.p(0.5); });
  return result;
}

/// The results of one run of this program.
struct Report {
  Settings settings;
  std::string url;
  std::vector<Round> rounds;
  Round modes;  // the figures over all rounds
  std::vector<SpeedUp> speed_ups;
  benchmark::Machine machine;
  bool shares_core = false;  // true if the client shares a core with the embedded server

  double rate(const Figures& figures) const {
    return static_cast<double>(settings.requests) / figures.wall;
  }

  std::string target() const {
    if (!settings.url.empty()) return settings.url;
    return "a server in the same process, on loopback, that answers with " +
           std::to_string(settings.body) + " bytes" + (settings.tls ? " over TLS" : "") +
           (shares_core ? ", on the client's core" : "");
  }
  std::string short_target() const {
    if (!settings.url.empty()) return settings.url;
    return "embedded server, " + std::to_string(settings.body) + " bytes" +
           (settings.tls ? " over TLS" : "") + (shares_core ? ", same core" : "");
  }
};

void print(std::ostream& out, const Report& report) {
  const Settings& settings = report.settings;
  out << settings.requests << " GETs, "
      << (settings.concurrency == 1 ? "one after the other"
                                    : std::to_string(settings.concurrency) + " at a time")
      << ", on a new connection each (ferry::get) against\nthe same on "
      << (settings.concurrency == 1 ? "one kept connection" : "kept connections")
      << " (ferry::Client); rounds: " << settings.rounds
      << ", interleaved.\nTarget: " << report.target() << ".\n\n";

  std::vector<std::vector<std::string>> rows;
  const auto row = [&](const std::string& label, const auto& cell) {
    rows.push_back({label});
    for (const Mode mode : modes_of(settings)) rows.back().push_back(cell(report.modes[mode]));
  };
  rows.push_back({"per round, median"});
  for (const Mode mode : modes_of(settings)) rows.back().push_back(name(mode, settings));
  row("elapsed, summed (s)", [](const Figures& f) { return fixed(f.elapsed, 4); });
  row("elapsed with set-up, summed (s)",
      [](const Figures& f) { return fixed(f.elapsed_with_setup, 4); });
  row("wall time (s)", [](const Figures& f) { return fixed(f.wall, 4); });
  row("requests/s", [&](const Figures& f) { return fixed(report.rate(f), 0); });
  row("connections opened", [](const Figures& f) { return std::to_string(f.opened); });
  row("p50 of a request, all rounds (us)", [](const Figures& f) { return fixed(f.p(0.5), 1); });
  row("p90 of a request, all rounds (us)", [](const Figures& f) { return fixed(f.p(0.9), 1); });
  row("p99 of a request, all rounds (us)", [](const Figures& f) { return fixed(f.p(0.99), 1); });
  benchmark::print_table(out, rows);

  rows = {{"reuse is faster than new, by", "median", "range over rounds"}};
  for (const SpeedUp& one : report.speed_ups) {
    rows.push_back({one.name, fixed(one.median, 2) + "x",
                    fixed(one.lowest, 2) + "x to " + fixed(one.highest, 2) + "x"});
  }
  out << '\n';
  benchmark::print_table(out, rows);
  out << "\nelapsed: first request byte sent to head parsed; set-up: resolving, connecting, TLS.\n"
      << "Measured with ferry " << ferry::version << " on " << to_string(report.machine) << ".\n";
}

void write_json(std::ostream& out, const Report& report) {
  benchmark::JsonWriter json{out};
  const auto figures = [&](const Figures& f) {
    json.member("elapsed_seconds", f.elapsed);
    json.member("elapsed_with_setup_seconds", f.elapsed_with_setup);
    json.member("wall_seconds", f.wall);
    json.member("requests_per_second", report.rate(f));
    json.member("latency_p50_us", f.p(0.5));
    json.member("latency_p90_us", f.p(0.9));
    json.member("latency_p99_us", f.p(0.99));
    json.member("connections_opened", f.opened);
  };
  const auto modes = [&](const Round& round) {
    for (const Mode mode : modes_of(report.settings)) {
      json.object(keys[mode], [&] { figures(round[mode]); });
    }
  };

  json.member("benchmark", "reuse");
  json.member("ferry", ferry::version);
  json.object("settings", [&] {
    json.member("url", report.url);
    json.member("embedded_server", report.settings.url.empty());
    if (report.settings.url.empty()) json.member("body_bytes", report.settings.body);
    json.member("tls", report.settings.is_secure());
    json.member("one_core", report.shares_core);
    json.member("requests", report.settings.requests);
    json.member("rounds", report.settings.rounds);
    json.member("concurrency", report.settings.concurrency);
  });
  json.object("modes", [&] { modes(report.modes); });
  json.object("speed_up", [&] {
    for (const SpeedUp& one : report.speed_ups) {
      json.object(one.key, [&] {
        json.member("median", one.median);
        json.member("lowest", one.lowest);
        json.member("highest", one.highest);
      });
    }
  });
  json.array("rounds", report.rounds, modes);
  json.object("machine", [&] { benchmark::write_members(json, report.machine); });
}

void write_svg(std::ostream& out, const Report& report) {
  const Settings& settings = report.settings;
  const auto median = [&](Mode mode) {
    return benchmark::three_digits(report.modes[mode].p(0.5)) + " \u00b5s ";
  };
  benchmark::DistributionChart chart;
  chart.title = "A GET takes " + median(kept) + "on a kept connection, " + median(fresh) +
                "on a new one (median)";
  chart.subtitle = std::to_string(settings.rounds) + " \u00d7 " +
                   std::to_string(settings.requests) + " GETs each way, " +
                   std::to_string(settings.concurrency) + " at a time; " + report.short_target();
  chart.axis = "wall time of a request";
  chart.footnote = "ferry " + std::string{ferry::version} + "; " + to_string(report.machine);
  for (const Mode mode : modes_of(settings)) {
    chart.series.push_back({name(mode, settings), colours[mode], report.modes[mode].latency});
  }
  chart.write(out);
}

void run(const Settings& settings) {
  benchmark::OutputFile json{"--json", settings.json};
  benchmark::OutputFile svg{"--svg", settings.svg};

  const auto tls = settings.is_secure() ? benchmark::make_tls(settings.tls) : benchmark::Tls{};
  Report report;
  report.settings = settings;
  report.url = settings.url;
  std::optional<benchmark::KeepAliveServer> server;
  if (report.url.empty()) {
    report.shares_core = settings.one_core && benchmark::share_one_core();
    report.url = server.emplace(settings.body, tls.serve).url();
  }

  report.rounds = measure_rounds(settings, report.url, tls, server ? &*server : nullptr);
  for (const Mode mode : modes_of(settings)) report.modes[mode] = over_rounds(report.rounds, mode);
  report.speed_ups = speed_ups(report.rounds);
  report.machine = benchmark::this_machine();

  print(std::cout, report);
  json.write([&](std::ostream& out) { write_json(out, report); });
  svg.write([&](std::ostream& out) { write_svg(out, report); });
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const Settings settings = read_settings({count, arguments});
    if (settings.help) {
      std::cout << help;
    } else {
      run(settings);
    }
    return 0;
  } catch (const benchmark::UsageError& error) {
    std::cerr << "reuse: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "reuse: " << error.what() << '\n';
    return 1;
  }
}
