#pragma once

#include <cstdint>
#include <memory>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string>
#include <string_view>

#include <ferry/detail/base/configuration.hpp>

// Descriptions of certificates for error messages, and public key pins.
namespace ferry::inline FERRY_CONFIGURATION::detail {

struct CertificateFree {
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
  void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
  void operator()(unsigned char* bytes) const noexcept { OPENSSL_free(bytes); }
};
using X509Ptr = std::unique_ptr<X509, CertificateFree>;

/// The text that a function prints to a `BIO`. A certificate can hold any bytes, so all but
/// printable ASCII becomes `?`.
template <class Print>
std::string printed(Print print) {
  const std::unique_ptr<BIO, CertificateFree> bio(BIO_new(BIO_s_mem()));
  if (!bio) throw std::bad_alloc();
  print(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  std::string text(data, size > 0 ? static_cast<std::size_t>(size) : 0);
  for (char& c : text)
    if (c < 0x20 || c > 0x7E) c = '?';
  constexpr std::size_t longest = 200;
  if (text.size() > longest) text.replace(longest, text.npos, "...");
  return text;
}

inline std::string name_text(const X509_NAME* name) {
  return printed([name](BIO* bio) { X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE); });
}
/// `CN = example.com`
inline std::string subject_of(const X509& certificate) {
  return name_text(X509_get_subject_name(&certificate));
}

/// One line with the certificate's subject, names, issuer and validity.
/// @param has_wrong_name true if the certificate is rejected because none of its names is the
///   host's.
inline std::string description_of(const X509& certificate, bool has_wrong_name) {
  std::string text = "its subject: " + subject_of(certificate);
  const std::unique_ptr<GENERAL_NAMES, CertificateFree> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  constexpr int most_names = 5;
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count && i < most_names; ++i) {
    text += i == 0 ? "; for " : ", ";
    text +=
        printed([&](BIO* bio) { GENERAL_NAME_print(bio, sk_GENERAL_NAME_value(names.get(), i)); });
  }
  if (count > most_names) text += ", ...";
  // RFC 9110 4.3.4: a client must not look for the host in the common name.
  if (has_wrong_name && count == 0)
    text += "; for no host: it has no subjectAltName, and a common name does not count";
  text += "; issued by: " + name_text(X509_get_issuer_name(&certificate));
  text += "; valid from ";
  text += printed([&](BIO* bio) { ASN1_TIME_print(bio, X509_get0_notBefore(&certificate)); });
  text += " to ";
  text += printed([&](BIO* bio) { ASN1_TIME_print(bio, X509_get0_notAfter(&certificate)); });
  return text;
}

inline constexpr std::string_view pin_prefix = "sha256//";
inline constexpr std::size_t pin_hash_size = 44;  ///< 32 bytes in base64.

/// The certificate's pin: `sha256//` and the hash of its public key, in base64 (RFC 7469 2.4).
inline std::string pin_of(const X509& certificate) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &bytes);
  const std::unique_ptr<unsigned char, CertificateFree> owned(bytes);
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned hash_size = 0;
  if (size <= 0 ||
      !EVP_Digest(bytes, static_cast<std::size_t>(size), hash, &hash_size, EVP_sha256(), nullptr))
    throw std::bad_alloc();
  unsigned char text[pin_hash_size + 1];
  EVP_EncodeBlock(text, hash, static_cast<int>(hash_size));
  return std::string(pin_prefix) + reinterpret_cast<const char*>(text);
}

inline bool is_pin(std::string_view text) {
  if (!text.starts_with(pin_prefix) || text.size() != pin_prefix.size() + pin_hash_size)
    return false;
  unsigned char hash[pin_hash_size];
  const auto base64 = text.substr(pin_prefix.size());
  return EVP_DecodeBlock(hash, reinterpret_cast<const unsigned char*>(base64.data()),
                         static_cast<int>(base64.size())) > 0;
}

}  // namespace ferry::detail
