#include <doctest/doctest.h>
#include <string>
#include <utility>
#include <vector>

#include <ferry/detail/h1/field_section.hpp>

using ferry::Errc;
using ferry::detail::FieldSection;
using ferry::detail::FieldTable;

namespace {

/// Reports a line "Name: value" of `bytes` that begins at `at`, in pieces of this size.
bool take_line(FieldSection& section, std::string_view bytes, std::size_t at,
               std::size_t piece = 1000) {
  const auto line = bytes.substr(at, bytes.find("\r\n", at) - at);
  const auto name = line.substr(0, line.find(':'));
  auto value = line.substr(name.size() + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  for (std::size_t i = 0; i < name.size(); i += piece) section.take_name(name.substr(i, piece));
  for (std::size_t i = 0; i < value.size(); i += piece) section.take_value(value.substr(i, piece));
  return section.end_field();
}

/// A section with these bytes, whose lines but the first and the last one are fields.
FieldSection section_of(std::string_view bytes, std::size_t piece = 1000) {
  FieldSection section(FieldTable(), 10);
  section.expect(bytes);
  for (auto at = bytes.find("\r\n") + 2; bytes.substr(at) != "\r\n";
       at = bytes.find("\r\n", at) + 2)
    REQUIRE(take_line(section, bytes, at, piece));
  return section;
}

std::string text_of(const FieldTable& table) {
  std::string text;
  for (std::size_t i = 0; i < table.count(); ++i)
    text.append(table.name(i)).append("=").append(table.value(i)).append(";");
  return text;
}

constexpr std::string_view usual =
    "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";

}  // namespace

TEST_CASE("a head of the usual form is finished at once") {
  auto section = section_of(usual);
  CHECK(section.parse_fast(usual));
  section.keep(usual);
  CHECK(section.finish_head(false, false).empty());
  CHECK(section.framing().length == 5u);
  CHECK(section.connection().close);
  CHECK(text_of(section.release()) == "A=b;Content-Length=5;Connection=close;");
  CHECK(section.is_empty());
}

TEST_CASE("other forms are finished by the slower way, to the same fields") {
  for (const std::size_t piece : {1, 2, 1000}) {
    auto section = section_of(usual, piece);
    section.keep(usual);
    CHECK(section.finish_head(false, false).empty());
    CHECK(section.framing().length == 5u);
    CHECK(section.framing().lengths == 1);
    CHECK(section.connection().close);
    CHECK(text_of(section.release()) == "A=b;Content-Length=5;Connection=close;");
  }
  for (const std::string_view head :
       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b \t\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA:b\r\nB:\r\n\r\n"}) {
    auto section = section_of(head);
    CHECK_FALSE(section.parse_fast(head));
    section.keep(head);
    CHECK(section.finish_head(false, false).empty());
    CHECK(section.framing().lengths == 1);  // Not twice.
    CHECK(text_of(section.release()).starts_with("Content-Length=5;A=b;"));
  }
}

TEST_CASE("fields in several pieces of bytes are found in the kept ones") {
  FieldSection section(FieldTable(), 10);
  const std::vector<std::pair<std::string, char>> pieces = {
      {"status\r\n", '-'}, {"Na", 'n'}, {"me", 'n'}, {": ", '-'}, {"val", 'v'}, {"ue", 'v'}};
  for (const auto& [piece, kind] : pieces) {
    section.expect(piece);
    if (kind == 'n') section.take_name(piece);
    if (kind == 'v') section.take_value(piece);
    section.keep(piece);
  }
  CHECK_FALSE(section.is_empty());
  CHECK(section.count() == 0);
  CHECK(section.end_field());
  CHECK(section.finish_trailers().empty());
  CHECK(text_of(section.release()) == "Name=value;");
}

TEST_CASE("[16] [21] fields that are refused") {
  const std::string_view bytes = "A: b\r\nC: d\r\n: e\r\n";
  FieldSection section(FieldTable(), 1);
  section.expect(bytes);
  CHECK(take_line(section, bytes, 0));
  CHECK_FALSE(take_line(section, bytes, 6));
  CHECK(section.error().code() == Errc::head_too_large);
  FieldSection nameless(FieldTable(), 1);
  nameless.expect(bytes);
  nameless.take_name(bytes.substr(12, 0));
  CHECK_FALSE(nameless.end_field());
  CHECK(nameless.error().code() == Errc::malformed_response);
}

TEST_CASE("[17] a folded value becomes one line; a folded framing field is ambiguous") {
  for (const bool in_trailers : {false, true}) {
    const std::string bytes = "\r\ncontent-Length: 1 \r\n\t 2\r\n\r\nA: b\r\n c\r\n\r\n";
    const std::string_view view = bytes;
    FieldSection section(FieldTable(), 10);
    section.expect(bytes);
    section.take_name(view.substr(2, 14));
    section.take_value(view.substr(18, 2));
    section.take_value(view.substr(24, 1));
    CHECK(section.end_field());
    const auto second = bytes.find("A: b");
    section.take_name(view.substr(second, 1));
    section.take_value(view.substr(second + 3, 1));
    section.take_value(view.substr(second + 7, 1));
    CHECK(section.end_field());
    CHECK_FALSE(section.parse_fast(bytes));
    section.keep(bytes);
    CHECK((in_trailers ? section.finish_trailers() : section.finish_head(false, false)) ==
          "content-Length is folded over two lines");
    CHECK(text_of(section.release()) == "content-Length=1 2;A=b c;");
  }
}
