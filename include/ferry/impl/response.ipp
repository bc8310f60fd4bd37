#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/http/response_state.hpp>
#include <ferry/response.hpp>
#include <ferry/status.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

FERRY_DEFINITION Error status_error(int status, std::string_view reason, const Url& url,
                                    std::string_view note) {
  if (status == 0)
    return Error(Errc::http_status,
                 "there is no response: this one was moved from, or not sent for");
  std::string what = std::to_string(status);
  what.append(" ").append(reason.empty() ? reason_phrase(status) : reason).append(" for ");
  what.append(url.origin()).append(url.path()).append(note);
  return Error::of_status(status, std::move(what), std::string(url.origin()));
}

/// True for the codings that IANA registers, and their old names (RFC 9110 8.4.1). Servers also
/// send names that are not codings, such as `aws-chunked`, `utf-8` or `none`.
inline bool is_content_coding(std::string_view name) noexcept {
  for (const auto known :
       {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress", "dcb", "dcz"})
    if (iequals(name, known)) return true;
  return false;
}

FERRY_DEFINITION std::optional<Error> still_coded(const ResponseState& response) {
  if (response.is_decoded) return std::nullopt;
  for (std::string_view list = response.message.headers.get("Content-Encoding").value_or("");
       !list.empty();) {
    const auto comma = std::min(list.find(','), list.size());
    const auto coding = trim_ows(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (!is_content_coding(coding)) continue;
    const bool is_part = response.message.status == 206;
    return Error(
        Errc::undecodable_body,
        "its content coding " + in_quotes(coding) + " was not undone: " +
            (is_part ? "this is a part of the coded body (206)"
                     : "options.codings has no decoder for it (ferry/gzip.hpp, "
                       "ferry/brotli.hpp, ferry/zstd.hpp), or the call has decode = false"));
  }
  return std::nullopt;
}

FERRY_DEFINITION void ResponseState::clear() noexcept {
  message.clear();
  elapsed = {};
  timings = {};
  connection = {};
  history.clear();
  is_decoded = false;
}

}  // namespace detail

FERRY_DEFINITION Response::Response() noexcept = default;

FERRY_DEFINITION Response::Response(std::unique_ptr<detail::ResponseState> state) noexcept
    : state_(std::move(state)) {
  if (state_) detail::access::userinfo(state_->url).clear();
}

FERRY_DEFINITION Response::Response(detail::ResponseMessage message, Url url, Duration elapsed,
                                    Timings timings, ConnectionInfo connection)
    : state_(std::make_unique<detail::ResponseState>()) {
  state_->message = std::move(message);
  state_->url = std::move(url);
  state_->elapsed = elapsed;
  state_->timings = timings;
  state_->connection = std::move(connection);
  state_->is_decoded = true;
}

FERRY_DEFINITION Response::Response(Response&&) noexcept = default;

FERRY_DEFINITION Response& Response::operator=(Response&&) noexcept = default;

FERRY_DEFINITION Response::Response(const Response& other)
    : state_(other.state_ ? std::make_unique<detail::ResponseState>(*other.state_) : nullptr) {}

FERRY_DEFINITION Response::~Response() = default;

FERRY_DEFINITION int Response::status() const noexcept { return state().message.status; }

FERRY_DEFINITION const std::string& Response::reason() const& noexcept {
  return state().message.reason;
}

FERRY_DEFINITION std::string Response::reason() && {
  return state_ ? std::move(state_->message.reason) : std::string();
}

FERRY_DEFINITION std::string_view Response::version() const noexcept {
  return state().message.version();
}

FERRY_DEFINITION const Headers& Response::headers() const& noexcept {
  return state().message.headers;
}

FERRY_DEFINITION Headers Response::headers() && {
  return state_ ? std::move(state_->message.headers) : Headers();
}

FERRY_DEFINITION const Headers& Response::trailers() const& noexcept {
  return state().message.trailers;
}

FERRY_DEFINITION Headers Response::trailers() && {
  return state_ ? std::move(state_->message.trailers) : Headers();
}

FERRY_DEFINITION const std::string& Response::body() const& noexcept {
  return state().message.body;
}

FERRY_DEFINITION std::string Response::body() && noexcept {
  return state_ ? std::move(state_->message.body) : std::string();
}

FERRY_DEFINITION const Url& Response::url() const& noexcept { return state().url; }

FERRY_DEFINITION Url Response::url() && { return state_ ? std::move(state_->url) : Url(); }

FERRY_DEFINITION const Response& Response::raise_for_status() const& {
  if (!ok()) throw detail::status_error(status(), state().message.reason, state().url);
  return *this;
}

FERRY_DEFINITION Response Response::raise_for_status() && {
  if (!ok()) throw detail::status_error(status(), state().message.reason, state().url);
  return std::move(*this);
}

FERRY_DEFINITION Duration Response::elapsed() const noexcept { return state().elapsed; }

FERRY_DEFINITION const Timings& Response::timings() const& noexcept { return state().timings; }

FERRY_DEFINITION Timings Response::timings() && { return state().timings; }

FERRY_DEFINITION const ConnectionInfo& Response::connection() const& noexcept {
  return state().connection;
}

FERRY_DEFINITION ConnectionInfo Response::connection() && { return state().connection; }

FERRY_DEFINITION const std::vector<Response>& Response::history() const& noexcept {
  return state().history;
}

FERRY_DEFINITION std::vector<Response> Response::history() && {
  return state_ ? std::move(state_->history) : std::vector<Response>();
}

FERRY_DEFINITION const detail::ResponseState& Response::state() const noexcept {
  if (state_) return *state_;
  static const detail::ResponseState none;
  return none;
}

}  // namespace ferry
