// Histories by hand, good and bad: the simulator's word is worth what this is.

#include "tools/simnet/swarm/ledger.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace messenger::simnet {
namespace {

constexpr int kMailbox = 0;
constexpr int kOther = 1;

class LedgerTest : public ::testing::Test {
 protected:
  static absl::Time At(int seconds) {
    return absl::FromUnixSeconds(1'000'000 + seconds);
  }
  static swarm::MessageId Id(char name) {
    swarm::MessageId id;
    id.data()[0] = name;
    return id;
  }
  // Begun at `from`, confirmed a second later, lives for an hour.
  void Send(char name, int from, int life = 3600) {
    ledger_->Sending(kMailbox, Id(name), At(from + life), At(from));
    ledger_->Sent(Id(name), At(from + 1));
  }
  // Takes a second, too.
  void Read(const std::string& names, int from, bool complete = true,
            bool final_reading = false) {
    Ledger::Reading reading;
    reading.begun = At(from);
    reading.complete = complete;
    reading.final_reading = final_reading;
    for (const char name : names) reading.ids.push_back(Id(name));
    ledger_->Read(device_, reading, At(from + 1));
  }
  // The checks that failed, in order.
  std::string Broken() const {
    std::string all;
    for (const Violation& violation : ledger_->violations()) {
      all += (all.empty() ? "" : " ") + violation.check;
    }
    return all;
  }

  std::optional<Ledger> ledger_{Ledger::Rules{}};
  int device_ = ledger_->AddDevice(kMailbox);
};

TEST_F(LedgerTest, SentAndReadIsFine) {
  Send('a', 0);
  Read("a", 10);
  EXPECT_EQ(Broken(), "");
  EXPECT_EQ(ledger_->figures().sent, 1u);
  EXPECT_EQ(ledger_->figures().messages_read, 1u);
}

TEST_F(LedgerTest, SentAndNotInACompleteReadingIsLost) {
  Send('a', 0);
  Read("", 10);
  EXPECT_EQ(Broken(), "lost");
}

TEST_F(LedgerTest, IncompleteReadingMayMissAnything) {
  Send('a', 0);
  Read("", 10, /*complete=*/false);
  EXPECT_EQ(Broken(), "");
}

TEST_F(LedgerTest, WhatWasReadNeedNotBeReadAgain) {
  Send('a', 0);
  Read("a", 10);
  Read("", 20);
  EXPECT_EQ(Broken(), "");
}

TEST_F(LedgerTest, ReinstalledDeviceMustReadAgain) {
  Send('a', 0);
  Read("a", 10);
  ledger_->Reinstall(device_);
  Read("", 20);
  EXPECT_EQ(Broken(), "lost");
}

TEST_F(LedgerTest, EveryDeviceReadsEverything) {
  Send('a', 0);
  Read("a", 10);
  device_ = ledger_->AddDevice(kMailbox);
  Read("", 20);
  EXPECT_EQ(Broken(), "lost");
}

TEST_F(LedgerTest, UnconfirmedMayBeThereOrNot) {
  ledger_->Sending(kMailbox, Id('a'), At(3600), At(0));
  Read("", 10);
  Read("a", 20);
  Read("", 30);
  EXPECT_EQ(Broken(), "");
}

TEST_F(LedgerTest, ConfirmedWhileTheReadingRanMayBeMissed) {
  Send('a', 9);
  Read("", 9);
  EXPECT_EQ(Broken(), "");
}

TEST_F(LedgerTest, PhantomIsNoticed) {
  Read("a", 10);
  EXPECT_EQ(Broken(), "phantom");
}

TEST_F(LedgerTest, MessageOfAnotherMailboxIsAPhantom) {
  ledger_->Sending(kOther, Id('a'), At(3600), At(0));
  Read("a", 10);
  EXPECT_EQ(Broken(), "phantom");
}

TEST_F(LedgerTest, ConfirmationOfWhatNobodySentIsAPhantom) {
  ledger_->Sent(Id('a'), At(0));
  EXPECT_EQ(Broken(), "phantom");
}

TEST_F(LedgerTest, TwiceInOneReadingIsADuplicate) {
  Send('a', 0);
  Read("aa", 10);
  EXPECT_EQ(Broken(), "duplicate");
}

TEST_F(LedgerTest, AgainInALaterReadingIsARepeat) {
  Send('a', 0);
  Read("a", 10);
  Read("a", 20);
  EXPECT_EQ(Broken(), "");
  EXPECT_EQ(ledger_->figures().repeats, 1u);
}

TEST_F(LedgerTest, RetryIsTheSameMessage) {
  Send('a', 0);
  Send('a', 100);
  EXPECT_EQ(ledger_->figures().begun, 1u);
  EXPECT_EQ(ledger_->figures().sent, 1u);
  EXPECT_EQ(ledger_->Find(Id('a'))->expiry, At(3600));
}

TEST_F(LedgerTest, ExpiredMayBeGone) {
  Send('a', 0, /*life=*/100);
  Read("", 100);
  EXPECT_EQ(Broken(), "");
}

TEST_F(LedgerTest, GoneLongBeforeItsExpiryIsLost) {
  Send('a', 0, /*life=*/100);
  Read("", 30);
  EXPECT_EQ(Broken(), "lost");
}

TEST_F(LedgerTest, ReadMoreThanAMinuteAfterItsExpiryIsLate) {
  Send('a', 0, /*life=*/100);
  Read("a", 159);
  EXPECT_EQ(Broken(), "");
  Read("a", 161);
  EXPECT_EQ(Broken(), "late");
}

TEST_F(LedgerTest, ClockErrorWidensTheMargins) {
  ledger_.emplace(Ledger::Rules{.clock_error = absl::Seconds(30),
                                .late_error = absl::ZeroDuration(),
                                .hiding_members = false});
  device_ = ledger_->AddDevice(kMailbox);
  Send('a', 0, /*life=*/100);
  Read("", 11);  // may be gone 90 s before
  Read("a", 189);
  EXPECT_EQ(Broken(), "");
  Read("a", 191);
  EXPECT_EQ(Broken(), "late");
}

TEST_F(LedgerTest, DeletionThatWasAskedForMayHaveHappened) {
  Send('a', 0);
  ledger_->Deleting({Id('a')}, absl::InfinitePast(), At(5));
  Read("", 10);
  Read("a", 20);
  EXPECT_EQ(Broken(), "");
}

TEST_F(LedgerTest, ConfirmedDeletionBindsTheFinalReading) {
  Send('a', 0);
  ledger_->Deleting({Id('a')}, absl::InfinitePast(), At(5));
  ledger_->Deleted({Id('a')}, absl::InfinitePast(), At(6));
  Read("a", 10);
  EXPECT_EQ(Broken(), "");
  EXPECT_EQ(ledger_->figures().read_after_deletion, 1u);
  Read("a", 20, /*complete=*/true, /*final_reading=*/true);
  EXPECT_EQ(Broken(), "resurrected");
}

TEST_F(LedgerTest, ShorterLifeEndsWhenItIsTo) {
  Send('a', 0);
  ledger_->Deleting({Id('a')}, At(500), At(5));
  ledger_->Deleted({Id('a')}, At(500), At(6));
  Read("a", 499, true, /*final_reading=*/true);
  EXPECT_EQ(Broken(), "");
  ledger_->Reinstall(device_);
  Read("", 100);
  EXPECT_EQ(Broken(), "lost");
  Read("a", 501, true, /*final_reading=*/true);
  EXPECT_EQ(Broken(), "lost resurrected");
}

TEST_F(LedgerTest, PurgeEndsWhatExpiresByItsTime) {
  Send('a', 0, /*life=*/1000);
  Send('b', 0, /*life=*/2000);
  ledger_->Purging(kMailbox, At(1500), At(5));
  ledger_->Purged(kMailbox, At(1500), At(6));
  Read("b", 10, true, /*final_reading=*/true);
  EXPECT_EQ(Broken(), "");
  Read("a", 10, true, /*final_reading=*/true);
  EXPECT_EQ(Broken(), "resurrected");
}

TEST_F(LedgerTest, PurgeIsAboutWhatIsYetToArrive) {
  ledger_->Purging(kMailbox, At(1500), At(5));
  Send('a', 10, /*life=*/1000);
  Read("", 20);
  EXPECT_EQ(Broken(), "");
}

TEST_F(LedgerTest, PurgeSparesWhatExpiresLater) {
  Send('a', 0, /*life=*/2000);
  ledger_->Purging(kMailbox, At(1500), At(5));
  Read("", 20);
  EXPECT_EQ(Broken(), "lost");
}

TEST_F(LedgerTest, PurgeEndsWhatWasShortenedIntoItsReach) {
  for (const char name : {'a', 'b'}) {
    Send(name, 0, /*life=*/2000);
    if (name == 'b') {
      ledger_->Purging(kMailbox, At(1500), At(7));
      ledger_->Purged(kMailbox, At(1500), At(8));
    }
    ledger_->Deleting({Id(name)}, At(1000), At(5));
    ledger_->Deleted({Id(name)}, At(1000), At(6));
  }
  Read("", 20, true, /*final_reading=*/true);
  EXPECT_EQ(Broken(), "");
  Read("a", 30, true, /*final_reading=*/true);
  EXPECT_EQ(Broken(), "resurrected");
  Read("b", 30, true, /*final_reading=*/true);
  EXPECT_EQ(Broken(), "resurrected resurrected");
}

TEST_F(LedgerTest, HidingMembersExcuseAllButTheFinalReading) {
  Ledger::Rules rules;
  rules.hiding_members = true;
  ledger_.emplace(rules);
  device_ = ledger_->AddDevice(kMailbox);
  Send('a', 0);
  Read("", 10);
  EXPECT_EQ(Broken(), "");
  EXPECT_EQ(ledger_->figures().missed_by_hiding, 1u);
  Read("", 20, true, /*final_reading=*/true);
  EXPECT_EQ(Broken(), "lost");
}

TEST_F(LedgerTest, NewestConfirmedRecordIsRead) {
  ledger_->PuttingRecord("r", 1);
  ledger_->PutRecordDone("r", 1);
  ledger_->PuttingRecord("r", 2);
  ledger_->GotRecord("r", ledger_->ConfirmedRecord("r"), 1);
  ledger_->GotRecord("r", ledger_->ConfirmedRecord("r"), 2);
  EXPECT_EQ(Broken(), "");
}

TEST_F(LedgerTest, OlderRecordThanConfirmedIsNoticed) {
  ledger_->PuttingRecord("r", 1);
  ledger_->PuttingRecord("r", 2);
  ledger_->PutRecordDone("r", 2);
  ledger_->GotRecord("r", ledger_->ConfirmedRecord("r"), 1);
  EXPECT_EQ(Broken(), "record");
}

TEST_F(LedgerTest, MissingRecordIsNoticed) {
  ledger_->PuttingRecord("r", 1);
  ledger_->PutRecordDone("r", 1);
  ledger_->GotRecord("r", ledger_->ConfirmedRecord("r"), 0);
  EXPECT_EQ(Broken(), "record");
}

TEST_F(LedgerTest, InventedRecordIsNoticed) {
  ledger_->GotRecord("r", 0, 7);
  EXPECT_EQ(Broken(), "record");
}

TEST_F(LedgerTest, SaysWhatMustExist) {
  Send('a', 0);
  Send('b', 0, /*life=*/100);
  Send('c', 0);
  ledger_->Deleting({Id('c')}, absl::InfinitePast(), At(5));
  ledger_->Sending(kMailbox, Id('d'), At(3600), At(0));
  EXPECT_EQ(ledger_->MessagesThatMustExist(At(90)),
            std::vector<swarm::MessageId>{Id('a')});
}

}  // namespace
}  // namespace messenger::simnet
