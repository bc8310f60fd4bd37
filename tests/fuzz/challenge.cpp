// Any text as fields of challenges: reading never fails, takes linear time, and what comes out was
// in it.

#include <ferry/detail/policy/challenge.hpp>

#include "fuzz/support.hpp"

using ferry::detail::Challenge;
using ferry::detail::ChallengeParser;

namespace {

void write_params(std::string& text, const Challenge& challenge) {
  for (const auto& [name, value] : challenge.params) {
    if (!text.empty() && !text.ends_with(' ')) text += ", ";
    text += name + "=\"";
    for (const char c : value) (text += '\\') += c;
    text += '"';
  }
}

/// Challenges written so that nothing of them can be misread.
std::string written(const std::vector<Challenge>& list) {
  std::string all;
  for (const Challenge& challenge : list) {
    std::string text = challenge.scheme + ' ' + challenge.token68;
    write_params(text, challenge);
    if (!all.empty()) all += ", ";
    all += text;
  }
  return all;
}

/// @return the bytes that the parameters must have come from.
std::size_t check_params(const Challenge& challenge, const std::string& text) {
  std::size_t sum = 0;
  fuzz::require(challenge.params.size() <= ChallengeParser::most_params, "there is a limit", text);
  for (const auto& [name, value] : challenge.params) {
    fuzz::require(ferry::detail::is_token(name), "a name is a token", name, text);
    const auto first = challenge.param(name);
    fuzz::require(first && first->data() == value.data(), "a name is there once", name, text);
    sum += name.size() + 1 + value.size();
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const auto first = input.ConsumeRandomLengthString();
  const auto second = input.ConsumeRemainingBytesAsString();

  std::vector<Challenge> list;
  ChallengeParser(first).read(list);
  ChallengeParser(second).read(list);
  const std::string text = first + "\n" + second;
  fuzz::require(list.size() <= ChallengeParser::most_challenges, "there is a limit", text);
  std::size_t sum = 0;
  for (const Challenge& challenge : list) {
    fuzz::require(ferry::detail::is_token(challenge.scheme), "a scheme is a token", text);
    fuzz::require(text.find(challenge.scheme) != std::string::npos &&
                      text.find(challenge.token68) != std::string::npos,
                  "nothing is made up", text);
    sum += challenge.scheme.size() + challenge.token68.size() + check_params(challenge, text);
  }
  fuzz::require(sum <= first.size() + second.size(), "nothing is made up", text);

  const std::string all = written(list);
  std::vector<Challenge> again;
  ChallengeParser(all).read(again);
  fuzz::require(list == again, "the same when it is written and read again", text, all);

  Challenge info;
  ChallengeParser(first).read_params(info);
  fuzz::require(check_params(info, first) <= first.size(), "nothing is made up", first);
  std::string params;
  write_params(params, info);
  Challenge info_again;
  ChallengeParser(params).read_params(info_again);
  fuzz::require(info == info_again, "the same when it is written and read again", first, params);
  return 0;
}
