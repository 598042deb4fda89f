// The client while a swarm changes its members (swarm/SPEC.md, section 7.4):
// what is sent, what is read completely, and by whose directory.

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/remote/swarm_client.h"
#include "client/remote/testing/swarm_client_fixture.h"
#include "client/remote/write_refusal.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/storage_state.h"
#include "routing/directory/testing/test_network.h"
#include "routing/onion/node_id.h"
#include "swarm/placement/placement.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;

using absl::StatusCode;
using routing::StorageState;

// Swarms of three: W = 2, R = 2. Two members leave, so two come: one member is
// in S and in T.
class SwarmTransitionTest : public SwarmClientFixture {
 protected:
  SwarmTransitionTest() : SwarmClientFixture(9) {}

  // By the newest directory.
  std::vector<int> Serving() { return IndicesOf(MembersNow().serving); }
  std::vector<int> Target() { return IndicesOf(MembersNow().target); }
  std::vector<int> Gained() { return Without(Target(), Serving()); }
  std::vector<int> Leaving() { return Without(Serving(), Target()); }

  // `informed`: nodes that have heard; empty: all.
  void Begin(const std::vector<int>& informed = {}) {
    const std::vector<int> members = Members();
    leaving_ = {members[0], members[1]};
    SetState(leaving_, StorageState::kLeaving, informed);
    ASSERT_THAT(Gained(), SizeIs(2));
    ASSERT_THAT(Leaving(), SizeIs(2));
  }
  void Complete() { SetState(leaving_, StorageState::kWaiting, {}); }
  void BringBack() { SetState(leaving_, StorageState::kActive, {}); }

  std::set<int> HoldersOf(const StoreOutcome& outcome) {
    std::set<int> holders;
    for (const routing::NodeId& id : outcome.holders) {
      holders.insert(swarm_.IndexOf(id));
    }
    return holders;
  }
  void ExpectBothQuorums(const absl::StatusOr<StoreOutcome>& stored,
                         const std::string& payload) {
    ASSERT_THAT(stored, IsOk());
    for (const std::vector<int>& set : {Serving(), Target()}) {
      int holding = 0;
      for (const int node : set) holding += Holds(node, payload);
      EXPECT_GE(holding, 2) << payload;
    }
  }

  // The next request of the client reaches this node or none.
  void AskFirst(int node) {
    requester_.set_interceptor(
        [this,
         id = swarm_.node(node).id](const OnionRequester::Request& request)
            -> std::optional<absl::StatusOr<std::string>> {
          if (request.destination != id) {
            return absl::UnavailableError("a path broke");
          }
          swarm_.executor().Run(
              [this] { requester_.set_interceptor(nullptr); });
          return std::nullopt;
        });
  }

 private:
  swarm::ShardMembers MembersNow() {
    return swarm::Placement(swarm_.paper().consensus())
        .MembersOf(PairTarget().mailbox);
  }
  std::vector<int> IndicesOf(const std::vector<routing::NodeId>& ids) {
    std::vector<int> indices;
    for (const routing::NodeId& id : ids) {
      indices.push_back(swarm_.IndexOf(id));
    }
    return indices;
  }
  static std::vector<int> Without(std::vector<int> all,
                                  const std::vector<int>& some) {
    std::erase_if(all, [&](int node) {
      return std::find(some.begin(), some.end(), node) != some.end();
    });
    return all;
  }
  void SetState(const std::vector<int>& nodes, StorageState state,
                const std::vector<int>& informed) {
    swarm_.Reissue(
        [&](routing::TestNetwork::Draft& draft) {
          for (const int node : nodes) draft.nodes[node].storage_state = state;
        },
        informed);
  }

  std::vector<int> leaving_;
};

// --------------------------------------------------------------------- sending
// --

TEST_F(SwarmTransitionTest, AMessageIsSentOnceBothQuorumsHaveIt) {
  Begin();
  FetchDirectory();
  swarm_.Settle();
  for (int i = 0; i < 8; ++i) {
    const std::string payload = absl::StrCat("message ", i);
    ExpectBothQuorums(Store(payload), payload);
  }
}

TEST_F(SwarmTransitionTest, ReceiptsOfThoseThatServeAreNotEnough) {
  Begin();
  FetchDirectory();
  const std::vector<int> gained = Gained();
  for (const int node : gained) swarm_.Crash(node);
  const absl::Time expiry = In(absl::Hours(1));
  EXPECT_THAT(StoreUntil("hello", expiry), StatusIs(StatusCode::kUnavailable));
  for (const int node : Serving()) EXPECT_TRUE(Holds(node, "hello"));
  swarm_.Restart(gained[0]);
  ExpectBothQuorums(StoreUntil("hello", expiry), "hello");
}

TEST_F(SwarmTransitionTest, ReceiptsOfThoseThatAreToServeAreNotEnough) {
  Begin();
  FetchDirectory();
  const std::vector<int> leaving = Leaving();
  for (const int node : leaving) swarm_.Crash(node);
  const absl::Time expiry = In(absl::Hours(1));
  EXPECT_THAT(StoreUntil("hello", expiry), StatusIs(StatusCode::kUnavailable));
  for (const int node : Target()) EXPECT_TRUE(Holds(node, "hello"));
  swarm_.Restart(leaving[0]);
  ExpectBothQuorums(StoreUntil("hello", expiry), "hello");
}

TEST_F(SwarmTransitionTest, MembersThatAreFillingCallNoMailboxUnregistered) {
  Begin();
  FetchDirectory();
  CutOff(Gained());  // they stay empty
  const absl::Time expiry = In(absl::Hours(1));
  const absl::Status status = StoreUntil("hello", expiry).status();
  EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable));
  EXPECT_NE(RefusalOf(status).reason, RefusalReason::kNotRegistered);
  swarm_.network().Heal();
  swarm_.Settle();
  ExpectBothQuorums(StoreUntil("hello", expiry), "hello");
}

// ------------------------------------------------------- directories that lag
// --

TEST_F(SwarmTransitionTest, AnOldDirectoryDoesNotMakeTheOldQuorumEnough) {
  // The client has not heard of the change. Its coordinator has, and says that
  // too few have confirmed; the receipts that come along are those of W members
  // by the client's directory.
  Begin();
  for (const int node : Gained()) swarm_.Crash(node);
  const absl::Time expiry = In(absl::Hours(1));
  EXPECT_THAT(StoreUntil("hello", expiry), StatusIs(StatusCode::kUnavailable));
  EXPECT_GE(fetches_, 1);
  for (const int node : Gained()) swarm_.Restart(node);
  ExpectBothQuorums(StoreUntil("hello", expiry), "hello");
}

TEST_F(SwarmTransitionTest, AClientThatHasNotHeardSendsThroughThoseThatHave) {
  Begin();
  swarm_.Settle();
  for (int i = 0; i < 8; ++i) {
    const std::string payload = absl::StrCat("message ", i);
    ExpectBothQuorums(Store(payload), payload);
  }
  EXPECT_EQ(fetches_, 0);
}

TEST_F(SwarmTransitionTest, ACoordinatorThatHasNotHeardIsRefused) {
  // Neither has the client. The others have.
  const int outdated = Members()[2];
  std::vector<int> informed;
  for (int i = 0; i < swarm_.paper().size(); ++i) {
    if (i != outdated) informed.push_back(i);
  }
  Begin(informed);
  swarm_.executor().RunFor(absl::Seconds(20));
  AskFirst(outdated);
  const absl::StatusOr<StoreOutcome> stored = Store("hello");
  ExpectBothQuorums(stored, "hello");
  EXPECT_GT(stored->attempts, 1);
  uint64_t refused = 0;
  for (const int node : Serving()) {
    refused += swarm_.node(node).process->replicas().counters().outdated;
  }
  EXPECT_EQ(refused, 2u);
}

TEST_F(SwarmTransitionTest, ANodeThatHasLeftSendsTheWriterToTheNewMembers) {
  Begin();
  swarm_.Settle();
  const int left = Leaving()[0];
  Complete();
  AskFirst(left);
  const absl::StatusOr<StoreOutcome> stored = Store("hello");
  ASSERT_THAT(stored, IsOk());
  EXPECT_GE(fetches_, 1);
  EXPECT_THAT(HoldersOf(*stored), IsSubsetOf(Serving()));
  EXPECT_FALSE(Holds(left, "hello"));
}

TEST_F(SwarmTransitionTest, AWriterWhoCannotFetchTheDirectoryLearnsWhy) {
  Begin();
  swarm_.Settle();
  Complete();
  client_ = std::make_unique<SwarmClient>(requester_, directory_, clock_,
                                          swarm_.executor(), swarm_.random());
  for (const int node : Serving()) swarm_.Crash(node);
  const absl::Status status = Store("hello").status();
  EXPECT_EQ(RefusalOf(status).reason, RefusalReason::kWrongSwarm) << status;
}

TEST_F(SwarmTransitionTest, ANodeThatHasLeftSendsTheReaderToTheNewMembers) {
  ASSERT_THAT(Store("hello"), IsOk());
  Begin();
  swarm_.Settle();
  const std::vector<int> left = Leaving();
  Complete();
  const absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  EXPECT_THAT(Payloads(*read), ElementsAre("hello"));
  EXPECT_GE(fetches_, 1);
  for (const int node : left) {
    EXPECT_FALSE(read->cursors.contains(swarm_.node(node).id));
    EXPECT_FALSE(read->answered.contains(swarm_.node(node).id));
  }
}

TEST_F(SwarmTransitionTest, AReaderWhoWaitsIsSentToTheNewMembersToo) {
  Begin();
  swarm_.Settle();
  const std::vector<int> left = Leaving();
  Complete();
  // Whoever it waits at by its old directory, it finds a member in the end.
  absl::StatusOr<RetrieveOutcome> waited = absl::UnavailableError("");
  for (int i = 0; i < 3 && !waited.ok(); ++i) {
    waited = Wait(PairReader(), {}, absl::Seconds(1));
    swarm_.executor().RunFor(absl::Seconds(1));
  }
  EXPECT_THAT(waited, IsOk());
}

// --------------------------------------------------------------------- reading
// --

TEST_F(SwarmTransitionTest, AReadingIsCompleteWithThoseThatServe) {
  ASSERT_THAT(Store("hello"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  Begin();
  CutOff(Gained());  // they stay empty
  FetchDirectory();
  const absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  EXPECT_THAT(Payloads(*read), ElementsAre("hello"));
  EXPECT_EQ(read->members_answered, 3);
  for (const int node : Gained()) {
    EXPECT_FALSE(read->answered.contains(swarm_.node(node).id));
  }
}

TEST_F(SwarmTransitionTest, ThoseThatAreToServeDoNotMakeAReadingComplete) {
  ASSERT_THAT(Store("hello"), IsOk());
  Begin();
  swarm_.Settle();  // all of them are ready
  FetchDirectory();
  for (const int node : Leaving()) swarm_.Crash(node);
  const absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->members_answered, 3);
  EXPECT_FALSE(read->complete);
  EXPECT_THAT(Payloads(*read), ElementsAre("hello"));
}

TEST_F(SwarmTransitionTest, AfterwardsTheNewMembersAreAllThatIsNeeded) {
  ASSERT_THAT(Store("before"), IsOk());
  Begin();
  FetchDirectory();
  swarm_.Settle();
  ASSERT_THAT(Store("during"), IsOk());
  const std::vector<int> left = Leaving();
  Complete();
  FetchDirectory();
  for (const int node : left) swarm_.Crash(node);
  EXPECT_THAT(Mailbox(), ElementsAre("before", "during"));
  const absl::StatusOr<StoreOutcome> stored = Store("after");
  ASSERT_THAT(stored, IsOk());
  EXPECT_EQ(stored->attempts, 1);
  EXPECT_THAT(HoldersOf(*stored), IsSubsetOf(Serving()));
}

TEST_F(SwarmTransitionTest, PathsAvoidNewMembersAsSoonAsTheyAreKnown) {
  // Too much for the first pages; the directory changes before the others.
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(Store(std::string(30'000, static_cast<char>('a' + i))), IsOk());
  }
  swarm_.executor().RunFor(absl::Seconds(5));
  std::optional<size_t> sent_before;
  requester_.set_reply_filter(
      [&](const routing::NodeId&, absl::StatusOr<std::string> reply) {
        if (!sent_before) {
          sent_before = requester_.sent().size();
          Begin();
          FetchDirectory();
        }
        return reply;
      });
  const absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(read->messages, SizeIs(3));
  std::vector<routing::NodeId> gained;
  for (const int node : Gained()) gained.push_back(swarm_.node(node).id);
  ASSERT_GT(requester_.sent().size(), *sent_before);
  for (size_t i = *sent_before; i < requester_.sent().size(); ++i) {
    EXPECT_THAT(requester_.sent()[i].swarm, IsSupersetOf(gained));
  }
}

TEST_F(SwarmTransitionTest, CursorsOfThoseThatStayGoOnWhereTheyWere) {
  ASSERT_THAT(Store("before"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
  ASSERT_THAT(read, IsOk());
  Begin();
  swarm_.Settle();
  Complete();
  FetchDirectory();
  ASSERT_THAT(Store("after"), IsOk());
  // The new ones are read from their beginning: known messages come again.
  read = Read(PairReader(), read->cursors);
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  EXPECT_THAT(Payloads(*read), ElementsAre("after", "before"));
  read = Read(PairReader(), read->cursors);
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(read->messages, IsEmpty());
}

TEST_F(SwarmTransitionTest, NothingIsLostHoweverOftenMembersChange) {
  std::vector<std::string> sent;
  const auto send = [&](const std::string& payload) {
    const absl::StatusOr<StoreOutcome> stored = Store(payload);
    if (stored.ok()) sent.push_back(payload);
    EXPECT_THAT(Mailbox(), IsSupersetOf(sent));
    return stored;
  };
  for (int round = 0; round < 5; ++round) {
    EXPECT_THAT(send(absl::StrCat(round, ", before")), IsOk());
    Begin();
    // These may fail for now. If they do not, nothing may lose them.
    send(absl::StrCat(round, ", unheard of")).IgnoreError();
    FetchDirectory();
    send(absl::StrCat(round, ", while they fill")).IgnoreError();
    swarm_.Settle();
    EXPECT_THAT(send(absl::StrCat(round, ", all ready")), IsOk());
    // No sooner than a client fetches directories twice.
    swarm_.executor().RunFor(absl::Seconds(10));
    Complete();
    EXPECT_THAT(send(absl::StrCat(round, ", after")), IsOk());
    BringBack();
    swarm_.Settle();
    FetchDirectory();
  }
}

}  // namespace
}  // namespace messenger::client
