#include "crypto/stream/secret_stream.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/internal/sodium_init.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sodium.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::StatusIs;

class SecretStreamTest : public ::testing::Test {
 protected:
  std::vector<std::string> Seal(const std::vector<std::string>& pieces) {
    SecretStreamSealer sealer(key_, header_);
    std::vector<std::string> sealed;
    for (size_t i = 0; i < pieces.size(); ++i) {
      sealed.push_back(sealer.Seal(pieces[i], i + 1 == pieces.size()));
    }
    return sealed;
  }

  SeededRandom random_{5};
  SecretBytes<32> key_ = random_.Secret<32>();
  StreamHeader header_ = random_.Fixed<StreamHeader>();
};

TEST_F(SecretStreamTest, PiecesOpenInTheirOrderAndTheLastIsKnown) {
  const std::vector<std::string> pieces = {"one", "", "three"};
  const std::vector<std::string> sealed = Seal(pieces);
  SecretStreamOpener opener(key_, header_);
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto piece = opener.Open(sealed[i]);
    ASSERT_TRUE(piece.ok());
    EXPECT_EQ(piece->text, pieces[i]);
    EXPECT_EQ(piece->last, i == 2);
  }
}

// Libsodium's own opener reads what we sealed under a header of ours.
TEST_F(SecretStreamTest, IsThatOfLibsodium) {
  internal::EnsureSodium();
  const std::vector<std::string> sealed = Seal({"a", "bc"});
  crypto_secretstream_xchacha20poly1305_state state;
  crypto_secretstream_xchacha20poly1305_init_pull(
      &state, reinterpret_cast<const uint8_t*>(header_.bytes().data()),
      reinterpret_cast<const uint8_t*>(key_.Expose().data()));
  std::string text;
  uint8_t tag = 0;
  for (const std::string& one : sealed) {
    std::string opened(one.size() - kStreamOverhead, '\0');
    ASSERT_EQ(crypto_secretstream_xchacha20poly1305_pull(
                  &state, reinterpret_cast<uint8_t*>(opened.data()), nullptr,
                  &tag, reinterpret_cast<const uint8_t*>(one.data()),
                  one.size(), nullptr, 0),
              0);
    text += opened;
  }
  EXPECT_EQ(text, "abc");
  EXPECT_EQ(tag, crypto_secretstream_xchacha20poly1305_TAG_FINAL);
}

// And the other way round, under a header that libsodium chose.
TEST_F(SecretStreamTest, OpensWhatLibsodiumSealed) {
  internal::EnsureSodium();
  crypto_secretstream_xchacha20poly1305_state state;
  std::string header(StreamHeader::kSize, '\0');
  crypto_secretstream_xchacha20poly1305_init_push(
      &state, reinterpret_cast<uint8_t*>(header.data()),
      reinterpret_cast<const uint8_t*>(key_.Expose().data()));
  std::string sealed(3 + kStreamOverhead, '\0');
  crypto_secretstream_xchacha20poly1305_push(
      &state, reinterpret_cast<uint8_t*>(sealed.data()), nullptr,
      reinterpret_cast<const uint8_t*>("abc"), 3, nullptr, 0,
      crypto_secretstream_xchacha20poly1305_TAG_FINAL);
  SecretStreamOpener opener(key_, *StreamHeader::FromBytes(header));
  const auto piece = opener.Open(sealed);
  ASSERT_TRUE(piece.ok());
  EXPECT_EQ(piece->text, "abc");
  EXPECT_TRUE(piece->last);
}

TEST_F(SecretStreamTest, AFlippedShortenedOrMovedPieceDoesNotOpen) {
  const std::vector<std::string> sealed = Seal({"one", "two"});
  const auto refused = StatusIs(absl::StatusCode::kUnauthenticated);
  for (size_t i = 0; i < sealed[0].size(); ++i) {
    std::string flipped = sealed[0];
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_THAT(SecretStreamOpener(key_, header_).Open(flipped), refused) << i;
    EXPECT_THAT(SecretStreamOpener(key_, header_).Open(sealed[0].substr(0, i)),
                refused);
  }
  EXPECT_THAT(SecretStreamOpener(key_, header_).Open(sealed[1]), refused);
  EXPECT_THAT(SecretStreamOpener(random_.Secret<32>(), header_).Open(sealed[0]),
              refused);
}

}  // namespace
}  // namespace messenger::crypto
