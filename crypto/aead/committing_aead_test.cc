#include "crypto/aead/committing_aead.h"

#include <string>

#include "absl/status/status.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/testdata/vector_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

TEST(CommittingAeadTest, MatchesTheSecondImplementation) {
  for (const TestVector& vector :
       LoadVectors("crypto/testdata/constructions.txt", "caead ")) {
    SCOPED_TRACE(vector.name());
    const auto key = SecretBytes<32>::FromBytes(vector.Bytes("key")).value();
    EXPECT_EQ(
        CommittingSeal(key, vector.Bytes("ad"), vector.Bytes("plaintext")),
        vector.Bytes("ciphertext"));
    EXPECT_THAT(
        CommittingOpen(key, vector.Bytes("ad"), vector.Bytes("ciphertext")),
        IsOkAndHolds(vector.Bytes("plaintext")));
  }
}

class CommittingForgeryTest : public ::testing::Test {
 protected:
  void ExpectRefused(const std::string& ciphertext) {
    EXPECT_THAT(CommittingOpen(key_, "ad", ciphertext),
                StatusIs(absl::StatusCode::kUnauthenticated));
  }

  SeededRandom random_{1};
  const SecretBytes<32> key_ = random_.Secret<32>();
  const std::string sealed_ = CommittingSeal(key_, "ad", "attack at dawn");
};

TEST_F(CommittingForgeryTest, UntouchedCiphertextOpens) {
  EXPECT_EQ(sealed_.size(), kCommittingOverhead + 14);
  EXPECT_THAT(CommittingOpen(key_, "ad", sealed_),
              IsOkAndHolds("attack at dawn"));
}

TEST_F(CommittingForgeryTest, EmptyPlaintextOpens) {
  EXPECT_THAT(CommittingOpen(key_, "", CommittingSeal(key_, "", "")),
              IsOkAndHolds(""));
}

TEST_F(CommittingForgeryTest, EveryFlippedBitOfCommitmentTextAndTagIsRefused) {
  for (size_t bit = 0; bit < 8 * sealed_.size(); ++bit) {
    std::string forged = sealed_;
    forged[bit / 8] = static_cast<char>(forged[bit / 8] ^ 1 << bit % 8);
    ExpectRefused(forged);
  }
}

TEST_F(CommittingForgeryTest, EveryTruncationIsRefused) {
  for (size_t size = 0; size < sealed_.size(); ++size) {
    ExpectRefused(sealed_.substr(0, size));
  }
  ExpectRefused(sealed_ + '\0');
}

TEST_F(CommittingForgeryTest, OtherKeyOrAdIsRefused) {
  EXPECT_THAT(CommittingOpen(random_.Secret<32>(), "ad", sealed_),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(CommittingOpen(key_, "", sealed_),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(CommittingOpen(key_, "aD", sealed_),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

// What makes it committing: the body of one key behind the commitment of
// another opens under neither.
TEST_F(CommittingForgeryTest, CommitmentAndBodyOfDifferentKeysAreRefused) {
  const SecretBytes<32> other_key = random_.Secret<32>();
  const std::string other = CommittingSeal(other_key, "ad", "attack at dusk");
  const std::string mixed = other.substr(0, 32) + sealed_.substr(32);
  ExpectRefused(mixed);
  EXPECT_THAT(CommittingOpen(other_key, "ad", mixed),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(CommittingForgeryTest, CommitmentDependsOnTheAssociatedData) {
  EXPECT_NE(CommittingSeal(key_, "ad", "x").substr(0, 32),
            CommittingSeal(key_, "da", "x").substr(0, 32));
  EXPECT_EQ(CommittingSeal(key_, "ad", "x").substr(0, 32),
            CommittingSeal(key_, "ad", "y").substr(0, 32));
}

}  // namespace
}  // namespace messenger::crypto
