#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/headers.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

FERRY_DEFINITION std::optional<Error> check_field(std::string_view name, std::string_view value) {
  if (!is_token(name))
    return Error(Errc::invalid_header, "the name " + in_quotes(name) + " is not a token");
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (is_control(value[i]) && value[i] != '\t') {
      return Error(Errc::invalid_header, "the value of " + std::string(name) +
                                             " has a control character at byte " +
                                             std::to_string(i));
    }
  }
  if (name.size() + value.size() > (std::size_t{1} << 24))
    return Error(Errc::invalid_header, "the field " + in_quotes(name) + " is larger than 16 MiB");
  return std::nullopt;
}

}  // namespace detail

FERRY_DEFINITION Headers& Headers::add(std::string_view name, std::string_view value) {
  if (is_own(name) || is_own(value)) return add(std::string(name), std::string(value));
  if (auto error = detail::check_field(name, value)) throw *error;
  table_.add(name, detail::trim_ows(value));
  return *this;
}

FERRY_DEFINITION Headers& Headers::set(std::string_view name, std::string_view value) {
  if (is_own(name) || is_own(value)) return set(std::string(name), std::string(value));
  if (auto error = detail::check_field(name, value)) throw *error;
  const auto first = find(name);
  if (first == end()) {
    table_.add(name, detail::trim_ows(value));
    return *this;
  }
  table_.set_value(first.at_, detail::trim_ows(value));
  remove_from(first.at_ + 1, name);
  return *this;
}

FERRY_DEFINITION std::size_t Headers::remove(std::string_view name) {
  return is_own(name) ? remove_from(0, std::string(name)) : remove_from(0, name);
}

FERRY_DEFINITION std::optional<std::string_view> Headers::get(
    std::string_view name) const& noexcept {
  if (empty()) return std::nullopt;  // Most requests have no fields of their own.
  const auto field = find(name);
  if (field == end()) return std::nullopt;
  return (*field).value;
}

FERRY_DEFINITION std::vector<std::string_view> Headers::get_all(std::string_view name) const& {
  std::vector<std::string_view> values;
  for (const auto [key, value] : *this)
    if (detail::iequals(key, name)) values.push_back(value);
  return values;
}

FERRY_DEFINITION Headers::const_iterator Headers::find(std::string_view name) const& noexcept {
  std::size_t i = 0;
  while (i < table_.count() && !detail::iequals(table_.name(i), name)) ++i;
  return {&table_, i};
}

FERRY_DEFINITION bool Headers::finds_token(std::string_view name,
                                           std::string_view token) const noexcept {
  for (const auto [key, value] : *this)
    if (detail::iequals(key, name) && detail::list_has_token(value, token)) return true;
  return false;
}

FERRY_DEFINITION bool Headers::is_own(std::string_view text) const noexcept {
  const std::string_view bytes = table_.text();
  const std::less<const char*> before;
  return !before(text.data(), bytes.data()) && before(text.data(), bytes.data() + bytes.size());
}

FERRY_DEFINITION std::size_t Headers::remove_from(std::size_t first, std::string_view name) {
  const std::size_t before = table_.count();
  for (std::size_t i = first; i < table_.count();)
    if (detail::iequals(table_.name(i), name))
      table_.remove(i);
    else
      ++i;
  return before - table_.count();
}

}  // namespace ferry
