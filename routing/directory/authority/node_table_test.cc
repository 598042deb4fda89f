#include "routing/directory/authority/node_table.h"

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/authority/testing/in_memory_authority_store.h"
#include "routing/directory/storage_report.h"
#include "routing/directory/testing/test_network.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

class NodeTableTest : public ::testing::Test {
 protected:
  NodeTableTest() : net_(2, Params(), random_, now_) {}

  // Keys that stay current for the days that these tests span.
  static NetworkParams Params() {
    NetworkParams params = TestNetwork::SmallParams();
    params.onion_key_period = absl::Hours(24 * 300);
    params.kem_key_period = absl::Hours(24 * 300);
    return params;
  }

  NodeTable NewTable() {
    return NodeTable(
        net_.trust().network_id, Params(),
        [](absl::string_view address) { return address != "sim:forbidden"; },
        store_);
  }

  std::string DescriptorOf(int i,
                           const std::function<void(Descriptor&)>& edit = {}) {
    Descriptor descriptor = net_.draft().nodes[i].descriptor;
    if (edit) edit(descriptor);
    return SignDescriptor(descriptor, net_.node(i).identity).value();
  }

  absl::Status Probe(bool reachable) {
    return table_.ReportProbe(
        net_.node(0).id(),
        table_.nodes().at(net_.node(0).id()).descriptor.published, reachable,
        now_);
  }

  // How the authority would vote on node 0.
  enum class Opinion { kUnlisted, kDown, kRunning };
  Opinion OpinionNow() {
    for (const Vote::Entry& entry : table_.Entries(now_)) {
      if (ParseDescriptor(entry.descriptor)->node_id == net_.node(0).id()) {
        return entry.running ? Opinion::kRunning : Opinion::kDown;
      }
    }
    return Opinion::kUnlisted;
  }

  crypto::SeededRandom random_{1};
  absl::Time now_ = absl::FromUnixSeconds(1893456000);
  TestNetwork net_;
  InMemoryAuthorityStore store_;
  NodeTable table_ = NewTable();
};

TEST_F(NodeTableTest, ANodeIsListedOnceItWasReached) {
  EXPECT_THAT(table_.Publish(DescriptorOf(0), now_), IsOkAndHolds(true));
  EXPECT_EQ(OpinionNow(), Opinion::kUnlisted);
  EXPECT_THAT(Probe(false), IsOk());
  EXPECT_EQ(OpinionNow(), Opinion::kUnlisted);
  EXPECT_THAT(Probe(true), IsOk());
  EXPECT_EQ(OpinionNow(), Opinion::kRunning);
}

TEST_F(NodeTableTest, TwoLostProbesInARowAreAnOutage) {
  ASSERT_THAT(table_.Publish(DescriptorOf(0), now_), IsOk());
  ASSERT_THAT(Probe(true), IsOk());
  ASSERT_THAT(Probe(false), IsOk());
  EXPECT_EQ(OpinionNow(), Opinion::kRunning);
  ASSERT_THAT(Probe(true), IsOk());
  ASSERT_THAT(Probe(false), IsOk());
  EXPECT_EQ(OpinionNow(), Opinion::kRunning);
  ASSERT_THAT(Probe(false), IsOk());
  EXPECT_EQ(OpinionNow(), Opinion::kDown);
  ASSERT_THAT(Probe(true), IsOk());
  EXPECT_EQ(OpinionNow(), Opinion::kRunning);
}

TEST_F(NodeTableTest, ANodeIsListedForADayAfterItWentDown) {
  ASSERT_THAT(table_.Publish(DescriptorOf(0), now_), IsOk());
  ASSERT_THAT(Probe(true), IsOk());
  ASSERT_THAT(Probe(false), IsOk());
  ASSERT_THAT(Probe(false), IsOk());
  now_ += absl::Hours(24) - absl::Seconds(1);
  ASSERT_THAT(Probe(false), IsOk());
  EXPECT_EQ(OpinionNow(), Opinion::kDown);
  now_ += absl::Seconds(1);
  EXPECT_EQ(OpinionNow(), Opinion::kUnlisted);
  // It comes back by itself.
  ASSERT_THAT(Probe(true), IsOk());
  EXPECT_EQ(OpinionNow(), Opinion::kRunning);
}

TEST_F(NodeTableTest, ANodeIsForgottenInTheEnd) {
  ASSERT_THAT(table_.Publish(DescriptorOf(0), now_), IsOk());
  ASSERT_THAT(Probe(true), IsOk());
  ASSERT_THAT(Probe(false), IsOk());
  ASSERT_THAT(Probe(false), IsOk());
  now_ += NodeTable::kForgottenAfter - absl::Seconds(1);
  ASSERT_THAT(table_.Forget(now_), IsOk());
  EXPECT_EQ(table_.nodes().size(), 1);
  now_ += absl::Seconds(1);
  ASSERT_THAT(table_.Forget(now_), IsOk());
  EXPECT_EQ(table_.nodes().size(), 0);
  EXPECT_TRUE(store_.LoadNodes()->empty());
}

TEST_F(NodeTableTest, ANodeNobodyReachedIsForgottenAfterADay) {
  ASSERT_THAT(table_.Publish(DescriptorOf(0), now_), IsOk());
  now_ += NodeTable::kListedWhileDown;
  ASSERT_THAT(table_.Forget(now_), IsOk());
  EXPECT_EQ(table_.nodes().size(), 0);
}

TEST_F(NodeTableTest, ANodeWithoutCurrentKeysDoesNotRun) {
  ASSERT_THAT(
      table_.Publish(
          DescriptorOf(0,
                       [](Descriptor& d) {
                         d.onion_keys = {{1, d.onion_keys.begin()->second}};
                       }),
          now_),
      IsOk());
  ASSERT_THAT(Probe(true), IsOk());
  EXPECT_EQ(OpinionNow(), Opinion::kDown);
}

TEST_F(NodeTableTest, ANewAddressMustBeReachedAnew) {
  ASSERT_THAT(table_.Publish(DescriptorOf(0), now_), IsOk());
  ASSERT_THAT(Probe(true), IsOk());
  const absl::Time old = net_.draft().nodes[0].descriptor.published;
  ASSERT_THAT(table_.Publish(DescriptorOf(0,
                                          [](Descriptor& d) {
                                            d.published += absl::Seconds(1);
                                            d.link.address = "sim:moved";
                                          }),
                             now_),
              IsOkAndHolds(true));
  EXPECT_EQ(OpinionNow(), Opinion::kDown);
  // A probe of the old place says nothing about the new one.
  EXPECT_THAT(table_.ReportProbe(net_.node(0).id(), old, true, now_), IsOk());
  EXPECT_EQ(OpinionNow(), Opinion::kDown);
  ASSERT_THAT(Probe(true), IsOk());
  EXPECT_EQ(OpinionNow(), Opinion::kRunning);
}

TEST_F(NodeTableTest, NewKeysAtTheOldAddressTakeEffectAtOnce) {
  ASSERT_THAT(table_.Publish(DescriptorOf(0), now_), IsOk());
  ASSERT_THAT(Probe(true), IsOk());
  ASSERT_THAT(table_.Publish(DescriptorOf(0,
                                          [](Descriptor& d) {
                                            d.published += absl::Seconds(1);
                                          }),
                             now_),
              IsOkAndHolds(true));
  EXPECT_EQ(OpinionNow(), Opinion::kRunning);
}

TEST_F(NodeTableTest, RefusesWhatANodeMayNotPublish) {
  const auto edited = [this](const std::function<void(Descriptor&)>& edit) {
    return table_.Publish(DescriptorOf(0, edit), now_).status();
  };
  EXPECT_THAT(edited([](Descriptor& d) { d.link.address = "sim:forbidden"; }),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(
      edited([](Descriptor& d) { d.storage.address = "sim:forbidden"; }),
      StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(edited([](Descriptor& d) { d.network_id = NetworkId(); }),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(edited([](Descriptor& d) { d.published += absl::Minutes(11); }),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(edited([](Descriptor& d) { d.published -= absl::Hours(25); }),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  std::string forged = DescriptorOf(0);
  forged.back() ^= 1;
  EXPECT_THAT(table_.Publish(forged, now_),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_TRUE(table_.nodes().empty());
  EXPECT_TRUE(store_.LoadNodes()->empty());
}

TEST_F(NodeTableTest, NeverGoesBackToAnOlderDescriptor) {
  ASSERT_THAT(table_.Publish(DescriptorOf(0), now_), IsOkAndHolds(true));
  EXPECT_THAT(table_.Publish(DescriptorOf(0), now_), IsOkAndHolds(false));
  const std::string older =
      DescriptorOf(0, [](Descriptor& d) { d.published -= absl::Seconds(1); });
  EXPECT_THAT(table_.Publish(older, now_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(table_.Learn(older, now_), IsOkAndHolds(false));
  EXPECT_EQ(table_.nodes().begin()->second.bytes, DescriptorOf(0));
}

TEST_F(NodeTableTest, LearnsOldDescriptorsFromOtherAuthorities) {
  now_ += absl::Hours(48);
  EXPECT_THAT(table_.Learn(DescriptorOf(0), now_), IsOkAndHolds(true));
}

TEST_F(NodeTableTest, RemembersOverARestart) {
  ASSERT_THAT(table_.Publish(DescriptorOf(0), now_), IsOk());
  ASSERT_THAT(Probe(true), IsOk());
  NodeTable up = NewTable();
  ASSERT_THAT(up.Load(), IsOk());
  ASSERT_EQ(up.Entries(now_).size(), 1);
  EXPECT_TRUE(up.Entries(now_)[0].running);

  ASSERT_THAT(Probe(false), IsOk());
  ASSERT_THAT(Probe(false), IsOk());
  NodeTable down = NewTable();
  ASSERT_THAT(down.Load(), IsOk());
  EXPECT_FALSE(down.Entries(now_)[0].running);
  EXPECT_TRUE(down.Entries(now_ + absl::Hours(24)).empty());
}

// Storage reports.

class StorageReportsTest : public NodeTableTest {
 protected:
  static constexpr uint64_t kNewestEpoch = 100;

  StorageReportsTest() {
    EXPECT_THAT(table_.Publish(DescriptorOf(0), now_), IsOk());
    EXPECT_THAT(Probe(true), IsOk());
  }

  StorageReport Good() {
    return {net_.trust().network_id, net_.node(0).id(), now_,
            /*ready_epoch=*/7, /*leaving=*/false};
  }
  absl::Status Report(const StorageReport& report, int signer = 0) {
    return table_.Report(
        SignStorageReport(report, net_.node(signer).storage_key), kNewestEpoch,
        now_);
  }
  Vote::Entry EntryNow() { return table_.Entries(now_).at(0); }
};

TEST_F(StorageReportsTest, AreVotedFor) {
  EXPECT_EQ(EntryNow().ready_epoch, 0);
  EXPECT_FALSE(EntryNow().leaving);
  EXPECT_THAT(Report(Good()), IsOk());
  EXPECT_EQ(EntryNow().ready_epoch, 7);
  StorageReport next = Good();
  next.published += absl::Milliseconds(1);
  next.leaving = true;
  next.ready_epoch = 0;
  EXPECT_THAT(Report(next), IsOk());
  EXPECT_EQ(EntryNow().ready_epoch, 0);
  EXPECT_TRUE(EntryNow().leaving);
}

TEST_F(StorageReportsTest, AreRefusedAndChangeNothing) {
  ASSERT_THAT(Report(Good()), IsOk());
  const auto edited = [this](const std::function<void(StorageReport&)>& edit) {
    StorageReport report = Good();
    report.published += absl::Seconds(1);
    report.ready_epoch = 8;
    edit(report);
    return Report(report);
  };
  using R = StorageReport;
  EXPECT_THAT(edited([this](R& r) { r.node_id = net_.node(1).id(); }),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(edited([](R& r) { r.network_id = NetworkId(); }),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(edited([](R& r) { r.published -= absl::Seconds(2); }),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(edited([](R& r) { r.published -= absl::Seconds(1); }),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(edited([](R& r) { r.published += absl::Minutes(11); }),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(edited([](R& r) { r.ready_epoch = kNewestEpoch + 1; }),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Report(Good(), /*signer=*/1),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(table_.Report("report", kNewestEpoch, now_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(EntryNow().ready_epoch, 7);
  EXPECT_THAT(edited([](R&) {}), IsOk());
  EXPECT_EQ(EntryNow().ready_epoch, 8);
}

TEST_F(StorageReportsTest, OfLongAgoAreRefusedWhenNoneIsHeld) {
  StorageReport report = Good();
  report.published -= NodeTable::kMaxReportAge + absl::Seconds(1);
  EXPECT_THAT(Report(report), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(StorageReportsTest, MayComeTwice) {
  EXPECT_THAT(Report(Good()), IsOk());
  EXPECT_THAT(Report(Good()), IsOk());
}

TEST_F(StorageReportsTest, AreRememberedOverARestart) {
  StorageReport report = Good();
  report.leaving = true;
  ASSERT_THAT(Report(report), IsOk());
  NodeTable later = NewTable();
  ASSERT_THAT(later.Load(), IsOk());
  EXPECT_EQ(later.Entries(now_).at(0).ready_epoch, 7);
  EXPECT_TRUE(later.Entries(now_).at(0).leaving);
  // And so is that older ones are not to be taken.
  report.published -= absl::Seconds(1);
  EXPECT_THAT(later.Report(SignStorageReport(report, net_.node(0).storage_key),
                           kNewestEpoch, now_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(StorageReportsTest, SayNothingAboutAnotherStorage) {
  ASSERT_THAT(Report(Good()), IsOk());
  ASSERT_THAT(table_.Publish(DescriptorOf(0,
                                          [](Descriptor& d) {
                                            d.published += absl::Seconds(1);
                                          }),
                             now_),
              IsOk());
  EXPECT_EQ(EntryNow().ready_epoch, 7);
  ASSERT_THAT(
      table_.Publish(DescriptorOf(0,
                                  [this](Descriptor& d) {
                                    d.published += absl::Seconds(2);
                                    d.storage_key =
                                        net_.node(1).storage_key.public_key();
                                  }),
                     now_),
      IsOk());
  EXPECT_EQ(EntryNow().ready_epoch, 0);
  NodeTable later = NewTable();
  ASSERT_THAT(later.Load(), IsOk());
  EXPECT_EQ(later.Entries(now_).at(0).ready_epoch, 0);
}

}  // namespace
}  // namespace messenger::routing
