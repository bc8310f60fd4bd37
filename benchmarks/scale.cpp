/// @file
/// The scaling of ferry: with cores and contexts, with connections, with idle connections, and with
/// more origins than the pool has connections for. The servers are separate processes, so that the
/// memory measured is the client's.

#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
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
#include "support/process.hpp"
#include "support/progress.hpp"
#include "support/statistics.hpp"
#include "support/text.hpp"

namespace {

using benchmark::fixed;
using Clock = std::chrono::steady_clock;

constexpr const char* help = R"(Measures how ferry scales.

  --requests N  in each measurement, 1000 to 10000000 (default 40000)
  --rounds N    1 to 100 (default 5)
  --json FILE   also write the figures to FILE
  --help        print this
)";

struct Settings {
  std::uint64_t requests = 40'000;
  std::uint64_t rounds = 5;
  std::string json;
};

/// A server in a separate process, on one core.
class Server {
 public:
  explicit Server(int core) {
    int pipe[2];
    if (::pipe(pipe) != 0) throw std::runtime_error("no pipe");
    child_ = ::fork();
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      benchmark::use_core(core);
      benchmark::KeepAliveServer server(13);
      const auto written = ::write(pipe[1], server.url().data(), server.url().size());
      ::close(pipe[1]);
      if (written > 0) ::pause();
      ::_exit(0);
    }
    ::close(pipe[1]);
    char url[100];
    const auto size = ::read(pipe[0], url, sizeof url);
    ::close(pipe[0]);
    if (child_ < 0 || size <= 0) throw std::runtime_error("no server");
    url_.assign(url, static_cast<std::size_t>(size));
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

  const std::string& url() const { return url_; }

 private:
  pid_t child_;
  std::string url_;
};

void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

ferry::ClientOptions options(std::size_t connections) {
  ferry::ClientOptions options;
  options.limits.max_connections = connections;
  options.limits.idle_timeout = std::chrono::minutes(10);
  return options;
}

asio::awaitable<void> get(const ferry::Client& client, std::string url, std::uint64_t& unsent) {
  while (unsent > 0) {
    --unsent;
    const ferry::Response response = co_await client.get(url);
    response.raise_for_status();
  }
}

/// Sends requests to these servers in turn, `in_flight` at a time. @return requests per second.
double rate(asio::io_context& context, const ferry::Client& client,
            const std::vector<std::string>& urls, std::uint64_t requests, std::size_t in_flight) {
  std::vector<std::uint64_t> unsent(urls.size(), requests / urls.size());
  for (std::size_t i = 0; i < in_flight; ++i)
    asio::co_spawn(context, get(client, urls[i % urls.size()], unsent[i % urls.size()]), rethrow);
  const auto begin = Clock::now();
  context.restart();
  context.run();
  return static_cast<double>(requests) /
         std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Runs one context with its thread and its client on each of these cores; they share nothing.
/// @return requests per second of all of them.
double rate_of_cores(const std::vector<int>& cores, const std::vector<std::string>& urls,
                     std::uint64_t requests) {
  std::vector<double> rates(cores.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < cores.size(); ++i) {
    threads.emplace_back([&, i] {
      benchmark::use_core(cores[i]);
      asio::io_context context{1};
      const ferry::Client client{context, options(64)};
      const std::vector<std::string> one{urls[static_cast<std::size_t>(cores[i])]};
      rate(context, client, one, requests / 10, 64);
      rates[i] = rate(context, client, one, requests, 64);
    });
  }
  double sum = 0;
  for (std::size_t i = 0; i < cores.size(); ++i) {
    threads[i].join();
    sum += rates[i];
  }
  return sum;
}

struct Row {
  std::string name;
  std::vector<double> values;
};
using Table = std::vector<Row>;

/// The medians of these measurements, which alternate in rounds.
Table interleaved(
    std::uint64_t rounds,
    const std::vector<std::pair<std::string, std::function<std::vector<double>()>>>& measurements) {
  benchmark::Progress progress;
  std::vector<std::vector<std::vector<double>>> all(measurements.size());
  for (std::uint64_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < measurements.size(); ++i) {
      progress.show("round " + std::to_string(round + 1) + ": " + measurements[i].first);
      const auto values = measurements[i].second();
      all[i].resize(values.size());
      for (std::size_t v = 0; v < values.size(); ++v) all[i][v].push_back(values[v]);
    }
  }
  Table table;
  for (std::size_t i = 0; i < measurements.size(); ++i) {
    table.push_back({measurements[i].first, {}});
    for (const auto& values : all[i]) table.back().values.push_back(benchmark::median(values));
  }
  return table;
}

/// Opens `count` connections, measures their memory, and sends requests over one and over all.
std::vector<double> connections(const std::string& url, std::uint64_t requests, std::size_t count) {
  asio::io_context context{1};
  const ferry::Client client{context, options(count)};
  const std::vector<std::string> urls{url};
  const auto before = benchmark::allocated_bytes();
  rate(context, client, urls, count, count);
  const std::size_t idle = client.pool().stats().idle;
  const auto bytes = static_cast<double>(benchmark::allocated_bytes() - before);
  const double one = rate(context, client, urls, requests, 1);
  const double all =
      rate(context, client, urls, std::max<std::uint64_t>(requests, 2 * count), count);
  return {one, all, bytes / static_cast<double>(idle)};
}

/// Sends more requests at a time than there are connections, to several origins.
std::vector<double> saturated(std::vector<std::string> urls, std::size_t origins,
                              std::uint64_t requests) {
  urls.resize(origins);
  asio::io_context context{1};
  const ferry::Client client{context, options(100)};
  const double result = rate(context, client, urls, requests, 1000);
  const auto opened = static_cast<double>(client.pool().stats().opened);
  return {result, 100 * opened / static_cast<double>(requests)};
}

void print(const std::string& title, const std::vector<std::string>& columns, const Table& table,
           const std::vector<int>& decimals) {
  std::vector<std::vector<std::string>> rows{{title}};
  for (const auto& column : columns) rows[0].push_back(column);
  for (const Row& row : table) {
    rows.push_back({row.name});
    for (std::size_t i = 0; i < row.values.size(); ++i)
      rows.back().push_back(fixed(row.values[i], decimals[i]));
  }
  benchmark::print_table(std::cout, rows);
  std::cout << std::endl;
}

void run(const Settings& settings) {
  benchmark::OutputFile json{"--json", settings.json};
  if (!benchmark::allow_descriptors(10'100))
    throw std::runtime_error("10,000 connections take as many descriptors: ulimit -n 10100");
  const Server first(0);
  const Server second(1);
  std::vector<std::unique_ptr<Server>> more;
  std::vector<std::string> urls{first.url(), second.url()};
  for (int i = 0; i < 6; ++i) urls.push_back(more.emplace_back(new Server(0))->url());

  const auto cores_of = [&](std::vector<int> cores) {
    return [&, cores] { return std::vector{rate_of_cores(cores, urls, settings.requests)}; };
  };
  const auto cores = interleaved(settings.rounds, {
                                                      {"1 context, 1 core", cores_of({0})},
                                                      {"2 contexts, 1 core", cores_of({0, 0})},
                                                      {"2 contexts, 2 cores", cores_of({0, 1})},
                                                  });
  print("64 requests at a time per context", {"requests/s"}, cores, {0});

  benchmark::use_core(0);
  std::vector<std::pair<std::string, std::function<std::vector<double>()>>> sizes;
  for (const std::size_t count : {1, 10, 100, 1000, 10'000})
    sizes.emplace_back(std::to_string(count),
                       [&, count] { return connections(urls[0], settings.requests, count); });
  const auto by_connections = interleaved(settings.rounds, sizes);
  print("connections",
        {"requests/s, one at a time", "requests/s, all at once", "bytes per idle connection"},
        by_connections, {0, 0, 0});

  std::vector<std::pair<std::string, std::function<std::vector<double>()>>> origins;
  for (const std::size_t count : {1, 2, 8})
    origins.emplace_back(std::to_string(count),
                         [&, count] { return saturated(urls, count, settings.requests); });
  const auto by_origins = interleaved(settings.rounds, origins);
  print("origins that share 100 connections, 1000 requests at a time",
        {"requests/s", "connections opened per 100 requests"}, by_origins, {0, 2});

  const auto machine = benchmark::this_machine();
  std::cout << "Medians of " << settings.rounds
            << " rounds. Client and servers share core 0, but for "
            << "\"2 cores\".\nferry " << ferry::version << " on " << to_string(machine) << ".\n";
  json.write([&](std::ostream& out) {
    benchmark::JsonWriter writer{out};
    const auto table = [&](const char* name, const Table& rows,
                           const std::vector<const char*>& columns) {
      writer.array(name, rows, [&](const Row& row) {
        writer.member("case", row.name);
        for (std::size_t i = 0; i < columns.size(); ++i) writer.member(columns[i], row.values[i]);
      });
    };
    writer.member("benchmark", "scale");
    writer.member("ferry", ferry::version);
    writer.member("requests", settings.requests);
    writer.member("rounds", settings.rounds);
    table("cores", cores, {"requests_per_second"});
    table("connections", by_connections,
          {"one_at_a_time_per_second", "all_at_once_per_second", "bytes_per_idle_connection"});
    table("saturated_origins", by_origins,
          {"requests_per_second", "connections_opened_per_100_requests"});
    writer.object("machine", [&] { benchmark::write_members(writer, machine); });
  });
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Settings settings;
    benchmark::CommandLine line(argc, argv);
    while (line.next()) {
      if (line.option() == "--requests") {
        settings.requests = line.number(1000, 10'000'000);
      } else if (line.option() == "--rounds") {
        settings.rounds = line.number(1, 100);
      } else if (line.option() == "--json") {
        settings.json = line.text();
      } else if (line.option() == "--help") {
        std::cout << help;
        return 0;
      } else {
        throw benchmark::UsageError{line.option() + ": no such option; --help lists them"};
      }
    }
    run(settings);
    return 0;
  } catch (const benchmark::UsageError& error) {
    std::cerr << "scale: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "scale: " << error.what() << '\n';
    return 1;
  }
}
