// A client that tests/servers/run connects to a WebSocket server. It takes its steps in order, and
// prints a line of JSON with the result of each. It implements the frames of RFC 6455, and does not
// judge the results.
//
// usage: websocket URL [NAME=VALUE...] STEP...
//
// Options: `ca`, a PEM file, the only root to trust; `proxy`, a URL; `limit`, the pool's
// connections; `at_a_time`, the number of conversations at once, with one client.
//
//   header=NAME:VALUE   is added to the requests that follow
//   get=PATH            a request that is no handshake
//   upgrade=PATH        the handshake
//   text=SIZE[+SIZE...] sends a text, in frames of these sizes
//   ping=WORD           sends a ping
//   close=CODE          sends a close
//   read                reads a message, a pong or a close; answers the pings before it
//   both=COUNT*SIZE     sends texts, and reads as many messages at the same time
//   end                 reads the end of the connection, after the last message
//   leave               closes the connection without a close frame
//
// A step that fails ends the conversation.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>

#include <ferry/async_stream.hpp>
#include <ferry/ferry.hpp>
#include <ferry/tls.hpp>

namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

Words split(const std::string& text, char at) {
  std::istringstream stream(text);
  Words words;
  for (std::string word; std::getline(stream, word, at);) words.push_back(word);
  return words;
}

std::pair<std::string, std::string> halves(const std::string& text, char at) {
  const auto middle = std::min(text.find(at), text.size());
  return {text.substr(0, middle), text.substr(std::min(middle + 1, text.size()))};
}

// A JSON object.
class Facts {
 public:
  Facts() = default;

  void add(const char* name, std::string_view text) {
    begin(name) += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') json_ += '\\';
      json_ += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    json_ += '"';
  }
  void add(const char* name, std::int64_t number) { begin(name) += std::to_string(number); }
  std::string json() const { return '{' + json_ + '}'; }

 private:
  std::string& begin(const char* name) {
    if (!json_.empty()) json_ += ',';
    return json_ += '"' + std::string(name) + "\":";
  }

  std::string json_;
};

// --- frames (RFC 6455 5.2) --------------------------------------------------------------------

enum Opcode : unsigned char { rest = 0, text = 1, closing = 8, ping = 9, pong = 10 };
constexpr unsigned char final_bit = 0x80, mask_bit = 0x80;

// The first bytes of one long text. No two TLS records of it begin alike.
std::string text_of(std::size_t size) {
  std::string whole(size, ' ');
  for (std::size_t i = 0; i < size; ++i) whole[i] = static_cast<char>('a' + i % 251 % 26);
  return whole;
}

void add_number(std::string& bytes, std::uint64_t number, int size) {
  for (int i = size - 1; i >= 0; --i) bytes += static_cast<char>(number >> (8 * i));
}

std::string frame(Opcode opcode, std::string_view payload, bool is_final = true) {
  static std::mt19937 random{std::random_device{}()};
  std::string bytes;
  add_number(bytes, opcode | (is_final ? final_bit : 0u), 1);
  if (payload.size() < 126) {
    add_number(bytes, mask_bit | payload.size(), 1);
  } else {
    const bool is_long = payload.size() > 0xffff;
    add_number(bytes, mask_bit | (is_long ? 127u : 126u), 1);
    add_number(bytes, payload.size(), is_long ? 8 : 2);
  }
  const auto mask = bytes.size();
  add_number(bytes, random(), 4);
  for (std::size_t i = 0; i < payload.size(); ++i)
    bytes += static_cast<char>(payload[i] ^ bytes[mask + i % 4]);
  return bytes;
}

struct Message {
  Message() = default;

  int opcode = 0;
  int frames = 0;
  std::string payload;
};

// --- the conversation -------------------------------------------------------------------------

class Conversation {
 public:
  Conversation(ferry::Client client, std::string url) : client_(client), url_(std::move(url)) {}

  asio::awaitable<void> take(Words steps) {
    bool has_failed = false;
    for (std::size_t i = 0; i < steps.size() && !has_failed; ++i) {
      Facts facts;
      try {
        co_await take(steps[i], facts);
      } catch (const std::system_error& error) {
        facts.add("error", has_given_up_ ? "takes too long" : error.code().message());
        has_failed = true;
      }
      json_ += (json_.empty() ? "" : ",") + facts.json();
    }
    stream_.reset();
  }
  // Ends a conversation that hangs; those of the tests are shorter.
  void give_up() noexcept {
    has_given_up_ = true;
    if (stream_) stream_->abort();
  }
  std::string json() const { return '[' + json_ + ']'; }

 private:
  asio::awaitable<void> take(std::string step, Facts& facts) {
    const auto [name, value] = halves(step, '=');
    if (name == "header")
      headers_.push_back(halves(value, ':'));
    else if (name == "get")
      co_await get(value, facts);
    else if (name == "upgrade")
      co_await upgrade(value, facts);
    else if (!stream_)
      throw std::invalid_argument(step + ": with whom?");
    else if (name == "text")
      co_await send_text(split(value, '+'));
    else if (name == "ping")
      co_await send(frame(Opcode::ping, value));
    else if (name == "close")
      co_await close(static_cast<std::uint64_t>(std::stoi(value)));
    else if (name == "read")
      co_await read(facts);
    else if (name == "both")
      co_await both(halves(value, '*'), facts);
    else if (name == "end")
      co_await read_end(facts);
    else if (name == "leave")
      stream_.reset();
    else
      throw std::invalid_argument("what is " + step + "?");
  }

  ferry::Request asking(const std::string& path) const {
    ferry::Request request = ferry::Request::get(url_ + path);
    for (const auto& [name, value] : headers_) request.header(name, value);
    return request;
  }

  asio::awaitable<void> get(std::string path, Facts& facts) {
    const ferry::Response response = co_await client_.send(asking(path));
    add(response, facts);
  }

  asio::awaitable<void> upgrade(std::string path, Facts& facts) {
    ferry::Upgraded upgraded = co_await client_.upgrade(asking(path));
    const ferry::Headers& headers = upgraded.response.headers();
    add(upgraded.response, facts);
    facts.add("upgraded", bool(upgraded));
    facts.add("accept", headers.get("Sec-WebSocket-Accept").value_or(""));
    facts.add("protocol", headers.get("Sec-WebSocket-Protocol").value_or(""));
    facts.add("behind", static_cast<std::int64_t>(upgraded.received.size()));
    const auto executor = co_await asio::this_coro::executor;
    if (upgraded) stream_.emplace(executor, std::move(upgraded));
  }

  static void add(const ferry::Response& response, Facts& facts) {
    facts.add("status", response.status());
    facts.add("body", response.body());
    facts.add("reused", response.connection().reused);
  }

  asio::awaitable<void> send(std::string bytes) {
    co_await asio::async_write(*stream_, asio::buffer(bytes), asio::use_awaitable);
  }

  asio::awaitable<void> send_text(Words sizes) {
    std::size_t size = 0;
    for (const std::string& part : sizes) size += std::stoul(part);
    const std::string whole = text_of(size);
    std::string bytes;
    size = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto part = std::stoul(sizes[i]);
      bytes += frame(i == 0 ? Opcode::text : Opcode::rest,
                     std::string_view(whole).substr(size, part), i + 1 == sizes.size());
      size += part;
    }
    co_await send(std::move(bytes));
  }

  asio::awaitable<void> close(std::uint64_t code) {
    std::string payload;
    add_number(payload, code, 2);
    co_await send(frame(Opcode::closing, payload));
  }

  asio::awaitable<std::uint64_t> read_number(std::size_t size) {
    std::array<unsigned char, 8> bytes;
    co_await asio::async_read(*stream_, asio::buffer(bytes.data(), size), asio::use_awaitable);
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < size; ++i) number = number << 8 | bytes[i];
    co_return number;
  }

  // Reads to the end of a message, or of a control frame between its frames. Answers pings.
  asio::awaitable<Message> read_message() {
    Message message;
    for (;;) {
      const std::uint64_t first = co_await read_number(1);
      std::uint64_t size = co_await read_number(1);  // Servers do not mask.
      if (size >= 126) size = co_await read_number(size == 126 ? 2 : 8);
      std::string payload(size, ' ');
      co_await asio::async_read(*stream_, asio::buffer(payload), asio::use_awaitable);
      const int opcode = first & 0x0f;
      if (opcode == Opcode::ping) {
        ++pings_;
        co_await send(frame(Opcode::pong, payload));
        continue;
      }
      if (message.frames++ == 0) message.opcode = opcode;
      message.payload += payload;
      if (first & final_bit) co_return message;
    }
  }

  asio::awaitable<void> read(Facts& facts) {
    const Message message = co_await read_message();
    const std::string& payload = message.payload;
    facts.add("opcode", message.opcode);
    facts.add("frames", message.frames);
    facts.add("size", static_cast<std::int64_t>(payload.size()));
    facts.add("pings", std::exchange(pings_, 0));
    if (message.opcode == Opcode::text) facts.add("whole", payload == text_of(payload.size()));
    if (message.opcode == Opcode::pong) facts.add("word", payload);
    if (message.opcode == Opcode::closing && payload.size() >= 2) {
      facts.add("code", static_cast<unsigned char>(payload[0]) << 8 |
                            static_cast<unsigned char>(payload[1]));
      facts.add("word", payload.substr(2));
    }
  }

  asio::awaitable<void> both(std::pair<std::string, std::string> count_and_size, Facts& facts) {
    using namespace asio::experimental::awaitable_operators;
    const int count = std::stoi(count_and_size.first);
    const std::string sent = text_of(std::stoul(count_and_size.second));
    int whole = 0;
    co_await (send_texts(count, sent) && read_texts(count, sent, whole));
    facts.add("whole", whole);
  }
  // If the connection fails, the reader reports the error.
  asio::awaitable<void> send_texts(int count, const std::string& sent) {
    try {
      for (int i = 0; i < count; ++i) co_await send(frame(Opcode::text, sent));
    } catch (const std::system_error&) {
      stream_->abort();
    }
  }
  asio::awaitable<void> read_texts(int count, const std::string& sent, int& whole) {
    for (int i = 0; i < count; ++i) {
      const Message message = co_await read_message();
      if (message.opcode == Opcode::text && message.payload == sent) ++whole;
    }
  }

  asio::awaitable<void> read_end(Facts& facts) {
    std::array<char, 64> bytes;
    std::error_code end;
    const auto count = co_await stream_->async_read_some(
        asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, end));
    facts.add("bytes", static_cast<std::int64_t>(count));
    facts.add("end", end.message());
  }

  ferry::Client client_;
  std::string url_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::optional<ferry::AsyncStream> stream_;
  std::string json_;
  int pings_ = 0;  // Pings that were answered.
  bool has_given_up_ = false;
};

std::int64_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all)) - 1;  // One descriptor belongs to the iterator.
}

std::string left(const ferry::Client& client, std::int64_t descriptors) {
  client.pool().close_idle();
  const ferry::PoolStats stats = client.pool().stats();
  Facts facts;
  facts.add("active", static_cast<std::int64_t>(stats.active));
  facts.add("idle", static_cast<std::int64_t>(stats.idle));
  facts.add("connecting", static_cast<std::int64_t>(stats.connecting));
  facts.add("waiting", static_cast<std::int64_t>(stats.waiting));
  facts.add("descriptors", open_descriptors() - descriptors);
  return facts.json();
}

void run(const std::string& url, const Words& words) {
  ferry::ClientOptions options;
  ferry::tls::Options tls;
  int at_a_time = 1;
  Words steps;
  for (const std::string& word : words) {
    const auto [name, value] = halves(word, '=');
    if (name == "ca") {
      tls.system_roots = false;
      tls.roots = {ferry::tls::Pem::file(value)};
    } else if (name == "proxy") {
      options.proxy = ferry::ProxyOptions(value);
    } else if (name == "limit") {
      options.limits.max_connections = std::stoul(value);
    } else if (name == "at_a_time") {
      at_a_time = std::stoi(value);
    } else {
      steps.push_back(word);
    }
  }
  options.tls = ferry::tls::context(std::move(tls));

  asio::io_context context{1};
  const ferry::Client client(context, std::move(options));
  const std::int64_t descriptors = open_descriptors();
  std::deque<Conversation> all;
  asio::steady_timer patience(context, 30s);
  patience.async_wait([&](std::error_code done) {
    if (done) return;
    for (Conversation& one : all) one.give_up();
  });
  int talking = at_a_time;
  for (int i = 0; i < at_a_time; ++i) {
    asio::co_spawn(context, all.emplace_back(client, url).take(steps),
                   [&](std::exception_ptr error) {
                     if (error) std::rethrow_exception(error);
                     if (--talking == 0) patience.cancel();
                   });
  }
  context.run();
  std::cout << "{\"conversations\":[";
  for (std::size_t i = 0; i < all.size(); ++i) std::cout << (i > 0 ? "," : "") << all[i].json();
  std::cout << "],\"left\":" << left(client, descriptors) << "}\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: websocket URL [NAME=VALUE...] STEP...\n";
    return 1;
  }
  try {
    run(argv[1], {argv + 2, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "websocket: " << error.what() << '\n';
    return 1;
  }
}
