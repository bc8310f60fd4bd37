#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/body.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/file.hpp>
#include <ferry/headers.hpp>
#include <ferry/multipart.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

/// A source that joins bytes and other sources, one after the other.
class ChainSource final : public BodySource {
 public:
  struct Link {
    Body content;
    std::string what;  ///< The link's name in errors.
  };

  explicit ChainSource(std::vector<Link> links) : links_(std::move(links)) {}
  /// A source that cannot be sent, for this reason.
  explicit ChainSource(Error error) : error_(std::move(error)) {}

  std::optional<Error> rewind() override {
    if (error_) return error_;
    places_.clear();
    at_ = 0;
    done_ = 0;
    places_.reserve(links_.size());
    for (const Link& link : links_) {
      Place place;
      if (const auto& source = link.content.source()) {
        // Another request may be reading the source, or this body may have it in two places.
        place.use = std::make_unique<SourceLock>(link.content);
        if (!place.use->granted())
          return fail(Error(Errc::invalid_body, "the source of " + link.what +
                                                    " is in use, elsewhere or in another part"));
        if (auto error = source->rewind()) return fail(*error);
        place.size = source->size();
      } else {
        place.size = link.content.bytes().size();
      }
      places_.push_back(std::move(place));
    }
    return std::nullopt;
  }

  bool can_rewind() const noexcept override {
    for (const Link& link : links_)
      if (const auto& source = link.content.source(); source && !source->can_rewind()) return false;
    return true;
  }

  std::optional<std::uint64_t> size() const override {
    std::uint64_t sum = 0;
    for (const Place& place : places_) {
      if (!place.size || *place.size > std::numeric_limits<std::uint64_t>::max() - sum)
        return std::nullopt;
      sum += *place.size;
    }
    return sum;
  }

  std::optional<std::size_t> read_now(asio::mutable_buffer buffer) override {
    std::size_t filled = 0;
    while (at_ < places_.size() && filled < buffer.size()) {
      const asio::mutable_buffer room = buffer + filled;
      BodySource* const source = source_here();
      if (!source) {
        filled += copy(room);
        continue;
      }
      // A source may take its time, so the bytes that are already there are sent first.
      if (filled > 0) break;
      const auto count = source->read_now(room);
      if (!count) return std::nullopt;
      filled = take(*count, room);
    }
    return filled;
  }

  asio::awaitable<std::size_t> read(asio::mutable_buffer buffer) override {
    for (;;) {
      if (const auto filled = read_now(buffer)) co_return *filled;
      // The link's source must be waited for.
      const std::size_t count = co_await source_here()->read(buffer);
      if (take(count, buffer) > 0) co_return count;
    }
  }

 private:
  /// The state of one link in the current attempt.
  struct Place {
    Place() = default;
    std::unique_ptr<SourceLock> use;
    std::optional<std::uint64_t> size;
  };

  Error fail(Error error) {
    places_.clear();
    return error;
  }

  /// The source of the current link; null if its content is bytes.
  BodySource* source_here() const noexcept { return links_[at_].content.source().get(); }

  /// Counts the bytes that the current link's source has put into the room, or goes on to the next
  /// link at the source's end. @return the number of bytes.
  std::size_t take(std::size_t count, asio::mutable_buffer room) {
    if (!check(count, room.size())) next();
    return count;
  }

  std::size_t copy(asio::mutable_buffer room) {
    const std::string& bytes = links_[at_].content.bytes();
    const auto left = bytes.size() - static_cast<std::size_t>(done_);
    const auto count = std::min(room.size(), left);
    std::memcpy(room.data(), bytes.data() + done_, count);
    done_ += count;
    if (count == left) next();
    return count;
  }

  /// Checks a source's bytes against its announced size. If one part were shorter and another
  /// longer, the parts would shift without changing the sum.
  /// @return false at the source's end.
  bool check(std::size_t count, std::size_t room) {
    if (count > room) throw std::length_error("more was read than there was room for");
    done_ += count;
    const auto size = places_[at_].size;
    if (size && (done_ > *size || (count == 0 && done_ < *size)))
      throw std::runtime_error(links_[at_].what + " is " + (count == 0 ? "shorter" : "longer") +
                               " than the " + std::to_string(*size) + " bytes that it had said");
    return count > 0;
  }

  void next() {
    places_[at_].use.reset();
    ++at_;
    done_ = 0;
  }

  const std::vector<Link> links_;
  const std::optional<Error> error_;
  std::vector<Place> places_;
  std::size_t at_ = 0;
  std::uint64_t done_ = 0;
};

/// The reason why this cannot be a boundary, or nothing (RFC 2046 5.1.1).
inline std::optional<Error> check_boundary(std::string_view boundary) {
  const auto refuse = [&](const char* why) {
    return Error(Errc::invalid_body, "the boundary " + in_quotes(boundary) + " " + why);
  };
  if (boundary.empty() || boundary.size() > 70) return refuse("does not have 1 to 70 characters");
  for (const char c : boundary)
    if (!is_alpha(c) && !is_digit(c) &&
        std::string_view("'()+_,-./:=? ").find(c) == std::string::npos)
      return refuse("has a character that none may have");
  if (boundary.back() == ' ') return refuse("ends with a space");
  return std::nullopt;
}

/// A boundary of 128 random bits.
inline std::string random_boundary() {
  std::random_device random;
  std::string boundary = "ferry-";
  for (int i = 0; i < 32; i += 8) {
    auto bits = static_cast<std::uint32_t>(random());
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) boundary += "0123456789abcdef"[bits & 15];
  }
  return boundary;
}

/// Smaller bodies in memory are joined, so that they are sent as one piece.
inline constexpr std::size_t most_joined = 64 * 1024;

/// The parts joined, if they are in memory and small.
inline std::optional<std::string> joined(const std::vector<ChainSource::Link>& links) {
  std::string all;
  for (const auto& link : links) {
    if (link.content.source() || link.content.bytes().size() > most_joined - all.size())
      return std::nullopt;
    all += link.content.bytes();
  }
  return all;
}

/// The text with each lone CR or LF as CRLF.
inline std::string with_crlf(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
    out += text[i];
    if (text[i] == '\r' && text.substr(i + 1, 1) != "\n") out += '\n';
  }
  return out;
}

/// Appends the name of a part, or of its file, with its special bytes encoded.
inline std::optional<Error> append_part_name(std::string& out, const char* what,
                                             std::string_view text) {
  for (const char c : text) {
    if (c == '"') {
      out += "%22";
    } else if (c == '\r') {
      out += "%0D";
    } else if (c == '\n') {
      out += "%0A";
    } else if (is_control(c)) {
      return Error(Errc::invalid_body, std::string("the ") + what + " " + in_quotes(text) +
                                           " of a part has a control "
                                           "character");
    } else {
      out += c;
    }
  }
  return std::nullopt;
}

}  // namespace detail

FERRY_DEFINITION Multipart& Multipart::field(std::string name, std::string value) & {
  parts_.emplace_back(std::move(name), std::string(), Body(std::move(value)), Headers());
  return *this;
}

FERRY_DEFINITION Multipart& Multipart::part(std::string name, std::string filename, Body content,
                                            Headers headers) & {
  parts_.emplace_back(std::move(name), std::move(filename), std::move(content), std::move(headers));
  return *this;
}

FERRY_DEFINITION Multipart& Multipart::file(std::string name, std::string path,
                                            std::string content_type) & {
  const auto slash = path.rfind('/');
  std::string filename = slash == std::string::npos ? path : path.substr(slash + 1);
  return part(std::move(name), std::move(filename),
              ferry::file(std::move(path), std::move(content_type)));
}

FERRY_DEFINITION Body Multipart::make() {
  std::optional<Error> error = choose_boundary();
  std::vector<detail::ChainSource::Link> links;
  std::string between;
  for (std::size_t i = 0; i < parts_.size() && !error; ++i) {
    Part& part = parts_[i];
    between += "--" + *boundary_ + "\r\n";
    error = append_head(between, part);
    links.push_back({Body(std::exchange(between, {})), {}});
    links.push_back({std::move(part.content), "the part " + detail::in_quotes(part.name)});
    between = "\r\n";
  }
  if (error)
    return Body(std::make_shared<detail::ChainSource>(*std::move(error)), "multipart/form-data");
  links.push_back({Body(between + "--" + *boundary_ + "--\r\n"), {}});
  if (auto bytes = detail::joined(links)) return Body(*std::move(bytes), content_type());
  return Body(std::make_shared<detail::ChainSource>(std::move(links)), content_type());
}

FERRY_DEFINITION std::optional<Error> Multipart::choose_boundary() {
  if (boundary_) {
    if (auto error = detail::check_boundary(*boundary_)) return error;
    if (occurs(*boundary_))
      return Error(Errc::invalid_body,
                   "the boundary " + detail::in_quotes(*boundary_) + " occurs in a part");
    return std::nullopt;
  }
  do {
    boundary_ = detail::random_boundary();
  } while (occurs(*boundary_));
  return std::nullopt;
}

FERRY_DEFINITION bool Multipart::occurs(const std::string& boundary) const {
  return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
    return part.content.bytes().find(boundary) != std::string::npos;
  });
}

FERRY_DEFINITION std::string Multipart::content_type() const {
  // The boundary is quoted if it is not a token (RFC 9110 5.6.6); it has no characters to escape.
  // An invalid boundary is never sent.
  if (detail::is_token(*boundary_)) return "multipart/form-data; boundary=" + *boundary_;
  return "multipart/form-data; boundary=\"" + *boundary_ + "\"";
}

FERRY_DEFINITION std::optional<Error> Multipart::append_head(std::string& out, const Part& part) {
  out += "Content-Disposition: form-data; name=\"";
  if (auto error = detail::append_part_name(out, "name", detail::with_crlf(part.name)))
    return error;
  if (!part.filename.empty()) {
    out += "\"; filename=\"";
    if (auto error = detail::append_part_name(out, "file name", part.filename)) return error;
  }
  out += "\"\r\n";

  if (part.headers.contains("Content-Disposition"))
    return Error(Errc::invalid_body, "the Content-Disposition of the part " +
                                         detail::in_quotes(part.name) +
                                         " is made of its name, and cannot be given");
  std::string_view type = part.content.content_type();
  if (part.headers.contains("Content-Type"))
    type = {};
  else if (type.empty() && !part.filename.empty())
    type = "application/octet-stream";
  if (!type.empty()) {
    if (auto error = detail::check_field("Content-Type", type)) return error;
    out.append("Content-Type: ").append(type).append("\r\n");
  }
  for (const auto [name, value] : part.headers)
    out.append(name).append(": ").append(value).append("\r\n");
  out += "\r\n";
  return std::nullopt;
}

}  // namespace ferry
