#include "routing/onion/layer_keys.h"

#include <set>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"
#include "crypto/agreement/x25519.h"
#include "crypto/hash/hash.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/geometry.h"

namespace messenger::routing {
namespace {

static_assert(!std::is_copy_constructible_v<LayerKeys>);
static_assert(!std::is_copy_assignable_v<LayerKeys>);

class LayerKeysTest : public ::testing::Test {
 protected:
  LayerKeys Derive() const {
    return DeriveLayerKeys(
        kem_, dh_, {ad_, node_id_, onion_key_, kem_digest_, ciphertext_});
  }

  crypto::SeededRandom random_{1};
  crypto::SharedSecret kem_ = random_.Secret<32>();
  crypto::SharedSecret dh_ = random_.Secret<32>();
  std::string ad_ = random_.String(kAdSize);
  NodeId node_id_ = random_.Fixed<NodeId>();
  crypto::X25519PublicKey onion_key_ = random_.Fixed<crypto::X25519PublicKey>();
  crypto::Digest256 kem_digest_ = random_.Fixed<crypto::Digest256>();
  std::string ciphertext_ = random_.String(kLayerCiphertextSize);
};

std::set<std::string> Parts(const LayerKeys& keys) {
  std::set<std::string> parts;
  for (absl::string_view part :
       {keys.mac.Expose(), keys.stream_key.Expose(), keys.stream_iv.bytes(),
        keys.payload_key.Expose(), keys.circuit.forward_key.Expose(),
        keys.circuit.backward_key.Expose(), keys.circuit.forward_iv.Expose(),
        keys.circuit.backward_iv.Expose(), keys.replay_tag.bytes()}) {
    parts.insert(std::string(part));
  }
  return parts;
}

TEST_F(LayerKeysTest, NineKeysAreAllDifferent) {
  EXPECT_THAT(Parts(Derive()), ::testing::SizeIs(9));
}

TEST_F(LayerKeysTest, SameInputsGiveTheSameKeys) {
  EXPECT_EQ(Parts(Derive()), Parts(Derive()));
}

TEST_F(LayerKeysTest, EveryInputChangesEveryKey) {
  std::set<std::string> all = Parts(Derive());
  size_t expected = all.size();
  const auto expect_fresh_keys = [&] {
    all.merge(Parts(Derive()));
    expected += 9;
    EXPECT_THAT(all, ::testing::SizeIs(expected));
  };
  kem_.MutableExpose()[31] ^= 1;
  expect_fresh_keys();
  dh_.MutableExpose()[0] ^= 1;
  expect_fresh_keys();
  ad_[7] ^= 1;
  expect_fresh_keys();
  node_id_.data()[0] ^= 1;
  expect_fresh_keys();
  onion_key_.data()[31] ^= 1;
  expect_fresh_keys();
  kem_digest_.data()[5] ^= 1;
  expect_fresh_keys();
  // The bit that X25519 ignores counts here.
  ciphertext_[31] = static_cast<char>(ciphertext_[31] ^ 0x80);
  expect_fresh_keys();
  ciphertext_.back() ^= 1;
  expect_fresh_keys();
}

TEST_F(LayerKeysTest, SecretsAreNotInterchangeable) {
  const std::set<std::string> before = Parts(Derive());
  std::swap(kem_, dh_);
  std::set<std::string> both = Parts(Derive());
  both.merge(std::set<std::string>(before));
  EXPECT_THAT(both, ::testing::SizeIs(18));
}

}  // namespace
}  // namespace messenger::routing
