#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <openssl/bio.h>

#include <ferry/detail/base/block_cache.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/read_buffer.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The buffers of a TLS connection's encrypted bytes: received bytes that OpenSSL has not taken
/// yet, and bytes of OpenSSL that have not been sent yet. OpenSSL sees a `BIO`.
///
/// The buffers hold memory only while they hold bytes. Outgoing bytes stay at their address until
/// sent, even when more are added, because a write may be reading them.
class TlsBio {
 public:
  /// Maximum number of unsent bytes.
  static constexpr std::size_t capacity = 40 * 1024;

  TlsBio() = default;
  TlsBio(const TlsBio&) = delete;  // The BIO holds a pointer to this object.
  TlsBio& operator=(const TlsBio&) = delete;

  /// Makes the BIO.
  /// @return the BIO for `SSL_set_bio`, which takes its ownership. The BIO must not outlive this
  ///   object.
  BIO* make_bio() {
    BIO* const bio = BIO_new(method());
    if (!bio) throw std::bad_alloc();
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    return bio;
  }

  ReadBuffer in;

  asio::const_buffer outgoing() const noexcept {
    return asio::buffer(out_.get() + gone_, size_ - gone_);
  }
  void on_sent(std::size_t count) noexcept {
    gone_ += count;
    if (gone_ < size_) return;
    gone_ = size_ = 0;
    if (out_) BlockCache<capacity>::put(std::move(out_));
  }

 private:
  bool put(const char* data, std::size_t size) noexcept {
    try {
      if (!out_) out_ = BlockCache<capacity>::take();
    } catch (const std::bad_alloc&) {
      return false;
    }
    std::memcpy(out_.get() + size_, data, size);
    size_ += size;
    return true;
  }

  static TlsBio& of(BIO* bio) noexcept { return *static_cast<TlsBio*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* data, std::size_t size, std::size_t* count) noexcept {
    ReadBuffer& in = of(bio).in;
    BIO_clear_retry_flags(bio);
    *count = std::min(size, in.unread().size());
    if (*count == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(data, in.unread().data(), *count);
    in.take(*count);
    if (in.empty()) in.put_aside();
    return 1;
  }
  static int write(BIO* bio, const char* data, std::size_t size, std::size_t* count) noexcept {
    TlsBio& self = of(bio);
    BIO_clear_retry_flags(bio);
    *count = std::min(size, capacity - self.size_);
    if (*count == 0) {
      BIO_set_retry_write(bio);
      return 0;
    }
    return self.put(data, *count) ? 1 : 0;
  }
  static long control(BIO* bio, int command, long, void*) noexcept {
    switch (command) {
      case BIO_CTRL_FLUSH: return 1;
      case BIO_CTRL_PENDING: return static_cast<long>(of(bio).in.unread().size());
      case BIO_CTRL_WPENDING: return static_cast<long>(of(bio).outgoing().size());
      default: return 0;
    }
  }
  static const BIO_METHOD* method() {
    struct Free {
      void operator()(BIO_METHOD* made) const noexcept { BIO_meth_free(made); }
    };
    static const std::unique_ptr<BIO_METHOD, Free> ours = [] {
      std::unique_ptr<BIO_METHOD, Free> made(
          BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ferry"));
      if (!made) throw std::bad_alloc();
      BIO_meth_set_read_ex(made.get(), read);
      BIO_meth_set_write_ex(made.get(), write);
      BIO_meth_set_ctrl(made.get(), control);
      return made;
    }();
    return ours.get();
  }

  std::unique_ptr<char[]> out_;
  std::size_t size_ = 0;  // Bytes in `out_`.
  std::size_t gone_ = 0;  // Bytes of these already sent.
};

}  // namespace ferry::detail
