#pragma once

#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <string_view>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/event.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

FERRY_DEFINITION void observe(const Observer& observer, const Event& event) noexcept {
  try {
    observer(event);
  } catch (...) {  // An observer must not be able to break a request.
  }
}

class LogPrinter {
 public:
  LogPrinter(std::ostream& out, LogOptions options) : out_(out), options_(options) {}

  void print(const Event& e) {
    using Kind = Event::Kind;
    const std::lock_guard lock(mutex_);
    switch (e.kind) {
      case Kind::connection_opening: {
        const bool secure = e.origin.starts_with("https://");
        const auto authority = e.origin.substr(e.origin.find("//") + 2);
        out_ << "Starting new " << (secure ? "HTTPS" : "HTTP") << " connection (" << e.number
             << "): " << authority;
        const bool has_port = authority.find(':', authority.find(']') + 1) != authority.npos;
        if (!has_port && !e.origin.starts_with("http+unix:")) out_ << (secure ? ":443" : ":80");
        break;
      }
      case Kind::response_received:
        out_ << e.origin << " \"" << e.method << ' ' << shown(e.target) << ' ' << e.version << "\" "
             << e.status << ' ' << e.body_size;
        break;
      case Kind::connection_opened:
        if (e.tls && !e.tls->verified) {
          out_ << "Unverified HTTPS connection to " << e.origin
               << ": anybody could be at its other end";
          break;
        }
        if (!options_.verbose) return;
        print_detail(e);
        break;
      case Kind::connection_failed:
        out_ << "Connection (" << e.number << ") failed: " << e.error->what();
        break;
      case Kind::request_retried:
        out_ << "Retrying " << e.origin << ' ' << e.method << ' ' << shown(e.target) << ": "
             << e.error->what();
        break;
      case Kind::redirected:
        out_ << "Redirecting " << e.origin << shown(e.target) << " -> " << shown(e.location);
        break;
      case Kind::request_failed:
        out_ << e.origin << " \"" << e.method << ' ' << shown(e.target)
             << "\" failed: " << e.error->what();
        break;
      case Kind::waiting_long:
        out_ << "Waiting for a connection to " << e.origin << " since " << took(e);
        break;
      default:
        if (!options_.verbose) return;
        print_detail(e);
    }
    out_ << '\n' << std::flush;
  }

 private:
  void print_detail(const Event& e) {
    using Kind = Event::Kind;
    switch (e.kind) {
      case Kind::connection_opened:
        out_ << "Connection #" << e.connection << " to " << e.origin << " open after " << took(e);
        break;
      case Kind::connection_reused:
        out_ << "Reusing connection #" << e.connection << " to " << e.origin << ", idle for "
             << took(e);
        break;
      case Kind::connection_closed:
        out_ << "Closed connection #" << e.connection << " to " << e.origin << ": "
             << to_string(e.reason);
        break;
      case Kind::request_sent:
        out_ << "Sent " << e.method << ' ' << shown(e.target) << " on connection #" << e.connection;
        break;
      case Kind::interim_received:
        out_ << "Interim response: " << e.status << " after " << took(e);
        break;
      case Kind::head_received:
        out_ << "Head received: " << e.status << " after " << took(e);
        break;
      default: break;
    }
  }

  static std::string took(const Event& e) {
    char text[32];
    const double seconds = std::chrono::duration<double>(e.duration).count();
    std::snprintf(text, sizeof text, seconds < 1 ? "%.3f ms" : "%.1f s",
                  seconds < 1 ? seconds * 1e3 : seconds);
    return text;
  }

  std::string shown(std::string_view target) const {
    const auto mark = target.find_first_of("?#");
    if (options_.show_query || mark == std::string_view::npos) return std::string(target);
    return std::string(target.substr(0, mark + 1)) + "...";
  }

  std::ostream& out_;
  LogOptions options_;
  std::mutex mutex_;
};

}  // namespace detail

FERRY_DEFINITION Observer log_to(std::ostream& out, LogOptions options) {
  return [printer = std::make_shared<detail::LogPrinter>(out, options)](const Event& event) {
    printer->print(event);
  };
}

}  // namespace ferry
