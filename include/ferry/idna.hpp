#pragma once

/// @file
/// The ASCII form of hosts that are not ASCII: `options.idna = ferry::idna::to_ascii`. This is the
/// only public header that includes libidn2; link `idn2` when you use it.

#include <idn2.h>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/host.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>

namespace ferry::idna {

/// The ASCII form of a host's name, `xn--bcher-kva.example` for `b\u00FCcher.example` (IDNA2008
/// with the mapping of UTS #46, non-transitional).
///
/// @param host the host in UTF-8, without a port.
/// @return the name, which is a valid host; or `Errc::invalid_url` for a name that may not be
///   registered, or that the mapping turns into an invalid host (a fullwidth colon becomes a colon,
///   for example). Threads: any.
inline Result<std::string> to_ascii(std::string_view host) {
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
