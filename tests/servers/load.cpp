// A client that tests/servers/run drives. It reads commands from its input, one on each line, and
// answers each with a line of JSON about everything since the last `start`. It does not judge the
// results: failed requests are counted by kind.
//
// usage: load URL IDLE_TIMEOUT (seconds, or "default") [NAME=VALUE...]
//
// Options for TLS (`ca`, `certificate` and `key` are paths of PEM files): `ca`, the only root to
// trust, instead of the system's; `certificate` and `key`, the client's own; `min_version`, 1.2 or
// 1.3; `resume`, 1 or 0. Options for connections: `proxy`, a URL, for all requests; `unix`, a
// socket's path; `host_NAME`, the host's addresses, separated by commas; `connect_ms`, the time
// limit for connecting, in milliseconds.
//
//   start NAME=VALUE...  begins to send (see `Plan`), and answers at once
//   wait                 answers when all of it is done
//   stop                 begins no other request, and answers when those in flight are done
//   status               answers at once
//   close_idle           closes the idle connections

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

#include <asio.hpp>

#include <ferry/ferry.hpp>
#include <ferry/tls.hpp>

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Counts = std::map<std::string, std::int64_t>;

// The arguments of `start`.
struct Plan {
  std::string path = "/echo/";  // The request's token is appended, unless `expect` is given.
  std::string expect;           // The body of every answer; if empty, the request's token.
  int repeat = 1;               // The answer is the token, repeated this many times.
  std::string tag = "t";        // The beginning of all tokens.
  std::vector<std::string> kinds{"get"};  // Used in turn: get, post, keyed (with Idempotency-Key).
  std::int64_t count = std::numeric_limits<std::int64_t>::max();
  int at_a_time = 1;
  bool ask = true;  // Ask for the connection to be kept; otherwise Apache sends no hint.
  // Instead of `count` requests: each of `groups` clients sends `at_a_time` requests at once,
  // `bursts` times, with pauses that sweep the range of microseconds over all groups.
  int bursts = 0;
  int groups = 1;
  std::int64_t from_us = 0;
  std::int64_t to_us = 0;

  Plan() = default;
  explicit Plan(std::istream& words) {
    for (std::string word; words >> word;) {
      const auto equals = std::min(word.find('='), word.size());
      std::istringstream value(word.substr(std::min(equals + 1, word.size())));
      if (!set(word.substr(0, equals), value)) throw std::invalid_argument("what is " + word + "?");
    }
  }

 private:
  bool set(const std::string& name, std::istringstream& value) {
    if (name == "path") return bool(value >> path);
    if (name == "expect") return bool(value >> expect);
    if (name == "repeat") return bool(value >> repeat);
    if (name == "tag") return bool(value >> tag);
    if (name == "count") return bool(value >> count);
    if (name == "at_a_time") return bool(value >> at_a_time);
    if (name == "ask") return bool(value >> ask);
    if (name == "bursts") return bool(value >> bursts);
    if (name == "groups") return bool(value >> groups);
    if (name == "from_us") return bool(value >> from_us);
    if (name == "to_us") return bool(value >> to_us);
    if (name != "kinds") return false;
    kinds.clear();
    for (std::string kind; std::getline(value, kind, ',');) kinds.push_back(kind);
    return !kinds.empty();
  }
};

// The results since `start`.
struct Report {
  Counts answered;  // Answers by kind of request.
  std::map<std::string, Counts> failed;
  std::vector<std::string> answered_posts;  // The tokens of answered POSTs without a key.
  std::vector<std::string> failed_posts;
  std::vector<std::string> wrong;  // Answers that belong to another request.
  Counts closed;                   // Closed connections by reason.
  Counts generations;  // Answers by X-Generation, which changes when the server restarts.
  Counts versions;
  Counts retried;   // Retries by method.
  Counts tls;       // Answers by the result of the TLS handshake, as in `facts`.
  Counts failures;  // Failures by the whole text of the error.
  std::int64_t sent = 0;
  std::int64_t heads = 0;  // Heads of responses.
  std::int64_t chunked = 0;
  std::int64_t hinted = 0;
  std::int64_t announced_close = 0;
  Clock::duration slowest{};
  ferry::PoolStats before;
};

// Coroutines that are awaited together.
class Tasks {
 public:
  explicit Tasks(asio::any_io_executor executor) : done_(executor, Clock::time_point::max()) {}

  void spawn(asio::awaitable<void> task) {
    ++running_;
    asio::co_spawn(done_.get_executor(), std::move(task), [this](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);  // `run()` throws it: the test has an error.
      if (--running_ == 0) done_.cancel();
    });
  }

  asio::awaitable<void> all() {
    while (running_ > 0) {
      asio::error_code ignored;
      co_await done_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }

  int running() const noexcept { return running_; }

 private:
  asio::steady_timer done_;
  int running_ = 0;
};

asio::awaitable<void> pause(Clock::duration duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(asio::use_awaitable);
}

class Load {
 public:
  Load(asio::any_io_executor executor, std::string url, ferry::ClientOptions options)
      : executor_(executor), tasks_(executor), url_(std::move(url)), options_(std::move(options)) {
    options_.observer = [this](const ferry::Event& event) { observe(event); };
  }

  void start(Plan plan) {
    plan_ = std::move(plan);
    while (clients_.size() < static_cast<std::size_t>(plan_.groups))
      clients_.emplace_back(executor_, options_);
    report_ = Report();
    report_.before = stats();
    begun_ = 0;
    for (int i = 0; i < plan_.groups; ++i) {
      if (plan_.bursts > 0)
        tasks_.spawn(bursts(i));
      else
        for (int k = 0; k < plan_.at_a_time; ++k) tasks_.spawn(one_after_the_other(i));
    }
  }

  asio::awaitable<void> wait() { return tasks_.all(); }
  void stop() noexcept { plan_.count = 0; }
  void close_idle() const noexcept {
    for (const ferry::Client& client : clients_) client.pool().close_idle();
  }

  ferry::PoolStats stats() const {
    ferry::PoolStats sum;
    for (const ferry::Client& client : clients_) {
      const ferry::PoolStats stats = client.pool().stats();
      sum.active += stats.active;
      sum.idle += stats.idle;
      sum.connecting += stats.connecting;
      sum.waiting += stats.waiting;
      sum.opened += stats.opened;
      sum.closed += stats.closed;
      sum.reused += stats.reused;
      sum.failed += stats.failed;
    }
    return sum;
  }
  const Report& report() const noexcept { return report_; }
  bool is_done() const noexcept { return tasks_.running() == 0; }

 private:
  asio::awaitable<void> one_after_the_other(int group) {
    while (begun_ < plan_.count) {
      const bool good = co_await one(group);
      if (!good) co_await pause(5ms);  // The pause limits requests to a server that is down.
    }
  }

  asio::awaitable<void> bursts(int group) {
    for (int burst = 0; burst < plan_.bursts; ++burst) {
      if (burst > 0) {
        const int number = (burst - 1) * plan_.groups + group;
        const int pauses = std::max(1, (plan_.bursts - 1) * plan_.groups - 1);
        const auto us = plan_.from_us + (plan_.to_us - plan_.from_us) * number / pauses;
        co_await pause(std::chrono::microseconds(us));
      }
      Tasks requests(executor_);
      for (int i = 0; i < plan_.at_a_time; ++i) requests.spawn(one_of_a_burst(group));
      co_await requests.all();
    }
  }

  asio::awaitable<void> one_of_a_burst(int group) { co_await one(group); }

  // Sends the next request and adds the result to the report; returns false if the request failed.
  asio::awaitable<bool> one(int group) {
    const std::int64_t number = begun_++;
    const std::string kind = plan_.kinds[static_cast<std::size_t>(number) % plan_.kinds.size()];
    const std::string token = plan_.tag + '-' + std::to_string(number);
    const std::string url = url_ + plan_.path + (plan_.expect.empty() ? token : "");
    ferry::Request request = ferry::Request::get(url);
    if (kind != "get") request = ferry::Request::post(url, ferry::Body(token));
    if (kind == "keyed") request.header("Idempotency-Key", token);
    if (!plan_.ask) request.header("Connection", "");
    const ferry::Client client = clients_[static_cast<std::size_t>(group)];
    const auto begin = Clock::now();
    const auto result = co_await client.try_send(std::move(request));
    report_.slowest = std::max(report_.slowest, Clock::now() - begin);
    if (result)
      add(kind, token, *result);
    else
      add(kind, token, result.error());
    co_return result.has_value();
  }

  void add(const std::string& kind, const std::string& token, const ferry::Response& response) {
    ++report_.answered[kind];
    if (kind == "post") report_.answered_posts.push_back(token);
    std::string body = plan_.expect;
    if (body.empty())
      for (int i = 0; i < plan_.repeat; ++i) body += token;
    if (response.status() != 200 || response.body() != body) {
      report_.wrong.push_back(token + ": " + std::to_string(response.status()) + ' ' +
                              response.body().substr(0, 600));
    }
    if (const ferry::TlsInfo* tls = response.connection().tls()) ++report_.tls[facts(*tls)];
    const ferry::Headers& headers = response.headers();
    ++report_.versions[std::string(response.version())];
    if (const auto generation = headers.get("X-Generation"))
      ++report_.generations[std::string(*generation)];
    if (headers.contains("Transfer-Encoding")) ++report_.chunked;
    if (headers.contains("Keep-Alive")) ++report_.hinted;
    if (headers.get("Connection") == "close") ++report_.announced_close;
  }

  void add(const std::string& kind, const std::string& token, const ferry::Error& error) {
    std::string family = "other";
    if (error.code() == ferry::Condition::connection_failed) family = "connection failed";
    if (error.code() == ferry::Condition::timeout) family = "timeout";
    if (error.code() == ferry::Condition::protocol_error) family = "protocol error";
    ++report_.failed[kind][family + ": " + error.code().message() +
                           (error.reused() ? ", kept connection" : ", new connection")];
    ++report_.failures[error.what()];
    if (kind == "post") report_.failed_posts.push_back(token);
  }

  static std::string facts(const ferry::TlsInfo& tls) {
    std::string text = tls.version;
    if (!tls.application_protocol.empty()) text += ", " + tls.application_protocol;
    return text + (tls.resumed ? ", resumed" : "");
  }

  void observe(const ferry::Event& event) {
    using Kind = ferry::Event::Kind;
    if (event.kind == Kind::request_sent) ++report_.sent;
    if (event.kind == Kind::head_received) ++report_.heads;
    if (event.kind == Kind::request_retried) ++report_.retried[std::string(event.method)];
    if (event.kind == Kind::connection_closed)
      ++report_.closed[std::string(ferry::to_string(event.reason))];
  }

  asio::any_io_executor executor_;
  Tasks tasks_;
  std::string url_;
  ferry::ClientOptions options_;
  Plan plan_;
  Report report_;
  std::int64_t begun_ = 0;
  std::vector<ferry::Client> clients_;
};

// --- JSON -------------------------------------------------------------------------------------

void write(std::ostream& out, const std::string& text) {
  out << '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out << '\\';
    out << (static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  out << '"';
}

void write(std::ostream& out, std::int64_t number) { out << number; }

template <class Value>
void write(std::ostream& out, const std::vector<Value>& list) {
  const char* before = "[";
  for (const Value& value : list) {
    out << std::exchange(before, ",");
    write(out, value);
  }
  out << (list.empty() ? "[]" : "]");
}

template <class Value>
void write(std::ostream& out, const std::map<std::string, Value>& map) {
  const char* before = "{";
  for (const auto& [name, value] : map) {
    out << std::exchange(before, ",");
    write(out, name);
    out << ':';
    write(out, value);
  }
  out << (map.empty() ? "{}" : "}");
}

std::int64_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all)) - 1;  // One descriptor belongs to the iterator.
}

std::string json(const Load& load) {
  std::ostringstream out;
  const char* before = "{";
  const auto field = [&](const char* name, const auto& value) {
    out << std::exchange(before, ",") << '"' << name << "\":";
    if constexpr (std::is_integral_v<std::decay_t<decltype(value)>>)
      write(out, static_cast<std::int64_t>(value));
    else
      write(out, value);
  };
  const Report& report = load.report();
  field("answered", report.answered);
  field("failed", report.failed);
  if (load.is_done()) {
    field("answered_posts", report.answered_posts);
    field("failed_posts", report.failed_posts);
  }
  field("wrong", report.wrong);
  field("generations", report.generations);
  field("versions", report.versions);
  field("closed", report.closed);
  field("retried", report.retried);
  field("tls", report.tls);
  field("failures", report.failures);
  field("sent", report.sent);
  field("heads", report.heads);
  field("chunked", report.chunked);
  field("hinted", report.hinted);
  field("announced_close", report.announced_close);
  field("slowest_ms", report.slowest / 1ms);
  const ferry::PoolStats stats = load.stats();
  field("opened", stats.opened - report.before.opened);
  field("reused", stats.reused - report.before.reused);
  field("active", stats.active);
  field("idle", stats.idle);
  field("connecting", stats.connecting);
  field("waiting", stats.waiting);
  field("descriptors", open_descriptors());
  field("done", load.is_done());
  out << '}';
  return out.str();
}

asio::awaitable<void> obey(Load& load) {
  asio::posix::stream_descriptor input(co_await asio::this_coro::executor, ::dup(STDIN_FILENO));
  std::string text;
  for (;;) {
    asio::error_code end;
    const auto length = co_await asio::async_read_until(
        input, asio::dynamic_buffer(text), '\n', asio::redirect_error(asio::use_awaitable, end));
    if (end) break;
    std::istringstream words(text.substr(0, length));
    text.erase(0, length);
    std::string command;
    words >> command;
    if (command == "start") load.start(Plan(words));
    if (command == "stop") load.stop();
    if (command == "wait" || command == "stop") co_await load.wait();
    if (command == "close_idle") load.close_idle();
    std::cout << json(load) << std::endl;
  }
  std::_Exit(0);  // Requests may be in flight, but nothing reads their results.
}

// --- the command line -------------------------------------------------------------------------

ferry::ClientOptions options_of(std::string_view idle_timeout, std::vector<std::string> words) {
  using ferry::tls::Pem;
  ferry::ClientOptions options;
  options.unix_urls = true;
  if (idle_timeout != "default")
    options.limits.idle_timeout = std::chrono::seconds(std::stoi(std::string(idle_timeout)));
  ferry::tls::Options tls;
  for (const std::string& word : words) {
    const auto equals = std::min(word.find('='), word.size());
    const std::string name = word.substr(0, equals);
    const std::string value = word.substr(std::min(equals + 1, word.size()));
    if (name == "ca") {
      tls.system_roots = false;
      tls.roots = {Pem::file(value)};
    } else if (name == "certificate") {
      tls.certificate = Pem::file(value);
    } else if (name == "key") {
      tls.private_key = Pem::file(value);
    } else if (name == "min_version" && (value == "1.2" || value == "1.3")) {
      tls.min_version = value == "1.2" ? ferry::tls::Version::tls1_2 : ferry::tls::Version::tls1_3;
    } else if (name == "resume" && (value == "0" || value == "1")) {
      tls.resume_sessions = value == "1";
    } else if (name == "proxy") {
      options.proxy = ferry::ProxyOptions(value);
    } else if (name == "unix") {
      options.unix_socket = value;
    } else if (name.starts_with("host_")) {
      std::istringstream list(value);
      std::vector<std::string> addresses;
      for (std::string address; std::getline(list, address, ',');) addresses.push_back(address);
      options.tcp.hosts.emplace_back(name.substr(5), 0, std::move(addresses));
    } else if (name == "connect_ms") {
      options.timeouts.connect = std::chrono::milliseconds(std::stoi(value));
    } else {
      throw std::invalid_argument("what is " + word + "?");
    }
  }
  options.tls = ferry::tls::context(std::move(tls));
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: load URL IDLE_TIMEOUT [NAME=VALUE...]\n";
    return 1;
  }
  try {
    asio::io_context context{1};
    Load load(context.get_executor(), argv[1], options_of(argv[2], {argv + 3, argv + argc}));
    asio::co_spawn(context, obey(load), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
    context.run();
  } catch (const std::exception& error) {
    std::cerr << "load: " << error.what() << '\n';
    return 1;
  }
}
