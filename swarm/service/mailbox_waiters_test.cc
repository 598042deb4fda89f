#include "swarm/service/mailbox_waiters.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::swarm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

MailboxAddress Mailbox(uint32_t number) {
  std::string bytes = absl::StrCat("\x05", absl::Dec(number, absl::kZeroPad8));
  bytes.resize(33, 'm');
  return *MailboxAddress::FromBytes(bytes);
}

class MailboxWaitersTest : public ::testing::Test {
 protected:
  MailboxWaitersTest()
      : executor_(clock_),
        waiters_(std::make_unique<MailboxWaiters>(executor_)) {}

  // Ends are noted as the name, with a ! where a message came.
  bool Wait(const std::string& name, const MailboxAddress& mailbox,
            absl::Duration time = absl::Seconds(55)) {
    return waiters_->Wait(mailbox, time, [this, name](bool came) {
      ended_.push_back(absl::StrCat(name, came ? "!" : ""));
    });
  }
  void Notify(const MailboxAddress& mailbox) {
    waiters_->Notify(mailbox);
    executor_.RunUntilIdle();
  }

  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_;
  std::unique_ptr<MailboxWaiters> waiters_;
  std::vector<std::string> ended_;
};

TEST_F(MailboxWaitersTest, AMessageEndsTheWaitOfItsMailboxOnly) {
  Wait("a", Mailbox(1));
  Wait("b", Mailbox(2));
  Wait("c", Mailbox(1));
  Notify(Mailbox(1));
  EXPECT_THAT(ended_, UnorderedElementsAre("a!", "c!"));
  EXPECT_EQ(waiters_->waiting(), 1u);
}

TEST_F(MailboxWaitersTest, EndsWhenTheTimeHasPassed) {
  Wait("a", Mailbox(1), absl::Seconds(10));
  executor_.RunFor(absl::Seconds(10) - absl::Milliseconds(1));
  EXPECT_THAT(ended_, IsEmpty());
  executor_.RunFor(absl::Milliseconds(1));
  EXPECT_THAT(ended_, ElementsAre("a"));
  EXPECT_EQ(waiters_->waiting(), 0u);
}

TEST_F(MailboxWaitersTest, EndsOnce) {
  Wait("a", Mailbox(1), absl::Seconds(10));
  waiters_->Notify(Mailbox(1));
  waiters_->Notify(Mailbox(1));
  executor_.RunFor(absl::Minutes(1));
  Notify(Mailbox(1));
  EXPECT_THAT(ended_, ElementsAre("a!"));
  EXPECT_EQ(executor_.pending_timers(), 0u);
}

TEST_F(MailboxWaitersTest, AMessageAtTheLastInstantCame) {
  Wait("a", Mailbox(1), absl::Seconds(10));
  executor_.RunFor(absl::Seconds(10) - absl::Milliseconds(1));
  waiters_->Notify(Mailbox(1));
  executor_.RunFor(absl::Seconds(1));
  EXPECT_THAT(ended_, ElementsAre("a!"));
}

TEST_F(MailboxWaitersTest, NobodyIsCalledInsideACall) {
  Wait("now", Mailbox(1), absl::ZeroDuration());
  EXPECT_THAT(ended_, IsEmpty());
  executor_.RunUntilIdle();
  EXPECT_THAT(ended_, ElementsAre("now"));
  Wait("a", Mailbox(1));
  waiters_->Notify(Mailbox(1));
  EXPECT_THAT(ended_, ElementsAre("now"));
  executor_.RunUntilIdle();
  EXPECT_THAT(ended_, ElementsAre("now", "a!"));
}

TEST_F(MailboxWaitersTest, OneThatWaitsAgainWaitsForTheNextMessage) {
  waiters_->Wait(Mailbox(1), absl::Seconds(10),
                 [this](bool) { Wait("again", Mailbox(1)); });
  Notify(Mailbox(1));
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_EQ(waiters_->waiting(), 1u);
  Notify(Mailbox(1));
  EXPECT_THAT(ended_, ElementsAre("again!"));
}

TEST_F(MailboxWaitersTest, AMessageNobodyWaitsForIsNotRemembered) {
  Notify(Mailbox(1));
  Wait("a", Mailbox(1));
  executor_.RunFor(absl::Seconds(54));
  EXPECT_THAT(ended_, IsEmpty());
}

TEST_F(MailboxWaitersTest, SixteenMayWaitForOneMailbox) {
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(Wait("first", Mailbox(1)));
  EXPECT_FALSE(Wait("refused", Mailbox(1)));
  EXPECT_TRUE(Wait("other", Mailbox(2)));
  Notify(Mailbox(1));
  EXPECT_EQ(ended_, std::vector<std::string>(16, "first!"));
  EXPECT_TRUE(Wait("next", Mailbox(1)));
}

TEST_F(MailboxWaitersTest, PlacesBecomeFreeOneByOneAsTimesPass) {
  for (int i = 0; i < 16; ++i) {
    Wait(absl::StrCat(i), Mailbox(1), absl::Seconds(16 - i));
  }
  executor_.RunFor(absl::Seconds(2));
  EXPECT_THAT(ended_, ElementsAre("15", "14"));
  EXPECT_TRUE(Wait("a", Mailbox(1)));
  EXPECT_TRUE(Wait("b", Mailbox(1)));
  EXPECT_FALSE(Wait("c", Mailbox(1)));
  // The ended ones left, and not the first.
  Notify(Mailbox(1));
  EXPECT_EQ(ended_.size(), 2u + 16u);
}

TEST_F(MailboxWaitersTest, FourThousandMayWaitAtANode) {
  for (uint32_t i = 0; i < 4096; ++i) ASSERT_TRUE(Wait("x", Mailbox(i)));
  EXPECT_FALSE(Wait("refused", Mailbox(5000)));
  Notify(Mailbox(7));
  EXPECT_TRUE(Wait("next", Mailbox(5000)));
  EXPECT_FALSE(Wait("refused", Mailbox(5001)));
  executor_.RunFor(absl::Seconds(55));
  EXPECT_EQ(ended_.size(), 4097u);
  EXPECT_EQ(waiters_->waiting(), 0u);
}

TEST_F(MailboxWaitersTest, WhenItGoesNobodyIsCalledAnyMore) {
  Wait("a", Mailbox(1), absl::Seconds(1));
  Wait("b", Mailbox(2), absl::Seconds(1));
  waiters_->Notify(Mailbox(2));
  waiters_.reset();
  EXPECT_EQ(executor_.pending_timers(), 0u);
  executor_.RunFor(absl::Minutes(1));
  EXPECT_THAT(ended_, IsEmpty());
}

}  // namespace
}  // namespace messenger::swarm
