#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <ferry/detail/base/separate.hpp>
#include <ferry/detail/net/dns_cache.hpp>
#include <ferry/detail/net/socket_connector.hpp>
#include <ferry/detail/pool/core.hpp>
#include <ferry/detail/pool/tunnel.hpp>

namespace ferry::detail {

/// The pool: `PoolState` under one short mutex, and the I/O that carries out its decisions.
///
/// No user code runs under the mutex, only `PoolState` and deadlines. The thread that changes the
/// state carries out the decisions of that change after unlocking.
///
/// A waiter: `QueuePlace` enqueues it; it is granted a connection, or fails, or leaves. A dial:
///
///     start_dial --> begun --> look-up, connect, tunnel, TLS --> succeed, or fail
///          |           |                                            ^
///          +-----------+------- given up by the state --------------+ (cancelled)
///
/// Invariants:
/// 1. Each dial reports its end to the state once, also if its coroutine is destroyed: `DialGuard`.
/// 2. `Slot::deadline` is set while the dial has begun and not ended; whoever gives the dial up
/// ends
///    that deadline, under the mutex.
/// 3. The result of a wait is read from the state, never from the way in which the wait ended.
/// 4. A connection is closed, and a waiter woken, outside the mutex.
template <class Tcp, class Local>
class DiallingPool final : public PoolCore,
                           public Alarm,
                           public std::enable_shared_from_this<DiallingPool<Tcp, Local>> {
 public:
  DiallingPool(const asio::any_io_executor& executor, PoolOptions options);

  Hold take_idle(std::string_view origin, Clock::time_point now) override {
    for (;;) {
      Hold hold;
      change([&](PoolActions& actions) { hold = state_.take(origin, now, actions); });
      if (!hold.slot || is_fit(*hold.slot)) return hold;
    }
  }

  bool is_fit(Slot& slot) override {
    const auto flaw = flaw_of(slot);
    if (flaw) discard(slot, *flaw);
    return !flaw;
  }

  asio::awaitable<std::optional<Error>> acquire(const Url& url, Lease& lease, Admission& admission,
                                                const Timeouts& timeouts, Deadline& deadline,
                                                const Observer& observer) override {
    const bool fresh = static_cast<bool>(lease);
    if (fresh)
      admission.keep();
    else if (!admission.ask())
      co_return Error(Errc::client_closed);
    const auto begin = Clock::now();
    auto now = begin;
    CloseReason flaw = CloseReason::failed;
    for (std::uint64_t turn = fresh ? lease.turn() : 0;; turn = lease.turn()) {
      QueuePlace place(*this, url, fresh, turn, timeouts, deadline);
      PoolWaiter& waiter = place.waiter();
      const auto rest = timeouts.pool == no_timeout
                            ? no_timeout
                            : std::max(timeouts.pool - (now - begin), no_wait);
      if (!deadline.begin_phase(Phase::pool, rest, &waiter, now)) co_return deadline.error();
      if (!place.enqueue(url.origin(), lease, flaw)) co_return Error(Errc::client_closed);
      const auto long_waited = begin + long_wait;
      if (!waiter.fired()) co_await waiter.wait(long_waited);
      if (!waiter.fired() && Clock::now() >= long_waited) {
        if (observer) {
          Event event{Event::Kind::waiting_long};
          event.origin = url.origin();
          event.duration = Clock::now() - begin;
          observe(observer, event);
        }
        co_await waiter.wait();
      }
      const auto outcome = place.outcome();
      if (!outcome) co_return outcome.error();
      lease.take({*outcome, place.turn()});
      const auto found = flaw_of(lease.slot());
      if (!found) co_return std::nullopt;
      // The server had closed the connection: the call asks again and keeps its turn.
      flaw = *found;
      now = Clock::now();
    }
  }

  asio::awaitable<Result<std::size_t>> warm(const Url& url, std::size_t count,
                                            const Timeouts& timeouts,
                                            Clock::time_point total) override {
    using Opened = Result<std::size_t>;
    const Limits& limits = options_.limits;
    const auto most =
        std::min({limits.max_connections, limits.max_connections_per_host, limits.max_idle});
    if (count > most) {
      std::string what = "cannot keep " + std::to_string(count) + " warm: the limits allow " +
                         std::to_string(most);
      co_return Opened(Error(Errc::invalid_option, std::move(what)));
    }
    std::size_t missing = 0;
    change([&](PoolActions&) {
      const std::size_t there = state_.counts(url.origin()).idle;
      missing = std::min(count - std::min(count, there), state_.room(url.origin()));
    });
    // Each place is a waiter that only a new connection serves; all are dialled at the same time.
    struct Place {
      Place(DiallingPool& pool, const Url& url, const Timeouts& timeouts, Clock::time_point total)
          : deadline(*pool.deadlines_, &pool, nullptr, total, timeouts.total),
            queue(pool, url, true, 0, timeouts, deadline) {}
      Deadline deadline;
      QueuePlace queue;
    };
    Admission admission(*this);
    if (!admission.ask()) co_return Opened(Error(Errc::client_closed));
    std::deque<Place> places;
    for (std::size_t i = 0; i < missing; ++i) {
      Place& place = places.emplace_back(*this, url, timeouts, total);
      Lease none(*this);
      if (!place.deadline.begin_phase(Phase::pool, timeouts.pool, &place.queue.waiter())) break;
      if (!place.queue.enqueue(url.origin(), none, CloseReason::failed))
        co_return Opened(Error(Errc::client_closed));
    }
    std::optional<Error> failure;
    std::size_t opened = 0;
    for (Place& place : places) {  // Places are served in this order.
      PoolWaiter& waiter = place.queue.waiter();
      if (!place.deadline.ended() && !waiter.fired()) co_await waiter.wait();
      const auto outcome = place.queue.outcome();
      if (outcome) {
        restore(**outcome);
        ++opened;
      } else if (!failure) {
        const Error& error = outcome.error();
        failure = error.at(phase_of(error, place.deadline), std::string(url.origin()), 1, false, 0);
      }
    }
    if (failure) co_return Opened(std::move(*failure));
    co_return Opened(opened);
  }

  asio::awaitable<void> drain() override {
    draining_.store(true);
    const auto quiet = std::make_shared<PoolWaiter>();
    bool waits = false;
    change([&](PoolActions& actions) {
      drainers_.reserve(drainers_.size() + 1);
      state_.close(false, actions);
      waits = !is_drained();
      if (waits) drainers_.push_back(quiet);
    });
    if (waits) co_await quiet->wait();
  }

  void release(Slot& slot, std::optional<Duration> hint, Clock::time_point idle_since,
               Clock::time_point now) noexcept override {
    const auto lifetime = after(slot.opened, options_.limits.max_lifetime);
    auto expires = after(idle_since, hint.value_or(options_.limits.idle_timeout));
    if (lifetime <= now) return discard(slot, CloseReason::lifetime_expired);
    if (expires <= now)
      return discard(slot,
                     hint == Duration::zero() ? CloseReason::not_kept : CloseReason::idle_expired);
    expires = std::min(expires, lifetime);
    keep(slot, idle_since, expires, now);
  }

  void restore(Slot& slot) noexcept override {
    const auto now = Clock::now();
    if (slot.expires <= now) return discard(slot, CloseReason::idle_expired);
    keep(slot, slot.idle_since, slot.expires, now);
  }

  void discard(Slot& slot, CloseReason reason) noexcept override {
    change([&](PoolActions& actions) { state_.discard(slot, reason, actions); });
  }

  void close_idle() noexcept override {
    change([&](PoolActions& actions) { state_.close_idle(CloseReason::client_closed, actions); });
  }

  void close(bool now_too) noexcept override {
    if (now_too) {
      closed_.store(true);
      deadlines_->close_all();
    }
    change([&](PoolActions& actions) { state_.close(now_too, actions); });
  }

  /// Closes connections that have been idle for too long even if no other event comes, so that no
  /// connection that its server has closed stays half open.
  void ring() noexcept override {
    change([&](PoolActions& actions) {
      rings_at_ = Clock::time_point::max();
      state_.expire(Clock::now(), actions);
      set_alarm();
    });
  }

  PoolTotals totals() const noexcept override {
    return {opened_.load(), closed_count_.load(), reused_.load(), failed_.load()};
  }
  State::Counts counts() const override {
    const std::lock_guard lock(mutex_);
    return state_.counts();
  }
  std::vector<std::pair<std::string, State::Counts>> counts_by_origin() const override {
    std::vector<std::pair<std::string, State::Counts>> counts;
    const std::lock_guard lock(mutex_);
    state_.for_each_host(
        [&](const auto& host) { counts.emplace_back(host.key, state_.counts(host)); });
    return counts;
  }

 private:
  /// The exchanges that an HTTP/1.1 connection carries at a time.
  static constexpr std::size_t h1_capacity = 1;
  static constexpr std::chrono::seconds long_wait{10};
  /// Time left of a pool limit that has passed: enough to take a ready connection or begin a dial.
  static constexpr Duration no_wait = std::chrono::milliseconds(1);

  /// The decisions of one change of the state, chained through the objects themselves. Nothing is
  /// allocated, so giving a connection back cannot fail. PoolActions about tickets and slots, which
  /// may be gone after unlocking, are carried out at once; the destructor carries out the others
  /// after unlocking.
  class PoolActions {
   public:
    /// @param failure the error code of waiters that fail.
    PoolActions(DiallingPool& pool, std::error_code failure, const Error* error) noexcept
        : pool_(pool), failure_(failure), error_(error) {}
    PoolActions(const PoolActions&) = delete;
    PoolActions& operator=(const PoolActions&) = delete;
    ~PoolActions() {
      if (closing_ || woken_ || dials_) perform();
    }

    void granted(const Waiter& waiter) noexcept {
      append(woken_end_, waiter, &PoolWaiter::next_woken);
    }
    void failed(const Waiter& waiter) noexcept {
      waiter->failed = failure_;
      if (error_) waiter->failure = *error_;
      append(woken_end_, waiter, &PoolWaiter::next_woken);
    }
    void dial(Slot& slot, const Waiter& waiter) noexcept {
      waiter->deadline->suspend_limit(Phase::connect);
      slot.dialled_for = waiter;
      *dials_end_ = &slot;
      dials_end_ = &slot.next_dial;
    }
    void closing(std::unique_ptr<PooledConnection> connection, CloseReason reason) noexcept {
      connection->close_reason = reason;
      append(closing_end_, std::move(connection), &PooledConnection::next_closing);
    }
    void abandoned(Slot& slot) noexcept {
      if (slot.deadline) slot.deadline->give_up();
    }

   private:
    void perform() noexcept {
      while (auto connection = std::move(closing_)) {
        closing_ = std::move(connection->next_closing);
        pool_.close(std::move(connection));
      }
      while (const auto waiter = std::move(woken_)) {
        woken_ = std::move(waiter->next_woken);
        waiter->fire();
      }
      while (Slot* slot = dials_) {
        dials_ = slot->next_dial;
        pool_.start_dial(*slot);
      }
    }

    template <class Pointer, class Next>
    static void append(Pointer*& end, Pointer item, Next next) noexcept {
      *end = std::move(item);
      end = &((**end).*next);
    }

    DiallingPool& pool_;
    const std::error_code failure_;
    const Error* const error_;
    Waiter woken_;
    Waiter* woken_end_ = &woken_;
    Slot* dials_ = nullptr;
    Slot** dials_end_ = &dials_;
    std::unique_ptr<PooledConnection> closing_;
    std::unique_ptr<PooledConnection>* closing_end_ = &closing_;
  };

  /// Changes the state under the lock and carries out the decisions, even if `function` throws.
  /// @param failure, error the error of waiters that fail by this change.
  template <class Function>
  void change(Function function, std::error_code failure = make_error_code(Errc::client_closed),
              const Error* error = nullptr) {
    PoolActions actions(*this, failure, error);
    const std::lock_guard lock(mutex_);
    if (!process_.is_current()) [[unlikely]]
      leave_to_parent(actions);
    function(actions);
    if (drainers_.empty() || !is_drained()) return;
    for (const Waiter& drainer : drainers_) actions.granted(drainer);
    drainers_.clear();
  }

  /// Closes all idle connections in a child process, because they belong to its parent.
  void leave_to_parent(PoolActions& actions) noexcept {
    process_ = ProcessMark();
    state_.close_idle(CloseReason::inherited, actions);
  }

  void keep(Slot& slot, Clock::time_point idle_since, Clock::time_point expires,
            Clock::time_point now) noexcept {
    if (!slot.connection->process.is_current()) return discard(slot, CloseReason::inherited);
    change([&](PoolActions& actions) {
      state_.release(slot, idle_since, expires, now, actions);
      if (expires < rings_at_) set_alarm();
    });
  }

  /// Makes sure that idle connections are closed in time. An alarm that is set too early is left as
  /// it is, and set again when it rings. In the steady state the timer is therefore set once in
  /// `idle_timeout` instead of with every request.
  void set_alarm() noexcept {
    const auto next = state_.next_expiry();
    if (next < rings_at_ && deadlines_->ring_at(next, this->weak_from_this())) rings_at_ = next;
  }

  bool is_drained() const noexcept { return state_.quiet() && admitted_ == 0; }
  void look_whether_drained() noexcept override {
    change([](PoolActions&) {});
  }

  void fail_dial(Slot& slot, std::error_code code, const Error* error = nullptr) noexcept {
    failed_.fetch_add(1, std::memory_order_relaxed);
    change([&](PoolActions& d) { state_.dial_failed(slot, d); }, code, error);
  }

  /// The reason why a connection must not be used, or nothing.
  std::optional<CloseReason> flaw_of(Slot& slot) noexcept {
    if (!slot.connection->process.is_current()) return CloseReason::inherited;
    if (!slot.kept) return std::nullopt;
    switch (slot.connection->h1.stream().check_idle()) {
      case IdleState::closed: return CloseReason::closed_by_peer;
      case IdleState::unexpected_data: return CloseReason::surplus_bytes;
      case IdleState::quiet: break;
    }
    return std::nullopt;
  }

  /// A place in the queue. Its destructor leaves the queue, even if the coroutine is destroyed.
  class QueuePlace {
   public:
    /// @param turn the turn of an earlier place, to keep it; 0 for a new one.
    QueuePlace(DiallingPool& pool, const Url& url, bool fresh, std::uint64_t turn,
               const Timeouts& timeouts, Deadline& deadline)
        : pool_(pool), deadline_(deadline), ticket_(std::make_shared<PoolWaiter>(), fresh, turn) {
      PoolWaiter& made = *ticket_.waiter;
      made.target.host = url.host();
      made.target.port = url.port();
      made.target.unix_path =
          pool.options_.unix_socket.empty() ? url.unix_path() : pool.options_.unix_socket;
      made.target.secure = url.scheme() == "https";
      made.proxy = pool.proxy_for(url);
      made.target.resolve_limit = timeouts.resolve;
      made.target.connect_limit = timeouts.connect;
      made.target.tls_limit = timeouts.tls;
      made.deadline = &deadline;
    }
    QueuePlace(const QueuePlace&) = delete;
    QueuePlace& operator=(const QueuePlace&) = delete;
    ~QueuePlace() {
      if (Slot* slot = leave()) pool_.restore(*slot);
    }

    PoolWaiter& waiter() noexcept { return *ticket_.waiter; }
    std::uint64_t turn() const noexcept { return ticket_.sequence; }

    /// Takes the place, and closes the connection that it replaces.
    /// @return false if the pool is closed.
    bool enqueue(std::string_view origin, Lease& replaced, CloseReason reason) {
      pool_.change([&](PoolActions& actions) {
        if (pool_.closed_) return;
        Slot* const dead = replaced ? &replaced.slot() : nullptr;
        pool_.state_.enqueue(ticket_, origin, Clock::now(), actions, dead, reason);
        queued_ = true;
        replaced.detach();
      });
      return queued_;
    }

    /// The result of the wait, read from the pool's own state, never from how the wait ended.
    Result<Slot*> outcome() {
      if (Slot* slot = leave()) {
        if (!deadline_.ended()) return slot;
        pool_.restore(*slot);
      }
      if (waiter().failure) return *waiter().failure;
      if (const std::error_code code = waiter().failed) {
        if (code.category() == errc_category()) return Error(static_cast<Errc>(code.value()));
        return Error(Errc::connect_failed, {}, code);
      }
      if (deadline_.ended()) return deadline_.error();
      return Error(Errc::cancelled);
    }

    Slot* leave() noexcept {
      deadline_.detach();
      if (!std::exchange(queued_, false)) return nullptr;
      Slot* slot = nullptr;
      pool_.change([&](PoolActions& actions) {
        note_phase();
        slot = pool_.state_.leave(ticket_, actions);
      });
      return slot;
    }

    /// Copies the phase of the dial that the ticket counts on to the call's deadline, so that
    /// errors name this phase.
    void note_phase() noexcept {
      if (!ticket_.dial) return;
      const Deadline* const dial = ticket_.dial->deadline;
      const Phase phase = dial ? dial->phase() : Phase::prepare;
      deadline_.follow(phase == Phase::prepare ? Phase::connect : phase);
    }

    DiallingPool& pool_;
    Deadline& deadline_;
    State::Ticket ticket_;
    bool queued_ = false;
  };

  void close(std::unique_ptr<PooledConnection> connection) noexcept {
    closed_count_.fetch_add(1, std::memory_order_relaxed);
    const std::string origin = std::move(connection->origin);
    Event event{Event::Kind::connection_closed};
    event.origin = origin;
    event.connection = connection->facts->id;
    event.reason = connection->close_reason;
    const auto opened = connection->opened;
    connection.reset();
    if (!options_.observer) return;
    event.duration = Clock::now() - opened;
    observe(options_.observer, event);
  }

  // ---- dialling ----

  /// A dial that has begun. The destructor ends the dial's place in the state, also when the
  /// coroutine is destroyed.
  class DialGuard {
   public:
    DialGuard(DiallingPool& pool, Slot* slot)
        : deadline(*pool.deadlines_, nullptr, nullptr, Clock::time_point::max(), no_timeout),
          number(slot->number),
          pool_(pool),
          slot_(slot) {}
    DialGuard(const DialGuard&) = delete;
    DialGuard& operator=(const DialGuard&) = delete;
    ~DialGuard() {
      if (slot_) fail(make_error_code(Errc::cancelled));
    }

    /// Makes the dial known to the state: from now on, giving up the dial ends its deadline.
    /// @return false if the dial was already given up.
    bool begin() {
      const std::lock_guard lock(pool_.mutex_);
      if (!slot_->host) return false;
      origin = slot_->host->key;
      slot_->deadline = &deadline;
      return true;
    }
    void succeed(std::unique_ptr<PooledConnection> connection) noexcept {
      const auto now = Clock::now();
      const Limits& limits = pool_.options_.limits;
      const auto expires = after(now, std::min(limits.idle_timeout, limits.max_lifetime));
      Slot& slot = *std::exchange(slot_, nullptr);
      pool_.change([&](PoolActions& d) {
        slot.deadline = nullptr;
        pool_.state_.dialled(slot, std::move(connection), now, expires, h1_capacity, d);
        if (expires < pool_.rings_at_) pool_.set_alarm();
      });
    }
    void fail(std::error_code code, const Error* error = nullptr) noexcept {
      if (error && pool_.options_.observer) {
        Event event{Event::Kind::connection_failed};
        event.origin = origin;
        event.number = number;
        event.error = error;
        observe(pool_.options_.observer, event);
      }
      pool_.fail_dial(*std::exchange(slot_, nullptr), code, error);
    }

    Deadline deadline;  // Known to the slot until the dial has ended.
    const std::uint64_t number;
    std::string origin;

   private:
    DiallingPool& pool_;
    Slot* slot_;
  };

  static std::error_code out_of_memory() noexcept {
    return std::make_error_code(std::errc::not_enough_memory);
  }

  void start_dial(Slot& slot) noexcept;

  /// Opens a connection. The task belongs to the pool, not to the waiter.
  /// @param is_nested true if the task begins inside another dial. A dial that fails at once begins
  ///   the next one, so the recursion would become as deep as the queue is long.
  static asio::awaitable<void> dial(std::shared_ptr<DiallingPool> self, Slot* slot,
                                    std::shared_ptr<PoolWaiter> waiter, bool is_nested) {
    DiallingPool& pool = *self;
    DialGuard guard(pool, slot);
    if (is_nested) co_await asio::post(pool.executor_, asio::use_awaitable);
    if (!guard.begin()) {
      guard.fail(make_error_code(Errc::cancelled));
      co_return;
    }
    if (pool.options_.observer) {
      Event event{Event::Kind::connection_opening};
      event.origin = guard.origin;
      event.number = guard.number;
      observe(pool.options_.observer, event);
    }
    const Proxy* const proxy = waiter->proxy;
    // The target is never changed, because the waiter may be dialled for again.
    DialContext context(guard.deadline, std::shared_ptr<const DialTarget>(waiter, &waiter->target));
    waiter.reset();
    Result<std::unique_ptr<Stream>> stream;
    std::unique_ptr<PooledConnection> connection;
    try {
      if (proxy) {
        auto tunnelled = co_await pool.reach(*proxy, context);
        stream = std::move(tunnelled);
      } else {
        auto connected = co_await pool.options_.connector->connect(context);
        stream = std::move(connected);
        require_stream(stream, Errc::connect_failed, "the connector");
      }
      if (stream && context.is_secure()) {
        auto secured = co_await pool.options_.tls->handshake(std::move(*stream), context);
        stream = std::move(secured);
        require_stream(stream, Errc::tls_failed, "the TLS context");
      }
      if (stream)
        connection = std::make_unique<PooledConnection>(std::move(*stream), std::move(guard.origin),
                                                        context);
    } catch (const std::bad_alloc&) {
      guard.deadline.finish();
      guard.fail(out_of_memory());
      co_return;
    } catch (const std::exception& e) {
      stream = Error(Errc::connect_failed, e.what());
    }
    guard.deadline.finish();
    if (!stream) {
      guard.fail(stream.error().code(), &stream.error());
      co_return;
    }
    pool.opened_.fetch_add(1, std::memory_order_relaxed);
    if (pool.options_.observer) {
      Event event{Event::Kind::connection_opened};
      event.origin = connection->origin;
      event.number = guard.number;
      event.connection = connection->facts->id;
      event.duration = context.resolved_in + context.connected_in + context.tls_time;
      event.tls = connection->facts->tls ? &*connection->facts->tls : nullptr;
      observe(pool.options_.observer, event);
    }
    guard.succeed(std::move(connection));
  }

  /// Opens a stream through a proxy: to the origin, or to a forwarding proxy.
  asio::awaitable<Result<std::unique_ptr<Stream>>> reach(const Proxy& proxy, DialContext& origin) {
    using Reached = Result<std::unique_ptr<Stream>>;
    if (proxy.failure) co_return Reached(*proxy.failure);
    std::optional<asio::ip::address> address;
    if (proxy.kind == Proxy::Kind::socks5) {
      const auto found = co_await dns_->lookup(origin);
      if (!found) co_return Reached(found.error());
      address = found->front();
    }
    for (ChallengeState asked;;) {
      DialContext context =
          origin.to_proxy(std::string(proxy.url.host()), proxy.port(), proxy.is_secure());
      auto stream = co_await options_.connector->connect(context);
      require_stream(stream, Errc::connect_failed, "the connector");
      if (stream && proxy.is_secure()) {
        auto secured = co_await options_.tls->handshake(std::move(*stream), context);
        stream = std::move(secured);
        require_stream(stream, Errc::tls_failed, "the TLS context");
      }
      origin.resolved_in += context.resolved_in;
      origin.connected_in += context.connected_in + context.tls_time;
      if (!stream) co_return stream;
      if (proxy.kind == Proxy::Kind::http && !origin.is_secure()) co_return stream;
      const auto begin = Clock::now();
      Tunnel tunnel(**stream, proxy, origin, asked);
      const LeavePhase leave{origin};
      if (!origin.enter(Phase::proxy, origin.connect_limit(), **stream))
        co_return Reached(origin.error());
      auto error = co_await tunnel.open(address);
      origin.connected_in += Clock::now() - begin;
      if (!error) co_return stream;
      if (origin.ended() || !tunnel.may_try_again()) co_return Reached(std::move(*error));
    }
  }

  const asio::any_io_executor executor_;
  mutable std::mutex mutex_;
  State state_;                   // Guarded by the mutex.
  std::vector<Waiter> drainers_;  // Guarded by the mutex.
  /// The time at which the alarm rings; `max()` if it is not set. If the timer would keep the
  /// program running, this is `min()`, so that no alarm is ever set. Guarded by the mutex.
  Clock::time_point rings_at_;
  ProcessMark process_;  // Guarded by the mutex.
  std::atomic<bool> closed_{false};
  std::atomic<std::uint64_t> opened_{0};
  std::atomic<std::uint64_t> closed_count_{0};
  std::atomic<std::uint64_t> failed_{0};
  const std::shared_ptr<DnsCache<Tcp>> dns_;
};

// Defined outside the class: functions defined inside are inline, and every user of an explicitly
// instantiated pool would compile them.

template <class Tcp, class Local>
DiallingPool<Tcp, Local>::DiallingPool(const asio::any_io_executor& executor, PoolOptions options)
    : PoolCore(std::move(options),
               std::make_shared<TimedDeadlineQueue<asio::steady_timer>>(executor)),
      executor_(executor),
      state_(options_.limits),
      rings_at_(deadlines_->waits_uncounted() ? Clock::time_point::max()
                                              : Clock::time_point::min()),
      dns_(std::make_shared<DnsCache<Tcp>>(options_.tcp)) {
  if (!H1Parser::is_strict())
    throw Error(Errc::invalid_option,
                "llhttp was built without its strict mode (LLHTTP_STRICT_MODE=1): it would let "
                "malformed responses pass");
  if (!options_.connector)
    options_.connector = std::make_shared<SocketConnector<Tcp, Local>>(options_.tcp, dns_);
}

template <class Tcp, class Local>
void DiallingPool<Tcp, Local>::start_dial(Slot& slot) noexcept {
  static thread_local bool is_starting = false;
  const bool is_nested = std::exchange(is_starting, true);
  try {
    asio::co_spawn(executor_,
                   dial(this->shared_from_this(), &slot, std::move(slot.dialled_for), is_nested),
                   asio::detached);
  } catch (...) {
    fail_dial(slot, out_of_memory());
  }
  is_starting = is_nested;
}

/// The pool over the system's sockets.
using SocketPool = DiallingPool<asio::ip::tcp, asio::local::stream_protocol>;

#if defined(FERRY_EXTERN)
FERRY_EXTERN template class DiallingPool<asio::ip::tcp, asio::local::stream_protocol>;
#endif

}  // namespace ferry::detail
