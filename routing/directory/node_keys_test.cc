#include "routing/directory/node_keys.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/files.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

class NodeKeysTest : public ::testing::Test {
 protected:
  NodeKeysTest()
      : path_(absl::StrCat(
            ::testing::TempDir(), "/keys-",
            ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove(path_);
    params_.onion_key_period = absl::Hours(6);
    params_.onion_overlap = absl::Hours(1);
  }

  absl::StatusOr<std::unique_ptr<NodeKeys>> Open() {
    return NodeKeys::Open(path_, id_, params_, random_, now_);
  }
  OnionEpochs Epochs() const {
    return {static_cast<uint32_t>((now_ - absl::UnixEpoch()) /
                                  params_.onion_key_period),
            static_cast<uint32_t>((now_ - absl::UnixEpoch()) /
                                  params_.kem_key_period)};
  }

  crypto::SeededRandom random_{1};
  NodeId id_ = random_.Fixed<NodeId>();
  NetworkParams params_;
  // The start of an epoch of both kinds.
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(24 * 7) * 3000;
  std::string path_;
};

TEST_F(NodeKeysTest, HasTheCurrentAndTheNextKeys) {
  const auto keys = Open();
  ASSERT_THAT(keys, IsOk());
  OnionEpochs epochs = Epochs();
  EXPECT_NE((*keys)->Find(epochs, now_), nullptr);
  EXPECT_NE((*keys)->Find({epochs.onion + 1, epochs.kem + 1}, now_), nullptr);
  EXPECT_EQ((*keys)->Find({epochs.onion + 2, epochs.kem}, now_), nullptr);
  EXPECT_EQ((*keys)->Find({epochs.onion - 1, epochs.kem}, now_), nullptr);
  Descriptor descriptor;
  (*keys)->FillDescriptor(descriptor, now_);
  EXPECT_EQ(descriptor.onion_keys.size(), 2);
  EXPECT_EQ(descriptor.kem_keys.size(), 2);
  EXPECT_TRUE(descriptor.onion_keys.contains(epochs.onion));
  EXPECT_TRUE(descriptor.kem_keys.contains(epochs.kem + 1));
}

TEST_F(NodeKeysTest, SurvivesARestart) {
  Descriptor before;
  Descriptor after;
  Open().value()->FillDescriptor(before, now_);
  Open().value()->FillDescriptor(after, now_);
  EXPECT_EQ(before.onion_keys, after.onion_keys);
  EXPECT_EQ(before.kem_keys, after.kem_keys);
}

TEST_F(NodeKeysTest, AcceptsTheOldKeyUntilItsOverlapEndsAndThenDeletesIt) {
  const auto keys = Open().value();
  const OnionEpochs old = Epochs();
  const absl::Time end =
      now_ + params_.onion_key_period + params_.onion_overlap;

  now_ = end - absl::Seconds(1);
  EXPECT_THAT(keys->Rotate(now_), IsOkAndHolds(true));
  EXPECT_NE(keys->Find(old, now_), nullptr);
  // Refused on time even if the deletion is late.
  EXPECT_EQ(keys->Find(old, end), nullptr);

  const std::string secret(keys->Find(old, now_)->onion_key.secret().Expose());
  EXPECT_NE(ReadFile(path_).value().find(secret), std::string::npos);
  // Nothing that others would have to know.
  EXPECT_THAT(keys->Rotate(end), IsOkAndHolds(false));
  EXPECT_EQ(keys->Find(old, now_), nullptr);
  EXPECT_EQ(ReadFile(path_).value().find(secret), std::string::npos);
}

TEST_F(NodeKeysTest, SaysWhenThereIsSomethingToDoNext) {
  const auto keys = Open().value();
  for (int step = 0; step < 100; ++step) {
    const absl::Time next = keys->NextRotation(now_);
    ASSERT_GT(next, now_);
    const std::string before = ReadFile(path_).value();
    EXPECT_THAT(keys->Rotate(next - absl::Milliseconds(1)), IsOk());
    EXPECT_EQ(ReadFile(path_).value(), before);
    EXPECT_THAT(keys->Rotate(next), IsOk());
    EXPECT_NE(ReadFile(path_).value(), before);
    now_ = next;
  }
}

TEST_F(NodeKeysTest, TheNextKeyBecomesTheCurrentOne) {
  const auto keys = Open().value();
  Descriptor before;
  keys->FillDescriptor(before, now_);
  now_ += params_.onion_key_period;
  ASSERT_THAT(keys->Rotate(now_), IsOkAndHolds(true));
  Descriptor after;
  keys->FillDescriptor(after, now_);
  EXPECT_EQ(before.onion_keys.rbegin()->second,
            after.onion_keys.begin()->second);
  EXPECT_EQ(after.onion_keys.size(), 2);
}

TEST_F(NodeKeysTest, ReplacesAllKeysAfterALongAbsence) {
  Descriptor before;
  Open().value()->FillDescriptor(before, now_);
  now_ += absl::Hours(24 * 30);
  const auto keys = Open().value();
  Descriptor after;
  keys->FillDescriptor(after, now_);
  EXPECT_FALSE(after.onion_keys.contains(before.onion_keys.begin()->first));
  EXPECT_NE(keys->Find(Epochs(), now_), nullptr);
}

TEST_F(NodeKeysTest, ADamagedFileIsNoticed) {
  ASSERT_THAT(Open(), IsOk());
  const std::string good = ReadFile(path_).value();
  for (size_t i = 0; i < good.size(); i += 9) {
    std::string bad = good;
    bad[i] ^= 4;
    ASSERT_THAT(WriteFileAtomically(path_, bad), IsOk());
    EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss)) << i;
    ASSERT_THAT(WriteFileAtomically(path_, good.substr(0, i)), IsOk());
    EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss)) << i;
  }
}

TEST_F(NodeKeysTest, AFileThatCannotBeWrittenIsAnError) {
  path_ = absl::StrCat(::testing::TempDir(), "/no-such-folder/keys");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace messenger::routing
