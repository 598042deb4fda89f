#include "swarm/placement/placement.h"

#include <set>
#include <string>

#include "absl/time/time.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/testing/test_network.h"

namespace messenger::swarm {
namespace {

using routing::TestNetwork;
using ::testing::Contains;
using ::testing::Not;
using ::testing::SizeIs;

class PlacementTest : public ::testing::Test {
 protected:
  MailboxAddress Mailbox() {
    return *MailboxAddress::FromBytes("\x05" + random_.String(32));
  }

  crypto::SeededRandom random_{1};
  TestNetwork network_{8, TestNetwork::SmallParams(), random_,
                       absl::FromUnixSeconds(1'900'000'000)};
};

TEST_F(PlacementTest, AMailboxHasAsManyMembersAsTheDirectorySays) {
  const Placement placement(network_.consensus());
  EXPECT_EQ(placement.write_quorum(), 2);
  EXPECT_EQ(placement.read_quorum(), 2);
  for (int i = 0; i < 100; ++i) {
    const MailboxAddress mailbox = Mailbox();
    const auto members = placement.Members(mailbox);
    EXPECT_THAT(members, SizeIs(3));
    EXPECT_THAT(std::set<routing::NodeId>(members.begin(), members.end()),
                SizeIs(3));
    EXPECT_EQ(placement.Members(mailbox), members);
    for (const routing::NodeId& member : members) {
      EXPECT_TRUE(placement.IsMember(mailbox, member));
    }
    EXPECT_FALSE(placement.IsMember(mailbox, routing::NodeId()));
  }
}

TEST_F(PlacementTest, ANodeThatDoesNotRunKeepsItsMailboxes) {
  const Placement before(network_.consensus());
  const Placement after(network_.Reissue(
      [](TestNetwork::Draft& draft) { draft.nodes[3].running = false; }));
  for (int i = 0; i < 100; ++i) {
    const MailboxAddress mailbox = Mailbox();
    EXPECT_EQ(before.Members(mailbox), after.Members(mailbox));
  }
}

TEST_F(PlacementTest, AnInactiveNodeAndAMereRelayHoldNothing) {
  const Placement placement(network_.Reissue([](TestNetwork::Draft& draft) {
    draft.nodes[3].storage_state = routing::StorageState::kWaiting;
    draft.nodes[4].descriptor.storage_role = false;
    draft.nodes[4].descriptor.storage = {};
    draft.nodes[4].descriptor.storage_key = {};
    draft.nodes[4].storage_state = routing::StorageState::kNone;
  }));
  for (int i = 0; i < 100; ++i) {
    const auto members = placement.Members(Mailbox());
    EXPECT_THAT(members, SizeIs(3));
    EXPECT_THAT(members, Not(Contains(network_.node(3).id())));
    EXPECT_THAT(members, Not(Contains(network_.node(4).id())));
  }
}

TEST_F(PlacementTest, AnOperatorIsNotTwiceInASwarmWhileThatCanBeAvoided) {
  const Placement placement(network_.Reissue([](TestNetwork::Draft& draft) {
    for (int i = 1; i < 6; ++i) {
      draft.nodes[i].descriptor.operator_key =
          draft.nodes[0].descriptor.operator_key;
    }
  }));
  for (int i = 0; i < 100; ++i) {
    int of_one_operator = 0;
    for (const routing::NodeId& member : placement.Members(Mailbox())) {
      of_one_operator += network_.IndexOf(member) < 6;
    }
    EXPECT_EQ(of_one_operator, 1);
  }
}

}  // namespace
}  // namespace messenger::swarm
