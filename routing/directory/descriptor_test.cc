#include "routing/directory/descriptor.h"

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

class DescriptorTest : public ::testing::Test {
 protected:
  DescriptorTest() {
    descriptor_.network_id = random_.Fixed<NetworkId>();
    descriptor_.node_id =
        NodeId::FromBytes(identity_.public_key().bytes()).value();
    descriptor_.published = absl::FromUnixMillis(1893456000123);
    descriptor_.relay = true;
    descriptor_.storage_role = true;
    descriptor_.nickname = "Relay-7";
    descriptor_.link = {"127.0.0.1:4001", random_.Fixed<TlsKey>()};
    descriptor_.storage = {"[::1]:4002", random_.Fixed<TlsKey>()};
    descriptor_.storage_key = random_.Fixed<crypto::Ed25519PublicKey>();
    descriptor_.operator_key = random_.Fixed<OperatorKey>();
    descriptor_.capacity_mib = 4096;
    descriptor_.software = "messenger 1.0";
    for (uint32_t epoch : {10, 11}) {
      descriptor_.onion_keys[epoch] = random_.Fixed<crypto::X25519PublicKey>();
      descriptor_.kem_keys[epoch] = random_.Fixed<crypto::MlKem768PublicKey>();
    }
  }

  std::string Signed() const {
    return SignDescriptor(descriptor_, identity_).value();
  }

  crypto::SeededRandom random_{1};
  crypto::Ed25519PrivateKey identity_ =
      crypto::Ed25519PrivateKey::Generate(random_);
  Descriptor descriptor_;
};

TEST_F(DescriptorTest, ReadsBackWhatWasSigned) {
  EXPECT_THAT(ParseDescriptor(Signed()), IsOkAndHolds(descriptor_));
}

TEST_F(DescriptorTest, TakesTheNodeIdFromTheSigningKey) {
  const NodeId id = descriptor_.node_id;
  descriptor_.node_id = random_.Fixed<NodeId>();
  const auto parsed = ParseDescriptor(Signed());
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->node_id, id);
}

TEST_F(DescriptorTest, AnyFlippedBitIsRefused) {
  const std::string good = Signed();
  for (size_t bit = 0; bit < 8 * good.size(); bit += 17) {
    std::string bad = good;
    bad[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    EXPECT_FALSE(ParseDescriptor(bad).ok()) << "bit " << bit;
  }
}

TEST_F(DescriptorTest, EveryTruncationAndAnyExtensionIsRefused) {
  const std::string good = Signed();
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseDescriptor(good.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(ParseDescriptor(good + '\0').ok());
  EXPECT_THAT(ParseDescriptor(std::string(kMaxDescriptorBytes + 1, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(DescriptorTest, SignedByAnotherKeyIsRefused) {
  std::string bytes = Signed();
  const auto stranger = crypto::Ed25519PrivateKey::Generate(random_);
  bytes.resize(bytes.size() - crypto::Ed25519Signature::kSize);
  absl::StrAppend(
      &bytes,
      stranger.Sign(crypto::SigningDomain::kNodeDescriptor, bytes).bytes());
  EXPECT_THAT(ParseDescriptor(bytes),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(DescriptorTest, SignedForAnotherPurposeIsRefused) {
  std::string bytes = Signed();
  bytes.resize(bytes.size() - crypto::Ed25519Signature::kSize);
  absl::StrAppend(
      &bytes, identity_.Sign(crypto::SigningDomain::kConsensus, bytes).bytes());
  EXPECT_THAT(ParseDescriptor(bytes),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

struct BadField {
  std::string name;
  std::function<void(Descriptor&)> edit;
};

class BadDescriptorTest : public DescriptorTest,
                          public ::testing::WithParamInterface<BadField> {};

TEST_P(BadDescriptorTest, IsNotSigned) {
  ASSERT_THAT(SignDescriptor(descriptor_, identity_), IsOk());
  GetParam().edit(descriptor_);
  EXPECT_THAT(SignDescriptor(descriptor_, identity_),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, BadDescriptorTest,
    ::testing::Values(
        BadField{"NoRole",
                 [](Descriptor& d) {
                   d.relay = d.storage_role = false;
                   d.storage.address.clear();
                 }},
        BadField{"EmptyNickname", [](Descriptor& d) { d.nickname = ""; }},
        BadField{"LongNickname",
                 [](Descriptor& d) { d.nickname = std::string(33, 'a'); }},
        BadField{"NicknameWithASpace",
                 [](Descriptor& d) { d.nickname = "a b"; }},
        BadField{"NoAddress", [](Descriptor& d) { d.link.address = ""; }},
        BadField{"LongAddress",
                 [](Descriptor& d) { d.link.address = std::string(65, '1'); }},
        BadField{"AddressWithALineBreak",
                 [](Descriptor& d) { d.link.address = "127.0.0.1:1\n"; }},
        BadField{"StorageRoleWithoutAddress",
                 [](Descriptor& d) { d.storage.address = ""; }},
        BadField{"StorageAddressWithoutRole",
                 [](Descriptor& d) { d.storage_role = false; }},
        BadField{"SoftwareThatIsNotText",
                 [](Descriptor& d) { d.software = "\x01"; }},
        BadField{"LongSoftware",
                 [](Descriptor& d) { d.software = std::string(65, 's'); }},
        BadField{"NoOnionKeys", [](Descriptor& d) { d.onion_keys.clear(); }},
        BadField{"NoKemKeys", [](Descriptor& d) { d.kem_keys.clear(); }},
        BadField{"TooManyKeys",
                 [](Descriptor& d) {
                   for (uint32_t e = 0; e < 5; ++e) d.onion_keys[e] = {};
                 }},
        BadField{"TimeBefore1970",
                 [](Descriptor& d) {
                   d.published = absl::UnixEpoch() - absl::Seconds(1);
                 }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace messenger::routing
