/// @file
/// The client whose costs `run` counts. usage: counts_client CASE URL REQUESTS [CA]. Prints how
/// often it has allocated, OpenSSL's own allocations included.

#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <new>
#include <string>

#include <ferry/cookies.hpp>
#include <ferry/ferry.hpp>
#include <ferry/tls.hpp>

// Defined here, glibc's own stand behind it, for operator new and for OpenSSL.
extern "C" void* __libc_malloc(std::size_t size);

namespace {

std::atomic<long> allocations{0};

using Call = std::function<asio::awaitable<std::size_t>(const ferry::Client&, const std::string&)>;

struct Case {
  std::size_t body;  // What comes back.
  std::function<void(ferry::ClientOptions&)> prepare;
  Call call;
};

asio::awaitable<std::size_t> get(const ferry::Client& client, const std::string& url) {
  const ferry::Response response = co_await client.get(url);
  co_return response.body().size();
}
asio::awaitable<std::size_t> try_send(const ferry::Client& client, const std::string& url) {
  const auto result = co_await client.try_send(ferry::Request::get(url));
  co_return result->body().size();
}
asio::awaitable<std::size_t> stream(const ferry::Client& client, const std::string& url) {
  ferry::ResponseStream stream = co_await client.stream(url);
  std::size_t size = 0;
  while (const auto piece = co_await stream.read()) size += piece->size();
  co_return size;
}
asio::awaitable<std::size_t> post(const ferry::Client& client, const std::string& url) {
  const std::string body(1024, 'x');
  const ferry::Response response = co_await client.post(url, body);
  co_return response.body().size();
}
asio::awaitable<std::size_t> get_once(const ferry::Client&, const std::string& url) {
  const ferry::Response response = co_await ferry::get(url);
  co_return response.body().size();
}

const std::map<std::string, Case> cases{
    {"get", {13, {}, get}},
    {"try_send", {13, {}, try_send}},
    {"observed",
     {13, [](auto& options) { options.observer = [](const ferry::Event&) {}; }, get}},
    {"cookies",
     {13, [](auto& options) { options.cookies = std::make_shared<ferry::CookieJar>(); }, get}},
    {"stream", {13, {}, stream}},
    {"post", {13, {}, post}},
    {"get_64k", {65536, {}, get}},
    {"get_1m", {1048576, {}, get}},
    {"get_once", {13, {}, get_once}},
};

asio::awaitable<void> make_requests(const Case& which, const ferry::Client& client, std::string url,
                                    long requests) {
  for (long i = 0; i < requests; ++i) {
    if (co_await which.call(client, url) != which.body) throw std::runtime_error("another body");
  }
}

}  // namespace

extern "C" void* malloc(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}

int main(int count, char** arguments) {
  if (count < 4 || !cases.contains(arguments[1])) {
    std::cerr << "usage: counts_client CASE URL REQUESTS [CA]\n";
    return 2;
  }
  const Case& which = cases.at(arguments[1]);
  ferry::ClientOptions options;
  if (which.prepare) which.prepare(options);
  if (count > 4) {
    ferry::tls::Options trust;
    trust.system_roots = false;
    trust.roots.push_back(ferry::tls::Pem::file(arguments[4]));
    options.tls = ferry::tls::context(trust);
  }
  asio::io_context context{1};
  const ferry::Client client{context, options};
  int status = 0;
  asio::co_spawn(context, make_requests(which, client, arguments[2], std::stol(arguments[3])),
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
