// TOTAL GETs of URL on one client, CONCURRENCY at a time. Prints one line of JSON;
// tests/servers/run starts it. Requests that fail are counted, and the exit code is 0 all the same:
// the caller judges.
//
// usage: many_gets URL TOTAL CONCURRENCY

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

#include <asio.hpp>

#include <ferry/ferry.hpp>

namespace {

struct Run {
  std::string url;
  int left = 0;
  int ok = 0;
  int errors = 0;
  int announced_close = 0;
  std::string first_error{};

  void add(const ferry::Response& response) {
    if (response.status() != 200) {
      throw std::runtime_error("status " + std::to_string(response.status()));
    }
    ++ok;
    if (response.headers().get("connection") == "close") ++announced_close;
  }

  void add_error(const std::exception& error) {
    if (errors++ == 0) first_error = error.what();
  }
};

// One of CONCURRENCY workers: takes the next request until none is left.
asio::awaitable<void> work(ferry::Client client, Run& run) {
  while (run.left > 0) {
    --run.left;
    try {
      ferry::Response response = co_await client.get(run.url);
      run.add(response);
    } catch (const std::exception& error) {
      run.add_error(error);
    }
  }
}

std::string json_string(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return quoted + '"';
}

}  // namespace

int main(int argc, char** argv) {
  const int total = argc == 4 ? std::atoi(argv[2]) : 0;
  const int concurrency = argc == 4 ? std::atoi(argv[3]) : 0;
  if (total < 1 || concurrency < 1) {
    std::fputs("usage: many_gets URL TOTAL CONCURRENCY\n", stderr);
    return 1;
  }
  try {
    asio::io_context context{1};
    Run run{.url = argv[1], .left = total};
    ferry::Client client{context.get_executor()};
    for (int i = 0; i < concurrency; ++i) {
      asio::co_spawn(context, work(client, run), asio::detached);
    }
    context.run();
    const auto opened = static_cast<unsigned long long>(client.pool().stats().opened);
    std::printf(R"({"ok":%d,"errors":%d,"opened":%llu,"announced_close":%d,"first_error":%s})"
                "\n",
                run.ok, run.errors, opened, run.announced_close,
                json_string(run.first_error).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "many_gets: %s\n", error.what());
    return 1;
  }
}
