#include "swarm/validation/nonce_cache.h"

namespace messenger::swarm {

absl::Status NonceCache::Use(const crypto::Ed25519PublicKey& signer,
                             const RequestNonce& nonce, absl::Time timestamp,
                             absl::Time now) {
  while (!by_age_.empty() && by_age_.front().first + kLifetime <= now) {
    seen_.erase(by_age_.front().second);
    by_age_.pop_front();
  }
  if (timestamp < start_) {
    return absl::AlreadyExistsError("the request may have been used before");
  }
  if (seen_.size() >= kMaxEntries) {
    return absl::ResourceExhaustedError("too many requests");
  }
  Entry entry(signer, nonce);
  if (!seen_.insert(entry).second) {
    return absl::AlreadyExistsError("the request was used before");
  }
  by_age_.emplace_back(now, entry);
  return absl::OkStatus();
}

}  // namespace messenger::swarm
