#pragma once

#include <algorithm>
#include <string>

#include <ferry/detail/h1/parser.hpp>

namespace test {

constexpr ferry::detail::ParserLimits default_limits{64 * 1024, 128, 1 << 20};

/// The result of parsing a response, as text, so that the results of different splits can be
/// compared.
/// @param next_size returns the size of the next piece in bytes, at least one.
template <class NextSize>
std::string parse_in_pieces(const std::string& bytes, NextSize next_size, bool head_request,
                            ferry::detail::ParserLimits limits) {
  using ferry::detail::Framing;
  using ferry::detail::ParseStep;
  ferry::detail::ResponseMessage message;
  ferry::detail::H1Parser parser(message, head_request, limits);
  const auto failed = [&] { return "error: " + parser.error().code().message(); };
  const auto done = [&](std::size_t used) {
    std::string text = std::to_string(message.status) + " " + message.reason + "|";
    for (const auto [name, value] : message.headers)
      text.append(name).append("=").append(value).append(";");
    text += "|" + message.body + "|";
    for (const auto [name, value] : message.trailers)
      text.append(name).append("=").append(value).append(";");
    return text + "|rest " + std::to_string(bytes.size() - used);
  };
  std::size_t taken = 0;
  bool own_body = false;
  while (taken < bytes.size()) {
    std::string piece = bytes.substr(taken, next_size());
    while (!piece.empty()) {
      if (own_body) {
        const auto part =
            std::min<std::size_t>(piece.size(), parser.body_size() - message.body.size());
        message.body += piece.substr(0, part);
        taken += part;
        if (message.body.size() == parser.body_size()) return done(taken);
        piece.erase(0, part);
        continue;
      }
      const auto [used, step] = parser.feed(piece);
      taken += used;
      piece.erase(0, used);
      if (step == ParseStep::failed) return failed();
      if (step == ParseStep::message_done) return done(taken);
      if (step == ParseStep::head_done) {
        own_body = parser.framing() == Framing::length;
        if (own_body && !parser.body_fits()) return failed();
        if (parser.framing() == Framing::none || (own_body && parser.body_size() == 0))
          return done(taken);
      } else if (!piece.empty() && step != ParseStep::interim_done) {
        return "broken: it wants more, and did not take what there is";
      }
    }
  }
  if (own_body) return "error: body cut";
  return parser.finish() ? done(taken) : failed();
}

/// The result of parsing a response in pieces of one size.
inline std::string parse(const std::string& bytes, std::size_t split, bool head_request = false,
                         ferry::detail::ParserLimits limits = default_limits) {
  return parse_in_pieces(
      bytes, [split] { return split; }, head_request, limits);
}

}  // namespace test
