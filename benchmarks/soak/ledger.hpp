#pragma once

/// @file
/// `Ledger`: the knowledge of client and server about every request, to be compared; `Findings`:
/// the cases in which they disagree.

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

/// Events that must not happen. Threads: every member may be called from any thread.
class Findings {
 public:
  enum Kind : std::size_t {
    wrong,    ///< A request or response reached the wrong receiver, or was changed.
    lost,     ///< A request ended without its answer, and no action of the server explains this.
    doubled,  ///< A request was read more often than allowed, or than the client says.
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
  /// The first findings, one on each line.
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

/// The facts known about one request.
struct Entry {
  std::uint32_t serial = 0;
  Verb verb = Verb::get;
  int seen = 0;      ///< Number of times that the server has read its head.
  int read = 0;      ///< Number of times that the server has read it completely.
  int attempts = 0;  ///< Number of times that the client says it was sent; 0 while the request is
                     ///< in progress.
  bool is_doubled = false;
  Clock::time_point answered{};  ///< The time at which the server had written a complete answer.
};

/// The entries of all requests. The ledger's size does not depend on the number of requests: each
/// worker has one request at a time, and the entries of its last few are kept for requests that the
/// server reads late.
///
/// Threads: every member may be called from any thread. Each worker has its own lock, so that the
/// locks do not order the client's threads and hide a race from TSan.
class Ledger {
 public:
  Ledger(std::size_t workers, Findings& findings) : books_(workers), findings_{findings} {}

  /// Enters a new request of a worker.
  void issue(Token token, Verb verb) {
    Book& book = books_[token.worker];
    const std::lock_guard lock{book.mutex};
    book.entries[token.serial % kept] = Entry{.serial = token.serial, .verb = verb};
    ++issued_;
  }

  /// Enters that the server has read a request's head. @return the number of times, this one
  /// included, or 0 if there is no such request.
  int see(Token token) {
    int nth = 0;
    const bool known = at(token, [&](Entry& entry) {
      nth = ++entry.seen;
      check_reads(token, entry);
    });
    if (!known) findings_.add(Findings::wrong, token, "the server read it, but nobody had sent it");
    return nth;
  }

  /// Enters that the server has read a complete request.
  void read(Token token) {
    at(token, [&](Entry& entry) {
      ++entry.read;
      check_reads(token, entry);
    });
  }

  /// Enters that the server has written a complete answer, over a connection that stays open until
  /// the client can have read it.
  void answer(Token token) {
    at(token, [](Entry& entry) { entry.answered = Clock::now(); });
  }

  /// Enters that the request has ended for the client, after this many attempts. @return its entry.
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

  /// Checks the number of times that a request was read. A partly read request counts, because the
  /// server could have acted on it. So does a request that is read after its end: one that was
  /// cancelled after it had been sent, for example.
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
