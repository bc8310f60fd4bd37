#pragma once

/// @file
/// `Metrics`: what a client does, as numbers for Prometheus, under the names that OpenTelemetry has
/// agreed on. An example of an observer: take it, and change it.

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include <ferry/ferry.hpp>

/// Counts what an observer is told, and writes it down in Prometheus's text format:
///
///     auto metrics = std::make_shared<Metrics>();
///     options.observer = [metrics](const ferry::Event& event) { metrics->take(event); };
///     ...
///     metrics->text(client.pool())
///
/// Metrics and attributes are those of OpenTelemetry's semantic conventions for HTTP clients, with
/// `_` for their dots; what these have no name for begins with `ferry_`. A request is a call: its
/// redirects and retries are a part of it. Threads: safe to use by any number at once.
class Metrics {
 public:
  void take(const ferry::Event& event) {
    using Kind = ferry::Event::Kind;
    const std::lock_guard lock(mutex_);
    switch (event.kind) {
      case Kind::response_received: {
        Attributes attributes = of_request(event);
        attributes.add("http.response.status_code", std::to_string(event.status));
        if (event.status >= 400) attributes.add("error.type", std::to_string(event.status));
        attributes.add("network.protocol.version", event.version.substr(5));  // Without "HTTP/".
        requests_[attributes.text()].add(event.duration, request_bounds);
        break;
      }
      case Kind::request_failed: {
        Attributes attributes = of_request(event);
        attributes.add("error.type", event.error->code().message());
        requests_[attributes.text()].add(event.duration, request_bounds);
        break;
      }
      case Kind::connection_closed: {
        Attributes attributes(event.origin);
        attributes.add("network.protocol.version", "1.1");
        connections_[attributes.text()].add(event.duration, connection_bounds);
        break;
      }
      case Kind::connection_failed: {
        Attributes attributes(event.origin);
        attributes.add("error.type", event.error->code().message());
        ++failed_connections_[attributes.text()];
        break;
      }
      case Kind::connection_reused: ++reused_[Attributes(event.origin).text()]; break;
      case Kind::request_retried: ++retried_[of_request(event).text()]; break;
      case Kind::redirected: ++redirected_[of_request(event).text()]; break;
      default: break;
    }
  }

  /// All of it. @param pool is asked for the connections that are open now.
  std::string text(const ferry::ConnectionPool& pool) const {
    std::map<std::string, std::uint64_t> open;
    for (const ferry::OriginStats& origin : pool.origins()) {
      for (const bool active : {true, false}) {
        Attributes attributes(origin.origin);
        attributes.add("http.connection.state", active ? "active" : "idle");
        open[attributes.text()] = active ? origin.active : origin.idle;
      }
    }
    const std::lock_guard lock(mutex_);
    std::string out;
    write(out, "http_client_request_duration_seconds", "Duration of HTTP client requests.",
          requests_, request_bounds);
    write(out, "http_client_connection_duration_seconds", "Duration of outbound HTTP connections.",
          connections_, connection_bounds);
    write(out, "http_client_open_connections", "Outbound HTTP connections that are active or idle.",
          "gauge", open);
    write(out, "ferry_connections_failed_total", "Connections that could not be opened.", "counter",
          failed_connections_);
    write(out, "ferry_connections_reused_total", "Requests that got a kept connection.", "counter",
          reused_);
    write(out, "ferry_requests_retried_total", "Attempts that failed and were repeated.", "counter",
          retried_);
    write(out, "ferry_redirects_total", "Redirects that were followed.", "counter", redirected_);
    return out;
  }

 private:
  /// In seconds, as the conventions advise.
  static constexpr double request_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                              0.5,   0.75, 1,     2.5,  5,     7.5, 10};
  static constexpr double connection_bounds[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1,
                                                 2,    5,    10,   30,  60,  120, 300};

  /// The attributes that tell one series of a metric from another:
  /// `server_address="a",server_port="80"`.
  class Attributes {
   public:
    explicit Attributes(std::string_view origin) {
      const ferry::Url url = ferry::Url::parse(std::string(origin)).value();
      add("server.address", url.host());
      add("server.port", std::to_string(url.port()));
      add("url.scheme", url.scheme());
    }
    void add(std::string_view name, std::string_view value) {
      if (!text_.empty()) text_ += ',';
      for (const char c : name) text_ += c == '.' ? '_' : c;
      text_ += "=\"";
      for (const char c : value) {
        if (c == '\\' || c == '"') text_ += '\\';
        text_ += c;
      }
      text_ += '"';
    }
    const std::string& text() const { return text_; }

   private:
    std::string text_;
  };

  struct Histogram {
    void add(ferry::Duration duration, std::span<const double> bounds) {
      const double seconds = std::chrono::duration<double>(duration).count();
      const auto bound = std::lower_bound(bounds.begin(), bounds.end(), seconds);
      ++counts[static_cast<std::size_t>(bound - bounds.begin())];
      sum += seconds;
    }
    std::array<std::uint64_t, 15> counts{};  ///< Up to each bound, and beyond the last.
    double sum = 0;
  };

  static Attributes of_request(const ferry::Event& event) {
    constexpr std::string_view known[] = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS",
                                          "PATCH",   "POST",   "PUT", "TRACE"};
    const bool is_known =
        std::find(std::begin(known), std::end(known), event.method) != std::end(known);
    Attributes attributes(event.origin);
    // Others could make as many series as callers think of names.
    attributes.add("http.request.method", is_known ? event.method : "_OTHER");
    return attributes;
  }

  static void begin(std::string& out, const std::string& name, const char* help, const char* type) {
    out += "# HELP " + name + ' ' + help + "\n# TYPE " + name + ' ' + type + '\n';
  }

  static void write(std::string& out, const std::string& name, const char* help, const char* type,
                    const std::map<std::string, std::uint64_t>& series) {
    begin(out, name, help, type);
    for (const auto& [attributes, value] : series)
      out += name + '{' + attributes + "} " + std::to_string(value) + '\n';
  }

  static void write(std::string& out, const std::string& name, const char* help,
                    const std::map<std::string, Histogram>& series,
                    std::span<const double> bounds) {
    begin(out, name, help, "histogram");
    for (const auto& [attributes, histogram] : series) {
      std::uint64_t count = 0;
      for (std::size_t i = 0; i <= bounds.size(); ++i) {
        count += histogram.counts[i];
        out += name + "_bucket{" + attributes + ",le=\"" +
               (i < bounds.size() ? decimal(bounds[i]) : "+Inf") + "\"} " + std::to_string(count) +
               '\n';
      }
      out += name + "_sum{" + attributes + "} " + decimal(histogram.sum) + '\n';
      out += name + "_count{" + attributes + "} " + std::to_string(count) + '\n';
    }
  }

  static std::string decimal(double value) {
    char text[32];
    return std::string(text, std::to_chars(std::begin(text), std::end(text), value).ptr);
  }

  mutable std::mutex mutex_;
  std::map<std::string, Histogram> requests_, connections_;
  std::map<std::string, std::uint64_t> failed_connections_, reused_, retried_, redirected_;
};
