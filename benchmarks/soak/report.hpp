#pragma once

/// @file
/// `Report`: the results of one soak and their verdict; printed, drawn, and as JSON.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <ferry/connection_pool.hpp>
#include <ferry/version.hpp>

#include "../support/json.hpp"
#include "../support/machine.hpp"
#include "../support/statistics.hpp"
#include "../support/text.hpp"
#include "../support/time_chart.hpp"
#include "ledger.hpp"
#include "plan.hpp"
#include "tally.hpp"

namespace soak {

using benchmark::grouped;

struct Settings {
  std::uint64_t seconds = 60;
  std::uint64_t concurrency = 10'000;
  std::uint64_t connections = 200;
  std::uint64_t threads = 1;
  std::uint64_t seed = 1;
};

/// The figures at one moment.
struct Sample {
  double second = 0;
  std::uint64_t responses = 0;  ///< The number so far, like `errors` and `retried`.
  std::array<std::uint64_t, Tally::error_kinds> errors{};
  std::uint64_t retried = 0;
  std::uint64_t allocated = 0;  ///< Bytes allocated.
  std::uint64_t resident = 0;   ///< Bytes resident.
  std::uint64_t descriptors = 0;
  ferry::PoolStats pool;

  std::uint64_t errors_of(ferry::Errc code) const { return errors[static_cast<std::size_t>(code)]; }
  std::uint64_t failures() const {
    std::uint64_t total = 0;
    for (const std::uint64_t count : errors) total += count;
    return total;
  }
  std::size_t connections() const { return pool.active + pool.idle + pool.connecting; }
};

/// Memory under a constant load, at two times.
struct Flatness {
  double before = 0;  ///< Bytes allocated: the median of the second fifth of the samples.
  double after = 0;   ///< The median of the last fifth, in bytes.

  /// The upper limit for `after`: above the variation of the samples, below any serious leak.
  double bound() const { return before * 1.05 + 1024 * 1024; }
  bool holds() const { return after <= bound(); }
};

constexpr std::size_t least_samples = 10;

/// The flatness of the samples; nothing if there are too few of them.
inline std::optional<Flatness> flatness_of(const std::vector<Sample>& samples) {
  if (samples.size() < least_samples) return std::nullopt;
  const auto median_of_fifth = [&](std::size_t which) {
    std::vector<double> values;
    for (std::size_t i = samples.size() * which / 5; i < samples.size() * (which + 1) / 5; ++i)
      values.push_back(static_cast<double>(samples[i].allocated));
    return benchmark::median(values);
  };
  return Flatness{median_of_fifth(1), median_of_fifth(4)};
}

/// The number of times that something happened.
struct Count {
  std::string name;
  std::uint64_t count = 0;
};

struct Report {
  Settings settings;
  benchmark::Machine machine;
  std::vector<Sample> samples;  ///< Taken under full load.
  double seconds = 0;           ///< The whole time, until the last request was done.

  std::uint64_t requests = 0;
  std::uint64_t responses = 0;
  std::uint64_t response_bytes = 0;
  std::uint64_t retried = 0;
  std::uint64_t longest_call = 0;  ///< The longest call in milliseconds.
  std::vector<Count> errors;
  std::vector<Count> acts;
  std::vector<Count> closings;
  std::uint64_t opened = 0;
  std::uint64_t accepted = 0;
  std::uint64_t reused = 0;

  std::array<std::uint64_t, 3> findings{};  ///< Findings by `Findings::Kind`.
  std::vector<std::string> examples;
  std::optional<Flatness> flatness;
  std::uint64_t peak_resident = 0;
  std::size_t descriptors_before = 0;
  std::size_t descriptors_after = 0;
  std::vector<std::string> leftovers;  ///< Other faults found at the end.

  bool holds() const {
    return std::count(findings.begin(), findings.end(), 0U) == 3 && leftovers.empty() &&
           (!flatness || flatness->holds()) && descriptors_after == descriptors_before;
  }
};

inline std::string mebibytes(double bytes) { return benchmark::fixed(bytes / 1024 / 1024, 1); }

inline std::string verdict_on_requests(const Report& report) {
  std::string text;
  for (std::size_t i = 0; i < report.findings.size(); ++i)
    text += (i ? ", " : "") + grouped(report.findings[i]) + " " + Findings::names[i];
  return text;
}

inline std::string verdict_on_memory(const Report& report) {
  if (!report.flatness)
    return "memory: not judged, since that takes " + std::to_string(least_samples) +
           " seconds at least";
  const Flatness& memory = *report.flatness;
  return std::string{"memory "} + (memory.holds() ? "flat" : "NOT FLAT") + ": " +
         mebibytes(memory.before) + " MiB allocated after warming up, " + mebibytes(memory.after) +
         " MiB in the end (may be " + mebibytes(memory.bound()) + ")";
}

inline std::string verdict_on_descriptors(const Report& report) {
  const bool same = report.descriptors_after == report.descriptors_before;
  return std::string{"descriptors "} + (same ? "all returned" : "LEAKED") + ": " +
         std::to_string(report.descriptors_before) + " before, " +
         std::to_string(report.descriptors_after) + " after";
}

using Rows = std::vector<std::vector<std::string>>;

/// Adds a row for the sum, and one for each count that is not zero.
inline void add_counts(Rows& rows, const std::string& title, const std::vector<Count>& counts) {
  std::uint64_t total = 0;
  for (const Count& one : counts) total += one.count;
  rows.push_back({title, grouped(total)});
  for (const Count& one : counts)
    if (one.count > 0) rows.push_back({"  " + one.name, grouped(one.count)});
}

inline Rows rows_of(const Report& report) {
  const double rate = static_cast<double>(report.requests) / report.seconds;
  Rows rows{
      {"requests done", grouped(report.requests)},
      {"  per second", grouped(static_cast<std::uint64_t>(rate))},
      {"  answered", grouped(report.responses)},
      {"  sent twice", grouped(report.retried)},
      {"longest call (s)", benchmark::fixed(static_cast<double>(report.longest_call) / 1000, 1)},
      {"response bodies (MiB)", mebibytes(static_cast<double>(report.response_bytes))},
      {"peak of resident memory (MiB)", mebibytes(static_cast<double>(report.peak_resident))},
  };
  add_counts(rows, "failed", report.errors);
  rows.push_back({"connections opened", grouped(report.opened)});
  rows.push_back({"  accepted by the server", grouped(report.accepted)});
  rows.push_back({"  reused, times", grouped(report.reused)});
  add_counts(rows, "connections closed", report.closings);
  add_counts(rows, "what the server did", report.acts);
  return rows;
}

inline void print(std::ostream& out, const Report& report) {
  const Settings& settings = report.settings;
  out << grouped(settings.concurrency) << " requests at a time over " << settings.connections
      << " connections, for " << settings.seconds << " s; client threads: " << settings.threads
      << ", seed: " << settings.seed << "\n\n";
  benchmark::print_table(out, rows_of(report));
  out << '\n';
  for (const std::string& example : report.examples) out << example << '\n';
  for (const std::string& leftover : report.leftovers) out << leftover << '\n';
  out << verdict_on_requests(report) << '\n'
      << verdict_on_memory(report) << '\n'
      << verdict_on_descriptors(report) << '\n'
      << (report.holds() ? "holds" : "DOES NOT HOLD") << ", with ferry " << ferry::version << " on "
      << to_string(report.machine) << '\n';
}

inline void write_json(std::ostream& out, const Report& report) {
  benchmark::JsonWriter json{out};
  const auto counts = [&json](const char* name, const std::vector<Count>& all) {
    json.object(name, [&] {
      for (const Count& one : all) json.member(one.name, one.count);
    });
  };
  json.member("benchmark", "soak");
  json.member("ferry", ferry::version);
  json.member("holds", report.holds());
  json.object("settings", [&] {
    json.member("seconds", report.settings.seconds);
    json.member("concurrency", report.settings.concurrency);
    json.member("connections", report.settings.connections);
    json.member("threads", report.settings.threads);
    json.member("seed", report.settings.seed);
  });
  json.object("findings", [&] {
    for (std::size_t i = 0; i < report.findings.size(); ++i)
      json.member(Findings::names[i], report.findings[i]);
  });
  json.member("seconds", report.seconds);
  json.member("requests", report.requests);
  json.member("responses", report.responses);
  json.member("response_bytes", report.response_bytes);
  json.member("sent_twice", report.retried);
  json.member("longest_call_ms", report.longest_call);
  json.member("connections_opened", report.opened);
  json.member("connections_accepted", report.accepted);
  json.member("connections_reused", report.reused);
  json.member("peak_resident_bytes", report.peak_resident);
  if (report.flatness) {
    json.member("allocated_bytes_before", report.flatness->before);
    json.member("allocated_bytes_after", report.flatness->after);
  }
  json.member("descriptors_before", report.descriptors_before);
  json.member("descriptors_after", report.descriptors_after);
  counts("errors", report.errors);
  counts("connections_closed", report.closings);
  counts("server", report.acts);
  json.array("samples", report.samples, [&](const Sample& sample) {
    json.member("second", sample.second);
    json.member("responses", sample.responses);
    json.member("failures", sample.failures());
    json.member("sent_twice", sample.retried);
    json.member("allocated_bytes", sample.allocated);
    json.member("resident_bytes", sample.resident);
    json.member("descriptors", sample.descriptors);
    json.member("active", sample.pool.active);
    json.member("idle", sample.pool.idle);
    json.member("connecting", sample.pool.connecting);
    json.member("waiting", sample.pool.waiting);
  });
  json.object("machine", [&] { benchmark::write_members(json, report.machine); });
}

/// A series with the figure of each sample.
template <class Figure>
benchmark::TimeChart::Series level(const Report& report, const char* name, const char* colour,
                                   Figure figure) {
  benchmark::TimeChart::Series series{name, colour, {}};
  for (const Sample& sample : report.samples)
    series.values.push_back(static_cast<double>(figure(sample)));
  return series;
}

/// A series with the growth of the figure per second before each sample.
template <class Figure>
benchmark::TimeChart::Series rate(const Report& report, const char* name, const char* colour,
                                  Figure figure) {
  benchmark::TimeChart::Series series{name, colour, {}};
  Sample before;
  for (const Sample& sample : report.samples) {
    const auto grown = static_cast<double>(figure(sample) - figure(before));
    series.values.push_back(grown / (sample.second - before.second));
    before = sample;
  }
  // The first value is meaningless, because everything began at once.
  series.values.front() = series.values[1];
  return series;
}

inline void write_svg(std::ostream& out, const Report& report) {
  constexpr auto blue = "#0969da", orange = "#bc4c00", green = "#1a7f37", red = "#cf222e",
                 violet = "#8250df", grey = "#6e7781";
  using enum ferry::Errc;
  const auto kinds = [](auto... codes) {
    return [=](const Sample& sample) { return (sample.errors_of(codes) + ...); };
  };
  constexpr double mebibyte = 1024 * 1024;

  benchmark::TimeChart chart;
  chart.title = grouped(report.settings.concurrency) + " requests at a time over " +
                std::to_string(report.settings.connections) +
                " connections: " + verdict_on_requests(report);
  chart.subtitle =
      grouped(report.requests) +
      " requests to a server that closes, resets, truncates, stalls and lies at random";
  chart.footnote = "ferry " + std::string{ferry::version} + "; " + to_string(report.machine);
  for (const Sample& sample : report.samples) chart.seconds.push_back(sample.second);
  chart.panels = {
      {"requests per second",
       {rate(report, "answered", blue, [](const Sample& s) { return s.responses; }),
        rate(report, "failed", red, [](const Sample& s) { return s.failures(); })}},
      {"errors and retries per second",
       {rate(report, "connection lost", red, kinds(connection_lost)),
        rate(report, "cut short", orange, kinds(truncated_head, truncated_body)),
        rate(report, "no HTTP", violet, kinds(malformed_response, ambiguous_framing)),
        rate(report, "timeout", grey,
             kinds(total_timeout, pool_timeout, first_byte_timeout, read_timeout)),
        rate(report, "cancelled", blue, kinds(cancelled)),
        rate(report, "sent twice", green, [](const Sample& s) { return s.retried; })}},
      {"memory (MiB), client and server together",
       {level(report, "resident", grey,
              [](const Sample& s) { return static_cast<double>(s.resident) / mebibyte; }),
        level(report, "allocated", blue,
              [](const Sample& s) { return static_cast<double>(s.allocated) / mebibyte; })}},
      {"descriptors, client and server together; connections",
       {level(report, "descriptors", grey, [](const Sample& s) { return s.descriptors; }),
        level(report, "connections", blue, [](const Sample& s) { return s.connections(); })}},
      {"requests in the pool's queue",
       {level(report, "waiting", blue, [](const Sample& s) { return s.pool.waiting; })}},
  };
  chart.write(out);
}

}  // namespace soak
