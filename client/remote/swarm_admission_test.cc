// What real members let in and what a client makes of their refusals:
// registration, work, quotas, full nodes, clocks.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/remote/swarm_client.h"
#include "client/remote/testing/swarm_client_fixture.h"
#include "client/remote/write_refusal.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/registration.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::Each;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using absl::StatusCode;
using crypto::AccountKeys;
using swarm::MailboxAddress;
using swarm::MailboxNamespace;
using swarm::v1::ClientRequest;

// Asked for a message into an inbox that is half full (swarm/SPEC.md, section
// 4.4).
constexpr int kFirstWorkBits = 12;

class SwarmAdmissionTest : public SwarmClientFixture {
 protected:
  std::vector<int> InboxMembers() { return swarm_.Members(Inbox()); }

  uint64_t MessagesAt(const std::vector<int>& nodes) {
    uint64_t messages = 0;
    for (const int node : nodes) {
      messages += swarm_.node(node).store->Totals()->messages;
    }
    return messages;
  }

  // The inbox holds so many messages of strangers, at all members.
  void FillInbox(uint64_t messages) {
    for (; in_inbox_ < messages; ++in_inbox_) {
      swarm_.PutIntoInbox(account_.id(),
                          absl::StrCat("from stranger ", in_inbox_));
    }
  }

  // The work in each request to store into the inbox, as members see it. 0: no
  // work was sent.
  std::vector<int> WorkSent() {
    const auto hour =
        static_cast<uint32_t>(absl::ToUnixSeconds(swarm_.clock().Now()) / 3600);
    std::vector<int> work;
    for (const OnionRequester::Request& sent : requester_.sent()) {
      ClientRequest request;
      EXPECT_TRUE(request.ParseFromString(sent.bytes));
      if (!request.has_store()) continue;
      const swarm::v1::StoreRequest& store = request.store();
      work.push_back(
          store.work_hour() != hour
              ? 0
              : swarm::MessageWork(
                    swarm::ComputeMessageId(Inbox(), MailboxNamespace::kInbox,
                                            store.payload()),
                    Inbox(), hour, store.work_nonce()));
    }
    return work;
  }
  int MostWorkSent() {
    const std::vector<int> work = WorkSent();
    return work.empty() ? 0 : *std::max_element(work.begin(), work.end());
  }

 private:
  uint64_t in_inbox_ = 0;
};

// ------------------------------------------------------------ registration --

TEST_F(SwarmAdmissionTest, AMailboxThatNobodyRegisteredTakesNothing) {
  const AccountKeys stranger = AccountKeys::Generate(swarm_.random());
  const StoreTarget target = StoreTarget::Inbox(stranger.id());
  const absl::Status status =
      StoreInto(target, "hello", In(absl::Hours(1))).status();
  EXPECT_THAT(status, StatusIs(StatusCode::kPermissionDenied));
  EXPECT_EQ(RefusalOf(status).reason, RefusalReason::kNotRegistered);
  swarm_.executor().RunFor(absl::Minutes(1));
  EXPECT_EQ(MessagesAt(swarm_.Members(target.mailbox)), 0u);
}

TEST_F(SwarmAdmissionTest, ItsReaderMakesItExist) {
  const AccountKeys reader = AccountKeys::Generate(swarm_.random());
  const StoreTarget target = StoreTarget::Inbox(reader.id());
  const absl::StatusOr<StoreOutcome> registered =
      Register(MailboxReader::Inbox(reader.id(), reader.signing_key()));
  ASSERT_THAT(registered, IsOk());
  EXPECT_THAT(registered->holders, SizeIs(Ge(2)));
  EXPECT_THAT(StoreInto(target, "hello", In(absl::Hours(1))), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_EQ(MessagesAt(swarm_.Members(target.mailbox)), 3u);
}

TEST_F(SwarmAdmissionTest, OnlyItsReaderMakesItExist) {
  const AccountKeys reader = AccountKeys::Generate(swarm_.random());
  EXPECT_FALSE(
      Register(MailboxReader::Inbox(reader.id(), account_.signing_key())).ok());
  EXPECT_THAT(
      StoreInto(StoreTarget::Inbox(reader.id()), "hello", In(absl::Hours(1))),
      StatusIs(StatusCode::kPermissionDenied));
}

TEST_F(SwarmAdmissionTest, ARegistrationThatAMemberMissedReachesIt) {
  const AccountKeys reader = AccountKeys::Generate(swarm_.random());
  const MailboxAddress mailbox = MailboxAddress::ForAccount(reader.id());
  const int away = swarm_.Members(mailbox)[0];
  swarm_.Crash(away);
  ASSERT_THAT(Register(MailboxReader::Inbox(reader.id(), reader.signing_key())),
              IsOk());
  swarm_.Restart(away);
  swarm_.executor().RunFor(absl::Minutes(2));
  EXPECT_GT(swarm_.node(away).store->Usage(mailbox).registered_until_ms, 0u);
}

// -------------------------------------------------------------------- work --

TEST_F(SwarmAdmissionTest, AQuietInboxCostsNoWork) {
  FillInbox(swarm::kStrangerMessages / 2 - 1);
  ASSERT_THAT(StoreInbox("hello"), IsOk());
  EXPECT_EQ(requester_.sent().size(), 1u);
}

TEST_F(SwarmAdmissionTest, ACrowdedInboxIsPaidForWithTheWorkThatMembersAsk) {
  FillInbox(swarm::kStrangerMessages / 2);
  const absl::StatusOr<StoreOutcome> stored = StoreInbox("hello");
  ASSERT_THAT(stored, IsOk());
  // Two members named the price, and the next one was paid.
  EXPECT_EQ(requester_.sent().size(), 3u);
  EXPECT_GE(WorkSent().back(), kFirstWorkBits);
  const absl::StatusOr<RetrieveOutcome> read = Read(InboxReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  EXPECT_THAT(Payloads(*read), ::testing::Contains("hello"));
}

TEST_F(SwarmAdmissionTest, APriceThatRisesMeanwhileIsPaidAnew) {
  FillInbox(swarm::kStrangerMessages / 2);
  // Strangers fill the inbox while the client does the work of the first price.
  requester_.set_interceptor([this](const OnionRequester::Request& request)
                                 -> std::optional<absl::StatusOr<std::string>> {
    ClientRequest parsed;
    EXPECT_TRUE(parsed.ParseFromString(request.bytes));
    if (parsed.store().work_hour() != 0) FillInbox(140);
    return std::nullopt;
  });
  ASSERT_THAT(StoreInbox("hello"), IsOk());
  EXPECT_GE(WorkSent().back(), 15);
}

TEST_F(SwarmAdmissionTest, WorkThatIsNotDoneIsNotTaken) {
  FillInbox(swarm::kStrangerMessages / 2);
  // A client that claims to have worked: whatever it sends has another nonce.
  requester_.set_interceptor([this](const OnionRequester::Request& request)
                                 -> std::optional<absl::StatusOr<std::string>> {
    ClientRequest parsed;
    EXPECT_TRUE(parsed.ParseFromString(request.bytes));
    if (parsed.store().work_hour() == 0) return std::nullopt;
    ClientRequest idle = parsed;
    do {
      idle.mutable_store()->set_work_nonce(idle.store().work_nonce() + 1);
    } while (swarm::MessageWork(
                 swarm::ComputeMessageId(Inbox(), MailboxNamespace::kInbox,
                                         idle.store().payload()),
                 Inbox(), idle.store().work_hour(),
                 idle.store().work_nonce()) >= kFirstWorkBits);
    std::optional<absl::StatusOr<std::string>> reply;
    swarm_.Deliver(request.destination, 1, idle.SerializeAsString(),
                   [&](absl::StatusOr<std::string> said) { reply = said; });
    EXPECT_TRUE(reply.has_value()) << "refused at once, before any other";
    return reply;
  });
  const uint64_t before = MessagesAt(InboxMembers());
  const absl::Status status = StoreInbox("hello").status();
  EXPECT_THAT(status, StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(RefusalOf(status).reason, RefusalReason::kWorkNeeded);
  EXPECT_EQ(RefusalOf(status).work_bits, kFirstWorkBits);
  EXPECT_EQ(MessagesAt(InboxMembers()), before);
}

TEST_F(SwarmAdmissionTest, OneMemberCannotMakeTheClientDoTheWrongWork) {
  FillInbox(swarm::kStrangerMessages / 2);
  for (const uint32_t bits : {1u, 200u}) {
    LieAboutWork(InboxMembers()[0], bits);
    for (int i = 0; i < 8; ++i) {
      EXPECT_THAT(StoreInbox(absl::StrCat("message ", i, " for ", bits)),
                  IsOk());
    }
    EXPECT_THAT(WorkSent(), Each(::testing::Lt(24)));
  }
}

TEST_F(SwarmAdmissionTest, ContactsNeverWork) {
  for (int i = 0; i < static_cast<int>(swarm::kStrangerMessages); ++i) {
    ASSERT_THAT(Store(absl::StrCat("message ", i)), IsOk());
  }
  EXPECT_EQ(requester_.sent().size(), swarm::kStrangerMessages);
  EXPECT_EQ(MostWorkSent(), 0);
}

// ------------------------------------------------------------------ quotas --

TEST_F(SwarmAdmissionTest, AFullInboxSaysSoUntilItsReaderHasMadeRoom) {
  FillInbox(swarm::kStrangerMessages);
  const absl::Status full = StoreInbox("hello").status();
  EXPECT_THAT(full, StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(RefusalOf(full).reason, RefusalReason::kMailboxFull);

  const absl::StatusOr<RetrieveOutcome> read = Read(InboxReader());
  ASSERT_THAT(read, IsOk());
  ASSERT_THAT(read->messages, SizeIs(swarm::kStrangerMessages));
  std::vector<swarm::MessageId> ids;
  for (const RetrievedMessage& message : read->messages) {
    ids.push_back(message.id);
  }
  ASSERT_THAT(Delete(InboxReader(), ids), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_THAT(StoreInbox("hello"), IsOk());
  EXPECT_EQ(MostWorkSent(), 0);
}

// ------------------------------------------------------------------- nodes --

class FullNodeTest : public SwarmAdmissionTest {
 protected:
  static constexpr uint64_t kCapacity = 100 * 1024;

  // All members of the pairwise mailbox have disks of that size.
  FullNodeTest() {
    for (const int member : Members()) {
      swarm_.Wipe(member, kCapacity);
      swarm_.Settle();
    }
  }

  // To some percents of the capacity, with mailboxes of others that are larger
  // than the one under test.
  void FillMembers(uint64_t percent) {
    for (const int member : Members()) {
      swarm::MessageStore& store = *swarm_.node(member).store;
      const auto used = [&store] { return store.Space().used_bytes; };
      while (used() < kCapacity * percent / 100) {
        const uint64_t missing = kCapacity * percent / 100 - used();
        Fill(store, OtherMailbox(member), std::min<uint64_t>(missing, 8'000));
      }
    }
  }

 private:
  // Of a shard that the member does not share with anybody.
  MailboxAddress OtherMailbox(int member) {
    while (true) {
      const MailboxAddress mailbox =
          MailboxAddress::FromBytes("\x06" + swarm_.random().String(32))
              .value();
      const std::vector<int> members = swarm_.Members(mailbox);
      if (std::find(members.begin(), members.end(), member) == members.end()) {
        return mailbox;
      }
    }
  }
  void Fill(swarm::MessageStore& store, const MailboxAddress& mailbox,
            uint64_t bytes) {
    const auto now_ms =
        static_cast<uint64_t>(absl::ToUnixMillis(swarm_.clock().Now()));
    const std::vector<swarm::StoreOp> ops = {
        swarm::PutRegistration{.mailbox = mailbox,
                               .id = swarm_.random().Fixed<swarm::ObjectId>(),
                               .timestamp_ms = now_ms,
                               .proof_nonce = 0,
                               .proof = ""},
        swarm::PutMessage{.mailbox = mailbox,
                          .ns = swarm::MailboxNamespace::kPairwise,
                          .id = swarm_.random().Fixed<swarm::MessageId>(),
                          .payload = std::string(bytes, 'x'),
                          .expiry_ms = now_ms + 86'400'000,
                          .proof = ""}};
    const auto stored = store.Apply(ops, now_ms);
    ASSERT_THAT(stored, IsOk());
    ASSERT_EQ(stored->back(), swarm::OpResult::kDone);
  }
};

TEST_F(FullNodeTest, ContactsAreTurnedAwayLastAndTheReaderNever) {
  ASSERT_THAT(Store(std::string(4'000, 'a')), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  FillMembers(94);
  const absl::StatusOr<StoreOutcome> last = Store("the last that is taken");
  ASSERT_THAT(last, IsOk());
  FillMembers(95);
  const absl::Status full = Store("hello").status();
  EXPECT_THAT(full, StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(RefusalOf(full).reason, RefusalReason::kNodeFull);

  // The reader makes room, and that is all it takes.
  const absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(Delete(PairReader(), {read->messages[0].id, last->id}), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_THAT(Store("hello"), IsOk());
}

// Whoever registers mailboxes to fill nodes is stopped before who shares them.
TEST_F(FullNodeTest, ALargeMailboxOfACrowdedNodeTakesNothingMore) {
  ASSERT_THAT(Store(std::string(20'000, 'a')), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  FillMembers(85);
  const absl::Status large = Store("hello").status();
  EXPECT_THAT(large, StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(RefusalOf(large).reason, RefusalReason::kNodeFull);
}

TEST_F(FullNodeTest, StrangersAreTurnedAwayFromANodeThatIsNearlyFull) {
  // Somebody all of whose members are full, and nobody else's.
  AccountKeys somebody = AccountKeys::Generate(swarm_.random());
  const auto same = [&] {
    std::vector<int> members =
        swarm_.Members(MailboxAddress::ForAccount(somebody.id()));
    std::vector<int> full = Members();
    std::sort(members.begin(), members.end());
    std::sort(full.begin(), full.end());
    return members == full;
  };
  while (!same()) somebody = AccountKeys::Generate(swarm_.random());
  swarm_.Register(somebody);
  const StoreTarget target = StoreTarget::Inbox(somebody.id());
  EXPECT_THAT(StoreInto(target, "early", In(absl::Hours(1))), IsOk());
  FillMembers(90);
  const absl::Status full =
      StoreInto(target, "late", In(absl::Hours(1))).status();
  EXPECT_THAT(full, StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(RefusalOf(full).reason, RefusalReason::kNodeFull);
  EXPECT_THAT(Store("from a contact"), IsOk());
}

TEST_F(FullNodeTest, OneNodeWithSpaceLeftForAQuorumIsFoundByTheClient) {
  FillMembers(95);
  for (const int member : {Members()[0], Members()[2]}) {
    swarm_.Wipe(member);
    swarm_.Settle();
  }
  for (int i = 0; i < 6; ++i) {
    EXPECT_THAT(Store(absl::StrCat("message ", i)), IsOk());
  }
}

// ------------------------------------------------------------------- clock --

class WrongClockTest : public SwarmAdmissionTest,
                       public ::testing::WithParamInterface<absl::Duration> {
 protected:
  WrongClockTest() {
    clock_.shift = GetParam();
    RestartClient();
  }

  void ExpectNetworkTime() {
    EXPECT_LT(absl::AbsDuration(client_->Now() - swarm_.clock().Now()),
              absl::Seconds(1));
  }
  // Of the newest request for which `sign` has a time.
  void ExpectSignedNow(
      const std::function<uint64_t(const ClientRequest&)>& signed_at) {
    uint64_t newest = 0;
    for (const OnionRequester::Request& sent : requester_.sent()) {
      ClientRequest request;
      ASSERT_TRUE(request.ParseFromString(sent.bytes));
      if (signed_at(request) != 0) newest = signed_at(request);
    }
    EXPECT_NEAR(static_cast<double>(newest),
                static_cast<double>(absl::ToUnixMillis(swarm_.clock().Now())),
                2'000);
  }
};

TEST_P(WrongClockTest, ARegistrationIsSignedAtTheNetworksTime) {
  const AccountKeys reader = AccountKeys::Generate(swarm_.random());
  EXPECT_THAT(Register(MailboxReader::Inbox(reader.id(), reader.signing_key())),
              IsOk());
  ExpectNetworkTime();
  ExpectSignedNow([](const ClientRequest& request) {
    return request.register_().timestamp_ms();
  });
}

TEST_P(WrongClockTest, ADeletionIsSignedAtTheNetworksTime) {
  EXPECT_THAT(Delete(PairReader(), {swarm::MessageId()}), IsOk());
  ExpectNetworkTime();
  ExpectSignedNow([](const ClientRequest& request) {
    return request.delete_().timestamp_ms();
  });
}

TEST_P(WrongClockTest, AReadingIsSignedAtTheNetworksTime) {
  const absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  ExpectNetworkTime();
  ExpectSignedNow([](const ClientRequest& request) {
    return request.retrieve().timestamp_ms();
  });
}

TEST_P(WrongClockTest, WorkIsOfTheNetworksHour) {
  FillInbox(swarm::kStrangerMessages / 2);
  EXPECT_THAT(StoreInto(StoreTarget::Inbox(account_.id()), "hello",
                        swarm_.clock().Now() + absl::Hours(24)),
              IsOk());
  ExpectNetworkTime();
  EXPECT_GE(WorkSent().back(), kFirstWorkBits);
}

INSTANTIATE_TEST_SUITE_P(Shifts, WrongClockTest,
                         ::testing::Values(absl::Hours(5), absl::Hours(-5)),
                         [](const auto& shift) {
                           return shift.param > absl::ZeroDuration() ? "Ahead"
                                                                     : "Behind";
                         });

}  // namespace
}  // namespace messenger::client
