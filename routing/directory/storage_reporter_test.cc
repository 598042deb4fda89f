#include "routing/directory/storage_reporter.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/proto/directory.pb.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/testing/simulated_network.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::SizeIs;

class StorageReporterTest : public ::testing::Test {
 protected:
  StorageReporterTest() {
    for (int i = 0; i < 3; ++i) {
      authorities_.push_back(
          &network_.AddHost(absl::StrCat("sim:a", i), random_.Fixed<TlsKey>()));
      endpoints_.push_back(authorities_.back()->endpoint());
      received_.emplace_back();
      Listen(i);
    }
    reporter_ =
        std::make_unique<StorageReporter>(node_.transport(), executor_, clock_,
                                          key_, network_id_, id_, endpoints_);
  }

  void Listen(int i) {
    authorities_[i]->server().HandleMethod(
        kReportStorageMethod, {256},
        [this, i](const Peer&, std::string bytes, Reply reply) {
          v1::ReportStorageRequest request;
          ASSERT_TRUE(request.ParseFromString(bytes));
          const auto report =
              ParseStorageReport(request.signed_report(), key_.public_key());
          ASSERT_THAT(report, IsOk());
          ++asked_;
          if (!answer_.ok()) return reply(answer_);
          received_[i].push_back(*report);
          reply(std::string());
        });
  }

  crypto::SeededRandom random_{1};
  SimulatedClock clock_;
  SimulatedExecutor executor_{clock_};
  SimulatedNetwork network_{random_, executor_};
  const crypto::Ed25519PrivateKey key_ =
      crypto::Ed25519PrivateKey::Generate(random_);
  const NetworkId network_id_ = random_.Fixed<NetworkId>();
  const NodeId id_ = random_.Fixed<NodeId>();
  SimulatedNetwork::Host& node_ =
      network_.AddHost("sim:node", random_.Fixed<TlsKey>());
  std::vector<SimulatedNetwork::Host*> authorities_;
  std::vector<Endpoint> endpoints_;
  std::vector<std::vector<StorageReport>> received_;
  absl::Status answer_;
  int asked_ = 0;
  std::unique_ptr<StorageReporter> reporter_;
};

TEST_F(StorageReporterTest, SaysNothingBeforeItIsToldAnything) {
  executor_.RunFor(absl::Hours(1));
  EXPECT_EQ(asked_, 0);
}

TEST_F(StorageReporterTest, TellsEveryAuthorityOnce) {
  reporter_->Report(7, /*leaving=*/false);
  reporter_->Report(7, /*leaving=*/false);
  executor_.RunFor(StorageReporter::kRepeat - absl::Seconds(1));
  EXPECT_EQ(reporter_->accepted(), 3);
  for (const auto& received : received_) {
    ASSERT_THAT(received, SizeIs(1));
    EXPECT_EQ(received[0].network_id, network_id_);
    EXPECT_EQ(received[0].node_id, id_);
    EXPECT_EQ(received[0].ready_epoch, 7);
    EXPECT_FALSE(received[0].leaving);
  }
}

TEST_F(StorageReporterTest, TellsChangesAtOnceEachWithALaterTime) {
  reporter_->Report(7, /*leaving=*/false);
  reporter_->Report(8, /*leaving=*/false);
  reporter_->Report(8, /*leaving=*/true);
  executor_.RunFor(absl::Seconds(1));
  EXPECT_EQ(reporter_->accepted(), 3);
  // They may overtake each other, so that only their times tell the order.
  std::vector<StorageReport> reports = received_[0];
  ASSERT_THAT(reports, SizeIs(3));
  std::sort(reports.begin(), reports.end(),
            [](const StorageReport& a, const StorageReport& b) {
              return a.published < b.published;
            });
  EXPECT_LT(reports[0].published, reports[1].published);
  EXPECT_LT(reports[1].published, reports[2].published);
  EXPECT_EQ(reports[0].ready_epoch, 7);
  EXPECT_EQ(reports[2].ready_epoch, 8);
  EXPECT_TRUE(reports[2].leaving);
}

TEST_F(StorageReporterTest, RepeatsWithANewTime) {
  reporter_->Report(7, /*leaving=*/false);
  executor_.RunFor(3 * StorageReporter::kRepeat + absl::Seconds(1));
  ASSERT_THAT(received_[0], SizeIs(4));
  EXPECT_GE(received_[0][3].published - received_[0][0].published,
            3 * StorageReporter::kRepeat);
}

TEST_F(StorageReporterTest, TriesAgainUntilAnAuthorityIsThere) {
  network_.Crash(*authorities_[1]);
  reporter_->Report(7, /*leaving=*/false);
  executor_.RunFor(absl::Minutes(2));
  EXPECT_EQ(reporter_->accepted(), 2);
  network_.Restart(*authorities_[1]);
  Listen(1);
  executor_.RunFor(StorageReporter::kLastRetry + absl::Seconds(1));
  EXPECT_EQ(reporter_->accepted(), 3);
  EXPECT_THAT(received_[0], SizeIs(1));
}

TEST_F(StorageReporterTest, SoonAsksAgainWhileItsDescriptorIsNotThere) {
  answer_ = absl::NotFoundError("who?");
  reporter_->Report(7, /*leaving=*/false);
  executor_.RunFor(absl::Milliseconds(300));
  answer_ = absl::OkStatus();
  executor_.RunFor(absl::Seconds(1));
  EXPECT_EQ(reporter_->accepted(), 3);
  EXPECT_THAT(reporter_->refusal(), IsOk());
}

TEST_F(StorageReporterTest, RemembersWhyItWasRefused) {
  answer_ = absl::FailedPreconditionError("set your clock");
  reporter_->Report(7, /*leaving=*/false);
  executor_.RunFor(StorageReporter::kLastRetry - absl::Seconds(1));
  EXPECT_EQ(asked_, 3);
  EXPECT_THAT(reporter_->refusal(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  answer_ = absl::OkStatus();
  executor_.RunFor(absl::Seconds(2));
  EXPECT_EQ(reporter_->accepted(), 3);
}

TEST_F(StorageReporterTest, MayBeDestroyedWhileReporting) {
  reporter_->Report(7, /*leaving=*/false);
  reporter_ = nullptr;
  executor_.RunFor(absl::Hours(1));
  EXPECT_LE(asked_, 3);
}

}  // namespace
}  // namespace messenger::routing
