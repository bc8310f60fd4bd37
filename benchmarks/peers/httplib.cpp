/// @file
/// cpp-httplib, which blocks: one thread and one client for each request in flight.

#include <atomic>
#include <httplib.h>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "peer.hpp"

namespace {

class Httplib {
 public:
  explicit Httplib(const peer::Task& task) : task_(task) {
    if (task.resume) throw peer::Unsupported();
    for (std::size_t i = 0; i < task.concurrency; ++i) clients_.push_back(client());
  }

  void run(std::uint64_t requests, peer::Stopwatch& stopwatch) {
    if (task_.concurrency == 1) {
      send(clients_.front(), requests, stopwatch);
      return;
    }
    std::vector<peer::Stopwatch> stopwatches;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < task_.concurrency; ++i)
      stopwatches.emplace_back(requests / task_.concurrency + 1);
    for (std::size_t i = 0; i < task_.concurrency; ++i) {
      const auto share = requests / task_.concurrency + (i < requests % task_.concurrency);
      threads.emplace_back([&, i, share] {
        try {
          send(clients_[i], share, stopwatches[i]);
        } catch (const std::exception& error) {
          std::cerr << error.what() << '\n';
        }
      });
    }
    for (std::size_t i = 0; i < task_.concurrency; ++i) {
      threads[i].join();
      stopwatch.add(stopwatches[i]);
    }
  }

 private:
  std::unique_ptr<httplib::Client> client() const {
    auto made = std::make_unique<httplib::Client>((task_.secure ? "https://" : "http://") +
                                                  task_.authority());
    made->set_keep_alive(!task_.fresh);
    made->set_tcp_nodelay(true);
    if (task_.secure) {
      made->set_ca_cert_path(task_.ca.c_str());
      made->enable_server_certificate_verification(true);
    }
    return made;
  }

  void send(std::unique_ptr<httplib::Client>& kept, std::uint64_t requests,
            peer::Stopwatch& stopwatch) {
    const std::string upload(task_.upload, 'x');
    for (std::uint64_t i = 0; i < requests; ++i) {
      const auto begin = peer::Clock::now();
      if (task_.fresh) kept = client();
      const auto result =
          task_.upload ? kept->Post(task_.path, upload, "text/plain") : kept->Get(task_.path);
      peer::check(static_cast<bool>(result), "no response");
      peer::check_response(task_, result->status, result->body.size());
      stopwatch.took(begin);
    }
  }

  const peer::Task task_;
  std::vector<std::unique_ptr<httplib::Client>> clients_;
};

}  // namespace

int main(int count, char** arguments) { return peer::main<Httplib>(count, arguments); }
