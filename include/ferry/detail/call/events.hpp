#pragma once

#include <cstddef>
#include <cstdint>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/http/response_state.hpp>
#include <ferry/detail/time/deadline.hpp>
#include <ferry/event.hpp>
#include <ferry/method.hpp>
#include <ferry/response.hpp>
#include <ferry/url.hpp>

// The events of a request. Connections' events are made by the pool.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Makes an event of a request.
/// @param connection the number of the request's connection; 0 if it has none.
inline Event request_event(Event::Kind kind, const Url& url, const Method& method,
                           std::uint64_t connection, int attempt) noexcept {
  Event event{kind};
  event.origin = url.origin();
  event.method = method.token();
  event.target = url.target();
  event.connection = connection;
  event.attempt = attempt;
  return event;
}

/// Reports that an attempt or a call has failed.
/// @param begin the time at which the call began.
inline void report_failure(const Observer& observer, Event event, const Error& error,
                           Clock::time_point begin) {
  event.error = &error;
  event.duration = Clock::now() - begin;
  observe(observer, event);
}

/// Reports that a response was received in full.
/// @param size the body's size in bytes, as received.
inline void report_response(const Observer& observer, Event event, const ResponseState& response,
                            std::size_t size) {
  event.status = response.message.status;
  event.version = response.message.version();
  event.body_size = size;
  event.duration = response.timings.total;
  event.timings = &response.timings;
  event.info = &response.connection;
  observe(observer, event);
}

}  // namespace ferry::detail
