#pragma once

#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <asio/co_spawn.hpp>

#include <ferry/blocking.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/net/context_owner.hpp>

namespace ferry::inline FERRY_CONFIGURATION::blocking {

FERRY_DEFINITION Client::Client(ClientOptions options)
    : core_(std::make_shared<const Core>(std::move(options))) {}

FERRY_DEFINITION Response Client::send(Request request, RequestOptions options) const {
  return run(core_->client->send(std::move(request), options));
}
FERRY_DEFINITION Result<Response> Client::try_send(Request request, RequestOptions options) const {
  return run(core_->client->try_send(std::move(request), options));
}

FERRY_DEFINITION std::shared_ptr<Client::Loop> Client::Loop::start() {
  auto loop = std::make_unique<Loop>();
  loop->thread_ = std::thread(run, loop.get());
  return std::shared_ptr<Loop>(loop.release(), end);
}

FERRY_DEFINITION void Client::Loop::run(Loop* loop) {
  loop->context.run();
  if (loop->ends_itself_) delete loop;
}

FERRY_DEFINITION void Client::Loop::end(Loop* loop) noexcept {
  if (loop->is_of_parent()) return;  // No thread runs here, and it may have held any lock.
  loop->context.stop();
  if (loop->is_this_thread()) {  // The thread cannot wait for itself.
    loop->thread_.detach();
    loop->ends_itself_ = true;
    return;
  }
  loop->thread_.join();
  delete loop;
}

FERRY_DEFINITION Client::Core::Core(ClientOptions options)
    : client(std::make_unique<const ferry::Client>(detail::access::make<ferry::Client>(
          detail::OwnedExecutor{loop->context.get_executor(), loop}, std::move(options)))) {}

FERRY_DEFINITION Client::Core::~Core() {
  // The thread that may have held the client's locks does not exist in a child process.
  if (loop->is_of_parent()) static_cast<void>(client.release());
}

FERRY_DEFINITION Response send(Request request, RequestOptions options,
                               ClientOptions client_options) {
  asio::io_context context{1};
  std::exception_ptr thrown;
  Response response;
  asio::co_spawn(context, ferry::send(std::move(request), options, std::move(client_options)),
                 [&](std::exception_ptr e, Response r) {
                   thrown = e;
                   response = std::move(r);
                 });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
  return response;
}

FERRY_DEFINITION Response get(std::string url, RequestOptions options,
                              ClientOptions client_options) {
  return blocking::send(Request::get(std::move(url)), options, std::move(client_options));
}
FERRY_DEFINITION Response post(std::string url, Body body, RequestOptions options,
                               ClientOptions client_options) {
  return blocking::send(Request::post(std::move(url), std::move(body)), options,
                        std::move(client_options));
}

}  // namespace ferry::blocking
