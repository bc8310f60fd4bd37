#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <vector>

#include "support/pool_decisions.hpp"

namespace test {

/// A pool whose decisions are carried out by hand.
struct Table {
  explicit Table(ferry::Limits limits = {}) : pool(limits) {}

  Pool::Slot* take(const std::string& key) {
    begin();
    return pool.take(key, now, out).slot;
  }
  Pool::Ticket& wait(const std::string& key, bool fresh = false) {
    begin();
    tickets.push_back(std::make_unique<Pool::Ticket>(static_cast<int>(tickets.size()), fresh));
    pool.enqueue(*tickets.back(), key, now, out);
    note_dials();
    return *tickets.back();
  }
  Pool::Slot* leave(Pool::Ticket& ticket) {
    begin();
    Pool::Slot* slot = pool.leave(ticket, out);
    note_dials();
    return slot;
  }
  /// Finishes the oldest dial.
  void dialled() { dialled(dials.front()); }
  void dialled(Pool::Slot* slot) {
    begin();
    std::erase(dials, slot);
    std::erase(given_up, slot);
    pool.dialled(*slot, ++connections, now, now + idle, capacity, out);
    note_dials();
  }
  void dial_failed(Pool::Slot* slot) {
    begin();
    std::erase(dials, slot);
    std::erase(given_up, slot);
    pool.dial_failed(*slot, out);
    note_dials();
  }
  void release(Pool::Slot* slot) {
    begin();
    pool.release(*slot, now, now + idle, now, out);
    note_dials();
  }
  void discard(Pool::Slot* slot) {
    begin();
    pool.discard(*slot, ferry::CloseReason::failed, out);
    note_dials();
  }

  /// Opens a connection to `key` and has it, as a first request would.
  Pool::Slot* open(const std::string& key) {
    Pool::Ticket& ticket = wait(key);
    REQUIRE(dials.size() == 1);
    dialled();
    return leave(ticket);
  }

  std::string counts() const {
    const auto c = pool.counts();
    return std::to_string(c.active) + " active " + std::to_string(c.idle) + " idle " +
           std::to_string(c.dialling) + " dialling " + std::to_string(c.waiting) + " waiting";
  }
  std::string closed() const {
    std::string text;
    for (const auto& closing : out.closings)
      text +=
          std::to_string(closing.connection) + " " + std::string(to_string(closing.reason)) + ";";
    return text;
  }

  void begin() { out = {}; }
  void note_dials() {
    for (const auto& [slot, waiter] : out.dials) dials.push_back(slot);
    for (Pool::Slot* slot : out.abandonments) {
      std::erase(dials, slot);
      given_up.push_back(slot);
    }
  }

  Pool pool;
  test::PoolDecisions out;
  Pool::Time now{};
  std::chrono::nanoseconds idle = std::chrono::seconds(4);
  std::size_t capacity = 1;  // The capacity of connections to come.
  int connections = 0;
  std::deque<Pool::Slot*> dials;
  std::deque<Pool::Slot*> given_up;  // Dials that have not ended yet.
  std::vector<std::unique_ptr<Pool::Ticket>> tickets;
};

inline ferry::Limits at_most(std::size_t total, std::size_t per_host = ferry::no_limit) {
  ferry::Limits limits;
  limits.max_connections = total;
  limits.max_connections_per_host = per_host;
  return limits;
}

}  // namespace test
