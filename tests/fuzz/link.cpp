// Any text as `Link` fields, and as `Content-Range`: reading never fails, takes linear time, and
// what comes out was in it.

#include <ferry/detail/http/content_range.hpp>
#include <ferry/link.hpp>

#include "fuzz/support.hpp"

namespace {

/// A link written so that nothing of it can be misread.
std::string written(const ferry::Link& link) {
  std::string text = "<" + link.target + ">";
  for (const auto& [name, value] : link.params) {
    text += "; " + name + "=";
    if (name.ends_with('*')) {
      text += "UTF-8''";
      for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        text += '%';
        text += "0123456789ABCDEF"[byte >> 4];
        text += "0123456789ABCDEF"[byte & 15];
      }
      continue;
    }
    text += '"';
    for (const char c : value) (text += '\\') += c;
    text += '"';
  }
  return text;
}

bool same(const ferry::Link& a, const ferry::Link& b) {
  return a.target == b.target && a.params == b.params;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const auto type = input.ConsumeRandomLengthString(10);
  const auto text = input.ConsumeRemainingBytesAsString();
  std::vector<ferry::Link> links;
  ferry::detail::LinkParser(text).read(links);

  if (const auto range = ferry::detail::parse_content_range(text)) {
    fuzz::require(range->first <= range->last && (!range->size || range->last < *range->size),
                  "a range is one", text);
  }

  std::size_t sum = 0;
  std::string all;
  for (const auto& link : links) {
    fuzz::require(link.target.find('>') == std::string::npos, "a target ends at its end", text);
    fuzz::require(text.find("<" + link.target + ">") != std::string::npos, "a target was there",
                  text);
    sum += link.target.size() + 2;
    for (const auto& [name, value] : link.params) {
      fuzz::require(!name.empty() && name.find_first_of(" \t=;,") == std::string::npos,
                    "a name is one", name);
      fuzz::require(!name.ends_with('*') || ferry::detail::find_invalid_utf8(value) == value.size(),
                    "what is decoded is UTF-8", value);
      fuzz::require(link.param(name).has_value(), "a parameter is found by its name", name);
      sum += name.size() + value.size() + 1;
    }
    fuzz::require(!link.has_rel(type) || link.rel().size() >= type.size(),
                  "a type is one of the list", type);
    if (!all.empty()) all += ", ";
    all += written(link);
  }
  fuzz::require(sum <= text.size(), "nothing is made up", text);

  std::vector<ferry::Link> again;
  ferry::detail::LinkParser(all).read(again);
  fuzz::require(again.size() == links.size(), "as many when it is written and read again", text,
                all);
  for (std::size_t i = 0; i < links.size(); ++i)
    fuzz::require(same(links[i], again[i]), "the same when it is written and read again", text,
                  all);
  return 0;
}
