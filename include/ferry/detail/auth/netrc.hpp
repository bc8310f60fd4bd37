#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/auth/credentials.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/result.hpp>

// A parser for netrc files, which have users and passwords by host, as for ftp(1).
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The contents of a netrc file.
class Netrc {
 public:
  class Entry {
   public:
    Entry() = default;
    std::string login;
    std::string password;
    bool is_set = false;  ///< True if it has a login or a password.

    friend bool operator==(const Entry&, const Entry&) = default;
  };

  Netrc() = default;

  /// Parses the text of a netrc file. Keywords, in any case: `machine` or `default`, then `login`,
  /// `password` and `account`. Their values are words separated by white space, or in double
  /// quotes, with the escapes `\"`, `\\`, `\n`, `\r` and `\t`. `macdef` reaches to an empty line;
  /// `#` begins a comment where no value is expected. Other words are skipped, as are values before
  /// the first machine.
  ///
  /// @param path the file's path for the error, which shows nothing of the contents.
  static Result<Netrc> parse(std::string_view text, std::string_view path);

  /// The entry of the first `machine` of this name; else, if `or_default`, that of `default`.
  const Entry* find(std::string_view host, bool or_default) const noexcept {
    for (const auto& [name, entry] : machines_)
      if (iequals(name, host)) return &entry;
    return or_default && default_ ? &*default_ : nullptr;
  }

  const std::vector<std::pair<std::string, Entry>>& machines() const noexcept { return machines_; }
  const std::optional<Entry>& for_others() const noexcept { return default_; }

 private:
  friend class NetrcParser;

  std::vector<std::pair<std::string, Entry>> machines_;
  std::optional<Entry> default_;
};
static_assert(co_await_safe<Netrc>);
static_assert(co_await_safe<Netrc::Entry>);

class NetrcParser {
 public:
  NetrcParser(std::string_view text, std::string_view path) : rest_(text), path_(path) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  }

  Result<Netrc> parse() {
    Netrc file;
    while (next_word()) {
      auto problem = read(file);
      if (!problem.empty()) return refuse(word_line_, std::move(problem));
    }
    finish(file);
    return file;
  }

 private:
  enum class Into { nothing, machine, others };

  /// Reads the next keyword and its value.
  /// @return the problem; empty if there is none.
  std::string read(Netrc& file) {
    word_line_ = line_;
    if (rest_.front() == '#') {
      skip_line();
      return {};
    }
    const bool is_quoted = rest_.front() == '"';
    std::string name;
    if (!take_value(name)) return "quotes are not closed on their line";
    if (is_quoted) return {};  // A quoted word is not a keyword.
    std::transform(name.begin(), name.end(), name.begin(), to_lower);
    if (name == "default") {
      begin(file, Into::others, {});
      return {};
    }
    const bool is_login = name == "login";
    const bool is_password = name == "password";
    // Other programs have their own words, such as `protocol https`; curl skips them, too.
    if (name != "machine" && name != "macdef" && name != "account" && !is_login && !is_password)
      return {};
    if (!next_word()) return name + " has nothing behind it";
    std::string value;
    if (!take_value(value)) return "the quotes behind " + name + " are not closed on their line";
    if (name == "machine") {
      begin(file, Into::machine, std::move(value));
    } else if (name == "macdef") {
      skip_macro();
    } else if (into_ != Into::nothing && (is_login || is_password)) {
      if (auto error = check_credential({}, value))
        return "the value of " + name + " has a control character";
      if (is_login && value.find(':') != value.npos)
        return "the value of login has a colon, which Basic authentication cannot send";
      (is_login ? entry_.login : entry_.password) = std::move(value);
      entry_.is_set = true;
    }
    return {};
  }

  void begin(Netrc& file, Into into, std::string name) {
    finish(file);
    into_ = into;
    name_ = std::move(name);
    entry_ = Netrc::Entry();
  }
  void finish(Netrc& file) {
    if (into_ == Into::machine)
      file.machines_.emplace_back(std::move(name_), std::move(entry_));
    else if (into_ == Into::others && !file.default_)
      file.default_ = std::move(entry_);
  }

  /// Goes to the next word, across lines. False at the end.
  bool next_word() noexcept {
    while (!rest_.empty() && is_space(rest_.front())) drop(1);
    return !rest_.empty();
  }
  std::string_view take_plain() noexcept {
    std::size_t end = 0;
    while (end < rest_.size() && !is_space(rest_[end])) ++end;
    const auto word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return word;
  }
  bool take_value(std::string& value) {
    if (rest_.front() != '"') {
      value = take_plain();
      return true;
    }
    drop(1);
    while (!rest_.empty() && rest_.front() != '\n') {
      char c = rest_.front();
      drop(1);
      if (c == '"') return true;
      if (c == '\\') {
        if (rest_.empty() || rest_.front() == '\n') return false;
        c = rest_.front();
        drop(1);
        c = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
      }
      value += c;
    }
    return false;
  }

  void skip_line() noexcept { drop(std::min(rest_.find('\n'), rest_.size())); }
  /// Skips a macro, up to the next empty line.
  void skip_macro() noexcept {
    do {
      skip_line();
      if (rest_.empty()) return;
      drop(1);
    } while (rest_.find_first_not_of(" \t\r") != rest_.find('\n'));
  }
  void drop(std::size_t size) noexcept {
    for (std::size_t i = 0; i < size; ++i)
      if (rest_[i] == '\n') ++line_;
    rest_.remove_prefix(size);
  }
  static constexpr bool is_space(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
  }

  Error refuse(std::size_t line, std::string why) const {
    return Error(Errc::invalid_option,
                 in_quotes(path_) + ", line " + std::to_string(line) + ": " + std::move(why));
  }

  std::string_view rest_;
  std::string_view path_;
  std::size_t line_ = 1;
  std::size_t word_line_ = 1;
  Into into_ = Into::nothing;
  std::string name_;
  Netrc::Entry entry_;
};

inline Result<Netrc> Netrc::parse(std::string_view text, std::string_view path) {
  return NetrcParser(text, path).parse();
}

}  // namespace ferry::detail
