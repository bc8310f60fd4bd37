#pragma once

// Asio, and all differences between its versions (1.22 to 1.38).

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/detail/signal_blocker.hpp>
#include <asio/error.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/io_context_strand.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/version.hpp>
#if ASIO_VERSION >= 103300
#include <asio/config.hpp>
#endif

#if !defined(ASIO_HAS_CO_AWAIT)
#error \
    "ferry needs Asio with coroutines: compile as C++20 or later; with clang 14 to 16 or so, also with -DASIO_HAS_CO_AWAIT=1"
#endif

#if defined(FERRY_SEPARATE_COMPILATION) && defined(_GLIBCXX_HAVE_ALIGNED_ALLOC) && \
    !defined(ASIO_HAS_STD_ALIGNED_ALLOC) && !defined(ASIO_DISABLE_STD_ALIGNED_ALLOC)
#error \
    "this file includes Asio before any standard header, so Asio did not find aligned_alloc here, and would free with operator delete what another file allocates with aligned_alloc: compile every file of the program with -DASIO_HAS_STD_ALIGNED_ALLOC=1 (ferry's build files do)"
#endif

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <typeinfo>
#include <vector>

#include <ferry/detail/base/configuration.hpp>

// Asio's TLS context, for those who only name it: its header includes OpenSSL.
namespace asio {
#if defined(ASIO_INLINE_NAMESPACE_BEGIN)
ASIO_INLINE_NAMESPACE_BEGIN
#endif
namespace ssl {
class context;
}  // namespace ssl
#if defined(ASIO_INLINE_NAMESPACE_END)
ASIO_INLINE_NAMESPACE_END
#endif
}  // namespace asio

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// `executor.target<Executor>()`, but null if the executor has another type: Asio 1.22 does not
/// compare the types.
template <class Executor>
const Executor* target_of(const asio::any_io_executor& executor) noexcept {
#if defined(ASIO_NO_TYPEID)
  return nullptr;
#else
  return executor.target_type() == typeid(Executor) ? executor.target<Executor>() : nullptr;
#endif
}

/// True once the coroutine with this state was cancelled. A `co_await` reports this only by an
/// exception, which the coroutine's owner may have disabled.
inline bool is_cancelled(const asio::cancellation_state& state) noexcept {
  return state.cancelled() != asio::cancellation_type::none;
}

/// The `io_context` executor inside a given executor; nothing if there is none.
inline std::optional<asio::io_context::executor_type> io_context_executor(
    const asio::any_io_executor& executor) {
  if (const auto* own = target_of<asio::io_context::executor_type>(executor)) return *own;
  if (const auto* strand = target_of<asio::strand<asio::io_context::executor_type>>(executor))
    return strand->get_inner_executor();
  if (const auto* strand = target_of<asio::strand<asio::any_io_executor>>(executor))
    return io_context_executor(strand->get_inner_executor());
  return std::nullopt;
}

/// True if the executor's context is configured to wait for an event after each short read
/// (`reactor.reset_edge_on_partial_read`, Asio 1.37 and later). Then an end of stream that came
/// together with the last data causes no further event.
inline bool waits_after_short_read(const asio::any_io_executor& executor) {
#if ASIO_VERSION >= 103700
  return asio::config(asio::query(executor, asio::execution::context))
             .get("reactor", "reset_edge_on_partial_read", 0) != 0;
#else
  (void)executor;
  return false;
#endif
}

/// True if the context's locks are disabled (`ASIO_CONCURRENCY_HINT_UNSAFE`): no other thread may
/// use the context, not even to end a wait.
inline bool is_unlocked(const asio::any_io_executor& executor) {
  const auto own = io_context_executor(executor);
  if (!own) return false;
#if ASIO_VERSION >= 103300
  return !asio::config(own->context()).get("scheduler", "locking", true);
#else
  const auto& context = asio::use_service<asio::detail::io_context_impl>(own->context());
  return !ASIO_CONCURRENCY_HINT_IS_LOCKING(SCHEDULER, context.concurrency_hint());
#endif
}

/// Adds the addresses that the system finds for a host (`getaddrinfo`). Blocks without limit.
template <class Tcp>
std::error_code find_addresses(const std::string& host, std::vector<asio::ip::address>& found) {
  namespace ops = asio::detail::socket_ops;
  asio::detail::addrinfo_type wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = Tcp::v4().type();
  wanted.ai_protocol = Tcp::v4().protocol();
  asio::detail::addrinfo_type* first = nullptr;
  std::error_code error;
  ops::getaddrinfo(host.c_str(), nullptr, wanted, &first, error);
  if (error) return error;
  const std::unique_ptr<asio::detail::addrinfo_type, decltype(&ops::freeaddrinfo)> all(
      first, &ops::freeaddrinfo);
  for (const auto* entry = first; entry; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    typename Tcp::endpoint endpoint;
    endpoint.resize(entry->ai_addrlen);
    std::memcpy(endpoint.data(), entry->ai_addr, endpoint.size());
    found.push_back(endpoint.address());
  }
  return {};
}

/// `connect(2)` on a non-blocking socket, without the further system calls of Asio's own.
template <class Socket>
void native_connect(Socket& socket, const typename Socket::endpoint_type& remote,
                    std::error_code& error) {
  asio::detail::socket_ops::connect(socket.native_handle(), remote.data(), remote.size(), error);
}

/// Makes a socket use one network interface only.
inline void bind_to_interface(asio::detail::socket_type socket, const std::string& name,
                              std::error_code& error) {
#if defined(SO_BINDTODEVICE)
  if (::setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, name.data(),
                   static_cast<socklen_t>(name.size())) != 0)
    error = {errno, asio::error::get_system_category()};
#else
  (void)socket, (void)name;
  error = asio::error::operation_not_supported;
#endif
}

/// Socket option with the result of a connection attempt, in the form that Asio requires.
class ConnectError {
 public:
  std::error_code code() const noexcept { return {value_, asio::error::get_system_category()}; }

  template <class Protocol>
  int level(const Protocol&) const noexcept {
    return SOL_SOCKET;
  }
  template <class Protocol>
  int name(const Protocol&) const noexcept {
    return SO_ERROR;
  }
  template <class Protocol>
  void* data(const Protocol&) noexcept {
    return &value_;
  }
  template <class Protocol>
  std::size_t size(const Protocol&) const noexcept {
    return sizeof value_;
  }
  template <class Protocol>
  void resize(const Protocol&, std::size_t) noexcept {}

 private:
  int value_ = 0;
};

}  // namespace ferry::detail
