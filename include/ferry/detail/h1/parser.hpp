#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/h1/callbacks.hpp>
#include <ferry/detail/h1/chunk_extensions.hpp>
#include <ferry/detail/http/connection_fields.hpp>
#include <ferry/detail/http/message.hpp>
#include <ferry/error.hpp>
#include <ferry/headers.hpp>
#include <ferry/status.hpp>

// A parser for HTTP/1.x responses (RFC 9112), based on llhttp.
namespace ferry::detail {

/// Limits of one response.
struct ParserLimits {
  std::size_t max_head_size;
  std::size_t max_fields;
  std::uint64_t max_body_size;
};

/// Parses the response to one request, including interim responses, from bytes in any pieces.
///
/// llhttp finds where everything starts and ends. This class refuses what llhttp lets pass: other
/// protocols and versions than HTTP/1.0 and 1.1, leading junk, heads and chunk framing without
/// bounds, and framing that two parsers could read differently. A body of known length does not
/// pass through the parser: after `head_done`, the caller reads `body_size` bytes straight into
/// their destination.
class H1Parser {
 public:
  /// `interim_done`: the head of an interim response has arrived, and the caller may look at it;
  /// parsing goes on with the next bytes.
  enum class Step { need_more, interim_done, head_done, message_done, failed };

  /// False for an llhttp 8 that was built without its strict mode: it accepts malformed responses.
  static bool is_strict() noexcept {
    static const bool strict = [] {
      llhttp_settings_t none;
      llhttp_settings_init(&none);
      llhttp_t parser;
      llhttp_init(&parser, HTTP_RESPONSE, &none);
      constexpr std::string_view lax = "HTTP/1.1 200 OK\r\nA : b\r\n";
      return llhttp_execute(&parser, lax.data(), lax.size()) != HPE_OK;
    }();
    return strict;
  }

  H1Parser() = default;
  H1Parser(const H1Parser&) = delete;  // llhttp holds a pointer to this object.
  H1Parser& operator=(const H1Parser&) = delete;

  /// Prepares for the response to a request.
  /// @param message receives the response and must outlive the parsing.
  /// @param expects_no_body true if no response to the request has a body: it is HEAD or CONNECT.
  /// @param takes_upgrade true if a 101 is a final response, after which another protocol begins.
  void start(ResponseMessage& message, bool expects_no_body, const ParserLimits& limits,
             bool takes_upgrade = false) {
    message_ = &message;
    expects_no_body_ = expects_no_body;
    takes_upgrade_ = takes_upgrade;
    limits_ = limits;
    error_.reset();
    interim_size_ = 0;
    interim_count_ = 0;
    body_started_ = false;
    any_byte_ = false;
    is_ambiguous_ = false;
    start_head();
  }

  /// Directs the rest of the body and the trailers to another message. The caller limits its size.
  void go_on_into(ResponseMessage& message) noexcept {
    message_ = &message;
    limits_.max_body_size = std::numeric_limits<std::uint64_t>::max();
  }

  /// Parses bytes.
  /// @return the number of bytes used, and the step reached; bytes after a finished head or message
  ///   are left to the caller.
  std::pair<std::size_t, Step> feed(std::string_view data) {
    if (!data.empty()) any_byte_ = true;
    // After an interim response.
    if (head_complete_ && !body_started_ && !data.empty()) start_head();
    return body_started_ ? feed_body(data) : feed_head(data);
  }

  /// Tells the parser that the connection has ended.
  /// @return true if the end completes the message.
  bool finish() {
    if (framing_ == Framing::until_close && body_started_) return true;
    if (body_started_)
      fail(Errc::truncated_body, "the last chunk is missing");
    else if (any_byte_)
      fail(Errc::truncated_head, {});
    else
      fail(Errc::connection_lost, {});
    return false;
  }

  /// After `head_done`: the way in which the body is delimited.
  Framing framing() const noexcept { return framing_; }
  /// After `head_done`, with `Framing::length`: the body's size in bytes.
  std::uint64_t body_size() const noexcept { return body_size_; }
  /// After `head_done`: false, with an error, if the body's size is known and larger than a body
  /// that is collected may be.
  bool body_fits() {
    if (body_size_ <= limits_.max_body_size) return true;
    fail_body_size();
    return false;
  }
  /// True once a byte of any response has arrived, including interim responses.
  bool any_byte() const noexcept { return any_byte_; }
  /// True once the final response's head has arrived and its body is being parsed.
  bool in_body() const noexcept { return body_started_; }
  /// The error after `failed`, or after `finish` has returned false.
  const Error& error() const noexcept { return *error_; }

  /// After `head_done`: true for HTTP/1.0, false for HTTP/1.1.
  bool is_http_1_0() const noexcept { return llhttp_.http_minor == 0; }
  /// After `head_done`: true if a response without a body, or an interim one before it, has fields
  /// that two parsers could read as different framing.
  bool is_ambiguous() const noexcept { return is_ambiguous_; }
  /// After `head_done`: the head's fields about the connection.
  const ConnectionFields& connection() const noexcept { return connection_; }

  /// Number of interim responses (1xx) before the final one.
  int interim_count() const noexcept { return interim_count_; }

 private:
  using Callbacks = LlhttpCallbacks<H1Parser>;
  friend Callbacks;

  static constexpr std::size_t max_status_line = 8 * 1024;
  static constexpr std::size_t max_chunk_overhead = 16 * 1024;

  // ---- the head ----

  void start_head() {
    llhttp_init(&llhttp_, HTTP_RESPONSE, &settings());
    llhttp_.data = this;
    head_size_ = 0;
    prefix_size_ = 0;
    offset_ = 0;
    last_byte_ = '\0';
    in_status_line_ = true;
    head_complete_ = false;
    message_->status = 0;
    message_->reason.clear();
    fields_ = std::move(access::table(message_->headers));  // Reuses their memory.
    fields_.clear();
    origin_ = 0;
    has_fold_ = false;
    framing_fields_ = FramingFields();
    connection_ = ConnectionFields();
    field_open_ = false;
  }

  std::pair<std::size_t, Step> feed_head(std::string_view data) {
    std::size_t used = 0;
    for (;;) {
      std::string_view rest = data.substr(used);
      if (rest.empty()) return {used, Step::need_more};
      // One byte more than allowed is enough to detect the excess; bytes after it must not matter.
      std::size_t room =
          limits_.max_head_size - std::min(limits_.max_head_size, head_size_ + interim_size_);
      if (in_status_line_) room = std::min(room, max_status_line - head_size_);
      rest = rest.substr(0, room + 1);
      if (!check_prefix(rest)) return {used, Step::failed};

      if (head_size_ == 0) fields_.reserve(std::min<std::size_t>(rest.size(), 4096), 12);
      const llhttp_errno_t result = execute(rest);
      std::size_t taken = rest.size();
      if (result != HPE_OK)
        taken = static_cast<std::size_t>(llhttp_get_error_pos(&llhttp_) - rest.data());
      is_canonical_ = head_size_ == 0 && head_complete_ && !has_fold_ && !error_ &&
                      parse_fast(rest.substr(0, taken));
      // The first error counts, so the lines before an llhttp error are checked first.
      const bool good_before = is_canonical_ || check_line_ends(rest.data(), rest.data() + taken);
      if (error_ || !good_before) return {used, Step::failed};
      if (result != HPE_OK && !head_complete_) return {used, fail_llhttp()};
      fields_.append(rest.substr(0, taken));
      used += taken;
      head_size_ += taken;
      offset_ += taken;
      if (head_size_ + interim_size_ > limits_.max_head_size) {
        return {used,
                fail(Errc::head_too_large,
                     "the head, with the interim ones before it, is larger than " +
                         std::to_string(limits_.max_head_size) + " bytes (limits.max_head_size)")};
      }
      if (in_status_line_ && head_size_ > max_status_line)
        return {used, fail(Errc::head_too_large, "the status line is longer than 8 KiB")};
      if (!head_complete_) continue;

      const Step step = finish_head();
      if (step == Step::interim_done) {
        interim_size_ += head_size_;
        ++interim_count_;
      }
      return {used, step};
    }
  }

  /// Checks a whole head of the usual form: each field is a name, a colon, an optional space, a
  /// value, and CR LF.
  /// @return false for any other form, which needs the slower check.
  bool parse_fast(std::string_view head) noexcept {
    const char* const text = head.data();
    std::size_t end = 0;
    for (std::size_t i = 0; i < fields_.count(); ++i) {
      const FieldTable::Slot field = fields_.slot(i);
      const std::size_t name_end = field.name + field.name_size;
      if (i > 0 && field.name != end + 2) return false;
      if (text[field.name - 2] != '\r' || text[field.name - 1] != '\n') return false;
      if (field.value_size == 0 || field.value - name_end > 2) return false;
      end = field.value + field.value_size;
      if (is_ows(text[end - 1])) return false;
      if (is_of_interest(field.name_size))
        note({text + field.name, field.name_size}, {text + field.value, field.value_size});
    }
    return (end == 0 || head.size() == end + 4) && head.ends_with("\r\n\r\n");
  }

  /// Checks that CR stands before every LF: a parser that takes a bare LF for a line end may see
  /// another message (RFC 9112 2.2). llhttp 8 lets some bare LFs pass.
  bool check_line_ends(const char* begin, const char* end) {
    for (const char* p = begin; p < end; ++p) {
      p = static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)));
      if (!p) break;
      if ((p == begin ? last_byte_ : p[-1]) != '\r') {
        fail(Errc::malformed_response, "a line ends without CR");
        return false;
      }
    }
    if (begin < end) last_byte_ = end[-1];
    return true;
  }

  /// Checks the first bytes of a head. llhttp is too liberal here: it skips any number of line
  /// ends, and accepts other protocols and any status number.
  bool check_prefix(std::string_view data) {
    static constexpr std::string_view pattern = "HTTP/1.v sdd";
    if (prefix_size_ == 0 && data.size() >= pattern.size() &&
        std::memcmp(data.data(), pattern.data(), 7) == 0 && (data[7] == '0' || data[7] == '1') &&
        data[8] == ' ' && data[9] >= '1' && data[9] <= '9' && is_digit(data[10]) &&
        is_digit(data[11])) {
      prefix_size_ = pattern.size();
      return true;
    }
    for (char c : data) {
      if (prefix_size_ == pattern.size()) return true;
      const char expected = pattern[prefix_size_];
      const bool good = expected == 'v'   ? c == '0' || c == '1'
                        : expected == 's' ? c >= '1' && c <= '9'
                        : expected == 'd' ? is_digit(c)
                                          : c == expected;
      if (!good) {
        // A TLS alert or handshake record begins with these bytes.
        const bool tls = prefix_size_ == 0 && (c == 0x15 || c == 0x16);
        const std::string start =
            std::string(fields_.data(), head_size_).append(data.substr(0, 40));
        fail(Errc::malformed_response,
             tls ? "the server speaks TLS on this port: the URL begins with https://"
                 : "it does not start with a status line of HTTP/1.0 or HTTP/1.1, but with " +
                       in_quotes(std::string_view(start).substr(0, 40)));
        return false;
      }
      ++prefix_size_;
    }
    return true;
  }

  /// Decides the meaning of a finished head.
  Step finish_head() {
    ResponseMessage& message = *message_;
    message.status = llhttp_.status_code;
    message.minor_version = llhttp_.http_minor;
    if (!finish_fields()) return Step::failed;
    access::table(message.headers) = std::move(fields_);
    if (const char* const ambiguity = find_ambiguity()) {
      if (!has_no_body_) return fail(Errc::ambiguous_framing, ambiguity);
      is_ambiguous_ = true;
    }
    if (message.status == 101) {  // RFC 9110 7.8: the client must have asked for the upgrade.
      if (!takes_upgrade_)
        return fail(Errc::unexpected_upgrade, "status 101 to a request that asked for no upgrade");
      framing_ = Framing::none;
      body_started_ = true;
      return Step::head_done;
    }
    if (message.status < 200) return Step::interim_done;
    return decide_framing();
  }

  /// Looks for fields of the head that two parsers could read differently.
  /// @return the reason; null if there is none.
  const char* find_ambiguity() const noexcept {
    const auto& [codings, chunked, lengths, length] = framing_fields_;
    if (codings > 1) return "more than one Transfer-Encoding";
    if (lengths > 1) return "more than one Content-Length";
    if (lengths > 0 && !length) return "Content-Length is not a number";
    if (codings > 0 && lengths > 0) return "both Transfer-Encoding and Content-Length";
    // llhttp decides by its own rules whether a body is chunked; a response on which the two
    // disagree is refused.
    if (codings > 0 && (!chunked || (!has_no_body_ && (llhttp_.flags & F_CHUNKED) == 0)))
      return "Transfer-Encoding is not \"chunked\" alone";
    if (codings > 0 && is_http_1_0()) return "Transfer-Encoding in a response of HTTP/1.0";
    return nullptr;
  }

  /// Decides how the body, if there is one, is delimited by fields that are not ambiguous
  /// (RFC 9112 6.3).
  Step decide_framing() {
    body_size_ = 0;
    if (has_no_body_) {
      framing_ = Framing::none;
    } else if (framing_fields_.codings > 0) {
      framing_ = Framing::chunked;
    } else if (framing_fields_.length) {
      framing_ = Framing::length;
      body_size_ = *framing_fields_.length;
    } else {
      framing_ = Framing::until_close;
    }
    if (framing_ == Framing::chunked || framing_ == Framing::until_close) {
      body_started_ = true;
      extensions_.begin_line();
      chunk_overhead_ = 0;
      chunk_begun_ = false;
      in_trailers_ = at_last_chunk_ = false;
      last_byte_ = '\n';
    }
    return Step::head_done;
  }

  llhttp_errno_t execute(std::string_view data) {
    chunk_begin_ = data.data();
    const llhttp_errno_t result = llhttp_execute(&llhttp_, data.data(), data.size());
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    return result;
  }

  // ---- bodies without a known length ----

  std::pair<std::size_t, Step> feed_body(std::string_view data) {
    if (framing_ == Framing::until_close) {
      if (!append_body(data)) return {0, Step::failed};
      return {data.size(), Step::need_more};
    }
    framing_begin_ = data.data();
    message_complete_ = false;
    std::size_t used = 0;
    do {
      const std::string_view rest = data.substr(used);
      const auto [kept, skipped] = extensions_.take(rest);
      llhttp_resume(&llhttp_);
      const llhttp_errno_t result = execute(rest.substr(0, kept));
      std::size_t taken = kept + skipped;
      if (result != HPE_OK)
        taken = static_cast<std::size_t>(llhttp_get_error_pos(&llhttp_) - rest.data());
      used += taken;
      // The first error counts, so the framing before an llhttp error is checked first.
      const bool good_before = check_chunk_framing(std::max(framing_begin_, data.data() + used));
      if (error_ || !good_before) return {used, Step::failed};
      if (result != HPE_OK && result != HPE_PAUSED) return {used, fail_llhttp()};
      if (extensions_.failed())
        return {used, fail(Errc::malformed_response, "a chunk extension is malformed")};
      if (field_open_ || fields_.count() > 0) {
        is_canonical_ = false;
        fields_.append(rest.substr(0, taken));
      }
      offset_ += taken;
      if (std::exchange(at_last_chunk_, false)) {
        in_trailers_ = true;
        chunk_overhead_ = 0;  // Trailers have their own limit.
        origin_ = offset_;
      }
      if (!message_complete_ && used == data.size()) return {used, Step::need_more};
    } while (!message_complete_);
    if (!finish_fields()) return {used, Step::failed};
    access::table(message_->trailers) = std::move(fields_);
    return {used, Step::message_done};
  }

  /// Checks the bytes between two pieces of chunk data, up to `end`: size lines, extensions,
  /// trailers. llhttp does not limit their size, and some versions accept LF without CR
  /// (CVE-2025-22871, CVE-2023-39326).
  bool check_chunk_framing(const char* end) {
    if (end <= framing_begin_) return true;
    const std::size_t limit = std::min(
        in_trailers_ ? limits_.max_head_size : std::max(max_chunk_overhead, limits_.max_head_size),
        std::numeric_limits<std::size_t>::max() - 1);
    // One byte more than allowed is enough to detect the excess; bytes after it must not matter.
    const auto size = std::min(static_cast<std::size_t>(end - framing_begin_),
                               limit - std::min(limit, chunk_overhead_) + 1);
    if (!check_line_ends(framing_begin_, framing_begin_ + size)) return false;
    chunk_overhead_ += size;
    framing_begin_ = end;
    if (chunk_overhead_ <= limit) return true;
    if (in_trailers_) {
      fail(Errc::head_too_large, "the trailers are larger than " +
                                     std::to_string(limits_.max_head_size) +
                                     " bytes (limits.max_head_size)");
    } else {
      fail(Errc::head_too_large, "the chunk extensions are larger than the data justifies");
    }
    return false;
  }

  bool append_body(std::string_view data) {
    if (data.size() > limits_.max_body_size - message_->body.size()) {
      fail_body_size();
      return false;
    }
    message_->body.append(data);
    return true;
  }

  // ---- llhttp's callbacks ----

  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t instance = [] {
      llhttp_settings_t s;
      llhttp_settings_init(&s);
      s.on_status = Callbacks::span<&H1Parser::on_status>;
      s.on_status_complete = Callbacks::notice<&H1Parser::on_status_complete>;
      s.on_header_field = Callbacks::span<&H1Parser::on_name>;
      s.on_header_value = Callbacks::span<&H1Parser::on_value>;
      s.on_header_value_complete = Callbacks::notice<&H1Parser::on_field_complete>;
      s.on_headers_complete = Callbacks::notice<&H1Parser::on_head_complete>;
      s.on_chunk_header = Callbacks::notice<&H1Parser::on_chunk>;
      s.on_chunk_complete = Callbacks::notice<&H1Parser::on_chunk_complete>;
      s.on_body = Callbacks::span<&H1Parser::on_body>;
      s.on_message_complete = Callbacks::notice<&H1Parser::on_message_complete>;
      return s;
    }();
    return instance;
  }

  int on_status_complete() noexcept {
    in_status_line_ = false;
    const int status = llhttp_.status_code;
    has_no_body_ = expects_no_body_ || status < 200 || status == 204 || status == 304;
    return 0;
  }
  /// Called for the head only, also in chunked bodies; trailers end with the message.
  int on_head_complete() noexcept {
    head_complete_ = true;
    return HPE_PAUSED;
  }
  /// Pauses after the last size line, so that trailers are counted from there.
  int on_chunk() noexcept {
    chunk_begun_ = true;
    at_last_chunk_ = llhttp_.content_length == 0;
    return at_last_chunk_ ? HPE_PAUSED : HPE_OK;
  }
  /// Pauses before the next size line, which may have extensions.
  int on_chunk_complete() noexcept {
    if (in_trailers_) return HPE_OK;
    extensions_.begin_line();
    return HPE_PAUSED;
  }
  int on_message_complete() noexcept {
    message_complete_ = true;
    return HPE_PAUSED;
  }
  int on_status(std::string_view piece) {
    for (const char c : piece) {
      if (!is_control(c) || c == '\t') continue;
      fail(Errc::malformed_response, "the reason phrase has a control character");
      return -1;
    }
    message_->reason.append(piece);
    return 0;
  }

  // Field callbacks note only positions; the text is stored with the bytes around it.

  std::size_t place_of(std::string_view piece) const noexcept {
    return static_cast<std::size_t>(offset_ - origin_) +
           static_cast<std::size_t>(piece.data() - chunk_begin_);
  }

  int on_name(std::string_view piece) {
    in_status_line_ = false;
    if (!field_open_) {
      field_open_ = true;
      field_ = FieldTable::Slot();
      field_.name = place_of(piece);
    }
    field_.name_size += static_cast<std::uint32_t>(piece.size());
    // Fields do not frame a response without a body (RFC 9112 6.3), so llhttp treats this one like
    // any other.
    if (has_no_body_) llhttp_.header_state = 0;
    return 0;
  }

  int on_value(std::string_view piece) {
    if (piece.empty()) return 0;
    const std::size_t begin = place_of(piece);
    if (field_.value_size == 0) field_.value = begin;
    // Pieces that do not adjoin were separated by a line end: obs-fold.
    if (begin != field_.value + field_.value_size) has_fold_ = true;
    field_.value_size = static_cast<std::uint32_t>(begin - field_.value + piece.size());
    return 0;
  }

  /// Checks a field when it is complete; before, the result would depend on the split.
  int on_field_complete() {
    field_open_ = false;
    if (field_.name_size == 0) {
      fail(Errc::malformed_response, "a field has no name");
      return -1;
    }
    if (fields_.count() == limits_.max_fields) return fail_field_count();
    fields_.push(field_);
    return 0;
  }
  int fail_field_count() {
    fail(Errc::head_too_large, "there are more than " + std::to_string(limits_.max_fields) +
                                   " fields (limits.max_fields)");
    return -1;
  }

  /// Finishes the values of all fields, and notes those that concern the framing or the connection.
  /// @return false if it has failed.
  bool finish_fields() {
    if (is_canonical_) return true;
    if (!body_started_) {  // `parse_fast` may have noted some of them.
      framing_fields_ = FramingFields();
      connection_ = ConnectionFields();
    }
    for (std::size_t i = 0; i < fields_.count(); ++i) {
      FieldTable::Slot field = fields_.slot(i);
      if (!unfold(field)) return false;
      // White space after a value is not part of it (RFC 9112 5.1).
      const char* const value = fields_.data() + field.value;
      while (field.value_size > 0 && is_ows(value[field.value_size - 1])) --field.value_size;
      fields_.set_slot(i, field);
      if (!body_started_ && is_of_interest(field.name_size))
        note(fields_.name(i), fields_.value(i));
    }
    return true;
  }

  /// Joins a value that is folded over several lines: each line end, with the white space around
  /// it, becomes one SP (RFC 9112 5.2). A folded field that could change the framing is refused.
  bool unfold(FieldTable::Slot& field) {
    if (field.value_size == 0) return true;
    char* const text = fields_.data();
    const std::string_view name(text + field.name, field.name_size);
    char* out = text + field.value;
    const char* const end = out + field.value_size;
    if (std::find(name.data() + name.size(), end, '\n') == end) return true;
    if (iequals(name, "Content-Length") || iequals(name, "Transfer-Encoding")) {
      if (!has_no_body_) {
        fail(Errc::ambiguous_framing, std::string(name) + " is folded over two lines");
        return false;
      }
      is_ambiguous_ = true;
    }
    const char* const begin = out;
    const auto is_space = [](char c) { return is_ows(c) || c == '\r' || c == '\n'; };
    for (const char* p = begin; p < end;) {
      const char* const line_end = std::find(p, end, '\r');
      const char* const word = std::find_if_not(line_end, end, is_space);
      out = std::copy(p, line_end, out);
      while (out > begin && is_ows(out[-1])) --out;
      if (out > begin && word < end) *out++ = ' ';
      p = word;
    }
    field.value_size = static_cast<std::uint32_t>(out - begin);
    return true;
  }

  /// True for the length of a name that `note` knows; most names have another length.
  static constexpr bool is_of_interest(std::size_t name_size) noexcept {
    return name_size == 10 || name_size == 14 || name_size == 17;
  }
  /// Notes a field that concerns the message's framing or the connection.
  void note(std::string_view name, std::string_view value) noexcept {
    if (iequals(name, "Content-Length")) {
      ++framing_fields_.lengths;
      framing_fields_.length = parse_decimal(value);
    } else if (iequals(name, "Transfer-Encoding")) {
      ++framing_fields_.codings;
      framing_fields_.chunked = iequals(value, "chunked");
    } else {
      connection_.take(name, value);
    }
  }

  int on_body(std::string_view data) {
    const bool good_before = check_chunk_framing(data.data());
    framing_begin_ = data.data() + data.size();  // Body data is not framing, even if it is refused.
    if (!good_before) return -1;
    // Small chunks have as much framing as data, and cost the sender as much as the client.
    const std::size_t due = 2 * data.size() + (std::exchange(chunk_begun_, false) ? 16 : 0);
    chunk_overhead_ -= std::min(chunk_overhead_, due);
    last_byte_ = '\0';
    return append_body(data) ? 0 : -1;
  }

  // ---- failing ----

  Step fail(Errc code, std::string detail) {
    error_.emplace(code, std::move(detail));
    return Step::failed;
  }
  Step fail_body_size() {
    return fail(Errc::body_too_large,
                "it is larger than " + std::to_string(limits_.max_body_size) +
                    " bytes (limits.max_body_size, or max_body_size of this call)");
  }
  Step fail_llhttp() {
    const llhttp_errno_t code = llhttp_get_errno(&llhttp_);
    const bool framing = code == HPE_INVALID_CONTENT_LENGTH ||
                         code == HPE_UNEXPECTED_CONTENT_LENGTH ||
                         code == HPE_INVALID_TRANSFER_ENCODING;
    const char* reason = llhttp_get_error_reason(&llhttp_);
    return fail(framing ? Errc::ambiguous_framing : Errc::malformed_response,
                reason ? reason : llhttp_errno_name(code));
  }

  /// The fields of a head that delimit its body.
  struct FramingFields {
    int codings = 0;       // Number of Transfer-Encoding fields.
    bool chunked = false;  // True if the last Transfer-Encoding is "chunked".
    int lengths = 0;       // Number of Content-Length fields.
    std::optional<std::uint64_t> length;
  };

  llhttp_t llhttp_{};
  ResponseMessage* message_ = nullptr;
  ParserLimits limits_{};
  std::optional<Error> error_;
  std::exception_ptr thrown_;  // Exception thrown by a callback.
  FramingFields framing_fields_;
  ConnectionFields connection_;
  ChunkExtensions extensions_;
  FieldTable fields_;                    // Fields of the head, or the trailers.
  FieldTable::Slot field_;               // The field that is arriving.
  std::uint64_t origin_ = 0;             // Offset in the message at which the fields' text begins.
  const char* chunk_begin_ = nullptr;    // Begin of the bytes being fed.
  const char* framing_begin_ = nullptr;  // Begin of the chunk framing not yet checked.
  std::uint64_t offset_ = 0;             // Offset of `chunk_begin_` in the message.
  std::uint64_t body_size_ = 0;
  std::size_t head_size_ = 0;
  std::size_t interim_size_ = 0;
  std::size_t prefix_size_ = 0;
  std::size_t chunk_overhead_ = 0;
  int interim_count_ = 0;
  Framing framing_ = Framing::none;
  char last_byte_ = '\0';
  bool takes_upgrade_ = false;
  bool expects_no_body_ = false;
  bool has_no_body_ = false;  // True if the status or the request rules out a body.
  // True if an interim response, or this one without a body, is ambiguous.
  bool is_ambiguous_ = false;
  bool any_byte_ = false;
  bool in_status_line_ = true;
  bool field_open_ = false;
  bool has_fold_ = false;
  bool is_canonical_ = false;  // True if the head needs no slower check.
  bool head_complete_ = false;
  bool body_started_ = false;
  bool message_complete_ = false;
  bool chunk_begun_ = false;
  bool in_trailers_ = false;
  bool at_last_chunk_ = false;
};

}  // namespace ferry::detail
