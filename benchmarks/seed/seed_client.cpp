// Sends COUNT sequential GETs of URL, each on a new connection or all on one client's kept
// connections. Prints one line of JSON; benchmarks/seed/run starts it. The time `wall` begins
// before the client is made, as in python_client.py.
//
// usage: seed_client once|client URL COUNT

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include <asio.hpp>

#include <ferry/ferry.hpp>

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Sums {
  Seconds elapsed{};
  Seconds with_setup{};
  int connections = 0;
  std::size_t bytes = 0;

  void add(const ferry::Response& response) {
    if (response.status() != 200) {
      throw std::runtime_error("status " + std::to_string(response.status()));
    }
    elapsed += response.elapsed();
    with_setup += response.elapsed();
    if (!response.connection().reused) {
      ++connections;
      with_setup += response.timings().resolve + response.timings().connect;
    }
    bytes += response.body().size();
  }
};

asio::awaitable<void> each_on_a_new_connection(std::string url, int count, Sums& sums) {
  for (int i = 0; i < count; ++i) {
    ferry::Response response = co_await ferry::get(url);
    sums.add(response);
  }
}

asio::awaitable<void> all_on_one_client(std::string url, int count, Sums& sums) {
  ferry::Client client{co_await asio::this_coro::executor};
  for (int i = 0; i < count; ++i) {
    ferry::Response response = co_await client.get(url);
    sums.add(response);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc == 4 ? argv[1] : "";
  const int count = argc == 4 ? std::atoi(argv[3]) : 0;
  if ((mode != "once" && mode != "client") || count < 1) {
    std::fputs("usage: seed_client once|client URL COUNT\n", stderr);
    return 1;
  }
  try {
    asio::io_context context{1};  // One thread: nothing in Asio needs a lock.
    Sums sums;
    const auto start = Clock::now();
    const auto rethrow = [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    };
    asio::co_spawn(context,
                   mode == "once" ? each_on_a_new_connection(argv[2], count, sums)
                                  : all_on_one_client(argv[2], count, sums),
                   rethrow);
    context.run();
    const Seconds wall = Clock::now() - start;
    std::printf(R"({"elapsed":%.6f,"with_setup":%.6f,"wall":%.6f,"connections":%d,"bytes":%zu})"
                "\n",
                sums.elapsed.count(), sums.with_setup.count(), wall.count(), sums.connections,
                sums.bytes);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "seed_client: %s\n", error.what());
    return 1;
  }
}
