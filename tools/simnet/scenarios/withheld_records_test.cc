// Members of Bob's swarm withhold his records, show old ones, or mix old and
// new. All of them together delay a first text; one honest member of three ends
// that (client/SPEC.md, sections 2.2, 2.3 and 15.6). Nobody is led to a device
// that Bob has unlinked.

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/messenger/messenger.h"
#include "client/session/identity_record.h"
#include "client/store/client_store.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/simnet/device.h"
#include "tools/simnet/lying_store.h"
#include "tools/simnet/network.h"
#include "tools/simnet/scenarios/scenario.h"

namespace messenger::simnet {
namespace {

using ::messenger::client::MessageState;
using ::messenger::testing::IsOk;
using ::testing::AnyOf;
using ::testing::HasSubstr;

// Each of them shows nothing that a session can be started with.
constexpr Lie kUseless[] = {Lie::kNoRecords, Lie::kPreviousIdentity,
                            Lie::kPreviousPrekeys};

class WithheldRecordsTest : public ScenarioInEachMode {
 protected:
  // Before, Bob had only one device.
  void SetUp() override {
    ScenarioInEachMode::SetUp();
    tablet_ = &NewDevice("tablet");
    ASSERT_TRUE(network().Link(bob(), *tablet_));
  }

  Device& NewDevice(const std::string& name) {
    return network().AddDevice(name, {.mode = mode(), .awaits_link = true});
  }
  void Unlink(Device& device) {
    ASSERT_THAT(network().Unlink(bob(), device), IsOk());
    ASSERT_TRUE(network().RunUntil(
        [&] {
          return bob().messenger()->Devices().size() == 1 &&
                 bob().messenger()->published();
        },
        absl::Minutes(5)));
  }

  // All of Bob's swarm, or all but one of it.
  void SetLie(Lie lie, std::optional<size_t> honest = std::nullopt) {
    const std::vector<int> swarm = network().SwarmOf(bob().account());
    for (size_t i = 0; i < swarm.size(); ++i) {
      network().SetLie(swarm[i], i == honest ? Lie::kNone : lie);
    }
  }
  uint64_t Draw(uint64_t bound) { return chance_.Uniform(bound); }

  // Of the newest text that the device has written.
  client::Message Newest(Device& device) {
    return **device.store()->FindMessage(device.written().back().row);
  }
  // How many devices the device knows Bob to have.
  size_t Known(Device& device) {
    const auto contact = device.store()->FindContact(bob().account());
    if (!contact.ok() || !*contact) return 0;
    const auto record =
        client::IdentityRecord::Verify((*contact)->identity_record);
    return record.ok() ? record->devices().size() : 0;
  }

  crypto::SeededRandom chance_{seed() * 2 +
                               (mode() == routing::RoutingMode::kOnion)};
  Device* tablet_ = nullptr;
};

TEST_P(WithheldRecordsTest, ASwarmThatShowsNothingUsefulOnlyDelays) {
  const Lie lie = kUseless[Draw(3)];
  SetLie(lie);
  ASSERT_THAT(alice().Send(bob().account(), "are you there?"), IsOk());
  network().RunFor(absl::Seconds(60 + Draw(60)));
  const client::Message waiting = Newest(alice());
  EXPECT_EQ(waiting.state, MessageState::kWaitingForKey);
  EXPECT_THAT(waiting.detail, AnyOf(HasSubstr("no keys"), HasSubstr("prekey")));
  EXPECT_EQ(network().StoredIn(bob().account()), 0);
  // Another lie is not better than the first.
  SetLie(kUseless[Draw(3)]);
  alice().GoOffline();
  alice().GoOnline();
  network().RunFor(absl::Seconds(60));
  EXPECT_EQ(network().StoredIn(bob().account()), 0);
  SetLie(Lie::kNone);
  EXPECT_TRUE(network().RunUntil(
      [&] { return !bob().inbox().empty() && !tablet_->inbox().empty(); },
      absl::Minutes(15)));
  network().RunFor(absl::Seconds(60));
  EXPECT_EQ(bob().inbox().size(), 1u);
  EXPECT_EQ(tablet_->inbox().size(), 1u);
  EXPECT_EQ(Newest(alice()).state, MessageState::kSent);
}

// Bob has had a tablet, and has none any more.
class UnlinkedTest : public WithheldRecordsTest {
 protected:
  void SetUp() override {
    WithheldRecordsTest::SetUp();
    ASSERT_NO_FATAL_FAILURE(Unlink(*tablet_));
    network().RunFor(absl::Seconds(30));
  }
};

// A read quorum of three members is two; both of them may lie.
TEST_P(UnlinkedTest, OneHonestMemberIsHeard) {
  const Lie lies[] = {Lie::kNoRecords, Lie::kPreviousRecords,
                      Lie::kPreviousIdentity, Lie::kPreviousPrekeys};
  SetLie(lies[Draw(4)], /*honest=*/Draw(3));
  const int to_the_tablet = network().StoredIn(tablet_->inbox_account());
  ASSERT_THAT(alice().Send(bob().account(), "are you there?"), IsOk());
  EXPECT_TRUE(RunUntilDelivered(absl::Minutes(2)));
  EXPECT_EQ(Known(alice()), 1u) << "the newest list";
  EXPECT_EQ(network().StoredIn(tablet_->inbox_account()), to_the_tablet);
}

TEST_P(UnlinkedTest, OldVersionsBesideTheNewestChangeNothing) {
  SetLie(Lie::kEveryVersion);
  const int to_the_tablet = network().StoredIn(tablet_->inbox_account());
  ASSERT_THAT(alice().Send(bob().account(), "are you there?"), IsOk());
  EXPECT_TRUE(RunUntilDelivered(absl::Minutes(2)));
  EXPECT_EQ(Known(alice()), 1u);
  EXPECT_EQ(network().StoredIn(tablet_->inbox_account()), to_the_tablet);
}

// Alice has written with Bob before, and knows his newest list of devices.
class AcquaintedTest : public UnlinkedTest {
 protected:
  void SetUp() override {
    UnlinkedTest::SetUp();
    laptop_ = &NewDevice("laptop");
    ASSERT_THAT(alice().Send(bob().account(), "hello"), IsOk());
    ASSERT_TRUE(RunUntilDelivered()) << network().Missing();
    ASSERT_THAT(bob().Send(alice().account(), "hello, Alice"), IsOk());
    ASSERT_TRUE(RunUntilDelivered()) << network().Missing();
  }
  // Whoever has heard of a change reads the list before the next text.
  void ExpectToHaveHeardOf(size_t devices) {
    network().RunFor(absl::Seconds(60));
    ASSERT_THAT(alice().Send(bob().account(),
                             absl::StrCat("are these your devices: ", devices)),
                IsOk());
    EXPECT_TRUE(RunUntilDelivered()) << network().Missing();
    EXPECT_EQ(Known(alice()), devices);
  }

  Device* laptop_ = nullptr;
};

// Before Bob had a laptop there was a tablet; after it there is none.
TEST_P(AcquaintedTest, WhoKnowsTheNewestListIsNotTakenBack) {
  ASSERT_TRUE(network().Link(bob(), *laptop_));
  ASSERT_NO_FATAL_FAILURE(ExpectToHaveHeardOf(2));
  ASSERT_THAT(alice().Send(bob().account(), "to both"), IsOk());
  ASSERT_TRUE(RunUntilDelivered()) << network().Missing();
  EXPECT_FALSE(laptop_->inbox().empty());
  ASSERT_NO_FATAL_FAILURE(Unlink(*laptop_));
  ASSERT_NO_FATAL_FAILURE(ExpectToHaveHeardOf(1));
  // The list with the laptop, and the keys that were made for it.
  SetLie(Lie::kPreviousRecords);
  const int to_the_laptop = network().StoredIn(laptop_->inbox_account());
  const size_t on_the_laptop = laptop_->inbox().size();
  alice().GoOffline();
  alice().GoOnline();
  for (const char* text : {"one", "two"}) {
    ASSERT_THAT(alice().Send(bob().account(), text), IsOk());
    EXPECT_TRUE(RunUntilDelivered()) << "the session goes on";
  }
  EXPECT_EQ(Known(alice()), 1u);
  EXPECT_EQ(network().StoredIn(laptop_->inbox_account()), to_the_laptop);
  EXPECT_EQ(laptop_->inbox().size(), on_the_laptop);
}

// The first text to a new device, once Alice has heard of it.
TEST_P(AcquaintedTest, TheKeysOfANewDeviceCanBeWithheldForAWhile) {
  std::vector<int> liars = network().SwarmOf(laptop_->account());
  ASSERT_TRUE(network().Link(bob(), *laptop_));
  network().RunFor(absl::Seconds(60));
  for (const int node : liars) network().SetLie(node, Lie::kNoRecords);
  ASSERT_THAT(alice().Send(bob().account(), "to both"), IsOk());
  const auto arrived = [&](Device& device, absl::Duration limit) {
    return network().RunUntil(
        [&] {
          return !device.inbox().empty() &&
                 device.inbox().back().text == "to both";
        },
        limit);
  };
  EXPECT_TRUE(arrived(bob(), absl::Minutes(3)))
      << "the other device is not delayed";
  EXPECT_EQ(Known(alice()), 2u);
  SetLie(Lie::kPreviousRecords);
  EXPECT_FALSE(arrived(*laptop_, absl::Minutes(3)));
  EXPECT_EQ(Newest(alice()).state, MessageState::kSent) << "to one of them";
  for (const int node : liars) network().SetLie(node, Lie::kNone);
  SetLie(Lie::kNone);
  EXPECT_TRUE(arrived(*laptop_, absl::Minutes(15)));
  EXPECT_TRUE(RunUntilDelivered()) << network().Missing();
}

INSTANTIATE_TEST_SUITE_P(Seeds, WithheldRecordsTest, SeedsInEachMode(4),
                         NameOfSeedAndMode);
INSTANTIATE_TEST_SUITE_P(Seeds, UnlinkedTest, SeedsInEachMode(3),
                         NameOfSeedAndMode);
INSTANTIATE_TEST_SUITE_P(Seeds, AcquaintedTest, SeedsInEachMode(2),
                         NameOfSeedAndMode);

}  // namespace
}  // namespace messenger::simnet
