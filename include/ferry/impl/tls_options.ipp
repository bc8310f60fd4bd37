#pragma once

#include <cerrno>
#include <fstream>
#include <ios>
#include <sstream>
#include <system_error>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/tls_options.hpp>

namespace ferry::inline FERRY_CONFIGURATION::tls {

FERRY_DEFINITION std::string Pem::read() const {
  if (path_.empty()) return text_;
  std::ostringstream text;
  errno = 0;
  text << std::ifstream(path_, std::ios::binary).rdbuf();
  if (!text || text.view().empty())
    throw Error(Errc::invalid_option, "cannot read " + detail::in_quotes(path_),
                std::error_code(errno, std::generic_category()));
  return text.str();
}

}  // namespace ferry::tls
