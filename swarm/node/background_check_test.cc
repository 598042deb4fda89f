#include "swarm/node/background_check.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/store/testing/damaged_file.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr MailboxNamespace kNs = MailboxNamespace::kPairwise;

class BackgroundCheckTest : public ::testing::Test {
 protected:
  BackgroundCheckTest() : disk_(clock_) {}

  void SetUp() override {
    path_ = absl::StrCat(
        ::testing::TempDir(), "/background-check-", getpid(), "-",
        ::testing::UnitTest::GetInstance()->current_test_info()->name(), ".db");
    Remove(path_);
    Open();
    ASSERT_THAT(store_->Apply({PutRegistration{.mailbox = Box(),
                                               .id = {},
                                               .timestamp_ms = 1,
                                               .proof_nonce = 0,
                                               .proof = ""}},
                              0),
                IsOk());
    ASSERT_THAT(store_->SetChecked(NowMs()), IsOk());
  }

  static void Remove(const std::string& path) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::remove(absl::StrCat(path, suffix).c_str());
    }
  }
  void Open() {
    check_.reset();
    store_.reset();
    auto store = SqliteStore::Open(
        {.path = path_, .capacity_bytes = 0, .vfs = ""}, random_);
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }
  // Goes on with the files as a power cut would have left them now.
  void Crash() {
    const std::string crashed = absl::StrCat(path_, "-crashed");
    Remove(crashed);
    for (const char* suffix : {"", "-wal"}) {
      WriteStoreFile(absl::StrCat(crashed, suffix),
                     ReadStoreFile(absl::StrCat(path_, suffix)));
    }
    store_.reset();
    path_ = crashed;
  }
  uint64_t NowMs() const {
    return static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()));
  }

  static MailboxAddress Box() {
    return *MailboxAddress::FromBytes("\x06" + std::string(32, 'a'));
  }
  ItemKey Store(const std::string& payload) {
    const MessageId id = ComputeMessageId(Box(), kNs, payload);
    EXPECT_THAT(store_->Apply({PutMessage{.mailbox = Box(),
                                          .ns = kNs,
                                          .id = id,
                                          .payload = payload,
                                          .expiry_ms = kNeverMs,
                                          .proof = ""}},
                              0),
                IsOk());
    return {ItemKind::kMessage, ShardOf(Box()), id};
  }
  // A message whose contents the disk has changed since.
  ItemKey StoreDamaged() {
    const std::string payload(100, 'd');
    const ItemKey key = Store(payload);
    store_.reset();
    FlipLast(path_, payload);
    Open();
    return key;
  }

  void Start() {
    check_ = std::make_unique<BackgroundCheck>(
        *store_, path_, clock_, disk_,
        BackgroundCheck::Findings{
            .on_item = [this](const ItemKey& item) { items_.push_back(item); },
            .on_damage =
                [this](absl::Status status) {
                  damages_.push_back(std::move(status));
                }});
    check_->Start();
  }

  crypto::SeededRandom random_{1};
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor disk_;
  std::string path_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<BackgroundCheck> check_;
  std::vector<ItemKey> items_;
  std::vector<absl::Status> damages_;
};

TEST_F(BackgroundCheckTest, AStoreIsReadOnceADay) {
  const ItemKey damaged = StoreDamaged();
  Start();
  disk_.RunFor(absl::Hours(24) - absl::Seconds(1));
  EXPECT_THAT(items_, IsEmpty());
  disk_.RunFor(BackgroundCheck::kLook + absl::Seconds(1));
  EXPECT_THAT(items_, ElementsAre(damaged));
  disk_.RunFor(absl::Hours(23));
  EXPECT_THAT(items_, SizeIs(1));
  disk_.RunFor(absl::Hours(2));
  EXPECT_THAT(items_, ElementsAre(damaged, damaged));
  EXPECT_THAT(damages_, IsEmpty());
}

TEST_F(BackgroundCheckTest, AfterACrashItIsReadAtOnceAndThatIsNoted) {
  const ItemKey damaged = Store(std::string(100, 'd'));
  Open();
  Crash();
  FlipLast(path_, std::string(100, 'd'));
  Open();
  ASSERT_TRUE(store_->NeedsCheck(NowMs()));
  Start();
  EXPECT_THAT(items_, IsEmpty());
  disk_.RunUntilIdle();
  EXPECT_THAT(items_, ElementsAre(damaged));
  EXPECT_FALSE(store_->NeedsCheck(NowMs()));
}

TEST_F(BackgroundCheckTest, IsReadInSlicesWithPauses) {
  for (size_t i = 0; i < 2 * BackgroundCheck::kSliceRows; ++i) {
    Store(absl::StrCat("message ", i));
  }
  const ItemKey damaged = StoreDamaged();
  clock_.Advance(absl::Hours(24));
  Start();
  disk_.RunUntilIdle();
  disk_.RunFor(BackgroundCheck::kPause);
  EXPECT_THAT(items_, IsEmpty());
  EXPECT_TRUE(store_->NeedsCheck(NowMs()));
  // Writes come between.
  Store("meanwhile");
  disk_.RunFor(BackgroundCheck::kPause);
  EXPECT_THAT(items_, ElementsAre(damaged));
  EXPECT_FALSE(store_->NeedsCheck(NowMs()));
}

TEST_F(BackgroundCheckTest, AfterDamageOfTheFileNothingFollows) {
  const std::string id(Store("one").id.bytes());
  store_.reset();
  // In the row: it is not what its index says.
  FlipLast(path_, id);
  Open();
  clock_.Advance(absl::Hours(24));
  Start();
  disk_.RunFor(absl::Hours(72));
  ASSERT_THAT(damages_, SizeIs(1));
  EXPECT_TRUE(absl::IsDataLoss(damages_[0]));
  EXPECT_EQ(disk_.pending_timers(), 0u);
  EXPECT_TRUE(store_->NeedsCheck(NowMs()));
}

TEST_F(BackgroundCheckTest, OneThatCannotBeReadIsTriedAgain) {
  const ItemKey damaged = StoreDamaged();
  clock_.Advance(absl::Hours(24));
  const std::string moved = absl::StrCat(path_, "-moved");
  ASSERT_EQ(std::rename(path_.c_str(), moved.c_str()), 0);
  Start();
  disk_.RunFor(BackgroundCheck::kLook / 2);
  EXPECT_THAT(damages_, IsEmpty());
  EXPECT_TRUE(store_->NeedsCheck(NowMs()));
  ASSERT_EQ(std::rename(moved.c_str(), path_.c_str()), 0);
  disk_.RunFor(BackgroundCheck::kLook / 2);
  EXPECT_THAT(items_, ElementsAre(damaged));
  EXPECT_FALSE(store_->NeedsCheck(NowMs()));
}

}  // namespace
}  // namespace messenger::swarm
