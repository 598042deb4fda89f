// HKDF (RFC 5869) under enumerated labels (crypto/SPEC.md, section 3).
// HKDF-SHA512 serves conversations, HKDF-SHA256 the onion.
//
// The info string is always "nm/v1/" || label || 0x00 || context and is built
// here: no caller can derive under a label that the table does not list, and
// two labels never give the same info. All functions are thread-safe.

#ifndef CRYPTO_KDF_HKDF_H_
#define CRYPTO_KDF_HKDF_H_

#include <cstddef>
#include <initializer_list>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::crypto {

using Prk512 = SecretBytes<64>;
using Prk256 = SecretBytes<32>;

// What derived bytes are for. The names are in crypto/SPEC.md, section 3.2,
// and part of the protocol: append, and never change a name.
enum class KdfLabel {
  kCaead,          // "caead": keys of the committing AEAD
  kOnion,          // "onion": keys of one onion hop
  kOuter,          // "outer": outer key of the handshake
  kChain,          // "chain": handshake chaining key
  kRoot,           // "root": first root key of a session
  kRatchet,        // "rk": root key step of the ratchet
  kGroup,          // "grp": group message keys
  kKeyEncryption,  // "kek": key that wraps the database key
  kDatabase,       // "db": database key
  kVault,          // "vault": the account's own sealed configuration
  kIdentityKem,    // "id-kem": X-Wing identity key of an account
  kDeviceSign,     // "dev-sign": Ed25519 key of a device
  kDeviceDh,       // "dev-dh": X25519 key of a device
  kDeviceKem,      // "dev-kem": X-Wing key of a device
  kMailbox,        // "mailbox": keys of a mailbox
  kAttachment,     // "att": keys of an attachment's chunks
  kBlind,          // "blind": per-server pseudonyms
  kBackup,         // "backup": encrypted backup
  kPairing,        // "pair": linking a new device
  kHandshake,      // "hs": handshake keys that have no name of their own
};

// The name of a label as it enters the info string.
absl::string_view KdfLabelName(KdfLabel label);

// The parts of the input keying material are concatenated; the copy made for
// that is wiped.
Prk512 HkdfSha512Extract(absl::string_view salt,
                         std::initializer_list<absl::string_view> ikm_parts);
Prk256 HkdfSha256Extract(absl::string_view salt,
                         std::initializer_list<absl::string_view> ikm_parts);

// Fills `out`, at most 255 hash lengths; more is a broken invariant and
// crashes. `prk` is uniformly random: a PRK or another 32-byte key.
void HkdfSha512Expand(absl::string_view prk, KdfLabel label,
                      absl::string_view context, absl::Span<char> out);
void HkdfSha256Expand(absl::string_view prk, KdfLabel label,
                      absl::string_view context, absl::Span<char> out);

template <size_t N>
SecretBytes<N> HkdfSha512Expand(absl::string_view prk, KdfLabel label,
                                absl::string_view context) {
  SecretBytes<N> out;
  HkdfSha512Expand(prk, label, context, out.MutableExpose());
  return out;
}

template <size_t N>
SecretBytes<N> HkdfSha256Expand(absl::string_view prk, KdfLabel label,
                                absl::string_view context) {
  SecretBytes<N> out;
  HkdfSha256Expand(prk, label, context, out.MutableExpose());
  return out;
}

}  // namespace messenger::crypto

#endif  // CRYPTO_KDF_HKDF_H_
