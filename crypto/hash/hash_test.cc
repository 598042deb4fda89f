#include "crypto/hash/hash.h"

#include <string>

#include "crypto/testdata/vector_file.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

TEST(HashTest, MatchesPublishedVectors) {
  for (const TestVector& vector : LoadVectors("crypto/testdata/hash.txt")) {
    SCOPED_TRACE(vector.name());
    const std::string& message = vector.Bytes("message");
    EXPECT_EQ(Blake2b256("", {message}).bytes(), vector.Bytes("blake2b-256"));
    EXPECT_EQ(Sha3_256(message).bytes(), vector.Bytes("sha3-256"));
    EXPECT_EQ(Sha256(message).bytes(), vector.Bytes("sha256"));
    EXPECT_EQ(Sha512(message).bytes(), vector.Bytes("sha512"));
  }
}

TEST(HashTest, MatchesPersonalisedVectors) {
  for (const TestVector& vector :
       LoadVectors("crypto/testdata/constructions.txt", "blake2b ")) {
    EXPECT_EQ(
        Blake2b256(vector.Bytes("personal"), {vector.Bytes("message")}).bytes(),
        vector.Bytes("digest"))
        << vector.name();
  }
}

TEST(HashTest, PartsAreConcatenated) {
  EXPECT_EQ(Blake2b256("nm1-test", {"ab", "", "c"}),
            Blake2b256("nm1-test", {"abc"}));
  EXPECT_EQ(Blake2b256("nm1-test", {}), Blake2b256("nm1-test", {""}));
}

TEST(HashTest, PersonalisationsSeparate) {
  EXPECT_NE(Blake2b256("nm1-a", {"x"}), Blake2b256("nm1-b", {"x"}));
  EXPECT_NE(Blake2b256("", {"x"}), Blake2b256("nm1-a", {"x"}));
  EXPECT_NE(Blake2b256("sixteen letters!", {"x"}),
            Blake2b256("sixteen letters", {"x"}));
}

TEST(HashDeathTest, PersonalisationBeyondSixteenBytesCrashes) {
  EXPECT_DEATH(Blake2b256("seventeen letters", {"x"}), "");
}

TEST(Blake2b256HasherTest, PiecesGiveTheSameDigest) {
  const std::string data(1000, 'x');
  for (const size_t piece : {1, 3, 127, 128, 129, 1000}) {
    Blake2b256Hasher hasher("nm1-test");
    for (size_t i = 0; i < data.size(); i += piece) {
      hasher.Update(data.substr(i, piece));
    }
    EXPECT_EQ(hasher.Finish(), Blake2b256("nm1-test", {data})) << piece;
  }
}

TEST(Blake2b256HasherTest, CopiesGoOnByThemselves) {
  Blake2b256Hasher common("nm1-test");
  common.Update("beginning ");
  Blake2b256Hasher copy = common;
  common.Update("one");
  copy.Update("two");
  EXPECT_EQ(common.Finish(), Blake2b256("nm1-test", {"beginning one"}));
  EXPECT_EQ(copy.Finish(), Blake2b256("nm1-test", {"beginning two"}));
}

}  // namespace
}  // namespace messenger::crypto
