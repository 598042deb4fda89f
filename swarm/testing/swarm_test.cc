// Members of a swarm as clients and peers meet them: what they accept, what
// they refuse, and that refusing leaves nothing behind.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/sign/ed25519.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/receipt.h"
#include "swarm/auth/registration.h"
#include "swarm/auth/request_auth.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"
#include "swarm/replication/coordinator.h"
#include "swarm/replication/peer_methods.h"
#include "swarm/testing/simulated_swarm.h"

namespace messenger::swarm {
namespace {

using absl::StatusCode;
using crypto::AccountKeys;
using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint8_t kStorage = 1;

class SwarmTest : public ::testing::Test {
 protected:
  SwarmTest() : members_(swarm_.Members(inbox_)) {
    while (std::find(members_.begin(), members_.end(), outsider_) !=
           members_.end()) {
      ++outsider_;
    }
    swarm_.Register(account_);
  }

  uint64_t Ms(absl::Duration from_now) {
    return static_cast<uint64_t>(
        absl::ToUnixMillis(swarm_.clock().Now() + from_now));
  }

  absl::StatusOr<std::string> AskBytes(int node, std::string bytes,
                                       uint8_t service = kStorage) {
    std::optional<absl::StatusOr<std::string>> result;
    swarm_.Deliver(
        swarm_.node(node).id, service, std::move(bytes),
        [&](absl::StatusOr<std::string> reply) { result = std::move(reply); });
    swarm_.executor().RunUntil([&] { return result.has_value(); },
                               absl::Seconds(10));
    if (!result.has_value()) return absl::DeadlineExceededError("no answer");
    return *std::move(result);
  }
  v1::ClientResponse Ask(int node, const v1::ClientRequest& request) {
    v1::ClientResponse response;
    const absl::StatusOr<std::string> reply =
        AskBytes(node, request.SerializeAsString());
    EXPECT_THAT(reply, IsOk());
    EXPECT_TRUE(reply.ok() && response.ParseFromString(*reply));
    return response;
  }
  // Of the mailbox's swarm, the first member of the inbox's.
  bool IsMember(const MailboxAddress& mailbox) const {
    const std::vector<int> members = swarm_.Members(mailbox);
    return std::find(members.begin(), members.end(), members_[0]) !=
           members.end();
  }
  static StatusCode CodeOf(const v1::ClientResponse& response) {
    return static_cast<StatusCode>(response.code());
  }

  v1::ClientRequest Store(const std::string& payload,
                          absl::Duration ttl = absl::Hours(1)) {
    v1::ClientRequest request;
    v1::StoreRequest& store = *request.mutable_store();
    store.set_mailbox(std::string(inbox_.bytes()));
    store.set_ns(0);
    store.set_payload(payload);
    store.set_expiry_ms(Ms(ttl));
    return request;
  }
  v1::ClientRequest Retrieve(int node, uint64_t cursor = 0,
                             uint32_t page_bytes = kMaxPageBytes,
                             uint32_t limit = 256) {
    const RetrieveTerms terms{
        .node = swarm_.node(node).id,
        .mailbox = inbox_,
        .ns = MailboxNamespace::kInbox,
        .cursor = cursor,
        .incarnation = swarm_.node(node).store->incarnation(),
        .limit = limit,
        .timestamp_ms = Ms(absl::ZeroDuration()),
        .challenge = swarm_.node(node).process->service().challenge(),
        .nonce = swarm_.random().Fixed<RequestNonce>()};
    v1::ClientRequest request;
    v1::RetrieveRequest& retrieve = *request.mutable_retrieve();
    retrieve.set_mailbox(std::string(inbox_.bytes()));
    retrieve.set_cursor(terms.cursor);
    retrieve.set_incarnation(terms.incarnation);
    retrieve.set_limit(limit);
    retrieve.set_timestamp_ms(terms.timestamp_ms);
    retrieve.set_challenge(terms.challenge);
    retrieve.set_nonce(std::string(terms.nonce.bytes()));
    retrieve.set_reader_key(
        std::string(account_.signing_key().public_key().bytes()));
    retrieve.set_signature(
        std::string(SignRetrieve(account_.signing_key(), terms).bytes()));
    retrieve.set_page_bytes(page_bytes);
    return request;
  }
  uint64_t StoredEverywhere() {
    uint64_t stored = 0;
    for (int i = 0; i < swarm_.paper().size(); ++i) {
      const StoreTotals totals = *swarm_.node(i).store->Totals();
      stored += totals.messages + totals.records + totals.tombstones;
    }
    return stored;
  }

  // On the disk of one node, by whatever way.
  void Put(int node, const std::string& payload) {
    const StoreOp op = PutMessage{
        .mailbox = inbox_,
        .ns = MailboxNamespace::kInbox,
        .id = ComputeMessageId(inbox_, MailboxNamespace::kInbox, payload),
        .payload = payload,
        .expiry_ms = Ms(absl::Hours(1)),
        .proof = std::string(128, 'p')};
    ASSERT_THAT(swarm_.node(node).store->Apply(absl::MakeConstSpan(&op, 1),
                                               Ms(absl::ZeroDuration())),
                IsOk());
  }

  // A Replicate call from host `from` to node `to`.
  absl::StatusOr<v1::ReplicateResponse> Replicate(
      routing::SimulatedNetwork::Host& from, int to, const std::string& bytes) {
    std::optional<absl::StatusOr<std::string>> result;
    from.transport().Call(
        swarm_.node(to).host->endpoint(), kReplicateMethod, bytes,
        absl::Seconds(4),
        [&](absl::StatusOr<std::string> reply) { result = std::move(reply); });
    swarm_.executor().RunUntil([&] { return result.has_value(); },
                               absl::Seconds(10));
    if (!result.has_value()) return absl::InternalError("never finished");
    if (!result->ok()) return result->status();
    v1::ReplicateResponse response;
    EXPECT_TRUE(response.ParseFromString(**result));
    return response;
  }
  absl::StatusOr<v1::ReplicateResponse> Replicate(int from, int to,
                                                  const std::string& bytes) {
    return Replicate(*swarm_.node(from).host, to, bytes);
  }
  std::string OneItem(const std::string& payload) {
    v1::ReplicateRequest request;
    *request.add_items()->mutable_store() = Store(payload).store();
    return request.SerializeAsString();
  }

  SimulatedSwarm swarm_{8};
  const AccountKeys account_ = AccountKeys::Generate(swarm_.random());
  const MailboxAddress inbox_ = MailboxAddress::ForAccount(account_.id());
  const std::vector<int> members_;
  int outsider_ = 0;
};

TEST_F(SwarmTest, AMemberAnswersWithVerifiableReceiptsOfAMajority) {
  const v1::ClientRequest request = Store("hello");
  const v1::ClientResponse response = Ask(members_[0], request);
  EXPECT_EQ(CodeOf(response), StatusCode::kOk);
  EXPECT_EQ(response.epoch(), swarm_.paper().consensus()->epoch());
  ASSERT_THAT(response.receipts().receipts(), SizeIs(2));
  const ReceiptSubject subject{
      .id = ComputeMessageId(inbox_, MailboxNamespace::kInbox, "hello"),
      .mailbox = inbox_,
      .expiry_ms = request.store().expiry_ms()};
  for (const v1::Receipt& proto : response.receipts().receipts()) {
    const auto receipt = ReceiptFromProto(proto);
    ASSERT_THAT(receipt, IsOk());
    const auto* node = swarm_.paper().consensus()->Find(receipt->node);
    ASSERT_NE(node, nullptr);
    EXPECT_THAT(VerifyReceipt(node->storage_key, subject, *receipt), IsOk());
    EXPECT_EQ(receipt->epoch, response.epoch());
  }
}

TEST_F(SwarmTest, WhatIsNoRequestIsRefusedAndLeavesNothing) {
  for (const std::string& bytes : {std::string("\xff\xff\xff"), std::string(),
                                   std::string(kMaxClientRequestBytes + 1, 'x'),
                                   std::string("\x0a\xff")}) {
    const absl::StatusOr<std::string> reply = AskBytes(members_[0], bytes);
    ASSERT_THAT(reply, IsOk());
    v1::ClientResponse response;
    ASSERT_TRUE(response.ParseFromString(*reply));
    EXPECT_EQ(CodeOf(response), StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(AskBytes(members_[0], Store("x").SerializeAsString(),
                       /*service=*/2),
              StatusIs(StatusCode::kUnimplemented));
  EXPECT_EQ(StoredEverywhere(), 0);
}

TEST_F(SwarmTest, EveryTruncationOfARequestLeavesNothing) {
  const std::string whole = Store("some payload").SerializeAsString();
  for (size_t size = 0; size < whole.size(); ++size) {
    v1::ClientResponse response;
    const auto reply = AskBytes(members_[0], whole.substr(0, size));
    ASSERT_THAT(reply, IsOk());
    ASSERT_TRUE(response.ParseFromString(*reply));
    EXPECT_NE(CodeOf(response), StatusCode::kOk) << size;
  }
  EXPECT_EQ(StoredEverywhere(), 0);
}

TEST_F(SwarmTest, ARefusedMessageIsNowhere) {
  const std::vector<std::function<void(v1::StoreRequest&)>> edits = {
      [](auto& r) { r.clear_payload(); },
      [](auto& r) { r.set_payload(std::string(kMaxPayloadBytes + 1, 'x')); },
      [](auto& r) { r.set_ns(10); },
      [](auto& r) { r.set_ns(1); },
      [this](auto& r) { r.set_expiry_ms(Ms(absl::Seconds(5))); },
      [this](auto& r) { r.set_expiry_ms(Ms(absl::Hours(24 * 15))); },
      [](auto& r) { r.mutable_mailbox()->pop_back(); },
      [](auto& r) { r.set_signature("x"); },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    v1::ClientRequest request = Store("hello");
    edits[i](*request.mutable_store());
    EXPECT_NE(CodeOf(Ask(members_[0], request)), StatusCode::kOk) << i;
    swarm_.executor().RunFor(absl::Seconds(5));
    EXPECT_EQ(StoredEverywhere(), 0) << i;
  }
}

TEST_F(SwarmTest, ANodeOfAnotherSwarmSendsTheClientAway) {
  const v1::ClientResponse store = Ask(outsider_, Store("hello"));
  EXPECT_EQ(CodeOf(store), StatusCode::kFailedPrecondition);
  EXPECT_EQ(store.epoch(), swarm_.paper().consensus()->epoch());
  EXPECT_EQ(CodeOf(Ask(outsider_, Retrieve(outsider_))),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(StoredEverywhere(), 0);
}

TEST_F(SwarmTest, ARetrievalWorksOnce) {
  ASSERT_EQ(CodeOf(Ask(members_[0], Store("hello"))), StatusCode::kOk);
  const v1::ClientRequest request = Retrieve(members_[0]);
  const v1::ClientResponse first = Ask(members_[0], request);
  EXPECT_EQ(CodeOf(first), StatusCode::kOk);
  EXPECT_THAT(first.retrieve().messages(), SizeIs(1));
  const v1::ClientResponse replay = Ask(members_[0], request);
  EXPECT_EQ(CodeOf(replay), StatusCode::kAlreadyExists);
  EXPECT_FALSE(replay.has_retrieve());
  swarm_.executor().RunFor(absl::Seconds(200));
  EXPECT_EQ(CodeOf(Ask(members_[0], request)), StatusCode::kFailedPrecondition)
      << "too old by now";
}

TEST_F(SwarmTest, ARetrievalDoesNotWorkAfterARestartOfTheNode) {
  const v1::ClientRequest request = Retrieve(members_[0]);
  EXPECT_EQ(CodeOf(Ask(members_[0], request)), StatusCode::kOk);
  swarm_.Crash(members_[0]);
  swarm_.executor().RunFor(absl::Seconds(1));
  swarm_.Restart(members_[0]);
  const v1::ClientResponse replay = Ask(members_[0], request);
  EXPECT_EQ(CodeOf(replay), StatusCode::kFailedPrecondition);
  EXPECT_EQ(replay.refusal().reason(), v1::Refusal::STALE_CHALLENGE);
  EXPECT_EQ(replay.refusal().challenge(),
            swarm_.node(members_[0]).process->service().challenge());
  EXPECT_FALSE(replay.has_retrieve());
  EXPECT_EQ(CodeOf(Ask(members_[0], Retrieve(members_[0]))), StatusCode::kOk);
}

TEST_F(SwarmTest, ARetrievalForOneMemberDoesNotWorkAtAnother) {
  ASSERT_EQ(CodeOf(Ask(members_[0], Store("hello"))), StatusCode::kOk);
  swarm_.executor().RunFor(absl::Seconds(5));
  const v1::ClientResponse response = Ask(members_[1], Retrieve(members_[0]));
  EXPECT_EQ(CodeOf(response), StatusCode::kUnauthenticated);
  EXPECT_FALSE(response.has_retrieve());
}

TEST_F(SwarmTest, PagesFitTheBytesAskedForAndLeadToTheEnd) {
  // Larger than strangers may send, as contacts do.
  std::vector<size_t> sizes = {1, 3000, 5000, kMaxPayloadBytes, 100, 60'000};
  for (const size_t size : sizes) Put(members_[0], std::string(size, 'x'));
  for (const uint32_t page_bytes : {kMinPageBytes, kMaxPageBytes}) {
    uint64_t cursor = 0;
    std::vector<size_t> seen;
    bool more = true;
    uint32_t bytes = page_bytes;
    while (more) {
      const v1::ClientRequest request = Retrieve(members_[0], cursor, bytes);
      const auto reply = AskBytes(members_[0], request.SerializeAsString());
      ASSERT_THAT(reply, IsOk());
      EXPECT_LE(reply->size(), bytes + 358);
      v1::ClientResponse response;
      ASSERT_TRUE(response.ParseFromString(*reply));
      ASSERT_EQ(CodeOf(response), StatusCode::kOk);
      for (const auto& message : response.retrieve().messages()) {
        seen.push_back(message.payload().size());
      }
      more = response.retrieve().more();
      if (more && response.retrieve().messages().empty()) {
        ASSERT_NE(bytes, kMaxPageBytes) << "the largest page always leads on";
        bytes = kMaxPageBytes;
      } else {
        bytes = page_bytes;
      }
      cursor = response.retrieve().next_cursor();
    }
    EXPECT_EQ(seen, sizes);
  }
}

TEST_F(SwarmTest, ADamagedPayloadNeverLeavesTheNode) {
  ASSERT_EQ(CodeOf(Ask(members_[0], Store("good"))), StatusCode::kOk);
  // As if the disk had returned other bytes than were written.
  PutMessage damaged{
      .mailbox = inbox_,
      .ns = MailboxNamespace::kInbox,
      .id = ComputeMessageId(inbox_, MailboxNamespace::kInbox, "as written"),
      .payload = "as read",
      .expiry_ms = Ms(absl::Hours(1)),
      .proof = ""};
  ASSERT_THAT(swarm_.node(members_[0])
                  .store->Apply({damaged}, Ms(absl::ZeroDuration())),
              IsOk());
  const v1::ClientResponse response = Ask(members_[0], Retrieve(members_[0]));
  ASSERT_THAT(response.retrieve().messages(), SizeIs(1));
  EXPECT_EQ(response.retrieve().messages(0).payload(), "good");
  EXPECT_EQ(
      swarm_.node(members_[0]).process->service().counters().damaged_payloads,
      1);
  const v1::ClientResponse rest = Ask(
      members_[0], Retrieve(members_[0], response.retrieve().next_cursor()));
  EXPECT_THAT(rest.retrieve().messages(), IsEmpty());
}

TEST_F(SwarmTest, AFullMemberGivesNoReceiptAndSaysSo) {
  swarm_.node(members_[0]).store->set_full(true);
  // The two others are enough; the full one coordinates and has none itself.
  const v1::ClientResponse enough = Ask(members_[0], Store("one"));
  EXPECT_EQ(CodeOf(enough), StatusCode::kOk);
  ASSERT_THAT(enough.receipts().receipts(), SizeIs(2));
  for (const v1::Receipt& receipt : enough.receipts().receipts()) {
    EXPECT_NE(receipt.node_id(), swarm_.node(members_[0]).id.bytes());
  }
  swarm_.node(members_[1]).store->set_full(true);
  const v1::ClientResponse short_of = Ask(members_[0], Store("two"));
  EXPECT_EQ(CodeOf(short_of), StatusCode::kResourceExhausted);
  EXPECT_THAT(short_of.receipts().receipts(), SizeIs(1));
  swarm_.node(members_[0]).store->set_full(false);
  EXPECT_EQ(CodeOf(Ask(members_[0], Store("two"))), StatusCode::kOk);
}

TEST_F(SwarmTest, WithTooFewMembersTheReceiptsSoFarComeWithUnavailable) {
  swarm_.Crash(members_[1]);
  swarm_.Crash(members_[2]);
  const v1::ClientResponse response = Ask(members_[0], Store("hello"));
  EXPECT_EQ(CodeOf(response), StatusCode::kUnavailable);
  EXPECT_THAT(response.receipts().receipts(), SizeIs(1));
}

TEST_F(SwarmTest, ASilentPeerCostsAtMostFourSeconds) {
  // Partitioned, not crashed: calls run into their deadline.
  swarm_.network().Partition(
      {swarm_.node(members_[0]).host->endpoint().address});
  const absl::Time start = swarm_.clock().Now();
  const v1::ClientResponse response = Ask(members_[0], Store("hello"));
  EXPECT_EQ(CodeOf(response), StatusCode::kUnavailable);
  EXPECT_LE(swarm_.clock().Now() - start, absl::Seconds(5));
  swarm_.network().Heal();
  EXPECT_EQ(CodeOf(Ask(members_[0], Store("hello"))), StatusCode::kOk);
}

TEST_F(SwarmTest, ANodeWithoutACurrentDirectoryServesNobody) {
  swarm_.clock().Advance(absl::Hours(25));
  EXPECT_EQ(CodeOf(Ask(members_[0], Store("hello"))), StatusCode::kUnavailable);
}

TEST_F(SwarmTest, AMemberOfAnOlderDirectoryStillTakesPart) {
  // A new epoch with the same nodes, of which one member has not heard.
  std::vector<int> informed;
  for (int i = 0; i < swarm_.paper().size(); ++i) {
    if (i != members_[1]) informed.push_back(i);
  }
  swarm_.Reissue([](routing::TestNetwork::Draft&) {}, informed);
  swarm_.Crash(members_[2]);
  const v1::ClientResponse response = Ask(members_[0], Store("hello"));
  EXPECT_EQ(CodeOf(response), StatusCode::kOk);
  EXPECT_THAT(response.receipts().receipts(), SizeIs(2));
}

TEST_F(SwarmTest, TheTimeOfANodeIsItsClock) {
  v1::ClientRequest request;
  request.mutable_time();
  const v1::ClientResponse response = Ask(outsider_, request);
  EXPECT_EQ(CodeOf(response), StatusCode::kOk);
  // Corrected by what its peers say, who are some milliseconds away.
  EXPECT_NEAR(static_cast<double>(response.time().now_ms()),
              static_cast<double>(Ms(absl::ZeroDuration())), 200);
}

TEST_F(SwarmTest, PeersReplicateAndGetAReceipt) {
  const auto response = Replicate(members_[0], members_[1], OneItem("hello"));
  ASSERT_THAT(response, IsOk());
  ASSERT_THAT(response->results(), SizeIs(1));
  EXPECT_EQ(response->results(0).code(), 0);
  EXPECT_EQ(response->results(0).receipt().node_id(),
            swarm_.node(members_[1]).id.bytes());
  EXPECT_EQ(StoredEverywhere(), 1);
}

TEST_F(SwarmTest, StrangersMayNotReplicate) {
  routing::SimulatedNetwork::Host& anonymous =
      swarm_.network().AddHost("sim:anonymous", std::nullopt);
  EXPECT_THAT(Replicate(anonymous, members_[1], OneItem("x")),
              StatusIs(StatusCode::kPermissionDenied));
  routing::SimulatedNetwork::Host& stranger = swarm_.network().AddHost(
      "sim:stranger", swarm_.random().Fixed<routing::TlsKey>());
  EXPECT_THAT(Replicate(stranger, members_[1], OneItem("x")),
              StatusIs(StatusCode::kPermissionDenied));
  // A router's key is not its storage process's.
  routing::SimulatedNetwork::Host& router = swarm_.network().AddHost(
      "sim:router", swarm_.paper()
                        .consensus()
                        ->Find(swarm_.node(members_[0]).id)
                        ->link.tls_key);
  EXPECT_THAT(Replicate(router, members_[1], OneItem("x")),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_EQ(StoredEverywhere(), 0);
  EXPECT_EQ(swarm_.node(members_[1]).process->replicas().counters().strangers,
            3);
}

TEST_F(SwarmTest, ANodeOfAnotherSwarmMayNotReplicate) {
  const auto from_outside = Replicate(outsider_, members_[1], OneItem("x"));
  ASSERT_THAT(from_outside, IsOk());
  EXPECT_EQ(from_outside->results(0).code(),
            static_cast<uint32_t>(StatusCode::kFailedPrecondition));
  const auto to_outside = Replicate(members_[0], outsider_, OneItem("x"));
  ASSERT_THAT(to_outside, IsOk());
  EXPECT_EQ(to_outside->results(0).code(),
            static_cast<uint32_t>(StatusCode::kFailedPrecondition));
  EXPECT_EQ(StoredEverywhere(), 0);
}

TEST_F(SwarmTest, APeerCannotDeleteOrPutWithoutTheOwnersSignature) {
  ASSERT_EQ(CodeOf(Ask(members_[0], Store("hello"))), StatusCode::kOk);
  swarm_.executor().RunFor(absl::Seconds(5));
  const AccountKeys forger = AccountKeys::Generate(swarm_.random());
  const DeleteTerms terms{
      .mailbox = inbox_,
      .ns = MailboxNamespace::kInbox,
      .timestamp_ms = Ms(absl::ZeroDuration()),
      .nonce = {},
      .effective_ms = 0,
      .ids = {ComputeMessageId(inbox_, MailboxNamespace::kInbox, "hello")}};
  v1::ReplicateRequest request;
  v1::DeleteRequest& order = *request.add_items()->mutable_delete_();
  order.set_mailbox(std::string(inbox_.bytes()));
  order.add_ids(std::string(terms.ids[0].bytes()));
  order.set_timestamp_ms(terms.timestamp_ms);
  order.set_nonce(std::string(terms.nonce.bytes()));
  order.set_reader_key(
      std::string(account_.signing_key().public_key().bytes()));
  order.set_signature(
      std::string(SignDelete(forger.signing_key(), terms).bytes()));
  Record record;
  record.body = "forged";
  SignRecord(forger.signing_key(), inbox_, MailboxNamespace::kPrekeyRecords,
             record);
  v1::PutRecordRequest& put = *request.add_items()->mutable_put_record();
  put.set_mailbox(std::string(inbox_.bytes()));
  put.set_ns(2);
  RecordToProto(record, put);
  request.add_items();  // empty
  const auto response =
      Replicate(members_[0], members_[1], request.SerializeAsString());
  ASSERT_THAT(response, IsOk());
  ASSERT_THAT(response->results(), SizeIs(3));
  EXPECT_EQ(response->results(0).code(),
            static_cast<uint32_t>(StatusCode::kUnauthenticated));
  EXPECT_EQ(response->results(1).code(),
            static_cast<uint32_t>(StatusCode::kPermissionDenied));
  EXPECT_EQ(response->results(2).code(),
            static_cast<uint32_t>(StatusCode::kInvalidArgument));
  const StoreTotals totals = *swarm_.node(members_[1]).store->Totals();
  EXPECT_EQ(totals.messages, 1);
  EXPECT_EQ(totals.tombstones + totals.records, 0);
}

TEST_F(SwarmTest, MalformedReplicationsAreRefused) {
  v1::ReplicateRequest too_many;
  for (int i = 0; i <= kMaxReplicateItems; ++i) {
    *too_many.add_items()->mutable_store() = Store("x").store();
  }
  for (const std::string& bytes :
       {std::string(), std::string("\xff\xff"), too_many.SerializeAsString()}) {
    EXPECT_THAT(Replicate(members_[0], members_[1], bytes),
                StatusIs(StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(Replicate(members_[0], members_[1],
                        std::string(kMaxReplicateBytes + 1, 'x')),
              StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(StoredEverywhere(), 0);
}

TEST_F(SwarmTest, ALyingPeersReceiptIsNotPassedOn) {
  // One peer is gone; in place of the other answers somebody with a receipt of
  // his own making.
  swarm_.Crash(members_[1]);
  swarm_.Crash(members_[2]);
  swarm_.network().Restart(*swarm_.node(members_[1]).host);
  const ReceiptSubject other{
      .id = ObjectId(), .mailbox = inbox_, .expiry_ms = 1};
  swarm_.node(members_[1])
      .host->server()
      .HandleMethod(
          std::string(kReplicateMethod), {.max_request_bytes = 1 << 20},
          [&](const routing::Peer&, std::string, routing::Reply reply) {
            v1::ReplicateResponse response;
            ReceiptToProto(
                SignReceipt(swarm_.paper().node(members_[1]).storage_key, other,
                            swarm_.node(members_[1]).id, 1, 1),
                *response.add_results()->mutable_receipt());
            reply(response.SerializeAsString());
          });
  const v1::ClientResponse response = Ask(members_[0], Store("hello"));
  EXPECT_EQ(CodeOf(response), StatusCode::kUnavailable);
  EXPECT_THAT(response.receipts().receipts(), SizeIs(1));
}

TEST_F(SwarmTest, AMemberBusyWithStrangersStillServesContacts) {
  // Inboxes of this member that are not so full that work is needed.
  std::vector<std::string> inboxes;
  while (inboxes.size() < 4) {
    const AccountKeys account = AccountKeys::Generate(swarm_.random());
    const MailboxAddress inbox = MailboxAddress::ForAccount(account.id());
    if (!IsMember(inbox)) continue;
    swarm_.Register(account);
    inboxes.emplace_back(inbox.bytes());
  }
  const crypto::Ed25519PrivateKey read_key =
      crypto::Ed25519PrivateKey::Generate(swarm_.random());
  std::optional<crypto::Ed25519PrivateKey> write_key;
  std::optional<MailboxAddress> pair;
  do {
    write_key.emplace(crypto::Ed25519PrivateKey::Generate(swarm_.random()));
    pair =
        MailboxAddress::ForPair(read_key.public_key(), write_key->public_key());
  } while (!IsMember(*pair));
  swarm_.Register(read_key, write_key->public_key());

  std::map<v1::Refusal::Reason, size_t> strangers;
  for (size_t i = 0; i < Coordinator::kMaxStrangersUnderWay + 20; ++i) {
    v1::ClientRequest request = Store(absl::StrCat("stranger ", i));
    request.mutable_store()->set_mailbox(inboxes[i % inboxes.size()]);
    swarm_.Deliver(
        swarm_.node(members_[0]).id, kStorage, request.SerializeAsString(),
        [&](absl::StatusOr<std::string> reply) {
          v1::ClientResponse response;
          ASSERT_TRUE(reply.ok() && response.ParseFromString(*reply));
          ++strangers[response.refusal().reason()];
        });
  }
  v1::ClientRequest contact = Store("contact");
  v1::StoreRequest& store = *contact.mutable_store();
  store.set_mailbox(std::string(pair->bytes()));
  store.set_ns(static_cast<uint32_t>(MailboxNamespace::kPairwise));
  store.set_read_key(std::string(read_key.public_key().bytes()));
  store.set_write_key(std::string(write_key->public_key().bytes()));
  store.set_signature(std::string(
      SignWrite(*write_key,
                ComputeMessageId(*pair, MailboxNamespace::kPairwise, "contact"),
                store.expiry_ms())
          .bytes()));
  EXPECT_EQ(CodeOf(Ask(members_[0], contact)), StatusCode::kOk);
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_EQ(strangers[v1::Refusal::REASON_UNSPECIFIED],
            Coordinator::kMaxStrangersUnderWay);
  EXPECT_EQ(strangers[v1::Refusal::BUSY], 20);
  // That was for a moment.
  EXPECT_EQ(CodeOf(Ask(members_[0], Store("later"))), StatusCode::kOk);
}

TEST_F(SwarmTest, NothingIsStoredForAMailboxThatNobodyHasRegistered) {
  v1::ClientRequest request = Store("hello");
  request.mutable_store()->set_mailbox("\x05" + swarm_.random().String(32));
  const int member =
      swarm_.Members(*MailboxAddress::FromBytes(request.store().mailbox()))[0];
  const v1::ClientResponse response = Ask(member, request);
  EXPECT_EQ(CodeOf(response), StatusCode::kPermissionDenied);
  EXPECT_EQ(response.refusal().reason(), v1::Refusal::NOT_REGISTERED);
  EXPECT_EQ(StoredEverywhere(), 0);
}

TEST_F(SwarmTest, AReaderRegistersPurgesAndThenNothingOldComesBack) {
  ASSERT_EQ(CodeOf(Ask(members_[0], Store("old"))), StatusCode::kOk);
  RegistrationTerms terms{.mailbox = inbox_,
                          .timestamp_ms = Ms(absl::ZeroDuration())};
  terms.proof_nonce = *FindRegistrationNonce(
      terms, swarm_.paper().consensus()->params().registration_bits, 0,
      uint64_t{1} << 26);
  v1::ClientRequest again;
  v1::RegisterRequest& registration = *again.mutable_register_();
  registration.set_mailbox(std::string(inbox_.bytes()));
  registration.set_timestamp_ms(terms.timestamp_ms);
  registration.set_proof_nonce(terms.proof_nonce);
  registration.set_reader_key(
      std::string(account_.signing_key().public_key().bytes()));
  registration.set_signature(
      std::string(SignRegistration(account_.signing_key(), terms).bytes()));
  EXPECT_EQ(CodeOf(Ask(members_[1], again)), StatusCode::kOk);

  const PurgeTerms purge{.mailbox = inbox_,
                         .ns = MailboxNamespace::kInbox,
                         .expiry_until_ms = Ms(absl::Hours(2)),
                         .timestamp_ms = Ms(absl::ZeroDuration()),
                         .nonce = swarm_.random().Fixed<RequestNonce>()};
  v1::ClientRequest erase;
  v1::PurgeRequest& order = *erase.mutable_purge();
  order.set_mailbox(std::string(inbox_.bytes()));
  order.set_expiry_until_ms(purge.expiry_until_ms);
  order.set_timestamp_ms(purge.timestamp_ms);
  order.set_nonce(std::string(purge.nonce.bytes()));
  order.set_reader_key(
      std::string(account_.signing_key().public_key().bytes()));
  order.set_signature(
      std::string(SignPurge(account_.signing_key(), purge).bytes()));
  EXPECT_EQ(CodeOf(Ask(members_[2], erase)), StatusCode::kOk);
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_EQ(CodeOf(Ask(members_[0], Store("old"))), StatusCode::kOk)
      << "receipts for what the reader has deleted";
  EXPECT_EQ(CodeOf(Ask(members_[0], Store("new", absl::Hours(3)))),
            StatusCode::kOk);
  swarm_.executor().RunFor(absl::Seconds(5));
  for (const int member : members_) {
    const v1::ClientResponse page = Ask(member, Retrieve(member));
    ASSERT_THAT(page.retrieve().messages(), SizeIs(1));
    EXPECT_EQ(page.retrieve().messages(0).payload(), "new");
  }
}

TEST_F(SwarmTest, AReaderWhoWaitsGetsTheMessageAsItComes) {
  v1::ClientRequest wait = Retrieve(members_[1]);
  wait.mutable_retrieve()->set_wait_ms(30'000);
  std::optional<absl::Time> answered;
  v1::ClientResponse page;
  swarm_.Deliver(swarm_.node(members_[1]).id, kStorage,
                 wait.SerializeAsString(),
                 [&](absl::StatusOr<std::string> reply) {
                   answered = swarm_.clock().Now();
                   EXPECT_TRUE(reply.ok() && page.ParseFromString(*reply));
                 });
  swarm_.executor().RunFor(absl::Seconds(10));
  ASSERT_FALSE(answered.has_value());
  ASSERT_EQ(CodeOf(Ask(members_[0], Store("hello"))), StatusCode::kOk);
  swarm_.executor().RunFor(absl::Seconds(1));
  ASSERT_TRUE(answered.has_value());
  EXPECT_THAT(page.retrieve().messages(), SizeIs(1));
  EXPECT_EQ(swarm_.node(members_[1]).process->service().counters().pushed, 1);

  v1::ClientRequest in_vain =
      Retrieve(members_[1], page.retrieve().next_cursor());
  in_vain.mutable_retrieve()->set_wait_ms(5'000);
  const absl::Time start = swarm_.clock().Now();
  const v1::ClientResponse empty = Ask(members_[1], in_vain);
  EXPECT_EQ(CodeOf(empty), StatusCode::kOk);
  EXPECT_THAT(empty.retrieve().messages(), IsEmpty());
  EXPECT_EQ(swarm_.clock().Now() - start, absl::Seconds(5));
}

TEST_F(SwarmTest, AMemberThatMissedAWriteGetsItSoonByAHint) {
  swarm_.Crash(members_[2]);
  ASSERT_EQ(CodeOf(Ask(members_[0], Store("hello"))), StatusCode::kOk);
  swarm_.executor().RunFor(absl::Seconds(6));
  swarm_.Restart(members_[2]);
  swarm_.executor().RunFor(absl::Seconds(70));
  EXPECT_EQ(swarm_.node(members_[2]).store->Totals()->messages, 1);
}

TEST_F(SwarmTest, AWipedMemberAnswersOnlyOnceItHoldsEverythingAgain) {
  ASSERT_EQ(CodeOf(Ask(members_[0], Store("hello"))), StatusCode::kOk);
  swarm_.executor().RunFor(absl::Seconds(5));
  swarm_.Wipe(members_[1]);
  const v1::ClientResponse early = Ask(members_[1], Retrieve(members_[1]));
  EXPECT_EQ(CodeOf(early), StatusCode::kUnavailable);
  EXPECT_EQ(early.refusal().reason(), v1::Refusal::FILLING);
  swarm_.Settle();
  EXPECT_THAT(Ask(members_[1], Retrieve(members_[1])).retrieve().messages(),
              SizeIs(1));
}

TEST_F(SwarmTest, AReaderBringsAMemberWhatItLacks) {
  swarm_.Crash(members_[2]);
  ASSERT_EQ(CodeOf(Ask(members_[0], Store("hello"))), StatusCode::kOk);
  swarm_.Restart(members_[2]);
  v1::ClientRequest repair;
  *repair.mutable_repair()->add_messages() = Store("hello").store();
  const v1::ClientResponse response = Ask(members_[2], repair);
  EXPECT_EQ(CodeOf(response), StatusCode::kOk);
  EXPECT_EQ(response.repair().stored(), 1);
  repair.mutable_repair()->clear_messages();
  EXPECT_EQ(CodeOf(Ask(members_[2], repair)), StatusCode::kInvalidArgument);
}

TEST_F(SwarmTest, ACrowdedInboxAsksForWorkAndAFullOneSaysSo) {
  int stored = 0;
  int work_needed = 0;
  for (int i = 0; i < 400; ++i) {
    v1::ClientRequest request = Store(absl::StrCat("message ", i));
    v1::ClientResponse response = Ask(members_[0], request);
    if (response.refusal().reason() == v1::Refusal::WORK_NEEDED) {
      ++work_needed;
      // A few, for the time it takes.
      if (work_needed % 50 != 1) continue;
      const auto hour = static_cast<uint32_t>(
          absl::ToUnixSeconds(swarm_.clock().Now()) / 3600);
      request.mutable_store()->set_work_hour(hour);
      request.mutable_store()->set_work_nonce(*FindMessageNonce(
          ComputeMessageId(inbox_, MailboxNamespace::kInbox,
                           request.store().payload()),
          inbox_, hour, static_cast<int>(response.refusal().work_bits()), 0,
          uint64_t{1} << 30));
      response = Ask(members_[0], request);
    }
    if (CodeOf(response) != StatusCode::kOk) break;
    ++stored;
  }
  EXPECT_GE(stored, static_cast<int>(kStrangerMessages) / 2);
  EXPECT_GT(work_needed, 0);
  // What is stored may be sent again at any time.
  EXPECT_EQ(CodeOf(Ask(members_[0], Store("message 0"))), StatusCode::kOk);
}

TEST_F(SwarmTest, NothingIsServedAfterItsExpiryAndNothingGoesEarly) {
  ASSERT_EQ(CodeOf(Ask(members_[0], Store("short", absl::Seconds(100)))),
            StatusCode::kOk);
  swarm_.executor().RunFor(absl::Seconds(90));
  EXPECT_THAT(Ask(members_[0], Retrieve(members_[0])).retrieve().messages(),
              SizeIs(1));
  swarm_.executor().RunFor(absl::Seconds(10));
  EXPECT_THAT(Ask(members_[0], Retrieve(members_[0])).retrieve().messages(),
              IsEmpty());
  swarm_.executor().RunFor(StorageNode::kExpireInterval);
  EXPECT_EQ(StoredEverywhere(), 0);
}

// Many writes through many coordinators, with losses, crashes and restarts:
// whatever was acknowledged is on a majority of its swarm's disks.
TEST(SwarmStormTest, EveryAcknowledgedMessageIsOnAMajority) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SimulatedSwarm swarm(8, seed);
    swarm.network().SetLoss(0.05);
    crypto::SeededRandom random(seed + 100);
    struct Write {
      MailboxAddress mailbox;
      MessageId id;
      bool acknowledged = false;
    };
    std::vector<std::unique_ptr<Write>> writes;
    for (int step = 0; step < 200; ++step) {
      const AccountKeys account = AccountKeys::Generate(random);
      const auto mailbox = MailboxAddress::ForAccount(account.id());
      swarm.Register(account);
      const std::string payload = absl::StrCat("message ", step);
      v1::ClientRequest request;
      request.mutable_store()->set_mailbox(std::string(mailbox.bytes()));
      request.mutable_store()->set_payload(payload);
      request.mutable_store()->set_expiry_ms(static_cast<uint64_t>(
          absl::ToUnixMillis(swarm.clock().Now() + absl::Hours(1))));
      writes.push_back(std::make_unique<Write>(Write{
          .mailbox = mailbox,
          .id = ComputeMessageId(mailbox, MailboxNamespace::kInbox, payload)}));
      Write& write = *writes.back();
      const std::vector<int> members = swarm.Members(mailbox);
      swarm.Deliver(swarm.node(members[random.Uniform(3)]).id, kStorage,
                    request.SerializeAsString(),
                    [&write](absl::StatusOr<std::string> reply) {
                      v1::ClientResponse response;
                      write.acknowledged = reply.ok() &&
                                           response.ParseFromString(*reply) &&
                                           response.code() == 0;
                    });
      swarm.executor().RunFor(absl::Milliseconds(random.Uniform(80)));
      const int node = static_cast<int>(random.Uniform(8));
      if (random.Uniform(20) == 0 && !swarm.crashed(node)) swarm.Crash(node);
      if (random.Uniform(8) == 0 && swarm.crashed(node)) swarm.Restart(node);
    }
    swarm.executor().RunFor(absl::Seconds(10));
    int acknowledged = 0;
    for (const auto& write : writes) {
      if (!write->acknowledged) continue;
      ++acknowledged;
      int holding = 0;
      for (const int i : swarm.Members(write->mailbox)) {
        const auto page = swarm.node(i).store->List(
            write->mailbox, MailboxNamespace::kInbox, 0, 0, 10, 1 << 20);
        for (const auto& message : page->messages) {
          holding += message.id == write->id;
        }
      }
      EXPECT_GE(holding, 2) << "seed " << seed;
    }
    EXPECT_GT(acknowledged, 50) << "seed " << seed;
    for (int i = 0; i < 8; ++i) {
      if (swarm.crashed(i)) swarm.Restart(i);
    }
  }
}

}  // namespace
}  // namespace messenger::swarm
