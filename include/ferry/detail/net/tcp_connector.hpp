#pragma once

#include <algorithm>
#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/net/dns_cache.hpp>
#include <ferry/detail/net/tcp.hpp>
#include <ferry/detail/time/deadline.hpp>

// Opens TCP connections: looks up the host and tries its addresses, several at the same time if one
// is slow to answer (Happy Eyeballs, RFC 8305 sections 4 and 5).
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Alternates the address families, beginning with that of the first address; within each family
/// the order stays (RFC 8305 4).
inline void interleave(Addresses& addresses) {
  if (addresses.size() < 2) return;
  const bool first = addresses.front().is_v6();
  Addresses one;
  Addresses other;
  for (const auto& address : addresses) (address.is_v6() == first ? one : other).push_back(address);
  addresses.clear();
  for (std::size_t i = 0; i < std::max(one.size(), other.size()); ++i) {
    if (i < one.size()) addresses.push_back(one[i]);
    if (i < other.size()) addresses.push_back(other[i]);
  }
}

/// A race of connection attempts; the first successful attempt wins.
class ConnectRace : public OneShotEvent, public std::enable_shared_from_this<ConnectRace> {
 public:
  /// Begins another attempt.
  /// @return the attempt's stream if it has succeeded at once; else null.
  std::unique_ptr<TcpStream> begin(const asio::any_io_executor& executor,
                                   const asio::ip::tcp::endpoint& remote,
                                   const TcpOptions& options) {
    auto stream = std::make_unique<TcpStream>(executor);
    std::error_code error;
    if (stream->start_connect(remote, options, error)) {
      if (!error) return stream;
      note_failure(error);
      return nullptr;
    }
    Attempt& attempt = attempts_.emplace_back();
    attempt.stream = std::move(stream);
    ++pending_;
    await_event(attempt);
    return nullptr;
  }

  /// Checks the attempts that have had an event.
  /// @return the winner's stream; null if there is none yet.
  std::unique_ptr<TcpStream> check_attempts() {
    for (Attempt& attempt : attempts_) {
      if (!attempt.stream || !attempt.had_event.exchange(false)) continue;
      std::error_code error;
      if (!attempt.stream->connect_ended(error)) {
        await_event(attempt);
        continue;
      }
      --pending_;
      if (!error) return std::move(attempt.stream);
      note_failure(error);
      attempt.stream.reset();
    }
    return nullptr;
  }

  /// Ends all attempts.
  void end() noexcept {
    for (Attempt& attempt : attempts_)
      if (attempt.stream) attempt.stream->close();
  }

  std::size_t pending() const noexcept { return pending_; }
  /// The error of the attempt that failed last.
  std::error_code last_error() const noexcept { return last_error_; }
  bool all_refused() const noexcept { return all_refused_; }

 private:
  struct Attempt {
    std::unique_ptr<TcpStream> stream;
    std::atomic<bool> had_event{false};
  };

  void await_event(Attempt& attempt) {
    attempt.stream->wait_connect([self = shared_from_this(), &attempt](std::error_code) {
      attempt.had_event = true;
      self->fire();
    });
  }
  void note_failure(std::error_code error) noexcept {
    last_error_ = error;
    all_refused_ = all_refused_ && error == asio::error::connection_refused;
  }

  std::list<Attempt> attempts_;
  std::size_t pending_ = 0;
  std::error_code last_error_;
  bool all_refused_ = true;
};

class TcpConnector final : public Connector {
 public:
  TcpConnector(TcpOptions options, std::shared_ptr<DnsCache> dns)
      : options_(std::move(options)), dns_(std::move(dns)) {}

  asio::awaitable<Result<std::unique_ptr<Stream>>> connect(DialContext& context) override {
    using Connected = Result<std::unique_ptr<Stream>>;
    const auto begin = Clock::now();
    Addresses addresses = dns_->known(context);
    if (addresses.empty()) {
      auto found = co_await dns_->lookup(context);
      if (!found) co_return Connected(found.error());
      addresses = std::move(*found);
    }
    interleave(addresses);
    const auto resolved = Clock::now();
    context.resolved_in = resolved - begin;

    const auto executor = co_await asio::this_coro::executor;
    const auto race = std::make_shared<ConnectRace>();
    const EndRace guard{*race};
    const PhaseGuard phase{context};
    if (!context.enter(Phase::connect, context.connect_limit(), *race))
      co_return Connected(context.error());
    std::unique_ptr<TcpStream> winner;
    auto next_at = Clock::time_point::min();
    for (std::size_t next = 0;;) {
      race->rearm();
      std::size_t pending = race->pending();
      winner = race->check_attempts();
      if (race->pending() < pending) next_at = Clock::time_point::min();  // An attempt has failed.
      while (!winner && next < addresses.size() &&
             (race->pending() == 0 || next_at <= Clock::now())) {
        const asio::ip::tcp::endpoint remote(addresses[next++], context.port());
        pending = race->pending();
        winner = race->begin(executor, remote, options_);
        // An attempt that fails at once does not delay the next.
        if (race->pending() > pending) next_at = after(Clock::now(), options_.attempt_delay);
      }
      if (winner) break;
      if (context.ended()) co_return Connected(context.error());
      if (race->pending() == 0) co_return Connected(failure(context, addresses.size(), *race));
      co_await race->wait(next < addresses.size() ? next_at : Clock::time_point::max());
    }
    context.connected_in = Clock::now() - resolved;
    co_return Connected(std::move(winner));
  }

 private:
  struct EndRace {
    ConnectRace& race;
    ~EndRace() { race.end(); }
  };

  Error failure(const DialContext& context, std::size_t addresses, const ConnectRace& race) const {
    dns_->forget(context.host());
    std::string what = context.is_to_proxy() ? "the proxy " : "";
    what += context.host() + ":" + std::to_string(context.port());
    if (addresses > 1) what += ", at any of " + std::to_string(addresses) + " addresses";
    return Error(race.all_refused() ? Errc::connection_refused : Errc::connect_failed,
                 std::move(what), race.last_error());
  }

  const TcpOptions options_;
  const std::shared_ptr<DnsCache> dns_;
};

}  // namespace ferry::detail
