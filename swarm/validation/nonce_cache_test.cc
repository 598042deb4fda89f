#include "swarm/validation/nonce_cache.h"

#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/proto/refusal.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

class NonceCacheTest : public ::testing::Test {
 protected:
  absl::Status Use(const RequestNonce& nonce, absl::Time now) {
    return cache_.Use(key_, nonce, cache_.challenge(), now);
  }

  crypto::SeededRandom random_{1};
  const absl::Time start_ = absl::FromUnixSeconds(1'900'000'000);
  NonceCache cache_{random_};
  const crypto::Ed25519PublicKey key_ =
      random_.Fixed<crypto::Ed25519PublicKey>();
  const RequestNonce nonce_ = random_.Fixed<RequestNonce>();
};

TEST_F(NonceCacheTest, ANonceWorksOncePerSigner) {
  EXPECT_THAT(Use(nonce_, start_), IsOk());
  EXPECT_THAT(Use(nonce_, start_ + absl::Seconds(1)),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Use(random_.Fixed<RequestNonce>(), start_), IsOk());
  EXPECT_THAT(cache_.Use(random_.Fixed<crypto::Ed25519PublicKey>(), nonce_,
                         cache_.challenge(), start_),
              IsOk());
}

TEST_F(NonceCacheTest, RemembersForLongerThanARequestStaysFresh) {
  EXPECT_THAT(Use(nonce_, start_), IsOk());
  EXPECT_THAT(
      Use(nonce_, start_ + NonceCache::kLifetime - absl::Milliseconds(1)),
      StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(cache_.size(), 1);
  EXPECT_THAT(
      Use(random_.Fixed<RequestNonce>(), start_ + NonceCache::kLifetime),
      IsOk());
  EXPECT_EQ(cache_.size(), 1) << "the old one is forgotten";
}

TEST_F(NonceCacheTest, SaysItsChallengeToWhoeverNamesAnother) {
  for (const uint64_t other : {uint64_t{0}, cache_.challenge() + 1}) {
    const absl::Status status = cache_.Use(key_, nonce_, other, start_);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_EQ(ReasonOf(status), v1::Refusal::STALE_CHALLENGE);
    EXPECT_EQ(RefusalOf(status)->challenge(), cache_.challenge());
  }
  EXPECT_EQ(cache_.size(), 0);
  EXPECT_THAT(Use(nonce_, start_), IsOk()) << "it was not used up";
}

TEST_F(NonceCacheTest, EveryProcessHasAChallengeOfItsOwn) {
  EXPECT_NE(cache_.challenge(), 0);
  EXPECT_NE(NonceCache(random_).challenge(), cache_.challenge());
}

// Without a new challenge the nonce would be forgotten while the clock is
// ahead, and fresh once it is back.
TEST_F(NonceCacheTest, WhatWasForgottenBeforeTheClockWentBackIsNotTaken) {
  const uint64_t challenge = cache_.challenge();
  EXPECT_THAT(Use(nonce_, start_), IsOk());
  EXPECT_THAT(Use(random_.Fixed<RequestNonce>(), start_ + absl::Hours(1)),
              IsOk());
  const absl::Status replay =
      cache_.Use(key_, nonce_, challenge, start_ + absl::Seconds(1));
  EXPECT_EQ(ReasonOf(replay), v1::Refusal::STALE_CHALLENGE);
  EXPECT_NE(cache_.challenge(), challenge);
  EXPECT_THAT(Use(random_.Fixed<RequestNonce>(), start_ + absl::Seconds(2)),
              IsOk());
  const uint64_t second = cache_.challenge();
  EXPECT_THAT(Use(random_.Fixed<RequestNonce>(), start_ + absl::Seconds(3)),
              IsOk());
  EXPECT_EQ(cache_.challenge(), second) << "once";
}

TEST_F(NonceCacheTest, AClockThatGoesBackALittleCostsNoChallenge) {
  const uint64_t challenge = cache_.challenge();
  EXPECT_THAT(Use(nonce_, start_), IsOk());
  EXPECT_THAT(Use(nonce_, start_ - NonceCache::kClockSlack),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(cache_.challenge(), challenge);
}

TEST_F(NonceCacheTest, AFullOneForgetsAllAndTakesNothingOfBefore) {
  const uint64_t challenge = cache_.challenge();
  RequestNonce nonce;
  for (size_t i = 0; i < NonceCache::kMaxEntries; ++i) {
    nonce.data()[0] = static_cast<char>(i);
    nonce.data()[1] = static_cast<char>(i >> 8);
    nonce.data()[2] = static_cast<char>(i >> 16);
    ASSERT_THAT(Use(nonce, start_), IsOk());
  }
  EXPECT_THAT(cache_.Use(key_, nonce, challenge, start_),
              StatusIs(absl::StatusCode::kAlreadyExists))
      << "a repeated one costs the others nothing";
  EXPECT_EQ(cache_.size(), NonceCache::kMaxEntries);
  EXPECT_EQ(ReasonOf(cache_.Use(key_, nonce_, challenge, start_)),
            v1::Refusal::STALE_CHALLENGE);
  EXPECT_EQ(cache_.size(), 0);
  EXPECT_EQ(ReasonOf(cache_.Use(key_, nonce, challenge, start_)),
            v1::Refusal::STALE_CHALLENGE);
  EXPECT_THAT(Use(nonce_, start_), IsOk());
}

}  // namespace
}  // namespace messenger::swarm
