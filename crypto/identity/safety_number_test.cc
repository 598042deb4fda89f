#include "crypto/identity/safety_number.h"

#include <string>

#include "crypto/identity/account_id.h"
#include "crypto/testdata/vector_file.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

constexpr char kFile[] = "crypto/testdata/safety_number.txt";

TEST(NumericFingerprintTest, MatchesLibsignal) {
  const TestVector vector = LoadVector(kFile, "libsignal");
  const std::string a =
      NumericFingerprint(vector.Bytes("key_a"), vector.Bytes("identifier_a"));
  const std::string b =
      NumericFingerprint(vector.Bytes("key_b"), vector.Bytes("identifier_b"));
  EXPECT_EQ(a, vector.Bytes("half_a"));
  EXPECT_EQ(b, vector.Bytes("half_b"));
  EXPECT_EQ(CombineFingerprints(a, b), vector.Bytes("number"));
  EXPECT_EQ(CombineFingerprints(b, a), vector.Bytes("number"));
}

TEST(ScannableFingerprintTest, MatchesLibsignal) {
  const TestVector vector = LoadVector(kFile, "libsignal");
  EXPECT_EQ(
      ScannableFingerprint(vector.Bytes("key_a"), vector.Bytes("identifier_a")),
      vector.Bytes("scanned_a"));
  EXPECT_EQ(
      ScannableFingerprint(vector.Bytes("key_b"), vector.Bytes("identifier_b")),
      vector.Bytes("scanned_b"));
}

class SafetyNumberTest : public ::testing::Test {
 protected:
  const TestVector vector_ = LoadVector(kFile, "account ids");
  const AccountId a_ = AccountId::FromBytes(vector_.Bytes("id_a")).value();
  const AccountId b_ = AccountId::FromBytes(vector_.Bytes("id_b")).value();
};

TEST_F(SafetyNumberTest, MatchesItsVector) {
  EXPECT_EQ(SafetyNumber(a_, b_), vector_.Bytes("number"));
}

TEST_F(SafetyNumberTest, BothSidesSeeTheSameNumber) {
  EXPECT_EQ(SafetyNumber(b_, a_), SafetyNumber(a_, b_));
}

TEST_F(SafetyNumberTest, IsSixtyDigits) {
  const std::string number = SafetyNumber(a_, a_);
  EXPECT_EQ(number.size(), 60u);
  EXPECT_EQ(number.find_first_not_of("0123456789"), std::string::npos);
}

TEST_F(SafetyNumberTest, OneChangedBitOfAnIdChangesTheNumber) {
  std::string other(b_.bytes());
  other[20] ^= 1;
  EXPECT_NE(SafetyNumber(a_, AccountId::FromBytes(other).value()),
            SafetyNumber(a_, b_));
}

}  // namespace
}  // namespace messenger::crypto
