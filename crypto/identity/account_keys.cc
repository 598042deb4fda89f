#include "crypto/identity/account_keys.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/internal/sodium_init.h"
#include "crypto/kdf/hkdf.h"
#include "sodium.h"

namespace messenger::crypto {
namespace {

const uint8_t* In(absl::string_view data) {
  return reinterpret_cast<const uint8_t*>(data.data());
}

// The seed with 16 zero bytes behind it, as in every client that reads these
// phrases.
Ed25519Seed SigningSeed(const AccountSeed& seed) {
  Ed25519Seed padded;
  std::memcpy(padded.MutableExpose().data(), seed.Expose().data(), seed.kSize);
  return padded;
}

// The Montgomery form of an Ed25519 private key: the scalar that signs.
X25519PrivateKey AgreementKey(const Ed25519Seed& seed) {
  internal::EnsureSodium();
  SecretBytes<64> expanded;
  Ed25519PublicKey unused;
  crypto_sign_seed_keypair(
      reinterpret_cast<uint8_t*>(unused.data()),
      reinterpret_cast<uint8_t*>(expanded.MutableExpose().data()),
      In(seed.Expose()));
  SecretBytes<32> scalar;
  if (crypto_sign_ed25519_sk_to_curve25519(
          reinterpret_cast<uint8_t*>(scalar.MutableExpose().data()),
          In(expanded.Expose())) != 0) {
    std::abort();
  }
  return X25519PrivateKey::FromBytes(std::move(scalar));
}

SecretBytes<32> Derived(const AccountSeed& seed, KdfLabel label,
                        absl::string_view context) {
  const Prk512 prk = HkdfSha512Extract("nm/v1/account", {seed.Expose()});
  return HkdfSha512Expand<32>(prk.Expose(), label, context);
}

}  // namespace

AccountKeys::AccountKeys(AccountSeed seed, Ed25519PrivateKey signing_key,
                         X25519PrivateKey agreement_key, const AccountId& id)
    : seed_(std::move(seed)),
      signing_key_(std::move(signing_key)),
      agreement_key_(std::move(agreement_key)),
      id_(id) {}

AccountKeys AccountKeys::FromSeed(const AccountSeed& seed) {
  const Ed25519Seed signing_seed = SigningSeed(seed);
  X25519PrivateKey agreement_key = AgreementKey(signing_seed);
  const AccountId id = AccountId::FromPublicKey(agreement_key.public_key());
  return AccountKeys(seed.Clone(), Ed25519PrivateKey::FromSeed(signing_seed),
                     std::move(agreement_key), id);
}

AccountKeys AccountKeys::Generate(Random& random) {
  return FromSeed(random.Secret<AccountSeed::kSize>());
}

XWingPrivateKey AccountKeys::identity_kem() const {
  return XWingPrivateKey::FromSeed(
      Derived(seed_, KdfLabel::kIdentityKem, /*context=*/""));
}

XWingPrivateKey AccountKeys::vault_kem() const {
  return XWingPrivateKey::FromSeed(Derived(seed_, KdfLabel::kVault, "kem"));
}

Ed25519PrivateKey AccountKeys::vault_key(absl::string_view device_id) const {
  return Ed25519PrivateKey::FromSeed(
      Derived(seed_, KdfLabel::kVault, absl::StrCat("device", device_id)));
}

absl::StatusOr<AccountId> AccountIdFromEd25519(const Ed25519PublicKey& key) {
  internal::EnsureSodium();
  X25519PublicKey converted;
  if (crypto_sign_ed25519_pk_to_curve25519(
          reinterpret_cast<uint8_t*>(converted.data()), In(key.bytes())) != 0) {
    return absl::InvalidArgumentError("not a point of the prime-order group");
  }
  return AccountId::FromPublicKey(converted);
}

}  // namespace messenger::crypto
