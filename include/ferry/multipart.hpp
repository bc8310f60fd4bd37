#pragma once

/// @file
/// `Multipart`: a form with files as a body.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ferry/body.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/file.hpp>
#include <ferry/headers.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// A form with files, as a body of the type `multipart/form-data`: `co_await client.post("/upload",
/// ferry::Multipart().field("title", "Me").file("photo", "me.jpg"))`.
///
/// Parts keep their order, and names may repeat. Files and other sources are read while they are
/// sent, one after the other. The body has a size if every part has one; otherwise it is sent in
/// chunks. A source's `trailers` are not sent.
///
/// Names and file names are UTF-8. In them `"`, CR and LF are written as `%22`, `%0D` and `%0A`, as
/// browsers do; in names a lone CR or LF becomes CRLF first. The content of parts is sent
/// unchanged, values too (a browser would turn their line ends into CRLF). Errors are reported when
/// the request is sent, before anything goes out: `Errc::invalid_body` for a name with another
/// control character, for an invalid boundary or one that occurs in a part in memory, and for a
/// source that is being read elsewhere or is in two parts; `Errc::invalid_header` for a content
/// type that cannot be a field's value; and the errors of a part's own source.
///
/// Lifetime: owns its contents, shares its sources; a source is in use until it has been read to
/// its end, or the body is destroyed or sent again. Threads: a value. (RFC 7578; WHATWG HTML
/// 4.10.21.8)
class Multipart {
 public:
  /// A form without parts; its boundary is random.
  Multipart() = default;
  /// A form with this boundary, of the characters that RFC 2046 5.1.1 allows.
  explicit Multipart(std::string boundary) : boundary_(std::move(boundary)) {}

  /// Adds a part with a plain value.
  Multipart& field(std::string name, std::string value) &;
  /// Adds a part with a plain value.
  Multipart field(std::string name, std::string value) && {
    return std::move(field(std::move(name), std::move(value)));
  }

  /// Adds a part with any content, of the content's own type.
  /// @param name the field's name.
  /// @param filename the file's name; if empty, the part is not a file. A file without a content
  ///   type is sent as `application/octet-stream`.
  /// @param content the content.
  /// @param headers further fields of the part. A `Content-Type` among them overrides the content's
  ///   own; a `Content-Disposition` is refused.
  Multipart& part(std::string name, std::string filename, Body content,
                  Headers headers = Headers()) &;
  /// Adds a part with any content, of the content's own type.
  Multipart part(std::string name, std::string filename, Body content,
                 Headers headers = Headers()) && {
    return std::move(
        part(std::move(name), std::move(filename), std::move(content), std::move(headers)));
  }

  /// Adds a file like `ferry::file`; its name is the last component of its path.
  Multipart& file(std::string name, std::string path,
                  std::string content_type = "application/octet-stream") &;
  /// Adds a file like `ferry::file`; its name is the last component of its path.
  Multipart file(std::string name, std::string path,
                 std::string content_type = "application/octet-stream") && {
    return std::move(file(std::move(name), std::move(path), std::move(content_type)));
  }

  /// The body, with its `Content-Type`.
  operator Body() const& { return Multipart(*this).make(); }
  /// The body, with its `Content-Type`.
  operator Body() && { return make(); }

 private:
  struct Part {
    Part(std::string n, std::string f, Body c, Headers h)
        : name(std::move(n)),
          filename(std::move(f)),
          content(std::move(c)),
          headers(std::move(h)) {}
    std::string name;
    std::string filename;
    Body content;
    Headers headers;
  };

  Body make();

  /// Chooses a boundary that does not occur in the parts (RFC 2046 5.1.1). Sources are not
  /// searched; a random boundary is unlikely to occur in them.
  std::optional<Error> choose_boundary();

  bool occurs(const std::string& boundary) const;

  std::string content_type() const;

  static std::optional<Error> append_head(std::string& out, const Part& part);

  std::optional<std::string> boundary_;
  std::vector<Part> parts_;
};
static_assert(detail::co_await_safe<Multipart>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/multipart.ipp>
#endif
