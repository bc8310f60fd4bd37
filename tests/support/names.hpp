#pragma once

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <ferry/connection_pool.hpp>
#include <ferry/detail/net/dns_cache.hpp>
#include <ferry/detail/net/lookup_threads.hpp>
#include <ferry/detail/net/tcp_connector.hpp>

namespace test {

/// Simulates a system whose look-ups block: all names are at 127.0.0.1, and look-ups of some block
/// until they are released. Blocked threads may outlive a test, so the object is shared.
class Names : public std::enable_shared_from_this<Names> {
 public:
  /// Makes look-ups of this name block from now on: all of them, or only the next one.
  void block(const std::string& name, bool once = false) {
    const std::lock_guard lock(mutex_);
    blocked_[name] = once;
  }
  /// Releases the look-ups of this name; later ones do not block.
  void let_go(const std::string& name) {
    const std::lock_guard lock(mutex_);
    blocked_.erase(name);
    waiting_.erase(name);
    changed_.notify_all();
  }

  /// Looks a name up, and blocks if asked to. Names that begin with "no" do not exist. In a child
  /// process no look-up blocks: the threads that wait here stayed in the parent.
  bool find(const std::string& name) {
    if (::getpid() != process_) return true;
    std::unique_lock lock(mutex_);
    ++asked_[name];
    most_ = std::max(most_, ++inside_);
    changed_.notify_all();
    if (const auto blocked = blocked_.find(name); blocked != blocked_.end()) {
      if (blocked->second) blocked_.erase(blocked);
      waiting_.insert(name);
      changed_.wait(lock, [&] { return !waiting_.contains(name); });
    }
    --inside_;
    changed_.notify_all();
    return !name.starts_with("no");
  }

  /// Waits until this name has been looked up this many times.
  void wait_asked(const std::string& name, int times) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return asked_[name] >= times; });
  }
  /// Waits until this many look-ups are in progress.
  void wait_inside(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ == count; });
  }
  int asked(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return asked_[name];
  }
  int most_at_once() {
    const std::lock_guard lock(mutex_);
    return most_;
  }

  /// A connector that looks names up here, on these threads.
  std::shared_ptr<ferry::Connector> connector(std::shared_ptr<ferry::detail::LookupThreads> threads,
                                              ferry::TcpOptions options = {}) {
    const auto find = [self = shared_from_this()](const std::string& name,
                                                  ferry::detail::Addresses& found) {
      if (!self->find(name)) return make_error_code(asio::error::host_not_found);
      found.push_back(asio::ip::address_v4::loopback());
      return std::error_code();
    };
    return std::make_shared<ferry::detail::TcpConnector>(
        options, std::make_shared<ferry::detail::DnsCache>(options, find, std::move(threads)));
  }

 private:
  const pid_t process_ = ::getpid();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, bool> blocked_;
  std::set<std::string> waiting_;
  std::map<std::string, int> asked_;
  int inside_ = 0;
  int most_ = 0;
};

}  // namespace test
