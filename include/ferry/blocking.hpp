#pragma once

/// @file
/// `ferry::blocking`: the same client without coroutines.

#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>

#include <ferry/client.hpp>

namespace ferry::blocking {

/// A `ferry::Client` whose calls return when they are done: a shared handle, copies of which share
/// connections and options, with a thread and a context of its own.
///
/// Threads: safe to use by any number at once; each waits for its own call only. Not to be called
/// from the client's own thread, that is from its observer. Lifetime: the last handle's end waits
/// for the thread; calls of other threads keep it alive.
class Client {
 public:
  /// @throws Error as `ferry::Client`; std::system_error if there can be no thread.
  explicit Client(ClientOptions options = ClientOptions())
      : core_(std::make_shared<Core>(std::move(options))) {}

  /// Requests with these methods, as `ferry::Client`'s.
  Response get(std::string url, RequestOptions options = {}) const {
    return send(Request::get(std::move(url)), options);
  }
  /// A HEAD.
  Response head(std::string url, RequestOptions options = {}) const {
    return send(Request::head(std::move(url)), options);
  }
  /// An OPTIONS.
  Response options(std::string url, RequestOptions options = {}) const {
    return send(Request::options(std::move(url)), options);
  }
  /// A POST.
  Response post(std::string url, Body body = Body(), RequestOptions options = {}) const {
    return send(Request::post(std::move(url), std::move(body)), options);
  }
  /// A PUT.
  Response put(std::string url, Body body = Body(), RequestOptions options = {}) const {
    return send(Request::put(std::move(url), std::move(body)), options);
  }
  /// A PATCH.
  Response patch(std::string url, Body body = Body(), RequestOptions options = {}) const {
    return send(Request::patch(std::move(url), std::move(body)), options);
  }
  /// A DELETE.
  Response delete_(std::string url, RequestOptions options = {}) const {
    return send(Request::delete_(std::move(url)), options);
  }

  /// Sends any request. @throws Error as `ferry::Client`'s verbs.
  Response send(Request request, RequestOptions options = {}) const {
    return run(core_->client->send(std::move(request), options));
  }
  /// Sends any request; failures come back in the result.
  Result<Response> try_send(Request request, RequestOptions options = {}) const {
    return run(core_->client->try_send(std::move(request), options));
  }
  /// As `ferry::Client::download`; needs `ferry/download.hpp`.
  template <class Download = detail::Download>
  auto download(std::string url, std::string path,
                typename Download::Options options = typename Download::Options()) const {
    return run(core_->client->template download<Download>(std::move(url), std::move(path),
                                                          std::move(options)));
  }

  /// Waits for anything that is done with `async()`: `client.run(read(client.async()))`.
  template <class T>
  T run(asio::awaitable<T> awaited) const {
    const auto core = core_;
    if (std::this_thread::get_id() == core->thread.get_id())
      throw Error(Errc::invalid_option, "a blocking client was called from its own thread");
    std::promise<T> result;
    std::promise<void> over;
    asio::co_spawn(core->context, std::move(awaited), [&](std::exception_ptr e, auto... value) {
      if (e)
        result.set_exception(std::move(e));
      else
        result.set_value(std::move(value)...);
      // Only after this has Asio let go of the exception: two threads might end it.
      asio::post(core->context, [&over] { over.set_value(); });
    });
    over.get_future().wait();
    return result.get_future().get();
  }

  /// The client that does the work.
  const ferry::Client& async() const& noexcept { return *core_->client; }
  /// Not of a temporary, into which it would dangle: give that a name.
  const ferry::Client& async() const&& = delete;

 private:
  struct Core {
    explicit Core(ClientOptions options) {
      client.emplace(context, std::move(options));
      thread = std::thread([this] { context.run(); });
    }
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;
    ~Core() {
      client.reset();
      context.stop();
      thread.join();
    }

    asio::io_context context{1};
    const asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    std::optional<ferry::Client> client;
    std::thread thread;
  };

  std::shared_ptr<Core> core_;
};

/// Sends one request over a new connection, which is closed after it, in the caller's thread.
/// @throws Error as `ferry::send`.
inline Response send(Request request, RequestOptions options = {},
                     ClientOptions client_options = ClientOptions()) {
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

/// As `ferry::blocking::send`, with these methods.
inline Response get(std::string url, RequestOptions options = {},
                    ClientOptions client_options = ClientOptions()) {
  return blocking::send(Request::get(std::move(url)), options, std::move(client_options));
}
/// A POST.
inline Response post(std::string url, Body body = Body(), RequestOptions options = {},
                     ClientOptions client_options = ClientOptions()) {
  return blocking::send(Request::post(std::move(url), std::move(body)), options,
                        std::move(client_options));
}

}  // namespace ferry::blocking
