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

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/process.hpp>
#include <ferry/detail/time/one_shot_event.hpp>
#include <ferry/detail/time/work_budget.hpp>
#include <ferry/detail/tls/bio.hpp>
#include <ferry/stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

struct OpenSslFree {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};

/// TLS over any stream, by OpenSSL.
///
/// OpenSSL reads and writes buffers, and this class moves bytes between them and the stream below.
/// The class has three advantages over `asio::ssl::stream`: it works over every `Stream`, including
/// a tunnel or a test script; it can try without waiting, so a kept connection needs no more system
/// calls than without TLS; and `check_idle` can tell a late ticket from unsolicited data.
///
///     new --handshake--> secured --set_connected--> connected --close--> closed
///      |                    |                           |                  ^
///      |                    |                           +--> failed -------+
///      +--------------------+----------------------------------------------+
///        the handshake fails, or the certificate is refused
///
/// A connected stream is read and written in any order. Reading ends at the peer's close_notify. A
/// failed stream has `failure_` or `write_failure_`.
///
/// Invariants:
/// 1. A failure of TLS is kept in `failure_`, because OpenSSL gives the reason only once. A failed
///    write to the stream below is kept in `write_failure_`. Later operations report them again. A
///    failed read of the stream below is not kept: the next read asks that stream again.
/// 2. Encrypted bytes are sent in their order, and once. `unreported_` counts the plain bytes that
///    are encrypted, but of which the caller does not know yet that they are sent. The caller
///    passes these bytes again, and they are not encrypted again.
/// 3. One coroutine may read while another one writes, as `AsyncStream` does after an upgrade. To
///    read or write, OpenSSL may need both directions of the stream below, so flags mark that one
///    coroutine reads it (`is_receiving_`) or writes it (`is_being_written_`).
class TlsStream final : public Stream {
 public:
  /// @param owner the owner of the objects that `ssl` refers to, kept alive.
  TlsStream(std::unique_ptr<Stream> below, std::unique_ptr<SSL, OpenSslFree> ssl,
            std::shared_ptr<const void> owner)
      : below_(std::move(below)), owner_(std::move(owner)), ssl_(std::move(ssl)) {
    BIO* const bio = bio_.make_bio();
    SSL_set_bio(ssl_.get(), bio, bio);
  }
  ~TlsStream() override {
    close();
    // OpenSSL does not resume sessions of connections that did not end in both directions.
    if (connected_ && !failure_)
      SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }

  SSL* native_handle() noexcept { return ssl_.get(); }

  /// Does the handshake. After a failure, the alert has already been sent when this returns.
  asio::awaitable<void> handshake(std::error_code& error) {
    for (;;) {
      const Progress progress = outcome(SSL_do_handshake(prepared()), error);
      const std::error_code failure = error;
      while (outgoing().size() > 0) {
        const auto buffer = outgoing();
        const auto moved = co_await below_->write_some(std::span(&buffer, 1), error);
        if (error) break;
        bio_.on_sent(moved);
      }
      if (failure) error = failure;
      if (error || progress == Progress::done) co_return;
      if (progress == Progress::want_write) continue;
      const auto got = co_await below_->read_some(bio_.in.room(), error);
      if (!arrived(got, error)) co_return;
    }
  }
  /// Marks the stream as connected, after a successful handshake and checks.
  void set_connected(TlsInfo info) {
    info_ = std::move(info);
    connected_ = true;
  }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                         std::error_code& error) override {
    if (budget_.is_used_up()) co_await budget_.renew();
    for (;;) {
      std::size_t count = 0;
      const Progress progress = decrypt(buffer, count, error);
      budget_.spend(count);
      if (progress != Progress::want_read) co_return count;
      if (is_receiving_) {
        co_await other_has_received();
        continue;
      }
      const Receiving mark(*this);
      const auto got = co_await below_->read_some(bio_.in.room(), error);
      budget_.spend_awaited(got);
      if (!arrived(got, error)) co_return 0;
    }
  }
  std::size_t try_read_some(asio::mutable_buffer buffer, std::error_code& error) noexcept override {
    for (int i = 0; i < most_tries; ++i) {
      std::size_t count = 0;
      const Progress progress = decrypt(buffer, count, error);
      if (progress != Progress::want_read) return count;
      if (!try_receive(error)) return 0;
    }
    error = asio::error::would_block;  // Let other coroutines run.
    return 0;
  }

  asio::awaitable<bool> wait_readable(std::chrono::steady_clock::time_point until) override {
    return below_->wait_readable(until);
  }

  /// Encrypted bytes must be sent, and cannot be encrypted anew. The caller comes again with the
  /// same bytes, so the result counts only those bytes that have surely been sent.
  std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                             std::error_code& error) noexcept override {
    error.clear();
    if (unreported_ == 0 && (!flush(error) || !encrypt(buffers, error))) return 0;
    const bool flushed = flush(error);
    // There are at least as many encrypted bytes as plain ones.
    const std::size_t held_back = flushed ? 0 : std::min(unreported_, outgoing().size());
    const std::size_t gone = unreported_ - held_back;
    unreported_ = held_back;
    if (gone > 0) error.clear();  // The next call meets the error again.
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
    if (buffer.size() == 0) {  // OpenSSL wants input, or room was made meanwhile.
      if (wants_input_) co_await receive_to_write(error);
      co_return 0;
    }
    const auto moved = co_await below_->write_some_or_wait_readable(std::span(&buffer, 1), error);
    written(moved, error);
    co_return 0;
  }

  /// Takes in records without data: a server may send tickets and key updates at any time.
  IdleState check_idle() noexcept override {
    for (int i = 0; i < most_tries; ++i) {
      char byte;
      std::size_t count = 0;
      std::error_code error;
      if (failure_) return IdleState::closed;
      const Progress progress =
          checked(wants_read() ? Progress::want_read
                               : outcome(SSL_peek_ex(prepared(), &byte, 1, &count), error),
                  error);
      if (progress == Progress::done) return IdleState::unexpected_data;
      if (progress == Progress::failed) return IdleState::closed;
      if (!try_receive(error))
        return error == asio::error::would_block ? IdleState::quiet : IdleState::closed;
    }
    return IdleState::unexpected_data;  // No server has so many tickets to give.
  }

  void close() noexcept override {
    // Sends its half of a proper end, without waiting for the other half (RFC 8446 6.1). In a child
    // process the connection is the parent's to end.
    if (process_.is_current() && below_->is_open() && connected_ && !failure_ && unreported_ == 0) {
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
  /// Upper bound for the heads, paddings and tags of so many bytes, even in records of 512 bytes.
  static constexpr std::size_t overhead = 4 * 1024;
  static constexpr int batch = 2;  ///< Number of records encrypted at a time.
  static_assert(TlsBio::capacity >= batch * (record + overhead));
  static constexpr int most_tries = 64;

  /// The result of an OpenSSL operation: `want_read` wants more input, `want_write` wants room for
  /// output.
  enum class Progress { done, want_read, want_write, failed };

  /// Clears OpenSSL's error queue before an operation: the queue belongs to the thread, and other
  /// code may have left errors in it.
  SSL* prepared() noexcept {
    if (ERR_peek_error() != 0) ERR_clear_error();  // Clearing takes longer than checking.
    return ssl_.get();
  }

  /// True if OpenSSL has seen all received bytes. Asking OpenSSL to read costs as much as a record.
  bool wants_read() const noexcept {
    SSL* const ssl = ssl_.get();
    return bio_.in.empty() && SSL_has_pending(ssl) == 0 &&
           (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) == 0;
  }

  Progress outcome(int result, std::error_code& error) noexcept {
    error.clear();
    if (result > 0) return Progress::done;
    const int why = SSL_get_error(ssl_.get(), result);
    if (why == SSL_ERROR_WANT_READ) return Progress::want_read;
    if (why == SSL_ERROR_WANT_WRITE) return Progress::want_write;
    if (why == SSL_ERROR_ZERO_RETURN) {
      error = asio::error::eof;
      return Progress::failed;
    }
    const auto code = static_cast<int>(ERR_get_error());
    ERR_clear_error();
    error = asio::ssl::error::unexpected_result;
    if (code != 0) error = {code, asio::error::get_ssl_category()};
    failure_ = error;  // OpenSSL gives its reason only once.
    return Progress::failed;
  }

  /// Sends answers to key updates, as far as possible without waiting. A peer that lets them pile
  /// up is treated as failed.
  Progress checked(Progress progress, std::error_code& error) noexcept {
    std::error_code ignored;  // The next write meets the error again.
    flush(ignored);
    if (progress != Progress::want_write) return progress;
    error = failure_ = asio::error::no_buffer_space;
    return Progress::failed;
  }

  Progress decrypt(asio::mutable_buffer buffer, std::size_t& count,
                   std::error_code& error) noexcept {
    error = failure_;
    if (failure_) return Progress::failed;
    if (wants_read()) return checked(Progress::want_read, error);
    return checked(outcome(SSL_read_ex(prepared(), buffer.data(), buffer.size(), &count), error),
                   error);
  }

  /// Marks the stream below as being read. Its destructor wakes the coroutine that waits for that.
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
  /// Receives bytes before a write: OpenSSL has the beginning of a message without data, such as a
  /// ticket, and writes nothing before it has the rest.
  asio::awaitable<void> receive_to_write(std::error_code& error) {
    error.clear();
    if (is_receiving_) {
      co_await other_has_received();
    } else {
      const Receiving mark(*this);
      const auto got = co_await below_->read_some(bio_.in.room(), error);
      arrived(got, error);
    }
  }
  /// Waits for the other coroutine's read: the reader and the writer may both need the next bytes,
  /// and only one of them receives.
  asio::awaitable<void> other_has_received() {
    const auto received = std::make_shared<OneShotEvent>();
    other_ = received;
    co_await received->wait();
  }

  /// Takes in the result of a read from the stream below.
  /// @return false if no bytes have come.
  bool arrived(std::size_t count, std::error_code& error) noexcept {
    if (!error) {
      wants_input_ = false;
      bio_.in.fill(count);
    } else if (bio_.in.empty()) {
      bio_.in.put_aside();
    }
    // The stream below has ended without a closing alert from the peer (RFC 9112 9.8).
    if (error == asio::error::eof) error = asio::ssl::error::stream_truncated;
    return !error;
  }
  /// Reads available bytes from the stream below.
  /// @return false if there are none.
  bool try_receive(std::error_code& error) noexcept {
    std::size_t count = 0;
    try {
      count = below_->try_read_some(bio_.in.room(), error);
    } catch (const std::bad_alloc&) {
      error = asio::error::no_memory;
    }
    return arrived(count, error);
  }

  /// Encrypted bytes that the stream below has not taken yet.
  asio::const_buffer outgoing() const noexcept { return bio_.outgoing(); }
  /// Takes in the result of a write to the stream below. A failure is kept, so that the rest is
  /// never sent: it would complete a record that the caller was told had not been sent.
  bool written(std::size_t count, std::error_code error) noexcept {
    if (!error)
      bio_.on_sent(count);
    else if (error != asio::error::would_block)
      write_failure_ = error;
    return !error;
  }
  /// Sends encrypted bytes without waiting.
  /// @return true if nothing is left to send.
  bool flush(std::error_code& error) noexcept {
    error = write_failure_;
    // Another writer is sending them.
    if (!error && is_being_written_) error = asio::error::would_block;
    while (!error) {
      const auto buffer = outgoing();
      if (buffer.size() == 0) return true;
      const auto moved = below_->try_write_some(std::span(&buffer, 1), error);
      written(moved, error);
    }
    return false;
  }

  /// Encrypts the first bytes of these buffers into records.
  bool encrypt(std::span<const asio::const_buffer> buffers, std::error_code& error) noexcept {
    error = failure_;
    if (failure_) return false;
    std::array<char, record> gathered;
    asio::const_buffer rest = buffers.front();
    if (buffers.size() > 1)  // A head and the beginning of its body go into one record.
      rest = asio::buffer(gathered.data(), asio::buffer_copy(asio::buffer(gathered), buffers));
    for (int i = 0; i < batch && rest.size() > 0; ++i) {
      std::size_t count = std::min(record, rest.size());
      const Progress progress =
          outcome(SSL_write_ex(prepared(), rest.data(), count, &count), error);
      if (progress == Progress::want_read) {
        wants_input_ = true;
        error = asio::error::would_block;
        return i > 0;
      }
      if (progress != Progress::done) {
        if (!error) error = failure_ = asio::ssl::error::unexpected_result;
        return false;
      }
      rest += count;
      unreported_ += count;
    }
    return true;
  }

  std::unique_ptr<Stream> below_;
  std::shared_ptr<const void> owner_;
  TlsBio bio_;  // Outlives its BIO, which OpenSSL owns.
  std::unique_ptr<SSL, OpenSslFree> ssl_;
  WorkBudget budget_;  // Budget for awaited operations, which may complete without waiting.
  std::size_t unreported_ = 0;  // Plain bytes that are encrypted but not yet reported to a caller.
  std::error_code failure_;     // Failure of TLS itself, which has then ended.
  std::error_code write_failure_;  // Failure of the stream below.
  bool is_receiving_ = false;
  std::shared_ptr<OneShotEvent> other_;  // The waiter for the other coroutine's read.
  bool wants_input_ = false;             // True if OpenSSL needs input before it writes.
  bool is_being_written_ = false;        // True while a waiting writer sends the outgoing bytes.
  bool connected_ = false;
  std::optional<TlsInfo> info_;
  ProcessMark process_;
};

}  // namespace ferry::detail
