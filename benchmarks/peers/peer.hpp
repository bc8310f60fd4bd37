#pragma once

/// @file
/// The common parts of all peers: command line, warm-up, report.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <vector>

namespace peer {

using Clock = std::chrono::steady_clock;

/// The task of a peer.
struct Task {
  std::string url;
  bool secure = false;  ///< True for `https`; this and the next three members are parts of the URL.
  std::string host;
  std::string port;
  std::string path;
  std::uint64_t requests = 1000;
  std::size_t concurrency = 1;  ///< Requests in flight at a time, each on its own connection.
  bool fresh = false;           ///< True if each request uses a new connection.
  bool resume = false;          ///< True if new connections resume an earlier TLS session.
  std::size_t upload = 0;       ///< The size of a POST's body in bytes; 0: GET.
  std::size_t body = 0;         ///< The expected size of the response's body in bytes.
  std::string ca;               ///< The file of the CA that signed the server's certificate.

  std::string authority() const { return host + ":" + port; }
  /// The request as bytes, for peers that write it themselves.
  std::string request() const {
    std::string text =
        (upload ? "POST " : "GET ") + path + " HTTP/1.1\r\nHost: " + authority() +
        "\r\nUser-Agent: peer\r\nAccept: */*\r\nConnection: " + (fresh ? "close" : "keep-alive") +
        "\r\n";
    if (upload) text += "Content-Length: " + std::to_string(upload) + "\r\n";
    return text + "\r\n" + std::string(upload, 'x');
  }
};

/// Thrown if the peer cannot do its task; its exit code is then 3.
struct Unsupported {};

/// Measures the time of each request.
class Stopwatch {
 public:
  explicit Stopwatch(std::uint64_t requests) { latencies_.reserve(requests); }
  void took(Clock::time_point begin) {
    latencies_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  void add(const Stopwatch& other) {
    latencies_.insert(latencies_.end(), other.latencies_.begin(), other.latencies_.end());
  }
  std::size_t count() const { return latencies_.size(); }
  double percentile(double fraction) {
    if (latencies_.empty()) return 0;
    const auto at = static_cast<std::size_t>(fraction * static_cast<double>(latencies_.size() - 1));
    std::nth_element(latencies_.begin(), latencies_.begin() + static_cast<std::ptrdiff_t>(at),
                     latencies_.end());
    return latencies_[at];
  }

 private:
  std::vector<double> latencies_;
};

inline void check(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}
inline void check_response(const Task& task, int status, std::size_t size) {
  check(status == 200, "the status is not 200");
  check(size == task.body, "the body has another size");
}

/// The parts of a response's head that are needed, for peers without a parser. Nothing if the head
/// is incomplete.
struct Head {
  std::size_t size = 0;
  int status = 0;
  std::size_t body = 0;
};
inline Head scan_head(std::string_view text) {
  Head head;
  const auto end = text.find("\r\n\r\n");
  if (end == text.npos) return head;
  head.size = end + 4;
  head.status = std::atoi(text.data() + 9);
  const auto length = text.find("Content-Length: ");
  if (length < end) head.body = std::strtoul(text.data() + length + 16, nullptr, 10);
  return head;
}

inline double cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& time) {
    return 1e6 * static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

inline Task read_task(int count, char** arguments) {
  Task task;
  for (int i = 1; i < count; ++i) {
    const std::string option = arguments[i];
    const auto value = [&]() -> std::string {
      check(i + 1 < count, "an option lacks its value");
      return arguments[++i];
    };
    if (option == "--requests")
      task.requests = std::stoull(value());
    else if (option == "--concurrency")
      task.concurrency = std::stoull(value());
    else if (option == "--new")
      task.fresh = true;
    else if (option == "--resume")
      task.resume = true;
    else if (option == "--upload")
      task.upload = std::stoull(value());
    else if (option == "--body")
      task.body = std::stoull(value());
    else if (option == "--ca")
      task.ca = value();
    else
      task.url = option;
  }
  const auto scheme = task.url.find("://");
  const auto slash = task.url.find('/', scheme + 3);
  const auto colon = task.url.find(':', scheme + 3);
  check(colon < slash && slash != task.url.npos, "the URL is not scheme://host:port/path");
  task.secure = task.url.starts_with("https:");
  task.host = task.url.substr(scheme + 3, colon - scheme - 3);
  task.port = task.url.substr(colon + 1, slash - colon - 1);
  task.path = task.url.substr(slash);
  return task;
}

/// The `main` of a peer. `Peer` is constructed from a task and has `run(requests, stopwatch)`.
template <class Peer>
int main(int count, char** arguments) {
  try {
    const Task task = read_task(count, arguments);
    Peer peer(task);
    const auto warm_up = std::max<std::uint64_t>(task.requests / 10, 2 * task.concurrency);
    Stopwatch ignored(warm_up);
    peer.run(warm_up, ignored);

    Stopwatch stopwatch(task.requests);
    const double cpu = cpu_us();
    const auto begin = Clock::now();
    peer.run(task.requests, stopwatch);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const auto requests = static_cast<double>(task.requests);
    const double used = cpu_us() - cpu;
    check(stopwatch.count() == task.requests, "another number of requests was made");
    std::cout << "{\"rate\": " << requests / seconds << ", \"cpu_us\": " << used / requests
              << ", \"p50_us\": " << stopwatch.percentile(0.5)
              << ", \"p99_us\": " << stopwatch.percentile(0.99) << "}\n";
    return 0;
  } catch (const Unsupported&) {
    return 3;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}

}  // namespace peer
