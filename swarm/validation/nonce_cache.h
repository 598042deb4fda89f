// Lets a signed retrieval work once (swarm/SPEC.md, section 3.2): remembers
// those it saw for as long as they would be taken as fresh.
//
// The memory does not survive the process and trusts the node's clock. So each
// retrieval also names the cache's challenge, a random number that changes
// whenever something may have been forgotten too early: what was signed for
// another one is not taken. Not thread-safe.

#ifndef SWARM_VALIDATION_NONCE_CACHE_H_
#define SWARM_VALIDATION_NONCE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"
#include "swarm/auth/request_auth.h"

namespace messenger::swarm {

class NonceCache final {
 public:
  // Longer than a request stays fresh, that is, twice kClockTolerance, by as
  // much as the clock may go back unnoticed.
  static constexpr absl::Duration kLifetime = absl::Seconds(300);
  static constexpr absl::Duration kClockSlack = absl::Seconds(60);
  static constexpr size_t kMaxEntries = 200'000;

  // `random` must outlive this.
  explicit NonceCache(crypto::Random& random);

  NonceCache(const NonceCache&) = delete;
  NonceCache& operator=(const NonceCache&) = delete;

  // OK the first time, ALREADY_EXISTS afterwards. FAILED_PRECONDITION with
  // STALE_CHALLENGE and the present one (Refused()) for another challenge.
  // Freshness must have been checked, by the same `now`.
  absl::Status Use(const crypto::Ed25519PublicKey& signer,
                   const RequestNonce& nonce, uint64_t challenge,
                   absl::Time now);

  // Never 0.
  uint64_t challenge() const { return challenge_; }
  size_t size() const { return seen_.size(); }

 private:
  using Entry = std::pair<crypto::Ed25519PublicKey, RequestNonce>;

  void Renew();

  crypto::Random& random_;
  uint64_t challenge_ = 0;
  absl::Time latest_ = absl::InfinitePast();
  absl::flat_hash_set<Entry> seen_;
  std::deque<std::pair<absl::Time, Entry>> by_age_;
};

}  // namespace messenger::swarm

#endif  // SWARM_VALIDATION_NONCE_CACHE_H_
