#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <openssl/ssl.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Cache of sessions that servers have offered to resume (RFC 8446 2.2), by `host:port`.
///
/// Threads: any number of threads may use the cache at the same time.
class TlsSessions {
 public:
  struct Free {
    void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
  };
  using Session = std::unique_ptr<SSL_SESSION, Free>;

  /// Keeps a session; drops an old one if there are too many.
  void put(const std::string& key, Session session) {
    const std::lock_guard lock(mutex_);
    const auto is_same = [&key](const auto& entry) { return entry.first == key; };
    if (std::count_if(sessions_.begin(), sessions_.end(), is_same) >= most_per_key)
      sessions_.erase(std::find_if(sessions_.begin(), sessions_.end(), is_same));
    else if (sessions_.size() >= most)
      sessions_.erase(sessions_.begin());
    sessions_.emplace_back(key, std::move(session));
  }

  /// Returns the newest session for this key, or null. A TLS 1.3 ticket is used only once, so that
  /// an eavesdropper cannot tell that two connections come from the same client (RFC 8446 C.4).
  Session take(std::string_view key) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(sessions_.rbegin(), sessions_.rend(),
                                    [key](const auto& entry) { return entry.first == key; });
    if (found == sessions_.rend()) return nullptr;
    if (SSL_SESSION_get_protocol_version(found->second.get()) < TLS1_3_VERSION &&
        SSL_SESSION_is_resumable(found->second.get())) {
      SSL_SESSION_up_ref(found->second.get());
      return Session(found->second.get());
    }
    Session session = std::move(found->second);
    sessions_.erase(std::next(found).base());
    return session;
  }

 private:
  static constexpr std::size_t most = 256;
  static constexpr std::ptrdiff_t most_per_key = 4;

  std::mutex mutex_;
  std::vector<std::pair<std::string, Session>> sessions_;  // Newest last.
};

}  // namespace ferry::detail
