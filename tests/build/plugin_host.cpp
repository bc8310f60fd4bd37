// A program and a plugin that were both compiled with ferry's headers, each with hidden symbols:
// what one throws, the other catches and compares.
//
// usage: plugin_host exported|hidden PLUGIN, which is loaded as the local library that it is;
// `exported` says that the program exports its symbols, so that what is one per process is one.

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <set>
#include <string_view>

#include "connection.hpp"
#include "plugin.hpp"

namespace {

int failures = 0;

void check(bool holds, const char* what, int errc = 0) {
  if (holds) return;
  std::printf("failed: %s (%d)\n", what, errc);
  ++failures;
}

template <class Function>
Function* find(void* library, const char* name) {
  auto* const found = reinterpret_cast<Function*>(dlsym(library, name));
  if (!found) std::exit(2);
  return found;
}

}  // namespace

int main(int count, char** arguments) {
  using ferry::Condition;
  using ferry::Errc;
  if (count != 3) return 2;
  const bool exported = arguments[1] == std::string_view("exported");
  void* const library = dlopen(arguments[2], RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    std::printf("%s\n", dlerror());
    return 2;
  }
  const auto throws = find<decltype(plugin_throw)>(library, "plugin_throw");
  const auto compares = find<decltype(plugin_compares)>(library, "plugin_compares");

  for (int value = 1; value <= static_cast<int>(Errc::http_status); ++value) {
    const auto cause = static_cast<Errc>(value);
    const std::error_code own = cause;
    bool caught = false;
    try {
      throws(value);
    } catch (const ferry::Error& error) {
      caught = true;
      check(error.code() == cause, "its cause is equal", value);
      check(!(error.code() != cause), "its cause is not unequal", value);
      check(error.code() != static_cast<Errc>(value % 2 == 0 ? value - 1 : value + 1),
            "another cause is not equal", value);
      check(error.code().category().equivalent(value, own.default_error_condition()) &&
                own.category().equivalent(error.code(), value),
            "the categories say so, too", value);
      for (int family = 1; family <= static_cast<int>(Condition::too_large); ++family) {
        const bool is_of_it = own == static_cast<Condition>(family);
        check((error.code() == static_cast<Condition>(family)) == is_of_it, "its condition", value);
        check(compares(own, value, family) == is_of_it, "the other way round", value);
      }
      check(!exported || error.code() == own, "the codes are equal", value);
    }
    check(caught, "it is caught", value);
  }
  check(std::error_code(EPERM, std::generic_category()) != Errc::invalid_url, "no other category");
  try {
    throws(static_cast<int>(Errc::cancelled));
  } catch (const ferry::Error& error) {
    check(error.code() == std::errc::operation_canceled, "cancelled, as the system says it");
  }

  const auto category = find<decltype(plugin_category)>(library, "plugin_category");
  const auto connect = find<decltype(plugin_connection)>(library, "plugin_connection");
  if (exported) {
    check(*category() == make_error_code(Errc::cancelled).category(), "one category");
    const std::set<std::uint64_t> ids{open_connection(), connect(), open_connection(), connect()};
    check(ids.size() == 4, "each connection has a number of its own");
  }
  return failures == 0 ? 0 : 1;
}
