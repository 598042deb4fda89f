#include "swarm/repair/reconciler.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "swarm/repair/testing/reconciler_fixture.h"
#include "swarm/repair/testing/unsigned_items.h"
#include "swarm/store/in_memory_store.h"

namespace messenger::swarm {
namespace {

using End = Reconciler::End;
using ReconcilerTest = ReconcilerFixture;

TEST_F(ReconcilerTest, EqualSetsCostOneSmallStep) {
  for (int i = 0; i < 200; ++i) {
    const MailboxAddress mailbox = Registered();
    const PutMessage put =
        items_.Message(mailbox, clock_.Now() + absl::Hours(i + 1));
    ApplyTo(*ours_, put, clock_.Now());
    ApplyTo(*theirs_, put, clock_.Now());
  }
  const Reconciler::Outcome outcome = Run();
  EXPECT_EQ(outcome.end, End::kComplete);
  EXPECT_TRUE(outcome.equal);
  EXPECT_EQ(outcome.steps, 1u);
  EXPECT_LE(outcome.bytes_sent + outcome.bytes_received, 1024u);
  EXPECT_EQ(outcome.completed, shards_);
}

TEST_F(ReconcilerTest, BothGetWhatTheyLack) {
  const MailboxAddress mailbox = Registered();
  const PutMessage here =
      items_.Message(mailbox, clock_.Now() + absl::Hours(30));
  const PutMessage there =
      items_.Message(mailbox, clock_.Now() + absl::Hours(50));
  ApplyTo(*ours_, here, clock_.Now());
  ApplyTo(*theirs_, there, clock_.Now());
  const Reconciler::Outcome outcome = Run();
  EXPECT_EQ(outcome.end, End::kComplete) << outcome.status;
  EXPECT_FALSE(outcome.equal);
  EXPECT_EQ(outcome.fetched, 1u);
  EXPECT_EQ(outcome.pushed, 1u);
  EXPECT_EQ(outcome.completed, shards_);
  EXPECT_TRUE(Equal());
  EXPECT_TRUE(Run().equal);
}

TEST_F(ReconcilerTest, AMailboxNobodyHereKnowsComesWithItsRegistration) {
  const MailboxAddress mailbox = items_.MailboxIn(shards_);
  ApplyTo(*theirs_, items_.Registration(mailbox, clock_.Now()), clock_.Now());
  for (int i = 0; i < 100; ++i) {
    ApplyTo(*theirs_,
            items_.Message(mailbox, clock_.Now() + absl::Hours(1 + 3 * i)),
            clock_.Now());
  }
  const Reconciler::Outcome outcome = Run();
  EXPECT_EQ(outcome.refused_here, 0u);
  EXPECT_EQ(outcome.fetched, 101u);
  EXPECT_TRUE(Equal());
}

TEST_F(ReconcilerTest, ADeletionWinsOverACopyInEitherDirection) {
  for (const bool deleted_here : {true, false}) {
    const MailboxAddress mailbox = Registered();
    const PutMessage put =
        items_.Message(mailbox, clock_.Now() + absl::Hours(30));
    ApplyTo(*ours_, put, clock_.Now());
    ApplyTo(*theirs_, put, clock_.Now());
    ApplyTo(deleted_here ? *ours_ : *theirs_,
            items_.Deletion(mailbox, {put.id}, clock_.Now()), clock_.Now());
    Run();
    EXPECT_TRUE(Equal());
    EXPECT_EQ(ours_->Usage(mailbox).messages, 0u);
    EXPECT_EQ(theirs_->Usage(mailbox).messages, 0u);
  }
}

TEST_F(ReconcilerTest, WithoutTombstonesSetsStayApart) {
  bug_ = PlantedBug::kNoTombstoneExchange;
  const MailboxAddress mailbox = Registered();
  ApplyTo(*ours_,
          items_.Deletion(mailbox, {random_.Fixed<MessageId>()}, clock_.Now()),
          clock_.Now());
  Run();
  EXPECT_FALSE(Equal());
}

TEST_F(ReconcilerTest, WhatIsAboutToEndIsLeftAlone) {
  const MailboxAddress mailbox = Registered();
  ApplyTo(*theirs_, items_.Message(mailbox, clock_.Now() + absl::Seconds(119)),
          clock_.Now());
  EXPECT_TRUE(Run().equal);
  ApplyTo(*theirs_, items_.Message(mailbox, clock_.Now() + absl::Seconds(121)),
          clock_.Now());
  EXPECT_EQ(Run().fetched, 1u);
}

TEST_F(ReconcilerTest, AFullWindowIsPartedUntilItFits) {
  const MailboxAddress mailbox = [this] {
    while (true) {
      const MailboxAddress candidate = Registered();
      if (candidate.kind() == MailboxAddress::Kind::kPairwise) {
        return candidate;
      }
    }
  }();
  for (int i = 0; i < 2000; ++i) {
    const PutMessage put =
        items_.Message(mailbox, clock_.Now() + absl::Hours(240));
    if (i % 100 != 0) ApplyTo(*ours_, put, clock_.Now());
    if (i % 100 != 50) ApplyTo(*theirs_, put, clock_.Now());
  }
  const Reconciler::Outcome outcome = Run();
  EXPECT_EQ(outcome.fetched, 20u);
  EXPECT_EQ(outcome.pushed, 20u);
  EXPECT_LE(outcome.steps, 12u);
  EXPECT_TRUE(Equal());
}

TEST_F(ReconcilerTest, SaysWhichShardsThePeerDoesNotHold) {
  unfilled_ = {3, 9, 100};
  EXPECT_EQ(Run().peer_filling, (std::vector<Shard>{3, 9}));
}

TEST_F(ReconcilerTest, MeasuresThePeersClock) {
  const Reconciler::Outcome outcome =
      Run([this](absl::string_view method,
                 const std::string& request) -> absl::StatusOr<std::string> {
        auto answer = ParseReconcileAnswer(*Honest(method, request));
        answer->now_ms += 7000;
        return RenderReconcileAnswer(*answer);
      });
  ASSERT_TRUE(outcome.clock_offset.has_value());
  EXPECT_NEAR(absl::ToDoubleSeconds(*outcome.clock_offset), 7.0, 0.01);
}

TEST_F(ReconcilerTest, AnotherDirectoryEndsTheRun) {
  map_->epoch_number = 5;
  const Reconciler::Outcome outcome =
      Run([this](absl::string_view method, const std::string& request) {
        map_->epoch_number = 6;
        auto answer = Honest(method, request);
        map_->epoch_number = 5;
        return answer;
      });
  EXPECT_EQ(outcome.end, End::kFailed);
  EXPECT_TRUE(absl::IsFailedPrecondition(outcome.status));
}

TEST_F(ReconcilerTest, AForgedItemEndsTheRunAndIsNotTaken) {
  const MailboxAddress mailbox = Registered();
  ApplyTo(*theirs_, items_.Message(mailbox, clock_.Now() + absl::Hours(30)),
          clock_.Now());
  const Reconciler::Outcome outcome =
      Run([this](absl::string_view method,
                 const std::string& request) -> absl::StatusOr<std::string> {
        auto answer = Honest(method, request);
        if (method != kFetchMethod) return answer;
        v1::FetchResponse response;
        EXPECT_TRUE(response.ParseFromString(*answer));
        response.mutable_items(0)->mutable_store()->set_signature("forged");
        return response.SerializeAsString();
      });
  EXPECT_EQ(outcome.end, End::kPeerFault);
  EXPECT_EQ(committed_, 0u);
}

TEST_F(ReconcilerTest, AnItemNobodyAskedForIsNotTaken) {
  const MailboxAddress mailbox = Registered();
  ApplyTo(*theirs_, items_.Message(mailbox, clock_.Now() + absl::Hours(30)),
          clock_.Now());
  const Reconciler::Outcome outcome =
      Run([this](absl::string_view method,
                 const std::string& request) -> absl::StatusOr<std::string> {
        auto answer = Honest(method, request);
        if (method != kFetchMethod) return answer;
        v1::FetchResponse response;
        EXPECT_TRUE(response.ParseFromString(*answer));
        response.mutable_items(0)->mutable_store()->set_payload("another");
        return response.SerializeAsString();
      });
  EXPECT_EQ(outcome.end, End::kPeerFault);
  EXPECT_EQ(committed_, 0u);
}

// All that a hostile peer can do to one answer.
TEST_F(ReconcilerTest, WhateverThePeerAnswersTheRunEnds) {
  uint64_t faults = 0;
  for (int seed = 0; seed < 100; ++seed) {
    Reset();
    committed_ = 0;
    crypto::SeededRandom chaos(static_cast<uint64_t>(seed));
    for (int i = 0; i < 40; ++i) {
      const MailboxAddress mailbox = Registered();
      ApplyTo(chaos.Uniform(2) == 0 ? *ours_ : *theirs_,
              items_.Message(mailbox, clock_.Now() + absl::Hours(30 + i)),
              clock_.Now());
    }
    const uint64_t before = ours_->Totals()->messages;
    const Reconciler::Outcome outcome =
        Run([&](absl::string_view method,
                const std::string& request) -> absl::StatusOr<std::string> {
          auto answer = Honest(method, request);
          if (!answer.ok() || answer->empty()) return answer;
          switch (chaos.Uniform(6)) {
            case 0:
              (*answer)[chaos.Uniform(answer->size())] ^=
                  static_cast<char>(1 << chaos.Uniform(8));
              return answer;
            case 1:
              answer->resize(chaos.Uniform(answer->size()));
              return answer;
            case 2:
              return chaos.String(chaos.Uniform(300));
            default:
              return answer;
          }
        });
    if (outcome.end == End::kPeerFault) ++faults;
    EXPECT_LE(outcome.steps, 64u) << seed;
    // Nothing that the peer does not really have.
    EXPECT_LE(ours_->Totals()->messages, before + 40) << seed;
  }
  EXPECT_GT(faults, 20u);
}

// A peer that invents digests, windows and entries without end.
TEST_F(ReconcilerTest, InventedSetsAreBounded) {
  crypto::SeededRandom chaos(5);
  const auto digest = [&] {
    return *SetDigest::FromBytes(chaos.String(SetDigest::kSize));
  };
  std::set<std::string> tails;
  while (tails.size() < kMaxEntriesOfRange) tails.insert(chaos.String(32));
  for (const bool parts : {true, false}) {
    const Reconciler::Outcome outcome =
        Run([&](absl::string_view method,
                const std::string& request) -> absl::StatusOr<std::string> {
          if (method == kFetchMethod) {
            v1::FetchResponse response;
            response.set_answered(
                static_cast<uint32_t>(ParseFetchAsk(request)->names.size()));
            return response.SerializeAsString();
          }
          const ReconcileAsk ask = *ParseReconcileAsk(request);
          ReconcileAnswer answer;
          answer.layout = ask.layout;
          answer.now_ms = 1;
          if (std::holds_alternative<AskGroups>(ask.level)) {
            GroupsAnswer groups;
            for (int i = 0; i < kGroups; ++i)
              groups.digests.push_back(digest());
            answer.level = std::move(groups);
          } else if (const auto* w = std::get_if<AskWindows>(&ask.level)) {
            WindowsAnswer windows;
            for (const Shard shard : shards_) {
              if (shard < w->from_shard) continue;
              if (windows.windows.size() + 300 > kMaxWindowsAnswered) {
                windows.next_shard = shard;
                break;
              }
              for (Window i = 0; i < 300; ++i) {
                windows.windows.push_back(
                    {shard, WindowOf(ask.from_ms) + 1 + i, 1, digest()});
              }
            }
            answer.level = std::move(windows);
          } else {
            EntriesAnswer entries;
            for (const EntryRange& range :
                 std::get<AskEntries>(ask.level).ranges) {
              if (parts && range.prefix.size() < kMaxPrefixBytes) {
                if (entries.ranges.size() == 7) break;
                PartsOfRange list;
                for (size_t i = 0; i < kPartsOfRange; ++i) {
                  list.push_back(digest());
                }
                entries.ranges.push_back(std::move(list));
              } else {
                if (entries.ranges.size() == 3) break;
                EntriesOfRange list;
                for (const std::string& tail : tails) {
                  const std::string id = range.prefix + tail;
                  list.push_back({ItemKind::kMessage,
                                  *ObjectId::FromBytes(id.substr(0, 32)),
                                  uint64_t{range.window} * kWindowMs});
                }
                entries.ranges.push_back(std::move(list));
              }
            }
            answer.level = std::move(entries);
          }
          return RenderReconcileAnswer(answer);
        });
    EXPECT_TRUE(outcome.end == End::kPeerFault || outcome.end == End::kBounded)
        << outcome.status;
    EXPECT_LE(outcome.steps, Reconciler::kMaxSteps);
    EXPECT_EQ(outcome.fetched, 0u);
  }
}

TEST_F(ReconcilerTest, MayBeDestroyedAtAnyStep) {
  for (int steps = 0; steps < 12; ++steps) {
    Reset();
    for (int i = 0; i < 10; ++i) {
      const MailboxAddress mailbox = Registered();
      ApplyTo(i % 2 == 0 ? *ours_ : *theirs_,
              items_.Message(mailbox, clock_.Now() + absl::Hours(30)),
              clock_.Now());
    }
    ScriptedPeer peer(executor_, [this](absl::string_view method,
                                        const std::string& request) {
      return Honest(method, request);
    });
    auto run = std::make_unique<Reconciler>(
        Reconciler::Options{.store = *ours_,
                            .caller = peer,
                            .clock = clock_,
                            .validate = &ValidateUnsigned,
                            .commit =
                                [this](StoreOp, auto done) {
                                  executor_.Run(
                                      [done = std::move(done)]() mutable {
                                        done(OpResult::kDone);
                                      });
                                }},
        there_, map_->epoch(), shards_, clock_.Now());
    bool done = false;
    run->Start([&](Reconciler::Outcome) { done = true; });
    executor_.RunFor(absl::Milliseconds(steps));
    const bool was_done = done;
    run.reset();
    executor_.RunFor(absl::Seconds(1));
    EXPECT_EQ(done, was_done);
  }
}

}  // namespace
}  // namespace messenger::swarm
