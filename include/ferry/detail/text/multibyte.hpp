#pragma once

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/utf8.hpp>
#include <ferry/detail/text/iconv.hpp>
#include <ferry/error.hpp>

// Decoders for Chinese, Japanese and Korean text that follow the WHATWG Encoding Standard (10 to
// 13): the same bytes are errors, and the same bytes are read again after an error. iconv provides
// the large indexes; patches correct them where iconv implementations differ from the Standard.
namespace ferry::inline FERRY_CONFIGURATION::detail {

inline constexpr std::size_t no_pointer = static_cast<std::size_t>(-1);

constexpr bool in_range(unsigned byte, unsigned first, unsigned last) noexcept {
  return byte >= first && byte <= last;
}

// The positions ("pointers") of two-byte characters in their index.

constexpr std::size_t shift_jis_pointer(unsigned lead, unsigned trail) noexcept {
  if (!in_range(lead, 0x81, 0x9F) && !in_range(lead, 0xE0, 0xFC)) return no_pointer;
  if (!in_range(trail, 0x40, 0xFC) || trail == 0x7F) return no_pointer;
  return (lead - (lead < 0xA0 ? 0x81 : 0xC1)) * 188 + trail - (trail < 0x7F ? 0x40 : 0x41);
}

/// In JIS X 0208 and 0212 the first byte is the row and the second one the column.
constexpr std::size_t jis_pointer(unsigned lead, unsigned trail) noexcept {
  if (!in_range(lead, 0xA1, 0xFE) || !in_range(trail, 0xA1, 0xFE)) return no_pointer;
  return (lead - 0xA1) * 94 + trail - 0xA1;
}

constexpr std::size_t big5_pointer(unsigned lead, unsigned trail) noexcept {
  if (!in_range(lead, 0x81, 0xFE)) return no_pointer;
  if (!in_range(trail, 0x40, 0x7E) && !in_range(trail, 0xA1, 0xFE)) return no_pointer;
  return (lead - 0x81) * 157 + trail - (trail < 0x7F ? 0x40 : 0x62);
}

constexpr std::size_t euc_kr_pointer(unsigned lead, unsigned trail) noexcept {
  if (!in_range(lead, 0x81, 0xFE) || !in_range(trail, 0x41, 0xFE)) return no_pointer;
  return (lead - 0x81) * 190 + trail - 0x41;
}

constexpr std::size_t gb18030_pointer(unsigned lead, unsigned trail) noexcept {
  if (!in_range(lead, 0x81, 0xFE)) return no_pointer;
  if (!in_range(trail, 0x40, 0xFE) || trail == 0x7F) return no_pointer;
  return (lead - 0x81) * 190 + trail - (trail < 0x7F ? 0x40 : 0x41);
}

/// The characters of an index, by their pointers.
class CharsetIndex {
 public:
  /// Asks iconv for each character once.
  /// @param patch pairs of two bytes and their character.
  /// @param before the bytes before the two.
  /// @throws Error `Errc::undecodable_body` if the system does not know the charset.
  CharsetIndex(const char* charset, std::size_t (*pointer_of)(unsigned, unsigned),
               std::u16string_view patch = {}, std::string before = "") {
    Iconv iconv(charset, "UTF-32LE");
    // After an exception here, the next use tries again: the system may only be out of descriptors.
    if (!iconv.is_open())
      throw Error(Errc::undecodable_body,
                  std::string("the text needs an iconv that knows ") + charset);
    // Some iconv implementations return surrogates or private characters for unassigned pointers.
    const char32_t last_unassigned = pointer_of == gb18030_pointer ? 0xDFFF : 0xF8FF;
    const auto last = before.size();
    std::string bytes = before + "..";
    for (unsigned lead = 0x81; lead <= 0xFE; ++lead)
      for (unsigned trail = 0x40; trail <= 0xFE; ++trail) {
        const auto pointer = pointer_of(lead, trail);
        if (pointer == no_pointer) continue;
        bytes[last] = static_cast<char>(lead);
        bytes[last + 1] = static_cast<char>(trail);
        if (pointer >= characters_.size()) characters_.resize(pointer + 1);
        const auto character = iconv.character(bytes);
        const bool unassigned = character >= 0xD800 && character <= last_unassigned;
        characters_[pointer] = unassigned ? 0 : character;
      }
    for (; !patch.empty(); patch.remove_prefix(2))
      characters_[pointer_of(patch[0] >> 8u, patch[0] & 0xFFu)] = patch[1];
  }

  /// The character; 0 if there is none, or if `pointer` is `no_pointer`.
  char32_t operator[](std::size_t pointer) const noexcept {
    return pointer == no_pointer ? 0 : characters_[pointer];
  }

 private:
  std::vector<char32_t> characters_;
};

// Each index is filled at its first use.

/// Characters that libiconv and musl take from another standard.
inline constexpr std::u16string_view jis0208_patch =
    u"\x815F\xFF3C\x8160\xFF5E\x8161\x2225\x817C\xFF0D\x8191\xFFE0\x8192\xFFE1\x81CA\xFFE2";

inline const CharsetIndex& jis0208_index() {
  // CP932 has more characters, but musl does not have it.
  static const CharsetIndex index(Iconv("CP932").is_open() ? "CP932" : "SHIFT_JIS",
                                  shift_jis_pointer, jis0208_patch);
  return index;
}

inline const CharsetIndex& jis0212_index() {
  static const CharsetIndex index("EUC-JP", jis_pointer, {}, "\x8F");
  return index;
}

inline const CharsetIndex& euc_kr_index() {
  static const CharsetIndex index("CP949", euc_kr_pointer);
  return index;
}

/// Characters of the Standard's Big5 that glibc has elsewhere or not at all.
// clang-format off
inline constexpr std::u16string_view big5_patch =
    u"\x8E69\x7BB8\x8E6F\x7C06\x8E7E\x7CCE\x8EAB\x7DD2\x8EB4\x7E1D\x8ECD\x8005\x8ED0\x8028"
    u"\x8F57\x83C1\x8F69\x84A8\x8F6E\x840F\x8FCB\x89A6\x8FCC\x89A9\x8FFE\x8D77\x906D\x90FD"
    u"\x907A\x92B9\x90DC\x975C\x90F1\x97FF\x91BF\x9F16\x9244\x8503\x92AF\x5159\x92B0\x515B"
    u"\x92B1\x515D\x92B2\x515E\x92C8\x936E\x92D1\x7479\x9447\x6D67\x94CA\x799B\x95D9\x9097"
    u"\x9644\x975D\x96ED\x701E\x96FC\x5B28\x9B76\x7201\x9B78\x77D7\x9B7B\x7E87\x9BC6\x99D6"
    u"\x9BDE\x91D4\x9BEC\x60DE\x9BF6\x6FB6\x9C42\x8F36\x9C53\x4FBB\x9C62\x71DF\x9C68\x9104"
    u"\x9C6B\x9DF0\x9C77\x83CF\x9CBC\x5C10\x9CBD\x79E3\x9CD0\x5A67\x9D57\x8F0B\x9D5A\x7B51"
    u"\x9DC4\x62D0\x9EA9\x6062\x9EEF\x75F9\x9EFD\x6C4A\x9F60\x9B2E\x9F66\x9F17\x9FCB\x50ED"
    u"\x9FD8\x5F0C\xA063\x880F\xA077\x62CE\xA0D5\x7468\xA0DF\x7162\xA0E4\x7250\xA145\x2027"
    u"\xA14E\xFE51\xA15A\x2574\xA1C2\xAF\xA1C3\xFFE3\xA1C5\x2CD\xA1E3\xFF5E\xA1F2\x2295"
    u"\xA1F3\x2299\xA1FE\xFF0F\xA240\xFF3C\xA241\x2215\xA242\xFE68\xA244\xFFE5\xA246\xFFE0"
    u"\xA247\xFFE1\xA2CC\x5341\xA2CE\x5345\xA3C0\x2400\xA3C1\x2401\xA3C2\x2402\xA3C3\x2403"
    u"\xA3C4\x2404\xA3C5\x2405\xA3C6\x2406\xA3C7\x2407\xA3C8\x2408\xA3C9\x2409\xA3CA\x240A"
    u"\xA3CB\x240B\xA3CC\x240C\xA3CD\x240D\xA3CE\x240E\xA3CF\x240F\xA3D0\x2410\xA3D1\x2411"
    u"\xA3D2\x2412\xA3D3\x2413\xA3D4\x2414\xA3D5\x2415\xA3D6\x2416\xA3D7\x2417\xA3D8\x2418"
    u"\xA3D9\x2419\xA3DA\x241A\xA3DB\x241B\xA3DC\x241C\xA3DD\x241D\xA3DE\x241E\xA3DF\x241F"
    u"\xA3E0\x2421\xA3E1\x20AC\xC6CF\x5EF4\xC6D3\x65E0\xC6D5\x7676\xC6D7\x96B6\xC6DE\x3003"
    u"\xC6DF\x4EDD\xFA5F\x5029\xFA66\x507D\xFABD\x5305\xFAC5\x5344\xFAD5\x537F\xFB48\x5605"
    u"\xFBB8\x5A77\xFBF3\x5E75\xFBF9\x5ED0\xFC4F\x5F58\xFC6C\x60A4\xFCB9\x6490\xFCE2\x6674"
    u"\xFCF1\x675E\xFDB7\x6C9C\xFDB8\x6E1D\xFDBB\x6E2F\xFDF1\x716E\xFE52\x732A\xFE6F\x745C"
    u"\xFEAA\x74E9\xFEDD\x7809";
// clang-format on

inline const CharsetIndex& big5_index() {
  static const CharsetIndex index("BIG5-HKSCS", big5_pointer, big5_patch);
  return index;
}

/// Characters in which iconv implementations, or editions of GB 18030, differ; the Standard follows
/// the edition of 2022.
// clang-format off
inline constexpr std::u16string_view gb18030_patch =
    u"\xA3A0\x3000\xA8BC\x1E3F\xA6D9\xFE10\xA6DA\xFE12\xA6DB\xFE11\xA6DC\xFE13\xA6DD\xFE14"
    u"\xA6DE\xFE15\xA6DF\xFE16\xA6EC\xFE17\xA6ED\xFE18\xA6F3\xFE19\xFE51\xE816\xFE52\xE817"
    u"\xFE53\xE818\xFE59\x9FB4\xFE61\x9FB5\xFE66\x9FB6\xFE67\x9FB7\xFE6C\xE831\xFE6D\x9FB8"
    u"\xFE76\xE83B\xFE7E\x9FB9\xFE90\x9FBA\xFE91\xE855\xFEA0\x9FBB";
// clang-format on

inline const CharsetIndex& gb18030_index() {
  static const CharsetIndex index("GB18030", gb18030_pointer, gb18030_patch);
  return index;
}

/// The ranges of GB 18030's four-byte characters below U+10000: the first pointer of each range,
/// and its character.
// clang-format off
inline constexpr char16_t gb18030_ranges[] =
    u"\x0\x80\x24\xA5\x26\xA9\x2D\xB2\x32\xB8\x51\xD8\x59\xE2\x5F\xEB\x60\xEE\x64\xF4\x67\xF8"
    u"\x68\xFB\x69\xFD\x6D\x102\x7E\x114\x85\x11C\x94\x12C\xAC\x145\xAF\x149\xB3\x14E\xD0\x16C"
    u"\x132\x1CF\x133\x1D1\x134\x1D3\x135\x1D5\x136\x1D7\x137\x1D9\x138\x1DB\x139\x1DD\x155\x1FA"
    u"\x1AC\x252\x1BB\x262\x220\x2C8\x221\x2CC\x22E\x2DA\x2E5\x3A2\x2E6\x3AA\x2ED\x3C2\x2EE\x3CA"
    u"\x325\x402\x333\x450\x334\x452\x1EF2\x2011\x1EF4\x2017\x1EF5\x201A\x1EF7\x201E\x1EFE\x2027"
    u"\x1F07\x2031\x1F08\x2034\x1F09\x2036\x1F0E\x203C\x1F7E\x20AD\x1FD4\x2104\x1FD5\x2106"
    u"\x1FD8\x210A\x1FE4\x2117\x1FEE\x2122\x202C\x216C\x2030\x217A\x2046\x2194\x2048\x219A"
    u"\x20B6\x2209\x20BC\x2210\x20BD\x2212\x20C0\x2216\x20C4\x221B\x20C6\x2221\x20C8\x2224"
    u"\x20C9\x2226\x20CA\x222C\x20CC\x222F\x20D1\x2238\x20D6\x223E\x20E0\x2249\x20E3\x224D"
    u"\x20E8\x2253\x20F5\x2262\x20F7\x2268\x20FD\x2270\x2122\x2296\x2125\x229A\x2130\x22A6"
    u"\x2149\x22C0\x219B\x2313\x22E8\x246A\x22F2\x249C\x2356\x254C\x235A\x2574\x2367\x2590"
    u"\x236A\x2596\x2374\x25A2\x2384\x25B4\x238C\x25BE\x2394\x25C8\x2397\x25CC\x2399\x25D0"
    u"\x23AB\x25E6\x23CA\x2607\x23CC\x260A\x2402\x2641\x2403\x2643\x2C41\x2E82\x2C43\x2E85"
    u"\x2C46\x2E89\x2C48\x2E8D\x2C52\x2E98\x2C61\x2EA8\x2C63\x2EAB\x2C66\x2EAF\x2C6A\x2EB4"
    u"\x2C6C\x2EB8\x2C6F\x2EBC\x2C7D\x2ECB\x2DA2\x2FFC\x2DA6\x3004\x2DA7\x3018\x2DAC\x301F"
    u"\x2DAE\x302A\x2DC2\x303F\x2DC4\x3094\x2DCB\x309F\x2DCD\x30F7\x2DD2\x30FF\x2DD8\x312A"
    u"\x2ECE\x322A\x2ED5\x3232\x2F46\x32A4\x3030\x3390\x303C\x339F\x303E\x33A2\x3060\x33C5"
    u"\x3069\x33CF\x306B\x33D3\x306D\x33D6\x30DE\x3448\x3109\x3474\x3233\x359F\x32A2\x360F"
    u"\x32AD\x361B\x35AA\x3919\x35FF\x396F\x365F\x39D1\x366D\x39E0\x3700\x3A74\x37DA\x3B4F"
    u"\x38F9\x3C6F\x396A\x3CE1\x3CDF\x4057\x3DE7\x4160\x3FBE\x4338\x4032\x43AD\x4036\x43B2"
    u"\x4061\x43DE\x4159\x44D7\x42CE\x464D\x42E2\x4662\x43A3\x4724\x43A8\x472A\x43FA\x477D"
    u"\x440A\x478E\x45C3\x4948\x45F5\x497B\x45F7\x497E\x45FB\x4984\x45FC\x4987\x4610\x499C"
    u"\x4613\x49A0\x4629\x49B8\x48E8\x4C78\x490F\x4CA4\x497E\x4D1A\x4A12\x4DAF\x4A63\x9FA6"
    u"\x82BD\xE76C\x82BE\xE7C8\x82BF\xE7E7\x82CC\xE815\x82CD\xE819\x82D2\xE81F\x82D9\xE827"
    u"\x82DD\xE82D\x82E1\xE833\x82E9\xE83C\x82F0\xE844\x8300\xE856\x830E\xE865\x93D5\xF92D"
    u"\x9421\xF97A\x943C\xF996\x948D\xF9E8\x9496\xF9F2\x94B0\xFA10\x94B1\xFA12\x94B2\xFA15"
    u"\x94B5\xFA19\x94BB\xFA22\x94BC\xFA25\x94BE\xFA2A\x98C4\xFE32\x98C5\xFE45\x98C9\xFE53"
    u"\x98CA\xFE58\x98CB\xFE67\x98CC\xFE6C\x9961\xFF5F\x99E2\xFFE6";
// clang-format on

/// The character of a four-byte pointer.
/// @return 0 if there is none.
constexpr char32_t gb18030_range_character(char32_t pointer) noexcept {
  if (pointer >= 189000) return pointer <= 1237575 ? 0x10000 + pointer - 189000 : 0;
  if (pointer > 39419) return 0;
  if (pointer == 7457) return 0xE7C7;
  std::size_t at = std::size(gb18030_ranges) - 3;  // The last pair, before the null.
  while (gb18030_ranges[at] > pointer) at -= 2;
  return gb18030_ranges[at + 1] + pointer - gb18030_ranges[at];
}

/// The first character of a text, and its size in bytes.
struct DecodedCharacter {
  char32_t character = 0xFFFD;
  std::size_t size = 1;
  char32_t accent = 0;  ///< Combining character after it, or 0.
};

constexpr unsigned byte_at(std::string_view text, std::size_t i) noexcept {
  return static_cast<unsigned char>(text[i]);
}

/// The character of two bytes, or U+FFFD. After an error, an ASCII second byte is read again.
constexpr DecodedCharacter decoded_pair(char32_t character, unsigned trail) noexcept {
  if (character != 0) return {character, 2};
  return {0xFFFD, trail < 0x80 ? 1u : 2u};
}

/// Decodes a text character by character.
/// @param decode_one returns the first character of a text that does not begin with ASCII.
template <class DecodeOne>
std::string decode_each(std::string_view bytes, DecodeOne decode_one) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 2);
  while (!bytes.empty()) {
    DecodedCharacter decoded{byte_at(bytes, 0)};
    if (decoded.character >= 0x80) decoded = decode_one(bytes);
    append_utf8(out, decoded.character);
    if (decoded.accent != 0) append_utf8(out, decoded.accent);
    bytes.remove_prefix(decoded.size);
  }
  return out;
}

inline std::string from_shift_jis(std::string_view bytes) {
  return decode_each(bytes, [](std::string_view text) -> DecodedCharacter {
    const auto lead = byte_at(text, 0);
    if (lead == 0x80) return {lead};
    if (in_range(lead, 0xA1, 0xDF)) return {0xFF61 + lead - 0xA1};
    if (lead == 0xA0 || lead > 0xFC || text.size() == 1) return {};
    const auto trail = byte_at(text, 1);
    const auto pointer = shift_jis_pointer(lead, trail);
    if (pointer >= 8836 && pointer <= 10715)  // End-user-defined characters.
      return {static_cast<char32_t>(0xE000 + pointer - 8836), 2};
    return decoded_pair(jis0208_index()[pointer], trail);
  });
}

inline std::string from_euc_jp(std::string_view bytes) {
  return decode_each(bytes, [](std::string_view text) -> DecodedCharacter {
    const auto lead = byte_at(text, 0);
    if ((lead < 0xA1 && lead != 0x8E && lead != 0x8F) || lead == 0xFF || text.size() == 1)
      return {};
    const auto trail = byte_at(text, 1);
    if (lead == 0x8E && in_range(trail, 0xA1, 0xDF)) return {0xFF61 + trail - 0xA1, 2};
    if (lead == 0x8F && in_range(trail, 0xA1, 0xFE)) {
      if (text.size() == 2) return {0xFFFD, 2};
      const auto last = byte_at(text, 2);
      auto decoded = decoded_pair(jis0212_index()[jis_pointer(trail, last)], last);
      ++decoded.size;
      return decoded;
    }
    return decoded_pair(jis0208_index()[jis_pointer(lead, trail)], trail);
  });
}

inline std::string from_big5(std::string_view bytes) {
  return decode_each(bytes, [](std::string_view text) -> DecodedCharacter {
    const auto lead = byte_at(text, 0);
    if (!in_range(lead, 0x81, 0xFE) || text.size() == 1) return {};
    const auto trail = byte_at(text, 1);
    if (lead == 0x88) {
      switch (trail) {
        case 0x62: return {0xCA, 2, 0x304};
        case 0x64: return {0xCA, 2, 0x30C};
        case 0xA3: return {0xEA, 2, 0x304};
        case 0xA5: return {0xEA, 2, 0x30C};
        default: break;
      }
    }
    return decoded_pair(big5_index()[big5_pointer(lead, trail)], trail);
  });
}

inline std::string from_euc_kr(std::string_view bytes) {
  return decode_each(bytes, [](std::string_view text) -> DecodedCharacter {
    const auto lead = byte_at(text, 0);
    if (!in_range(lead, 0x81, 0xFE) || text.size() == 1) return {};
    const auto trail = byte_at(text, 1);
    return decoded_pair(euc_kr_index()[euc_kr_pointer(lead, trail)], trail);
  });
}

inline std::string from_gb18030(std::string_view bytes) {
  return decode_each(bytes, [](std::string_view text) -> DecodedCharacter {
    const auto lead = byte_at(text, 0);
    if (lead == 0x80) return {0x20AC};
    if (lead == 0xFF || text.size() == 1) return {};
    const auto trail = byte_at(text, 1);
    if (!in_range(trail, '0', '9')) {
      return decoded_pair(gb18030_index()[gb18030_pointer(lead, trail)], trail);
    }
    if (text.size() == 2) return {0xFFFD, 2};
    const auto third = byte_at(text, 2);
    if (!in_range(third, 0x81, 0xFE)) return {};
    if (text.size() == 3) return {0xFFFD, 3};
    const auto fourth = byte_at(text, 3);
    if (!in_range(fourth, '0', '9')) return {};
    const auto character = gb18030_range_character(
        (((lead - 0x81) * 10 + trail - '0') * 126 + third - 0x81) * 10 + fourth - '0');
    return {character != 0 ? character : 0xFFFD, 4};
  });
}

/// Decodes ISO-2022-JP. ESC and two bytes choose how the next bytes are read. Two such sequences in
/// a row are an error, because they could hide a word from a filter.
inline std::string from_iso_2022_jp(std::string_view bytes) {
  enum class State { ascii, roman, katakana, jis0208 } state = State::ascii;
  bool nothing_since_escape = false;
  const auto next = [&]() -> DecodedCharacter {
    const auto byte = byte_at(bytes, 0);
    if (byte > 0x7F || byte == 0x0E || byte == 0x0F) return {};
    switch (state) {
      case State::ascii: return {byte};
      case State::roman: return {byte == '\\' ? 0xA5u : byte == '~' ? 0x203Eu : byte};
      case State::katakana:
        if (!in_range(byte, 0x21, 0x5F)) return {};
        return {0xFF61 + byte - 0x21};
      case State::jis0208: break;
    }
    if (!in_range(byte, 0x21, 0x7E) || bytes.size() == 1) return {};
    const auto trail = byte_at(bytes, 1);
    if (trail == 0x1B) return {};
    const auto character =
        in_range(trail, 0x21, 0x7E) ? jis0208_index()[(byte - 0x21) * 94 + trail - 0x21] : 0;
    return {character != 0 ? character : 0xFFFD, 2};
  };
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    if (bytes[0] != '\x1B') {
      const auto decoded = next();
      append_utf8(out, decoded.character);
      bytes.remove_prefix(decoded.size);
      nothing_since_escape = false;
      continue;
    }
    const auto escape = bytes.substr(1, 2);
    const bool known =
        escape == "(B" || escape == "(J" || escape == "(I" || escape == "$@" || escape == "$B";
    if (!known || nothing_since_escape) out += replacement_character;
    nothing_since_escape = known;
    bytes.remove_prefix(known ? 3 : 1);
    if (!known) continue;
    state = escape[0] == '$'   ? State::jis0208
            : escape[1] == 'B' ? State::ascii
            : escape[1] == 'J' ? State::roman
                               : State::katakana;
  }
  return out;
}

}  // namespace ferry::detail
