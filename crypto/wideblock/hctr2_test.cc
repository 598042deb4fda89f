#include "crypto/wideblock/hctr2.h"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/testdata/vector_file.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

static_assert(!std::is_copy_constructible_v<Hctr2>);
static_assert(!std::is_copy_assignable_v<Hctr2>);

std::string Encrypt(const Hctr2& cipher, absl::string_view tweak,
                    std::string text) {
  cipher.Encrypt(tweak, absl::MakeSpan(text.data(), text.size()));
  return text;
}

std::string Decrypt(const Hctr2& cipher, absl::string_view tweak,
                    std::string text) {
  cipher.Decrypt(tweak, absl::MakeSpan(text.data(), text.size()));
  return text;
}

void ExpectMatches(const std::vector<TestVector>& vectors) {
  for (const TestVector& vector : vectors) {
    SCOPED_TRACE(vector.name());
    const Hctr2 cipher(SecretBytes<32>::FromBytes(vector.Bytes("key")).value());
    EXPECT_EQ(Encrypt(cipher, vector.Bytes("tweak"), vector.Bytes("plaintext")),
              vector.Bytes("ciphertext"));
    EXPECT_EQ(
        Decrypt(cipher, vector.Bytes("tweak"), vector.Bytes("ciphertext")),
        vector.Bytes("plaintext"));
  }
}

TEST(Hctr2Test, MatchesThePublishedVectors) {
  const std::vector<TestVector> vectors =
      LoadVectors("crypto/testdata/hctr2.txt", "hctr2 ");
  ASSERT_EQ(vectors.size(), 6u);
  ExpectMatches(vectors);
}

TEST(Hctr2Test, MatchesTheSecondImplementation) {
  ExpectMatches(LoadVectors("crypto/testdata/constructions.txt", "hctr2 "));
}

size_t DifferentBytes(absl::string_view a, absl::string_view b) {
  size_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
  return count;
}

// The parts of a message in which a change must show: the first block, each
// quarter, and the last bytes.
void ExpectGarbled(const std::string& before, const std::string& after) {
  ASSERT_EQ(before.size(), after.size());
  // Random bytes agree in one place of 256; 16 of them in many places almost
  // never.
  const size_t part = std::max<size_t>(16, before.size() / 4);
  for (size_t start = 0; start + part <= before.size(); start += part) {
    EXPECT_GT(DifferentBytes(absl::string_view(before).substr(start, part),
                             absl::string_view(after).substr(start, part)),
              part * 3 / 4)
        << "from byte " << start;
  }
}

class Hctr2PropertyTest : public ::testing::Test {
 protected:
  SeededRandom random_{1};
  const Hctr2 cipher_{random_.Secret<32>()};
};

TEST_F(Hctr2PropertyTest, EveryLengthComesBack) {
  for (size_t size = 16; size <= 600; ++size) {
    const std::string tweak = random_.String(size % 50);
    const std::string text = random_.String(size);
    const std::string encrypted = Encrypt(cipher_, tweak, text);
    ASSERT_NE(encrypted, text) << size;
    ASSERT_EQ(Decrypt(cipher_, tweak, encrypted), text) << size;
  }
}

TEST_F(Hctr2PropertyTest, LengthsAroundTheStreamPieceComeBack) {
  for (const size_t size : {1039, 1040, 1041, 2063, 2064, 2065, 8176, 65552}) {
    const std::string text = random_.String(size);
    EXPECT_EQ(Decrypt(cipher_, "tweak", Encrypt(cipher_, "tweak", text)), text)
        << size;
  }
}

TEST_F(Hctr2PropertyTest, OneFlippedBitOfTheTextChangesEverything) {
  const std::string text = random_.String(257);
  const std::string encrypted = Encrypt(cipher_, "tweak", text);
  for (size_t bit = 0; bit < 8 * text.size(); bit += 5) {
    SCOPED_TRACE(bit);
    std::string other = text;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ 1 << bit % 8);
    ExpectGarbled(encrypted, Encrypt(cipher_, "tweak", other));
  }
}

TEST_F(Hctr2PropertyTest, OneFlippedBitOfTheCiphertextGarblesEverything) {
  const std::string text = random_.String(257);
  const std::string encrypted = Encrypt(cipher_, "tweak", text);
  for (size_t bit = 0; bit < 8 * text.size(); bit += 5) {
    SCOPED_TRACE(bit);
    std::string other = encrypted;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ 1 << bit % 8);
    ExpectGarbled(text, Decrypt(cipher_, "tweak", other));
  }
}

TEST_F(Hctr2PropertyTest, OneFlippedBitOfTheTweakChangesEverything) {
  const std::string text = random_.String(257);
  const std::string tweak = random_.String(33);
  const std::string encrypted = Encrypt(cipher_, tweak, text);
  for (size_t bit = 0; bit < 8 * tweak.size(); ++bit) {
    SCOPED_TRACE(bit);
    std::string other = tweak;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ 1 << bit % 8);
    ExpectGarbled(encrypted, Encrypt(cipher_, other, text));
    ExpectGarbled(text, Decrypt(cipher_, other, encrypted));
  }
}

// Padding with zeros must not make two tweaks one, nor two lengths.
TEST_F(Hctr2PropertyTest, LengthOfTheTweakMatters) {
  const std::string text = random_.String(64);
  ExpectGarbled(Encrypt(cipher_, "", text),
                Encrypt(cipher_, std::string(1, '\0'), text));
  ExpectGarbled(Encrypt(cipher_, "tweak", text),
                Encrypt(cipher_, std::string("tweak\0", 6), text));
}

TEST_F(Hctr2PropertyTest, OtherKeyGarblesEverything) {
  const std::string text = random_.String(64);
  const Hctr2 other(random_.Secret<32>());
  ExpectGarbled(text, Decrypt(other, "", Encrypt(cipher_, "", text)));
}

TEST_F(Hctr2PropertyTest, MovedCipherStillWorks) {
  const auto key = SecretBytes<32>::FromBytes(std::string(32, 'k')).value();
  Hctr2 source(key);
  const std::string encrypted = Encrypt(source, "t", std::string(40, 'x'));
  Hctr2 target = std::move(source);
  EXPECT_EQ(Decrypt(target, "t", encrypted), std::string(40, 'x'));
  source = std::move(target);
  EXPECT_EQ(Decrypt(source, "t", encrypted), std::string(40, 'x'));
}

TEST(Hctr2DeathTest, MessageShorterThanABlockCrashes) {
  const Hctr2 cipher{SecretBytes<32>()};
  EXPECT_DEATH(Encrypt(cipher, "", std::string(15, 'x')), "");
  EXPECT_DEATH(Decrypt(cipher, "", ""), "");
}

}  // namespace
}  // namespace messenger::crypto
