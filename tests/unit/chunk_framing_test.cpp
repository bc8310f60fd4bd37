#include <algorithm>
#include <doctest/doctest.h>
#include <limits>
#include <string>

#include <ferry/detail/h1/chunk_framing.hpp>

using ferry::Errc;
using ferry::detail::ChunkFraming;

namespace {

/// The framing of a body, with what llhttp would report of it.
class Body {
 public:
  explicit Body(std::size_t max_head_size) : framing(max_head_size) {}

  /// Bytes between two pieces of data.
  bool framing_bytes(const std::string& bytes) {
    framing.expect(bytes);
    return framing.check(bytes.data() + bytes.size());
  }
  /// A size line, and a piece of data after it.
  bool chunk(const std::string& line, const std::string& data) {
    const std::string bytes = line + data;
    framing.expect(bytes);
    framing.begin_chunk(false);
    return framing.take_data(std::string_view(bytes).substr(line.size())) &&
           framing.check(bytes.data() + bytes.size());
  }
  /// The size line of the last chunk.
  bool last_chunk(const std::string& line) {
    framing.begin_chunk(true);
    return framing_bytes(line);
  }
  bool fails_with(Errc code) const { return framing.error().code() == code; }

  ChunkFraming framing;
};

}  // namespace

TEST_CASE("[11] framing that data does not justify is bounded, by 16 KiB or a head's limit") {
  for (const std::size_t max_head_size : {std::size_t(100), std::size_t(64 * 1024)}) {
    const std::size_t most = std::max<std::size_t>(16 * 1024, max_head_size);
    Body fits(max_head_size);
    CHECK(fits.framing_bytes(std::string(most, 'x')));
    CHECK_FALSE(fits.framing_bytes("x"));
    CHECK(fits.fails_with(Errc::head_too_large));
    CHECK(std::string(fits.framing.error().what()).find("chunk extensions") != std::string::npos);
  }
}

TEST_CASE("[11] a byte of data pays for two of framing, and a chunk for 16 more") {
  for (const bool pays : {true, false}) {
    Body body(100);
    const std::string line(pays ? 36 : 37, 'x');
    bool is_good = true;
    for (int i = 0; i < 20'000 && is_good; ++i) is_good = body.chunk(line, "0123456789");
    CHECK(is_good == pays);
  }
  // Pieces of one chunk pay for it once.
  Body body(100);
  CHECK(body.framing_bytes(std::string(16'000, 'x')));
  CHECK(body.chunk("", "0"));
  for (int i = 0; i < 9; ++i) {
    const std::string data = "0";
    body.framing.expect(data);
    CHECK(body.framing.take_data(data));
  }
  CHECK(body.framing_bytes(std::string(384 + 36, 'x')));
  CHECK_FALSE(body.framing_bytes("x"));
}

TEST_CASE("[10] a line end in the framing is CR LF, in bytes of any pieces; data may be anything") {
  Body whole(100);
  CHECK(whole.chunk("2\r\n", "\n\n"));
  CHECK(whole.framing_bytes("\r\n"));
  CHECK(whole.framing_bytes("1\r"));
  CHECK(whole.framing_bytes("\n"));
  CHECK_FALSE(whole.framing_bytes("\n"));
  CHECK(whole.fails_with(Errc::malformed_response));

  Body after_data(100);
  CHECK(after_data.chunk("1\r\n", "\r"));
  CHECK_FALSE(after_data.framing_bytes("\n"));  // The CR was data.
}

TEST_CASE("[15] the framing before refused data is refused first, and the data is no framing") {
  Body body(100);
  CHECK_FALSE(body.chunk(std::string(20'000, 'x'), "\n"));
  CHECK(body.fails_with(Errc::head_too_large));
  // Bytes after the excess do not matter.
  Body excess(100);
  CHECK_FALSE(excess.framing_bytes(std::string(17'000, 'x') + "\n"));
  CHECK(excess.fails_with(Errc::head_too_large));
  Body earlier(100);
  CHECK_FALSE(earlier.framing_bytes("\n" + std::string(17'000, 'x')));
  CHECK(earlier.fails_with(Errc::malformed_response));
}

TEST_CASE("[14] trailers are counted from the last size line, and have the limit of a head") {
  Body body(100);
  CHECK(body.framing_bytes(std::string(10'000, 'x')));
  CHECK(body.framing.end_chunk());
  CHECK(body.last_chunk("0\r\n"));
  CHECK(body.framing_bytes(std::string(100, 'x')));
  CHECK_FALSE(body.framing.end_chunk());
  CHECK_FALSE(body.framing_bytes("x"));
  CHECK(std::string(body.framing.error().what()).find("trailers") != std::string::npos);
}

TEST_CASE("no limit at all") {
  Body body(std::numeric_limits<std::size_t>::max());
  CHECK(body.framing_bytes(std::string(100'000, 'x')));
  CHECK(body.last_chunk("0\r\n"));
  CHECK_FALSE(body.framing_bytes("\n"));
}

TEST_CASE("extensions are taken out of each size line") {
  ChunkFraming framing(100);
  const auto part = framing.divide("5;a=b");
  CHECK(part.kept == 1);
  CHECK(part.skipped == 4);
  CHECK(framing.divide("\r\nhello\r\n").kept == 9);
  CHECK(framing.end_chunk());
  CHECK(framing.divide("5;=").skipped == 1);
  CHECK(framing.has_bad_extension());
}
