#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <ferry/detail/http/content_decoding.hpp>

#include "support/codings.hpp"
#include "support/fail_each.hpp"
#include "support/make_decoder.hpp"

namespace {

using ferry::ContentCoding;
using ferry::Errc;
using ferry::Headers;
using ferry::detail::accept_encoding;
using ferry::detail::ContentDecoding;
using test::all_codings;
using test::brotlied;
using test::decode_in_pieces;
using test::Decoded;
using test::deflated;
using test::encoded;
using test::fail_each_allocation;
using test::gzipped;
using test::heap;
using test::zlibbed;
using test::zstandard;

// The libraries of the codings take their own memory with malloc, which `heap` does not count.

constexpr std::uint64_t no_limit = UINT64_MAX;

/// A text that is worth coding: some of it repeats, some does not.
std::string sample(std::size_t size) {
  std::string text;
  std::uint32_t random = 1;
  while (text.size() < size) {
    random = random * 1664525 + 1013904223;
    text += "line " + std::to_string(random >> 12) + ": the quick brown fox\n";
  }
  text.resize(size);
  return text;
}

/// Text as bytes, zeros included.
template <std::size_t N>
std::string bytes(const char (&text)[N]) {
  return std::string(text, N - 1);
}

ContentDecoding decoding_of(std::string_view field) {
  Headers headers;
  headers.add("Content-Encoding", field);
  return ContentDecoding::of(headers, all_codings).value();
}

/// The decoded body with this Content-Encoding, all at once.
Decoded decode(std::string_view field, std::string_view raw, std::uint64_t limit = no_limit) {
  auto body = decoding_of(field).decode_all(raw, limit);
  if (!body) {
    CHECK((body.error().code() == Errc::undecodable_body ||
           body.error().code() == Errc::body_too_large));
    return {{}, body.error().what()};
  }
  return {std::move(*body), {}};
}

Decoded decode_by(std::string_view field, std::string_view raw, std::size_t input_size,
                  std::size_t output_size) {
  return decode_in_pieces(
      decoding_of(field), raw, [=] { return input_size; }, [=] { return output_size; });
}

Decoded broken(std::string_view coding, std::string_view why) {
  return {
      {},
      "the response's body cannot be decoded: " + std::string(coding) + ": " + std::string(why)};
}

}  // namespace

TEST_CASE("codings are values, named as in the registry") {
  static_assert(std::is_trivially_destructible_v<ContentCoding>);
  const std::vector<ContentCoding> codings{ferry::gzip, ferry::deflate, ferry::brotli, ferry::zstd};
  CHECK(accept_encoding(codings) == "gzip, deflate, br, zstd");
  CHECK(accept_encoding({}).empty());
  const std::array one{ferry::zstd};
  CHECK(accept_encoding(one) == "zstd");
  CHECK(codings[0] == ferry::gzip);
  CHECK(codings[0] != codings[1]);
}

TEST_CASE("what each encoder makes is decoded") {
  for (const ContentCoding& coding : all_codings) {
    CAPTURE(std::string(coding.name));
    for (const std::size_t size : {0, 1, 2, 1000, 16384, 16385, 300'000}) {
      CAPTURE(size);
      const auto text = sample(size);
      CHECK(decode(coding.name, encoded(coding, text)) == Decoded{text, {}});
    }
  }
}

TEST_CASE("the fields: case, white space, empty elements, identity, an alias") {
  const auto gz = gzipped("hello");
  for (const char* field : {"gzip", "GZip", "x-gzip", "X-GZIP", " gzip\t", ", gzip,,",
                            "identity, gzip", "gzip\t ,identity", ",,IDENTITY,gzip, identity ,"}) {
    CAPTURE(std::string(field));
    CHECK(decode(field, gz) == Decoded{"hello", {}});
  }
  for (const char* field :
       {"", ",", " , ,", "identity", "identity, Identity", "compress", "gzip;q=1", "gzip x",
        "gzip, aes128gcm", "exi, gzip", "\"gzip\"", "x-deflate", "brotli", "*"}) {
    CAPTURE(std::string(field));
    CHECK_FALSE(decoding_of(field).is_active());
  }

  Headers headers;
  headers.add("Content-Encoding", "gzip").add("Content-Length", "1");
  headers.add("CONTENT-ENCODING", "br");
  auto both = ContentDecoding::of(headers, all_codings).value();
  CHECK(both.decode_all(brotlied(gz), no_limit).value() == "hello");
  const std::array without{ferry::gzip, ferry::zstd};
  CHECK_FALSE(ContentDecoding::of(headers, without).value().is_active());
  CHECK_FALSE(ContentDecoding::of(headers, {}).value().is_active());
}

TEST_CASE("without a coding nothing is allocated") {
  Headers headers;
  headers.add("Content-Type", "text/html").add("Content-Length", "1");
  const auto before = heap.allocations;
  CHECK_FALSE(ContentDecoding::of(headers, all_codings).value().is_active());
  CHECK(heap.allocations == before);
}

TEST_CASE("[24] at most five codings, over all fields together") {
  const std::string why =
      "the response's body cannot be decoded: it has more than 5 content codings";
  const auto of = [](std::vector<const char*> fields) {
    Headers headers;
    for (const char* field : fields) headers.add("Content-Encoding", field).add("Other", "gzip");
    const auto decoding = ContentDecoding::of(headers, all_codings);
    if (decoding) return std::string(decoding->is_active() ? "active" : "inactive");
    CHECK(decoding.error().code() == Errc::undecodable_body);
    return std::string(decoding.error().what());
  };
  CHECK(of({"gzip, gzip, gzip, gzip, gzip"}) == "active");
  CHECK(of({"gzip", "br", "gzip", "zstd", "deflate"}) == "active");
  CHECK(of({"identity, gzip, gzip,, gzip", "gzip, identity, , gzip", "identity"}) == "active");
  CHECK(of({"gzip, gzip, gzip, gzip, gzip, gzip"}) == why);
  CHECK(of({"gzip, gzip, gzip", "gzip, gzip, gzip"}) == why);
  CHECK(of({"gzip", "gzip", "gzip", "gzip", "gzip", "gzip"}) == why);
  CHECK(of({"x, x, x, x, x"}) == "inactive");
  CHECK(of({"x", "gzip", "x", "gzip", "x", "gzip"}) == why);
}

TEST_CASE("[25] chains are undone from the last coding to the first") {
  const auto text = sample(100'000);
  CHECK(decode("deflate, gzip", gzipped(zlibbed(text))) == Decoded{text, {}});
  CHECK_FALSE(decode("gzip, deflate", gzipped(zlibbed(text))).error.empty());
  CHECK(decode("zstd, br", brotlied(zstandard(text))) == Decoded{text, {}});

  const auto five = gzipped(zstandard(brotlied(zlibbed(gzipped(text)))));
  CHECK(decode("gzip, deflate, br, zstd, gzip", five) == Decoded{text, {}});
  CHECK(decode_by("gzip, deflate, br, zstd, gzip", five, 1, 1) == Decoded{text, {}});
  CHECK(decode_by("gzip, deflate, br, zstd, gzip", five, 1000, 100) == Decoded{text, {}});

  // An end too early is found wherever it is.
  const auto cut = gzipped(text).substr(0, 1000);
  CHECK(decode("gzip, br", brotlied(cut)) == broken("gzip", "the data end too early"));
  CHECK(decode("gzip, br", brotlied(gzipped(text)).substr(0, 1000)) ==
        broken("br", "the data end too early"));
  // A coding of nothing is nothing, in any number.
  CHECK(decode("gzip, br", brotlied("")) == Decoded{});
}

TEST_CASE("[25] the same comes of it, however input and output are split") {
  const auto text = sample(40'000);
  for (const ContentCoding& coding : all_codings) {
    CAPTURE(std::string(coding.name));
    const auto raw = encoded(coding, text);
    for (const std::size_t in : {1, 2, 3, 1000, 100'000})
      for (const std::size_t out : {1, 2, 5, 1000, 100'000})
        CHECK(decode_by(coding.name, raw, in, out) == Decoded{text, {}});
  }
}

TEST_CASE("[25] data that end too early, at every byte") {
  const auto text = sample(500);
  const auto raw_deflate = deflated(text, -15);
  const auto check = [&](std::string_view name, const std::string& raw) {
    CAPTURE(std::string(name));
    CHECK(decode(name, "") == Decoded{});  // No body at all, to HEAD for instance.
    REQUIRE(decode(name, raw) == Decoded{text, {}});
    for (std::size_t size = 1; size < raw.size(); ++size) {
      CAPTURE(size);
      CHECK(decode(name, raw.substr(0, size)) == broken(name, "the data end too early"));
      CHECK(decode_by(name, raw.substr(0, size), 1, 1) == broken(name, "the data end too early"));
    }
  };
  for (const ContentCoding& coding : all_codings) check(coding.name, encoded(coding, text));
  check("deflate", raw_deflate);
}

TEST_CASE("[25] a checksum or a length that is wrong") {
  const auto text = sample(500);
  const auto flip = [](std::string raw, std::size_t from_end) {
    raw[raw.size() - from_end] ^= 1;
    return raw;
  };
  for (const std::size_t i : {1, 2, 3, 4})
    CHECK(decode("gzip", flip(gzipped(text), i)) == broken("gzip", "incorrect length check"));
  for (const std::size_t i : {5, 6, 7, 8})
    CHECK(decode("gzip", flip(gzipped(text), i)) == broken("gzip", "incorrect data check"));
  for (const std::size_t i : {1, 2, 3, 4}) {
    CHECK(decode("deflate", flip(zlibbed(text), i)) == broken("deflate", "incorrect data check"));
    CHECK(decode("zstd", flip(zstandard(text), i)) ==
          broken("zstd", "Restored data doesn't match checksum"));
  }
}

TEST_CASE("[25] data with a bit that is wrong, anywhere, decode to an error or to what was meant") {
  const auto text = sample(300);
  for (const ContentCoding& coding : all_codings) {
    if (coding == ferry::brotli) continue;  // It has no checksum.
    CAPTURE(std::string(coding.name));
    const auto raw = encoded(coding, text);
    for (std::size_t bit = 0; bit < 8 * raw.size(); ++bit) {
      CAPTURE(bit);
      auto changed = raw;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      const auto whole = decode(coding.name, changed);
      CHECK((!whole.error.empty() || whole.body == text));
      CHECK(decode_by(coding.name, changed, 1, 1).error.empty() == whole.error.empty());
    }
  }
}

TEST_CASE("[25] what is no such data at all") {
  for (const ContentCoding& coding : all_codings) {
    CAPTURE(std::string(coding.name));
    for (const auto& junk : {std::string("<html>not coded at all</html>"), std::string(100, '\xff'),
                             std::string(20'000, ' '), sample(1000)}) {
      CHECK_FALSE(decode(coding.name, junk).error.empty());
      CHECK_FALSE(decode_by(coding.name, junk, 1, 1).error.empty());
    }
    if (coding == ferry::brotli) continue;  // A single byte can be an empty body in brotli.
    for (int first = 0; first < 256; ++first)
      CHECK_FALSE(decode(coding.name, std::string(1, static_cast<char>(first))).error.empty());
  }
}

TEST_CASE("[25] bytes behind the end") {
  const auto text = sample(500);
  const auto check = [&](std::string_view name, const std::string& raw, std::string_view why) {
    CAPTURE(std::string(name));
    for (const auto& junk : {std::string("\n"), std::string("junk, and more of it"), raw}) {
      if (junk == raw && (name == "gzip" || name == "zstd")) continue;
      CAPTURE(junk);
      const auto whole = decode(name, raw + junk);
      CHECK_FALSE(whole.error.empty());
      if (junk.size() > 10) CHECK(whole == broken(name, why));
      CHECK_FALSE(decode_by(name, raw + junk, 1, 1).error.empty());
    }
  };
  check("gzip", gzipped(text), "incorrect header check");
  check("deflate", zlibbed(text), "there are bytes behind the data");
  check("deflate", deflated(text, -15), "there are bytes behind the data");
  check("br", brotlied(text), "there are bytes behind the data");
  check("zstd", zstandard(text), "Unknown frame descriptor");
  // Zeros, with which tapes are filled up.
  CHECK_FALSE(decode("gzip", gzipped(text) + std::string(512, '\0')).error.empty());
}

TEST_CASE("gzip: several members are one body") {
  const auto text = sample(50'000);
  const auto members = gzipped(text.substr(0, 10)) + gzipped("") +
                       gzipped(text.substr(10, 30'000)) + gzipped("") +
                       gzipped(text.substr(30'010));
  CHECK(decode("gzip", members) == Decoded{text, {}});
  for (const std::size_t in : {1, 13, 5000})
    for (const std::size_t out : {1, 10, 5000})
      CHECK(decode_by("gzip", members, in, out) == Decoded{text, {}});
  CHECK(decode("gzip", members + gzipped("x").substr(0, 12)) ==
        broken("gzip", "the data end too early"));
  CHECK(decode("gzip", members + "\x1f") == broken("gzip", "the data end too early"));
}

TEST_CASE("gzip: a header with everything in it") {
  const auto plain = gzipped("hello");
  const auto header = bytes("\x1f\x8b\x08\x1c\1\2\3\4\0\xff") + bytes("\x03\0xyz") +
                      bytes("a name\0") + std::string(100'000, 'c') + bytes("\0");
  CHECK(decode("gzip", header + plain.substr(10)) == Decoded{"hello", {}});
  CHECK(decode_by("gzip", header + plain.substr(10), 1, 1) == Decoded{"hello", {}});
  auto reserved = plain;
  reserved[3] = '\x20';
  CHECK(decode("gzip", reserved) == broken("gzip", "unknown header flags set"));
  CHECK(decode("gzip", zlibbed("hello")) == broken("gzip", "incorrect header check"));
}

TEST_CASE("deflate: with zlib's header and without, whatever the encoder's settings") {
  const auto text = sample(50'000);
  for (const auto& part : {std::string(), std::string("a"), text}) {
    for (int bits = 9; bits <= 15; ++bits) {
      CHECK(decode("deflate", deflated(part, bits)) == Decoded{part, {}});
      CHECK(decode("deflate", deflated(part, -bits)) == Decoded{part, {}});
      CHECK(decode_by("deflate", deflated(part, bits), 1, 1) == Decoded{part, {}});
      CHECK(decode_by("deflate", deflated(part, -bits), 1, 1) == Decoded{part, {}});
    }
  }
  // A stored block, last or not, as encoders write it.
  CHECK(decode("deflate", bytes("\1\5\0\xfa\xffhello")) == Decoded{"hello", {}});
  CHECK(decode("deflate", bytes("\0\5\0\xfa\xffhello\3\0")) == Decoded{"hello", {}});
  // Padding that is not zero, and no header of zlib either: its check is wrong.
  CHECK(decode("deflate", bytes("\x08\5\0\xfa\xffhello\3\0")) == Decoded{"hello", {}});
}

TEST_CASE("what needs a dictionary is an error") {
  z_stream stream{};
  REQUIRE(deflateInit(&stream, 9) == Z_OK);
  REQUIRE(deflateSetDictionary(&stream, reinterpret_cast<const Bytef*>("hello"), 5) == Z_OK);
  std::string coded(100, '\0');
  std::string text = "hello";
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = 5;
  stream.next_out = reinterpret_cast<Bytef*>(coded.data());
  stream.avail_out = 100;
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  coded.resize(stream.total_out);
  deflateEnd(&stream);
  CHECK(decode("deflate", coded) == broken("deflate", "the data need a dictionary"));
  CHECK(decode_by("deflate", coded, 1, 1) == broken("deflate", "the data need a dictionary"));

  // Dictionary 7, a window of 1 KiB, an empty last block.
  const auto frame = bytes("\x28\xb5\x2f\xfd\x01\0\7\1\0\0");
  CHECK(decode("zstd", frame) == broken("zstd", "Dictionary mismatch"));
  CHECK(decode_by("zstd", frame, 1, 1) == broken("zstd", "Dictionary mismatch"));
}

TEST_CASE("zstd: several frames are one body, and skippable ones are skipped") {
  const auto text = sample(50'000);
  const auto skipped = bytes("\x5f\x2a\x4d\x18\x06\0\0\0abcdef");
  const auto empty = bytes("\x50\x2a\x4d\x18\0\0\0\0");
  const auto frames = skipped + zstandard(text.substr(0, 10)) + empty + zstandard("") +
                      zstandard(text.substr(10, 30'000), 1, 0, true) + skipped +
                      zstandard(text.substr(30'010), 1, 0, true) + empty;
  CHECK(decode("zstd", frames) == Decoded{text, {}});
  for (const std::size_t in : {1, 13, 5000})
    for (const std::size_t out : {1, 10, 5000, 100'000})
      CHECK(decode_by("zstd", frames, in, out) == Decoded{text, {}});
  CHECK(decode("zstd", skipped) == Decoded{});
  CHECK(decode("zstd", skipped.substr(0, 10)) == broken("zstd", "the data end too early"));
  CHECK(decode("zstd", frames + "\x28") == broken("zstd", "the data end too early"));
}

TEST_CASE("zstd: a window of at most 8 MiB, however small the body, and however it is split") {
  const auto too_large = broken("zstd", "Frame requires too much memory for decoding");
  const auto text = sample(100'000);
  CHECK(decode("zstd", zstandard(text, 2, 23)) == Decoded{text + text, {}});
  CHECK(decode("zstd", zstandard(text, 2, 24)) == too_large);
  CHECK(decode("zstd", zstandard(text, 2, 27)) == too_large);
  // Exactly 8 MiB, then an eighth more: header, an empty last block.
  CHECK(decode("zstd", bytes("\x28\xb5\x2f\xfd\x00\x68\1\0\0")) == Decoded{});
  CHECK(decode("zstd", bytes("\x28\xb5\x2f\xfd\x00\x69\1\0\0")) == too_large);
  // With the size in the header libzstd would decode it in one go, and not look at the window.
  const auto small = bytes("\x28\xb5\x2f\xfd\x40\xa0\5\0\x29\0\0hello");
  CHECK(decode("zstd", small) == too_large);
  CHECK(decode_by("zstd", small, 1, 1) == too_large);
  CHECK(decode_by("zstd", small, 1000, 1000) == too_large);
  CHECK(decode("zstd", zstandard("") + small) == too_large);
}

TEST_CASE("zstd: formats from before the standard are refused") {
  for (const char version : {'\x1e', '\x22', '\x23', '\x24', '\x25', '\x26', '\x27'}) {
    const auto frame = std::string(1, version) + "\xb5\x2f\xfd" + std::string(30, '\0');
    CHECK(decode("zstd", frame) == broken("zstd", "Unknown frame descriptor"));
    CHECK(decode_by("zstd", frame, 1, 1) == broken("zstd", "Unknown frame descriptor"));
  }
}

TEST_CASE("[25] a gibibyte of zeros is cut at the limit, and takes no memory") {
  constexpr std::size_t mib = 1024 * 1024;
  const std::string zeros(mib, '\0');
  for (const ContentCoding& coding : all_codings) {
    CAPTURE(std::string(coding.name));
    const auto bomb = encoded(coding, zeros, 1024);
    CHECK(bomb.size() < 2 * mib);
    for (const std::size_t limit : {std::size_t(0), std::size_t(1000), mib, 10 * mib - 1}) {
      auto decoding = decoding_of(coding.name);
      heap.peak = heap.in_use;
      const auto before = heap.in_use;
      const auto body = decoding.decode_all(bomb, limit);
      REQUIRE_FALSE(body);
      CHECK(body.error().code() == Errc::body_too_large);
      CHECK(std::string(body.error().what()) ==
            "the response's body is too large: it is larger than " + std::to_string(limit) +
                " bytes (limits.max_body_size, or max_body_size of this call)");
      CHECK(heap.peak - before <= limit + limit / 2 + 64 * 1024);
    }
    // Read piece by piece it is as long as it is, and there is never more of it than asked for.
    auto decoding = decoding_of(coding.name);
    const auto before = heap.in_use;
    std::vector<char> piece(mib);
    decoding.feed(bomb);
    heap.peak = heap.in_use;
    std::size_t total = 0;
    for (;;) {
      const auto made = decoding.read(piece).value();
      if (made == 0) break;
      total += made;
    }
    CHECK(total == 1024 * mib);
    CHECK_FALSE(decoding.finish());
    CHECK(heap.peak - before <= mib + 1024);
  }
}

TEST_CASE("[25] the limit is one on what comes out, to the byte") {
  for (const std::size_t size : {1, 1000, 16 * 1024, 16 * 1024 + 1, 100'000}) {
    const auto text = sample(size);
    const auto raw = gzipped(text);
    CHECK(decode("gzip", raw, size) == Decoded{text, {}});
    CHECK(decode("gzip", raw, no_limit) == Decoded{text, {}});
    CHECK(
        decode("gzip", raw, size - 1).error.find("it is larger than " + std::to_string(size - 1)) !=
        std::string::npos);
  }
}

TEST_CASE("[25] a body that is collected takes as much again as it has, at most") {
  for (const std::size_t size : {100, 20'000, 100'000, 1'000'000, 5'000'000}) {
    for (const std::uint64_t limit :
         {no_limit, std::uint64_t(256) << 20, std::uint64_t(6'000'000)}) {
      const auto raw = gzipped(sample(size));
      auto decoding = decoding_of("gzip");
      const auto before = heap.in_use;
      heap.peak = heap.in_use;
      const auto body = decoding.decode_all(raw, limit).value();
      CHECK(body.size() == size);
      CHECK(body.capacity() <= 2 * size + 32);
      if (size == 100) CHECK(body.capacity() == size);  // It was known at once.
      CHECK(heap.peak - before <= 3 * size + 1024);
    }
  }
}

TEST_CASE("[25] a collected body may come in pieces") {
  const auto text = sample(100'000);
  const auto raw = brotlied(gzipped(text));
  auto decoding = decoding_of("gzip, br");
  std::string body;
  for (std::size_t at = 0; at < raw.size(); at += 100) {
    decoding.feed(std::string_view(raw).substr(at, 100));
    for (bool done = false; !done;) {
      const auto more = decoding.read_more(body, text.size(), 1000);
      REQUIRE(more);
      done = *more;
    }
  }
  CHECK_FALSE(decoding.finish());
  CHECK(body == text);
}

TEST_CASE("[25] codings that swell to nothing are cut, too") {
  // Stored blocks without content: whatever they swell to, no byte comes out.
  std::string empty_blocks;
  while (empty_blocks.size() < 1024 * 1024) empty_blocks += bytes("\0\0\0\xff\xff");
  const auto nothing = gzipped(gzipped(empty_blocks, 256));
  CHECK(nothing.size() < 10'000);
  const auto error = broken("gzip", "it swells to much more than the body that comes of it");
  CHECK(decode("deflate, gzip, gzip", nothing, 1000) == error);
  CHECK(decode_by("deflate, gzip, gzip", nothing, 1, 1) == error);
  CHECK(decode_by("deflate, gzip, gzip", nothing, 1000, 1000) == error);
  // Empty frames and members are as hollow.
  const auto skipped = bytes("\x50\x2a\x4d\x18\0\0\0\0");
  std::string frames;
  while (frames.size() < 1024 * 1024) frames += skipped;
  CHECK(decode("zstd, br", brotlied(frames, 256), 1000).error.find("swells") != std::string::npos);
  // While it is not too much, it is only odd; and zeros coded three times are an honest body.
  CHECK(decode("deflate, gzip", gzipped(empty_blocks.substr(0, 500'000) + bytes("\3\0"))) ==
        Decoded{});
  const std::string zeros(1024 * 1024, '\0');
  const auto coded = gzipped(gzipped(gzipped(zeros, 64)));
  CHECK(coded.size() < 1000);
  const auto body = decode("gzip, gzip, gzip", coded);
  CHECK(body.error.empty());
  CHECK(body.body.size() == 64 * zeros.size());
}

TEST_CASE("[25] text that was flushed at every byte is an honest body, coded twice too") {
  const auto text = sample(200'000);
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string coded;
  std::array<char, 64> out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    stream.next_in = reinterpret_cast<Bytef*>(&c);
    stream.avail_in = 1;
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = out.size();
    deflate(&stream, i + 1 < text.size() ? Z_FULL_FLUSH : Z_FINISH);
    coded.append(out.data(), out.size() - stream.avail_out);
  }
  deflateEnd(&stream);
  CHECK(coded.size() > 5 * text.size());
  CHECK(decode("gzip, gzip", gzipped(coded)) == Decoded{text, {}});
}

TEST_CASE("[25] what is there is decoded as it comes, without waiting for more") {
  const auto event = sample(300);
  for (const ContentCoding& coding : all_codings) {
    CAPTURE(std::string(coding.name));
    test::Flushing encoder(coding);
    auto decoding = decoding_of(coding.name);
    for (int i = 0; i < 3; ++i) {
      const auto coded = encoder.add(event);
      decoding.feed(coded);
      std::string text;
      std::array<char, 7> out;
      while (const auto made = decoding.read(out).value()) text.append(out.data(), made);
      CHECK(text == event);
      CHECK(decoding.finish());
    }
  }
}

TEST_CASE("no memory: every allocation of the library's own fails once") {
  const auto text = sample(100'000);
  const auto raw = gzipped(brotlied(zstandard(zlibbed(text))));
  Headers headers;
  headers.add("Content-Encoding", "deflate, zstd, br, gzip");
  const auto failures = fail_each_allocation([&] {
    auto decoding = ContentDecoding::of(headers, all_codings);
    if (decoding->decode_all(raw, no_limit).value() != text) throw std::runtime_error("wrong");
  });
  CHECK(failures > 10);
}

TEST_CASE("a decoder that stands still is an error, not a loop") {
  struct Still final : ferry::ContentDecoder {
    ferry::Result<Progress> decode(std::string_view, std::span<char>) override {
      return Progress{};
    }
  };
  const std::array codings{ContentCoding{"still", "", &test::make_decoder<Still>}};
  Headers headers;
  headers.add("Content-Encoding", "still");
  auto decoding = ContentDecoding::of(headers, codings).value();
  CHECK_FALSE(decoding.decode_all("x", 10));
}
