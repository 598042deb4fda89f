#include "swarm/repair/testing/unsigned_items.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/registration.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/proto/storage_codec.h"
#include "swarm/repair/stored_item.h"

namespace messenger::swarm {
namespace {

uint64_t Ms(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMillis(time));
}

absl::Status CheckSignature(const std::string& signature) {
  return absl::StartsWith(signature, "forged")
             ? absl::UnauthenticatedError("forged")
             : absl::OkStatus();
}

absl::StatusOr<StoreOp> Message(const v1::StoreRequest& proto, absl::Time now,
                                Origin origin) {
  RETURN_IF_ERROR(CheckSignature(proto.signature()));
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(proto.mailbox()));
  const auto ns = static_cast<MailboxNamespace>(proto.ns());
  if (proto.payload().empty() ||
      proto.expiry_ms() > Ms(now + kMaxTtl + kClockTolerance) ||
      proto.expiry_ms() <= Ms(origin == Origin::kPeer ? now : now + kMinTtl)) {
    return absl::InvalidArgumentError("bounds");
  }
  return PutMessage{.mailbox = mailbox,
                    .ns = ns,
                    .id = ComputeMessageId(mailbox, ns, proto.payload()),
                    .payload = proto.payload(),
                    .expiry_ms = proto.expiry_ms(),
                    .proof = absl::StrCat(proto.read_key(), proto.write_key(),
                                          proto.signature()),
                    .origin = origin};
}

absl::Status CheckFresh(uint64_t time_ms, absl::Time now, Origin origin) {
  if (origin == Origin::kClient && time_ms < Ms(now - kClockTolerance)) {
    return absl::FailedPreconditionError("not fresh");
  }
  return absl::OkStatus();
}

absl::StatusOr<StoreOp> Deletion(const v1::DeleteRequest& proto, absl::Time now,
                                 Origin origin) {
  RETURN_IF_ERROR(CheckSignature(proto.signature()));
  RETURN_IF_ERROR(CheckFresh(proto.timestamp_ms(), now, origin));
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(proto.mailbox()));
  DeleteTerms terms{.mailbox = mailbox,
                    .ns = static_cast<MailboxNamespace>(proto.ns()),
                    .timestamp_ms = proto.timestamp_ms(),
                    .nonce = {},
                    .effective_ms = proto.effective_ms(),
                    .ids = {}};
  ASSIGN_OR_RETURN(terms.nonce, RequestNonce::FromBytes(proto.nonce()));
  for (const std::string& bytes : proto.ids()) {
    ASSIGN_OR_RETURN(const MessageId id, MessageId::FromBytes(bytes));
    terms.ids.push_back(id);
  }
  const ObjectId id = DeletionId(terms);
  return DeleteMessages{
      .terms = std::move(terms),
      .order_id = id,
      .proof = absl::StrCat(proto.reader_key(), proto.write_key(),
                            proto.signature()),
      .origin = origin};
}

absl::StatusOr<StoreOp> Purge(const v1::PurgeRequest& proto, absl::Time now,
                              Origin origin) {
  RETURN_IF_ERROR(CheckSignature(proto.signature()));
  RETURN_IF_ERROR(CheckFresh(proto.timestamp_ms(), now, origin));
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(proto.mailbox()));
  PurgeTerms terms{.mailbox = mailbox,
                   .ns = static_cast<MailboxNamespace>(proto.ns()),
                   .expiry_until_ms = proto.expiry_until_ms(),
                   .timestamp_ms = proto.timestamp_ms(),
                   .nonce = {}};
  ASSIGN_OR_RETURN(terms.nonce, RequestNonce::FromBytes(proto.nonce()));
  return PurgeMessages{
      .terms = terms,
      .order_id = PurgeId(terms),
      .proof = absl::StrCat(proto.reader_key(), proto.write_key(),
                            proto.signature()),
      .origin = origin};
}

absl::StatusOr<StoreOp> OneRecord(const v1::PutRecordRequest& proto,
                                  Origin origin) {
  RETURN_IF_ERROR(CheckSignature(proto.signature()));
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(proto.mailbox()));
  const auto ns = static_cast<MailboxNamespace>(proto.ns());
  ASSIGN_OR_RETURN(Record record, RecordFromProto(proto));
  const ObjectId id = RecordId(mailbox, ns, record);
  return PutRecord{.mailbox = mailbox,
                   .ns = ns,
                   .id = id,
                   .record = std::move(record),
                   .origin = origin};
}

absl::StatusOr<StoreOp> Registration(const v1::RegisterRequest& proto,
                                     absl::Time now, Origin origin) {
  RETURN_IF_ERROR(CheckSignature(proto.signature()));
  RETURN_IF_ERROR(CheckFresh(proto.timestamp_ms(), now, origin));
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(proto.mailbox()));
  const RegistrationTerms terms{.mailbox = mailbox,
                                .timestamp_ms = proto.timestamp_ms(),
                                .proof_nonce = proto.proof_nonce()};
  return PutRegistration{
      .mailbox = mailbox,
      .id = RegistrationId(terms),
      .timestamp_ms = terms.timestamp_ms,
      .proof_nonce = terms.proof_nonce,
      .proof = absl::StrCat(proto.reader_key(), proto.write_key(),
                            proto.signature())};
}

}  // namespace

absl::StatusOr<StoreOp> ValidateUnsigned(const v1::ReplicatedItem& item,
                                         absl::Time now, Origin origin) {
  switch (item.item_case()) {
    case v1::ReplicatedItem::kStore:
      return Message(item.store(), now, origin);
    case v1::ReplicatedItem::kDelete:
      return Deletion(item.delete_(), now, origin);
    case v1::ReplicatedItem::kPutRecord:
      return OneRecord(item.put_record(), origin);
    case v1::ReplicatedItem::kRegister:
      return Registration(item.register_(), now, origin);
    case v1::ReplicatedItem::kPurge:
      return Purge(item.purge(), now, origin);
    case v1::ReplicatedItem::ITEM_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("no item");
}

MailboxAddress UnsignedItems::Mailbox() {
  return MailboxAddress::FromBytes(
             absl::StrCat(random_.Uniform(2) == 0 ? "\x05" : "\x06",
                          random_.String(32)))
      .value();
}

MailboxAddress UnsignedItems::MailboxIn(const std::vector<Shard>& shards) {
  while (true) {
    const MailboxAddress mailbox = Mailbox();
    if (std::find(shards.begin(), shards.end(), ShardOf(mailbox)) !=
        shards.end()) {
      return mailbox;
    }
  }
}

std::string UnsignedItems::Proof(const MailboxAddress& mailbox) {
  const bool pair = mailbox.kind() == MailboxAddress::Kind::kPairwise;
  return std::string(32 + (pair ? 32 : 0) + 64, 'p');
}

PutRegistration UnsignedItems::Registration(const MailboxAddress& mailbox,
                                            absl::Time at) {
  const RegistrationTerms terms{
      .mailbox = mailbox, .timestamp_ms = Ms(at), .proof_nonce = random_.U64()};
  return {.mailbox = mailbox,
          .id = RegistrationId(terms),
          .timestamp_ms = terms.timestamp_ms,
          .proof_nonce = terms.proof_nonce,
          .proof = Proof(mailbox)};
}

PutMessage UnsignedItems::Message(const MailboxAddress& mailbox,
                                  absl::Time expiry, size_t bytes) {
  const bool pair = mailbox.kind() == MailboxAddress::Kind::kPairwise;
  PutMessage put{
      .mailbox = mailbox,
      .ns = pair ? MailboxNamespace::kPairwise : MailboxNamespace::kInbox,
      .id = {},
      .payload = random_.String(bytes),
      .expiry_ms = Ms(expiry),
      .proof = pair ? Proof(mailbox) : ""};
  put.id = ComputeMessageId(mailbox, put.ns, put.payload);
  return put;
}

DeleteMessages UnsignedItems::Deletion(const MailboxAddress& mailbox,
                                       std::vector<MessageId> ids,
                                       absl::Time at, absl::Time effective) {
  const bool pair = mailbox.kind() == MailboxAddress::Kind::kPairwise;
  DeleteTerms terms{
      .mailbox = mailbox,
      .ns = pair ? MailboxNamespace::kPairwise : MailboxNamespace::kInbox,
      .timestamp_ms = Ms(at),
      .nonce = random_.Fixed<RequestNonce>(),
      .effective_ms = Ms(effective),
      .ids = std::move(ids)};
  const ObjectId id = DeletionId(terms);
  return {.terms = std::move(terms), .order_id = id, .proof = Proof(mailbox)};
}

PurgeMessages UnsignedItems::Purge(const MailboxAddress& mailbox,
                                   absl::Time until, absl::Time at) {
  const bool pair = mailbox.kind() == MailboxAddress::Kind::kPairwise;
  const PurgeTerms terms{
      .mailbox = mailbox,
      .ns = pair ? MailboxNamespace::kPairwise : MailboxNamespace::kInbox,
      .expiry_until_ms = Ms(until),
      .timestamp_ms = Ms(at),
      .nonce = random_.Fixed<RequestNonce>()};
  return {.terms = terms, .order_id = PurgeId(terms), .proof = Proof(mailbox)};
}

PutRecord UnsignedItems::Record(const MailboxAddress& mailbox,
                                const RecordKey& key, uint64_t seq) {
  PutRecord put{.mailbox = mailbox,
                .ns = MailboxNamespace::kPrekeyRecords,
                .id = {},
                .record = {.key = key,
                           .seq = seq,
                           .body = random_.String(16),
                           .owner_key = {},
                           .signature = {}}};
  put.id = RecordId(mailbox, put.ns, put.record);
  return put;
}

OpResult ApplyTo(MessageStore& store, StoreOp op, absl::Time now) {
  const auto results = store.Apply(absl::MakeConstSpan(&op, 1), Ms(now));
  if (!results.ok()) std::abort();
  return results->front();
}

std::string ReplicateUnsigned(MessageStore& store, const std::string& request,
                              absl::Time now) {
  v1::ReplicateRequest parsed;
  if (!parsed.ParseFromString(request)) std::abort();
  v1::ReplicateResponse response;
  for (const v1::ReplicatedItem& item : parsed.items()) {
    v1::ItemResult& result = *response.add_results();
    absl::StatusOr<StoreOp> op = ValidateUnsigned(item, now, Origin::kPeer);
    if (!op.ok()) {
      result.set_code(static_cast<uint32_t>(op.status().code()));
      continue;
    }
    switch (ApplyTo(store, *std::move(op), now)) {
      case OpResult::kDone:
      case OpResult::kDeleted:
        break;
      case OpResult::kSuperseded:
        result.set_code(static_cast<uint32_t>(absl::StatusCode::kAborted));
        break;
      default:
        result.set_code(
            static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
    }
  }
  return response.SerializeAsString();
}

std::vector<ItemEntry> EntriesOf(const MessageStore& store, absl::Time from) {
  std::vector<ItemEntry> all;
  for (const Shard shard : store.Shards()) {
    for (const WindowSummary& window : store.Windows(shard, Ms(from))) {
      const auto entries = store.Entries(shard, window.window);
      if (!entries.ok()) std::abort();
      for (const ItemEntry& entry : *entries) {
        if (entry.expiry_ms >= Ms(from)) all.push_back(entry);
      }
    }
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace messenger::swarm
