#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <optional>
#include <string>
#include <utility>

#include <asio/ssl/error.hpp>

#include <ferry/detail/base/process.hpp>
#include <ferry/detail/time/wakeup.hpp>
#include <ferry/detail/time/work_budget.hpp>
#include <ferry/detail/tls/bio.hpp>
#include <ferry/stream.hpp>

namespace ferry::detail {

struct OpenSslFree {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};

/// TLS over any stream, spoken by OpenSSL.
///
/// OpenSSL reads and writes buffers; this moves bytes between them and the stream below. That it is
/// not `asio::ssl::stream` has three reasons: it works over whatever a `Stream` is, a tunnel or a
/// script included; it can try without waiting, so that a kept connection costs the same system
/// calls as without TLS; and a look can tell a late ticket from bytes that nobody asked for.
class TlsStream final : public Stream {
 public:
  /// @param owner what `ssl` depends on, kept alive.
  TlsStream(std::unique_ptr<Stream> below, std::unique_ptr<SSL, OpenSslFree> ssl,
            std::shared_ptr<const void> owner)
      : below_(std::move(below)), owner_(std::move(owner)), ssl_(std::move(ssl)) {
    BIO* const bio = wire_.make_bio();
    SSL_set_bio(ssl_.get(), bio, bio);
  }
  ~TlsStream() override {
    close();
    // OpenSSL forbids to resume sessions of connections that did not end in both directions.
    if (connected_ && !failure_)
      SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }

  SSL* native_handle() noexcept { return ssl_.get(); }

  /// Does the handshake. What was to be said of a failure, an alert, has been said when it returns.
  asio::awaitable<void> handshake(std::error_code& error) {
    for (;;) {
      const Step step = outcome(SSL_do_handshake(prepared()), error);
      const std::error_code failure = error;
      while (outgoing().size() > 0) {
        const auto buffer = outgoing();
        const auto moved = co_await below_->write_some(std::span(&buffer, 1), error);
        if (error) break;
        wire_.went(moved);
      }
      if (failure) error = failure;
      if (error || step == Step::done) co_return;
      if (step == Step::full) continue;
      const auto got = co_await below_->read_some(wire_.in.room(), error);
      if (!arrived(got, error)) co_return;
    }
  }
  /// The handshake has succeeded, and what it came to is good.
  void set_connected(TlsInfo info) {
    info_ = std::move(info);
    connected_ = true;
  }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                         std::error_code& error) override {
    if (budget_.is_used_up()) co_await budget_.renew();
    for (;;) {
      std::size_t count = 0;
      const Step step = decrypt(buffer, count, error);
      budget_.spend(count);
      if (step != Step::starved) co_return count;
      if (is_receiving_) {
        co_await other_has_received();
        continue;
      }
      const Receiving mark(*this);
      const auto got = co_await below_->read_some(wire_.in.room(), error);
      budget_.spend_awaited(got);
      if (!arrived(got, error)) co_return 0;
    }
  }
  std::size_t try_read_some(asio::mutable_buffer buffer, std::error_code& error) noexcept override {
    for (int i = 0; i < most_tries; ++i) {
      std::size_t count = 0;
      const Step step = decrypt(buffer, count, error);
      if (step != Step::starved) return count;
      if (!try_receive(error)) return 0;
    }
    error = asio::error::would_block;  // Others want their turn.
    return 0;
  }

  asio::awaitable<bool> wait_readable(std::chrono::steady_clock::time_point until) override {
    return below_->wait_readable(until);
  }

  /// What has been encrypted has to be sent, and cannot be encrypted anew: so the caller, who will
  /// come again with the same bytes, is told of no more of them than have surely gone.
  std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                             std::error_code& error) noexcept override {
    error.clear();
    if (sealed_ == 0 && (!flush(error) || !encrypt(buffers, error))) return 0;
    const bool flushed = flush(error);
    // There are no fewer encrypted bytes than plain ones.
    const std::size_t held_back = flushed ? 0 : std::min(sealed_, outgoing().size());
    const std::size_t gone = sealed_ - held_back;
    sealed_ = held_back;
    if (gone > 0) error.clear();  // The next call meets it again.
    return gone;
  }
  asio::awaitable<std::size_t> write_some(std::span<const asio::const_buffer> buffers,
                                          std::error_code& error) override {
    if (budget_.is_used_up()) co_await budget_.renew();
    for (;;) {
      const auto count = try_write_some(buffers, error);
      budget_.spend(count);
      if (error != asio::error::would_block) co_return count;
      const auto buffer = outgoing();
      if (buffer.size() == 0) {
        co_await receive_to_write(error);
        if (error) co_return 0;
        continue;
      }
      is_being_written_ = true;
      const auto moved = co_await below_->write_some(std::span(&buffer, 1), error);
      is_being_written_ = false;
      budget_.spend_awaited(moved);
      if (!written(moved, error)) co_return 0;
    }
  }
  asio::awaitable<std::size_t> write_some_or_wait_readable(std::span<const asio::const_buffer>,
                                                           std::error_code& error) override {
    const auto buffer = outgoing();
    if (buffer.size() == 0) {  // Unless something has made room since.
      if (wants_input_) co_await receive_to_write(error);
      co_return 0;
    }
    const auto moved = co_await below_->write_some_or_wait_readable(std::span(&buffer, 1), error);
    written(moved, error);
    co_return 0;
  }

  /// Takes in what is no data: tickets and key updates come when it suits the server.
  Look look() noexcept override {
    for (int i = 0; i < most_tries; ++i) {
      char byte;
      std::size_t count = 0;
      std::error_code error;
      if (failure_) return Look::closed;
      const Step step = checked(
          is_starved() ? Step::starved : outcome(SSL_peek_ex(prepared(), &byte, 1, &count), error),
          error);
      if (step == Step::done) return Look::surplus;
      if (step == Step::failed) return Look::closed;
      if (!try_receive(error))
        return error == asio::error::would_block ? Look::quiet : Look::closed;
    }
    return Look::surplus;  // Nobody has so many tickets to give.
  }

  void close() noexcept override {
    // Half of a proper end, without waiting for the other half (RFC 8446 6.1).
    // In a child process it is the parent's to end.
    if (process_.is_current() && below_->is_open() && connected_ && !failure_ && sealed_ == 0) {
      SSL_shutdown(prepared());
      std::error_code ignored;
      flush(ignored);
    }
    below_->close();
  }
  void abort() noexcept override { below_->abort(); }
  bool is_open() const noexcept override { return below_->is_open(); }

  std::string local_endpoint() const override { return below_->local_endpoint(); }
  std::string remote_endpoint() const override { return below_->remote_endpoint(); }
  std::optional<TlsInfo> tls() const override { return info_; }

 private:
  static constexpr std::size_t record = 16 * 1024;
  /// More than the heads, paddings and tags of so much take, also in records of 512 bytes.
  static constexpr std::size_t overhead = 4 * 1024;
  static constexpr int batch = 2;  ///< Records that are encrypted at a time.
  static_assert(TlsWire::capacity >= batch * (record + overhead));
  static constexpr int most_tries = 64;

  /// What an operation of OpenSSL's came to: it may want bytes, or room for them.
  enum class Step { done, starved, full, failed };

  /// OpenSSL's errors are in a queue of the thread's, in which somebody else may have left theirs.
  SSL* prepared() noexcept {
    if (ERR_peek_error() != 0) ERR_clear_error();  // Which takes longer than to look.
    return ssl_.get();
  }

  /// Nothing has come that OpenSSL has not seen: to be told so by itself costs as much as a record.
  bool is_starved() const noexcept {
    SSL* const ssl = ssl_.get();
    return wire_.in.empty() && SSL_has_pending(ssl) == 0 &&
           (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) == 0;
  }

  Step outcome(int result, std::error_code& error) noexcept {
    error.clear();
    if (result > 0) return Step::done;
    const int why = SSL_get_error(ssl_.get(), result);
    if (why == SSL_ERROR_WANT_READ) return Step::starved;
    if (why == SSL_ERROR_WANT_WRITE) return Step::full;
    if (why == SSL_ERROR_ZERO_RETURN) {
      error = asio::error::eof;
      return Step::failed;
    }
    const auto code = static_cast<int>(ERR_get_error());
    ERR_clear_error();
    error = asio::ssl::error::unexpected_result;
    if (code != 0) error = {code, asio::error::get_ssl_category()};
    failure_ = error;  // OpenSSL gives its reason once only.
    return Step::failed;
  }

  /// Sends answers to key updates, as far as that goes without waiting. A peer that lets them pile
  /// up has no use for them.
  Step checked(Step step, std::error_code& error) noexcept {
    std::error_code ignored;  // The next write meets it again.
    flush(ignored);
    if (step != Step::full) return step;
    error = failure_ = asio::error::no_buffer_space;
    return Step::failed;
  }

  Step decrypt(asio::mutable_buffer buffer, std::size_t& count, std::error_code& error) noexcept {
    error = failure_;
    if (failure_) return Step::failed;
    if (is_starved()) return checked(Step::starved, error);
    return checked(outcome(SSL_read_ex(prepared(), buffer.data(), buffer.size(), &count), error),
                   error);
  }

  /// While it exists, the stream below is being read; then whoever waits for that goes on.
  class Receiving {
   public:
    explicit Receiving(TlsStream& self) noexcept : self_(self) { self_.is_receiving_ = true; }
    Receiving(const Receiving&) = delete;
    Receiving& operator=(const Receiving&) = delete;
    ~Receiving() {
      self_.is_receiving_ = false;
      if (self_.other_) self_.other_->fire();
    }

   private:
    TlsStream& self_;
  };
  /// OpenSSL has the beginning of a message that is no data, a ticket, and writes nothing before it
  /// has seen the rest.
  asio::awaitable<void> receive_to_write(std::error_code& error) {
    error.clear();
    if (is_receiving_) {
      co_await other_has_received();
    } else {
      const Receiving mark(*this);
      const auto got = co_await below_->read_some(wire_.in.room(), error);
      arrived(got, error);
    }
  }
  /// Whoever reads and whoever writes may both want what comes; one of them receives it.
  asio::awaitable<void> other_has_received() {
    const auto received = std::make_shared<Wakeup>();
    other_ = received;
    co_await received->wait();
  }

  /// Bytes have come from the stream below. @return false if they have not.
  bool arrived(std::size_t count, std::error_code& error) noexcept {
    if (!error) {
      wants_input_ = false;
      wire_.in.fill(count);
    } else if (wire_.in.empty()) {
      wire_.in.put_aside();
    }
    // The stream below has ended, and the peer had not said that it would (RFC 9112 9.8).
    if (error == asio::error::eof) error = asio::ssl::error::stream_truncated;
    return !error;
  }
  /// Takes what is there from the stream below. @return false if there is nothing.
  bool try_receive(std::error_code& error) noexcept {
    std::size_t count = 0;
    try {
      count = below_->try_read_some(wire_.in.room(), error);
    } catch (const std::bad_alloc&) {
      error = asio::error::no_memory;
    }
    return arrived(count, error);
  }

  /// Encrypted bytes that the stream below has not taken yet.
  asio::const_buffer outgoing() const noexcept { return wire_.outgoing(); }
  /// The stream below has taken them, or it has failed: then a rest that it might take later would
  /// make a record whole of which the caller was told that it has not gone.
  bool written(std::size_t count, std::error_code error) noexcept {
    if (!error)
      wire_.went(count);
    else if (error != asio::error::would_block)
      write_failure_ = error;
    return !error;
  }
  /// @return true if nothing is left to be sent.
  bool flush(std::error_code& error) noexcept {
    error = write_failure_;
    if (!error && is_being_written_) error = asio::error::would_block;  // Not twice.
    while (!error) {
      const auto buffer = outgoing();
      if (buffer.size() == 0) return true;
      const auto moved = below_->try_write_some(std::span(&buffer, 1), error);
      written(moved, error);
    }
    return false;
  }

  /// Makes records of what is first in these buffers.
  bool encrypt(std::span<const asio::const_buffer> buffers, std::error_code& error) noexcept {
    error = failure_;
    if (failure_) return false;
    std::array<char, record> gathered;
    asio::const_buffer rest = buffers.front();
    if (buffers.size() > 1)  // A head and the beginning of its body go in one record.
      rest = asio::buffer(gathered.data(), asio::buffer_copy(asio::buffer(gathered), buffers));
    for (int i = 0; i < batch && rest.size() > 0; ++i) {
      std::size_t count = std::min(record, rest.size());
      const Step step = outcome(SSL_write_ex(prepared(), rest.data(), count, &count), error);
      if (step == Step::starved) {
        wants_input_ = true;
        error = asio::error::would_block;
        return i > 0;
      }
      if (step != Step::done) {
        if (!error) error = failure_ = asio::ssl::error::unexpected_result;
        return false;
      }
      rest += count;
      sealed_ += count;
    }
    return true;
  }

  std::unique_ptr<Stream> below_;
  std::shared_ptr<const void> owner_;
  TlsWire wire_;  // Outlives its BIO, which OpenSSL owns.
  std::unique_ptr<SSL, OpenSslFree> ssl_;
  WorkBudget budget_;        // Of awaited operations, which need not wait where data are there.
  std::size_t sealed_ = 0;   // Plain bytes that were encrypted, and of which no caller knows yet.
  std::error_code failure_;  // Of TLS itself, which then has ended.
  std::error_code write_failure_;  // Of the stream below.
  bool is_receiving_ = false;
  std::shared_ptr<Wakeup> other_;  // Who waits for that.
  bool wants_input_ = false;       // OpenSSL, before it writes anything.
  bool is_being_written_ = false;  // Something outgoing, by a writer that waits while others read.
  bool connected_ = false;
  std::optional<TlsInfo> info_;
  ProcessMark process_;
};

}  // namespace ferry::detail
