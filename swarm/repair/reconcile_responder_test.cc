#include "swarm/repair/reconcile_responder.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/repair/stored_item.h"
#include "swarm/repair/testing/reconciler_fixture.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A server whose methods a test calls.
class FakeServer final : public routing::Server {
 public:
  struct Method {
    routing::MethodLimits limits;
    routing::RpcHandler handler;
  };

  void HandleMethod(std::string method, routing::MethodLimits limits,
                    routing::RpcHandler handler) override {
    methods.insert({std::move(method), {limits, std::move(handler)}});
  }
  void HandleLinks(routing::LinkAcceptor&) override {}

  std::map<std::string, Method, std::less<>> methods;
};

// Their member answers ours, which shares shards 0 to 63 with it.
class ReconcileResponderTest : public ReconcilerFixture {
 protected:
  // Only theirs.
  static constexpr Shard kForeign = 100;

  ReconcileResponderTest() {
    map_->serving[kForeign] = {there_};
    map_->target[kForeign] = {there_};
    for (const routing::NodeId& node : {here_, there_, other_}) {
      map_->endpoints[node].tls_key = random_.Fixed<routing::TlsKey>();
    }
    responder_->Serve(server_);
  }

  routing::Peer PeerOf(const routing::NodeId& node) const {
    return {.tls_key = map_->endpoints.at(node).tls_key};
  }
  // The answers go to `replies_`, not before the executor runs.
  void Call(absl::string_view method, const routing::Peer& peer,
            std::string request) {
    server_.methods.find(method)->second.handler(
        peer, std::move(request), [this](absl::StatusOr<std::string> reply) {
          replies_.push_back(reply.status());
        });
  }
  std::vector<absl::StatusCode> TakeReplies() {
    std::vector<absl::StatusCode> codes;
    for (const absl::Status& status : std::exchange(replies_, {})) {
      codes.push_back(status.code());
    }
    return codes;
  }

  absl::Time Later() const { return clock_.Now() + absl::Hours(24 * 10); }
  // What they store, in a mailbox that is registered.
  MailboxAddress TheirMailbox(Shard shard) {
    const MailboxAddress mailbox = items_.MailboxIn({shard});
    ApplyTo(*theirs_, items_.Registration(mailbox, clock_.Now()), clock_.Now());
    return mailbox;
  }
  PutMessage TheirMessage(const MailboxAddress& mailbox, absl::Time end,
                          size_t bytes = 16) {
    PutMessage put = items_.Message(mailbox, end, bytes);
    put.origin = Origin::kPeer;
    EXPECT_EQ(ApplyTo(*theirs_, put, clock_.Now()), OpResult::kDone);
    return put;
  }
  // A contact's, which has room for thousands.
  MailboxAddress TheirPairwise(Shard shard) {
    while (true) {
      const MailboxAddress mailbox = TheirMailbox(shard);
      if (mailbox.kind() == MailboxAddress::Kind::kPairwise) return mailbox;
    }
  }

  ReconcileAsk Ask(decltype(ReconcileAsk::level) level) const {
    return {.layout = map_->layout(),
            .from_ms = static_cast<uint64_t>(absl::ToUnixMillis(Edge())),
            .level = std::move(level)};
  }
  absl::StatusOr<std::string> Step(const ReconcileAsk& ask) {
    return responder_->Reconcile(here_, RenderReconcileAsk(ask));
  }
  template <typename Level>
  Level Answer(decltype(ReconcileAsk::level) level) {
    const auto reply = Step(Ask(std::move(level)));
    EXPECT_THAT(reply, IsOk());
    EXPECT_LE(reply->size(), kMaxReconcileBytes);
    return std::get<Level>(ParseReconcileAnswer(*reply)->level);
  }
  FetchAnswer Fetch(const std::vector<ItemKey>& names) {
    const auto reply =
        responder_->Fetch(here_, RenderFetchAsk(map_->layout(), names));
    EXPECT_THAT(reply, IsOk());
    return *ParseFetchAnswer(*reply, names.size());
  }

  const routing::NodeId other_ = random_.Fixed<routing::NodeId>();
  FakeServer server_;
  std::vector<absl::Status> replies_;
};

Window WindowOfTime(absl::Time time) {
  return WindowOf(static_cast<uint64_t>(absl::ToUnixMillis(time)));
}

// --- who is answered ---

TEST_F(ReconcileResponderTest, OnlyStorageNodesAreAnswered) {
  const std::string ask = RenderReconcileAsk(Ask(AskGroups{}));
  const std::vector<routing::Peer> strangers = {
      {.tls_key = std::nullopt},
      {.tls_key = random_.Fixed<routing::TlsKey>()},
      PeerOf(there_)};  // itself
  for (const routing::Peer& peer : strangers) {
    Call(kReconcileMethod, peer, ask);
    Call(kFetchMethod, peer, "");
  }
  executor_.RunUntilIdle();
  EXPECT_THAT(TakeReplies(), Each(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(responder_->counters().strangers, 6u);
  EXPECT_EQ(responder_->counters().steps, 0u);
  EXPECT_EQ(responder_->counters().fetches, 0u);
}

TEST_F(ReconcileResponderTest, WithoutADirectoryNobodyIs) {
  const routing::Peer peer = PeerOf(here_);
  const std::string ask = RenderReconcileAsk(Ask(AskGroups{}));
  map_ = nullptr;
  Call(kReconcileMethod, peer, ask);
  Call(kFetchMethod, peer, "");
  executor_.RunUntilIdle();
  EXPECT_THAT(TakeReplies(), ElementsAre(absl::StatusCode::kUnavailable,
                                         absl::StatusCode::kUnavailable));
}

TEST_F(ReconcileResponderTest, OnePeerHasTwoComparisonsAtATime) {
  const std::string ask = RenderReconcileAsk(Ask(AskGroups{}));
  for (int i = 0; i < 3; ++i) Call(kReconcileMethod, PeerOf(here_), ask);
  EXPECT_THAT(TakeReplies(), ElementsAre(absl::StatusCode::kResourceExhausted));
  // Others are served meanwhile.
  Call(kReconcileMethod, PeerOf(other_), ask);
  executor_.RunUntilIdle();
  EXPECT_THAT(TakeReplies(),
              ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kOk,
                          absl::StatusCode::kOk));
  EXPECT_EQ(responder_->counters().refused, 1u);
  Call(kReconcileMethod, PeerOf(here_), ask);
  executor_.RunUntilIdle();
  EXPECT_THAT(TakeReplies(), ElementsAre(absl::StatusCode::kOk));
}

TEST_F(ReconcileResponderTest, OnePeerHasEightFetchesAtATime) {
  const std::string ask = RenderFetchAsk(
      map_->layout(), {{{ItemKind::kMessage, 1, random_.Fixed<ObjectId>()}}});
  for (int i = 0; i < 9; ++i) Call(kFetchMethod, PeerOf(here_), ask);
  EXPECT_THAT(TakeReplies(), ElementsAre(absl::StatusCode::kResourceExhausted));
  executor_.RunUntilIdle();
  EXPECT_THAT(TakeReplies(), SizeIs(8));
  Call(kFetchMethod, PeerOf(here_), ask);
  executor_.RunUntilIdle();
  EXPECT_THAT(TakeReplies(), ElementsAre(absl::StatusCode::kOk));
}

TEST_F(ReconcileResponderTest, ACallThatIsRefusedTakesNoPlace) {
  for (int i = 0; i < 5; ++i) {
    Call(kReconcileMethod, PeerOf(here_), "malformed");
    Call(kReconcileMethod, PeerOf(here_), "malformed");
    executor_.RunUntilIdle();
    EXPECT_THAT(TakeReplies(), ElementsAre(absl::StatusCode::kInvalidArgument,
                                           absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(ReconcileResponderTest, LongRequestsDoNotReachIt) {
  EXPECT_EQ(server_.methods.at(std::string(kReconcileMethod))
                .limits.max_request_bytes,
            64u * 1024);
  EXPECT_EQ(
      server_.methods.at(std::string(kFetchMethod)).limits.max_request_bytes,
      16u * 1024);
}

TEST_F(ReconcileResponderTest, MayBeDestroyedWithCallsUnderWay) {
  const std::string ask = RenderReconcileAsk(Ask(AskGroups{}));
  Call(kReconcileMethod, PeerOf(here_), ask);
  responder_.reset();
  executor_.RunUntilIdle();
  EXPECT_THAT(replies_, IsEmpty());
}

// --- what is refused ---

TEST_F(ReconcileResponderTest, AnotherLayoutIsNotCompared) {
  ReconcileAsk ask = Ask(AskGroups{});
  ask.layout ^= 1;
  EXPECT_THAT(Step(ask), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ReconcileResponderTest, WhoAsksForTooManyItemsGetsNone) {
  const MailboxAddress mailbox = TheirPairwise(3);
  std::vector<ItemKey> names;
  for (size_t i = 0; i < kMaxFetchNames + 1; ++i) {
    names.push_back({ItemKind::kMessage, 3, TheirMessage(mailbox, Later()).id});
  }
  EXPECT_THAT(responder_->Fetch(here_, RenderFetchAsk(map_->layout(), names)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(responder_->counters().items_given, 0u);
  names.pop_back();
  EXPECT_THAT(Fetch(names).items, SizeIs(kMaxFetchNames));
}

// --- only shared shards ---

TEST_F(ReconcileResponderTest, WhatIsNotSharedIsNotShownAtAnyLevel) {
  const PutMessage put = TheirMessage(TheirMailbox(kForeign), Later());
  const Window window = WindowOfTime(Later());
  // All that is shared is empty, which is equal to nothing.
  EXPECT_THAT(Answer<GroupsAnswer>(AskGroups{}).digests, IsEmpty());
  EXPECT_THAT(Answer<WindowsAnswer>(AskWindows{{GroupOf(kForeign)}, 0}).windows,
              IsEmpty());
  EXPECT_THAT(
      Answer<EntriesAnswer>(AskEntries{{{kForeign, window, ""}}}).ranges,
      ElementsAre(::testing::VariantWith<EntriesOfRange>(IsEmpty())));
  EXPECT_THAT(Answer<ScrubAnswer>(AskScrub{kForeign, window, {}, {}}).leaves,
              IsEmpty());
  // Not by another shard's name either.
  const FetchAnswer fetched = Fetch({{ItemKind::kMessage, kForeign, put.id},
                                     {ItemKind::kMessage, shards_[0], put.id}});
  EXPECT_THAT(fetched.items, IsEmpty());
  EXPECT_EQ(fetched.answered, 2u);
}

TEST_F(ReconcileResponderTest, AMemberThatSharesNothingIsShownNothing) {
  TheirMessage(TheirMailbox(3), Later());
  const auto reply =
      responder_->Reconcile(other_, RenderReconcileAsk(Ask(AskGroups{})));
  ASSERT_THAT(reply, IsOk());
  const ReconcileAnswer answer = *ParseReconcileAnswer(*reply);
  EXPECT_THAT(std::get<GroupsAnswer>(answer.level).digests, IsEmpty());
}

TEST_F(ReconcileResponderTest, SaysWhichSharedShardsItIsFilling) {
  unfilled_ = {3, 9, kForeign};
  const auto groups = ParseReconcileAnswer(*Step(Ask(AskGroups{})));
  EXPECT_THAT(groups->filling, ElementsAre(3, 9));
  const auto windows = ParseReconcileAnswer(*Step(Ask(AskWindows{{0}, 0})));
  EXPECT_THAT(windows->filling, IsEmpty());
}

TEST_F(ReconcileResponderTest, SaysItsTimeAndLayout) {
  const auto answer = ParseReconcileAnswer(*Step(Ask(AskGroups{})));
  EXPECT_EQ(answer->now_ms,
            static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now())));
  EXPECT_EQ(answer->layout, map_->layout());
}

TEST_F(ReconcileResponderTest, WhatEndsBeforeTheEdgeIsLeftOut) {
  const MailboxAddress mailbox = TheirMailbox(3);
  TheirMessage(mailbox, Edge() - absl::Milliseconds(1));
  const PutMessage stays = TheirMessage(mailbox, Edge());
  const Window window = WindowOfTime(Edge());
  const auto windows = Answer<WindowsAnswer>(AskWindows{{0}, 0}).windows;
  ASSERT_THAT(windows, SizeIs(2));  // and its registration's
  EXPECT_EQ(windows[0].window, window);
  EXPECT_EQ(windows[0].count, 1u);
  const auto entries = Answer<EntriesAnswer>(AskEntries{{{3, window, ""}}});
  ASSERT_THAT(std::get<EntriesOfRange>(entries.ranges[0]), SizeIs(1));
  EXPECT_EQ(std::get<EntriesOfRange>(entries.ranges[0])[0].id, stays.id);
  EXPECT_THAT(Answer<ScrubAnswer>(AskScrub{3, window, {}, {}}).leaves,
              SizeIs(1));
}

// --- who asks for much ---

TEST_F(ReconcileResponderTest, ManyWindowsComeInSeveralAnswers) {
  std::set<std::pair<Shard, Window>> expected;
  std::vector<int> groups;
  for (const Shard shard : shards_) {
    if (shard % kShardsPerGroup == 0) groups.push_back(GroupOf(shard));
    const MailboxAddress mailbox = TheirMailbox(shard);
    for (int i = 1; i <= 40; ++i) {
      TheirMessage(mailbox, clock_.Now() + absl::Hours(8 * i));
    }
    for (const WindowSummary& window : theirs_->Windows(shard, 0)) {
      expected.insert({shard, window.window});
    }
  }
  ASSERT_GT(expected.size(), 2 * kMaxWindowsAnswered);
  std::set<std::pair<Shard, Window>> seen;
  Shard from = 0;
  int steps = 0;
  do {
    const auto answer = Answer<WindowsAnswer>(AskWindows{groups, from});
    EXPECT_LE(answer.windows.size(), kMaxWindowsAnswered);
    for (const ShardWindow& window : answer.windows) {
      EXPECT_TRUE(seen.insert({window.shard, window.window}).second);
    }
    from = answer.next_shard;
    ASSERT_LE(++steps, 4);
  } while (from != 0);
  EXPECT_EQ(seen, expected);
}

TEST_F(ReconcileResponderTest, AFullRangeIsAnsweredWithDigestsOfItsParts) {
  const MailboxAddress mailbox = TheirPairwise(3);
  std::vector<SetDigest> expected(kPartsOfRange);
  const auto add = [&] {
    const PutMessage put = TheirMessage(mailbox, Later());
    expected[static_cast<uint8_t>(put.id.bytes()[0])].Add(
        {ItemKind::kMessage, put.id, put.expiry_ms});
  };
  const AskEntries ask{{{3, WindowOfTime(Later()), ""}}};
  for (size_t i = 0; i < kMaxEntriesOfRange; ++i) add();
  EXPECT_THAT(std::get<EntriesOfRange>(Answer<EntriesAnswer>(ask).ranges[0]),
              SizeIs(kMaxEntriesOfRange));
  add();
  EXPECT_EQ(std::get<PartsOfRange>(Answer<EntriesAnswer>(ask).ranges[0]),
            expected);
}

TEST_F(ReconcileResponderTest, ManyFullRangesComeInSeveralAnswers) {
  const MailboxAddress mailbox = TheirPairwise(3);
  for (size_t i = 0; i < 3 * kMaxEntriesOfRange; ++i) {
    TheirMessage(mailbox, Later());
  }
  const Window window = WindowOfTime(Later());
  AskEntries ask;
  for (size_t i = 0; i < kMaxRangesAsked; ++i) {
    ask.ranges.push_back({3, window, ""});
  }
  // Answer() checks that they fit the frame.
  const auto answer = Answer<EntriesAnswer>(ask);
  EXPECT_GE(answer.ranges.size(), 1u);
  EXPECT_LT(answer.ranges.size(), kMaxRangesAsked);
}

TEST_F(ReconcileResponderTest, RangesAreAnsweredByPrefixAndInOrder) {
  const MailboxAddress mailbox = TheirPairwise(3);
  const PutMessage a = TheirMessage(mailbox, Later());
  const PutMessage b = TheirMessage(mailbox, Later());
  const Window window = WindowOfTime(Later());
  const std::string of_a(a.id.bytes().substr(0, kMaxPrefixBytes));
  const std::string of_b(b.id.bytes().substr(0, 1));
  const auto answer = Answer<EntriesAnswer>(AskEntries{
      {{3, window, of_b}, {3, window + 1, of_b}, {3, window, of_a}}});
  ASSERT_THAT(answer.ranges, SizeIs(3));
  const auto ids = [&](int i) {
    std::vector<ObjectId> found;
    for (const auto& entry : std::get<EntriesOfRange>(answer.ranges[i])) {
      found.push_back(entry.id);
    }
    return found;
  };
  EXPECT_THAT(ids(0), ElementsAre(b.id));
  EXPECT_THAT(ids(1), IsEmpty());
  EXPECT_THAT(ids(2), ElementsAre(a.id));
}

TEST_F(ReconcileResponderTest, ItemsComeAMegabyteAtATimeAndAllInTheEnd) {
  const MailboxAddress mailbox = TheirPairwise(3);
  std::vector<ItemKey> names;
  for (int i = 0; i < 50; ++i) {
    const PutMessage put = TheirMessage(mailbox, Later(), /*bytes=*/60'000);
    names.push_back({ItemKind::kMessage, 3, put.id});
    // Names of nothing in between.
    names.push_back({ItemKind::kMessage, 3, random_.Fixed<ObjectId>()});
  }
  std::vector<ObjectId> got;
  int calls = 0;
  for (auto rest = names; !rest.empty();) {
    const FetchAnswer answer = Fetch(rest);
    size_t bytes = 0;
    for (const v1::ReplicatedItem& item : answer.items) {
      bytes += item.ByteSizeLong();
      got.push_back(ComputeMessageId(mailbox, MailboxNamespace::kPairwise,
                                     item.store().payload()));
    }
    EXPECT_LE(bytes, kMaxFetchItemsBytes);
    rest.erase(rest.begin(),
               rest.begin() + static_cast<ptrdiff_t>(answer.answered));
    ASSERT_LE(++calls, 4);
  }
  ASSERT_THAT(got, SizeIs(50));
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], names[2 * i].id);
}

TEST_F(ReconcileResponderTest, WhatIsDamagedHereIsNotHandedOver) {
  const MailboxAddress mailbox = TheirMailbox(3);
  PutMessage put = items_.Message(mailbox, Later());
  put.payload += "rot";
  ApplyTo(*theirs_, put, clock_.Now());
  const FetchAnswer answer = Fetch({{ItemKind::kMessage, 3, put.id}});
  EXPECT_THAT(answer.items, IsEmpty());
  EXPECT_EQ(answer.answered, 1u);
}

// --- scrub ---

TEST_F(ReconcileResponderTest, ScrubHashesTheContentsUnderTheCallersSalt) {
  const PutMessage put = TheirMessage(TheirMailbox(3), Later());
  const auto salt = random_.Fixed<ScrubSalt>();
  const auto answer =
      Answer<ScrubAnswer>(AskScrub{3, WindowOfTime(Later()), salt, ObjectId()});
  ASSERT_THAT(answer.leaves, SizeIs(1));
  EXPECT_EQ(answer.leaves[0].id, put.id);
  EXPECT_EQ(answer.leaves[0].hash, ComputeScrubHash(salt, put.id, put.payload));
  EXPECT_FALSE(answer.more);
}

TEST_F(ReconcileResponderTest, ScrubReadsFourMegabytesAtATime) {
  const MailboxAddress mailbox = TheirPairwise(3);
  std::set<ObjectId> expected;
  for (int i = 0; i < 150; ++i) {
    expected.insert(TheirMessage(mailbox, Later(), /*bytes=*/60'000).id);
  }
  std::set<ObjectId> seen;
  ScrubAnswer answer;
  int steps = 0;
  do {
    answer = Answer<ScrubAnswer>(
        AskScrub{3,
                 WindowOfTime(Later()),
                 {},
                 answer.leaves.empty() ? ObjectId() : answer.leaves.back().id});
    EXPECT_LE(answer.leaves.size() * 60'000,
              ReconcileResponder::kMaxScrubBytes + 16 * 60'000);
    for (const ScrubLeaf& leaf : answer.leaves) {
      EXPECT_TRUE(seen.insert(leaf.id).second);
    }
    ASSERT_LE(++steps, 4);
  } while (answer.more);
  EXPECT_EQ(seen, expected);
}

}  // namespace
}  // namespace messenger::swarm
