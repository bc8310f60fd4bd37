/// @file
/// The client whose costs `run` counts. usage: counts_client CASE URL REQUESTS [CA]; the URL's path
/// ends with the size of the body. Prints the number of allocations.

#include <atomic>
#include <cstddef>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <ferry/cookies.hpp>
#include <ferry/ferry.hpp>
#include <ferry/tls.hpp>

// Replacements of glibc's functions, which call glibc's own. They count the allocations of operator
// new, OpenSSL and Asio's coroutines.
extern "C" void* __libc_malloc(std::size_t size);
extern "C" void* __libc_memalign(std::size_t alignment, std::size_t size);

namespace {

std::atomic<long> allocations{0};

std::size_t size_of(const ferry::Response& response) { return response.body().size(); }
std::size_t size_of(const ferry::Result<ferry::Response>& result) { return size_of(*result); }

/// Makes requests by `call(client, url)`.
template <class Call>
asio::awaitable<void> make_requests(const ferry::Client& client, std::string url, long requests,
                                    std::size_t body, Call call) {
  for (long i = 0; i < requests; ++i) {
    auto awaitable = call(client, url);
    const auto answer = co_await std::move(awaitable);
    if (size_of(answer) != body) throw std::runtime_error("another body");
  }
}

/// Makes requests with `refresh`: each response reuses the memory of the one before.
asio::awaitable<void> refresh(const ferry::Client& client, std::string url, long requests,
                              std::size_t body) {
  ferry::Response page = co_await client.get(url);
  for (long i = 1; i < requests; ++i) {
    page = co_await client.refresh(std::move(page));
    if (size_of(page) != body) throw std::runtime_error("another body");
  }
}

/// Makes requests whose responses are read piece by piece.
asio::awaitable<void> read_streams(const ferry::Client& client, std::string url, long requests,
                                   std::size_t body) {
  for (long i = 0; i < requests; ++i) {
    ferry::ResponseStream stream = co_await client.stream(url);
    std::size_t size = 0;
    while (const auto piece = co_await stream.read()) size += piece->size();
    if (size != body) throw std::runtime_error("another body");
  }
}

asio::awaitable<void> run(const std::string& which, const ferry::Client& client, std::string url,
                          long requests) {
  const std::size_t body = std::stoul(url.substr(url.rfind('/') + 1));
  using Url = std::string;
  const auto make = [&](auto call) { return make_requests(client, url, requests, body, call); };
  if (which == "try_send")
    return make(
        [](const ferry::Client& c, const Url& to) { return c.try_send(ferry::Request::get(to)); });
  if (which == "post")
    return make(
        [](const ferry::Client& c, const Url& to) { return c.post(to, std::string(1024, 'x')); });
  if (which == "get_once")
    return make([](const ferry::Client&, const Url& to) { return ferry::get(to); });
  if (which == "refresh") return refresh(client, url, requests, body);
  if (which == "stream") return read_streams(client, url, requests, body);
  return make([](const ferry::Client& c, const Url& to) { return c.get(to); });
}

}  // namespace

extern "C" void* malloc(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, size);
}

int main(int count, char** arguments) {
  if (count < 4) {
    std::cerr << "usage: counts_client CASE URL REQUESTS [CA]\n";
    return 2;
  }
  const std::string which = arguments[1];
  ferry::ClientOptions options;
  if (which == "observed") options.observer = [](const ferry::Event&) {};
  if (which == "cookies") options.cookies = std::make_shared<ferry::CookieJar>();
  if (count > 4) {
    ferry::tls::Options trust;
    trust.system_roots = false;
    trust.roots.push_back(ferry::tls::Pem::file(arguments[4]));
    options.tls = ferry::tls::context(trust);
  }
  asio::io_context context{1};
  const ferry::Client client{context, options};
  int status = 0;
  asio::co_spawn(context, run(which, client, arguments[2], std::stol(arguments[3])),
                 [&](std::exception_ptr failure) {
                   try {
                     if (failure) std::rethrow_exception(failure);
                   } catch (const std::exception& error) {
                     std::cerr << error.what() << '\n';
                     status = 1;
                   }
                 });
  context.run();
  std::cout << allocations << '\n';
  return status;
}
