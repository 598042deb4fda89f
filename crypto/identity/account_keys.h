// All keys of an account, from the seed behind its recovery phrase
// (crypto/SPEC.md, section 9).

#ifndef CRYPTO_IDENTITY_ACCOUNT_KEYS_H_
#define CRYPTO_IDENTITY_ACCOUNT_KEYS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/agreement/x25519.h"
#include "crypto/identity/account_id.h"
#include "crypto/identity/recovery_phrase.h"
#include "crypto/kem/xwing.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"

namespace messenger::crypto {

// Immutable after construction, hence thread-safe. Move-only.
class AccountKeys final {
 public:
  // The same seed always gives the same account.
  static AccountKeys FromSeed(const AccountSeed& seed);
  static AccountKeys Generate(Random& random);

  const AccountId& id() const { return id_; }
  const AccountSeed& seed() const { return seed_; }

  // Signs the identity record; `AccountIdFromEd25519` of its public key is the
  // id.
  const Ed25519PrivateKey& signing_key() const { return signing_key_; }

  // The key whose public half is the id.
  const X25519PrivateKey& agreement_key() const { return agreement_key_; }

  // Derived on each call (about a hundred microseconds).
  XWingPrivateKey identity_kem() const;

  // Opens the account's vaults (client/SPEC.md, section 19).
  XWingPrivateKey vault_kem() const;
  // Owns the vault of one device, whose id has 16 bytes.
  Ed25519PrivateKey vault_key(absl::string_view device_id) const;

 private:
  AccountKeys(AccountSeed seed, Ed25519PrivateKey signing_key,
              X25519PrivateKey agreement_key, const AccountId& id);

  AccountSeed seed_;
  Ed25519PrivateKey signing_key_;
  X25519PrivateKey agreement_key_;
  AccountId id_;
};

// The id of the account that signs with `key`. INVALID_ARGUMENT if `key` is no
// point of the prime-order group.
absl::StatusOr<AccountId> AccountIdFromEd25519(const Ed25519PublicKey& key);

}  // namespace messenger::crypto

#endif  // CRYPTO_IDENTITY_ACCOUNT_KEYS_H_
