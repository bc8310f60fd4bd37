#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <ferry/connector.hpp>
#include <ferry/detail/wakeup.hpp>
#include <ferry/resolver.hpp>

namespace ferry::detail {

using Addresses = std::vector<asio::ip::address>;

/// Looks up names, keeps the answers for a while, and lets all who ask for the same name at the
/// same time wait for one look-up: the system's takes one after the other.
///
/// A look-up cannot be interrupted. Who has waited long enough leaves; it then goes on alone, and
/// its answer serves the next.
/// Threads: safe to use by any number at once.
template <class Tcp>
class DnsCache : public std::enable_shared_from_this<DnsCache<Tcp>> {
 public:
  explicit DnsCache(const TcpOptions& options)
      : hosts_(options.hosts), resolver_(options.resolver), ttl_(options.dns_ttl) {}

  /// The addresses of the dial's host if they need not be looked up: given, or kept.
  Addresses known(const DialContext& context) {
    Addresses addresses;
    for (const HostAddresses& entry : hosts_) {
      const bool meant = entry.port == 0 || entry.port == context.port();
      if (!meant || !iequals(entry.host, context.host())) continue;
      for (const std::string& text : entry.addresses)
        addresses.push_back(asio::ip::make_address(text));
      return addresses;
    }
    // Asio starts a thread for any look-up, that of a numeric address included.
    std::error_code error;
    const auto address = asio::ip::make_address(context.host(), error);
    if (!error) {
      addresses.push_back(address);
      return addresses;
    }
    const std::lock_guard lock(mutex_);
    const auto kept = kept_.find(context.host());
    if (kept != kept_.end() && kept->second.until > Clock::now()) return kept->second.addresses;
    return addresses;
  }

  /// The addresses of the dial's host: known, or looked up within the dial's limit.
  asio::awaitable<Result<Addresses>> lookup(DialContext& context) {
    using Found = Result<Addresses>;
    if (auto addresses = known(context); !addresses.empty()) co_return Found(std::move(addresses));
    const std::string& host = context.host();
    const auto waiter = std::make_shared<Wakeup>();
    const LeavePhase leave{context};
    if (!context.enter(Phase::resolve, context.resolve_limit(), *waiter))
      co_return Found(context.error());
    std::shared_ptr<Lookup> lookup;
    bool is_first = false;
    {
      const std::lock_guard lock(mutex_);
      const auto pending = pending_.find(host);
      is_first = pending == pending_.end();
      lookup = is_first ? std::make_shared<Lookup>(host) : pending->second;
      lookup->waiters.push_back(waiter);
      if (is_first) pending_.emplace(host, lookup);
    }
    const auto executor = co_await asio::this_coro::executor;
    if (is_first) {
      try {
        begin(executor, host, lookup);
      } catch (...) {
        end(host, *lookup, lookup->out_of_memory);
        throw;
      }
    }
    co_await waiter->wait();
    if (context.ended()) co_return Found(context.error());
    const std::lock_guard lock(mutex_);
    if (!lookup->done) co_return Found(Error(Errc::cancelled));
    co_return Found(lookup->result);
  }

  /// None of a name's addresses would do: they may have changed.
  void forget(const std::string& host) noexcept {
    const std::lock_guard lock(mutex_);
    kept_.erase(host);
  }

 private:
  static constexpr std::size_t most = 256;

  struct Kept {
    Addresses addresses;
    Clock::time_point until;
  };
  struct Lookup {
    explicit Lookup(const std::string& host)
        : out_of_memory(Errc::host_not_found, host,
                        std::make_error_code(std::errc::not_enough_memory)) {}

    std::vector<std::shared_ptr<Wakeup>> waiters;
    const Error out_of_memory;  ///< Made in time.
    Result<Addresses> result;
    bool done = false;
    std::optional<typename Tcp::resolver> system;
  };
  /// A look-up ends, also one that is destroyed with its context.
  struct Ending {
    std::shared_ptr<DnsCache> cache;
    std::string host;
    std::shared_ptr<Lookup> lookup;
    Result<Addresses> result = Error(Errc::cancelled);

    Ending(std::shared_ptr<DnsCache> c, std::string h, std::shared_ptr<Lookup> l)
        : cache(std::move(c)), host(std::move(h)), lookup(std::move(l)) {}
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;
    ~Ending() { cache->end(host, *lookup, std::move(result)); }

    /// @param find says what was found.
    template <class Function>
    void finish(Function find) noexcept {
      try {
        result = find();
        if (result && result->empty()) result = Error(Errc::host_not_found, host);
      } catch (const std::bad_alloc&) {
        result = lookup->out_of_memory;
      }
    }
  };

  void begin(const asio::any_io_executor& executor, const std::string& host,
             const std::shared_ptr<Lookup>& lookup) {
    auto ending = std::make_shared<Ending>(this->shared_from_this(), host, lookup);
    if (resolver_) {
      asio::co_spawn(executor, ask(resolver_, std::move(ending)), asio::detached);
      return;
    }
    auto& system = lookup->system.emplace(executor);
    system.async_resolve(host, "", asio::ip::resolver_base::flags(),
                         [ending](std::error_code error, const auto& found) {
                           ending->finish([&]() -> Result<Addresses> {
                             if (error) return Error(Errc::host_not_found, ending->host, error);
                             Addresses addresses;
                             for (const auto& entry : found)
                               addresses.push_back(entry.endpoint().address());
                             return addresses;
                           });
                         });
  }
  static asio::awaitable<void> ask(std::shared_ptr<Resolver> resolver,
                                   std::shared_ptr<Ending> ending) {
    try {
      auto found = co_await resolver->resolve(ending->host);
      ending->finish([&]() -> Result<Addresses> { return std::move(found); });
    } catch (const std::exception& e) {
      ending->finish([&]() -> Result<Addresses> {
        return Error(Errc::host_not_found, ending->host + ": " + e.what());
      });
    }
  }

  void end(const std::string& host, Lookup& lookup, Result<Addresses> result) noexcept {
    std::vector<std::shared_ptr<Wakeup>> waiters;
    {
      const std::lock_guard lock(mutex_);
      if (lookup.done) return;
      pending_.erase(host);
      try {
        if (result && ttl_ > Duration::zero()) keep(host, *result);
      } catch (const std::bad_alloc&) {  // Then it is looked up again.
      }
      lookup.result = std::move(result);
      lookup.done = true;
      lookup.system.reset();
      waiters.swap(lookup.waiters);
    }
    for (const auto& waiter : waiters) waiter->fire();
  }
  void keep(const std::string& host, const Addresses& addresses) {
    const auto sooner = [](const auto& a, const auto& b) {
      return a.second.until < b.second.until;
    };
    if (kept_.size() >= most) kept_.erase(std::min_element(kept_.begin(), kept_.end(), sooner));
    kept_.insert_or_assign(host, Kept{addresses, after(Clock::now(), ttl_)});
  }

  const std::vector<HostAddresses> hosts_;
  const std::shared_ptr<Resolver> resolver_;
  const Duration ttl_;
  std::mutex mutex_;
  std::map<std::string, Kept, std::less<>> kept_;
  std::map<std::string, std::shared_ptr<Lookup>, std::less<>> pending_;
};

}  // namespace ferry::detail
