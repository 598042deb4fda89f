// One contract for both stores.

#include "routing/directory/authority/authority_store.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/hash/hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/authority/sqlite_authority_store.h"
#include "routing/directory/authority/testing/in_memory_authority_store.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string NewPath() {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string name = absl::StrCat(test->test_suite_name(), test->name());
  for (char& c : name) {
    if (c == '/') c = '_';
  }
  const std::string folder = absl::StrCat(::testing::TempDir(), "/", name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return absl::StrCat(folder, "/authority.db");
}

struct Kind {
  std::string name;
  bool on_disk;
};

class AuthorityStoreTest : public ::testing::TestWithParam<Kind> {
 protected:
  AuthorityStoreTest() : path_(NewPath()) { Restart(); }

  // What a new process sees.
  void Restart() {
    if (!GetParam().on_disk) {
      if (store_ == nullptr)
        store_ = std::make_unique<InMemoryAuthorityStore>();
      return;
    }
    store_ = nullptr;
    auto opened = SqliteAuthorityStore::Open(path_);
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
  }

  static NodeId Id(char c) {
    return NodeId::FromBytes(std::string(32, c)).value();
  }

  std::string path_;
  std::unique_ptr<AuthorityStore> store_;
};

TEST_P(AuthorityStoreTest, GivesTheSameVoteOncePerEpoch) {
  EXPECT_THAT(store_->KeepVote(7, "first"), IsOkAndHolds("first"));
  EXPECT_THAT(store_->KeepVote(7, "second"), IsOkAndHolds("first"));
  Restart();
  EXPECT_THAT(store_->KeepVote(7, "third"), IsOkAndHolds("first"));
  EXPECT_THAT(store_->KeepVote(8, "fourth"), IsOkAndHolds("fourth"));
  EXPECT_THAT(store_->KeepVote(7, "fifth"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_P(AuthorityStoreTest, LetsOneDigestPerEpochBeSigned) {
  const crypto::Digest256 one = crypto::Sha256("one");
  const crypto::Digest256 two = crypto::Sha256("two");
  EXPECT_THAT(store_->RecordSigned(7, one), IsOk());
  EXPECT_THAT(store_->RecordSigned(7, one), IsOk());
  EXPECT_THAT(store_->RecordSigned(7, two),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  Restart();
  EXPECT_THAT(store_->RecordSigned(7, two),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(store_->RecordSigned(6, two),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(store_->RecordSigned(8, two), IsOk());
}

TEST_P(AuthorityStoreTest, KeepsTheNewestConsensus) {
  EXPECT_THAT(store_->LoadConsensus(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_->SaveConsensus("old"), IsOk());
  EXPECT_THAT(store_->SaveConsensus(std::string("new\0", 4)), IsOk());
  Restart();
  EXPECT_THAT(store_->LoadConsensus(), IsOkAndHolds(std::string("new\0", 4)));
}

TEST_P(AuthorityStoreTest, KeepsNodes) {
  const AuthorityStore::StoredNode a = {Id('a'), "descriptor", true,
                                        absl::FromUnixMillis(12345),
                                        std::string("report\0", 7)};
  AuthorityStore::StoredNode b = {Id('b'), "other", false, std::nullopt, ""};
  EXPECT_THAT(store_->LoadNodes(), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(store_->SaveNode(b), IsOk());
  EXPECT_THAT(store_->SaveNode(a), IsOk());
  b.reached = true;
  EXPECT_THAT(store_->SaveNode(b), IsOk());
  Restart();
  EXPECT_THAT(store_->LoadNodes(), IsOkAndHolds(ElementsAre(a, b)));
  EXPECT_THAT(store_->RemoveNode(a.id), IsOk());
  EXPECT_THAT(store_->RemoveNode(a.id), IsOk());
  EXPECT_THAT(store_->LoadNodes(), IsOkAndHolds(ElementsAre(b)));
}

INSTANTIATE_TEST_SUITE_P(Stores, AuthorityStoreTest,
                         ::testing::Values(Kind{"InMemory", false},
                                           Kind{"Sqlite", true}),
                         [](const auto& info) { return info.param.name; });

TEST(SqliteAuthorityStoreTest, ADamagedFileIsAnErrorNotAnEmptyStore) {
  const std::string path = NewPath();
  std::ofstream(path) << std::string(8192, 'x');
  EXPECT_THAT(SqliteAuthorityStore::Open(path),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace messenger::routing
