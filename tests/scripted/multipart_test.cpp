#include <cstdio>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <ferry/file.hpp>
#include <ferry/form.hpp>
#include <ferry/multipart.hpp>
#include <ferry/request.hpp>

#include "support/source.hpp"

using ferry::Body;
using ferry::Errc;
using ferry::Multipart;
using test::contains;
using test::read_all;
using test::refusal;
using namespace std::string_literals;

namespace {

/// Gives its content in pieces of at most `piece` bytes, and says what it is told to.
class Source final : public ferry::BodySource {
 public:
  explicit Source(std::string c) : content(std::move(c)), said(content.size()) {}

  std::optional<ferry::Error> rewind() override {
    ++rewinds;
    at = 0;
    return error;
  }
  bool can_rewind() const noexcept override { return rewindable; }
  std::optional<std::uint64_t> size() const override { return said; }
  asio::awaitable<std::size_t> read(asio::mutable_buffer buffer) override {
    if (fails && at == content.size()) throw std::runtime_error("the tape tore");
    const std::size_t count = asio::buffer_copy(buffer, asio::buffer(content) + at, piece);
    at += count;
    co_return count;
  }

  std::string content;
  std::optional<std::uint64_t> said;
  std::optional<ferry::Error> error;
  bool rewindable = true;
  bool fails = false;
  std::size_t piece = 1000;
  std::size_t at = 0;
  int rewinds = 0;
};

/// A part's content with a given source.
Body content(const std::shared_ptr<Source>& source, std::string type = {}) {
  return Body(std::shared_ptr<ferry::BodySource>(source), std::move(type));
}

class File {
 public:
  explicit File(const std::string& content)
      : path((std::filesystem::temp_directory_path() /
              ("ferry-multipart-" + std::to_string(::getpid()) + ".txt"))
                 .string()) {
    std::ofstream(path, std::ios::binary) << content;
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { std::remove(path.c_str()); }
  std::string name() const { return std::filesystem::path(path).filename().string(); }
  const std::string path;
};

/// The boundary of a body, from its content type.
std::string boundary_of(const Body& body) {
  const std::string before = "multipart/form-data; boundary=";
  REQUIRE(body.content_type().starts_with(before));
  return body.content_type().substr(before.size());
}

std::string thrown_by(const Body& body) {
  try {
    read_all(body);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing";
}

ferry::Headers headers(std::string_view name, std::string_view value) {
  ferry::Headers fields;
  fields.add(name, value);
  return fields;
}

}  // namespace

TEST_CASE("fields and files in memory") {
  const Body body = Multipart("x1")
                        .field("title", "Hello")
                        .part("doc", "a.json", ferry::json("{}"))
                        .part("raw", "b.bin", Body("\0\r\n"s))
                        .part("note", "", Body("n", "text/plain; charset=utf-8"))
                        .field("", "");
  CHECK(body.content_type() == "multipart/form-data; boundary=x1");
  CHECK_FALSE(body.source());
  CHECK(body.bytes() ==
        "--x1\r\n"
        "Content-Disposition: form-data; name=\"title\"\r\n"
        "\r\n"
        "Hello\r\n"
        "--x1\r\n"
        "Content-Disposition: form-data; name=\"doc\"; filename=\"a.json\"\r\n"
        "Content-Type: application/json\r\n"
        "\r\n"
        "{}\r\n"
        "--x1\r\n"
        "Content-Disposition: form-data; name=\"raw\"; filename=\"b.bin\"\r\n"
        "Content-Type: application/octet-stream\r\n"
        "\r\n"
        "\0\r\n\r\n"
        "--x1\r\n"
        "Content-Disposition: form-data; name=\"note\"\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "\r\n"
        "n\r\n"
        "--x1\r\n"
        "Content-Disposition: form-data; name=\"\"\r\n"
        "\r\n"
        "\r\n"
        "--x1--\r\n"s);
  const Body empty = Multipart("x1");
  CHECK(empty.bytes() == "--x1--\r\n");
  CHECK(empty.is_present());
}

TEST_CASE("a part's own fields") {
  const Body body =
      Multipart("b")
          .part("a", "f", Body("1", "text/plain"), headers("X-Checksum", "42"))
          .part("b", "g", Body("2", "text/plain"), headers("content-type", "text/html"));
  CHECK(body.bytes() ==
        "--b\r\n"
        "Content-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n"
        "Content-Type: text/plain\r\n"
        "X-Checksum: 42\r\n"
        "\r\n"
        "1\r\n"
        "--b\r\n"
        "Content-Disposition: form-data; name=\"b\"; filename=\"g\"\r\n"
        "content-type: text/html\r\n"
        "\r\n"
        "2\r\n"
        "--b--\r\n");

  const auto disposition =
      refusal(Multipart().part("a", "f", "1", headers("content-disposition", "form-data")));
  CHECK(disposition.code() == Errc::invalid_body);
  CHECK(contains(disposition.what(), "Content-Disposition"));
}

TEST_CASE("names are quoted as browsers do, and arrive as they are otherwise") {
  const Body body = Multipart("b").part("a\"b\\c%22", "M\u00fcller\r\n\".txt", "");
  CHECK(contains(body.bytes(), "name=\"a%22b\\c%22\"; filename=\"M\u00fcller%0D%0A%22.txt\"\r\n"));
  const Body injected = Multipart("b").field("x\"\r\nEvil: yes\r\n\r\n--b--", "v");
  CHECK(contains(injected.bytes(), "name=\"x%22%0D%0AEvil: yes%0D%0A%0D%0A--b--\"\r\n"));
  CHECK_FALSE(contains(injected.bytes(), "\nEvil"));
}

TEST_CASE("in names a CR or an LF alone becomes CRLF; file names and contents keep theirs") {
  const struct {
    const char* text;
    const char* name;
    const char* filename;
  } table[] = {
      {"a\rb", "a%0D%0Ab", "a%0Db"},
      {"a\nb", "a%0D%0Ab", "a%0Ab"},
      {"a\r\nb", "a%0D%0Ab", "a%0D%0Ab"},
      {"a\n\rb", "a%0D%0A%0D%0Ab", "a%0A%0Db"},
      {"\r\r\n\n", "%0D%0A%0D%0A%0D%0A", "%0D%0D%0A%0A"},
      {"\n", "%0D%0A", "%0A"},
      {"\r", "%0D%0A", "%0D"},
  };
  for (const auto& [text, name, filename] : table) {
    CAPTURE(std::string(name));
    const Body body = Multipart("X").part(text, text, text);
    CHECK(body.bytes() ==
          "--X\r\nContent-Disposition: form-data; name=\""s + name + "\"; filename=\"" + filename +
              "\"\r\nContent-Type: application/octet-stream\r\n\r\n" + text + "\r\n--X--\r\n");
    const Body field = Multipart("X").field(text, text);
    CHECK(field.bytes() == "--X\r\nContent-Disposition: form-data; name=\""s + name + "\"\r\n\r\n" +
                               text + "\r\n--X--\r\n");
  }
}

TEST_CASE("other control characters in names are refused before anything is sent") {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (c == '\r' || c == '\n') continue;
    const bool control = byte < 0x20 || byte == 0x7F;
    const Body name = Multipart().field("a"s + c + "b", "v");
    const Body filename = Multipart().field("x", "y").part("a", "f"s + c, "v");
    REQUIRE(static_cast<bool>(name.source()) == control);
    REQUIRE(static_cast<bool>(filename.source()) == control);
    if (!control) continue;
    CHECK(refusal(name).code() == Errc::invalid_body);
    CHECK(refusal(filename).code() == Errc::invalid_body);
    CHECK(contains(refusal(filename).what(), "file name"));
  }
}

TEST_CASE("a part's content type cannot end its line") {
  for (const auto& type : {"text/plain\r\nEvil: yes"s, "a\nb"s, "a\0b"s}) {
    const auto error = refusal(Multipart().part("a", "f", Body("x", type)));
    CHECK(error.code() == Errc::invalid_header);
    CHECK_FALSE(contains(error.what(), "Evil"));
  }
}

TEST_CASE("a boundary of one's own has to be one") {
  for (const auto& bad : {""s, std::string(71, 'a'), "a b "s, " "s, "a\r\nEvil: yes"s, "a\"b"s,
                          "\u00fc"s, "a\0"s, "a;b"s, "a*b"s}) {
    const Body body = Multipart(bad).field("n", "v");
    CHECK(refusal(body).code() == Errc::invalid_body);
    CHECK(body.content_type() == "multipart/form-data");
  }
  const std::string all = "'()+_,-./:=? 0189AZaz";
  const Body quoted = Multipart(all).field("n", "v");
  CHECK(quoted.content_type() == "multipart/form-data; boundary=\"" + all + "\"");
  CHECK(quoted.bytes().starts_with("--" + all + "\r\n"));
  const Body longest = Multipart(std::string(70, 'a')).field("n", "v");
  CHECK_FALSE(longest.source());

  const auto occurs = refusal(Multipart("edge").field("a", "x").field("b", "the edge is here"));
  CHECK(occurs.code() == Errc::invalid_body);
  CHECK(contains(occurs.what(), "\"edge\""));
}

TEST_CASE("boundaries are random, and need no quotes") {
  std::set<std::string> seen;
  const Multipart form = Multipart().field("a", "b");
  for (int i = 0; i < 200; ++i) {
    const Body body = form;
    const auto boundary = boundary_of(body);
    CHECK(boundary.size() == 6 + 32);
    CHECK(ferry::detail::is_token(boundary));
    CHECK_FALSE(ferry::detail::check_boundary(boundary));
    CHECK(body.bytes().ends_with("--" + boundary + "--\r\n"));
    seen.insert(boundary);
  }
  CHECK(seen.size() == 200);
}

TEST_CASE("sources are read one after the other, in pieces of any size") {
  const File file("the file\n");
  const auto first = std::make_shared<Source>("first source");
  first->piece = 5;
  const auto empty = std::make_shared<Source>("");
  const Body body = Multipart("b")
                        .field("f", "v")
                        .part("s", "s.txt", content(first, "text/plain"))
                        .part("e", "", content(empty))
                        .file("up", file.path)
                        .file("typed", file.path, "text/plain")
                        .field("g", "w");
  const std::string expected =
      "--b\r\n"
      "Content-Disposition: form-data; name=\"f\"\r\n"
      "\r\n"
      "v\r\n"
      "--b\r\n"
      "Content-Disposition: form-data; name=\"s\"; filename=\"s.txt\"\r\n"
      "Content-Type: text/plain\r\n"
      "\r\n"
      "first source\r\n"
      "--b\r\n"
      "Content-Disposition: form-data; name=\"e\"\r\n"
      "\r\n"
      "\r\n"
      "--b\r\n"
      "Content-Disposition: form-data; name=\"up\"; filename=\"" +
      file.name() +
      "\"\r\n"
      "Content-Type: application/octet-stream\r\n"
      "\r\n"
      "the file\n\r\n"
      "--b\r\n"
      "Content-Disposition: form-data; name=\"typed\"; filename=\"" +
      file.name() +
      "\"\r\n"
      "Content-Type: text/plain\r\n"
      "\r\n"
      "the file\n\r\n"
      "--b\r\n"
      "Content-Disposition: form-data; name=\"g\"\r\n"
      "\r\n"
      "w\r\n"
      "--b--\r\n";
  REQUIRE(body.source());
  CHECK(body.content_type() == "multipart/form-data; boundary=b");
  for (std::size_t piece = 1; piece < expected.size() + 2; ++piece) {
    CHECK(read_all(body, piece) == expected);
    CHECK(body.source()->size() == expected.size());
  }
  CHECK(body.source()->can_rewind());
  CHECK(first->rewinds == static_cast<int>(expected.size()) + 1);
}

TEST_CASE("large parts in memory are not put together") {
  const std::string large(200'000, 'x');
  const Body body = Multipart("b").field("a", large).field("b", "small");
  REQUIRE(body.source());
  CHECK(body.source()->can_rewind());
  const std::string head = "--b\r\nContent-Disposition: form-data; name=\"";
  const std::string expected =
      head + "a\"\r\n\r\n" + large + "\r\n" + head + "b\"\r\n\r\nsmall\r\n--b--\r\n";
  CHECK(read_all(body, 4096) == expected);
  CHECK(read_all(body, 1'000'000) == expected);
  CHECK(body.source()->size() == expected.size());
}

TEST_CASE("the size is known if that of every part is") {
  const auto known = std::make_shared<Source>("12345");
  const auto other = std::make_shared<Source>("123");
  const Body body = Multipart("b").part("a", "", content(known)).part("b", "", content(other));
  const auto sent = read_all(body).size();
  CHECK(body.source()->size() == sent);
  other->said = std::nullopt;
  CHECK(contains(read_all(body), "\r\n123\r\n--b--"));
  CHECK_FALSE(body.source()->size());

  // Sizes that do not fit.
  known->said = std::numeric_limits<std::uint64_t>::max() - 1;
  other->said = std::numeric_limits<std::uint64_t>::max() / 2;
  CHECK_FALSE(body.source()->rewind());
  CHECK_FALSE(body.source()->size());
}

TEST_CASE("a part that is not as long as it had said is an error, whatever the sum") {
  const auto one = std::make_shared<Source>("12345");
  const auto two = std::make_shared<Source>("12345");
  const Body body = Multipart("b").part("one", "", content(one)).part("two", "", content(two));
  one->said = 6;
  two->said = 4;
  CHECK(thrown_by(body) == "the part \"one\" is shorter than the 6 bytes that it had said");
  std::swap(one->said, two->said);
  CHECK(thrown_by(body) == "the part \"one\" is longer than the 4 bytes that it had said");
  one->said = two->said = 5;
  CHECK(thrown_by(body) == "nothing");
}

TEST_CASE("a part's own error comes through") {
  const auto fine = std::make_shared<Source>("fine");
  const auto source = std::make_shared<Source>("content");
  const Body body = Multipart("b").part("a", "", content(fine)).part("b", "", content(source));
  source->fails = true;
  CHECK(thrown_by(body) == "the tape tore");
  source->fails = false;
  source->error = ferry::Error(Errc::invalid_body, "it is not there");
  CHECK(std::string(refusal(body).what()) == std::string(source->error->what()));
  source->error = std::nullopt;
  CHECK(thrown_by(body) == "nothing");

  source->rewindable = false;
  CHECK_FALSE(body.source()->can_rewind());

  const auto missing = refusal(Multipart().file("f", "/no/such/file.txt"));
  CHECK(missing.code() == Errc::invalid_body);
  CHECK(missing.cause() == std::errc::no_such_file_or_directory);
  CHECK(contains(missing.what(), "/no/such/file.txt"));
}

TEST_CASE("a source is read by one body at a time, and is in one part") {
  const auto source = std::make_shared<Source>("content");
  const Body twice =
      Multipart("b").part("a", "", content(source)).part("again", "", content(source));
  const auto error = refusal(twice);
  CHECK(error.code() == Errc::invalid_body);
  CHECK(contains(error.what(), "\"again\""));

  // The refused body has let go of it.
  const Body one = Multipart("b").part("a", "", content(source));
  CHECK_FALSE(one.source()->rewind());
  const Body other = Multipart("b").part("a", "", content(source));
  CHECK(refusal(other).code() == Errc::invalid_body);
  CHECK(contains(read_all(one), "content"));
  // Read to its end: it is free.
  CHECK(contains(read_all(other), "content"));
  {
    const Body part_way = Multipart("b").part("a", "", content(source));
    CHECK_FALSE(part_way.source()->rewind());
  }
  CHECK(contains(read_all(one), "content"));
}

TEST_CASE("a form within a form") {
  const auto source = std::make_shared<Source>("deep");
  const Body inner = Multipart("in").part("x", "", content(source));
  const Body outer = Multipart("out").part("form", "", inner);
  CHECK(read_all(outer, 3) ==
        "--out\r\n"
        "Content-Disposition: form-data; name=\"form\"\r\n"
        "Content-Type: multipart/form-data; boundary=in\r\n"
        "\r\n"
        "--in\r\n"
        "Content-Disposition: form-data; name=\"x\"\r\n"
        "\r\n"
        "deep\r\n"
        "--in--\r\n"
        "\r\n"
        "--out--\r\n");
  const auto sent = read_all(outer).size();
  CHECK(outer.source()->size() == sent);
}

TEST_CASE("a form with files is what a request takes") {
  const File file("x");
  Multipart form("b");
  form.field("a", "1").part("f", "n", "2").file("g", file.path);
  const Body copied = form;
  const Body moved = std::move(form);
  CHECK(read_all(copied) == read_all(moved));
  const auto request = ferry::Request::post("http://h/", Multipart("b").field("a", "1"));
  CHECK(request.body().content_type() == "multipart/form-data; boundary=b");
}

TEST_CASE("bodies may be made within a co_await expression") {
  // g++ 12 destroys some aggregates twice there, which the sanitizers would see.
  const auto post = [](std::string url, Body body) -> asio::awaitable<std::string> {
    co_return url + " " + read_all(body);
  };
  const File file("content");
  std::vector<std::string> sent;
  const auto send = [&]() -> asio::awaitable<void> {
    sent.push_back(co_await post("/form", ferry::Form().add("a", "1").add("b", "2")));
    sent.push_back(co_await post("/file", ferry::file(file.path)));
    sent.push_back(
        co_await post("/multipart", Multipart("b").field("n", "v").file("f", file.path)));
    sent.push_back(co_await post("/part", Multipart("b").part("n", "f", Body("x", "a/b"))));
  };
  asio::io_context context{1};
  std::exception_ptr thrown;
  asio::co_spawn(context, send(), [&](std::exception_ptr e) { thrown = e; });
  context.run();
  CHECK_FALSE(thrown);
  REQUIRE(sent.size() == 4);
  CHECK(sent[0] == "/form a=1&b=2");
  CHECK(sent[1] == "/file content");
  CHECK(contains(sent[2], "\r\n\r\ncontent\r\n--b--\r\n"));
  CHECK(contains(sent[3], "\r\nContent-Type: a/b\r\n\r\nx\r\n"));
}
