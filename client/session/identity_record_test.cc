#include "client/session/identity_record.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
constexpr size_t kBodyBytes = 1763;
constexpr size_t kCountOffset = 1 + 8 + 33 + 32 + 1216 + 32;

class IdentityRecordTest : public ::testing::Test {
 protected:
  // Signs an edited body with the right key, as a careless or hostile owner
  // could.
  std::string Resign(std::string body) {
    const auto signature = account_.signing_key().Sign(
        crypto::SigningDomain::kIdentityRecord, body);
    return body + std::string(signature.bytes());
  }

  crypto::SeededRandom random_{1};
  crypto::AccountKeys account_ = crypto::AccountKeys::Generate(random_);
  DeviceKeys phone_ = DeviceKeys::Generate(random_);
  DeviceKeys laptop_ = DeviceKeys::Generate(random_);
  IdentityRecord record_ =
      IdentityRecord::First(account_, {MakeDeviceEntry(phone_, kNow)}).value();
};

TEST_F(IdentityRecordTest, AReaderLearnsWhatTheOwnerSigned) {
  const absl::StatusOr<IdentityRecord> read =
      IdentityRecord::Verify(record_.bytes());
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->account_id(), account_.id());
  EXPECT_EQ(read->seq(), 1u);
  EXPECT_EQ(read->identity_kem(), account_.identity_kem().public_key());
  EXPECT_EQ(read->signing_key(), account_.signing_key().public_key());
  EXPECT_TRUE(read->previous_hash().IsZero());
  ASSERT_EQ(read->devices().size(), 1u);
  EXPECT_EQ(read->devices()[0], MakeDeviceEntry(phone_, kNow));
  ASSERT_NE(read->FindDevice(phone_.id()), nullptr);
  EXPECT_EQ(read->FindDevice(laptop_.id()), nullptr);
  EXPECT_EQ(read->hash(), record_.hash());
}

TEST_F(IdentityRecordTest, TheLengthDoesNotTellTheNumberOfDevices) {
  std::vector<DeviceEntry> devices;
  for (size_t i = 0; i < kMaxDevices; ++i) {
    devices.push_back(MakeDeviceEntry(DeviceKeys::Generate(random_), kNow));
    const auto record = IdentityRecord::First(account_, devices);
    ASSERT_THAT(record, IsOk());
    EXPECT_EQ(record->bytes().size(), kIdentityRecordBytes);
    EXPECT_EQ(record->devices().size(), i + 1);
  }
  devices.push_back(MakeDeviceEntry(DeviceKeys::Generate(random_), kNow));
  EXPECT_THAT(IdentityRecord::First(account_, devices),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(IdentityRecord::First(account_, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(IdentityRecord::First(account_, {devices[0], devices[0]}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(IdentityRecordTest, OneFlippedBitAnywhereIsRefused) {
  for (size_t i = 0; i < kIdentityRecordBytes; ++i) {
    std::string forged = record_.bytes();
    forged[i] = static_cast<char>(forged[i] ^ (1 << (i % 8)));
    EXPECT_FALSE(IdentityRecord::Verify(forged).ok()) << i;
  }
}

TEST_F(IdentityRecordTest, EveryTruncationIsRefused) {
  for (size_t n = 0; n < kIdentityRecordBytes; ++n) {
    EXPECT_THAT(IdentityRecord::Verify(record_.bytes().substr(0, n)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(IdentityRecord::Verify(record_.bytes() + "x"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(IdentityRecordTest, BoundsHoldEvenForASignedRecord) {
  struct Edit {
    const char* what;
    std::function<void(std::string&)> apply;
  };
  const std::vector<Edit> edits = {
      {"version", [](std::string& body) { body[0] = 2; }},
      {"seq zero", [](std::string& body) { body[8] = 0; }},
      {"no device", [](std::string& body) { body[kCountOffset] = 0; }},
      {"six devices", [](std::string& body) { body[kCountOffset] = 6; }},
      {"id prefix", [](std::string& body) { body[9] = 6; }},
      {"unused entry not zero", [](std::string& body) { body.back() = 1; }},
      {"time negative",
       [](std::string& body) {
         body[kCountOffset + 1 + 80] = static_cast<char>(0x80);
       }},
      {"one device twice",
       [](std::string& body) {
         body[kCountOffset] = 2;
         body.replace(kCountOffset + 1 + 88, 88,
                      body.substr(kCountOffset + 1, 88));
       }},
      {"KEM key out of range",
       [](std::string& body) { body.replace(74, 3, "\xff\xff\xff"); }},
  };
  const std::string body = record_.bytes().substr(0, kBodyBytes);
  ASSERT_THAT(IdentityRecord::Verify(Resign(body)), IsOk());
  for (const Edit& edit : edits) {
    std::string edited = body;
    edit.apply(edited);
    EXPECT_THAT(IdentityRecord::Verify(Resign(edited)),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << edit.what;
  }
}

TEST_F(IdentityRecordTest, AKeyThatIsNotTheAccountsOwnIsRefused) {
  // Mallory signs a record that claims Alice's id, with Mallory's key in it.
  const crypto::AccountKeys mallory = crypto::AccountKeys::Generate(random_);
  std::string body =
      IdentityRecord::First(mallory, {MakeDeviceEntry(laptop_, kNow)})
          ->bytes()
          .substr(0, kBodyBytes);
  body.replace(9, 33, std::string(account_.id().bytes()));
  const auto signature =
      mallory.signing_key().Sign(crypto::SigningDomain::kIdentityRecord, body);
  EXPECT_THAT(IdentityRecord::Verify(body + std::string(signature.bytes())),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(IdentityRecordTest, ASignatureMadeForSomethingElseIsRefused) {
  const std::string body = record_.bytes().substr(0, kBodyBytes);
  const auto signature =
      account_.signing_key().Sign(crypto::SigningDomain::kRecord, body);
  EXPECT_THAT(IdentityRecord::Verify(body + std::string(signature.bytes())),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(IdentityRecordTest, SuccessorsAreAcceptedInOrder) {
  const auto second = record_.Next(account_, {MakeDeviceEntry(phone_, kNow),
                                              MakeDeviceEntry(laptop_, kNow)});
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->seq(), 2u);
  EXPECT_EQ(second->previous_hash(), record_.hash());
  const auto third = second->Next(account_, {MakeDeviceEntry(laptop_, kNow)});
  ASSERT_THAT(third, IsOk());
  EXPECT_THAT(CheckIdentitySuccession(record_, record_), IsOk());
  EXPECT_THAT(CheckIdentitySuccession(record_, *second), IsOk());
  EXPECT_THAT(CheckIdentitySuccession(record_, *third), IsOk());
}

TEST_F(IdentityRecordTest, RollbackAndForksAreRefused) {
  const auto second = record_.Next(account_, {MakeDeviceEntry(laptop_, kNow)});
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(CheckIdentitySuccession(*second, record_),
              StatusIs(absl::StatusCode::kFailedPrecondition));

  const auto fork = record_.Next(account_, {MakeDeviceEntry(phone_, kNow)});
  ASSERT_THAT(fork, IsOk());
  EXPECT_THAT(CheckIdentitySuccession(*second, *fork),
              StatusIs(absl::StatusCode::kUnauthenticated));

  const auto torn =
      IdentityRecord::Create(account_, /*seq=*/2, crypto::Digest256(),
                             {MakeDeviceEntry(laptop_, kNow)});
  ASSERT_THAT(torn, IsOk());
  EXPECT_THAT(CheckIdentitySuccession(record_, *torn),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(IdentityRecordTest, ASuccessorWithAnotherKemKeyIsRefused) {
  std::string body = record_.bytes().substr(0, kBodyBytes);
  body[8] = 7;  // far enough for the hash chain not to be comparable
  body.replace(
      74, 1216,
      std::string(
          crypto::XWingPrivateKey::Generate(random_).public_key().bytes()));
  const auto swapped = IdentityRecord::Verify(Resign(body));
  ASSERT_THAT(swapped, IsOk());
  EXPECT_THAT(CheckIdentitySuccession(record_, *swapped),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(IdentityRecordTest, AnotherAccountIsNoSuccessor) {
  const crypto::AccountKeys other = crypto::AccountKeys::Generate(random_);
  const auto foreign =
      IdentityRecord::First(other, {MakeDeviceEntry(laptop_, kNow)});
  ASSERT_THAT(foreign, IsOk());
  EXPECT_THAT(CheckIdentitySuccession(record_, *foreign),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(record_.Next(other, {MakeDeviceEntry(laptop_, kNow)}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::client
