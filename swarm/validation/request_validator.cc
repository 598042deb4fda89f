#include "swarm/validation/request_validator.h"

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "crypto/sign/ed25519.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/record.h"
#include "swarm/auth/registration.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::swarm {
namespace {

// So that stores may keep numbers as signed 64-bit integers.
constexpr uint64_t kMaxNumber = std::numeric_limits<int64_t>::max();
// Far beyond any clock, and safe to add a lifetime to.
constexpr uint64_t kMaxTimeMs = uint64_t{1} << 52;

absl::StatusOr<absl::Time> ParseTime(uint64_t ms) {
  if (ms == 0 || ms > kMaxTimeMs) {
    return absl::InvalidArgumentError("no valid time");
  }
  return absl::FromUnixMillis(static_cast<int64_t>(ms));
}

absl::Status CheckFresh(absl::Time timestamp, absl::Time now) {
  if (timestamp < now - kClockTolerance || timestamp > now + kClockTolerance) {
    return absl::FailedPreconditionError(
        "the request's time differs too much from this node's clock");
  }
  return absl::OkStatus();
}

absl::Status CheckLifetime(absl::Time expiry, absl::Time now, Origin origin) {
  if (expiry > now + kMaxTtl + kClockTolerance) {
    return absl::InvalidArgumentError("the message would live too long");
  }
  if (origin == Origin::kPeer ? expiry <= now : expiry < now + kMinTtl) {
    return absl::InvalidArgumentError("the message would live too short");
  }
  return absl::OkStatus();
}

// An empty `write_key` is the absence of one.
absl::StatusOr<MailboxKeys> ParseKeys(const std::string& read_key,
                                      const std::string& write_key) {
  MailboxKeys keys;
  ASSIGN_OR_RETURN(keys.read_key,
                   crypto::Ed25519PublicKey::FromBytes(read_key));
  if (!write_key.empty()) {
    ASSIGN_OR_RETURN(keys.write_key,
                     crypto::Ed25519PublicKey::FromBytes(write_key));
  }
  return keys;
}

// The keys and the signature as they are kept with what they prove.
std::string Proof(const std::string& read_key, const std::string& write_key,
                  const std::string& signature) {
  return absl::StrCat(read_key, write_key, signature);
}

absl::Status CheckOrderTime(uint64_t timestamp_ms, absl::Time now,
                            Origin origin) {
  ASSIGN_OR_RETURN(const absl::Time timestamp, ParseTime(timestamp_ms));
  if (origin == Origin::kClient) return CheckFresh(timestamp, now);
  if (timestamp > now + 2 * kClockTolerance) {
    return absl::FailedPreconditionError("an order from the future");
  }
  return absl::OkStatus();
}

// Work that is not of this hour or one beside it counts for nothing.
int WorkOf(const v1::StoreRequest& request, const MessageId& id,
           const MailboxAddress& mailbox, absl::Time now) {
  const int64_t hour = absl::ToUnixSeconds(now) / 3600;
  const int64_t age = hour - static_cast<int64_t>(request.work_hour());
  if (age < -1 || age > 1) return 0;
  return MessageWork(id, mailbox, request.work_hour(), request.work_nonce());
}

absl::StatusOr<uint32_t> ParsePageBytes(uint32_t page_bytes) {
  if (page_bytes < kMinPageBytes || page_bytes > kMaxPageBytes) {
    return absl::InvalidArgumentError("no valid page size");
  }
  return page_bytes;
}

}  // namespace

absl::StatusOr<ValidWrite> ValidateStore(const v1::StoreRequest& request,
                                         absl::Time now, Origin origin) {
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(request.mailbox()));
  ASSIGN_OR_RETURN(const MailboxNamespace ns,
                   MessageNamespace(mailbox.kind(), request.ns()));
  if (request.payload().empty() ||
      request.payload().size() > kMaxPayloadBytes) {
    return absl::InvalidArgumentError("no valid payload size");
  }
  ASSIGN_OR_RETURN(const absl::Time expiry, ParseTime(request.expiry_ms()));
  RETURN_IF_ERROR(CheckLifetime(expiry, now, origin));
  const MessageId id = ComputeMessageId(mailbox, ns, request.payload());
  std::string proof;
  if (ns == MailboxNamespace::kPairwise) {
    ASSIGN_OR_RETURN(const MailboxKeys keys,
                     ParseKeys(request.read_key(), request.write_key()));
    ASSIGN_OR_RETURN(const crypto::Ed25519Signature signature,
                     crypto::Ed25519Signature::FromBytes(request.signature()));
    RETURN_IF_ERROR(
        VerifyWrite(mailbox, keys, id, request.expiry_ms(), signature));
    proof = Proof(request.read_key(), request.write_key(), request.signature());
  } else if (!request.read_key().empty() || !request.write_key().empty() ||
             !request.signature().empty()) {
    return absl::InvalidArgumentError("this namespace takes no write key");
  } else if (request.payload().size() > kMaxStrangerPayloadBytes) {
    return absl::InvalidArgumentError("too large for an inbox");
  }
  const int work_bits =
      ns == MailboxNamespace::kInbox ? WorkOf(request, id, mailbox, now) : 0;
  return ValidWrite{.op = PutMessage{.mailbox = mailbox,
                                     .ns = ns,
                                     .id = id,
                                     .payload = request.payload(),
                                     .expiry_ms = request.expiry_ms(),
                                     .proof = std::move(proof),
                                     .origin = origin},
                    .subject = {.id = id,
                                .mailbox = mailbox,
                                .expiry_ms = request.expiry_ms()},
                    .work_bits = work_bits};
}

absl::StatusOr<ValidWrite> ValidateDelete(const v1::DeleteRequest& request,
                                          absl::Time now, Origin origin) {
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(request.mailbox()));
  ASSIGN_OR_RETURN(const MailboxNamespace ns,
                   MessageNamespace(mailbox.kind(), request.ns()));
  if (request.ids().empty() ||
      request.ids_size() > static_cast<int>(kMaxDeleteIds)) {
    return absl::InvalidArgumentError("no valid number of ids");
  }
  DeleteTerms terms{.mailbox = mailbox,
                    .ns = ns,
                    .timestamp_ms = request.timestamp_ms(),
                    .nonce = {},
                    .effective_ms = request.effective_ms(),
                    .ids = {}};
  ASSIGN_OR_RETURN(terms.nonce, RequestNonce::FromBytes(request.nonce()));
  for (const std::string& bytes : request.ids()) {
    ASSIGN_OR_RETURN(const MessageId id, MessageId::FromBytes(bytes));
    terms.ids.push_back(id);
  }
  RETURN_IF_ERROR(CheckOrderTime(terms.timestamp_ms, now, origin));
  if (terms.effective_ms > 0) {
    ASSIGN_OR_RETURN(const absl::Time effective, ParseTime(terms.effective_ms));
    if (effective >
        absl::FromUnixMillis(static_cast<int64_t>(terms.timestamp_ms)) +
            kMaxTtl + kClockTolerance) {
      return absl::InvalidArgumentError("no message lives so long");
    }
  }
  ASSIGN_OR_RETURN(const MailboxKeys keys,
                   ParseKeys(request.reader_key(), request.write_key()));
  ASSIGN_OR_RETURN(const crypto::Ed25519Signature signature,
                   crypto::Ed25519Signature::FromBytes(request.signature()));
  RETURN_IF_ERROR(VerifyDelete(keys, terms, signature));
  const ObjectId order = DeletionId(terms);
  return ValidWrite{
      .op = DeleteMessages{.terms = std::move(terms),
                           .order_id = order,
                           .proof =
                               Proof(request.reader_key(), request.write_key(),
                                     request.signature()),
                           .origin = origin},
      .subject = {.id = order, .mailbox = mailbox, .expiry_ms = 0}};
}

absl::StatusOr<ValidWrite> ValidatePurge(const v1::PurgeRequest& request,
                                         absl::Time now, Origin origin) {
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(request.mailbox()));
  ASSIGN_OR_RETURN(const MailboxNamespace ns,
                   MessageNamespace(mailbox.kind(), request.ns()));
  PurgeTerms terms{.mailbox = mailbox,
                   .ns = ns,
                   .expiry_until_ms = request.expiry_until_ms(),
                   .timestamp_ms = request.timestamp_ms(),
                   .nonce = {}};
  ASSIGN_OR_RETURN(terms.nonce, RequestNonce::FromBytes(request.nonce()));
  RETURN_IF_ERROR(CheckOrderTime(terms.timestamp_ms, now, origin));
  ASSIGN_OR_RETURN(const absl::Time until, ParseTime(terms.expiry_until_ms));
  if (until > now + kMaxTtl + 2 * kClockTolerance) {
    return absl::InvalidArgumentError("no message lives so long");
  }
  if (origin == Origin::kClient && until <= now) {
    return absl::InvalidArgumentError("nothing that ends by then is here");
  }
  ASSIGN_OR_RETURN(const MailboxKeys keys,
                   ParseKeys(request.reader_key(), request.write_key()));
  ASSIGN_OR_RETURN(const crypto::Ed25519Signature signature,
                   crypto::Ed25519Signature::FromBytes(request.signature()));
  RETURN_IF_ERROR(VerifyPurge(keys, terms, signature));
  const ObjectId order = PurgeId(terms);
  return ValidWrite{
      .op = PurgeMessages{.terms = terms,
                          .order_id = order,
                          .proof =
                              Proof(request.reader_key(), request.write_key(),
                                    request.signature()),
                          .origin = origin},
      .subject = {.id = order, .mailbox = mailbox, .expiry_ms = 0}};
}

absl::StatusOr<ValidWrite> ValidateRegister(const v1::RegisterRequest& request,
                                            int bits, absl::Time now,
                                            Origin origin) {
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(request.mailbox()));
  const RegistrationTerms terms{.mailbox = mailbox,
                                .timestamp_ms = request.timestamp_ms(),
                                .proof_nonce = request.proof_nonce()};
  RETURN_IF_ERROR(CheckOrderTime(terms.timestamp_ms, now, origin));
  if (absl::FromUnixMillis(static_cast<int64_t>(terms.timestamp_ms)) +
          kRegistrationKept <=
      now) {
    return absl::InvalidArgumentError("a registration of long ago");
  }
  // Costs a hash; a signature costs a hundred.
  if (RegistrationWork(terms) < bits) {
    return absl::PermissionDeniedError("too little work for a registration");
  }
  ASSIGN_OR_RETURN(const MailboxKeys keys,
                   ParseKeys(request.reader_key(), request.write_key()));
  ASSIGN_OR_RETURN(const crypto::Ed25519Signature signature,
                   crypto::Ed25519Signature::FromBytes(request.signature()));
  RETURN_IF_ERROR(VerifyRegistration(keys, terms, signature));
  const ObjectId id = RegistrationId(terms);
  return ValidWrite{.op = PutRegistration{.mailbox = mailbox,
                                          .id = id,
                                          .timestamp_ms = terms.timestamp_ms,
                                          .proof_nonce = terms.proof_nonce,
                                          .proof = Proof(request.reader_key(),
                                                         request.write_key(),
                                                         request.signature())},
                    .subject = {.id = id, .mailbox = mailbox, .expiry_ms = 0}};
}

absl::StatusOr<ValidWrite> ValidateItem(const v1::ReplicatedItem& item,
                                        int registration_bits, absl::Time now,
                                        Origin origin) {
  switch (item.item_case()) {
    case v1::ReplicatedItem::kStore:
      return ValidateStore(item.store(), now, origin);
    case v1::ReplicatedItem::kDelete:
      return ValidateDelete(item.delete_(), now, origin);
    case v1::ReplicatedItem::kPutRecord:
      return ValidatePutRecord(item.put_record(), origin);
    case v1::ReplicatedItem::kRegister:
      return ValidateRegister(item.register_(), registration_bits, now, origin);
    case v1::ReplicatedItem::kPurge:
      return ValidatePurge(item.purge(), now, origin);
    case v1::ReplicatedItem::ITEM_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("unknown kind of item");
}

absl::StatusOr<ValidWrite> ValidatePutRecord(
    const v1::PutRecordRequest& request, Origin origin) {
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(request.mailbox()));
  ASSIGN_OR_RETURN(const MailboxNamespace ns,
                   RecordNamespace(mailbox.kind(), request.ns()));
  if (request.body().empty() || request.body().size() > kMaxRecordBodyBytes) {
    return absl::InvalidArgumentError("no valid record size");
  }
  if (request.seq() > kMaxNumber) {
    return absl::InvalidArgumentError("no valid record number");
  }
  ASSIGN_OR_RETURN(Record record, RecordFromProto(request));
  if (ns == MailboxNamespace::kIdentityRecord && !record.key.IsZero()) {
    return absl::InvalidArgumentError("an account has one identity record");
  }
  RETURN_IF_ERROR(VerifyRecord(mailbox, ns, record));
  const ObjectId id = RecordId(mailbox, ns, record);
  return ValidWrite{.op = PutRecord{.mailbox = mailbox,
                                    .ns = ns,
                                    .id = id,
                                    .record = std::move(record),
                                    .origin = origin},
                    .subject = {.id = id, .mailbox = mailbox, .expiry_ms = 0}};
}

absl::StatusOr<ValidRetrieval> ValidateRetrieve(
    const v1::RetrieveRequest& request, const routing::NodeId& self,
    absl::Time now) {
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(request.mailbox()));
  ASSIGN_OR_RETURN(const MailboxNamespace ns,
                   MessageNamespace(mailbox.kind(), request.ns()));
  ValidRetrieval retrieval{.terms = {.node = self,
                                     .mailbox = mailbox,
                                     .ns = ns,
                                     .cursor = request.cursor(),
                                     .incarnation = request.incarnation(),
                                     .limit = request.limit(),
                                     .timestamp_ms = request.timestamp_ms(),
                                     .challenge = request.challenge(),
                                     .nonce = {}},
                           .keys = {},
                           .page_bytes = 0,
                           .wait = absl::Milliseconds(request.wait_ms())};
  if (request.limit() == 0 || request.limit() > kMaxPageRows) {
    return absl::InvalidArgumentError("no valid number of rows");
  }
  if (request.wait_ms() > kMaxWaitMs) {
    return absl::InvalidArgumentError("too long a wait");
  }
  if (request.cursor() > kMaxNumber) {
    return absl::InvalidArgumentError("no valid cursor");
  }
  ASSIGN_OR_RETURN(retrieval.page_bytes, ParsePageBytes(request.page_bytes()));
  ASSIGN_OR_RETURN(retrieval.terms.nonce,
                   RequestNonce::FromBytes(request.nonce()));
  ASSIGN_OR_RETURN(retrieval.keys,
                   ParseKeys(request.reader_key(), request.write_key()));
  ASSIGN_OR_RETURN(const crypto::Ed25519Signature signature,
                   crypto::Ed25519Signature::FromBytes(request.signature()));
  ASSIGN_OR_RETURN(const absl::Time timestamp,
                   ParseTime(request.timestamp_ms()));
  RETURN_IF_ERROR(CheckFresh(timestamp, now));
  RETURN_IF_ERROR(VerifyRetrieve(retrieval.keys, retrieval.terms, signature));
  return retrieval;
}

absl::StatusOr<ValidGetRecords> ValidateGetRecords(
    const v1::GetRecordsRequest& request) {
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(request.mailbox()));
  ASSIGN_OR_RETURN(const MailboxNamespace ns,
                   RecordNamespace(mailbox.kind(), request.ns()));
  ASSIGN_OR_RETURN(const uint32_t page_bytes,
                   ParsePageBytes(request.page_bytes()));
  return ValidGetRecords{
      .mailbox = mailbox, .ns = ns, .page_bytes = page_bytes};
}

}  // namespace messenger::swarm
