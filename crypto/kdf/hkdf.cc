#include "crypto/kdf/hkdf.h"

#include <cstdint>
#include <cstdlib>
#include <string>

#include "crypto/base/secure_memory.h"
#include "crypto/kdf/raw_hkdf.h"
#include "openssl/digest.h"
#include "openssl/hkdf.h"

namespace messenger::crypto {
namespace {

const uint8_t* Bytes(absl::string_view data) {
  return reinterpret_cast<const uint8_t*>(data.data());
}

void Extract(const EVP_MD* digest, absl::string_view salt,
             std::initializer_list<absl::string_view> ikm_parts,
             absl::Span<char> prk) {
  size_t size = 0;
  for (const absl::string_view part : ikm_parts) size += part.size();
  std::string ikm;
  // Reserved in one go: growing would leave unwiped copies behind.
  ikm.reserve(size);
  for (const absl::string_view part : ikm_parts) {
    ikm.append(part.data(), part.size());
  }
  size_t prk_size = 0;
  const int ok =
      HKDF_extract(reinterpret_cast<uint8_t*>(prk.data()), &prk_size, digest,
                   Bytes(ikm), ikm.size(), Bytes(salt), salt.size());
  SecureWipe(ikm);
  if (ok != 1 || prk_size != prk.size()) std::abort();
}

std::string Info(KdfLabel label, absl::string_view context) {
  std::string info = "nm/v1/";
  const absl::string_view name = KdfLabelName(label);
  info.append(name.data(), name.size());
  info.push_back('\0');
  info.append(context.data(), context.size());
  return info;
}

}  // namespace

// No default: a label without a name does not compile.
absl::string_view KdfLabelName(KdfLabel label) {
  switch (label) {
    case KdfLabel::kCaead:
      return "caead";
    case KdfLabel::kOnion:
      return "onion";
    case KdfLabel::kOuter:
      return "outer";
    case KdfLabel::kChain:
      return "chain";
    case KdfLabel::kRoot:
      return "root";
    case KdfLabel::kRatchet:
      return "rk";
    case KdfLabel::kGroup:
      return "grp";
    case KdfLabel::kKeyEncryption:
      return "kek";
    case KdfLabel::kDatabase:
      return "db";
    case KdfLabel::kVault:
      return "vault";
    case KdfLabel::kIdentityKem:
      return "id-kem";
    case KdfLabel::kDeviceSign:
      return "dev-sign";
    case KdfLabel::kDeviceDh:
      return "dev-dh";
    case KdfLabel::kDeviceKem:
      return "dev-kem";
    case KdfLabel::kMailbox:
      return "mailbox";
    case KdfLabel::kAttachment:
      return "att";
    case KdfLabel::kBlind:
      return "blind";
    case KdfLabel::kBackup:
      return "backup";
    case KdfLabel::kPairing:
      return "pair";
    case KdfLabel::kHandshake:
      return "hs";
  }
  std::abort();
}

Prk512 HkdfSha512Extract(absl::string_view salt,
                         std::initializer_list<absl::string_view> ikm_parts) {
  Prk512 prk;
  Extract(EVP_sha512(), salt, ikm_parts, prk.MutableExpose());
  return prk;
}

Prk256 HkdfSha256Extract(absl::string_view salt,
                         std::initializer_list<absl::string_view> ikm_parts) {
  Prk256 prk;
  Extract(EVP_sha256(), salt, ikm_parts, prk.MutableExpose());
  return prk;
}

void HkdfSha512Expand(absl::string_view prk, KdfLabel label,
                      absl::string_view context, absl::Span<char> out) {
  internal::RawHkdfSha512Expand(prk, Info(label, context), out);
}

void HkdfSha256Expand(absl::string_view prk, KdfLabel label,
                      absl::string_view context, absl::Span<char> out) {
  internal::RawHkdfSha256Expand(prk, Info(label, context), out);
}

}  // namespace messenger::crypto
