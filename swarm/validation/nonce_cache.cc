#include "swarm/validation/nonce_cache.h"

#include <algorithm>

#include "swarm/proto/refusal.h"

namespace messenger::swarm {

NonceCache::NonceCache(crypto::Random& random) : random_(random) { Renew(); }

void NonceCache::Renew() {
  const uint64_t old = challenge_;
  while (challenge_ == old || challenge_ == 0) challenge_ = random_.U64();
  seen_.clear();
  by_age_.clear();
}

absl::Status NonceCache::Use(const crypto::Ed25519PublicKey& signer,
                             const RequestNonce& nonce, uint64_t challenge,
                             absl::Time now) {
  if (now + kClockSlack < latest_) {
    Renew();
    latest_ = now;
  }
  latest_ = std::max(latest_, now);
  while (!by_age_.empty() && by_age_.front().first + kLifetime <= latest_) {
    seen_.erase(by_age_.front().second);
    by_age_.pop_front();
  }
  Entry entry(signer, nonce);
  if (challenge == challenge_ && seen_.contains(entry)) {
    return absl::AlreadyExistsError("the request was used before");
  }
  if (seen_.size() >= kMaxEntries) Renew();
  if (challenge != challenge_) {
    v1::Refusal refusal;
    refusal.set_reason(v1::Refusal::STALE_CHALLENGE);
    refusal.set_challenge(challenge_);
    return WithRefusal(absl::FailedPreconditionError("another challenge"),
                       refusal);
  }
  seen_.insert(entry);
  by_age_.emplace_back(latest_, entry);
  return absl::OkStatus();
}

}  // namespace messenger::swarm
