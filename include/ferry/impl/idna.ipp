#pragma once

#include <idn2.h>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/host.hpp>
#include <ferry/error.hpp>
#include <ferry/idna.hpp>

namespace ferry::inline FERRY_CONFIGURATION::idna {

FERRY_DEFINITION Result<std::string> to_ascii(std::string_view host) {
  const auto refuse = [host](std::string_view why) {
    return Error(Errc::invalid_url,
                 "the host " + detail::in_quotes(host) + " is no name: " + std::string(why));
  };
  // The host is checked first because libidn2 would end at a zero byte, and passes ASCII unchanged.
  if (const auto problem = detail::unmapped_host_problem(host); !problem.empty())
    return refuse("it " + std::string(problem));
  struct Free {
    void operator()(char* text) const noexcept { idn2_free(text); }
  };
  char* text = nullptr;
  const std::string terminated(host);
  const int code =
      idn2_to_ascii_8z(terminated.c_str(), &text, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, Free> owned(text);
  if (code == IDN2_MALLOC) throw std::bad_alloc();
  if (code != IDN2_OK) return refuse(idn2_strerror(code));
  if (const auto problem = detail::mapped_host_problem(text); !problem.empty())
    return refuse("mapped, it " + std::string(problem));
  return std::string(text);
}

}  // namespace ferry::idna
