#pragma once

/// @file
/// `Script`: the bytes of the server's answer, the way they are divided, and the end after them.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plan.hpp"

namespace soak {

struct Script {
  /// The server's action after the last byte.
  enum class End { keep, fin, reset, silence };

  std::string bytes;
  std::vector<std::size_t> cuts;  ///< Offsets at which one write ends and the next one begins,
                                  ///< ascending.
  milliseconds pause{0};          ///< The pause between writes.
  End end = End::keep;
};

/// Writes the script of one plan.
class ScriptWriter {
 public:
  ScriptWriter(const Plan& plan, Token token, Verb verb, std::uint64_t seed)
      : plan_{plan},
        token_{token},
        is_head_{verb == Verb::head},
        dice_{seed, token.key(), plan_dice + 1000} {}

  Script script() && {
    write();
    if (plan_.act != Act::surplus) divide();
    return std::move(script_);
  }

 private:
  using End = Script::End;

  void write() {
    switch (plan_.act) {
      case Act::chunked: return write_chunked(chunks());
      case Act::interim: write_interim(); return write_with_length();
      case Act::no_content: return head("204 No Content", "");
      case Act::until_close:
        head("200 OK", "");
        content(body());
        return end(End::fin);
      case Act::http_1_0: return write_http_1_0();
      case Act::close_announced: return write_with_length("Connection: close\r\n", End::fin);
      case Act::close_silent: return write_with_length("", End::fin);
      case Act::surplus: return write_surplus();
      case Act::no_answer: return end(End::silence);
      case Act::close_unanswered: return end(End::fin);
      case Act::reset_unanswered:
      case Act::reset_part_read: return end(End::reset);
      case Act::cut_head: return write_cut_head();
      case Act::cut_by_fin: return write_cut(End::fin);
      case Act::cut_by_reset: return write_cut(End::reset);
      case Act::garbage: return write_garbage();
      case Act::bad_chunk: return write_bad_chunk();
      case Act::ambiguous: return write_ambiguous();
      case Act::length:
      case Act::slow: return write_with_length(dice_.one_in(20) ? "Keep-Alive: timeout=5\r\n" : "");
    }
  }

  void write_with_length(std::string_view fields = "", End after = End::keep) {
    head("200 OK", length_field(plan_.size).append(fields));
    content(body());
    end(after);
  }

  void write_http_1_0() {
    write_with_length("", End::fin);
    script_.bytes.replace(0, 8, "HTTP/1.0");
  }

  /// Writes interim responses. None of their fields may appear in the answer.
  void write_interim() {
    for (std::size_t left = 1 + dice_.below(3); left > 0; --left) {
      script_.bytes +=
          dice_.one_in(2)
              ? "HTTP/1.1 100 Continue\r\n\r\n"
              : "HTTP/1.1 103 Early Hints\r\nToken: " + to_string(other_token()) + "\r\n\r\n";
    }
  }

  void write_surplus() {
    write_with_length();
    script_.bytes += "HTTP/1.1 200 OK\r\nToken: " + to_string(other_token()) + "\r\n" +
                     length_field(16) + "\r\n" + pattern(other_token(), response_body, 16);
    end(End::keep);
  }

  void write_chunked(std::string coded) {
    head("200 OK", "Transfer-Encoding: chunked\r\n");
    content(coded);
    if (dice_.one_in(4)) {  // A trailer must not become a header.
      const std::string trailer = "Token: " + to_string(other_token()) + "\r\n";
      if (!is_head_) script_.bytes.insert(script_.bytes.size() - 2, trailer);
    }
  }

  std::string chunks() {
    const std::string whole = body();
    const std::size_t largest = dice_.one_in(4) ? 16 : 4096;
    std::string coded;
    for (std::size_t at = 0; at < whole.size();) {
      const std::size_t size = std::min(whole.size() - at, 1 + dice_.below(largest));
      chunk(coded, std::string_view{whole}.substr(at, size), dice_.one_in(50) ? ";note=x" : "");
      at += size;
    }
    return coded + "0\r\n\r\n";
  }

  static void chunk(std::string& out, std::string_view data, std::string_view extension = "") {
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, data.size(), 16).ptr;
    out.append(digits, end).append(extension).append("\r\n").append(data).append("\r\n");
  }

  void write_cut_head() {
    write_with_length("", End::fin);
    const std::size_t head_size = script_.bytes.find("\r\n\r\n") + 4;
    script_.bytes.resize(1 + dice_.below(head_size - 1));
  }

  void write_cut(End after) {
    write_with_length("", after);
    script_.bytes.resize(script_.bytes.size() - 1 - dice_.below(plan_.size));
  }

  void write_garbage() {
    constexpr std::string_view kinds[] = {
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "<html>Something went wrong</html>\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 2OO OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon in this line\r\nContent-Length: 0\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    };
    script_.bytes = kinds[dice_.below(std::size(kinds))];
    end(End::silence);
  }

  void write_bad_chunk() {
    head("200 OK", "Transfer-Encoding: chunked\r\n");
    constexpr std::string_view kinds[] = {"xyz\r\n", "-1\r\n", "10000000000000000\r\n", "4 4\r\n"};
    std::string coded;
    if (dice_.one_in(2)) chunk(coded, body());
    content(coded.append(kinds[dice_.below(std::size(kinds))]));
    end(End::silence);
  }

  void write_ambiguous() {
    head("200 OK", length_field(plan_.size) + (dice_.one_in(2) ? "Transfer-Encoding: chunked\r\n"
                                                               : length_field(plan_.size + 1)));
    end(End::silence);
  }

  void head(std::string_view status, std::string_view fields) {
    script_.bytes.append("HTTP/1.1 ").append(status).append("\r\nToken: ");
    script_.bytes.append(to_string(token_)).append("\r\n").append(fields).append("\r\n");
  }
  void content(std::string_view bytes) {
    if (!is_head_) script_.bytes += bytes;
  }
  void end(End after) { script_.end = after; }

  std::string body() const { return pattern(token_, response_body, plan_.size); }
  static std::string length_field(std::size_t size) {
    return "Content-Length: " + std::to_string(size) + "\r\n";
  }
  /// The token of another request, which is probably in flight.
  Token other_token() const { return {token_.worker ^ 1, token_.serial}; }

  /// Cuts the bytes at random: the result of an answer must not depend on the cuts.
  void divide() {
    if (script_.bytes.empty()) return;
    std::size_t count = dice_.one_in(3) ? 1 + dice_.below(4) : 0;
    if (plan_.act == Act::slow) {
      count = 2 + dice_.below(6);
      script_.pause = milliseconds(20) + dice_.up_to(milliseconds(60));
    }
    // Half of the cuts are in the head or just after it.
    for (; count > 0; --count) {
      const std::size_t range =
          dice_.one_in(2) ? script_.bytes.size() : std::min<std::size_t>(100, script_.bytes.size());
      script_.cuts.push_back(dice_.below(range));
    }
    std::sort(script_.cuts.begin(), script_.cuts.end());
  }

  const Plan plan_;
  const Token token_;
  const bool is_head_;
  Dice dice_;
  Script script_;
};

}  // namespace soak
