#include <doctest/doctest.h>
#include <string>
#include <utility>

#include <ferry/detail/base/field_table.hpp>

using ferry::detail::FieldTable;

namespace {
std::string listed(const FieldTable& table) {
  std::string text;
  for (std::size_t i = 0; i < table.count(); ++i)
    text.append(table.name(i)).append("=").append(table.value(i)).append(";");
  return text;
}
}  // namespace

TEST_CASE("fields are added, changed and removed in place") {
  FieldTable table;
  CHECK(table.count() == 0);
  CHECK(table.text().empty());
  table.add("a", "1");
  table.add("", "");
  table.add("b", "22");
  table.add("c", "3");
  CHECK(listed(table) == "a=1;=;b=22;c=3;");
  table.set_value(2, "4");  // It fits in the old one's place.
  CHECK(listed(table) == "a=1;=;b=4;c=3;");
  table.set_value(0, std::string(1000, 'x'));
  table.set_value(3, "");
  CHECK(listed(table) == "a=" + std::string(1000, 'x') + ";=;b=4;c=;");
  table.remove(0);
  CHECK(listed(table) == "=;b=4;c=;");
  table.remove(2);
  table.remove(0);
  CHECK(listed(table) == "b=4;");
  table.remove(0);
  CHECK(table.count() == 0);
  table.add("d", "5");
  CHECK(listed(table) == "d=5;");
}

TEST_CASE("a value that changes over and over takes a bounded amount of text") {
  FieldTable table;
  table.add("name", "");
  for (std::size_t i = 0; i < 1000; ++i) table.set_value(0, std::string(i % 100, 'x'));
  CHECK(table.value(0) == std::string(99, 'x'));
  CHECK(table.text().size() < 1000);
}

TEST_CASE("a table is a value; a copy has only the text that is used") {
  FieldTable table;
  table.add("name", "value");
  table.add("gone", std::string(100, 'x'));
  table.remove(1);
  FieldTable copy = table;
  CHECK(listed(copy) == "name=value;");
  CHECK(copy.text() == "namevalue");
  copy.add("b", "2");
  CHECK(table.count() == 1);
  FieldTable moved = std::move(copy);
  CHECK(listed(moved) == "name=value;b=2;");
  CHECK(copy.count() == 0);
  CHECK(copy.text().empty());
  copy.add("c", "3");
  moved = std::move(copy);
  CHECK(listed(moved) == "c=3;");
  moved = FieldTable();
  CHECK(listed(FieldTable(moved)).empty());
}

TEST_CASE("a parser's fields may come before their text, which stays as it is") {
  FieldTable table;
  table.reserve(4, 1);
  table.push({0, 3, 1, 2});
  table.append("A: ");
  table.append("bc\r\n");
  CHECK(listed(table) == "A=bc;");
  CHECK(table.text() == "A: bc\r\n");
  for (std::size_t i = 1; i < 50; ++i) table.push({0, 3, 1, 2});
  CHECK(table.count() == 50);
  CHECK(table.value(49) == "bc");
  auto slot = table.slot(7);
  slot.value_size = 1;
  table.set_slot(7, slot);
  CHECK(table.value(7) == "b");
  CHECK(table.value(8) == "bc");
  const char* const data = table.data();
  table.clear();
  CHECK(table.count() == 0);
  table.append("x");
  CHECK(table.data() == data);
}
