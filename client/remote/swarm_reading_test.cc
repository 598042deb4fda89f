// A reader before real members: waiting for the next message, members that are
// filling, and bringing members what they lack.

#include <algorithm>
#include <functional>
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
#include "swarm/proto/storage.pb.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class SwarmReadingTest : public SwarmClientFixture {
 protected:
  // No request to store reaches the node; everything else does.
  void KeepStoresFrom(int node) {
    requester_.set_interceptor(
        [id = swarm_.node(node).id](const OnionRequester::Request& request)
            -> std::optional<absl::StatusOr<std::string>> {
          swarm::v1::ClientRequest parsed;
          EXPECT_TRUE(parsed.ParseFromString(request.bytes));
          if (request.destination != id || !parsed.has_store()) {
            return std::nullopt;
          }
          return absl::UnavailableError("a path broke");
        });
  }

  // Only the two other members get the message.
  void StoreWithout(int node, const std::string& payload) {
    KeepStoresFrom(node);
    CutOff({node});
    ASSERT_THAT(Store(payload), IsOk());
    ASSERT_FALSE(Holds(node, payload));
    ASSERT_EQ(Holding(payload), 2);
  }

  size_t RepairsSent() {
    return static_cast<size_t>(
        std::count_if(requester_.sent().begin(), requester_.sent().end(),
                      [](const OnionRequester::Request& sent) {
                        swarm::v1::ClientRequest request;
                        EXPECT_TRUE(request.ParseFromString(sent.bytes));
                        return request.has_repair();
                      }));
  }
};

// --------------------------------------------------------------- read repair
// --

TEST_F(SwarmReadingTest, AMemberThatLacksAMessageGetsItFromTheReader) {
  const int away = Members()[0];
  StoreWithout(away, "hello");
  EXPECT_THAT(Mailbox(), ElementsAre("hello"));
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_FALSE(Holds(away, "hello")) << "it may have been on its way";
  EXPECT_THAT(Mailbox(), ElementsAre("hello"));
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_TRUE(Holds(away, "hello"));
  EXPECT_EQ(RepairsSent(), 1u);
}

TEST_F(SwarmReadingTest, WhatIsReadWithCursorsIsRepairedAsWell) {
  const int away = Members()[0];
  StoreWithout(away, "hello");
  Cursors cursors;
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<RetrieveOutcome> read = Read(PairReader(), cursors);
    ASSERT_THAT(read, IsOk());
    ASSERT_TRUE(read->complete);
    cursors = read->cursors;
  }
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_TRUE(Holds(away, "hello"));
}

TEST_F(SwarmReadingTest, RepairNeverDelaysAReading) {
  // Forty messages are three requests, with a pause between.
  const int away = Members()[0];
  for (int i = 0; i < 40; ++i) StoreWithout(away, absl::StrCat("text ", i));
  Mailbox();
  const absl::Time start = swarm_.clock().Now();
  EXPECT_THAT(Mailbox(), SizeIs(40));
  EXPECT_LT(swarm_.clock().Now() - start, absl::Seconds(1));
  swarm_.executor().RunFor(absl::Seconds(10));
  for (int i = 0; i < 40; ++i) {
    EXPECT_TRUE(Holds(away, absl::StrCat("text ", i))) << i;
  }
  EXPECT_EQ(RepairsSent(), 3u);
}

TEST_F(SwarmReadingTest, AMemberThatGotTheMessageMeanwhileIsLeftAlone) {
  const int away = Members()[0];
  StoreWithout(away, "hello");
  EXPECT_THAT(Mailbox(), ElementsAre("hello"));
  // The members' own repair is quicker.
  swarm_.network().Heal();
  swarm_.executor().RunFor(absl::Minutes(2));
  EXPECT_TRUE(Holds(away, "hello"));
  EXPECT_THAT(Mailbox(), ElementsAre("hello"));
  EXPECT_THAT(Mailbox(), ElementsAre("hello"));
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_EQ(RepairsSent(), 0u);
}

TEST_F(SwarmReadingTest, AnIncompleteReadingRepairsNothing) {
  const std::vector<int> members = Members();
  StoreWithout(members[0], "hello");
  swarm_.Crash(members[1]);
  swarm_.Crash(members[2]);
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
    ASSERT_THAT(read, IsOk());
    EXPECT_FALSE(read->complete);
    EXPECT_THAT(read->messages, IsEmpty());
  }
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_EQ(RepairsSent(), 0u);
}

// ------------------------------------------------------------------- filling
// --

TEST_F(SwarmReadingTest, AMemberWhoseDiskWasLostDoesNotCountUntilItIsFilled) {
  ASSERT_THAT(Store("hello"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  const std::vector<int> members = Members();
  CutOff({members[0]});
  swarm_.Wipe(members[0]);
  const absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  EXPECT_EQ(read->members_answered, 2);
  EXPECT_THAT(read->answered, Not(Contains(swarm_.node(members[0]).id)));

  swarm_.network().Heal();
  swarm_.Settle();
  const absl::StatusOr<RetrieveOutcome> later = Read(PairReader());
  ASSERT_THAT(later, IsOk());
  EXPECT_EQ(later->members_answered, 3);
  EXPECT_TRUE(Holds(members[0], "hello"));
}

TEST_F(SwarmReadingTest, AnEmptyDiskAndASilentMemberAreNoCompleteReading) {
  // The message is on two disks; one is lost, the other's node is silent. What
  // is left never had it, and must not be taken for all there is.
  const std::vector<int> members = Members();
  StoreWithout(members[0], "hello");
  swarm_.Crash(members[1]);
  swarm_.Wipe(members[2]);
  const absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_FALSE(read->complete);
  EXPECT_THAT(read->answered, ElementsAre(swarm_.node(members[0]).id));

  swarm_.Restart(members[1]);
  swarm_.network().Heal();
  swarm_.Settle();
  EXPECT_THAT(Mailbox(), ElementsAre("hello"));
}

TEST_F(SwarmReadingTest, RecordsOfAFillingMemberDoNotCountEither) {
  const auto put = [&](uint64_t seq, std::string body) {
    return Await<StoreOutcome>([&](Done<StoreOutcome> done) {
      client_->PutRecord(account_.id(), account_.signing_key(),
                         swarm::MailboxNamespace::kPrekeyRecords, {}, seq,
                         std::move(body), std::move(done));
    });
  };
  const auto get = [&] {
    return Await<std::vector<swarm::Record>>(
        [&](Done<std::vector<swarm::Record>> done) {
          client_->GetRecords(account_.id(),
                              swarm::MailboxNamespace::kPrekeyRecords,
                              std::move(done));
        });
  };
  ASSERT_THAT(put(1, "body"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  const std::vector<int> members = swarm_.Members(Inbox());
  CutOff({members[0], members[1]});
  swarm_.Wipe(members[0]);
  const auto one = get();
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(*one, SizeIs(1));
  EXPECT_EQ(one->front().body, "body");
  swarm_.Wipe(members[1]);
  EXPECT_THAT(get(), StatusIs(absl::StatusCode::kUnavailable));
}

// ---------------------------------------------------------------------- wait
// --

class SwarmWaitTest : public SwarmReadingTest {
 protected:
  struct Waited {
    std::optional<absl::StatusOr<RetrieveOutcome>> outcome;
    absl::Time ended;
  };

  // A wait that goes on while the test does.
  std::shared_ptr<Waited> StartWait(absl::Duration timeout = absl::Seconds(55),
                                    Cursors cursors = {}) {
    auto waited = std::make_shared<Waited>();
    client_->Wait(PairReader(), std::move(cursors), timeout,
                  [this, waited](absl::StatusOr<RetrieveOutcome> outcome) {
                    waited->outcome = std::move(outcome);
                    waited->ended = swarm_.clock().Now();
                  });
    return waited;
  }
  // Whom the client is waiting at.
  int Primary() { return swarm_.IndexOf(requester_.sent().back().destination); }
};

TEST_F(SwarmWaitTest, AMessageThatIsStoredMeanwhileComesAtOnce) {
  const auto waited = StartWait();
  swarm_.executor().RunFor(absl::Seconds(20));
  ASSERT_FALSE(waited->outcome.has_value());
  const absl::Time start = swarm_.clock().Now();
  ASSERT_THAT(Store("hello"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(1));
  ASSERT_TRUE(waited->outcome.has_value());
  ASSERT_THAT(*waited->outcome, IsOk());
  EXPECT_THAT(Payloads(**waited->outcome), ElementsAre("hello"));
  EXPECT_FALSE((*waited->outcome)->complete) << "one member is no quorum";
  EXPECT_LT(waited->ended - start, absl::Milliseconds(500));
}

TEST_F(SwarmWaitTest, WhatIsThereAlreadyComesAtOnceAndIsNotWaitedForAgain) {
  ASSERT_THAT(Store("hello"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  const absl::Time start = swarm_.clock().Now();
  const absl::StatusOr<RetrieveOutcome> first = Wait(PairReader());
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(Payloads(*first), ElementsAre("hello"));
  EXPECT_LT(swarm_.clock().Now() - start, absl::Seconds(1));
  const absl::StatusOr<RetrieveOutcome> second =
      Wait(PairReader(), first->cursors, absl::Seconds(10));
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(second->messages, IsEmpty());
  EXPECT_GT(swarm_.clock().Now() - start, absl::Seconds(10));
}

TEST_F(SwarmWaitTest, EndsAtItsTimeWithNothing) {
  for (const absl::Duration timeout :
       {absl::Seconds(3), absl::Seconds(55), absl::Hours(1)}) {
    const absl::Time start = swarm_.clock().Now();
    const absl::StatusOr<RetrieveOutcome> nothing =
        Wait(PairReader(), {}, timeout);
    ASSERT_THAT(nothing, IsOk());
    EXPECT_THAT(nothing->messages, IsEmpty());
    EXPECT_FALSE(nothing->more);
    const absl::Duration took = swarm_.clock().Now() - start;
    EXPECT_GE(took, std::min(timeout, absl::Seconds(55)));
    EXPECT_LT(took, std::min(timeout, absl::Seconds(55)) + absl::Seconds(1));
  }
}

TEST_F(SwarmWaitTest, OneReaderCannotOccupyAMember) {
  std::vector<std::shared_ptr<Waited>> waits;
  for (int i = 0; i < 16; ++i) waits.push_back(StartWait());
  swarm_.executor().RunFor(absl::Seconds(1));
  const int first = Primary();
  const auto one_too_many = StartWait();
  swarm_.executor().RunFor(absl::Seconds(1));
  ASSERT_TRUE(one_too_many->outcome.has_value());
  EXPECT_EQ(RefusalOf(one_too_many->outcome->status()).reason,
            RefusalReason::kBusy);
  // The next one is at another member.
  waits.push_back(StartWait());
  swarm_.executor().RunFor(absl::Seconds(1));
  EXPECT_NE(Primary(), first);
  for (const auto& waited : waits) {
    EXPECT_FALSE(waited->outcome.has_value());
  }
  ASSERT_THAT(Store("hello"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(1));
  for (const auto& waited : waits) {
    ASSERT_TRUE(waited->outcome.has_value());
    ASSERT_THAT(*waited->outcome, IsOk());
    EXPECT_THAT(Payloads(**waited->outcome), ElementsAre("hello"));
  }
}

TEST_F(SwarmWaitTest, EndsAlsoWhenAPeerBringsTheMessageLate) {
  const auto waited = StartWait();
  swarm_.executor().RunFor(absl::Seconds(1));
  StoreWithout(Primary(), "hello");
  swarm_.executor().RunFor(absl::Seconds(2));
  ASSERT_FALSE(waited->outcome.has_value());
  swarm_.network().Heal();
  swarm_.executor().RunFor(absl::Seconds(20));
  ASSERT_TRUE(waited->outcome.has_value());
  ASSERT_THAT(*waited->outcome, IsOk());
  EXPECT_THAT(Payloads(**waited->outcome), ElementsAre("hello"));
}

TEST_F(SwarmWaitTest, IsNotAnsweredByAMemberThatIsFilling) {
  const auto first = StartWait(absl::Seconds(1));
  swarm_.executor().RunFor(absl::Seconds(2));
  ASSERT_TRUE(first->outcome.has_value());
  const int primary = Primary();
  CutOff({primary});
  swarm_.Wipe(primary);
  EXPECT_EQ(RefusalOf(Wait(PairReader()).status()).reason,
            RefusalReason::kFilling);
  EXPECT_THAT(Wait(PairReader()), IsOk());
  EXPECT_NE(Primary(), primary);
}

TEST_F(SwarmWaitTest, GoesToAnotherMemberWhenItsOwnHasDied) {
  const auto waited = StartWait();
  swarm_.executor().RunFor(absl::Seconds(1));
  const int primary = Primary();
  swarm_.Crash(primary);
  swarm_.executor().RunFor(absl::Seconds(65));
  ASSERT_TRUE(waited->outcome.has_value());
  EXPECT_FALSE(waited->outcome->ok());
  ASSERT_THAT(Store("hello"), IsOk());
  const absl::StatusOr<RetrieveOutcome> next = Wait(PairReader());
  ASSERT_THAT(next, IsOk());
  EXPECT_THAT(Payloads(*next), ElementsAre("hello"));
}

}  // namespace
}  // namespace messenger::client
