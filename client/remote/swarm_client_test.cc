// The client against whole simulated swarms: crashed members, lying members,
// lost replies.

#include "client/remote/swarm_client.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/remote/swarm_client_options.h"
#include "client/remote/testing/fake_onion_requester.h"
#include "client/remote/testing/swarm_client_fixture.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/receipt.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"
#include "swarm/testing/simulated_swarm.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

using crypto::AccountKeys;
using crypto::Ed25519PrivateKey;
using swarm::MailboxAddress;
using swarm::MailboxNamespace;

class SwarmClientTest : public SwarmClientFixture {};

TEST_F(SwarmClientTest, AStoredMessageIsReadByItsReader) {
  const absl::StatusOr<StoreOutcome> stored = Store("hello");
  ASSERT_THAT(stored, IsOk());
  EXPECT_THAT(stored->holders, SizeIs(Ge(2)));
  EXPECT_EQ(stored->attempts, 1);
  EXPECT_THAT(stored->routes, SizeIs(1));
  const absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  EXPECT_FALSE(read->more);
  EXPECT_EQ(read->members_answered, 3);
  ASSERT_THAT(read->messages, SizeIs(1));
  EXPECT_EQ(read->messages[0].payload, "hello");
  EXPECT_EQ(read->messages[0].id, stored->id);
  EXPECT_EQ(client_->operations(), 0);
}

TEST_F(SwarmClientTest, HoldersAreMembersOfTheSwarmAndHaveTheMessage) {
  const absl::StatusOr<StoreOutcome> stored = Store("hello");
  ASSERT_THAT(stored, IsOk());
  std::set<int> holders;
  for (const routing::NodeId& id : stored->holders) {
    holders.insert(swarm_.IndexOf(id));
  }
  EXPECT_THAT(holders, SizeIs(stored->holders.size()));
  for (const int i : holders) {
    EXPECT_THAT(Members(), ::testing::Contains(i));
    EXPECT_EQ(swarm_.node(i).store->Totals()->messages, 1);
  }
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_EQ(Holding("hello"), 3) << "the third member gets it a little later";
}

TEST_F(SwarmClientTest, RequestsNameTheSwarmSoThatNoRelayIsAMember) {
  ASSERT_THAT(Store("hello"), IsOk());
  for (const OnionRequester::Request& request : requester_.sent()) {
    EXPECT_THAT(request.swarm, SizeIs(3));
    EXPECT_THAT(request.swarm, ::testing::Contains(request.destination));
    EXPECT_EQ(request.service, 1);
  }
}

TEST_F(SwarmClientTest, StoringTwiceStoresOnce) {
  const absl::Time expiry = In(absl::Hours(1));
  const absl::StatusOr<StoreOutcome> first = StoreUntil("hello", expiry);
  const absl::StatusOr<StoreOutcome> second = StoreUntil("hello", expiry);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->id, second->id);
  EXPECT_THAT(Mailbox(), ElementsAre("hello"));
}

TEST_F(SwarmClientTest, ACrashedMemberDoesNotStopAMessage) {
  swarm_.Crash(Members()[0]);
  ASSERT_THAT(Store("hello"), IsOk());
  EXPECT_THAT(Mailbox(), ElementsAre("hello"));
}

TEST_F(SwarmClientTest, NothingIsSentWhileTooFewMembersLive) {
  swarm_.Crash(Members()[0]);
  swarm_.Crash(Members()[1]);
  const absl::Time expiry = In(absl::Hours(1));
  EXPECT_THAT(StoreUntil("hello", expiry),
              StatusIs(absl::StatusCode::kUnavailable));
  // The same message later, when one of them is back, is sent.
  swarm_.Restart(Members()[0]);
  EXPECT_THAT(StoreUntil("hello", expiry), IsOk());
  EXPECT_THAT(Mailbox(), ElementsAre("hello"));
}

TEST_F(SwarmClientTest, ACoordinatorThatDiesIsReplacedByAnotherMember) {
  // Whoever is asked first commits and replicates, and dies before answering.
  bool died = false;
  requester_.set_interceptor([&](const OnionRequester::Request& request)
                                 -> std::optional<absl::StatusOr<std::string>> {
    if (died) return std::nullopt;
    died = true;
    const int i = swarm_.IndexOf(request.destination);
    swarm_.Deliver(request.destination, 1, request.bytes, [](auto) {});
    swarm_.executor().RunAfter(absl::Milliseconds(1),
                               [this, i] { swarm_.Crash(i); });
    return absl::DeadlineExceededError("no reply");
  });
  const absl::StatusOr<StoreOutcome> stored = Store("hello");
  ASSERT_THAT(stored, IsOk());
  EXPECT_EQ(stored->attempts, 2);
  EXPECT_THAT(stored->holders, SizeIs(2));
  EXPECT_THAT(Mailbox(), ElementsAre("hello"));
}

TEST_F(SwarmClientTest, ReceiptsOfSeveralAttemptsAddUp) {
  // No member reaches another: each attempt yields the receipt of one.
  std::set<std::string> alone;
  for (const int i : Members()) {
    alone = {swarm_.node(i).host->endpoint().address};
    swarm_.network().Partition(alone);
  }
  // Only the last stands apart now; cut the other two as well.
  swarm_.Crash(Members()[2]);
  swarm_.network().Partition(
      {swarm_.node(Members()[0]).host->endpoint().address});
  const absl::StatusOr<StoreOutcome> stored = Store("hello");
  ASSERT_THAT(stored, IsOk());
  EXPECT_GE(stored->attempts, 2);
  EXPECT_THAT(stored->holders, SizeIs(2));
}

TEST_F(SwarmClientTest, ForgedReceiptsNeverCount) {
  const Ed25519PrivateKey forger = Ed25519PrivateKey::Generate(swarm_.random());
  const absl::Time expiry = In(absl::Hours(1));
  const swarm::ReceiptSubject subject{
      .id = swarm::ComputeMessageId(PairTarget().mailbox,
                                    MailboxNamespace::kPairwise, "hello"),
      .mailbox = PairTarget().mailbox,
      .expiry_ms = static_cast<uint64_t>(absl::ToUnixMillis(expiry))};
  const std::vector<int> members = Members();
  const int liar = members[0];
  int outsider = 0;
  while (std::find(members.begin(), members.end(), outsider) != members.end()) {
    ++outsider;
  }
  const auto real_receipt = [&](int i, const swarm::ReceiptSubject& about) {
    return swarm::SignReceipt(swarm_.paper().node(i).storage_key, about,
                              swarm_.node(i).id, 1, 1);
  };
  const swarm::ReceiptSubject other_expiry{
      .id = subject.id, .mailbox = subject.mailbox, .expiry_ms = 1};
  swarm::ReceiptSubject other_message = subject;
  other_message.id = swarm::ComputeMessageId(
      subject.mailbox, MailboxNamespace::kPairwise, "other");
  std::vector<std::pair<std::string, std::vector<swarm::Receipt>>> lies = {
      {"signed by a stranger",
       {swarm::SignReceipt(forger, subject, swarm_.node(members[1]).id, 1, 1),
        swarm::SignReceipt(forger, subject, swarm_.node(members[2]).id, 1, 1)}},
      {"of a node that is no member", {real_receipt(outsider, subject)}},
      {"the liar's own, many times",
       {real_receipt(liar, subject), real_receipt(liar, subject),
        real_receipt(liar, subject)}},
      {"for another expiry",
       {real_receipt(liar, other_expiry),
        real_receipt(members[1], other_expiry)}},
      {"for another message",
       {real_receipt(liar, other_message),
        real_receipt(members[1], other_message)}},
      {"the liar's, under other members' names",
       {swarm::SignReceipt(swarm_.paper().node(liar).storage_key, subject,
                           swarm_.node(members[1]).id, 1, 1)}},
  };
  // Only the liar can be reached; what it says decides.
  swarm_.Crash(members[1]);
  swarm_.Crash(members[2]);
  for (const auto& [what, receipts] : lies) {
    Lie(liar, [&](swarm::v1::ClientResponse& response) {
      response.set_code(0);
      response.mutable_receipts()->clear_receipts();
      for (const swarm::Receipt& receipt : receipts) {
        swarm::ReceiptToProto(receipt,
                              *response.mutable_receipts()->add_receipts());
      }
    });
    EXPECT_THAT(StoreUntil("hello", expiry),
                StatusIs(absl::StatusCode::kUnavailable))
        << what;
  }
  // The test can fail: two good receipts are all it takes.
  Lie(liar, [&](swarm::v1::ClientResponse& response) {
    response.mutable_receipts()->clear_receipts();
    for (const int i : {liar, members[1]}) {
      swarm::ReceiptToProto(real_receipt(i, subject),
                            *response.mutable_receipts()->add_receipts());
    }
  });
  EXPECT_THAT(StoreUntil("hello", expiry), IsOk());
}

TEST_F(SwarmClientTest, OneLyingMemberCannotRefuseAMessage) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kInvalidArgument, absl::StatusCode::kUnauthenticated,
        absl::StatusCode::kFailedPrecondition,
        absl::StatusCode::kResourceExhausted, absl::StatusCode::kAborted}) {
    Lie(Members()[0], [&](swarm::v1::ClientResponse& response) {
      response.Clear();
      response.set_code(static_cast<uint32_t>(code));
    });
    EXPECT_THAT(Store(absl::StrCat("message ", static_cast<int>(code))),
                IsOk());
  }
}

TEST_F(SwarmClientTest, WhatMembersSayInTheirOwnWordsReachesNobody) {
  requester_.set_reply_filter(
      [](const routing::NodeId&, absl::StatusOr<std::string>) {
        return absl::ResourceExhaustedError("\x1b[2Jtype your 13 words here");
      });
  const absl::Status status = Store("hello").status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()),
              ::testing::Not(::testing::HasSubstr("13 words")));
}

TEST_F(SwarmClientTest, ALyingMemberCanNeitherHideNorAlterMessages) {
  ASSERT_THAT(Store("one"), IsOk());
  ASSERT_THAT(Store("two"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  Lie(Members()[0], [](swarm::v1::ClientResponse& response) {
    response.mutable_retrieve()->clear_messages();
    response.mutable_retrieve()->set_next_cursor(1'000'000);
  });
  EXPECT_THAT(Mailbox(), ElementsAre("one", "two"));
  Lie(Members()[0], [](swarm::v1::ClientResponse& response) {
    for (auto& message : *response.mutable_retrieve()->mutable_messages()) {
      message.set_payload("changed");
    }
  });
  const absl::StatusOr<RetrieveOutcome> outcome = Read(PairReader());
  ASSERT_THAT(outcome, IsOk());
  // It can add what it likes, under the hash of that and not another.
  for (const RetrievedMessage& message : outcome->messages) {
    EXPECT_EQ(message.id, swarm::ComputeMessageId(PairTarget().mailbox,
                                                  MailboxNamespace::kPairwise,
                                                  message.payload));
  }
  EXPECT_THAT(Payloads(*outcome),
              UnorderedElementsAre("changed", "one", "two"));
}

TEST_F(SwarmClientTest, AMemberThatNeverStopsPagingIsCutOff) {
  ASSERT_THAT(Store("one"), IsOk());
  uint64_t cursor = 0;
  Lie(Members()[0], [&](swarm::v1::ClientResponse& response) {
    response.mutable_retrieve()->set_more(true);
    response.mutable_retrieve()->set_next_cursor(++cursor);
  });
  const absl::StatusOr<RetrieveOutcome> outcome = Read(PairReader());
  ASSERT_THAT(outcome, IsOk());
  EXPECT_THAT(Payloads(*outcome), ElementsAre("one"));
  EXPECT_LE(cursor, 64);
}

TEST_F(SwarmClientTest, AMemberWhosePagesLeadNowhereCountsAsSilent) {
  ASSERT_THAT(Store("one"), IsOk());
  Lie(Members()[0], [](swarm::v1::ClientResponse& response) {
    response.mutable_retrieve()->clear_messages();
    response.mutable_retrieve()->set_more(true);
    response.mutable_retrieve()->set_next_cursor(0);
  });
  const absl::StatusOr<RetrieveOutcome> outcome = Read(PairReader());
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->members_answered, 2);
  EXPECT_TRUE(outcome->complete);
  EXPECT_THAT(Payloads(*outcome), ElementsAre("one"));
}

TEST_F(SwarmClientTest, CursorsSkipWhatWasReadAndNothingElse) {
  ASSERT_THAT(Store("one"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  absl::StatusOr<RetrieveOutcome> first = Read(PairReader());
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(Payloads(*first), ElementsAre("one"));
  EXPECT_THAT(first->cursors, SizeIs(3));
  absl::StatusOr<RetrieveOutcome> nothing = Read(PairReader(), first->cursors);
  ASSERT_THAT(nothing, IsOk());
  EXPECT_THAT(nothing->messages, IsEmpty());
  EXPECT_EQ(nothing->cursors, first->cursors);
  ASSERT_THAT(Store("two"), IsOk());
  absl::StatusOr<RetrieveOutcome> next = Read(PairReader(), nothing->cursors);
  ASSERT_THAT(next, IsOk());
  EXPECT_THAT(Payloads(*next), ElementsAre("two"));
}

TEST_F(SwarmClientTest, ACursorOfAnotherIncarnationReadsFromTheBeginning) {
  ASSERT_THAT(Store("one"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  absl::StatusOr<RetrieveOutcome> first = Read(PairReader());
  ASSERT_THAT(first, IsOk());
  Cursors stale = first->cursors;
  for (auto& [node, cursor] : stale) {
    cursor.incarnation ^= 1;
    cursor.seq += 100;
  }
  absl::StatusOr<RetrieveOutcome> again = Read(PairReader(), stale);
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT(Payloads(*again), ElementsAre("one"));
  EXPECT_EQ(again->cursors, first->cursors);
}

TEST_F(SwarmClientTest, ReadingSaysWhenTooFewMembersAnswered) {
  ASSERT_THAT(Store("one"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  swarm_.Crash(Members()[0]);
  swarm_.Crash(Members()[1]);
  const absl::StatusOr<RetrieveOutcome> one = Read(PairReader());
  ASSERT_THAT(one, IsOk());
  EXPECT_FALSE(one->complete);
  EXPECT_EQ(one->members_answered, 1);
  EXPECT_THAT(Payloads(*one), ElementsAre("one"));
  swarm_.Crash(Members()[2]);
  EXPECT_THAT(Read(PairReader()), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SwarmClientTest, LargeMailboxesComeInPagesThatFitTheirCells) {
  std::set<std::string> sent;
  for (int i = 0; i < 9; ++i) {
    const size_t size = i % 3 == 0   ? swarm::kMaxPayloadBytes
                        : i % 3 == 1 ? 4'096
                                     : 1;
    std::string payload(size, static_cast<char>('a' + i));
    ASSERT_THAT(Store(payload), IsOk());
    sent.insert(std::move(payload));
  }
  const absl::StatusOr<RetrieveOutcome> read = Read(PairReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->complete);
  const std::vector<std::string> payloads = Payloads(*read);
  EXPECT_EQ(std::set<std::string>(payloads.begin(), payloads.end()), sent);
}

TEST_F(SwarmClientTest, AMessageIsGoneWhenItExpires) {
  ASSERT_THAT(Store("short", absl::Minutes(5)), IsOk());
  ASSERT_THAT(Store("long", absl::Hours(5)), IsOk());
  EXPECT_THAT(Mailbox(), ElementsAre("long", "short"));
  swarm_.executor().RunFor(absl::Minutes(6));
  EXPECT_THAT(Mailbox(), ElementsAre("long"));
  for (const int i : Members()) {
    EXPECT_EQ(swarm_.node(i).store->Totals()->messages, 1);
  }
}

TEST_F(SwarmClientTest, ADeletedMessageIsGoneForGood) {
  const absl::Time expiry = In(absl::Hours(1));
  const absl::StatusOr<StoreOutcome> stored = StoreUntil("hello", expiry);
  ASSERT_THAT(stored, IsOk());
  ASSERT_THAT(StoreUntil("stays", expiry), IsOk());
  const absl::StatusOr<StoreOutcome> deleted =
      Delete(PairReader(), {stored->id});
  ASSERT_THAT(deleted, IsOk());
  EXPECT_THAT(deleted->holders, SizeIs(Ge(2)));
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_THAT(Mailbox(), ElementsAre("stays"));
  // A sender that retries is told of success, and nothing comes back.
  EXPECT_THAT(StoreUntil("hello", expiry), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_THAT(Mailbox(), ElementsAre("stays"));
}

TEST_F(SwarmClientTest, OnlyTheReaderMayReadOrDelete) {
  const absl::StatusOr<StoreOutcome> stored = Store("hello");
  ASSERT_THAT(stored, IsOk());
  // The writer knows both public keys, and cannot sign as the reader.
  const MailboxReader writer =
      MailboxReader::Pairwise(write_key_, read_key_.public_key());
  EXPECT_NE(writer.address(), PairTarget().mailbox);
  swarm_.Register(write_key_, read_key_.public_key());
  const absl::StatusOr<RetrieveOutcome> read =
      Read(MailboxReader::Pairwise(write_key_, read_key_.public_key()));
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(read->messages, IsEmpty());
  EXPECT_THAT(Delete(writer, {stored->id}), IsOk())
      << "in the writer's own, empty mailbox";
  EXPECT_THAT(Mailbox(), ElementsAre("hello"));
}

TEST_F(SwarmClientTest, AnybodyWritesToAnInboxAndItsOwnerReads) {
  ASSERT_THAT(Await<StoreOutcome>([&](Done<StoreOutcome> done) {
                client_->Store(StoreTarget::Inbox(account_.id()), "request",
                               In(absl::Hours(1)), std::move(done));
              }),
              IsOk());
  const absl::StatusOr<RetrieveOutcome> read = Read(InboxReader());
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(Payloads(*read), ElementsAre("request"));
  // With another account's key the members refuse.
  const AccountKeys stranger = AccountKeys::Generate(swarm_.random());
  EXPECT_THAT(Read(MailboxReader::Inbox(account_.id(), stranger.signing_key())),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SwarmClientTest, OversizedRequestsAreRefusedBeforeTheyAreSent) {
  EXPECT_THAT(Store(std::string(swarm::kMaxPayloadBytes + 1, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Store(""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Delete(PairReader(),
                     std::vector<swarm::MessageId>(swarm::kMaxDeleteIds + 1)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(requester_.sent(), IsEmpty());
}

class SwarmRecordTest : public SwarmClientTest {
 protected:
  absl::StatusOr<StoreOutcome> Put(uint64_t seq, std::string body,
                                   swarm::RecordKey key = {}) {
    return Await<StoreOutcome>([&](Done<StoreOutcome> done) {
      client_->PutRecord(account_.id(), account_.signing_key(),
                         MailboxNamespace::kPrekeyRecords, key, seq,
                         std::move(body), std::move(done));
    });
  }
  absl::StatusOr<std::vector<swarm::Record>> Get() {
    return Await<std::vector<swarm::Record>>(
        [&](Done<std::vector<swarm::Record>> done) {
          client_->GetRecords(account_.id(), MailboxNamespace::kPrekeyRecords,
                              std::move(done));
        });
  }
  std::vector<std::string> Bodies() {
    const absl::StatusOr<std::vector<swarm::Record>> records = Get();
    EXPECT_THAT(records, IsOk());
    std::vector<std::string> bodies;
    if (records.ok()) {
      for (const swarm::Record& record : *records) {
        bodies.push_back(record.body);
      }
    }
    return bodies;
  }
  std::vector<int> AccountMembers() {
    return swarm_.Members(MailboxAddress::ForAccount(account_.id()));
  }
};

TEST_F(SwarmRecordTest, TheHighestNumberWins) {
  EXPECT_THAT(Bodies(), IsEmpty());
  EXPECT_THAT(Put(1, "first"), IsOk());
  EXPECT_THAT(Put(3, "third"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_THAT(Put(2, "second"), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(Bodies(), ElementsAre("third"));
  EXPECT_THAT(Put(3, "third"), IsOk()) << "repeating is harmless";
  EXPECT_THAT(Put(4, "other", *swarm::RecordKey::FromBytes("0123456789abcdef")),
              IsOk());
  EXPECT_THAT(Bodies(), ElementsAre("third", "other"));
}

TEST_F(SwarmRecordTest, AMemberThatMissedAnUpdateDoesNotWin) {
  EXPECT_THAT(Put(1, "old"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  swarm_.Crash(AccountMembers()[0]);
  EXPECT_THAT(Put(2, "new"), IsOk());
  swarm_.Restart(AccountMembers()[0]);
  // What it shows comes after: the new one may be of no use yet.
  EXPECT_THAT(Bodies(), ElementsAre("new", "old"));
  for (int i = 0; i < 8; ++i) EXPECT_EQ(Bodies().front(), "new");
}

// A read quorum of three members is two: one who is behind, one who withholds.
TEST_F(SwarmRecordTest, OneHonestMemberOfThreeIsHeardWhoeverIsFirst) {
  EXPECT_THAT(Put(1, "old"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  const swarm::Record old = Get()->front();
  EXPECT_THAT(Put(2, "new"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  const std::vector<int> members = AccountMembers();
  ASSERT_EQ(members.size(), 3u);
  for (int honest = 0; honest < 3; ++honest) {
    lies_.clear();
    Lie(members[(honest + 1) % 3], [&](swarm::v1::ClientResponse& response) {
      response.mutable_get_records()->clear_records();
      swarm::RecordToProto(old, *response.mutable_get_records()->add_records());
    });
    Lie(members[(honest + 2) % 3], [](swarm::v1::ClientResponse& response) {
      response.mutable_get_records()->clear_records();
    });
    for (int i = 0; i < 4; ++i) {
      EXPECT_THAT(Bodies(), ElementsAre("new", "old"));
    }
  }
}

TEST_F(SwarmRecordTest, AThirdMemberIsWaitedForALittle) {
  EXPECT_THAT(Put(1, "there"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  swarm_.Crash(AccountMembers()[0]);
  const absl::Time start = swarm_.clock().Now();
  EXPECT_THAT(Bodies(), ElementsAre("there"));
  EXPECT_LE(swarm_.clock().Now() - start,
            SwarmClientOptions().record_grace + absl::Seconds(2));
  // One that is only slow is waited for.
  swarm_.Restart(AccountMembers()[0]);
  const routing::NodeId slow = swarm_.paper().node(AccountMembers()[0]).id();
  absl::Duration delay = absl::Seconds(3);
  requester_.set_delay([&](const routing::NodeId& node) {
    return node == slow ? delay : absl::ZeroDuration();
  });
  Lie(AccountMembers()[1], [](swarm::v1::ClientResponse& response) {
    response.mutable_get_records()->clear_records();
  });
  Lie(AccountMembers()[2], [](swarm::v1::ClientResponse& response) {
    response.mutable_get_records()->clear_records();
  });
  EXPECT_THAT(Bodies(), ElementsAre("there"));
  delay = absl::Seconds(8);
  EXPECT_THAT(Bodies(), IsEmpty());
}

TEST_F(SwarmRecordTest, AMemberWhomTheDirectoryCallsDownIsAskedForALittle) {
  EXPECT_THAT(Put(1, "there"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  const std::vector<int> members = AccountMembers();
  swarm_.Reissue([&](routing::TestNetwork::Draft& draft) {
    draft.nodes[members[0]].running = false;
  });
  FetchDirectory();
  for (const int i : {1, 2}) {
    Lie(members[i], [](swarm::v1::ClientResponse& response) {
      response.mutable_get_records()->clear_records();
    });
  }
  EXPECT_THAT(Bodies(), ElementsAre("there"));
}

// It is signed by the owner, and so could fill the memory of whoever asks.
TEST_F(SwarmRecordTest, AMemberThatShowsManyVersionsIsHeardOutOnlySoFar) {
  std::vector<swarm::Record> versions;
  for (uint64_t seq = 1; seq <= 3 * swarm::kMaxRecordsPerNamespace; ++seq) {
    swarm::Record record;
    record.seq = seq;
    record.body = "body";
    swarm::SignRecord(account_.signing_key(), Inbox(),
                      MailboxNamespace::kPrekeyRecords, record);
    versions.push_back(std::move(record));
  }
  Lie(AccountMembers()[0], [&](swarm::v1::ClientResponse& response) {
    for (const swarm::Record& record : versions) {
      swarm::RecordToProto(record,
                           *response.mutable_get_records()->add_records());
    }
  });
  EXPECT_EQ(Bodies().size(), swarm::kMaxRecordsPerNamespace);
}

TEST_F(SwarmRecordTest, AForgedRecordIsIgnored) {
  EXPECT_THAT(Put(1, "true"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  const AccountKeys forger = AccountKeys::Generate(swarm_.random());
  Lie(AccountMembers()[0], [&](swarm::v1::ClientResponse& response) {
    swarm::Record record;
    record.seq = 100;
    record.body = "forged";
    swarm::SignRecord(forger.signing_key(),
                      MailboxAddress::ForAccount(account_.id()),
                      MailboxNamespace::kPrekeyRecords, record);
    swarm::RecordToProto(record,
                         *response.mutable_get_records()->add_records());
    record.owner_key = account_.signing_key().public_key();
    swarm::RecordToProto(record,
                         *response.mutable_get_records()->add_records());
  });
  for (int i = 0; i < 4; ++i) EXPECT_THAT(Bodies(), ElementsAre("true"));
}

TEST_F(SwarmRecordTest, FullNamespacesAreReadWhole) {
  std::vector<std::string> expected;
  for (size_t i = 0; i < swarm::kMaxRecordsPerNamespace; ++i) {
    swarm::RecordKey key;
    key.data()[15] = static_cast<char>(i);
    expected.push_back(
        std::string(swarm::kMaxRecordBodyBytes, static_cast<char>('a' + i)));
    ASSERT_THAT(Put(1, expected.back(), key), IsOk());
  }
  EXPECT_EQ(Bodies(), expected);
  swarm::RecordKey one_more;
  one_more.data()[0] = 1;
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_THAT(Put(1, "x", one_more),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(SwarmRecordTest, TooFewAnswersAreAnError) {
  EXPECT_THAT(Put(1, "body"), IsOk());
  swarm_.Crash(AccountMembers()[0]);
  swarm_.Crash(AccountMembers()[1]);
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(SwarmClientLifeTest, DestroyingTheClientEndsItsOperations) {
  swarm::SimulatedSwarm swarm(8);
  FakeOnionRequester requester(
      swarm.executor(), [&](const routing::NodeId& node, uint8_t service,
                            std::string request, routing::Reply reply) {
        swarm.Deliver(node, service, std::move(request), std::move(reply));
      });
  const AccountKeys account = AccountKeys::Generate(swarm.random());
  for (const absl::Duration life :
       {absl::ZeroDuration(), absl::Milliseconds(100), absl::Seconds(1)}) {
    auto client = std::make_unique<SwarmClient>(requester, swarm.directory(),
                                                swarm.clock(), swarm.executor(),
                                                swarm.random());
    bool told = false;
    swarm.Crash(0);
    client->Retrieve(MailboxReader::Inbox(account.id(), account.signing_key()),
                     {}, [&](auto) { told = true; });
    client->Store(StoreTarget::Inbox(account.id()), "x",
                  swarm.clock().Now() + absl::Hours(1), [&](auto) {});
    client->GetRecords(account.id(), MailboxNamespace::kIdentityRecord,
                       [&](auto) {});
    swarm.executor().RunFor(life);
    client.reset();
    const bool told_before = told;
    swarm.executor().RunFor(absl::Minutes(2));
    EXPECT_EQ(told, told_before);
    swarm.Restart(0);
  }
}

TEST(SwarmClientSmallNetworkTest, ANetworkTooSmallForItsQuorumStoresNothing) {
  swarm::SimulatedSwarm swarm(1);
  FakeOnionRequester requester(
      swarm.executor(), [&](const routing::NodeId& node, uint8_t service,
                            std::string request, routing::Reply reply) {
        swarm.Deliver(node, service, std::move(request), std::move(reply));
      });
  SwarmClient client(requester, swarm.directory(), swarm.clock(),
                     swarm.executor(), swarm.random());
  const AccountKeys account = AccountKeys::Generate(swarm.random());
  std::optional<absl::StatusOr<StoreOutcome>> result;
  client.Store(StoreTarget::Inbox(account.id()), "x",
               swarm.clock().Now() + absl::Hours(1),
               [&](absl::StatusOr<StoreOutcome> outcome) {
                 result = std::move(outcome);
               });
  swarm.executor().RunFor(absl::Minutes(2));
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(*result, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(requester.sent(), IsEmpty());
}

}  // namespace
}  // namespace messenger::client
