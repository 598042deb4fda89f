// The client's rules about refusals, changes of members, waits and clocks,
// against members that a test scripts.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/remote/mailbox_reader.h"
#include "client/remote/swarm_client.h"
#include "client/remote/testing/fake_swarm.h"
#include "client/remote/write_refusal.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/sign/ed25519.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/shifted_clock.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/registration.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using absl::StatusCode;
using crypto::AccountKeys;
using crypto::Ed25519PrivateKey;
using swarm::MailboxAddress;
using swarm::v1::ClientRequest;
using swarm::v1::ClientResponse;
using swarm::v1::Refusal;

class SwarmClientFakeTest : public ::testing::Test {
 protected:
  SwarmClientFakeTest() {
    const SwarmClientOptions options;
    client_ = std::make_unique<SwarmClient>(
        swarm_.requester(), swarm_.directory(), clock_, swarm_.executor(),
        swarm_.random(), options, [this] {
          ++refreshes_;
          if (on_refresh_ != nullptr) on_refresh_();
        });
  }

  template <typename T, typename Start>
  absl::StatusOr<T> Await(Start start) {
    std::optional<absl::StatusOr<T>> result;
    start([&result](absl::StatusOr<T> value) { result = std::move(value); });
    EXPECT_FALSE(result.has_value()) << "done ran inside the call";
    swarm_.executor().RunUntil([&] { return result.has_value(); },
                               absl::Minutes(5));
    if (!result.has_value()) return absl::InternalError("never finished");
    return *std::move(result);
  }

  absl::StatusOr<StoreOutcome> StoreInbox(const std::string& payload) {
    return Await<StoreOutcome>([&](Done<StoreOutcome> done) {
      client_->Store(StoreTarget::Inbox(account_.id()), payload,
                     clock_.Now() + absl::Hours(24 * 14), std::move(done));
    });
  }
  absl::StatusOr<StoreOutcome> StorePair(const std::string& payload) {
    return Await<StoreOutcome>([&](Done<StoreOutcome> done) {
      client_->Store(StoreTarget::Pairwise(read_key_.public_key(), write_key_),
                     payload, clock_.Now() + absl::Hours(1), std::move(done));
    });
  }
  absl::StatusOr<StoreOutcome> Register() {
    return Await<StoreOutcome>([&](Done<StoreOutcome> done) {
      client_->Register(InboxReader(), std::move(done));
    });
  }
  absl::StatusOr<RetrieveOutcome> Read(Cursors cursors = {}) {
    return Await<RetrieveOutcome>([&](Done<RetrieveOutcome> done) {
      client_->Retrieve(InboxReader(), std::move(cursors), std::move(done));
    });
  }
  absl::StatusOr<RetrieveOutcome> Wait(Cursors cursors = {}) {
    return Await<RetrieveOutcome>([&](Done<RetrieveOutcome> done) {
      client_->Wait(InboxReader(), std::move(cursors), absl::Seconds(55),
                    std::move(done));
    });
  }
  MailboxReader InboxReader() {
    return MailboxReader::Inbox(account_.id(), account_.signing_key());
  }
  std::vector<int> Members() {
    return swarm_.Members(MailboxAddress::ForAccount(account_.id()));
  }
  // The first `count` members answer writes with this.
  void RefuseWrites(int count, ClientResponse refusal) {
    const std::vector<int> members = Members();
    for (int i = 0; i < count; ++i) {
      swarm_.node(members[i]).script =
          [refusal](
              const ClientRequest& request) -> std::optional<ClientResponse> {
        if (request.has_retrieve() || request.has_time()) return std::nullopt;
        return refusal;
      };
    }
  }
  // Members take a message only with this much work.
  void DemandWork(const std::vector<uint32_t>& bits) {
    const std::vector<int> members = Members();
    for (size_t i = 0; i < bits.size(); ++i) {
      swarm_.node(members[i]).script =
          [this, needed = bits[i]](
              const ClientRequest& request) -> std::optional<ClientResponse> {
        if (!request.has_store()) return std::nullopt;
        const swarm::v1::StoreRequest& store = request.store();
        const MailboxAddress mailbox =
            *MailboxAddress::FromBytes(store.mailbox());
        const int work = swarm::MessageWork(
            swarm::ComputeMessageId(mailbox, swarm::MailboxNamespace::kInbox,
                                    store.payload()),
            mailbox, store.work_hour(), store.work_nonce());
        const uint32_t hour = static_cast<uint32_t>(
            absl::ToUnixSeconds(swarm_.clock().Now()) / 3600);
        if (store.work_hour() == hour && work >= static_cast<int>(needed)) {
          most_work_ = std::max(most_work_, work);
          return std::nullopt;
        }
        return FakeSwarm::Refuse(StatusCode::kResourceExhausted,
                                 Refusal::WORK_NEEDED, needed);
      };
    }
  }

  FakeSwarm swarm_{8};
  routing::ShiftedClock clock_{swarm_.clock()};
  AccountKeys account_ = AccountKeys::Generate(swarm_.random());
  Ed25519PrivateKey read_key_ = Ed25519PrivateKey::Generate(swarm_.random());
  Ed25519PrivateKey write_key_ = Ed25519PrivateKey::Generate(swarm_.random());
  int refreshes_ = 0;
  int most_work_ = 0;
  std::function<void()> on_refresh_;
  std::unique_ptr<SwarmClient> client_;
};

// ------------------------------------------------------------ registration --

TEST_F(SwarmClientFakeTest, ARegistrationCarriesItsWorkAndItsReadersSignature) {
  ASSERT_THAT(Register(), IsOk());
  for (const int i : Members()) {
    EXPECT_THAT(swarm_.node(i).registered, SizeIs(1));
  }
  ClientRequest request;
  ASSERT_TRUE(request.ParseFromString(swarm_.requester().sent().front().bytes));
  const swarm::v1::RegisterRequest& order = request.register_();
  const swarm::RegistrationTerms terms{
      .mailbox = *MailboxAddress::FromBytes(order.mailbox()),
      .timestamp_ms = order.timestamp_ms(),
      .proof_nonce = order.proof_nonce()};
  EXPECT_GE(swarm::RegistrationWork(terms), 6);
  EXPECT_THAT(
      swarm::VerifyRegistration(
          {.read_key = *crypto::Ed25519PublicKey::FromBytes(order.reader_key()),
           .write_key = std::nullopt},
          terms, *crypto::Ed25519Signature::FromBytes(order.signature())),
      IsOk());
}

TEST_F(SwarmClientFakeTest, ARegistrationNeedsTwoMembersLikeAnyWrite) {
  const std::vector<int> members = Members();
  swarm_.node(members[0]).silent = true;
  EXPECT_THAT(Register(), IsOk());
  swarm_.node(members[1]).silent = true;
  EXPECT_THAT(Register(), StatusIs(StatusCode::kUnavailable));
}

// ---------------------------------------------------------------- refusals --

TEST_F(SwarmClientFakeTest, TwoMembersThatRefuseSayWhy) {
  struct Case {
    StatusCode code;
    Refusal::Reason reason;
    RefusalReason expected;
  };
  for (const Case& one : std::vector<Case>{
           {StatusCode::kPermissionDenied, Refusal::NOT_REGISTERED,
            RefusalReason::kNotRegistered},
           {StatusCode::kResourceExhausted, Refusal::MAILBOX_FULL,
            RefusalReason::kMailboxFull},
           {StatusCode::kResourceExhausted, Refusal::NODE_FULL,
            RefusalReason::kNodeFull},
           {StatusCode::kResourceExhausted, Refusal::BUSY,
            RefusalReason::kBusy},
           {StatusCode::kFailedPrecondition, Refusal::WRONG_SWARM,
            RefusalReason::kWrongSwarm},
           {StatusCode::kFailedPrecondition, Refusal::CLOCK_SKEW,
            RefusalReason::kClockSkew},
           {StatusCode::kUnavailable, Refusal::FILLING,
            RefusalReason::kFilling},
           {StatusCode::kResourceExhausted, Refusal::OWNER_LIMIT,
            RefusalReason::kOwnerLimit}}) {
    RefuseWrites(3, FakeSwarm::Refuse(one.code, one.reason));
    const absl::Status status = StoreInbox("hello").status();
    EXPECT_THAT(status, StatusIs(one.code));
    EXPECT_EQ(RefusalOf(status).reason, one.expected) << status;
    // What one member alone says decides nothing.
    for (const int i : Members()) swarm_.node(i).script = nullptr;
    RefuseWrites(1, FakeSwarm::Refuse(one.code, one.reason));
    EXPECT_THAT(StoreInbox("hello"), IsOk()) << static_cast<int>(one.expected);
    for (const int i : Members()) swarm_.node(i).script = nullptr;
  }
}

TEST_F(SwarmClientFakeTest, AFullMailboxIsFilledByAMemberThatStillHasRoom) {
  RefuseWrites(2, FakeSwarm::Refuse(StatusCode::kResourceExhausted,
                                    Refusal::MAILBOX_FULL));
  EXPECT_THAT(StoreInbox("hello"), IsOk());
}

TEST_F(SwarmClientFakeTest, ACrowdedInboxIsPaidWithWorkOfTheHour) {
  DemandWork({9, 9, 9});
  EXPECT_THAT(StoreInbox("hello"), IsOk());
  EXPECT_GE(most_work_, 9);
}

TEST_F(SwarmClientFakeTest, OneMemberCannotMakeAClientWorkForNothing) {
  // Nobody can tell whether the other two would do without; they are asked.
  DemandWork({200});
  EXPECT_THAT(StoreInbox("hello"), IsOk());
  // The second highest demand is what counts.
  DemandWork({200, 7, 7});
  EXPECT_THAT(StoreInbox("hello again"), IsOk());
  EXPECT_GE(most_work_, 7);
}

TEST_F(SwarmClientFakeTest, MoreWorkThanIsReasonableIsLeftToThePerson) {
  DemandWork({25, 25, 25});
  const absl::Status status = StoreInbox("hello").status();
  EXPECT_THAT(status, StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(RefusalOf(status).reason, RefusalReason::kWorkNeeded);
  EXPECT_EQ(RefusalOf(status).work_bits, 25);
}

TEST_F(SwarmClientFakeTest, APairwiseMailboxIsNeverPaidForWithWork) {
  for (const int i : swarm_.Members(MailboxAddress::ForPair(
           read_key_.public_key(), write_key_.public_key()))) {
    swarm_.node(i).script = [](const ClientRequest&) {
      return FakeSwarm::Refuse(StatusCode::kResourceExhausted,
                               Refusal::WORK_NEEDED, 8);
    };
  }
  EXPECT_FALSE(StorePair("hello").ok());
  for (const OnionRequester::Request& sent : swarm_.requester().sent()) {
    ClientRequest request;
    ASSERT_TRUE(request.ParseFromString(sent.bytes));
    EXPECT_EQ(request.store().work_nonce(), 0u);
  }
}

TEST_F(SwarmClientFakeTest, BusyMembersAreGivenThePauseTheyAskFor) {
  bool asked_too_early = false;
  std::optional<absl::Time> refused;
  for (const int i : Members()) {
    swarm_.node(i).script =
        [&](const ClientRequest&) -> std::optional<ClientResponse> {
      const absl::Time now = swarm_.clock().Now();
      if (refused && now - *refused > absl::Seconds(3)) return std::nullopt;
      if (refused && now - *refused > absl::Seconds(1)) asked_too_early = true;
      if (!refused) refused = now;
      ClientResponse response =
          FakeSwarm::Refuse(StatusCode::kResourceExhausted, Refusal::BUSY);
      response.mutable_refusal()->set_retry_after_ms(4'000);
      return response;
    };
  }
  EXPECT_THAT(StoreInbox("hello"), IsOk());
  EXPECT_FALSE(asked_too_early);
}

// ------------------------------------------------------- changes of members --

TEST_F(SwarmClientFakeTest, ANewerDirectoryIsFetchedAndItsMembersAreAsked) {
  // All that the client knows have left; its new directory knows others.
  const std::vector<int> former = Members();
  for (const int i : former) swarm_.node(i).epoch = 100;
  on_refresh_ = [&] {
    swarm_.Reissue([&](routing::TestNetwork::Draft& draft) {
      for (const int i : former)
        draft.nodes[i].storage_state = routing::StorageState::kWaiting;
    });
  };
  const absl::StatusOr<StoreOutcome> stored = StoreInbox("hello");
  ASSERT_THAT(stored, IsOk());
  EXPECT_EQ(refreshes_, 1);
  for (const routing::NodeId& holder : stored->holders) {
    EXPECT_THAT(
        former,
        ::testing::Not(::testing::Contains(swarm_.paper().IndexOf(holder))));
  }
}

TEST_F(SwarmClientFakeTest, AReadingGoesOnWithTheMembersOfTheNewDirectory) {
  const std::vector<int> former = Members();
  for (const int i : former) swarm_.node(i).epoch = 100;
  on_refresh_ = [&] {
    swarm_.Reissue([&](routing::TestNetwork::Draft& draft) {
      for (const int i : former)
        draft.nodes[i].storage_state = routing::StorageState::kWaiting;
    });
  };
  const absl::StatusOr<RetrieveOutcome> read = Read();
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  EXPECT_EQ(refreshes_, 1);
}

TEST_F(SwarmClientFakeTest, ReceiptsOfFormerMembersStopCounting) {
  // The first member signs alone; then it leaves the swarm.
  const std::vector<int> members = Members();
  for (const int i : members) swarm_.node(i).cut_off = true;
  bool changed = false;
  swarm_.requester().set_reply_filter(
      [&](const routing::NodeId& node,
          absl::StatusOr<std::string> reply) -> absl::StatusOr<std::string> {
        if (!changed) {
          changed = true;
          const int left = swarm_.paper().IndexOf(node);
          swarm_.executor().RunAfter(absl::Milliseconds(100), [this, left] {
            swarm_.Reissue([&](routing::TestNetwork::Draft& draft) {
              draft.nodes[left].storage_state = routing::StorageState::kWaiting;
            });
          });
        }
        return reply;
      });
  const absl::StatusOr<StoreOutcome> stored = StoreInbox("hello");
  ASSERT_THAT(stored, IsOk());
  const std::vector<int> now = Members();
  EXPECT_THAT(stored->holders, SizeIs(2));
  for (const routing::NodeId& holder : stored->holders) {
    EXPECT_THAT(now, ::testing::Contains(swarm_.paper().IndexOf(holder)));
  }
}

TEST_F(SwarmClientFakeTest, AMemberThatAlwaysSpeaksOfANewerDirectoryIsPassed) {
  swarm_.node(Members()[0]).epoch = 1'000'000;
  for (int i = 0; i < 8; ++i) {
    EXPECT_THAT(StoreInbox(absl::StrCat("message ", i)), IsOk());
    EXPECT_TRUE(Read()->complete);
  }
  EXPECT_LE(refreshes_, 8);
}

TEST_F(SwarmClientFakeTest, AMemberThatIsFillingDoesNotCountAsRead) {
  ASSERT_THAT(StoreInbox("hello"), IsOk());
  const std::vector<int> members = Members();
  const auto filling = [](const ClientRequest&) {
    return FakeSwarm::Refuse(StatusCode::kUnavailable, Refusal::FILLING);
  };
  swarm_.node(members[0]).script = filling;
  absl::StatusOr<RetrieveOutcome> read = Read();
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  EXPECT_EQ(read->members_answered, 2);
  swarm_.node(members[1]).script = filling;
  read = Read();
  ASSERT_THAT(read, IsOk());
  EXPECT_FALSE(read->complete);
  EXPECT_EQ(read->members_answered, 1);
}

TEST_F(SwarmClientFakeTest, ReadingAMailboxThatNobodyRegisteredSaysSo) {
  for (const int i : Members()) {
    swarm_.node(i).script = [](const ClientRequest&) {
      return FakeSwarm::Refuse(StatusCode::kPermissionDenied,
                               Refusal::NOT_REGISTERED);
    };
  }
  const absl::Status status = Read().status();
  EXPECT_EQ(RefusalOf(status).reason, RefusalReason::kNotRegistered);
}

// ---------------------------------------------------------------- patience --

TEST_F(SwarmClientFakeTest, ASilentMemberDelaysAWriteByItsPatienceAlone) {
  absl::Duration longest;
  for (int i = 0; i < 20; ++i) {
    swarm_.node(Members()[0]).silent = true;
    const absl::Time started = swarm_.clock().Now();
    const absl::StatusOr<StoreOutcome> stored =
        StoreInbox(absl::StrCat("text ", i));
    ASSERT_THAT(stored, IsOk());
    EXPECT_LE(stored->attempts, 2);
    longest = std::max(longest, swarm_.clock().Now() - started);
  }
  EXPECT_GE(longest, SwarmClientOptions().write_patience) << "it was asked";
  EXPECT_LT(longest, SwarmClientOptions().write_patience + absl::Seconds(1));
}

TEST_F(SwarmClientFakeTest, ReceiptsThatComeLateCountStill) {
  // Each confirms for itself alone: the first one late, the second at once.
  // The third knows nothing; its answer decides nothing either.
  int asked = 0;
  for (const int i : Members()) {
    swarm_.node(i).script =
        [&](const ClientRequest&) -> std::optional<ClientResponse> {
      ++asked;
      return asked < 3
                 ? std::nullopt
                 : std::optional<ClientResponse>(FakeSwarm::Refuse(
                       StatusCode::kUnavailable, Refusal::REASON_UNSPECIFIED));
    };
    for (const int other : Members()) swarm_.node(other).cut_off = true;
  }
  std::optional<routing::NodeId> first;
  swarm_.requester().set_delay([&](const routing::NodeId& destination) {
    if (!first) first = destination;
    return destination == *first ? absl::Seconds(6) : absl::ZeroDuration();
  });
  const absl::StatusOr<StoreOutcome> stored = StoreInbox("hello");
  ASSERT_THAT(stored, IsOk());
  EXPECT_THAT(stored->holders, SizeIs(2));
  EXPECT_EQ(asked, stored->attempts);
}

// -------------------------------------------------------------- challenges --

TEST_F(SwarmClientFakeTest, AReadingNamesTheChallengeOfEachMember) {
  ASSERT_THAT(StoreInbox("hello"), IsOk());
  const std::vector<int> members = Members();
  for (const int i : members) {
    swarm_.node(i).challenge = 100 + static_cast<uint64_t>(i);
    swarm_.node(i).asked.clear();
  }
  absl::StatusOr<RetrieveOutcome> read = Read();
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  EXPECT_THAT(read->messages, SizeIs(1));
  for (const int i : members) {
    ASSERT_THAT(swarm_.node(i).asked, SizeIs(2));
    EXPECT_NE(swarm_.node(i).asked[0].retrieve().nonce(),
              swarm_.node(i).asked[1].retrieve().nonce());
    swarm_.node(i).asked.clear();
  }
  // The next reading knows them all; of one that starts anew it hears.
  swarm_.node(members[0]).challenge = 7;
  read = Read(read->cursors);
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(read->messages, IsEmpty());
  EXPECT_EQ(read->cursors[swarm_.id(members[0])].challenge, 7);
  EXPECT_THAT(swarm_.node(members[0]).asked, SizeIs(2));
  EXPECT_THAT(swarm_.node(members[1]).asked, SizeIs(1));
}

TEST_F(SwarmClientFakeTest, AMemberWithAnotherChallengeEachTimeIsPassed) {
  swarm_.node(Members()[0]).script =
      [this](const ClientRequest&) -> std::optional<ClientResponse> {
    ClientResponse response = FakeSwarm::Refuse(StatusCode::kFailedPrecondition,
                                                Refusal::STALE_CHALLENGE);
    response.mutable_refusal()->set_challenge(swarm_.random().U64());
    return response;
  };
  const absl::StatusOr<RetrieveOutcome> read = Read();
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  EXPECT_EQ(read->members_answered, 2);
  EXPECT_FALSE(read->clock_refused);
  EXPECT_LE(swarm_.node(Members()[0]).asked.size(), 6);
}

TEST_F(SwarmClientFakeTest, AWaitNamesTheChallengeToo) {
  for (const int i : Members()) swarm_.node(i).challenge = 9;
  swarm_.executor().RunAfter(absl::Seconds(20), [this] {
    client_->Store(StoreTarget::Inbox(account_.id()), "hello",
                   clock_.Now() + absl::Hours(1), [](auto) {});
  });
  const absl::StatusOr<RetrieveOutcome> waited = Wait();
  ASSERT_THAT(waited, IsOk());
  EXPECT_THAT(waited->messages, SizeIs(1));
  const size_t sent = swarm_.requester().sent().size();
  EXPECT_THAT(Wait(waited->cursors), IsOk());
  EXPECT_EQ(swarm_.requester().sent().size(), sent + 1);
}

// ------------------------------------------------------------------- waits --

TEST_F(SwarmClientFakeTest, AWaitEndsWhenAMessageComes) {
  swarm_.executor().RunAfter(absl::Seconds(20), [this] {
    client_->Store(StoreTarget::Inbox(account_.id()), "hello",
                   clock_.Now() + absl::Hours(1), [](auto) {});
  });
  const absl::Time started = swarm_.clock().Now();
  const absl::StatusOr<RetrieveOutcome> waited = Wait();
  ASSERT_THAT(waited, IsOk());
  ASSERT_THAT(waited->messages, SizeIs(1));
  EXPECT_EQ(waited->messages[0].payload, "hello");
  EXPECT_LT(swarm_.clock().Now() - started, absl::Seconds(21));
  EXPECT_FALSE(waited->complete) << "one member is no quorum";
  // The next one waits beyond it.
  EXPECT_THAT(Wait(waited->cursors)->messages, IsEmpty());
  EXPECT_GT(swarm_.clock().Now() - started, absl::Seconds(70));
}

TEST_F(SwarmClientFakeTest, AWaitStaysAtOneMemberUntilThatFails) {
  std::set<routing::NodeId> asked;
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(Wait(), IsOk());
    asked.insert(swarm_.requester().sent().back().destination);
  }
  ASSERT_THAT(asked, SizeIs(1));
  const int primary = swarm_.paper().IndexOf(*asked.begin());
  swarm_.node(primary).silent = true;
  EXPECT_THAT(Wait(), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Wait(), IsOk());
  EXPECT_NE(swarm_.requester().sent().back().destination, *asked.begin());
}

TEST_F(SwarmClientFakeTest, AWaitHasTimeForItsPathBeyondTheTimeItWaits) {
  ASSERT_THAT(Wait(), IsOk());
  const OnionRequester::Request& sent = swarm_.requester().sent().back();
  ClientRequest request;
  ASSERT_TRUE(request.ParseFromString(sent.bytes));
  EXPECT_EQ(request.retrieve().wait_ms(), swarm::kMaxWaitMs);
  EXPECT_EQ(sent.timeout, absl::Seconds(65));
}

// ------------------------------------------------------------------- clock --

TEST_F(SwarmClientFakeTest, AClockThatIsAnHourOffIsCorrectedOnce) {
  for (const absl::Duration shift : {absl::Hours(1), absl::Hours(-1)}) {
    clock_.shift = shift;
    client_ = std::make_unique<SwarmClient>(
        swarm_.requester(), swarm_.directory(), clock_, swarm_.executor(),
        swarm_.random(), SwarmClientOptions{});
    EXPECT_THAT(Register(), IsOk());
    EXPECT_LT(absl::AbsDuration(client_->Now() - swarm_.clock().Now()),
              absl::Seconds(1));
    const size_t sent = swarm_.requester().sent().size();
    EXPECT_THAT(Register(), IsOk());
    EXPECT_EQ(swarm_.requester().sent().size(), sent + 1);
  }
}

TEST_F(SwarmClientFakeTest, ReadingAndStoringSurviveAWrongClockToo) {
  clock_.shift = absl::Hours(1);
  // Its end lies beyond what members take.
  EXPECT_THAT(StoreInbox("hello"), IsOk());
  client_ =
      std::make_unique<SwarmClient>(swarm_.requester(), swarm_.directory(),
                                    clock_, swarm_.executor(), swarm_.random());
  const absl::StatusOr<RetrieveOutcome> read = Read();
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  EXPECT_THAT(read->messages, SizeIs(1));
}

TEST_F(SwarmClientFakeTest, MembersThatCallARightClockWrongChangeNothing) {
  RefuseWrites(3, FakeSwarm::Refuse(StatusCode::kFailedPrecondition,
                                    Refusal::CLOCK_SKEW));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(RefusalOf(Register().status()).reason, RefusalReason::kClockSkew);
  }
  EXPECT_EQ(client_->Now(), clock_.Now());
}

TEST_F(SwarmClientFakeTest, DestroyingTheClientEndsWhatWaits) {
  bool told = false;
  client_->Wait(InboxReader(), {}, absl::Seconds(55),
                [&](auto) { told = true; });
  client_->Register(InboxReader(), [&](auto) { told = true; });
  client_.reset();
  swarm_.executor().RunFor(absl::Minutes(3));
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace messenger::client
