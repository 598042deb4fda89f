#include "swarm/proto/item_codec.h"

#include <string>

#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"

namespace messenger::swarm {
namespace {

class ItemCodecTest : public ::testing::Test {
 protected:
  MailboxAddress Account() {
    return MailboxAddress::FromBytes("\x05" + random_.String(32)).value();
  }
  MailboxAddress Pair() {
    return MailboxAddress::FromBytes("\x06" + random_.String(32)).value();
  }

  crypto::SeededRandom random_{1};
  const std::string read_key_ = random_.String(32);
  const std::string write_key_ = random_.String(32);
  const std::string signature_ = random_.String(64);
};

TEST_F(ItemCodecTest, MessageToAnInboxNeedsNoProof) {
  PutMessage put{.mailbox = Account(),
                 .ns = MailboxNamespace::kInbox,
                 .id = random_.Fixed<MessageId>(),
                 .payload = "hello",
                 .expiry_ms = 77,
                 .proof = ""};
  const v1::ReplicatedItem item = ItemToProto(put);
  ASSERT_TRUE(item.has_store());
  EXPECT_EQ(item.store().mailbox(), put.mailbox.bytes());
  EXPECT_EQ(item.store().ns(), 0u);
  EXPECT_EQ(item.store().payload(), "hello");
  EXPECT_EQ(item.store().expiry_ms(), 77u);
  EXPECT_TRUE(item.store().read_key().empty());

  put.proof = "x";
  EXPECT_EQ(ItemToProto(put).item_case(), v1::ReplicatedItem::ITEM_NOT_SET);
}

TEST_F(ItemCodecTest, MessageOfAPairShowsBothKeysAndTheSignature) {
  PutMessage put{.mailbox = Pair(),
                 .ns = MailboxNamespace::kPairwise,
                 .id = random_.Fixed<MessageId>(),
                 .payload = "hello",
                 .expiry_ms = 77,
                 .proof = read_key_ + write_key_ + signature_};
  const v1::ReplicatedItem item = ItemToProto(put);
  EXPECT_EQ(item.store().read_key(), read_key_);
  EXPECT_EQ(item.store().write_key(), write_key_);
  EXPECT_EQ(item.store().signature(), signature_);

  put.proof.pop_back();
  EXPECT_EQ(ItemToProto(put).item_case(), v1::ReplicatedItem::ITEM_NOT_SET);
}

TEST_F(ItemCodecTest, DeletionKeepsAllThatIsSigned) {
  DeleteMessages erase{.terms = {.mailbox = Account(),
                                 .ns = MailboxNamespace::kInbox,
                                 .timestamp_ms = 5,
                                 .nonce = random_.Fixed<RequestNonce>(),
                                 .effective_ms = 9,
                                 .ids = {random_.Fixed<MessageId>(),
                                         random_.Fixed<MessageId>()}},
                       .order_id = {},
                       .proof = read_key_ + signature_};
  const v1::ReplicatedItem item = ItemToProto(erase);
  ASSERT_TRUE(item.has_delete_());
  EXPECT_EQ(item.delete_().mailbox(), erase.terms.mailbox.bytes());
  EXPECT_EQ(item.delete_().timestamp_ms(), 5u);
  EXPECT_EQ(item.delete_().nonce(), erase.terms.nonce.bytes());
  EXPECT_EQ(item.delete_().effective_ms(), 9u);
  ASSERT_EQ(item.delete_().ids_size(), 2);
  EXPECT_EQ(item.delete_().ids(1), erase.terms.ids[1].bytes());
  EXPECT_EQ(item.delete_().reader_key(), read_key_);
  EXPECT_TRUE(item.delete_().write_key().empty());
  EXPECT_EQ(item.delete_().signature(), signature_);
}

TEST_F(ItemCodecTest, PurgeAndRegistrationOfAPair) {
  const PurgeMessages purge{.terms = {.mailbox = Pair(),
                                      .ns = MailboxNamespace::kPairwise,
                                      .expiry_until_ms = 11,
                                      .timestamp_ms = 5,
                                      .nonce = random_.Fixed<RequestNonce>()},
                            .order_id = {},
                            .proof = read_key_ + write_key_ + signature_};
  const v1::ReplicatedItem purged = ItemToProto(purge);
  EXPECT_EQ(purged.purge().expiry_until_ms(), 11u);
  EXPECT_EQ(purged.purge().timestamp_ms(), 5u);
  EXPECT_EQ(purged.purge().ns(), 10u);
  EXPECT_EQ(purged.purge().write_key(), write_key_);

  const PutRegistration put{.mailbox = purge.terms.mailbox,
                            .id = {},
                            .timestamp_ms = 6,
                            .proof_nonce = 7,
                            .proof = purge.proof};
  const v1::ReplicatedItem registered = ItemToProto(put);
  EXPECT_EQ(registered.register_().mailbox(), put.mailbox.bytes());
  EXPECT_EQ(registered.register_().timestamp_ms(), 6u);
  EXPECT_EQ(registered.register_().proof_nonce(), 7u);
  EXPECT_EQ(registered.register_().reader_key(), read_key_);
  EXPECT_EQ(registered.register_().signature(), signature_);
}

TEST_F(ItemCodecTest, RecordIsItsOwnProof) {
  const PutRecord put{
      .mailbox = Account(),
      .ns = MailboxNamespace::kPrekeyRecords,
      .id = {},
      .record = {.key = random_.Fixed<RecordKey>(),
                 .seq = 3,
                 .body = "body",
                 .owner_key = random_.Fixed<crypto::Ed25519PublicKey>(),
                 .signature = random_.Fixed<crypto::Ed25519Signature>()}};
  const v1::ReplicatedItem item = ItemToProto(put);
  EXPECT_EQ(item.put_record().seq(), 3u);
  EXPECT_EQ(item.put_record().body(), "body");
  EXPECT_EQ(item.put_record().key(), put.record.key.bytes());
  EXPECT_EQ(item.put_record().owner_key(), put.record.owner_key.bytes());
}

TEST_F(ItemCodecTest, WhatMembersDoNotExchangeIsNoItem) {
  EXPECT_EQ(ItemToProto(SetFill{}).item_case(),
            v1::ReplicatedItem::ITEM_NOT_SET);
  EXPECT_EQ(ItemToProto(DropHints{}).item_case(),
            v1::ReplicatedItem::ITEM_NOT_SET);
}

}  // namespace
}  // namespace messenger::swarm
