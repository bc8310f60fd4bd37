#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/h1/chunk_framing.hpp>
#include <ferry/detail/h1/field_section.hpp>
#include <ferry/detail/h1/head_budget.hpp>
#include <ferry/detail/h1/line_ends.hpp>
#include <ferry/detail/h1/llhttp_parser.hpp>
#include <ferry/detail/h1/status_line.hpp>
#include <ferry/detail/http/connection_fields.hpp>
#include <ferry/detail/http/message.hpp>
#include <ferry/error.hpp>

// A parser for HTTP/1.x responses (RFC 9112), based on llhttp.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Limits of one response.
struct ParserLimits {
  std::size_t max_head_size;
  std::size_t max_fields;
  std::uint64_t max_body_size;
};

/// The point that the parsing of a response has reached.
enum class ParseStep {
  need_more,     ///< More bytes are needed.
  interim_done,  ///< The head of an interim response has arrived; the next bytes begin another.
  head_done,     ///< The head of the final response has arrived.
  message_done,  ///< A chunked body and its trailers have arrived.
  failed,        ///< The bytes are refused.
};

/// Parses the response to one request, including interim responses, from bytes in any pieces. It is
/// made anew for each request.
///
/// llhttp finds where everything starts and ends. This class refuses what llhttp lets pass:
/// - bytes that begin no status line of HTTP/1.0 or HTTP/1.1, and statuses below 100
///   (`StatusLineStart`);
/// - control characters in the reason phrase, fields without a name, lines that end without CR
///   (`LineEnds`), and malformed chunk extensions (`ChunkExtensions`);
/// - heads that are larger, or have more fields, than the limits allow (`HeadBudget`,
///   `FieldSection`), and more chunk framing than the data justifies (`ChunkFraming`);
/// - framing that two parsers could read differently (`FramingFields`);
/// - a 101 to a request that asked for no upgrade.
///
/// A body of known length does not pass through the parser: after `head_done`, the caller reads
/// `body_size` bytes straight into their destination.
///
///     start --byte--> status_line --line end--> fields --empty line--> head_complete
///                          ^                                                |
///                          +-------byte------- interim <---1xx--------------+
///                                                                           |
///                              done <---no body, 101, body of known length--+
///                               ^                                           |
///                               +--last line end-- chunks <-----chunked-----+
///                                                  until_close <----else----+
///
/// Invariants:
/// 1. `head_complete` lasts from llhttp's report of the empty line to the end of `finish_head`. It
///    remains after `feed` only if the head was refused.
/// 2. There is no state for failure: once `error_` is set, `feed` parses nothing more.
/// 3. The first error in the bytes is the one reported, however the bytes are split. After llhttp
///    or a callback has stopped at an error, the line ends before that place are checked, and an
///    error among them replaces the later one. llhttp gets at most one byte beyond the head's
///    limit, enough to know that the limit is exceeded.
/// 4. `fields_` keeps the bytes of the head, status line included, until `finish_head` moves them
///    into the message, and then the bytes of the trailers. `chunks_` exists from the state
///    `chunks` on.
/// 5. llhttp pauses at the end of a head, before each size line, after the last size line and at
///    the end of the message, and nowhere else.
class H1Parser : public LlhttpParser<H1Parser> {
 public:
  /// @param message receives the response and must outlive the parsing; the memory of its fields is
  ///   used again.
  /// @param expects_no_body true if no response to the request has a body: it is HEAD or CONNECT.
  /// @param takes_upgrade true if a 101 is a final response, after which another protocol begins.
  H1Parser(ResponseMessage& message, bool expects_no_body, const ParserLimits& limits,
           bool takes_upgrade = false)
      : message_(&message),
        limits_(limits),
        head_budget_(limits.max_head_size),
        fields_(std::move(access::table(message.headers)), limits.max_fields),
        expects_no_body_(expects_no_body),
        takes_upgrade_(takes_upgrade) {
    begin_head();
  }

  /// Directs the rest of the body and the trailers to another message. The caller limits its size.
  void go_on_into(ResponseMessage& message) noexcept {
    message_ = &message;
    limits_.max_body_size = std::numeric_limits<std::uint64_t>::max();
  }

  /// After `head_done`: limits the size of a body that is collected.
  void limit_body(std::uint64_t most) noexcept { limits_.max_body_size = most; }

  /// Parses bytes.
  /// @return the number of bytes used, and the step reached; bytes after a finished head or message
  ///   are left to the caller.
  std::pair<std::size_t, ParseStep> feed(std::string_view data) {
    if (error_) return {0, ParseStep::failed};
    if (data.empty()) return {0, ParseStep::need_more};
    switch (state_) {
      case State::start: state_ = State::status_line; return feed_head(data);
      case State::interim: begin_next_head(); return feed_head(data);
      case State::until_close: return feed_until_close(data);
      case State::chunks: return feed_chunks(data);
      case State::done: return {0, ParseStep::message_done};
      default: return feed_head(data);
    }
  }

  /// Tells the parser that the connection has ended.
  /// @return true if the end completes the message.
  bool finish() {
    if (state_ == State::until_close) return true;
    if (state_ == State::chunks)
      fail(Errc::truncated_body, "the last chunk is missing");
    else
      fail(any_byte() ? Errc::truncated_head : Errc::connection_lost, {});
    return false;
  }

  /// After `head_done`: the way in which the body is delimited.
  Framing framing() const noexcept { return framing_; }
  /// After `head_done`, with `Framing::length`: the body's size in bytes.
  std::uint64_t body_size() const noexcept { return body_size_; }
  /// After `head_done`: false, with an error, if the body's size is known and larger than a body
  /// that is collected may be.
  bool body_fits() { return body_fits(body_size_); }
  /// True once a byte of any response has arrived, including interim responses.
  bool any_byte() const noexcept { return state_ != State::start; }
  /// True while the body of the final response is being parsed, or if that has failed.
  bool in_body() const noexcept { return state_ == State::until_close || state_ == State::chunks; }
  /// The error after `failed`, or after `finish` or `body_fits` has returned false.
  const Error& error() const noexcept { return *error_; }

  /// After `head_done`: true for HTTP/1.0, false for HTTP/1.1.
  bool is_http_1_0() const noexcept { return llhttp_.http_minor == 0; }
  /// After `head_done`: true if a response without a body, or an interim one before it, has fields
  /// that two parsers could read as different framing.
  bool is_ambiguous() const noexcept { return is_ambiguous_; }
  /// After `head_done`: the head's fields about the connection.
  const ConnectionFields& connection() const noexcept { return fields_.connection(); }

  /// Number of interim responses (1xx) so far.
  int interim_count() const noexcept { return interim_count_; }

 private:
  enum class State {
    start,          ///< No byte has arrived.
    status_line,    ///< In a status line.
    fields,         ///< In the fields of a head.
    head_complete,  ///< A head has arrived, and is not yet understood.
    interim,        ///< After an interim response, before the next byte.
    until_close,    ///< In a body that ends with the connection.
    chunks,         ///< In a chunked body, or its trailers.
    done,           ///< Nothing is left to parse; a body of known length is the caller's to read.
  };

  void begin_head() {
    init(HTTP_RESPONSE, settings());
    message_->status = 0;
    message_->reason.clear();
  }
  void begin_next_head() {
    status_line_ = StatusLineStart();
    line_ends_ = LineEnds();
    fields_ = FieldSection(std::move(access::table(message_->headers)), limits_.max_fields);
    begin_head();
    state_ = State::status_line;
  }

  std::pair<std::size_t, ParseStep> feed_head(std::string_view data) {
    for (std::size_t used = 0; used < data.size();) {
      const bool in_line = state_ == State::status_line;
      const std::size_t room = head_budget_.room(fields_.text().size(), in_line);
      const auto taken = take_head(data.substr(used, room + 1));
      if (!taken) return {used, ParseStep::failed};
      used += *taken;
      if (state_ == State::head_complete) return {used, finish_head()};
    }
    return {data.size(), ParseStep::need_more};
  }

  /// Parses bytes of the head.
  /// @return the number of bytes taken; nothing if the parsing has failed.
  std::optional<std::size_t> take_head(std::string_view bytes) {
    if (!status_line_.take(bytes)) {
      const std::string head = std::string(fields_.text()).append(bytes);
      fail(Errc::malformed_response, StatusLineStart::problem(head));
      return std::nullopt;
    }
    const bool is_first = fields_.text().empty();
    if (is_first) fields_.reserve(std::min<std::size_t>(bytes.size(), 4096), 12);
    fields_.expect(bytes);
    const llhttp_errno_t result = execute(bytes);
    if (result != HPE_OK) bytes = bytes.substr(0, parsed_before_stop(bytes));
    const bool is_checked =
        is_first && state_ == State::head_complete && !error_ && fields_.parse_fast(bytes);
    if (!is_checked && !line_ends_.take(bytes))
      fail(Errc::malformed_response, "a line ends without CR");
    else if (!error_ && result != HPE_OK && state_ != State::head_complete)
      error_ = llhttp_error();
    if (error_) return std::nullopt;
    fields_.keep(bytes);
    const std::size_t size = fields_.text().size();
    if (head_budget_.allows(size, state_ == State::status_line)) return bytes.size();
    error_ = head_budget_.error(size);
    return std::nullopt;
  }

  /// Decides the meaning of a finished head.
  ParseStep finish_head() {
    message_->status = llhttp_.status_code;
    message_->minor_version = llhttp_.http_minor;
    const bool seen_as_chunked = has_no_body_ || (llhttp_.flags & F_CHUNKED) != 0;
    std::string ambiguity = fields_.finish_head(is_http_1_0(), seen_as_chunked);
    const std::size_t size = fields_.text().size();
    access::table(message_->headers) = fields_.release();
    if (!ambiguity.empty()) {
      if (!has_no_body_) return fail(Errc::ambiguous_framing, std::move(ambiguity));
      is_ambiguous_ = true;
    }
    // RFC 9110 7.8: a server switches only to a protocol for which the client has asked.
    const bool is_upgrade = message_->status == 101;
    if (is_upgrade && !takes_upgrade_)
      return fail(Errc::unexpected_upgrade, "status 101 to a request that asked for no upgrade");
    if (is_upgrade || message_->status >= 200) return begin_body();
    head_budget_.spend(size);
    ++interim_count_;
    state_ = State::interim;
    return ParseStep::interim_done;
  }

  /// Decides how the body, if there is one, is delimited (RFC 9112 6.3).
  ParseStep begin_body() {
    framing_ = has_no_body_ ? Framing::none : fields_.framing().framing();
    state_ = State::done;
    if (framing_ == Framing::length) body_size_ = *fields_.framing().length;
    if (framing_ == Framing::until_close) state_ = State::until_close;
    if (framing_ == Framing::chunked) {
      state_ = State::chunks;
      chunks_.emplace(limits_.max_head_size);
    }
    return ParseStep::head_done;
  }

  // ---- bodies without a known length ----

  std::pair<std::size_t, ParseStep> feed_until_close(std::string_view data) {
    if (!append_body(data)) return {0, ParseStep::failed};
    return {data.size(), ParseStep::need_more};
  }

  std::pair<std::size_t, ParseStep> feed_chunks(std::string_view data) {
    chunks_->expect(data);
    std::size_t used = 0;
    while (used < data.size() && state_ != State::done) {
      const auto taken = take_chunks(data.substr(used));
      if (!taken) return {used, ParseStep::failed};
      used += *taken;
    }
    if (state_ != State::done) return {used, ParseStep::need_more};
    if (std::string ambiguity = fields_.finish_trailers(); !ambiguity.empty())
      return {used, fail(Errc::ambiguous_framing, std::move(ambiguity))};
    access::table(message_->trailers) = fields_.release();
    return {used, ParseStep::message_done};
  }

  /// Parses bytes of a chunked body, up to the next pause of llhttp's or the end of an extension.
  /// @return the number of bytes taken; nothing if the parsing has failed.
  std::optional<std::size_t> take_chunks(std::string_view bytes) {
    const auto [kept, skipped] = chunks_->divide(bytes);
    fields_.expect(bytes);
    llhttp_resume(&llhttp_);
    const llhttp_errno_t result = execute(bytes.substr(0, kept));
    const bool has_stopped = result != HPE_OK;
    bytes = bytes.substr(0, has_stopped ? parsed_before_stop(bytes) : kept + skipped);
    if (!chunks_->check(bytes.data() + bytes.size()))
      error_ = chunks_->error();
    else if (!error_ && has_stopped && result != HPE_PAUSED)
      error_ = llhttp_error();
    else if (!error_ && chunks_->has_bad_extension())
      fail(Errc::malformed_response, "a chunk extension is malformed");
    if (error_) return std::nullopt;
    if (!fields_.is_empty()) fields_.keep(bytes);
    return bytes.size();
  }

  bool append_body(std::string_view data) {
    const bool fits = body_fits(message_->body.size() + data.size());
    if (fits) message_->body.append(data);
    return fits;
  }
  bool body_fits(std::uint64_t size) {
    if (size <= limits_.max_body_size) return true;
    fail(Errc::body_too_large, "it is larger than " + std::to_string(limits_.max_body_size) +
                                   " bytes (limits.max_body_size, or max_body_size of this call)");
    return false;
  }

  // ---- llhttp's callbacks ----

  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t instance = [] {
      llhttp_settings_t s;
      llhttp_settings_init(&s);
      s.on_status = span<&H1Parser::on_status>;
      s.on_status_complete = notice<&H1Parser::on_status_complete>;
      s.on_header_field = span<&H1Parser::on_name>;
      s.on_header_value = span<&H1Parser::on_value>;
      s.on_header_value_complete = notice<&H1Parser::on_field_complete>;
      s.on_headers_complete = notice<&H1Parser::on_head_complete>;
      s.on_chunk_header = notice<&H1Parser::on_chunk>;
      s.on_chunk_complete = notice<&H1Parser::on_chunk_complete>;
      s.on_body = span<&H1Parser::on_body>;
      s.on_message_complete = notice<&H1Parser::on_message_complete>;
      return s;
    }();
    return instance;
  }

  int on_status(std::string_view piece) {
    for (const char c : piece) {
      if (!is_control(c) || c == '\t') continue;
      fail(Errc::malformed_response, "the reason phrase has a control character");
      return -1;
    }
    message_->reason.append(piece);
    return HPE_OK;
  }
  int on_status_complete() noexcept {
    state_ = State::fields;
    const int status = llhttp_.status_code;
    has_no_body_ = expects_no_body_ || status < 200 || status == 204 || status == 304;
    return HPE_OK;
  }
  int on_name(std::string_view piece) noexcept {
    fields_.take_name(piece);
    // Fields do not frame a response without a body (RFC 9112 6.3), so llhttp treats this one like
    // any other.
    if (has_no_body_) llhttp_.header_state = 0;
    return HPE_OK;
  }
  int on_value(std::string_view piece) noexcept {
    fields_.take_value(piece);
    return HPE_OK;
  }
  int on_field_complete() {
    if (fields_.end_field()) return HPE_OK;
    error_ = fields_.error();
    return -1;
  }
  /// Called for the head only, also in chunked bodies; trailers end with the message.
  int on_head_complete() noexcept {
    state_ = State::head_complete;
    return HPE_PAUSED;
  }
  /// Called after a size line. The trailers are counted from the last one.
  int on_chunk() noexcept {
    const bool is_last = llhttp_.content_length == 0;
    chunks_->begin_chunk(is_last);
    return is_last ? HPE_PAUSED : HPE_OK;
  }
  int on_body(std::string_view data) {
    if (chunks_->take_data(data)) return append_body(data) ? HPE_OK : -1;
    error_ = chunks_->error();
    return -1;
  }
  /// Called before the next size line, which may have extensions, and after the trailers.
  int on_chunk_complete() noexcept { return chunks_->end_chunk() ? HPE_PAUSED : HPE_OK; }
  int on_message_complete() noexcept {
    state_ = State::done;
    return HPE_PAUSED;
  }

  ParseStep fail(Errc code, std::string detail) {
    error_.emplace(code, std::move(detail));
    return ParseStep::failed;
  }

  ResponseMessage* message_;
  ParserLimits limits_;
  std::optional<Error> error_;
  HeadBudget head_budget_;
  StatusLineStart status_line_;
  LineEnds line_ends_;  // Line ends of the head.
  FieldSection fields_;
  std::optional<ChunkFraming> chunks_;
  std::uint64_t body_size_ = 0;
  int interim_count_ = 0;
  Framing framing_ = Framing::none;
  State state_ = State::start;
  const bool expects_no_body_;
  const bool takes_upgrade_;
  bool has_no_body_ = false;   // True if the status or the request rules out a body.
  bool is_ambiguous_ = false;  // True if a head of a response without a body is ambiguous.
};

}  // namespace ferry::detail
