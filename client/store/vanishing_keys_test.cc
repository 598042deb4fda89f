#include "client/store/vanishing_keys.h"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/sqlite/testing/simulated_disk.h"

namespace messenger::client {
namespace {

using ::messenger::sqlite::SimulatedDisk;
using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

constexpr char kPath[] = "/messages.db-keys";

class VanishingKeysTest : public ::testing::Test {
 protected:
  VanishingKeysTest() { Reopen(); }

  void Reopen() {
    keys_.reset();
    auto opened = VanishingKeys::Open(kPath, disk_.name(), random_);
    ASSERT_THAT(opened, IsOk());
    keys_ = *std::move(opened);
  }
  // Its slot, and the bytes.
  std::pair<int64_t, std::string> Add() {
    const auto added = keys_->Add();
    EXPECT_THAT(added, IsOk());
    return {added->slot, std::string(added->key.Expose())};
  }
  std::string Find(int64_t slot) {
    const auto key = keys_->Find(slot);
    return key.ok() ? std::string(key->Expose()) : "";
  }

  crypto::SeededRandom random_{5};
  SimulatedDisk disk_{random_};
  std::unique_ptr<VanishingKeys> keys_;
};

TEST_F(VanishingKeysTest, FindsWhatWasAddedAlsoAfterARestart) {
  const auto [one, first] = Add();
  const auto [two, second] = Add();
  EXPECT_NE(first, second);
  EXPECT_EQ(Find(one), first);
  ASSERT_THAT(keys_->Sync(), IsOk());
  disk_.Crash(SimulatedDisk::CrashMode::kDropUnsynced);
  Reopen();
  EXPECT_EQ(Find(one), first);
  EXPECT_EQ(Find(two), second);
  EXPECT_THAT(keys_->Find(2).status(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(VanishingKeysTest, OnlyNewKeysCostASync) {
  Add();
  ASSERT_THAT(keys_->Sync(), IsOk());
  const uint64_t before = disk_.operations();
  ASSERT_THAT(keys_->Sync(), IsOk());
  EXPECT_EQ(disk_.operations(), before);
}

TEST_F(VanishingKeysTest, WhatIsDestroyedIsNowhereOnTheDisk) {
  const auto [one, first] = Add();
  const auto [two, second] = Add();
  ASSERT_THAT(keys_->Sync(), IsOk());
  ASSERT_THAT(keys_->Destroy({one}), IsOk());
  disk_.Crash(SimulatedDisk::CrashMode::kDropUnsynced);
  const std::string file = disk_.Snapshot().at(kPath);
  EXPECT_EQ(file.find(first), file.npos);
  EXPECT_NE(file.find(second), file.npos);
  Reopen();
  EXPECT_THAT(keys_->Find(one).status(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(Find(two), second);
}

TEST_F(VanishingKeysTest, ADestroyedSlotIsGivenOutOnlyOnceItIsFree) {
  const auto [one, first] = Add();
  ASSERT_THAT(keys_->Destroy({one}), IsOk());
  const auto [two, second] = Add();
  EXPECT_NE(two, one);
  keys_->Free({one});
  EXPECT_EQ(Add().first, one);
  EXPECT_EQ(Find(two), second);
}

TEST_F(VanishingKeysTest, KeepsOnlyWhatIsInUse) {
  const auto [one, first] = Add();
  const auto [two, second] = Add();
  const auto [three, third] = Add();
  ASSERT_THAT(keys_->Sync(), IsOk());
  Reopen();
  ASSERT_THAT(keys_->KeepOnly({two}), IsOk());
  EXPECT_EQ(Find(one), "");
  EXPECT_EQ(Find(two), second);
  EXPECT_EQ(Find(three), "");
  EXPECT_EQ(Add().first, one);
  EXPECT_EQ(Add().first, three);
}

TEST_F(VanishingKeysTest, ASlotThatWasCutShortIsOverwritten) {
  const auto [one, first] = Add();
  ASSERT_THAT(keys_->Sync(), IsOk());
  keys_.reset();
  SimulatedDisk::Image image = disk_.Snapshot();
  image.at(kPath).append("half a key");
  disk_.Restore(image);
  Reopen();
  const auto [two, second] = Add();
  EXPECT_EQ(two, one + 1);
  EXPECT_EQ(Find(two), second);
}

TEST_F(VanishingKeysTest, ThousandsOfSlotsAreReadInPieces) {
  std::set<int64_t> odd;
  for (int i = 0; i < 5'000; ++i) {
    const int64_t slot = Add().first;
    if (slot % 2 == 1) odd.insert(slot);
  }
  ASSERT_THAT(keys_->KeepOnly(odd), IsOk());
  Reopen();
  for (int64_t slot = 0; slot < 5'000; slot += 2) EXPECT_EQ(Add().first, slot);
  EXPECT_EQ(Add().first, 5'000);
}

TEST_F(VanishingKeysTest, ADiskThatFailsIsReported) {
  const auto [one, first] = Add();
  disk_.SetErrorRate(1);
  EXPECT_THAT(keys_->Sync(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(keys_->Add().status(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(keys_->Find(one).status(),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(keys_->Destroy({one}), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace messenger::client
