// Any bytes as lines and as server-sent events: the same however they are split, texts are UTF-8,
// and nothing is larger than its limit.

#include <tuple>
#include <vector>

#include <ferry/detail/http/event_stream.hpp>

#include "fuzz/support.hpp"

namespace {

using ferry::detail::LineSplitter;
using ferry::detail::SseParser;

bool is_utf8(std::string_view text) {
  return ferry::detail::find_invalid_utf8(text) == text.size();
}

/// Calls a function with pieces of the text, each in memory that goes away.
template <class Function>
void in_pieces(std::string_view text, fuzz::Splits* splits, Function function) {
  while (!text.empty()) {
    const std::string piece(text.substr(0, splits ? (*splits)() : text.size()));
    text.remove_prefix(piece.size());
    if (!function(piece)) return;
  }
}

std::vector<std::string> lines(std::string_view text, std::size_t limit, fuzz::Splits* splits) {
  std::vector<std::string> all;
  LineSplitter splitter(limit);
  in_pieces(text, splits, [&](const std::string& piece) {
    splitter.feed(piece);
    for (;;) {
      const auto line = splitter.next();
      if (!line) {
        fuzz::require(line.error().code() == ferry::Errc::body_too_large, "its error is its own");
        all.emplace_back("too long");
        return false;
      }
      if (!*line) return true;
      fuzz::require((*line)->size() <= limit, "a line keeps to its limit", std::string(text));
      fuzz::require((*line)->find_first_of("\r\n") == std::string_view::npos, "a line is one",
                    std::string(text));
      all.emplace_back(**line);
    }
  });
  if (const auto last = splitter.last()) all.emplace_back(*last);
  return all;
}

std::vector<std::string> events(std::string_view text, std::size_t limit, fuzz::Splits* splits) {
  std::vector<std::string> all;
  SseParser parser(limit);
  in_pieces(text, splits, [&](const std::string& piece) {
    parser.feed(piece);
    for (;;) {
      const auto event = parser.next();
      if (!event) {
        fuzz::require(event.error().code() == ferry::Errc::body_too_large, "its error is its own");
        all.emplace_back("too large");
        return false;
      }
      if (!*event) return true;
      const auto& [type, data, id] = std::tie((*event)->type, (*event)->data, (*event)->id);
      fuzz::require(is_utf8(type) && is_utf8(data) && is_utf8(id), "an event is UTF-8");
      fuzz::require(data.size() <= 3 * limit, "an event keeps to its limit");
      fuzz::require(!type.empty(), "an event has a type");
      fuzz::require(id.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
                    "an id can be sent back");
      fuzz::require(id == parser.last_event_id(), "the last id is that of the event");
      all.push_back(type + '\n' + id + '\n' + data);
    }
  });
  all.push_back("id " + parser.last_event_id());
  if (const auto retry = parser.retry()) {
    fuzz::require(*retry <= std::chrono::hours(24), "a wait has an end");
    all.push_back("retry " + std::to_string(retry->count()));
  }
  return all;
}

/// The lines of a text by the standard, without pieces and limits.
std::vector<std::string> lines_by_the_book(std::string_view text) {
  std::vector<std::string> all(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (text[i] == '\r' || text[i] == '\n')
      all.emplace_back();
    else
      all.back() += text[i];
  }
  if (all.back().empty()) all.pop_back();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const auto seed = input.ConsumeIntegral<std::uint32_t>();
  const auto limit = input.ConsumeIntegralInRange<std::size_t>(0, 200);
  const auto text = input.ConsumeRemainingBytesAsString();
  fuzz::Splits splits(seed);

  fuzz::require(lines(text, text.size(), nullptr) == lines_by_the_book(text), "lines are lines",
                text);
  fuzz::require(lines(text, limit, nullptr) == lines(text, limit, &splits),
                "lines are the same however they are split", text);
  fuzz::require(events(text, limit, nullptr) == events(text, limit, &splits),
                "events are the same however they are split", text);
  fuzz::require(events(text, text.size(), nullptr) == events(text, text.size(), &splits),
                "events are the same however they are split, without a limit", text);
  return 0;
}
