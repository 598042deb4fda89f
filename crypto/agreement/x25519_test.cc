#include "crypto/agreement/x25519.h"

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/testdata/vector_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

// Misuse that must not compile.
static_assert(!std::is_copy_constructible_v<X25519PrivateKey>);
static_assert(!std::is_copy_assignable_v<X25519PrivateKey>);
static_assert(!std::is_default_constructible_v<X25519PrivateKey>);

constexpr char kFile[] = "crypto/testdata/x25519.txt";

X25519PrivateKey Private(const std::string& bytes) {
  return X25519PrivateKey::FromBytes(SecretBytes<32>::FromBytes(bytes).value());
}

X25519PublicKey Public(const std::string& bytes) {
  return X25519PublicKey::FromBytes(bytes).value();
}

std::string Agree(const std::string& secret, const std::string& peer) {
  return std::string(Private(secret).Agree(Public(peer)).value().Expose());
}

TEST(X25519Test, MatchesRfc7748) {
  for (const TestVector& vector : LoadVectors(kFile, "rfc7748")) {
    EXPECT_EQ(Agree(vector.Bytes("secret"), vector.Bytes("public")),
              vector.Bytes("shared"))
        << vector.name();
  }
}

TEST(X25519Test, MatchesTheIteratedVector) {
  const TestVector vector = LoadVector(kFile, "iterated");
  std::string k = "\x09" + std::string(31, '\0');
  std::string u = k;
  for (int i = 1; i <= 1000; ++i) {
    u = std::exchange(k, Agree(k, u));
    if (i == 1) {
      EXPECT_EQ(k, vector.Bytes("once"));
    }
  }
  EXPECT_EQ(k, vector.Bytes("thousand"));
}

TEST(X25519Test, MatchesTheDiffieHellmanVector) {
  const TestVector vector = LoadVector(kFile, "diffie-hellman");
  EXPECT_EQ(Private(vector.Bytes("a")).public_key().bytes(), vector.Bytes("A"));
  EXPECT_EQ(Private(vector.Bytes("b")).public_key().bytes(), vector.Bytes("B"));
  EXPECT_EQ(Agree(vector.Bytes("a"), vector.Bytes("B")),
            vector.Bytes("shared"));
  EXPECT_EQ(Agree(vector.Bytes("b"), vector.Bytes("A")),
            vector.Bytes("shared"));
}

TEST(X25519Test, BothSidesAgree) {
  SeededRandom random(1);
  for (int i = 0; i < 50; ++i) {
    const X25519PrivateKey a = X25519PrivateKey::Generate(random);
    const X25519PrivateKey b = X25519PrivateKey::Generate(random);
    EXPECT_EQ(a.Agree(b.public_key()).value().Expose(),
              b.Agree(a.public_key()).value().Expose());
  }
}

TEST(X25519Test, PointsOfSmallOrderAreRefused) {
  SeededRandom random(2);
  const std::vector<TestVector> points = LoadVectors(kFile, "small order");
  ASSERT_EQ(points.size(), 7u);
  for (const TestVector& vector : points) {
    const X25519PrivateKey key = X25519PrivateKey::Generate(random);
    std::string point = vector.Bytes("public");
    EXPECT_THAT(key.Agree(Public(point)),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << vector.name();
    // The top bit is not part of the point.
    point[31] = static_cast<char>(point[31] | 0x80);
    EXPECT_THAT(key.Agree(Public(point)),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << vector.name();
  }
}

// RFC 7748: the top bit is ignored and values from p on are reduced. Whoever
// needs one name per point takes it from the shared secret, not from the bytes.
TEST(X25519Test, OtherEncodingsOfAPointGiveTheSameSecret) {
  SeededRandom random(3);
  const X25519PrivateKey key = X25519PrivateKey::Generate(random);
  std::string point(X25519PrivateKey::Generate(random).public_key().bytes());
  const std::string shared(key.Agree(Public(point)).value().Expose());
  point[31] = static_cast<char>(point[31] ^ 0x80);
  EXPECT_EQ(key.Agree(Public(point)).value().Expose(), shared);

  const std::string nine = "\x09" + std::string(31, '\0');
  const std::string nine_plus_p =
      "\xf6" + std::string(30, '\xff') + std::string("\x7f");
  EXPECT_EQ(key.Agree(Public(nine_plus_p)).value().Expose(),
            key.Agree(Public(nine)).value().Expose());
}

TEST(X25519Test, CloneAgreesLikeTheOriginal) {
  SeededRandom random(4);
  const X25519PrivateKey key = X25519PrivateKey::Generate(random);
  const X25519PrivateKey peer = X25519PrivateKey::Generate(random);
  const X25519PrivateKey clone = key.Clone();
  EXPECT_EQ(clone.public_key(), key.public_key());
  EXPECT_EQ(clone.secret().Expose(), key.secret().Expose());
  EXPECT_EQ(clone.Agree(peer.public_key()).value().Expose(),
            key.Agree(peer.public_key()).value().Expose());
}

TEST(X25519Test, SecretGivesTheKeyBack) {
  SeededRandom random(5);
  const X25519PrivateKey key = X25519PrivateKey::Generate(random);
  EXPECT_EQ(X25519PrivateKey::FromBytes(key.secret().Clone()).public_key(),
            key.public_key());
  EXPECT_THAT(key.Agree(key.public_key()), IsOk());
}

}  // namespace
}  // namespace messenger::crypto
