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
    proof = absl::StrCat(request.read_key(), request.write_key(),
                         request.signature());
  } else if (!request.read_key().empty() || !request.write_key().empty() ||
             !request.signature().empty()) {
    return absl::InvalidArgumentError("this namespace takes no write key");
  }
  return ValidWrite{
      .op = PutMessage{.mailbox = mailbox,
                       .ns = ns,
                       .id = id,
                       .payload = request.payload(),
                       .expiry_ms = request.expiry_ms(),
                       .proof = std::move(proof)},
      .subject = {
          .id = id, .mailbox = mailbox, .expiry_ms = request.expiry_ms()}};
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
                    .ids = {}};
  ASSIGN_OR_RETURN(terms.nonce, RequestNonce::FromBytes(request.nonce()));
  for (const std::string& bytes : request.ids()) {
    ASSIGN_OR_RETURN(const MessageId id, MessageId::FromBytes(bytes));
    terms.ids.push_back(id);
  }
  ASSIGN_OR_RETURN(const absl::Time timestamp,
                   ParseTime(request.timestamp_ms()));
  if (origin == Origin::kClient) {
    RETURN_IF_ERROR(CheckFresh(timestamp, now));
  } else if (timestamp > now + 2 * kClockTolerance) {
    return absl::FailedPreconditionError("a deletion from the future");
  }
  ASSIGN_OR_RETURN(const MailboxKeys keys,
                   ParseKeys(request.reader_key(), request.write_key()));
  ASSIGN_OR_RETURN(const crypto::Ed25519Signature signature,
                   crypto::Ed25519Signature::FromBytes(request.signature()));
  RETURN_IF_ERROR(VerifyDelete(keys, terms, signature));
  const ObjectId deletion = DeletionId(terms);
  return ValidWrite{
      .op = DeleteMessages{.mailbox = mailbox,
                           .ns = ns,
                           .ids = std::move(terms.ids),
                           .unknown_until_ms =
                               static_cast<uint64_t>(absl::ToUnixMillis(
                                   timestamp + kUnknownTombstoneLife))},
      .subject = {.id = deletion, .mailbox = mailbox, .expiry_ms = 0}};
}

absl::StatusOr<ValidWrite> ValidatePutRecord(
    const v1::PutRecordRequest& request) {
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
                                    .record = std::move(record)},
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
                                     .nonce = {}},
                           .keys = {},
                           .page_bytes = 0};
  if (request.limit() == 0 || request.limit() > kMaxPageRows) {
    return absl::InvalidArgumentError("no valid number of rows");
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
