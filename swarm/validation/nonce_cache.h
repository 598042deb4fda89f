// Remembers signed requests for as long as they would be taken as fresh, so
// that each works once (swarm/SPEC.md, section 3.2).
//
// The memory does not survive the process; requests from before its start are
// therefore refused altogether. Not thread-safe.

#ifndef SWARM_VALIDATION_NONCE_CACHE_H_
#define SWARM_VALIDATION_NONCE_CACHE_H_

#include <cstddef>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/sign/ed25519.h"
#include "swarm/auth/request_auth.h"

namespace messenger::swarm {

class NonceCache final {
 public:
  // Longer than a request stays fresh, that is, twice kClockTolerance.
  static constexpr absl::Duration kLifetime = absl::Seconds(300);
  static constexpr size_t kMaxEntries = 200'000;

  // Requests carry whole milliseconds, so `start` is rounded down to one.
  explicit NonceCache(absl::Time start)
      : start_(absl::FromUnixMillis(absl::ToUnixMillis(start))) {}

  // OK the first time. ALREADY_EXISTS afterwards, and for what was signed
  // before the start; RESOURCE_EXHAUSTED while the cache is full of fresh
  // entries, for a request that cannot be remembered must not be served.
  absl::Status Use(const crypto::Ed25519PublicKey& signer,
                   const RequestNonce& nonce, absl::Time timestamp,
                   absl::Time now);

  size_t size() const { return seen_.size(); }

 private:
  using Entry = std::pair<crypto::Ed25519PublicKey, RequestNonce>;

  const absl::Time start_;
  absl::flat_hash_set<Entry> seen_;
  std::deque<std::pair<absl::Time, Entry>> by_age_;
};

}  // namespace messenger::swarm

#endif  // SWARM_VALIDATION_NONCE_CACHE_H_
