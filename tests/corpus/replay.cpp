// Plays raw responses to a client, each whole, byte by byte and in random pieces, and prints what
// they came to; tests/corpus/run judges. Reads lines of "NAME PATH CLOSES", where CLOSES is 1 if
// the server closes behind the response; prints lines of "NAME OUTCOME", tab-separated.

#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/ferry.hpp>
#include <ferry/testing/scripted_stream.hpp>

using ferry::testing::Script;

namespace {

std::string hex(const std::string& bytes) {
  std::string text;
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::shared_ptr<Script> script(std::deque<std::string> responses) {
  auto made = std::make_shared<Script>(std::move(responses));
  made->end = Script::End::silence;
  return made;
}

const std::string clean = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean";

std::string outcome_of(const ferry::Result<ferry::Response>& first,
                       const ferry::Result<ferry::Response>& second) {
  if (!second || second->body() != "clean") return "WRONG: the next request got another answer";
  if (!first) return "error\t" + first.error().code().message();
  return std::to_string(first->status()) +
         (second->connection().reused ? "\tkept\t" : "\tclosed\t") + hex(first->body());
}

std::string play(const std::string& bytes, bool closes, std::vector<std::size_t> sizes) {
  auto first = script({bytes, clean});
  first->read_sizes.assign(sizes.begin(), sizes.end());
  if (closes) {
    first->end = Script::End::eof;
    first->idle_look = ferry::IdleState::closed;
  }
  ferry::ClientOptions options;
  options.connector = std::make_shared<ferry::testing::ScriptedConnector>(
      [&](int number) { return number == 1 ? first : script({clean}); });
  options.redirects.follow = false;  // A response is judged, not where it points.
  asio::io_context context{1};
  const ferry::Client client(context, options);
  const auto get = [&] {
    std::optional<ferry::Result<ferry::Response>> result;
    asio::cancellation_signal signal;
    asio::co_spawn(context, client.try_send(ferry::Request::get("http://test/")),
                   asio::bind_cancellation_slot(
                       signal.slot(), [&](std::exception_ptr, ferry::Result<ferry::Response> came) {
                         result.emplace(std::move(came));
                       }));
    // Nothing here takes time: when nothing is ready any more, it waits for what will not come.
    context.restart();
    context.poll();
    const bool waits = !result;
    if (waits) signal.emit(asio::cancellation_type::terminal);
    context.restart();
    context.run();
    if (waits) result.reset();
    return result;
  };
  const auto answer = get();
  // Then the server closes at last.
  if (!answer) return play(bytes, true, std::move(sizes));
  return outcome_of(*answer, *get());
}

}  // namespace

int main() {
  std::mt19937 random(1);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream fields(line);
    std::string name, path;
    bool closes = false;
    fields >> name >> path >> closes;
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};

    const auto whole = play(bytes, closes, {});
    std::cout << name << '\t' << whole << '\n';
    const auto compare = [&](const char* how, std::vector<std::size_t> sizes) {
      const auto pieces = play(bytes, closes, std::move(sizes));
      if (pieces != whole) std::cout << name << "\tDIFFERS " << how << '\t' << pieces << '\n';
    };
    compare("byte by byte", std::vector<std::size_t>(bytes.size(), 1));
    for (int round = 0; round < 3; ++round) {
      std::vector<std::size_t> sizes;
      for (std::size_t sum = 0; sum < bytes.size(); sum += sizes.back())
        sizes.push_back(1 + random() % (round == 0 ? 10 : 500));
      compare("in pieces", std::move(sizes));
    }
  }
}
