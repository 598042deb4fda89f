#include "client/session/prekey_record.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/session/testing/test_party.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

constexpr size_t kBodyBytes = 1353;

class PrekeyRecordTest : public ::testing::Test {
 protected:
  absl::StatusOr<PrekeyRecord> Verify(absl::string_view bytes,
                                      absl::Time now = kTestNow) {
    return PrekeyRecord::Verify(bytes, bob_.identity, now);
  }

  std::string Resign(const std::string& body) {
    const auto signature = bob_.device.signing_key().Sign(
        crypto::SigningDomain::kPrekeyRecord, body);
    return body + std::string(signature.bytes());
  }

  crypto::SeededRandom random_{1};
  TestParty bob_{random_};
};

TEST_F(PrekeyRecordTest, AReaderLearnsWhatTheDeviceSigned) {
  const auto read = Verify(bob_.prekey.bytes());
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->device_id(), bob_.device.id());
  EXPECT_EQ(read->identity_hash(), bob_.identity.hash());
  EXPECT_EQ(read->seq(), 1u);
  EXPECT_EQ(read->epoch_start(), kTestNow);
  EXPECT_EQ(read->not_after(), kTestNow + kPrekeyLifetime);
  EXPECT_EQ(read->signed_prekey(), bob_.prekey.signed_prekey());
  EXPECT_EQ(read->kem_prekey(), bob_.prekey.kem_prekey());
  EXPECT_EQ(read->hash(), bob_.prekey.hash());
  EXPECT_EQ(read->bytes().size(), kPrekeyRecordBytes);
}

TEST_F(PrekeyRecordTest, OneFlippedBitAnywhereIsRefused) {
  for (size_t i = 0; i < kPrekeyRecordBytes; ++i) {
    std::string forged = bob_.prekey.bytes();
    forged[i] = static_cast<char>(forged[i] ^ (1 << (i % 8)));
    EXPECT_FALSE(Verify(forged).ok()) << i;
  }
}

TEST_F(PrekeyRecordTest, EveryTruncationIsRefused) {
  for (size_t n = 0; n < kPrekeyRecordBytes; ++n) {
    EXPECT_THAT(Verify(bob_.prekey.bytes().substr(0, n)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(Verify(bob_.prekey.bytes() + "x"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(PrekeyRecordTest, ExpiredAndFutureRecordsAreRefused) {
  const std::string& bytes = bob_.prekey.bytes();
  const absl::Duration ms = absl::Milliseconds(1);
  EXPECT_THAT(Verify(bytes, kTestNow + kPrekeyLifetime - ms), IsOk());
  EXPECT_THAT(Verify(bytes, kTestNow + kPrekeyLifetime),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Verify(bytes, kTestNow - kPrekeyClockSkew), IsOk());
  EXPECT_THAT(Verify(bytes, kTestNow - kPrekeyClockSkew - ms),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(PrekeyRecordTest, ARecordForAnotherDeviceListIsRefused) {
  const DeviceKeys laptop = DeviceKeys::Generate(random_);
  const auto with_laptop =
      bob_.identity.Next(bob_.account, {MakeDeviceEntry(bob_.device, kTestNow),
                                        MakeDeviceEntry(laptop, kTestNow)});
  const auto without_device =
      bob_.identity.Next(bob_.account, {MakeDeviceEntry(laptop, kTestNow)});
  const TestParty carol(random_);
  for (const IdentityRecord* identity :
       {&*with_laptop, &*without_device, &carol.identity}) {
    EXPECT_THAT(PrekeyRecord::Verify(bob_.prekey.bytes(), *identity, kTestNow),
                StatusIs(absl::StatusCode::kFailedPrecondition));
  }
}

TEST_F(PrekeyRecordTest, OnlyTheListedDeviceSigns) {
  const std::string body = bob_.prekey.bytes().substr(0, kBodyBytes);
  const DeviceKeys mallory = DeviceKeys::Generate(random_);
  for (const crypto::Ed25519Signature& signature :
       {mallory.signing_key().Sign(crypto::SigningDomain::kPrekeyRecord, body),
        bob_.account.signing_key().Sign(crypto::SigningDomain::kPrekeyRecord,
                                        body),
        bob_.device.signing_key().Sign(crypto::SigningDomain::kIdentityRecord,
                                       body)}) {
    EXPECT_THAT(Verify(body + std::string(signature.bytes())),
                StatusIs(absl::StatusCode::kUnauthenticated));
  }
}

TEST_F(PrekeyRecordTest, BoundsHoldEvenForASignedRecord) {
  struct Edit {
    const char* what;
    std::function<void(std::string&)> apply;
  };
  constexpr size_t kSeq = 1 + 16 + 32;
  const std::vector<Edit> edits = {
      {"version", [](std::string& body) { body[0] = 0; }},
      {"seq zero", [](std::string& body) { body[kSeq + 7] = 0; }},
      {"lives too long", [](std::string& body) { ++body[kSeq + 8 + 8 + 5]; }},
      {"ends before it starts",
       [](std::string& body) { body[kSeq + 8 + 8 + 3] = 0; }},
      {"time out of range",
       [](std::string& body) {
         body[kSeq + 8] = static_cast<char>(0xff);
         body[kSeq + 16] = static_cast<char>(0xff);
       }},
      {"pool of a later version", [](std::string& body) { body.back() = 1; }},
      {"KEM key out of range",
       [](std::string& body) {
         body.replace(kSeq + 24 + 32, 3, "\xff\xff\xff");
       }},
  };
  const std::string body = bob_.prekey.bytes().substr(0, kBodyBytes);
  ASSERT_THAT(Verify(Resign(body)), IsOk());
  for (const Edit& edit : edits) {
    std::string edited = body;
    edit.apply(edited);
    EXPECT_THAT(Verify(Resign(edited)),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << edit.what;
  }
}

TEST_F(PrekeyRecordTest, ADeviceThatIsNotListedCannotMakeOne) {
  const DeviceKeys other = DeviceKeys::Generate(random_);
  EXPECT_THAT(PrekeyRecord::Create(bob_.identity, other, 1, kTestNow,
                                   bob_.prekey.signed_prekey(),
                                   bob_.prekey.kem_prekey()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(PrekeyRecord::Create(bob_.identity, bob_.device, 0, kTestNow,
                                   bob_.prekey.signed_prekey(),
                                   bob_.prekey.kem_prekey()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(PrekeyRecordTest, RollbackAndForksAreNoticed) {
  const auto second = bob_.prekeys.Rotate(bob_.identity, bob_.device,
                                          kTestNow + absl::Hours(24), random_);
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(CheckPrekeySuccession(bob_.prekey, *second), IsOk());
  EXPECT_THAT(CheckPrekeySuccession(*second, *second), IsOk());
  EXPECT_THAT(CheckPrekeySuccession(*second, bob_.prekey),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  const auto fork = PrekeyRecord::Create(
      bob_.identity, bob_.device, second->seq(), kTestNow,
      bob_.prekey.signed_prekey(), bob_.prekey.kem_prekey());
  ASSERT_THAT(fork, IsOk());
  EXPECT_THAT(CheckPrekeySuccession(*second, *fork),
              StatusIs(absl::StatusCode::kUnauthenticated));
  const TestParty carol(random_);
  EXPECT_THAT(CheckPrekeySuccession(bob_.prekey, carol.prekey),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::client
