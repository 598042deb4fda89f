// Every position of a blob matters, and no position tells anything.

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "client/session/handshake.h"
#include "client/session/session.h"
#include "client/session/testing/test_party.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;

class SessionTamperTest : public ::testing::Test {
 protected:
  std::string Flip(std::string blob, size_t position) {
    blob[position] =
        static_cast<char>(blob[position] ^ (1 << random_.Uniform(8)));
    return blob;
  }

  crypto::SeededRandom random_{30};
  TestParty alice_{random_};
  TestParty bob_{random_};
};

TEST_F(SessionTamperTest, ABitFlippedAnywhereInAFirstBlobIsRefused) {
  Session alices = MustInitiate(alice_, bob_, random_);
  const std::string blob = MustEncrypt(alices, "hello", random_);
  ASSERT_THAT(Accept(bob_.self(), bob_.prekeys, blob, kTestNow), IsOk());
  for (size_t i = 0; i < blob.size(); ++i) {
    ASSERT_FALSE(
        Accept(bob_.self(), bob_.prekeys, Flip(blob, i), kTestNow).ok())
        << i;
  }
}

TEST_F(SessionTamperTest, ABitFlippedAnywhereInARepeatedHandshakeIsRefused) {
  Session alices = MustInitiate(alice_, bob_, random_);
  const std::string first = MustEncrypt(alices, "one", random_);
  const std::string second = MustEncrypt(alices, "two", random_);
  const Session bobs =
      Accept(bob_.self(), bob_.prekeys, first, kTestNow)->session.Clone();
  ASSERT_THAT(bobs.Decrypt(second, kTestNow, bob_.kem), IsOk());
  const std::string before = bobs.Serialize();
  for (size_t i = 0; i < second.size(); ++i) {
    ASSERT_FALSE(bobs.Decrypt(Flip(second, i), kTestNow, bob_.kem).ok()) << i;
  }
  EXPECT_EQ(bobs.Serialize(), before);
}

TEST_F(SessionTamperTest, ABitFlippedAnywhereInALaterBlobIsRefused) {
  Session alices = MustInitiate(alice_, bob_, random_);
  Session bobs = Accept(bob_.self(), bob_.prekeys,
                        MustEncrypt(alices, "one", random_), kTestNow)
                     ->session.Clone();
  // The first answer carries c4, and makes Alice turn.
  const std::string answer = MustEncrypt(bobs, "two", random_);
  for (size_t i = 0; i < answer.size(); ++i) {
    ASSERT_FALSE(alices.Decrypt(Flip(answer, i), kTestNow, alice_.kem).ok())
        << i;
  }
  ASSERT_THAT(Receive(alices, answer, alice_), IsOk());
  const std::string blob = MustEncrypt(alices, "three", random_);
  for (size_t i = 0; i < blob.size(); ++i) {
    ASSERT_FALSE(bobs.Decrypt(Flip(blob, i), kTestNow, bob_.kem).ok()) << i;
  }
  EXPECT_THAT(Receive(bobs, blob, bob_), IsOk());
}

TEST_F(SessionTamperTest, PartsOfTwoBlobsDoNotCombine) {
  Session alices = MustInitiate(alice_, bob_, random_);
  const std::string a1 = MustEncrypt(alices, "one", random_);
  const std::string a2 = MustEncrypt(alices, "two", random_);
  Session again = MustInitiate(alice_, bob_, random_);
  const std::string b1 = MustEncrypt(again, "one", random_);
  const size_t cuts[] = {1,
                         33,
                         33 + 1120,
                         33 + 2240,
                         kHandshakeBytes,
                         kHandshakeBytes + kEncryptedHeaderBytes};
  for (const size_t cut : cuts) {
    const std::string mixed = a1.substr(0, cut) + b1.substr(cut);
    if (cut == 1) continue;  // the version is the same in both
    EXPECT_FALSE(Accept(bob_.self(), bob_.prekeys, mixed, kTestNow).ok())
        << cut;
  }
  const size_t body = kHandshakeBytes + kEncryptedHeaderBytes;
  EXPECT_FALSE(Accept(bob_.self(), bob_.prekeys,
                      a1.substr(0, body) + a2.substr(body), kTestNow)
                   .ok());
}

// Chi-square of `counts` against the uniform distribution, as a distance from
// its mean in standard deviations.
double Deviation(const std::array<uint64_t, 256>& counts) {
  double total = 0;
  for (const uint64_t count : counts) total += static_cast<double>(count);
  const double expected = total / 256;
  double chi_square = 0;
  for (const uint64_t count : counts) {
    const double difference = static_cast<double>(count) - expected;
    chi_square += difference * difference / expected;
  }
  return (chi_square - 255) / std::sqrt(2 * 255);
}

TEST_F(SessionTamperTest, BlobsOfAConversationAreUniformBytes) {
  Session alices = MustInitiate(alice_, bob_, random_);
  Session bobs = Accept(bob_.self(), bob_.prekeys,
                        MustEncrypt(alices, "one", random_), kTestNow)
                     ->session.Clone();
  ASSERT_THAT(Receive(alices, MustEncrypt(bobs, "two", random_), alice_),
              IsOk());
  std::array<uint64_t, 256> all{};
  std::vector<std::array<uint64_t, 256>> by_position(4096);
  for (int i = 0; i < 2000; ++i) {
    // Always the same text; the ratchet turns with every tenth message.
    const std::string blob = MustEncrypt(alices, "the same text", random_);
    ASSERT_EQ(blob.size(), 4096u);
    for (size_t at = 0; at < blob.size(); ++at) {
      ++all[static_cast<uint8_t>(blob[at])];
      ++by_position[at][static_cast<uint8_t>(blob[at])];
    }
    if (i % 10 == 0) {
      ASSERT_THAT(Receive(bobs, blob, bob_), IsOk());
      ASSERT_THAT(Receive(alices, MustEncrypt(bobs, "turn", random_), alice_),
                  IsOk());
    }
  }
  EXPECT_LT(std::abs(Deviation(all)), 5);
  // A fixed byte would give twenty thousand; the largest of 4096 positions is
  // usually about four.
  for (size_t at = 0; at < by_position.size(); ++at) {
    ASSERT_LT(std::abs(Deviation(by_position[at])), 7) << at;
  }
}

TEST_F(SessionTamperTest, FirstBlobsShowOnlyWhatTheSpecificationNames) {
  // Version and the parts of known structure: EKA is a curve point, ML-KEM
  // ciphertexts are compressed, hence close to uniform. The layer with the
  // sender's identity and everything behind it is uniform.
  std::array<uint64_t, 256> sealed{};
  std::array<uint64_t, 256> open{};
  for (int i = 0; i < 200; ++i) {
    Session session = MustInitiate(alice_, bob_, random_);
    const std::string blob = MustEncrypt(session, "hello", random_);
    EXPECT_EQ(blob[0], 1);
    for (size_t at = 1; at < blob.size(); ++at) {
      ++(at < 33 + 2240 ? open : sealed)[static_cast<uint8_t>(blob[at])];
    }
  }
  EXPECT_LT(std::abs(Deviation(sealed)), 5);
  EXPECT_LT(std::abs(Deviation(open)), 20);
}

}  // namespace
}  // namespace messenger::client
