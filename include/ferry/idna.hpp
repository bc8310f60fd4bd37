#pragma once

/// @file
/// Hosts that are not ASCII: `options.idna = ferry::idna::to_ascii`. The only public header that
/// includes libidn2, which then has to be linked (`idn2`).

#include <idn2.h>
#include <memory>
#include <string>
#include <string_view>

#include <ferry/detail/ascii.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>

namespace ferry::idna {

/// The ASCII form of a host's name, `xn--bcher-kva.example` for `b\u00FCcher.example` (IDNA2008
/// with the mapping of UTS #46, non-transitional).
///
/// @param host in UTF-8.
/// @return the name, or `Errc::invalid_url` for one that may not be registered. Threads: any.
inline Result<std::string> to_ascii(std::string_view host) {
  struct Free {
    void operator()(char* text) const noexcept { idn2_free(text); }
  };
  char* text = nullptr;
  const std::string terminated(host);
  const int code =
      idn2_to_ascii_8z(terminated.c_str(), &text, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, Free> owned(text);
  if (code == IDN2_MALLOC) throw std::bad_alloc();
  if (code != IDN2_OK)
    return Error(Errc::invalid_url,
                 "the host " + detail::in_quotes(host) + " is no name: " + idn2_strerror(code));
  return std::string(text);
}

}  // namespace ferry::idna
