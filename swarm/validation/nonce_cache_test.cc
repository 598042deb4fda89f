#include "swarm/validation/nonce_cache.h"

#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

class NonceCacheTest : public ::testing::Test {
 protected:
  absl::Status Use(const RequestNonce& nonce, absl::Time now) {
    return cache_.Use(key_, nonce, now, now);
  }

  crypto::SeededRandom random_{1};
  const absl::Time start_ = absl::FromUnixSeconds(1'900'000'000);
  NonceCache cache_{start_};
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
                         start_, start_),
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

TEST_F(NonceCacheTest, RefusesWhatWasSignedBeforeTheStart) {
  EXPECT_THAT(cache_.Use(key_, nonce_, start_ - absl::Milliseconds(1), start_),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(NonceCacheTest, IsBoundedAndRecovers) {
  RequestNonce nonce;
  for (size_t i = 0; i < NonceCache::kMaxEntries; ++i) {
    nonce.data()[0] = static_cast<char>(i);
    nonce.data()[1] = static_cast<char>(i >> 8);
    nonce.data()[2] = static_cast<char>(i >> 16);
    ASSERT_THAT(Use(nonce, start_), IsOk());
  }
  EXPECT_THAT(Use(nonce_, start_),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Use(nonce_, start_ + NonceCache::kLifetime), IsOk());
}

}  // namespace
}  // namespace messenger::swarm
