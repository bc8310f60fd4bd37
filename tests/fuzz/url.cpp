// Any text as a URL, absolute and as a reference: what is accepted is in normal form, survives
// being read again, and cannot put anything but one target into a request.

#include <ferry/url.hpp>

#include "fuzz/support.hpp"

namespace {

bool is_visible(std::string_view text) {
  for (const char c : text)
    if (c <= ' ' || c > '~') return false;
  return true;
}

void check(const ferry::Url& url, const std::string& userinfo_mark) {
  const std::string& text = url.str();
  fuzz::require(is_visible(text), "a URL is visible ASCII", text);
  fuzz::require(url.target().starts_with('/'), "a target begins with a slash", text);
  fuzz::require(url.target().find('#') == std::string_view::npos, "a target has no fragment", text);
  fuzz::require(url.authority().find_first_of("@/\\?#") == std::string_view::npos,
                "an authority is host and port", text);
  fuzz::require(text.starts_with(url.origin()), "the origin is its beginning", text);
  fuzz::require(userinfo_mark.empty() || text.find(userinfo_mark) == std::string::npos,
                "userinfo is not part of the text", text);
  const auto again = ferry::Url::parse(text);
  fuzz::require(again.has_value(), "the normal form is a URL", text);
  fuzz::require(again->str() == text && again->host() == url.host() && again->port() == url.port(),
                "the normal form stays as it is", text, again->str());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const auto name = input.ConsumeRandomLengthString(20);
  const auto reference = input.ConsumeRandomLengthString(60);
  const auto text = input.ConsumeRemainingBytesAsString();

  auto url = ferry::Url::parse(text);
  if (!url) {
    fuzz::require(url.error().code() == ferry::Errc::invalid_url, "its error is its own");
    return 0;
  }
  check(*url, {});
  const auto resolved = url->resolve(reference);
  if (resolved) check(*resolved, {});

  // Userinfo is kept out of everything that is shown.
  const std::string scheme = std::string(url->scheme()) + "://";
  const auto secret =
      ferry::Url::parse(scheme + "name:hunter2hunter2@" + url->str().substr(scheme.size()));
  if (secret && url->str().find("hunter2hunter2") == std::string::npos)
    check(*secret, "hunter2hunter2");

  url->add_query(name, reference);
  check(*url, {});
  return 0;
}
