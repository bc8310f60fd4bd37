/// @file
/// The floor: the system's sockets with as little code as possible. Blocking for one request at a
/// time, epoll for more; OpenSSL for HTTPS.

#include <arpa/inet.h>
#include <memory>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "peer.hpp"

namespace {

/// A connection, and the response that is being read from it.
class Connection {
 public:
  Connection(const peer::Task& task, SSL_CTX* tls, SSL_SESSION* session) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(task.port)));
    peer::check(::inet_pton(AF_INET, task.host.c_str(), &address.sin_addr) == 1, "no address");
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    peer::check(
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
        "cannot connect");
    if (!tls) return;
    ssl_ = SSL_new(tls);
    SSL_set_fd(ssl_, socket_);
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), task.host.c_str());
    if (session) SSL_set_session(ssl_, session);
    peer::check(SSL_connect(ssl_) == 1, "no TLS");
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    if (ssl_) {
      SSL_shutdown(ssl_);
      SSL_free(ssl_);
    }
    ::close(socket_);
  }

  int socket() const { return socket_; }

  void send(const std::string& request) {
    body_.clear();
    head_ = {};
    if (used_) begin_ = peer::Clock::now();  // The first time includes connecting.
    used_ = true;
    for (std::size_t sent = 0; sent < request.size();) {
      const auto rest = request.size() - sent;
      const auto count = ssl_ ? SSL_write(ssl_, request.data() + sent, static_cast<int>(rest))
                              : ::send(socket_, request.data() + sent, rest, 0);
      peer::check(count > 0, "cannot send");
      sent += static_cast<std::size_t>(count);
    }
  }
  /// Reads once. @return true if the response is complete.
  bool receive(const peer::Task& task, peer::Stopwatch& stopwatch) {
    if (head_.size == 0) {
      char buffer[16 * 1024];
      const std::size_t count = read(buffer, sizeof buffer);
      head_ = peer::scan_head({buffer, count});
      peer::check(head_.size > 0, "no head");
      body_.reserve(head_.body);
      body_.assign(buffer + head_.size, count - head_.size);
      filled_ = body_.size();
      body_.resize(head_.body);
    } else {
      filled_ += read(body_.data() + filled_, body_.size() - filled_);
    }
    if (filled_ < body_.size()) return false;
    peer::check_response(task, head_.status, body_.size());
    stopwatch.took(begin_);
    return true;
  }
  SSL_SESSION* session() const { return SSL_get1_session(ssl_); }

 private:
  std::size_t read(char* to, std::size_t size) {
    const auto count =
        ssl_ ? SSL_read(ssl_, to, static_cast<int>(size)) : ::recv(socket_, to, size, 0);
    peer::check(count > 0, "the server has closed the connection");
    return static_cast<std::size_t>(count);
  }

  int socket_ = -1;
  SSL* ssl_ = nullptr;
  peer::Head head_;
  std::string body_;
  std::size_t filled_ = 0;
  peer::Clock::time_point begin_ = peer::Clock::now();
  bool used_ = false;
};

class Floor {
 public:
  explicit Floor(const peer::Task& task) : task_(task), request_(task.request()) {
    if (!task.secure) return;
    tls_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls_, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_read_ahead(tls_, 1);  // Without this, each record takes two calls to read.
    peer::check(SSL_CTX_load_verify_locations(tls_, task.ca.c_str(), nullptr) == 1, "no CA");
  }

  void run(std::uint64_t requests, peer::Stopwatch& stopwatch) {
    if (task_.concurrency > 1) return run_many(requests, stopwatch);
    for (std::uint64_t i = 0; i < requests; ++i) {
      if (task_.fresh || connections_.empty()) open();
      connections_.back()->send(request_);
      while (!connections_.back()->receive(task_, stopwatch)) {
      }
      if (!task_.fresh) continue;
      if (task_.resume) {
        if (session_) SSL_SESSION_free(session_);
        session_ = connections_.back()->session();
      }
      connections_.clear();
    }
  }

 private:
  void open() { connections_.push_back(std::make_unique<Connection>(task_, tls_, session_)); }

  void run_many(std::uint64_t requests, peer::Stopwatch& stopwatch) {
    if (task_.secure || task_.fresh || task_.upload) throw peer::Unsupported();
    if (epoll_ < 0) epoll_ = ::epoll_create1(0);
    while (connections_.size() < task_.concurrency) {
      open();
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = connections_.back().get();
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_.back()->socket(), &event);
    }
    std::uint64_t unsent = requests;
    for (auto& connection : connections_)
      if (unsent > 0) connection->send(request_), --unsent;
    std::vector<Connection*> ready;
    for (std::uint64_t done = 0; done < requests;) {
      // On one core, this lets the server answer several requests before they are read.
      ::sched_yield();
      epoll_event events[128];
      const int count = ::epoll_wait(epoll_, events, 128, -1);
      for (int i = 0; i < count; ++i) {
        auto& connection = *static_cast<Connection*>(events[i].data.ptr);
        if (connection.receive(task_, stopwatch)) ready.push_back(&connection);
      }
      // Requests are sent after the reads: the first one may make the system switch to the server.
      for (Connection* connection : ready)
        if (unsent > 0) connection->send(request_), --unsent;
      done += ready.size();
      ready.clear();
    }
  }

  const peer::Task task_;
  const std::string request_;
  SSL_CTX* tls_ = nullptr;
  SSL_SESSION* session_ = nullptr;
  std::vector<std::unique_ptr<Connection>> connections_;
  int epoll_ = -1;
};

}  // namespace

int main(int count, char** arguments) { return peer::main<Floor>(count, arguments); }
