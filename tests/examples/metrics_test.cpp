#include "metrics.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <ferry/testing/mock_transport.hpp>
#include <ferry/testing/scripted_stream.hpp>

#include "support/run.hpp"

using namespace std::chrono_literals;
using ferry::testing::MockRequest;
using ferry::testing::MockResponse;
using ferry::testing::MockTransport;

namespace {

MockResponse answer(const MockRequest& request) {
  if (request.url.ends_with("/lost")) return MockResponse::lost();
  if (request.url.ends_with("/missing")) return MockResponse(404);
  if (!request.url.ends_with("/moved")) return MockResponse(200, "here");
  MockResponse moved(302);
  moved.headers.set("Location", "/");
  return moved;
}

/// The text that Prometheus reads for a histogram whose values are all in one bucket.
std::string histogram(const std::string& name, const std::string& attributes,
                      const std::vector<std::string>& bounds, std::size_t at, int count,
                      const std::string& sum) {
  std::string text;
  for (std::size_t i = 0; i < bounds.size(); ++i)
    text += name + "_bucket{" + attributes + ",le=\"" + bounds[i] + "\"} " +
            std::to_string(i < at ? 0 : count) + '\n';
  return text + name + "_sum{" + attributes + "} " + sum + '\n' + name + "_count{" + attributes +
         "} " + std::to_string(count) + '\n';
}

std::string requests(const std::string& attributes, std::size_t at, int count,
                     const std::string& sum) {
  return histogram("http_client_request_duration_seconds", attributes,
                   {"0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1",
                    "2.5", "5", "7.5", "10", "+Inf"},
                   at, count, sum);
}
std::string connections(const std::string& attributes, std::size_t at, int count,
                        const std::string& sum) {
  return histogram("http_client_connection_duration_seconds", attributes,
                   {"0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10", "30", "60",
                    "120", "300", "+Inf"},
                   at, count, sum);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

}  // namespace

TEST_CASE("metrics of a client, in Prometheus's words and OpenTelemetry's names") {
  asio::io_context context{1};
  auto network = std::make_shared<MockTransport>(answer);
  Metrics metrics;
  ferry::ClientOptions options;
  network->serve(options);
  options.limits.idle_timeout = ferry::no_timeout;
  options.observer = [&](ferry::Event event) {
    event.duration = 250ms;  // Real durations are never the same.
    if (event.status == 404) event.duration = 11s;
    metrics.take(event);
  };
  ferry::Client client(context, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    co_await client.get("http://a.test/");
    co_await client.get("http://a.test/");
    co_await client.get("http://a.test:8080/missing");
    co_await client.post("https://[::1]/moved", "text");
    co_await client.send(ferry::Request(ferry::Method("PURGE"), "http://a.test/"));
    co_await client.try_send(ferry::Request::get("http://b.test/lost"));
    const ferry::ResponseStream open = co_await client.stream("http://a.test/");

    CHECK(
        metrics.text(client.pool()) ==
        "# HELP http_client_request_duration_seconds Duration of HTTP client requests.\n"
        "# TYPE http_client_request_duration_seconds histogram\n" +
            requests(R"(server_address="::1",server_port="443",url_scheme="https",)"
                     R"(http_request_method="GET",http_response_status_code="200",)"
                     R"(network_protocol_version="1.1")",
                     6, 1, "0.25") +
            requests(R"(server_address="a.test",server_port="80",url_scheme="http",)"
                     R"(http_request_method="GET",http_response_status_code="200",)"
                     R"(network_protocol_version="1.1")",
                     6, 2, "0.5") +
            requests(R"(server_address="a.test",server_port="80",url_scheme="http",)"
                     R"(http_request_method="_OTHER",http_response_status_code="200",)"
                     R"(network_protocol_version="1.1")",
                     6, 1, "0.25") +
            requests(R"(server_address="a.test",server_port="8080",url_scheme="http",)"
                     R"(http_request_method="GET",http_response_status_code="404",)"
                     R"(error_type="404",network_protocol_version="1.1")",
                     14, 1, "11") +
            requests(R"(server_address="b.test",server_port="80",url_scheme="http",)"
                     R"(http_request_method="GET",)"
                     R"(error_type="the connection was lost before the response began")",
                     6, 1, "0.25") +
            "# HELP http_client_connection_duration_seconds Duration of outbound HTTP "
            "connections.\n"
            "# TYPE http_client_connection_duration_seconds histogram\n" +
            connections(R"(server_address="b.test",server_port="80",url_scheme="http",)"
                        R"(network_protocol_version="1.1")",
                        5, 1, "0.25") +
            R"(# HELP http_client_open_connections Outbound HTTP connections that are active or idle.
# TYPE http_client_open_connections gauge
http_client_open_connections{server_address="::1",server_port="443",url_scheme="https",http_connection_state="active"} 0
http_client_open_connections{server_address="::1",server_port="443",url_scheme="https",http_connection_state="idle"} 1
http_client_open_connections{server_address="a.test",server_port="80",url_scheme="http",http_connection_state="active"} 1
http_client_open_connections{server_address="a.test",server_port="80",url_scheme="http",http_connection_state="idle"} 0
http_client_open_connections{server_address="a.test",server_port="8080",url_scheme="http",http_connection_state="active"} 0
http_client_open_connections{server_address="a.test",server_port="8080",url_scheme="http",http_connection_state="idle"} 1
http_client_open_connections{server_address="b.test",server_port="80",url_scheme="http",http_connection_state="active"} 0
http_client_open_connections{server_address="b.test",server_port="80",url_scheme="http",http_connection_state="idle"} 0
# HELP ferry_connections_failed_total Connections that could not be opened.
# TYPE ferry_connections_failed_total counter
# HELP ferry_connections_reused_total Requests that got a kept connection.
# TYPE ferry_connections_reused_total counter
ferry_connections_reused_total{server_address="::1",server_port="443",url_scheme="https"} 1
ferry_connections_reused_total{server_address="a.test",server_port="80",url_scheme="http"} 3
# HELP ferry_requests_retried_total Attempts that failed and were repeated.
# TYPE ferry_requests_retried_total counter
# HELP ferry_redirects_total Redirects that were followed.
# TYPE ferry_redirects_total counter
ferry_redirects_total{server_address="::1",server_port="443",url_scheme="https",http_request_method="POST"} 1
)");
  });
}

TEST_CASE("metrics of failed connections and retries") {
  asio::io_context context{1};
  Metrics metrics;
  ferry::ClientOptions options;
  options.retries.max = 2;
  options.retries.first_delay = 0s;
  options.observer = [&](const ferry::Event& event) { metrics.take(event); };
  options.connector = std::make_shared<ferry::testing::ScriptedConnector>([](int) {
    return ferry::Result<std::shared_ptr<ferry::testing::Script>>(
        ferry::Error(ferry::Errc::connection_refused));
  });
  ferry::Client client(context, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    co_await client.try_send(ferry::Request::get("http://a.test/"));
  });
  const std::string text = metrics.text(client.pool());
  const std::string origin = R"({server_address="a.test",server_port="80",url_scheme="http",)";
  const std::string refused = R"(error_type="connection refused"} )";
  CHECK(contains(text, "\nferry_connections_failed_total" + origin + refused + "3\n"));
  CHECK(contains(text,
                 "\nferry_requests_retried_total" + origin + "http_request_method=\"GET\"} 2\n"));
  CHECK(contains(text, "\nhttp_client_request_duration_seconds_count" + origin +
                           "http_request_method=\"GET\"," + refused + "1\n"));
}

TEST_CASE("metrics may be taken by several threads at once") {
  Metrics metrics;
  ferry::Event event{ferry::Event::Kind::connection_reused};
  event.origin = "http://a.test";
  const auto take = [&] {
    for (int i = 0; i < 1000; ++i) metrics.take(event);
  };
  { const std::jthread one(take), two(take); }
  asio::io_context context;
  const ferry::Client client(context);
  CHECK(contains(
      metrics.text(client.pool()),
      R"(ferry_connections_reused_total{server_address="a.test",server_port="80",url_scheme="http"} 2000)"));
}
