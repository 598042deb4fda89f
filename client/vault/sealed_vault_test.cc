#include "client/vault/sealed_vault.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_id.h"
#include "crypto/identity/account_keys.h"
#include "crypto/kem/xwing.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

using Records = std::vector<VaultRecord>;

class SealedVaultTest : public ::testing::Test {
 protected:
  // With so many contacts, told apart from others by their name.
  VaultContents Contacts(int number, absl::string_view name = "Ben") {
    VaultContents contents;
    crypto::SeededRandom random(7);
    for (int i = 0; i < number; ++i) {
      const auto account =
          AccountId::FromBytes(absl::StrCat("\x05", random.String(32)));
      auto& fields = contents.contacts[*account].fields;
      fields[VaultField::kName] = {std::string(name), 1};
      fields[VaultField::kStanding] = {"1", 1};
    }
    return contents;
  }

  Records Seal(const VaultContents& contents, VaultSet set, uint64_t seq) {
    auto records =
        SealVault(kem_.public_key(), mailbox_, set, seq, contents, random_);
    EXPECT_TRUE(records.ok());
    return *records;
  }
  // What a swarm holds after these writings.
  static Records Kept(const std::vector<Records>& writings) {
    std::map<std::string, VaultRecord> kept;
    for (const Records& records : writings) {
      for (const VaultRecord& record : records) kept[record.key] = record;
    }
    Records all;
    for (auto& [key, record] : kept) all.push_back(record);
    return all;
  }
  absl::StatusOr<VaultContents> Open(const Records& records) {
    return OpenVault(kem_, mailbox_, records);
  }

  crypto::SeededRandom random_{1};
  crypto::XWingPrivateKey kem_ = crypto::XWingPrivateKey::Generate(random_);
  std::string mailbox_ = std::string(33, 'm');
};

TEST_F(SealedVaultTest, WhatWasSealedOpens) {
  for (const int contacts : {0, 1, 100, 300, 600}) {
    const Records records = Seal(Contacts(contacts), 0, 5);
    EXPECT_THAT(Open(records), IsOkAndHolds(Contacts(contacts)));
    Records reversed(records.rbegin(), records.rend());
    EXPECT_THAT(Open(reversed), IsOkAndHolds(Contacts(contacts)));
  }
  EXPECT_THAT(Open({}), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SealedVaultTest, ItsSizeTellsTheNumberOfContactsInFourSteps) {
  std::set<size_t> sizes;
  for (int contacts = 0; contacts < 900; contacts += 10) {
    const Records records = Seal(Contacts(contacts), 0, 1);
    for (const VaultRecord& record : records) {
      EXPECT_EQ(record.body.size(), 8'192u);
      EXPECT_EQ(record.key.size(), 16u);
      EXPECT_EQ(record.seq, 1u);
    }
    sizes.insert(records.size());
  }
  EXPECT_THAT(sizes, ::testing::ElementsAre(1, 2, 4, 7));
}

TEST_F(SealedVaultTest, AsMuchAsAVaultHoldsFits) {
  VaultContents contents = Contacts(1000);
  EXPECT_GT(TrimToFit(kMaxVaultContentBytes, contents), 0u);
  EXPECT_GE(contents.contacts.size(), 800u);
  EXPECT_EQ(Seal(contents, 0, 1).size(), 7u);
}

TEST_F(SealedVaultTest, OneTooLargeIsABrokenInvariant) {
  EXPECT_DEATH(Seal(Contacts(1100), 0, 1), "");
}

TEST_F(SealedVaultTest, AnotherKeyOpensNothing) {
  const Records records = Seal(Contacts(3), 0, 1);
  const auto other = crypto::XWingPrivateKey::Generate(random_);
  EXPECT_THAT(OpenVault(other, mailbox_, records),
              StatusIs(absl::StatusCode::kDataLoss));
}

// It has what a linked device has: its own key for the mailbox, the public
// half, and what it has written.
TEST_F(SealedVaultTest, ADeviceCannotReadWhatItWrites) {
  const crypto::AccountKeys account = crypto::AccountKeys::Generate(random_);
  const auto vault_key = account.vault_key(std::string(16, 'd'));
  const auto records = SealVault(account.vault_kem().public_key(), mailbox_, 0,
                                 1, Contacts(3), random_);
  ASSERT_TRUE(records.ok());
  for (const auto* seed : {&vault_key.seed(), &account.identity_kem().seed()}) {
    const auto guess = crypto::XWingPrivateKey::FromSeed(seed->Clone());
    EXPECT_FALSE(OpenVault(guess, mailbox_, *records).ok());
  }
  EXPECT_THAT(OpenVault(account.vault_kem(), mailbox_, *records),
              IsOkAndHolds(Contacts(3)));
}

TEST_F(SealedVaultTest, TheSameContentsAreOtherBytesEachTime) {
  EXPECT_NE(Seal(Contacts(3), 0, 1)[0].body, Seal(Contacts(3), 0, 1)[0].body);
}

TEST_F(SealedVaultTest, OneFlippedBitAnywhereIsNoticed) {
  const Records records = Seal(Contacts(150), 0, 1);
  ASSERT_EQ(records.size(), 2u);
  for (size_t piece = 0; piece < 2; ++piece) {
    for (size_t at = 0; at < 8'192; at += 97) {
      Records other = records;
      other[piece].body[at] ^= 4;
      EXPECT_THAT(Open(other), StatusIs(absl::StatusCode::kDataLoss));
    }
  }
}

TEST_F(SealedVaultTest, ItOpensInItsMailboxUnderItsNumberOnly) {
  Records records = Seal(Contacts(3), 0, 5);
  EXPECT_FALSE(OpenVault(kem_, std::string(33, 'n'), records).ok());
  records[0].seq = 6;
  EXPECT_THAT(Open(records), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SealedVaultTest, PiecesThatAreMissingOrOfAnotherWritingOpenNothing) {
  const Records records = Seal(Contacts(400), 0, 5);
  ASSERT_EQ(records.size(), 4u);
  for (size_t missing = 0; missing < records.size(); ++missing) {
    Records some = records;
    some.erase(some.begin() + static_cast<long>(missing));
    EXPECT_THAT(Open(some), StatusIs(absl::StatusCode::kDataLoss));
    Records mixed = records;
    mixed[missing] = Seal(Contacts(400), 0, 7)[missing];
    EXPECT_THAT(Open(mixed), StatusIs(absl::StatusCode::kDataLoss));
    Records cut = records;
    cut[missing].body.pop_back();
    EXPECT_THAT(Open(cut), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_F(SealedVaultTest, TheNewestWholeWritingCounts) {
  const Records old = Seal(Contacts(400, "old"), 0, 5);
  const Records now = Seal(Contacts(400, "now"), 1, 6);
  EXPECT_THAT(Open(Kept({old, now})), IsOkAndHolds(Contacts(400, "now")));
  // The next one breaks off after each piece.
  const Records next = Seal(Contacts(400, "next"), 0, 7);
  for (size_t pieces = 0; pieces < next.size(); ++pieces) {
    const Records begun(next.begin(), next.begin() + static_cast<long>(pieces));
    EXPECT_THAT(Open(Kept({old, now, begun})),
                IsOkAndHolds(Contacts(400, "now")))
        << pieces;
  }
  EXPECT_THAT(Open(Kept({old, now, next})),
              IsOkAndHolds(Contacts(400, "next")));
}

TEST_F(SealedVaultTest, PiecesOfALargerWritingBeforeDoNotDisturb) {
  EXPECT_THAT(Open(Kept({Seal(Contacts(600), 0, 5), Seal(Contacts(3), 0, 7)})),
              IsOkAndHolds(Contacts(3)));
}

TEST_F(SealedVaultTest, RecordsOfOtherKindsAreNoVault) {
  EXPECT_THAT(Open({{std::string(16, 'x'), 9, std::string(8'192, 'x')},
                    {"short", 9, std::string(8'192, 'x')}}),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(SetOfRecord(std::string(16, '\0')), 0);
  EXPECT_EQ(SetOfRecord(absl::StrCat(std::string(14, '\0'), "\x01\x06")), 1);
  EXPECT_EQ(SetOfRecord(absl::StrCat(std::string(14, '\0'), "\x02\x06")), -1);
}

}  // namespace
}  // namespace messenger::client
