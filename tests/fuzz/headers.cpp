// Any sequence of changes to `Headers`: they hold what a list of pairs would hold, and a request
// made of them is read by a request parser as exactly these fields, and one request.

#include <algorithm>
#include <llhttp.h>
#include <utility>
#include <vector>

#include <ferry/detail/h1/encoder.hpp>
#include <ferry/detail/http/field_checks.hpp>

#include "fuzz/support.hpp"

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;
using ferry::detail::iequals;

Fields list_of(const ferry::Headers& headers) {
  Fields fields;
  for (const auto [name, value] : headers) fields.emplace_back(name, value);
  return fields;
}

std::string text_of(const Fields& fields) {
  std::string text;
  for (const auto& [name, value] : fields) text += name + "=" + value + ";";
  return text;
}

std::string read_name(FuzzedDataProvider& input) {
  static const std::string names[] = {"A", "a", "Bb", "Host", "Connection", "X-Y_z"};
  if (input.ConsumeBool()) return input.PickValueInArray(names);
  return input.ConsumeRandomLengthString(12);
}

/// Changes headers and their model in the same way; both refuse the same.
void change(FuzzedDataProvider& input, ferry::Headers& headers, Fields& model) {
  const auto kind = input.ConsumeIntegralInRange(0, 2);
  const auto name = read_name(input);
  const auto same = [&name](const auto& field) { return iequals(field.first, name); };
  if (kind == 0) {
    const auto count = std::erase_if(model, same);
    fuzz::require(headers.remove(name) == count, "remove counts what it removed", name);
    return;
  }
  const auto value = input.ConsumeRandomLengthString(20);
  try {
    if (kind == 1)
      headers.add(name, value);
    else
      headers.set(name, value);
  } catch (const ferry::Error& error) {
    fuzz::require(error.code() == ferry::Errc::invalid_header, "its error is its own", name);
    return;
  }
  const std::string kept(ferry::detail::trim_ows(value));
  const auto first = std::find_if(model.begin(), model.end(), same);
  if (kind == 1 || first == model.end()) {
    model.emplace_back(name, kept);
  } else {
    first->second = kept;
    model.erase(std::remove_if(first + 1, model.end(), same), model.end());
  }
}

/// A request's head as llhttp reads it for a server.
struct ServerView {
  explicit ServerView(const std::string& bytes) {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_header_field = [](llhttp_t* p, const char* at, std::size_t size) {
      static_cast<ServerView*>(p->data)->name.append(at, size);
      return 0;
    };
    settings.on_header_value = [](llhttp_t* p, const char* at, std::size_t size) {
      static_cast<ServerView*>(p->data)->value.append(at, size);
      return 0;
    };
    settings.on_header_value_complete = [](llhttp_t* p) {
      auto& self = *static_cast<ServerView*>(p->data);
      while (!self.value.empty() && self.value.back() == ' ') self.value.pop_back();
      self.fields.emplace_back(std::exchange(self.name, {}), std::exchange(self.value, {}));
      return 0;
    };
    settings.on_message_complete = [](llhttp_t* p) {
      ++static_cast<ServerView*>(p->data)->messages;
      return 0;
    };
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = this;
    result = llhttp_execute(&parser, bytes.data(), bytes.size());
  }

  Fields fields;
  int messages = 0;
  llhttp_errno_t result{};
  std::string name;
  std::string value;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  ferry::Headers headers;
  Fields model;
  while (input.remaining_bytes() > 0) {
    change(input, headers, model);
    fuzz::require(list_of(headers) == model, "headers are what a list of pairs is",
                  text_of(list_of(headers)), text_of(model));
    fuzz::require(headers.size() == model.size(), "they know their number");
    for (const auto& [name, value] : model) {
      const auto first = std::find_if(model.begin(), model.end(),
                                      [&n = name](const auto& f) { return iequals(f.first, n); });
      fuzz::require(headers.get(name) == first->second, "get gives the first", name);
    }
  }

  if (ferry::detail::check_framing_fields(headers, 0)) return 0;
  const ferry::Headers none;
  const auto url = ferry::Url::parse("http://test/").value();
  ferry::detail::ByteBuffer head;
  ferry::detail::encode_head({ferry::Method::get(), url, headers, none}, head);
  const std::string bytes(head.view());
  // Only what a server may act upon by itself may change how it reads on.
  if (headers.contains("Upgrade") || headers.contains("Proxy-Connection")) return 0;
  const ServerView server(bytes);
  fuzz::require(server.result == HPE_OK && server.messages == 1, "a server reads one request",
                bytes);
  for (const auto& [name, value] : model) {
    if (iequals(name, "Content-Length") || value.empty()) continue;
    const bool there = std::any_of(
        server.fields.begin(), server.fields.end(),
        [&n = name, &v = value](const auto& f) { return iequals(f.first, n) && f.second == v; });
    fuzz::require(there, "a server reads every field", name + ": " + value, bytes);
  }
  return 0;
}
