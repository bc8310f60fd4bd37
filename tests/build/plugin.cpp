#include "plugin.hpp"

#include "connection.hpp"

void plugin_throw(int errc) {
  throw ferry::Error(static_cast<ferry::Errc>(errc), "thrown by a plugin");
}

const std::error_category* plugin_category() {
  return &make_error_code(ferry::Errc::cancelled).category();
}

bool plugin_compares(const std::error_code& code, int errc, int condition) {
  return code == static_cast<ferry::Errc>(errc) && code == static_cast<ferry::Condition>(condition);
}

std::uint64_t plugin_connection() { return open_connection(); }
