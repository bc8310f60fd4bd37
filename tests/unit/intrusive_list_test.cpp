#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/base/intrusive_list.hpp>

namespace {

struct Item {
  explicit Item(char n) : name(n) {}
  char name;
  ferry::detail::ListLinks<Item> links;
  ferry::detail::ListLinks<Item> other_links;
};
using List = ferry::detail::IntrusiveList<Item, &Item::links>;
using OtherList = ferry::detail::IntrusiveList<Item, &Item::other_links>;

/// The names from the front to the back; both directions must agree.
std::string names(const List& list) {
  std::string forward, backward;
  for (const Item* item = list.front(); item; item = List::next(*item)) forward += item->name;
  for (const Item* item = list.back(); item; item = List::previous(*item))
    backward.insert(backward.begin(), item->name);
  CHECK(forward == backward);
  CHECK(list.size() == forward.size());
  CHECK(list.empty() == forward.empty());
  return forward;
}

}  // namespace

TEST_CASE("a list: at the end, before another, and out again wherever it stands") {
  List list;
  CHECK(names(list) == "");
  Item a('a'), b('b'), c('c'), d('d');
  list.push_back(b);
  list.push_back(d);
  list.insert(a, &b);
  list.insert(c, &d);
  CHECK(names(list) == "abcd");
  list.remove(c);
  CHECK(names(list) == "abd");
  list.remove(a);
  CHECK(names(list) == "bd");
  list.remove(d);
  list.insert(d, nullptr);
  CHECK(names(list) == "bd");
  list.remove(b);
  list.remove(d);
  CHECK(names(list) == "");
  list.push_back(a);  // An element that was removed can be used again.
  CHECK(names(list) == "a");
}

TEST_CASE("an element may be in several lists, one for each of its links") {
  List list;
  OtherList other;
  Item a('a'), b('b');
  list.push_back(a);
  list.push_back(b);
  other.push_back(b);
  other.push_back(a);
  list.remove(a);
  CHECK(names(list) == "b");
  CHECK(other.front() == &b);
  CHECK(other.back() == &a);
  CHECK(OtherList::next(b) == &a);
}
