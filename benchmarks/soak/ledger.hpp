#pragma once

/// @file
/// `Ledger`: what client and server each know of every request, to be compared; `Findings`: where
/// the two do not agree.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "plan.hpp"

namespace soak {

using Clock = std::chrono::steady_clock;

/// What must not happen. Threads: every member may be called from any thread.
class Findings {
 public:
  enum Kind : std::size_t {
    wrong,    ///< A response or a request came to the wrong one, or not as it was sent.
    lost,     ///< A request ended without its answer, and nothing that the server did explains it.
    doubled,  ///< A request was read more often than it may be, or than the client says.
  };
  static constexpr std::array<const char*, 3> names{"wrong", "lost", "doubled"};

  void add(Kind kind, Token token, const std::string& what) {
    ++counts_[kind];
    const std::lock_guard lock{mutex_};
    if (examples_.size() < most_examples)
      examples_.push_back(std::string{names[kind]} + ": request " + to_string(token) + ": " + what);
  }

  std::uint64_t count(Kind kind) const noexcept { return counts_[kind]; }
  bool empty() const noexcept {
    return std::all_of(counts_.begin(), counts_.end(), [](const auto& n) { return n == 0; });
  }
  /// The first ones, a line each.
  std::vector<std::string> examples() const {
    const std::lock_guard lock{mutex_};
    return examples_;
  }

 private:
  static constexpr std::size_t most_examples = 20;

  std::array<std::atomic<std::uint64_t>, 3> counts_{};
  mutable std::mutex mutex_;
  std::vector<std::string> examples_;
};

/// What is known of one request.
struct Entry {
  std::uint32_t serial = 0;
  Verb verb = Verb::get;
  int seen = 0;      ///< How often the server has read its head.
  int read = 0;      ///< How often the server has read it whole.
  int attempts = 0;  ///< How often the client says that it was sent; 0 while it is under way.
  bool is_doubled = false;
  Clock::time_point answered{};  ///< When the server had written an answer whole.
};

/// The books of all requests. Its size does not depend on how many there are: each worker has one
/// request at a time, and the entries of its last few are kept for what the server reads late.
///
/// Threads: every member may be called from any thread. The locks are the workers' own, so that
/// they do not put the client's threads in an order that would hide a race from TSan.
class Ledger {
 public:
  Ledger(std::size_t workers, Findings& findings) : books_(workers), findings_{findings} {}

  /// A worker begins a request.
  void issue(Token token, Verb verb) {
    Book& book = books_[token.worker];
    const std::lock_guard lock{book.mutex};
    book.entries[token.serial % kept] = Entry{.serial = token.serial, .verb = verb};
    ++issued_;
  }

  /// The server has read a request's head. @return which time that was, or 0 if there is no such
  /// request.
  int see(Token token) {
    int nth = 0;
    const bool known = at(token, [&](Entry& entry) {
      nth = ++entry.seen;
      check_reads(token, entry);
    });
    if (!known) findings_.add(Findings::wrong, token, "the server read it, but nobody had sent it");
    return nth;
  }

  /// The server has read a request whole.
  void read(Token token) {
    at(token, [&](Entry& entry) {
      ++entry.read;
      check_reads(token, entry);
    });
  }

  /// The server has written its answer whole, and the connection stays sound until the client can
  /// have read it.
  void answer(Token token) {
    at(token, [](Entry& entry) { entry.answered = Clock::now(); });
  }

  /// The request has ended for the client, after as many attempts. @return what is known of it.
  Entry settle(Token token, int attempts) {
    Entry result;
    at(token, [&](Entry& entry) {
      if (entry.attempts > 0) findings_.add(Findings::doubled, token, "it completed twice");
      entry.attempts = attempts;
      check_reads(token, entry);
      result = entry;
    });
    ++settled_;
    return result;
  }

  std::uint64_t issued() const noexcept { return issued_; }
  std::uint64_t settled() const noexcept { return settled_; }

 private:
  static constexpr std::size_t kept = 16;

  struct Book {
    std::mutex mutex;
    std::array<Entry, kept> entries{};
  };

  template <class Change>
  bool at(Token token, Change change) {
    if (token.worker >= books_.size()) return false;
    Book& book = books_[token.worker];
    const std::lock_guard lock{book.mutex};
    Entry& entry = book.entries[token.serial % kept];
    if (entry.serial != token.serial || token.serial == 0) return false;
    change(entry);
    return true;
  }

  /// What has been seen in part counts: the server could have acted on it. So does what is read
  /// after the request has ended, such as one that was cancelled when it had been sent.
  void check_reads(Token token, Entry& entry) {
    const int most = entry.attempts > 0 ? std::min(entry.attempts, most_reads(entry.verb))
                                        : most_reads(entry.verb);
    const int count = std::max(entry.seen, entry.read);
    if (count <= most || std::exchange(entry.is_doubled, true)) return;
    const std::string sent = entry.attempts > 0
                                 ? "sent " + std::to_string(entry.attempts) + " times"
                                 : std::string{"under way"};
    findings_.add(Findings::doubled, token, "read " + std::to_string(count) + " times, " + sent);
  }

  std::vector<Book> books_;
  Findings& findings_;
  std::atomic<std::uint64_t> issued_{0};
  std::atomic<std::uint64_t> settled_{0};
};

}  // namespace soak
