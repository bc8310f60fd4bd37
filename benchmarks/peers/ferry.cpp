/// @file
/// ferry with its defaults: only options that the task needs are set.

#include <memory>
#include <string>

#include <ferry/ferry.hpp>
#include <ferry/tls.hpp>

#include "peer.hpp"

namespace {

class Ferry {
 public:
  explicit Ferry(const peer::Task& task) : task_(task) {
    if (task.secure) {
      ferry::tls::Options options;
      options.system_roots = false;
      options.roots.push_back(ferry::tls::Pem::file(task.ca));
      options.resume_sessions = task.resume || !task.fresh;
      options_.tls = ferry::tls::context(options);
      if (task.fresh) options_.limits.max_idle = 0;  // `ferry::get` would use another context.
    }
    if (task.concurrency > options_.limits.max_connections)
      options_.limits.max_connections = task.concurrency;
    client_ = std::make_unique<ferry::Client>(context_, options_);
  }

  void run(std::uint64_t requests, peer::Stopwatch& stopwatch) {
    unsent_ = requests;
    for (std::size_t i = 0; i < task_.concurrency; ++i) {
      asio::co_spawn(context_, send(stopwatch), [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
      });
    }
    context_.restart();
    context_.run();
  }

 private:
  asio::awaitable<void> send(peer::Stopwatch& stopwatch) {
    ferry::Response response;
    while (unsent_ > 0) {
      --unsent_;
      const auto begin = peer::Clock::now();
      if (task_.fresh && !task_.secure)
        response = co_await ferry::get(task_.url);
      else if (task_.upload)
        response = co_await client_->post(task_.url, upload_);
      else
        response = co_await client_->get(task_.url);
      peer::check_response(task_, response.status(), response.body().size());
      stopwatch.took(begin);
    }
  }

  const peer::Task task_;
  asio::io_context context_{1};
  ferry::ClientOptions options_;
  const ferry::Body upload_{std::make_shared<const std::string>(task_.upload, 'x')};
  std::unique_ptr<ferry::Client> client_;
  std::uint64_t unsent_ = 0;
};

}  // namespace

int main(int count, char** arguments) { return peer::main<Ferry>(count, arguments); }
