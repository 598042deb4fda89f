#include "client/vault/vault_contents.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/messenger/content.h"
#include "client/session/device_keys.h"
#include "client/store/client_store.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_id.h"
#include "crypto/random/random.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

AccountId Account(char byte) {
  return *AccountId::FromBytes(absl::StrCat("\x05", std::string(32, byte)));
}

std::string FieldName(const AccountId& account, absl::string_view field) {
  return absl::StrCat("contact/", account.ToHex(), "/", field);
}

StateEntry Entry(std::string name, std::string value, int64_t changed_ms) {
  return {std::move(name), std::move(value), absl::FromUnixMillis(changed_ms),
          std::string(16, '\0')};
}

// One of each.
VaultContents Everything() {
  VaultContents contents;
  AddValue(Entry("profile/name", "Ada", 1000), contents);
  AddValue(Entry("from/tomorrow", "x", 7), contents);
  for (const char* field :
       {"name", "standing", "verified", "muted", "archived", "pinned"}) {
    AddValue(Entry(FieldName(Account('a'), field), "1", 2000), contents);
  }
  AddValue(Entry(FieldName(Account('b'), "standing"), "4", 3000), contents);
  VaultContact& contact = contents.contacts[Account('a')];
  contact.record = VaultRecordMark{3, std::string(16, 'h')};
  contact.timer = VaultTimer{2, 3600};
  contact.token = std::string(16, 't');
  contents.keys.insert({4000, std::string(32, 'k')});
  contents.unread.insert(*DeviceId::FromBytes(std::string(16, 'd')));
  return contents;
}

// Few names, times and values, so that they meet.
VaultContents Some(crypto::Random& random) {
  VaultContents contents;
  const auto value = [&random] { return absl::StrCat(random.Uniform(3)); };
  const auto time = [&random] {
    return static_cast<int64_t>(random.Uniform(3));
  };
  for (int i = 0; i < 4; ++i) {
    const AccountId account =
        Account(static_cast<char>('a' + random.Uniform(2)));
    AddValue(
        Entry(FieldName(account, random.Uniform(2) == 0 ? "name" : "muted"),
              value(), time()),
        contents);
    VaultContact& contact = contents.contacts[account];
    if (random.Uniform(2) == 0) {
      contact.record = VaultRecordMark{
          random.Uniform(2) + 1,
          std::string(16, static_cast<char>('a' + random.Uniform(2)))};
    }
    if (random.Uniform(2) == 0) {
      contact.timer = VaultTimer{static_cast<uint32_t>(random.Uniform(2)),
                                 static_cast<uint32_t>(random.Uniform(3) * 60)};
    }
    if (random.Uniform(2) == 0) {
      contact.token =
          std::string(16, static_cast<char>('a' + random.Uniform(2)));
    }
    AddValue(
        Entry(absl::StrCat("settings/", random.Uniform(2)), value(), time()),
        contents);
    contents.keys.insert(
        {static_cast<int64_t>(random.Uniform(9)),
         std::string(32, 'a' + static_cast<char>(random.Uniform(2)))});
    contents.unread.insert(*DeviceId::FromBytes(
        std::string(16, static_cast<char>(random.Uniform(3)))));
  }
  KeepNewest(contents.keys);
  return contents;
}

VaultContents Merged(const std::vector<VaultContents>& all) {
  VaultContents merged;
  for (const VaultContents& one : all) Merge(one, merged);
  return merged;
}

TEST(VaultContentsTest, EverythingComesBack) {
  const VaultContents contents = Everything();
  EXPECT_THAT(DecodeVault(EncodeVault(contents)), IsOkAndHolds(contents));
  EXPECT_THAT(DecodeVault(EncodeVault(contents) + std::string(1000, '\0')),
              IsOkAndHolds(contents));
  EXPECT_THAT(DecodeVault(EncodeVault({})), IsOkAndHolds(VaultContents()));
}

// As section 19.4 says it, written down by hand.
TEST(VaultContentsTest, TheBytesAreThoseOfTheSpecification) {
  VaultContents contents;
  AddValue(Entry("n", "val", 258), contents);
  AddValue(Entry(FieldName(Account('a'), "standing"), "4", 1), contents);
  contents.contacts[Account('a')].timer = VaultTimer{2, 60};
  EXPECT_EQ(absl::BytesToHexString(EncodeVault(contents)),
            absl::StrCat("01"
                         "0001"
                         "016e"
                         "0003"
                         "76616c"
                         "0000000000000102",
                         "0001"
                         "05",
                         absl::BytesToHexString(std::string(32, 'a')),
                         "01"
                         "02"
                         "0134"
                         "0000000000000001",
                         "02"
                         "0000003c"
                         "00000002",
                         "00"
                         "00"));
}

TEST(VaultContentsTest, TheSharedValuesAreTheSameAfterwards) {
  const std::vector<StateEntry> values = ValuesOf(Everything());
  ASSERT_EQ(values.size(), 9u);
  VaultContents again;
  for (const StateEntry& value : values) AddValue(value, again);
  EXPECT_EQ(again.values, Everything().values);
  EXPECT_EQ(again.contacts.at(Account('a')).fields,
            Everything().contacts.at(Account('a')).fields);
  EXPECT_TRUE(
      std::any_of(values.begin(), values.end(), [](const StateEntry& value) {
        return value.name == FieldName(Account('b'), "standing") &&
               value.value == "4" &&
               value.changed == absl::FromUnixMillis(3000);
      }));
}

TEST(VaultContentsTest, ValuesThatAreTooLongForAVaultAreNotTaken) {
  VaultContents contents;
  AddValue(Entry(FieldName(Account('a'), "name"), std::string(256, 'x'), 1),
           contents);
  AddValue(Entry("settings/x", std::string(1025, 'x'), 1), contents);
  AddValue(Entry(std::string(129, 'x'), "", 1), contents);
  EXPECT_EQ(contents, VaultContents());
  // Of before 1970, by a wrong clock.
  AddValue(Entry("settings/x", "1", -5), contents);
  EXPECT_EQ(contents.values.at("settings/x").changed_ms, 0);
}

TEST(VaultContentsTest, EveryTruncationIsRefused) {
  const std::string bytes = EncodeVault(Everything());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(DecodeVault(absl::string_view(bytes).substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << size;
  }
}

TEST(VaultContentsTest, AnotherByteIsRefusedOrMeansSomethingElse) {
  const VaultContents contents = Everything();
  const std::string bytes = EncodeVault(contents) + std::string(3, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = bytes;
      other[i] = static_cast<char>(other[i] ^ (1 << bit));
      const auto decoded = DecodeVault(other);
      if (!decoded.ok()) continue;
      EXPECT_NE(*decoded, contents) << i;
      EXPECT_EQ(EncodeVault(*decoded),
                other.substr(0, EncodeVault(*decoded).size()));
    }
  }
}

TEST(VaultContentsTest, TooManyKeysAndUnreadOnesAreRefused) {
  VaultContents contents;
  for (size_t i = 0; i < kMaxVaultBackupKeys; ++i) {
    contents.keys.insert({static_cast<int64_t>(i), std::string(32, 'k')});
  }
  for (size_t i = 0; i < kMaxVaultUnread; ++i) {
    contents.unread.insert(
        *DeviceId::FromBytes(std::string(16, static_cast<char>(i))));
  }
  EXPECT_THAT(DecodeVault(EncodeVault(contents)), IsOk());
  VaultContents keys = contents;
  keys.keys.insert({99, std::string(32, 'k')});
  EXPECT_FALSE(DecodeVault(EncodeVault(keys)).ok());
  VaultContents unread = contents;
  unread.unread.insert(*DeviceId::FromBytes(std::string(16, '\x7f')));
  EXPECT_FALSE(DecodeVault(EncodeVault(unread)).ok());
}

TEST(VaultContentsTest, MergingDependsNeitherOnTheOrderNorOnHowOften) {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    crypto::SeededRandom random(seed);
    const VaultContents a = Some(random);
    const VaultContents b = Some(random);
    const VaultContents c = Some(random);
    const VaultContents all = Merged({a, b, c});
    EXPECT_EQ(Merged({c, a, b}), all) << seed;
    EXPECT_EQ(Merged({b, c, a}), all) << seed;
    EXPECT_EQ(Merged({a, Merged({b, c})}), all) << seed;
    EXPECT_EQ(Merged({all, b, all}), all) << seed;
    EXPECT_THAT(DecodeVault(EncodeVault(all)), IsOkAndHolds(all)) << seed;
  }
}

TEST(VaultContentsTest, OfAValueTheLaterOneStands) {
  VaultContents before;
  VaultContents after;
  const std::string name = FieldName(Account('a'), "standing");
  AddValue(Entry(name, "9", 1), before);
  AddValue(Entry(name, "1", 2), after);
  EXPECT_EQ(Merged({before, after}), after);
  EXPECT_EQ(Merged({after, before}), after);
}

TEST(VaultContentsTest, OfTimersTheHigherRevisionCountsThenTheShorter) {
  const auto timer = [](uint32_t revision, uint32_t seconds) {
    VaultContents contents;
    contents.contacts[Account('a')].timer = VaultTimer{revision, seconds};
    return contents;
  };
  EXPECT_EQ(Merged({timer(1, 60), timer(2, 0)}), timer(2, 0));
  EXPECT_EQ(Merged({timer(2, 0), timer(2, 3600)}), timer(2, 3600));
  EXPECT_EQ(Merged({timer(2, 60), timer(2, 3600)}), timer(2, 60));
}

TEST(VaultContentsTest, WhatDoesNotFitIsTheLeastImportant) {
  VaultContents contents;
  AddValue(Entry("profile/name", "Ada", 1), contents);
  const auto contact = [&contents](char byte, Standing standing,
                                   int64_t changed_ms, bool verified) {
    AddValue(Entry(FieldName(Account(byte), "standing"),
                   absl::StrCat(static_cast<int>(standing)), changed_ms),
             contents);
    if (verified) {
      AddValue(Entry(FieldName(Account(byte), "verified"), "1", changed_ms),
               contents);
    }
  };
  contact('o', Standing::kContact, 1, false);
  contact('n', Standing::kContact, 9, false);
  contact('v', Standing::kContact, 0, true);
  contact('b', Standing::kBlocked, 0, false);
  std::string left_out;
  size_t bytes = EncodeVault(contents).size();
  EXPECT_EQ(TrimToFit(bytes, contents), 0u);
  while (!contents.contacts.empty()) {
    const VaultContents before = contents;
    EXPECT_EQ(TrimToFit(bytes - 1, contents), 1u);
    for (const auto& [account, left] : before.contacts) {
      if (!contents.contacts.contains(account)) left_out += account.bytes()[1];
    }
    bytes = EncodeVault(contents).size();
  }
  EXPECT_EQ(left_out, "onvb");
  EXPECT_TRUE(contents.values.contains("profile/name"));
}

TEST(VaultContentsTest, ValuesOfUnknownNamesCannotCrowdOutContacts) {
  VaultContents contents = Everything();
  for (int i = 0; i < 1000; ++i) {
    AddValue(Entry(absl::StrCat("a/", i), std::string(1000, 'x'), 1), contents);
  }
  EXPECT_EQ(TrimToFit(10'000, contents), 0u);
  EXPECT_EQ(contents.contacts, Everything().contacts);
  EXPECT_TRUE(contents.values.contains("profile/name"));
  EXPECT_LT(EncodeVault(contents).size(), 10'000u);
}

}  // namespace
}  // namespace messenger::client
