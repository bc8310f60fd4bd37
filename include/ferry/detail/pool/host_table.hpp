#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The keys of a pool, each with its `Host`. A part of `PoolState`.
///
/// A key that has neither a connection nor a waiter is remembered for `Host::opened`, as long as
/// there are not many keys.
template <class Host>
class HostTable {
 public:
  std::size_t size() const noexcept { return hosts_.size(); }

  /// The state of this key, or null. The key found last is tried first, because most clients ask
  /// for the same key again.
  Host* find(std::string_view key) noexcept {
    if (last_ && last_->key == key) return last_;
    const auto found = hosts_.find(key);
    return found == hosts_.end() ? nullptr : last_ = &found->second;
  }
  const Host* find(std::string_view key) const {
    const auto found = hosts_.find(key);
    return found == hosts_.end() ? nullptr : &found->second;
  }
  Host& add(std::string_view key) {
    return hosts_.try_emplace(std::string(key), key).first->second;
  }
  void forget_if_empty(Host& host) noexcept {
    if (host.slots > 0 || !host.queue.empty() || hosts_.size() <= max_empty) return;
    if (last_ == &host) last_ = nullptr;
    hosts_.erase(hosts_.find(host.key));
  }

  template <class Function>
  void for_each(Function function) {
    for (auto& [key, host] : hosts_) function(host);
  }
  template <class Function>
  void for_each(Function function) const {
    for (const auto& [key, host] : hosts_) function(host);
  }

 private:
  struct KeyHash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  /// Maximum number of keys that are remembered without a connection.
  static constexpr std::size_t max_empty = 256;

  std::unordered_map<std::string, Host, KeyHash, std::equal_to<>> hosts_;
  Host* last_ = nullptr;  // The host found last; null or an element of `hosts_`.
};

}  // namespace ferry::detail
