// Hashes and signed bytes against an independent model; signatures against
// every single change.

#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "crypto/base/bytes.h"
#include "crypto/base/hex.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/auth/item.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/receipt.h"
#include "swarm/auth/record.h"
#include "swarm/auth/registration.h"
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
  ASSERT_EQ(v.size(), 26);
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
                                 .challenge = 0x2122232425262728,
                                 .nonce = nonce}),
            v["retrieve_signed"]);
  const DeleteTerms deletion{.mailbox = account,
                             .ns = MailboxNamespace::kInbox,
                             .timestamp_ms = 1'900'000'000'789,
                             .nonce = nonce,
                             .effective_ms = 1'900'000'009'999,
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
  const PurgeTerms purge{.mailbox = pair,
                         .ns = MailboxNamespace::kPairwise,
                         .expiry_until_ms = 1'900'000'005'555,
                         .timestamp_ms = 1'900'000'000'789,
                         .nonce = nonce};
  EXPECT_EQ(PurgeSignedBytes(purge), v["purge_signed"]);
  EXPECT_EQ(PurgeId(purge).bytes(), v["purge_id"]);
  const RegistrationTerms registration{.mailbox = pair,
                                       .timestamp_ms = 1'900'000'000'789,
                                       .proof_nonce = 0x0102030405060708};
  EXPECT_EQ(RegistrationSignedBytes(registration), v["registration_signed"]);
  EXPECT_EQ(RegistrationId(registration).bytes(), v["registration_id"]);
  EXPECT_EQ(FindRegistrationNonce(registration, 12, 0, 1 << 20),
            crypto::ByteReader(v["registration_nonce_12"]).U64());
  EXPECT_EQ(FindMessageNonce(inbox_id, account, 527'777, 12, 0, 1 << 20),
            crypto::ByteReader(v["message_nonce_12"]).U64());
  SetDigest one;
  const ItemEntry first{ItemKind::kMessage, inbox_id, kExpiry};
  one.Add(first);
  EXPECT_EQ(one.ToBytes(), v["entry_hash_0"]);
  SetDigest all;
  all.Add({ItemKind::kMessage, pair_id, kExpiry});
  all.Add({ItemKind::kDeletion, DeletionId(deletion), 1'902'678'400'789});
  all.Add(one);
  EXPECT_EQ(all.ToBytes(), v["set_digest"]);
}

TEST(SetDigest, IsTheSameInWhateverOrderTheSetCameAbout) {
  crypto::SeededRandom random(2);
  std::vector<ItemEntry> entries;
  for (int i = 0; i < 200; ++i) {
    entries.push_back({static_cast<ItemKind>(1 + random.Uniform(kItemKinds)),
                       random.Fixed<ObjectId>(), random.U64() >> 12});
  }
  SetDigest forwards;
  for (const ItemEntry& entry : entries) forwards.Add(entry);
  SetDigest backwards;
  for (size_t i = entries.size(); i > 0; --i) backwards.Add(entries[i - 1]);
  EXPECT_EQ(forwards, backwards);
  EXPECT_EQ(*SetDigest::FromBytes(forwards.ToBytes()), forwards);
  for (const ItemEntry& entry : entries) {
    SetDigest without = forwards;
    without.Remove(entry);
    EXPECT_NE(without, forwards);
    without.Add(entry);
    EXPECT_EQ(without, forwards);
    backwards.Remove(entry);
  }
  EXPECT_EQ(backwards, SetDigest());
  EXPECT_THAT(SetDigest::FromBytes("short"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(SetDigest, TellsKindsAndExpiriesApart) {
  crypto::SeededRandom random(3);
  const ItemEntry entry{ItemKind::kMessage, random.Fixed<ObjectId>(), 5};
  SetDigest digest;
  digest.Add(entry);
  for (const ItemEntry& other :
       {ItemEntry{ItemKind::kDeletion, entry.id, 5},
        ItemEntry{ItemKind::kMessage, entry.id, 6},
        ItemEntry{ItemKind::kMessage, random.Fixed<ObjectId>(), 5}}) {
    SetDigest another;
    another.Add(other);
    EXPECT_NE(another, digest);
  }
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
                            .challenge = 5,
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
      [](RetrieveTerms& t) { ++t.challenge; },
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
      .effective_ms = 0,
      .ids = {random_.Fixed<MessageId>(), random_.Fixed<MessageId>()}};
  const auto signature = SignDelete(account_.signing_key(), terms);
  EXPECT_THAT(VerifyDelete(owner_keys_, terms, signature), IsOk());
  const std::vector<std::function<void(DeleteTerms&)>> edits = {
      [](DeleteTerms& t) { t.ns = MailboxNamespace::kPairwise; },
      [](DeleteTerms& t) { ++t.timestamp_ms; },
      [&](DeleteTerms& t) { t.nonce = random_.Fixed<RequestNonce>(); },
      [](DeleteTerms& t) { ++t.effective_ms; },
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

TEST_F(AuthTest, APurgeIsBoundToEverythingInIt) {
  const PurgeTerms terms{.mailbox = pair_,
                         .ns = MailboxNamespace::kPairwise,
                         .expiry_until_ms = 9,
                         .timestamp_ms = 4,
                         .nonce = random_.Fixed<RequestNonce>()};
  const auto signature = SignPurge(read_key_, terms);
  EXPECT_THAT(VerifyPurge(pair_keys_, terms, signature), IsOk());
  EXPECT_THAT(VerifyPurge(owner_keys_, terms, signature),
              StatusIs(absl::StatusCode::kInvalidArgument));
  // The one who may write may not delete.
  EXPECT_THAT(VerifyPurge(pair_keys_, terms, SignPurge(write_key_, terms)),
              StatusIs(absl::StatusCode::kUnauthenticated));
  const std::vector<std::function<void(PurgeTerms&)>> edits = {
      [](PurgeTerms& t) { t.ns = MailboxNamespace::kInbox; },
      [](PurgeTerms& t) { ++t.expiry_until_ms; },
      [](PurgeTerms& t) { ++t.timestamp_ms; },
      [&](PurgeTerms& t) { t.nonce = random_.Fixed<RequestNonce>(); },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    PurgeTerms edited = terms;
    edits[i](edited);
    EXPECT_THAT(VerifyPurge(pair_keys_, edited, signature),
                StatusIs(absl::StatusCode::kUnauthenticated))
        << "edit " << i;
    EXPECT_NE(PurgeId(edited), PurgeId(terms)) << "edit " << i;
  }
}

TEST_F(AuthTest, ARegistrationIsTheReadersAndItsWorkIsForNothingElse) {
  RegistrationTerms terms{.mailbox = pair_, .timestamp_ms = 4};
  const auto nonce = FindRegistrationNonce(terms, 10, 0, 1 << 16);
  ASSERT_TRUE(nonce.has_value());
  terms.proof_nonce = *nonce;
  EXPECT_GE(RegistrationWork(terms), 10);
  const auto signature = SignRegistration(read_key_, terms);
  EXPECT_THAT(VerifyRegistration(pair_keys_, terms, signature), IsOk());
  EXPECT_THAT(VerifyRegistration(pair_keys_, terms,
                                 SignRegistration(write_key_, terms)),
              StatusIs(absl::StatusCode::kUnauthenticated));
  const std::vector<std::function<void(RegistrationTerms&)>> edits = {
      [](RegistrationTerms& t) { ++t.timestamp_ms; },
      [](RegistrationTerms& t) { ++t.proof_nonce; },
      [&](RegistrationTerms& t) { t.mailbox = inbox_; },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    RegistrationTerms edited = terms;
    edits[i](edited);
    EXPECT_FALSE(VerifyRegistration(pair_keys_, edited, signature).ok())
        << "edit " << i;
    EXPECT_NE(RegistrationId(edited), RegistrationId(terms)) << "edit " << i;
    EXPECT_LT(RegistrationWork(edited), 10) << "edit " << i;
  }
  EXPECT_EQ(FindRegistrationNonce(terms, 60, 0, 100), std::nullopt);
}

TEST_F(AuthTest, AMessagesWorkIsForOneMessageOneMailboxAndOneHour) {
  const MessageId id = random_.Fixed<MessageId>();
  const auto nonce = FindMessageNonce(id, inbox_, 7, 12, 0, 1 << 18);
  ASSERT_TRUE(nonce.has_value());
  EXPECT_GE(MessageWork(id, inbox_, 7, *nonce), 12);
  EXPECT_LT(MessageWork(random_.Fixed<MessageId>(), inbox_, 7, *nonce), 12);
  EXPECT_LT(MessageWork(id, pair_, 7, *nonce), 12);
  EXPECT_LT(MessageWork(id, inbox_, 8, *nonce), 12);
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
