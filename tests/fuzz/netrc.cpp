// Any text as a netrc file: it is read in linear time or refused without showing what is in it,
// and what comes out can be sent.

#include <ferry/detail/auth/netrc.hpp>

#include "fuzz/support.hpp"

using ferry::detail::Netrc;

namespace {

std::string in_quotes(const std::string& value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    // A quoted value ends on its line.
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
  return text + '"';
}

void write(std::string& text, const Netrc::Entry& entry) {
  if (entry.is_set)
    text += "\tlogin " + in_quotes(entry.login) + " # who\n\tprotocol \"x login y\" password " +
            in_quotes(entry.password) + '\n';
}

/// The file written so that nothing of it can be misread.
std::string written(const Netrc& file) {
  std::string text;
  if (file.for_others()) write(text = "default\n", *file.for_others());
  for (const auto& [name, entry] : file.machines()) {
    text += "machine " + in_quotes(name) + '\n';
    write(text, entry);
    text += "macdef m\nmachine no login no\n\n";
  }
  return text;
}

std::size_t check(const Netrc::Entry& entry, const std::string& text) {
  fuzz::require(ferry::detail::basic_authorization(entry.login, entry.password, "").has_value(),
                "credentials can be sent", text);
  fuzz::require(entry.is_set || (entry.login.empty() && entry.password.empty()),
                "what is there is set", text);
  return entry.login.size() + entry.password.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto file = Netrc::parse(text, "f");
  if (!file) {
    // The same words, whatever is in the file: but for the number of the line.
    std::string why = file.error().what();
    const std::string begin = "invalid option: \"f\", line ";
    fuzz::require(why.starts_with(begin), "a line is named", text, why);
    const auto end = why.find(':', begin.size());
    const auto line = ferry::detail::parse_decimal(why.substr(begin.size(), end - begin.size()));
    const auto lines = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    fuzz::require(line && *line >= 1 && *line <= lines, "the line is there", text, why);
    for (const char* const words :
         {" has nothing behind it", " are not closed on their line", " has a control character",
          " has a colon, which Basic authentication cannot send"})
      if (why.ends_with(words)) return 0;
    fuzz::require(false, "the words are known", text, why);
  }
  std::size_t sum = 0;
  for (const auto& [name, entry] : file->machines()) {
    sum += name.size() + check(entry, text);
    const Netrc::Entry* const found = file->find(name, false);
    fuzz::require(found && found <= &entry, "a machine is found, the first of its name", name,
                  text);
  }
  if (file->for_others()) sum += check(*file->for_others(), text);
  fuzz::require(sum <= text.size(), "nothing is made up", text);

  const std::string all = written(*file);
  const auto again = Netrc::parse(all, "f");
  fuzz::require(again.has_value(), "it can be read when it is written", text, all);
  fuzz::require(again->machines() == file->machines() && again->for_others() == file->for_others(),
                "the same when it is written and read again", text, all);
  return 0;
}
