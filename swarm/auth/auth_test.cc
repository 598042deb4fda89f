// Hashes and signed bytes against an independent model; signatures against
// every single change.

#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "crypto/base/hex.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/receipt.h"
#include "swarm/auth/record.h"
#include "swarm/auth/request_auth.h"

namespace messenger::swarm {
namespace {

using crypto::AccountKeys;
using crypto::Ed25519PrivateKey;
using crypto::Ed25519PublicKey;
using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

std::map<std::string, std::string> Vectors() {
  std::map<std::string, std::string> vectors;
  std::ifstream file("swarm/auth/testdata/auth_vectors.txt");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, " = ");
    vectors[parts[0]] = *crypto::HexDecode(parts[1]);
  }
  return vectors;
}

TEST(AuthVectors, AllBytesAgreeWithAnIndependentModel) {
  std::map<std::string, std::string> v = Vectors();
  ASSERT_EQ(v.size(), 18);
  const auto account = *MailboxAddress::FromBytes(v["account"]);
  const auto pair =
      MailboxAddress::ForPair(*Ed25519PublicKey::FromBytes(v["read_key"]),
                              *Ed25519PublicKey::FromBytes(v["write_key"]));
  EXPECT_EQ(pair.bytes(), v["pairwise_mailbox"]);
  const MessageId inbox_id =
      ComputeMessageId(account, MailboxNamespace::kInbox, v["payload"]);
  const MessageId pair_id =
      ComputeMessageId(pair, MailboxNamespace::kPairwise, v["payload"]);
  EXPECT_EQ(inbox_id.bytes(), v["inbox_message_id"]);
  EXPECT_EQ(pair_id.bytes(), v["pairwise_message_id"]);
  const auto node = *routing::NodeId::FromBytes(v["node"]);
  const auto nonce = *RequestNonce::FromBytes(v["nonce"]);
  constexpr uint64_t kExpiry = 1'900'000'000'123;
  EXPECT_EQ(WriteSignedBytes(pair_id, kExpiry), v["write_signed"]);
  Receipt receipt;
  receipt.node = node;
  receipt.epoch = 77;
  receipt.node_time_ms = 1'900'000'000'456;
  EXPECT_EQ(
      ReceiptSignedBytes({.id = pair_id, .mailbox = pair, .expiry_ms = kExpiry},
                         receipt),
      v["receipt_signed"]);
  EXPECT_EQ(RetrieveSignedBytes({.node = node,
                                 .mailbox = pair,
                                 .ns = MailboxNamespace::kPairwise,
                                 .cursor = 0x0102030405060708,
                                 .incarnation = 0x1112131415161718,
                                 .limit = 256,
                                 .timestamp_ms = 1'900'000'000'789,
                                 .nonce = nonce}),
            v["retrieve_signed"]);
  const DeleteTerms deletion{.mailbox = account,
                             .ns = MailboxNamespace::kInbox,
                             .timestamp_ms = 1'900'000'000'789,
                             .nonce = nonce,
                             .ids = {inbox_id, pair_id}};
  EXPECT_EQ(DeleteSignedBytes(deletion), v["delete_signed"]);
  EXPECT_EQ(DeletionId(deletion).bytes(), v["deletion_id"]);
  const Record record{.key = *RecordKey::FromBytes(v["record_key"]),
                      .seq = 9,
                      .body = v["body"],
                      .owner_key = {},
                      .signature = {}};
  EXPECT_EQ(
      RecordSignedBytes(account, MailboxNamespace::kPrekeyRecords, record),
      v["record_signed"]);
  EXPECT_EQ(RecordId(account, MailboxNamespace::kPrekeyRecords, record).bytes(),
            v["record_id"]);
}

class AuthTest : public ::testing::Test {
 protected:
  crypto::SeededRandom random_{1};
  AccountKeys account_ = AccountKeys::Generate(random_);
  AccountKeys stranger_ = AccountKeys::Generate(random_);
  Ed25519PrivateKey read_key_ = Ed25519PrivateKey::Generate(random_);
  Ed25519PrivateKey write_key_ = Ed25519PrivateKey::Generate(random_);
  MailboxAddress inbox_ = MailboxAddress::ForAccount(account_.id());
  MailboxAddress pair_ =
      MailboxAddress::ForPair(read_key_.public_key(), write_key_.public_key());
  MailboxKeys owner_keys_{.read_key = account_.signing_key().public_key(),
                          .write_key = std::nullopt};
  MailboxKeys pair_keys_{.read_key = read_key_.public_key(),
                         .write_key = write_key_.public_key()};
};

TEST_F(AuthTest, KeysMustBeTheOnesTheAddressCommitsTo) {
  EXPECT_THAT(CheckKeysOf(inbox_, owner_keys_), IsOk());
  EXPECT_THAT(CheckKeysOf(pair_, pair_keys_), IsOk());
  EXPECT_THAT(
      CheckKeysOf(inbox_, {.read_key = stranger_.signing_key().public_key(),
                           .write_key = std::nullopt}),
      StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(CheckKeysOf(inbox_, {.read_key = Ed25519PublicKey(),
                                   .write_key = std::nullopt}),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(CheckKeysOf(inbox_, pair_keys_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckKeysOf(pair_, owner_keys_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckKeysOf(pair_, {.read_key = write_key_.public_key(),
                                  .write_key = read_key_.public_key()}),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(AuthTest, AReceiptSpeaksOfOneSubjectOnly) {
  const ReceiptSubject subject{
      .id = random_.Fixed<ObjectId>(), .mailbox = pair_, .expiry_ms = 5};
  const auto node = random_.Fixed<routing::NodeId>();
  const Receipt receipt = SignReceipt(read_key_, subject, node, 7, 9);
  EXPECT_THAT(VerifyReceipt(read_key_.public_key(), subject, receipt), IsOk());
  EXPECT_THAT(VerifyReceipt(write_key_.public_key(), subject, receipt),
              StatusIs(absl::StatusCode::kUnauthenticated));
  const std::vector<std::function<void(ReceiptSubject&, Receipt&)>> edits = {
      [&](ReceiptSubject& s, Receipt&) { s.id = random_.Fixed<ObjectId>(); },
      [&](ReceiptSubject& s, Receipt&) { s.mailbox = inbox_; },
      [](ReceiptSubject& s, Receipt&) { ++s.expiry_ms; },
      [&](ReceiptSubject&, Receipt& r) {
        r.node = random_.Fixed<routing::NodeId>();
      },
      [](ReceiptSubject&, Receipt& r) { ++r.epoch; },
      [](ReceiptSubject&, Receipt& r) { ++r.node_time_ms; },
      [](ReceiptSubject&, Receipt& r) { r.signature.data()[0] ^= 1; },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    ReceiptSubject s = subject;
    Receipt r = receipt;
    edits[i](s, r);
    EXPECT_THAT(VerifyReceipt(read_key_.public_key(), s, r),
                StatusIs(absl::StatusCode::kUnauthenticated))
        << "edit " << i;
  }
}

TEST_F(AuthTest, AWriteIsSignedForOneIdAndExpiryByTheWriteKey) {
  const auto id = random_.Fixed<MessageId>();
  const auto signature = SignWrite(write_key_, id, 5);
  EXPECT_THAT(VerifyWrite(pair_, pair_keys_, id, 5, signature), IsOk());
  EXPECT_THAT(VerifyWrite(pair_, pair_keys_, id, 6, signature),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(
      VerifyWrite(pair_, pair_keys_, random_.Fixed<MessageId>(), 5, signature),
      StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(
      VerifyWrite(pair_, pair_keys_, id, 5, SignWrite(read_key_, id, 5)),
      StatusIs(absl::StatusCode::kUnauthenticated))
      << "whoever reads may not write";
  EXPECT_THAT(VerifyWrite(inbox_, owner_keys_, id, 5,
                          SignWrite(account_.signing_key(), id, 5)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(AuthTest, ARetrievalIsBoundToEverythingInIt) {
  const RetrieveTerms terms{.node = random_.Fixed<routing::NodeId>(),
                            .mailbox = pair_,
                            .ns = MailboxNamespace::kPairwise,
                            .cursor = 1,
                            .incarnation = 2,
                            .limit = 3,
                            .timestamp_ms = 4,
                            .nonce = random_.Fixed<RequestNonce>()};
  const auto signature = SignRetrieve(read_key_, terms);
  EXPECT_THAT(VerifyRetrieve(pair_keys_, terms, signature), IsOk());
  EXPECT_THAT(
      VerifyRetrieve(pair_keys_, terms, SignRetrieve(write_key_, terms)),
      StatusIs(absl::StatusCode::kUnauthenticated))
      << "whoever writes may not read";
  const std::vector<std::function<void(RetrieveTerms&)>> edits = {
      [&](RetrieveTerms& t) { t.node = random_.Fixed<routing::NodeId>(); },
      [](RetrieveTerms& t) { t.ns = MailboxNamespace::kInbox; },
      [](RetrieveTerms& t) { ++t.cursor; },
      [](RetrieveTerms& t) { ++t.incarnation; },
      [](RetrieveTerms& t) { ++t.limit; },
      [](RetrieveTerms& t) { ++t.timestamp_ms; },
      [&](RetrieveTerms& t) { t.nonce = random_.Fixed<RequestNonce>(); },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    RetrieveTerms edited = terms;
    edits[i](edited);
    EXPECT_THAT(VerifyRetrieve(pair_keys_, edited, signature),
                StatusIs(absl::StatusCode::kUnauthenticated))
        << "edit " << i;
  }
}

TEST_F(AuthTest, ADeletionIsBoundToEverythingInIt) {
  const DeleteTerms terms{
      .mailbox = inbox_,
      .ns = MailboxNamespace::kInbox,
      .timestamp_ms = 4,
      .nonce = random_.Fixed<RequestNonce>(),
      .ids = {random_.Fixed<MessageId>(), random_.Fixed<MessageId>()}};
  const auto signature = SignDelete(account_.signing_key(), terms);
  EXPECT_THAT(VerifyDelete(owner_keys_, terms, signature), IsOk());
  const std::vector<std::function<void(DeleteTerms&)>> edits = {
      [](DeleteTerms& t) { t.ns = MailboxNamespace::kPairwise; },
      [](DeleteTerms& t) { ++t.timestamp_ms; },
      [&](DeleteTerms& t) { t.nonce = random_.Fixed<RequestNonce>(); },
      [](DeleteTerms& t) { t.ids.pop_back(); },
      [](DeleteTerms& t) { std::swap(t.ids[0], t.ids[1]); },
      [&](DeleteTerms& t) { t.ids.push_back(random_.Fixed<MessageId>()); },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    DeleteTerms edited = terms;
    edits[i](edited);
    EXPECT_THAT(VerifyDelete(owner_keys_, edited, signature),
                StatusIs(absl::StatusCode::kUnauthenticated))
        << "edit " << i;
    EXPECT_NE(DeletionId(edited), DeletionId(terms)) << "edit " << i;
  }
}

TEST_F(AuthTest, ARecordIsBoundToEverythingInIt) {
  constexpr MailboxNamespace kNs = MailboxNamespace::kPrekeyRecords;
  Record record{.key = random_.Fixed<RecordKey>(),
                .seq = 3,
                .body = "body",
                .owner_key = {},
                .signature = {}};
  SignRecord(account_.signing_key(), inbox_, kNs, record);
  EXPECT_THAT(VerifyRecord(inbox_, kNs, record), IsOk());
  EXPECT_THAT(VerifyRecord(inbox_, MailboxNamespace::kIdentityRecord, record),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(
      VerifyRecord(MailboxAddress::ForAccount(stranger_.id()), kNs, record),
      StatusIs(absl::StatusCode::kPermissionDenied));
  const std::vector<std::function<void(Record&)>> edits = {
      [](Record& r) { r.key.data()[0] ^= 1; },
      [](Record& r) { ++r.seq; },
      [](Record& r) { r.body = "bodY"; },
      [](Record& r) { r.body += '\0'; },
      [](Record& r) { r.signature.data()[63] ^= 1; },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    Record edited = record;
    edits[i](edited);
    EXPECT_THAT(VerifyRecord(inbox_, kNs, edited),
                StatusIs(absl::StatusCode::kUnauthenticated))
        << "edit " << i;
  }
}

TEST(Supersedes, IsATotalOrder) {
  const ObjectId low = *ObjectId::FromBytes(std::string(32, 'a'));
  const ObjectId high = *ObjectId::FromBytes(std::string(32, 'b'));
  EXPECT_TRUE(Supersedes(2, low, 1, high));
  EXPECT_FALSE(Supersedes(1, high, 2, low));
  EXPECT_TRUE(Supersedes(1, high, 1, low));
  EXPECT_FALSE(Supersedes(1, low, 1, high));
  EXPECT_FALSE(Supersedes(1, low, 1, low));
}

}  // namespace
}  // namespace messenger::swarm
