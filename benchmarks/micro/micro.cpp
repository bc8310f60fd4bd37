/// @file
/// The cost of single steps of a request, measured with Google Benchmark.

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstdlib>
#include <random>
#include <string>

#include <ferry/cookies.hpp>
#include <ferry/detail/h1/encoder.hpp>
#include <ferry/detail/h1/parser.hpp>
#include <ferry/headers.hpp>
#include <ferry/url.hpp>

#include "../support/filled_pool.hpp"

namespace {

constexpr ferry::detail::ParserLimits limits{64 * 1024, 128, 1 << 30};

/// A response's head with this many fields besides the usual ones, and a body of 13 bytes.
std::string response(int more_fields, bool chunked) {
  std::string text =
      "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
      "Content-Type: text/plain\r\n";
  text += chunked ? "Transfer-Encoding: chunked\r\n" : "Content-Length: 13\r\n";
  text += "Connection: keep-alive\r\n";
  for (int i = 0; i < more_fields; ++i)
    text += "X-Field-Number-" + std::to_string(i) + ": some value that is not too short\r\n";
  return text + (chunked ? "\r\nd\r\nHello, world!\r\n0\r\n\r\n" : "\r\nHello, world!");
}

void parse(benchmark::State& state, bool chunked) {
  using Step = ferry::detail::ParseStep;
  const std::string text = response(static_cast<int>(state.range(0)), chunked);
  for (auto _ : state) {
    ferry::detail::ResponseMessage message;
    ferry::detail::H1Parser parser(message, false, limits);
    std::string_view rest = text;
    for (auto step = Step::need_more; step != (chunked ? Step::message_done : Step::head_done);) {
      const auto [used, next] = parser.feed(rest);
      if (next == Step::failed) std::abort();
      rest.remove_prefix(used);
      step = next;
    }
    benchmark::DoNotOptimize(message);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK_CAPTURE(parse, length, false)->ArgName("more fields")->Arg(0)->Arg(15)->Arg(100);
BENCHMARK_CAPTURE(parse, chunked, true)->ArgName("more fields")->Arg(0);

void encode(benchmark::State& state) {
  const auto url = ferry::Url::parse("http://example.com/a/path?query=1").value();
  const auto method = ferry::Method::get();
  const ferry::Headers none;
  ferry::Headers own;
  for (std::int64_t i = 0; i < state.range(0); ++i)
    own.add("X-Own-" + std::to_string(i), "some value");
  const std::string usual = ferry::detail::default_head_fields(none, "ferry/0", "");
  ferry::detail::ByteBuffer out;
  for (auto _ : state) {
    out.clear();
    ferry::detail::encode_head({.method = method,
                                .url = url,
                                .headers = own,
                                .defaults = none,
                                .user_agent = "ferry/0",
                                .default_head_fields = usual},
                               out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(encode)->ArgName("own fields")->Arg(0)->Arg(5);

void look_up_field(benchmark::State& state) {
  ferry::Headers headers;
  for (std::int64_t i = 0; i < state.range(0); ++i)
    headers.add("X-Field-Number-" + std::to_string(i), "some value");
  headers.add("Content-Type", "text/plain");
  for (auto _ : state) benchmark::DoNotOptimize(headers.get("content-type"));
}
BENCHMARK(look_up_field)->ArgName("fields before it")->Arg(0)->Arg(10)->Arg(100);

void parse_url(benchmark::State& state, const char* text) {
  for (auto _ : state) benchmark::DoNotOptimize(ferry::Url::parse(text));
}
BENCHMARK_CAPTURE(parse_url, normal, "http://example.com:8080/a/path?query=1");
BENCHMARK_CAPTURE(parse_url, to_be_normalised, "HTTP://Example.COM:80/a/../b c?query=1");

void resolve_url(benchmark::State& state) {
  const auto base = ferry::Url::parse("http://example.com:8080/api/v1/").value();
  for (auto _ : state) benchmark::DoNotOptimize(base.resolve("users/1?full=yes"));
}
BENCHMARK(resolve_url);

void take_and_release(benchmark::State& state) {
  const auto origins = static_cast<std::size_t>(state.range(0));
  pool_benchmark::FilledPool filled(origins, 1);
  std::shuffle(filled.keys.begin(), filled.keys.end(), std::mt19937(1));
  std::size_t at = 0;
  for (auto _ : state) {
    filled.take_and_release(filled.keys[at]);
    if (++at == origins) at = 0;
  }
}
BENCHMARK(take_and_release)->ArgName("origins")->Arg(1)->Arg(100)->Arg(10'000);

void serve_waiter(benchmark::State& state) {
  pool_benchmark::QueuedPool queued(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) queued.serve_one();
}
BENCHMARK(serve_waiter)->ArgName("waiters")->Arg(1)->Arg(100)->Arg(10'000);

void match_cookies(benchmark::State& state) {
  ferry::CookieJar jar;
  const auto url = [](std::int64_t host) {
    return ferry::Url::parse("http://host-" + std::to_string(host) + ".example/a/path").value();
  };
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    ferry::Headers headers;
    headers.add("Set-Cookie", "session=0123456789abcdef; Path=/a");
    headers.add("Set-Cookie", "other=1; Path=/b");
    jar.take(url(i), headers);
  }
  const auto asking = url(state.range(0) / 2);
  for (auto _ : state) benchmark::DoNotOptimize(jar.cookies_for(asking));
}
BENCHMARK(match_cookies)->ArgName("hosts")->Arg(1)->Arg(100)->Arg(1000);

}  // namespace

BENCHMARK_MAIN();
