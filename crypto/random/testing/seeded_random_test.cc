#include "crypto/random/testing/seeded_random.h"

#include <algorithm>
#include <string>

#include "crypto/base/hex.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

TEST(SeededRandomTest, IsTheChaCha20KeyStream) {
  // The key stream of the all-zero key and nonce, known from RFC 8439, A.1.
  EXPECT_EQ(HexEncode(SeededRandom(0).String(32)),
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7");
}

TEST(SeededRandomTest, EqualSeedsReplay) {
  EXPECT_EQ(SeededRandom(7).String(5000), SeededRandom(7).String(5000));
  EXPECT_NE(SeededRandom(7).String(32), SeededRandom(8).String(32));
  EXPECT_NE(SeededRandom(1).String(32),
            SeededRandom(uint64_t{1} << 56).String(32));
}

TEST(SeededRandomTest, TheCutOfTheRequestsDoesNotMatter) {
  const std::string whole = SeededRandom(9).String(5000);
  SeededRandom random(9);
  std::string pieces;
  for (size_t size = 0; pieces.size() < whole.size(); ++size) {
    pieces += random.String(std::min(size, whole.size() - pieces.size()));
  }
  EXPECT_EQ(pieces, whole);
}

}  // namespace
}  // namespace messenger::crypto
