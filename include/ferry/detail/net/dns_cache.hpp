#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/connector.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/net/lookup_threads.hpp>
#include <ferry/detail/time/deadline.hpp>
#include <ferry/detail/time/one_shot_event.hpp>
#include <ferry/resolver.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

using Addresses = std::vector<asio::ip::address>;

/// Looks up names, keeps the answers for a while, and lets all callers that ask for the same name
/// at the same time share one look-up.
///
/// The system's look-ups block threads (`LookupThreads`) and cannot be interrupted. A system
/// look-up without waiters goes on, and its answer is kept for the next caller. A resolver's
/// look-up without waiters is cancelled. A caller does not join a look-up without waiters, or one
/// that has already taken longer than the caller itself would wait: such a look-up may be stuck.
/// The caller begins another one.
/// Threads: any number of threads may use the cache at the same time.
class DnsCache : public std::enable_shared_from_this<DnsCache> {
 public:
  /// Function that adds the addresses of a host to `found`; it may block.
  using Find = std::function<std::error_code(const std::string& host, Addresses& found)>;

  /// @param find, threads how to ask the system, unless the options have a resolver.
  explicit DnsCache(const TcpOptions& options, Find find = find_addresses<asio::ip::tcp>,
                    std::shared_ptr<LookupThreads> threads = LookupThreads::of_process())
      : hosts_(options.hosts),
        resolver_(options.resolver),
        ttl_(options.dns_ttl),
        find_(std::move(find)),
        threads_(std::move(threads)) {}

  /// The addresses of the dial's host that need no look-up: given in the options, or kept. Empty if
  /// there are none.
  Addresses known(const DialContext& context) {
    Addresses addresses;
    for (const HostAddresses& entry : hosts_) {
      const bool meant = entry.port == 0 || entry.port == context.port();
      if (!meant || !iequals(entry.host, context.host())) continue;
      for (const std::string& text : entry.addresses)
        addresses.push_back(asio::ip::make_address(text));
      return addresses;
    }
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
    const auto executor = co_await asio::this_coro::executor;
    if (!resolver_ && is_unlocked(executor))
      co_return Found(Error(Errc::host_not_found, context.host(),
                            make_error_code(asio::error::operation_not_supported)));
    const auto waiter = std::make_shared<Waiter>();
    const PhaseGuard phase{context};
    if (!context.enter(Phase::resolve, context.resolve_limit(), *waiter))
      co_return Found(context.error());
    WaiterGuard guard(*this, waiter);
    if (guard.join(context.host(), context.resolve_limit(), executor)) begin(guard.lookup());
    co_await waiter->wait();
    guard.leave(&executor);
    if (context.ended()) co_return Found(context.error());
    co_return guard.result();
  }

  /// Forgets a name's addresses after none of them worked: they may have changed.
  void forget(const std::string& host) noexcept {
    const std::lock_guard lock(mutex_);
    kept_.erase(host);
  }

 private:
  static constexpr std::size_t max_names = 256;
  /// Maximum number of system look-ups for one name at the same time, including those without
  /// waiters: a dead name must not use up the threads.
  static constexpr std::size_t max_lookups_of_one_name = 4;
  /// Age of a look-up after which no caller joins it, even if the caller's own limit is longer.
  static constexpr Duration patience = std::chrono::seconds(30);

  static std::error_code out_of_memory() noexcept {
    return std::make_error_code(std::errc::not_enough_memory);
  }

  struct Kept {
    Addresses addresses;
    Clock::time_point until;
  };
  /// Plain data, of which the waiters make an `Error`: the thread of a look-up may outlive all
  /// statics, including the categories of error codes.
  struct Answer {
    Addresses addresses;
    /// The system's error; out of memory until it is known.
    std::error_code code = out_of_memory();
    std::optional<Error> error;  ///< The resolver's error.
  };
  struct Waiter : OneShotEvent {
    std::shared_ptr<const Answer> answer;  ///< Guarded by the mutex.
  };
  /// The strand in which a resolver runs, and the signal that cancels it. Only the resolver's
  /// coroutine owns this object, because no object of a context may outlive the context.
  struct Resolving {
    explicit Resolving(const asio::any_io_executor& executor) : strand(executor) {}

    const asio::strand<asio::any_io_executor> strand;
    asio::cancellation_signal cancellation;
  };
  struct Lookup {
    explicit Lookup(std::string name) : host(std::move(name)) {}

    const std::string host;
    const Clock::time_point began = Clock::now();
    Answer answer;                                 ///< Written by the look-up before its end.
    std::vector<std::shared_ptr<Waiter>> waiters;  ///< Guarded by the mutex.

    std::weak_ptr<BlockingLookup> blocking;  ///< The system's look-up; guarded by the mutex.
    std::uint64_t generation = 0;            ///< Generation of `LookupThreads`.

    asio::any_io_executor executor;      ///< A resolver's executor; only to be compared.
    std::weak_ptr<Resolving> resolving;  ///< A resolver's look-up; guarded by the mutex.
  };
  using UnderWay = std::vector<std::shared_ptr<Lookup>>;

  /// A waiter's place at a look-up. The destructor leaves it, also when the coroutine is destroyed.
  class WaiterGuard {
   public:
    WaiterGuard(DnsCache& cache, std::shared_ptr<Waiter> waiter) noexcept
        : cache_(cache), waiter_(std::move(waiter)) {}
    WaiterGuard(const WaiterGuard&) = delete;
    WaiterGuard& operator=(const WaiterGuard&) = delete;
    ~WaiterGuard() { leave(nullptr); }

    /// Joins the look-up for this host, or makes one.
    /// @return true if the look-up is new and must be begun.
    bool join(const std::string& host, Duration limit, const asio::any_io_executor& executor) {
      const std::lock_guard lock(cache_.mutex_);
      UnderWay& under_way = cache_.under_way_[host];
      const bool is_new = !cache_.may_join(under_way, limit);
      lookup_ = is_new ? cache_.make_lookup(host, executor) : under_way.back();
      lookup_->waiters.push_back(waiter_);
      if (is_new) under_way.push_back(lookup_);
      return is_new;
    }

    /// Leaves the look-up.
    /// @param here the executor on whose context this runs; null if it is unknown.
    void leave(const asio::any_io_executor* here) noexcept {
      if (lookup_ && std::exchange(waits_, false)) cache_.leave(lookup_, *waiter_, here);
    }

    const std::shared_ptr<Lookup>& lookup() const noexcept { return lookup_; }

    /// The result, after `leave`.
    Result<Addresses> result() const {
      const Answer* const answer = waiter_->answer.get();
      if (!answer || answer->code == Errc::cancelled) return Error(Errc::cancelled);
      if (answer->error) return *answer->error;
      if (!answer->addresses.empty()) return answer->addresses;
      return Error(Errc::host_not_found, lookup_->host, answer->code);
    }

   private:
    DnsCache& cache_;
    const std::shared_ptr<Waiter> waiter_;
    std::shared_ptr<Lookup> lookup_;
    bool waits_ = true;
  };

  /// A look-up by the system, in a thread, which keeps alive only the objects that it needs.
  class SystemLookup final : public BlockingLookup {
   public:
    SystemLookup(std::weak_ptr<DnsCache> cache, std::shared_ptr<Lookup> lookup, Find find)
        : cache_(std::move(cache)), lookup_(std::move(lookup)), find_(std::move(find)) {}

    void run() noexcept override {
      Answer& answer = lookup_->answer;
      try {
        answer.code = find_(lookup_->host, answer.addresses);
      } catch (const std::bad_alloc&) {
        answer.code = out_of_memory();
        answer.addresses.clear();
      }
    }
    void deliver() noexcept override {
      if (const auto cache = cache_.lock()) cache->end(lookup_);
    }

   private:
    const std::weak_ptr<DnsCache> cache_;
    const std::shared_ptr<Lookup> lookup_;
    const Find find_;
  };

  /// Ends a resolver's look-up, even if the look-up is destroyed with its context.
  struct Ending {
    Ending(std::shared_ptr<DnsCache> c, std::shared_ptr<Lookup> l)
        : cache(std::move(c)), lookup(std::move(l)) {
      lookup->answer.code = make_error_code(Errc::cancelled);
    }
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;
    ~Ending() { cache->end(lookup); }

    /// Stores the answer.
    /// @param find returns the addresses or the error.
    template <class Function>
    void finish(Function find) noexcept {
      Answer& answer = lookup->answer;
      try {
        Result<Addresses> found = find();
        answer.code = std::error_code();
        if (found)
          answer.addresses = std::move(*found);
        else
          answer.error = found.error();
      } catch (const std::bad_alloc&) {
        answer.code = out_of_memory();
      }
    }

    const std::shared_ptr<DnsCache> cache;
    const std::shared_ptr<Lookup> lookup;
  };

  /// True if a caller with this limit may join the newest of these look-ups. Called under the lock.
  bool may_join(UnderWay& under_way, Duration limit) const {
    if (under_way.empty()) return false;
    const Lookup& newest = *under_way.back();
    if (!resolver_ && newest.generation != threads_->generation()) {
      under_way.clear();  // The look-ups belong to the parent process.
      return false;
    }
    if (!resolver_ && under_way.size() >= max_lookups_of_one_name) return true;
    return !newest.waiters.empty() && Clock::now() - newest.began < std::min(limit, patience);
  }

  std::shared_ptr<Lookup> make_lookup(const std::string& host,
                                      const asio::any_io_executor& executor) const {
    auto lookup = std::make_shared<Lookup>(host);
    lookup->generation = threads_->generation();
    if (resolver_) lookup->executor = executor;
    return lookup;
  }

  void begin(const std::shared_ptr<Lookup>& lookup) {
    try {
      if (resolver_)
        ask_resolver(lookup);
      else
        ask_system(lookup);
    } catch (const std::bad_alloc&) {
      end(lookup);
      throw;
    } catch (const std::system_error& e) {  // No thread could be started.
      lookup->answer.code = e.code();
      end(lookup);
    }
  }

  void ask_system(const std::shared_ptr<Lookup>& lookup) {
    const auto blocking = std::make_shared<SystemLookup>(weak_from_this(), lookup, find_);
    {
      const std::lock_guard lock(mutex_);
      lookup->blocking = blocking;
    }
    threads_->start(blocking);
  }

  void ask_resolver(const std::shared_ptr<Lookup>& lookup) {
    const auto resolving = std::make_shared<Resolving>(lookup->executor);
    {
      const std::lock_guard lock(mutex_);
      lookup->resolving = resolving;
    }
    auto ending = std::make_shared<Ending>(shared_from_this(), lookup);
    asio::co_spawn(resolving->strand, ask(resolver_, std::move(ending)),
                   asio::bind_cancellation_slot(resolving->cancellation.slot(),
                                                [resolving](std::exception_ptr) {}));
  }
  static asio::awaitable<void> ask(std::shared_ptr<Resolver> resolver,
                                   std::shared_ptr<Ending> ending) {
    try {
      auto found = co_await resolver->resolve(ending->lookup->host);
      ending->finish([&]() -> Result<Addresses> { return std::move(found); });
    } catch (const std::exception& e) {
      ending->finish([&]() -> Result<Addresses> {
        return Error(Errc::host_not_found, ending->lookup->host + ": " + e.what());
      });
    }
  }

  /// Removes a waiter. A look-up without waiters ends, if it can be ended.
  void leave(const std::shared_ptr<Lookup>& lookup, Waiter& waiter,
             const asio::any_io_executor* here) noexcept {
    const std::lock_guard lock(mutex_);
    auto& waiters = lookup->waiters;
    const auto erased = std::erase_if(waiters, [&](auto& w) { return w.get() == &waiter; });
    if (erased == 0 || !waiters.empty()) return;
    if (here) cancel(*lookup, *here);
    if (abandon(*lookup)) remove(*lookup);
  }

  /// Cancels a resolver's look-up if the context of `here` runs it: another context may already be
  /// gone. Posts only, so nothing runs before this returns.
  static void cancel(const Lookup& lookup, const asio::any_io_executor& here) noexcept {
    if (here != lookup.executor) return;
    const auto resolving = lookup.resolving.lock();
    if (!resolving) return;
    try {
      asio::post(resolving->strand,
                 [resolving] { resolving->cancellation.emit(asio::cancellation_type::terminal); });
    } catch (...) {  // The look-up goes on without waiters.
    }
  }
  /// Gives up a system look-up.
  /// @return true if the look-up had not begun, and never will.
  bool abandon(const Lookup& lookup) const noexcept {
    const auto blocking = lookup.blocking.lock();
    return blocking && threads_->abandon(*blocking);
  }
  void remove(const Lookup& lookup) noexcept {
    const auto entry = under_way_.find(lookup.host);
    if (entry == under_way_.end()) return;
    std::erase_if(entry->second, [&](const auto& other) { return other.get() == &lookup; });
    if (entry->second.empty()) under_way_.erase(entry);
  }

  /// Reports the end of a look-up. Addresses that it found answer all waiters for this host; a
  /// failure answers its own waiters only.
  void end(const std::shared_ptr<Lookup>& lookup) noexcept {
    const Answer& answer = lookup->answer;
    const bool found = !answer.error && !answer.addresses.empty();
    const std::lock_guard lock(mutex_);
    wake(*lookup, lookup);
    const auto entry = under_way_.find(lookup->host);
    if (found && entry != under_way_.end()) {
      std::erase_if(entry->second, [&](const auto& other) {
        if (other->waiters.empty()) return false;
        wake(*other, lookup);
        cancel(*other, lookup->executor);
        return abandon(*other);
      });
    }
    remove(*lookup);
    try {
      if (found && ttl_ > Duration::zero()) keep(lookup->host, answer.addresses);
    } catch (const std::bad_alloc&) {  // The name is looked up again next time.
    }
  }
  static void wake(Lookup& lookup, const std::shared_ptr<const Lookup>& answered) noexcept {
    for (const auto& waiter : lookup.waiters) {
      waiter->answer = std::shared_ptr<const Answer>(answered, &answered->answer);
      waiter->fire();
    }
    lookup.waiters.clear();
  }
  void keep(const std::string& host, const Addresses& addresses) {
    const auto sooner = [](const auto& a, const auto& b) {
      return a.second.until < b.second.until;
    };
    if (kept_.size() >= max_names)
      kept_.erase(std::min_element(kept_.begin(), kept_.end(), sooner));
    kept_.insert_or_assign(host, Kept{addresses, after(Clock::now(), ttl_)});
  }

  const std::vector<HostAddresses> hosts_;
  const std::shared_ptr<Resolver> resolver_;
  const Duration ttl_;
  const Find find_;
  const std::shared_ptr<LookupThreads> threads_;
  std::mutex mutex_;
  std::map<std::string, Kept, std::less<>> kept_;
  std::map<std::string, UnderWay, std::less<>> under_way_;
};

}  // namespace ferry::detail
