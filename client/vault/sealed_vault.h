// Seals the contents of a vault to the account's vault KEM key, and cuts them
// into the records that a swarm keeps (client/SPEC.md, section 19.5).
//
// Whoever has the public key seals; only the words open. Thread-safe.

#ifndef CLIENT_VAULT_SEALED_VAULT_H_
#define CLIENT_VAULT_SEALED_VAULT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/vault/vault_contents.h"
#include "crypto/kem/xwing.h"
#include "crypto/random/random.h"

namespace messenger::client {

// What fits in the most pieces.
extern const size_t kMaxVaultContentBytes;

struct VaultRecord {
  std::string key;  // 16 bytes
  uint64_t seq = 0;
  std::string body;  // 8,192 bytes
};

// Which of the two sets of records a writing takes: 0 or 1.
using VaultSet = int;
// -1: of no vault.
VaultSet SetOfRecord(absl::string_view key);

// The records of one writing; `mailbox` is where they go. INVALID_ARGUMENT:
// no public key. More than kMaxVaultContentBytes is a broken invariant.
absl::StatusOr<std::vector<VaultRecord>> SealVault(
    const crypto::XWingPublicKey& kem, absl::string_view mailbox, VaultSet set,
    uint64_t seq, const VaultContents& contents, crypto::Random& random);

// The newest writing that is whole, among records of untrusted nodes.
//   NOT_FOUND  there is no vault
//   DATA_LOSS  there is one, but no writing of it is whole and opens
absl::StatusOr<VaultContents> OpenVault(
    const crypto::XWingPrivateKey& kem, absl::string_view mailbox,
    const std::vector<VaultRecord>& records);

}  // namespace messenger::client

#endif  // CLIENT_VAULT_SEALED_VAULT_H_
