#include "swarm/repair/scrubber.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/repair/cluster_clock.h"
#include "swarm/repair/testing/reconciler_fixture.h"

namespace messenger::swarm {
namespace {

using ::testing::SizeIs;

// The first round begins within a day, and takes four hours.
constexpr absl::Duration kOneRound = absl::Hours(24 + 4 + 1);

// Our member scrubs theirs.
class ScrubberTest : public ReconcilerFixture {
 protected:
  struct Asked {
    absl::Time at;
    AskScrub ask;
  };

  ScrubberTest() {
    our_map_->me = here_;
    our_map_->endpoints[here_] = {};
    our_map_->endpoints[there_] = {};
  }

  // Peers answer with `answer`; honestly, if there is none.
  void Start(ScriptedPeer::Answer answer = nullptr) {
    if (!answer) {
      answer = [this](absl::string_view method, const std::string& request) {
        return Honest(method, request);
      };
    }
    peer_ = std::make_unique<ScriptedPeer>(
        executor_, [this, answer = std::move(answer)](
                       absl::string_view method, const std::string& request) {
          if (method == kReconcileMethod) {
            asked_.push_back(
                {clock_.Now(),
                 std::get<AskScrub>(ParseReconcileAsk(request)->level)});
          }
          return answer(method, request);
        });
    scrubber_ = std::make_unique<Scrubber>(Scrubber::Options{
        .store = *ours_,
        .caller = *peer_,
        .executor = executor_,
        .clock = clock_,
        .cluster_clock = cluster_clock_,
        .random = random_,
        .maps = [this] { return our_map_; },
        .commit =
            [this](StoreOp op, auto done) {
              executor_.Run(
                  [this, op = std::move(op), done = std::move(done)]() mutable {
                    done(ApplyTo(*ours_, std::move(op), clock_.Now()));
                  });
            },
        .on_damage = [this] { ++damages_; }});
    scrubber_->Start();
  }
  // To the end of the first round, if it comes.
  const Scrubber::Counters& Scrub(ScriptedPeer::Answer answer = nullptr) {
    Start(std::move(answer));
    executor_.RunUntil([this] { return scrubber_->counters().rounds > 0; },
                       kOneRound);
    return scrubber_->counters();
  }

  PutMessage Message(const MailboxAddress& mailbox) {
    return items_.Message(mailbox, clock_.Now() + absl::Hours(24 * 10));
  }
  // A registered mailbox, and messages that both have.
  MailboxAddress Both(int messages) {
    const MailboxAddress mailbox = Registered();
    for (int i = 0; i < messages; ++i) {
      const PutMessage put = Message(mailbox);
      ApplyTo(*ours_, put, clock_.Now());
      ApplyTo(*theirs_, put, clock_.Now());
    }
    return mailbox;
  }
  // A contact's, which has room for thousands.
  MailboxAddress Pairwise() {
    while (true) {
      const MailboxAddress mailbox = Registered();
      if (mailbox.kind() == MailboxAddress::Kind::kPairwise) return mailbox;
    }
  }
  // The same id over other bytes, as of a disk that rots or a member that lies.
  static PutMessage Damaged(PutMessage put) {
    put.payload[0] ^= 1;
    return put;
  }
  uint64_t Ours(const MailboxAddress& mailbox) const {
    return ours_->Usage(mailbox).messages;
  }
  uint64_t Theirs(const MailboxAddress& mailbox) const {
    return theirs_->Usage(mailbox).messages;
  }

  std::shared_ptr<FakeShardMap> our_map_ =
      std::make_shared<FakeShardMap>(*map_);
  ClusterClock cluster_clock_{clock_};
  std::unique_ptr<ScriptedPeer> peer_;
  std::unique_ptr<Scrubber> scrubber_;
  std::vector<Asked> asked_;
  int damages_ = 0;
};

TEST_F(ScrubberTest, EqualContentsAreAllComparedAndChangeNothing) {
  for (int i = 0; i < 20; ++i) Both(3);
  const Scrubber::Counters& counters = Scrub();
  EXPECT_EQ(counters.rounds, 1u);
  EXPECT_EQ(counters.leaves, 60u);
  EXPECT_EQ(counters.damaged_here, 0u);
  EXPECT_EQ(counters.peers_lying, 0u);
  EXPECT_EQ(counters.pushed, 0u);
  EXPECT_EQ(damages_, 0);
}

TEST_F(ScrubberTest, WhatIsDamagedHereIsDroppedAndNoFaultOfThePeer) {
  const MailboxAddress mailbox = Both(1);
  const PutMessage put = Message(mailbox);
  ApplyTo(*ours_, Damaged(put), clock_.Now());
  ApplyTo(*theirs_, put, clock_.Now());
  const Scrubber::Counters& counters = Scrub();
  EXPECT_EQ(Ours(mailbox), 1u);
  EXPECT_EQ(Theirs(mailbox), 2u);
  EXPECT_EQ(counters.damaged_here, 1u);
  EXPECT_EQ(damages_, 1);
  EXPECT_EQ(counters.pushed, 0u);
  EXPECT_EQ(scrubber_->MarksOf(there_), 0u);
}

TEST_F(ScrubberTest, APeerThatKeptTheIdAndNotTheContentIsCounted) {
  const MailboxAddress mailbox = Both(1);
  const PutMessage put = Message(mailbox);
  ApplyTo(*ours_, put, clock_.Now());
  ApplyTo(*theirs_, Damaged(put), clock_.Now());
  const Scrubber::Counters& counters = Scrub();
  EXPECT_EQ(counters.peers_lying, 1u);
  EXPECT_EQ(scrubber_->MarksOf(there_), 1u);
  EXPECT_EQ(counters.pushed, 1u);
  EXPECT_EQ(Ours(mailbox), 2u);
  EXPECT_EQ(damages_, 0);
}

TEST_F(ScrubberTest, WhatThePeerLacksItGetsWithoutAMark) {
  const MailboxAddress mailbox = Both(2);
  ApplyTo(*ours_, Message(mailbox), clock_.Now());
  const Scrubber::Counters& counters = Scrub();
  EXPECT_EQ(counters.pushed, 1u);
  EXPECT_EQ(Theirs(mailbox), 3u);
  EXPECT_EQ(scrubber_->MarksOf(there_), 0u);
}

TEST_F(ScrubberTest, WhatIsDamagedHereAndLackedThereIsDroppedAndNotPushed) {
  const MailboxAddress mailbox = Both(1);
  ApplyTo(*ours_, Damaged(Message(mailbox)), clock_.Now());
  const Scrubber::Counters& counters = Scrub();
  EXPECT_EQ(Ours(mailbox), 1u);
  EXPECT_EQ(Theirs(mailbox), 1u);
  EXPECT_EQ(counters.pushed, 0u);
}

TEST_F(ScrubberTest, WhatOnlyThePeerHasIsLeftToComparison) {
  const MailboxAddress mailbox = Both(1);
  ApplyTo(*theirs_, Message(mailbox), clock_.Now());
  const Scrubber::Counters& counters = Scrub();
  EXPECT_EQ(counters.leaves, 1u);
  EXPECT_EQ(counters.peers_lying, 0u);
  EXPECT_EQ(Ours(mailbox), 1u);
}

TEST_F(ScrubberTest, RecordsAreScrubbedByTheirBodies) {
  const MailboxAddress mailbox = Registered();
  const PutRecord sound =
      items_.Record(mailbox, random_.Fixed<RecordKey>(), /*seq=*/1);
  PutRecord damaged =
      items_.Record(mailbox, random_.Fixed<RecordKey>(), /*seq=*/1);
  ApplyTo(*ours_, sound, clock_.Now());
  ApplyTo(*theirs_, sound, clock_.Now());
  ApplyTo(*theirs_, damaged, clock_.Now());
  damaged.record.body[0] ^= 1;
  ApplyTo(*ours_, damaged, clock_.Now());
  const Scrubber::Counters& counters = Scrub();
  EXPECT_EQ(counters.leaves, 2u);
  EXPECT_EQ(counters.damaged_here, 1u);
  EXPECT_EQ(ours_->Totals()->records, 1u);
}

// Two signatures under one order are both valid.
TEST_F(ScrubberTest, OrdersAreNotScrubbed) {
  const MailboxAddress mailbox = Registered();
  DeleteMessages deletion =
      items_.Deletion(mailbox, {random_.Fixed<MessageId>()}, clock_.Now());
  PurgeMessages purge = items_.Purge(mailbox, clock_.Now(), clock_.Now());
  ApplyTo(*ours_, deletion, clock_.Now());
  ApplyTo(*ours_, purge, clock_.Now());
  deletion.proof[0] ^= 1;
  purge.proof[0] ^= 1;
  ApplyTo(*theirs_, deletion, clock_.Now());
  ApplyTo(*theirs_, purge, clock_.Now());
  const Scrubber::Counters& counters = Scrub();
  EXPECT_GT(counters.steps, 0u);
  EXPECT_EQ(counters.leaves, 0u);
  EXPECT_EQ(counters.pushed, 0u);
  EXPECT_EQ(scrubber_->MarksOf(there_), 0u);
}

TEST_F(ScrubberTest, EveryStepHasASaltOfItsOwn) {
  Both(5);
  Both(5);
  Start();
  executor_.RunFor(absl::Hours(72));
  std::set<std::string> salts;
  for (const Asked& asked : asked_) {
    salts.insert(std::string(asked.ask.salt.bytes()));
  }
  EXPECT_GE(asked_.size(), 4u);
  EXPECT_EQ(salts.size(), asked_.size());
}

TEST_F(ScrubberTest, GoesThroughAPeerOnceADayOverFourHours) {
  for (int i = 0; i < 100; ++i) Both(1);
  Start();
  executor_.RunFor(absl::Hours(24 * 4 + 5));
  EXPECT_GE(scrubber_->counters().rounds, 4u);
  EXPECT_LE(scrubber_->counters().rounds, 5u);
  std::vector<absl::Time> begun;
  for (size_t i = 0; i < asked_.size(); ++i) {
    if (i > 0 && asked_[i].at - asked_[i - 1].at < absl::Hours(10)) {
      EXPECT_LE(asked_[i].at - begun.back(),
                Scrubber::kSpread + absl::Minutes(1));
      EXPECT_LE(asked_[i].at - asked_[i - 1].at, absl::Minutes(60));
      continue;
    }
    if (!begun.empty()) {
      EXPECT_NEAR(absl::ToDoubleHours(asked_[i].at - begun.back()), 24, 0.1);
      EXPECT_GE(asked_[i - 1].at - begun.back(), Scrubber::kSpread / 2);
    }
    begun.push_back(asked_[i].at);
  }
  EXPECT_GE(begun.size(), 4u);
}

TEST_F(ScrubberTest, NodesThatStartTogetherDoNotScrubTogether) {
  Both(1);
  std::set<absl::Duration> first;
  for (int i = 0; i < 5; ++i) {
    asked_.clear();
    const absl::Time start = clock_.Now();
    Start();
    executor_.RunFor(kOneRound);
    first.insert(asked_.front().at - start);
  }
  EXPECT_THAT(first, SizeIs(5));
  EXPECT_GT(*first.rbegin() - *first.begin(), absl::Hours(4));
}

TEST_F(ScrubberTest, AFullWindowIsScrubbedInPages) {
  const MailboxAddress mailbox = Pairwise();
  for (int i = 0; i < 600; ++i) {
    const PutMessage put = Message(mailbox);
    ApplyTo(*ours_, put, clock_.Now());
    ApplyTo(*theirs_, i == 555 ? Damaged(put) : put, clock_.Now());
  }
  const Scrubber::Counters& counters = Scrub();
  EXPECT_EQ(counters.leaves, 600u);
  EXPECT_EQ(counters.peers_lying, 1u);
  EXPECT_EQ(counters.pushed, 1u);
}

TEST_F(ScrubberTest, CopiesAfterOneStepAreBounded) {
  const MailboxAddress mailbox = Pairwise();
  for (int i = 0; i < 400; ++i) {
    ApplyTo(*ours_, Message(mailbox), clock_.Now());
  }
  EXPECT_EQ(Scrub().pushed, Scrubber::kMaxPushed);
  EXPECT_EQ(Theirs(mailbox), Scrubber::kMaxPushed);
}

// --- peers that do not answer as they should ---

TEST_F(ScrubberTest, OneThatCannotBeReachedIsGoneThroughTomorrow) {
  Both(1);
  Both(1);
  const Scrubber::Counters& counters = Scrub(
      [](absl::string_view, const std::string&) -> absl::StatusOr<std::string> {
        return absl::UnavailableError("away");
      });
  EXPECT_EQ(counters.rounds, 0u);
  EXPECT_LE(counters.steps, 2u);
  executor_.RunFor(absl::Hours(24 * 3));
  EXPECT_GE(counters.steps, 3u);
  EXPECT_LE(counters.steps, 5u);
  EXPECT_EQ(scrubber_->MarksOf(there_), 0u);
}

TEST_F(ScrubberTest, LeavesThatLeadNowhereEndTheRound) {
  const MailboxAddress mailbox = Both(3);
  const Scrubber::Counters& counters =
      Scrub([this](absl::string_view method,
                   const std::string& request) -> absl::StatusOr<std::string> {
        auto answer = ParseReconcileAnswer(*Honest(method, request));
        auto& scrub = std::get<ScrubAnswer>(answer->level);
        // The first page, over and over.
        if (scrub.leaves.empty()) {
          scrub.leaves.push_back(
              {*ObjectId::FromBytes(std::string(ObjectId::kSize, '\1')), {}});
        }
        scrub.more = true;
        return RenderReconcileAnswer(*answer);
      });
  EXPECT_EQ(counters.rounds, 0u);
  EXPECT_LE(counters.steps, 8u);
  EXPECT_EQ(Ours(mailbox), 3u);
}

TEST_F(ScrubberTest, WhateverThePeerAnswersOwnSoundContentsStay) {
  const MailboxAddress mailbox = Both(10);
  crypto::SeededRandom chaos(8);
  Start([&](absl::string_view method,
            const std::string& request) -> absl::StatusOr<std::string> {
    auto answer = Honest(method, request);
    if (!answer.ok() || answer->empty()) return answer;
    switch (chaos.Uniform(3)) {
      case 0:
        (*answer)[chaos.Uniform(answer->size())] ^=
            static_cast<char>(1 << chaos.Uniform(8));
        return answer;
      case 1:
        answer->resize(chaos.Uniform(answer->size()));
        return answer;
      default:
        return chaos.String(chaos.Uniform(300));
    }
  });
  // Within the messages' lives.
  executor_.RunFor(absl::Hours(24 * 9));
  EXPECT_EQ(Ours(mailbox), 10u);
  EXPECT_EQ(scrubber_->counters().damaged_here, 0u);
  EXPECT_GE(scrubber_->counters().steps, 8u);
}

TEST_F(ScrubberTest, NothingFollowsAStop) {
  for (int i = 0; i < 10; ++i) {
    const MailboxAddress mailbox = Both(1);
    ApplyTo(*ours_, Message(mailbox), clock_.Now());
  }
  // With a question, a push or a pause under way.
  for (int delay_ms = 0; delay_ms < 5; ++delay_ms) {
    Start();
    ASSERT_TRUE(executor_.RunUntil(
        [this] { return scrubber_->counters().steps > 0; }, kOneRound));
    executor_.RunFor(absl::Milliseconds(delay_ms));
    scrubber_->Stop();
    executor_.RunFor(absl::Milliseconds(5));
    asked_.clear();
    executor_.RunFor(kOneRound);
    EXPECT_THAT(asked_, SizeIs(0));
    scrubber_.reset();
    EXPECT_EQ(executor_.pending_timers(), 0u);
  }
}

}  // namespace
}  // namespace messenger::swarm
