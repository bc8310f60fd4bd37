#pragma once

/// @file
/// `ferry::blocking`: the same client without coroutines.

#include <exception>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>

#include <ferry/client.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/process.hpp>

namespace ferry::inline FERRY_CONFIGURATION::blocking {

/// A `ferry::Client` whose calls return when they are done. It is a shared handle with a thread and
/// a context of its own; copies share connections and options.
///
/// Threads: safe to use from any number of threads at once; each waits for its own call only. It
/// must not be called from the client's own thread, that is from its observer or from a coroutine
/// that `run` runs, nor in a child process that was forked after the client was made: both are
/// `Errc::invalid_option`.
/// Lifetime: context and thread live as long as anything needs them: handles, copies of `async()`
/// and of its pool, leases, streams and upgraded connections. These may outlive the last handle,
/// and work as before. The destructor of the last of them waits for the thread, so that nothing
/// runs afterwards, the observer included, and destroys the context; do not hold a lock there that
/// the observer waits for. If the last of them is destroyed on the client's own thread, it does not
/// wait: the thread destroys the context when the running handler has returned, and the end of the
/// program does not wait for that. A coroutine that was spawned on the context and keeps none of
/// these is destroyed with the context. A static client ends in the usual order of statics.
class Client {
 public:
  /// @throws Error as `ferry::Client`; std::system_error if no thread can be started.
  explicit Client(ClientOptions options = ClientOptions());

  /// Sends a GET. The functions below send the other methods, as those of `ferry::Client` do.
  Response get(std::string url, RequestOptions options = {}) const {
    return send(Request::get(std::move(url)), options);
  }
  /// Sends a HEAD.
  Response head(std::string url, RequestOptions options = {}) const {
    return send(Request::head(std::move(url)), options);
  }
  /// Sends an OPTIONS.
  Response options(std::string url, RequestOptions options = {}) const {
    return send(Request::options(std::move(url)), options);
  }
  /// Sends a POST.
  Response post(std::string url, Body body = Body(), RequestOptions options = {}) const {
    return send(Request::post(std::move(url), std::move(body)), options);
  }
  /// Sends a PUT.
  Response put(std::string url, Body body = Body(), RequestOptions options = {}) const {
    return send(Request::put(std::move(url), std::move(body)), options);
  }
  /// Sends a PATCH.
  Response patch(std::string url, Body body = Body(), RequestOptions options = {}) const {
    return send(Request::patch(std::move(url), std::move(body)), options);
  }
  /// Sends a DELETE.
  Response delete_(std::string url, RequestOptions options = {}) const {
    return send(Request::delete_(std::move(url)), options);
  }

  /// Sends any request. @throws Error as `ferry::Client`'s verbs.
  Response send(Request request, RequestOptions options = {}) const;
  /// Sends any request; a failure is in the result.
  Result<Response> try_send(Request request, RequestOptions options = {}) const;
  /// Downloads to a file like `ferry::Client::download`; needs `ferry/download.hpp`.
  template <class Download = detail::Download>
  auto download(std::string url, std::string path,
                typename Download::Options options = typename Download::Options()) const {
    return run(core_->client->template download<Download>(std::move(url), std::move(path),
                                                          std::move(options)));
  }

  /// Waits for a coroutine that uses `async()`: `client.run(read(client.async()))`.
  /// @throws Error `Errc::invalid_option` on the client's own thread or in a child process; and any
  ///   exception of the coroutine.
  template <class T>
  T run(asio::awaitable<T> awaited) const {
    const auto core = core_;
    Loop& loop = *core->loop;
    if (loop.is_this_thread())
      throw Error(Errc::invalid_option, "a blocking client was called from its own thread");
    if (loop.is_of_parent())
      throw Error(Errc::invalid_option, "the thread of a blocking client is the parent process's");
    std::promise<T> result;
    std::promise<void> over;
    asio::co_spawn(loop.context, std::move(awaited), [&](std::exception_ptr e, auto... value) {
      if (e)
        result.set_exception(std::move(e));
      else
        result.set_value(std::move(value)...);
      // Asio releases the exception only after this handler has returned. Without this wait, two
      // threads might destroy it.
      asio::post(loop.context, [&over] { over.set_value(); });
    });
    over.get_future().wait();
    return result.get_future().get();
  }

  /// The client that does the work. Copies of it may outlive this one; they can be awaited on any
  /// executor.
  const ferry::Client& async() const& noexcept { return *core_->client; }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const ferry::Client& async() const&& = delete;

 private:
  /// An `io_context` and the thread that runs it.
  class Loop {
   public:
    /// Starts the thread. The destruction of the last copy of the pointer ends it.
    static std::shared_ptr<Loop> start();

    bool is_this_thread() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }
    bool is_of_parent() const noexcept { return !process_.is_current(); }

    asio::io_context context{1};

   private:
    static void run(Loop* loop);
    static void end(Loop* loop) noexcept;

    const asio::executor_work_guard<asio::io_context::executor_type> work_{context.get_executor()};
    const detail::ProcessMark process_;
    bool ends_itself_ = false;  // Used by the loop's own thread only.
    std::thread thread_;
  };

  struct Core {
    explicit Core(ClientOptions options);
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;
    ~Core();

    const std::shared_ptr<Loop> loop = Loop::start();
    std::unique_ptr<const ferry::Client> client;
  };

  std::shared_ptr<const Core> core_;
};

/// Sends one request over a new connection, which is closed afterwards, on the caller's thread.
/// @throws Error as `ferry::send`.
Response send(Request request, RequestOptions options = {},
              ClientOptions client_options = ClientOptions());

/// Sends a GET like `ferry::blocking::send`.
Response get(std::string url, RequestOptions options = {},
             ClientOptions client_options = ClientOptions());
/// Sends a POST like `ferry::blocking::send`.
Response post(std::string url, Body body = Body(), RequestOptions options = {},
              ClientOptions client_options = ClientOptions());

}  // namespace ferry::blocking

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/blocking.ipp>
#endif
