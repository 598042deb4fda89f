#include "swarm/auth/request_auth.h"

#include "absl/status/statusor.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"
#include "crypto/identity/account_keys.h"

namespace messenger::swarm {

using crypto::SigningDomain;

absl::Status CheckKeysOf(const MailboxAddress& mailbox,
                         const MailboxKeys& keys) {
  const bool pairwise = mailbox.kind() == MailboxAddress::Kind::kPairwise;
  if (pairwise != keys.write_key.has_value()) {
    return absl::InvalidArgumentError("wrong number of mailbox keys");
  }
  if (pairwise) {
    if (MailboxAddress::ForPair(keys.read_key, *keys.write_key) != mailbox) {
      return absl::PermissionDeniedError("not a key of this mailbox");
    }
    return absl::OkStatus();
  }
  absl::StatusOr<crypto::AccountId> account =
      crypto::AccountIdFromEd25519(keys.read_key);
  if (!account.ok() || MailboxAddress::ForAccount(*account) != mailbox) {
    return absl::PermissionDeniedError("not a key of this mailbox");
  }
  return absl::OkStatus();
}

std::string WriteSignedBytes(const MessageId& id, uint64_t expiry_ms) {
  return crypto::ByteWriter().Bytes(id.bytes()).U64(expiry_ms).Take();
}

crypto::Ed25519Signature SignWrite(const crypto::Ed25519PrivateKey& write_key,
                                   const MessageId& id, uint64_t expiry_ms) {
  return write_key.Sign(SigningDomain::kMailboxWrite,
                        WriteSignedBytes(id, expiry_ms));
}

std::string RetrieveSignedBytes(const RetrieveTerms& terms) {
  return crypto::ByteWriter()
      .Bytes("retr.v1")
      .Bytes(terms.node.bytes())
      .Bytes(terms.mailbox.bytes())
      .U16(static_cast<uint16_t>(terms.ns))
      .U64(terms.cursor)
      .U64(terms.incarnation)
      .U32(terms.limit)
      .U64(terms.timestamp_ms)
      .U64(terms.challenge)
      .Bytes(terms.nonce.bytes())
      .Take();
}

crypto::Ed25519Signature SignRetrieve(const crypto::Ed25519PrivateKey& read_key,
                                      const RetrieveTerms& terms) {
  return read_key.Sign(SigningDomain::kRetrieve, RetrieveSignedBytes(terms));
}

std::string DeleteSignedBytes(const DeleteTerms& terms) {
  crypto::ByteWriter writer;
  writer.Bytes(terms.mailbox.bytes())
      .U16(static_cast<uint16_t>(terms.ns))
      .U64(terms.timestamp_ms)
      .Bytes(terms.nonce.bytes())
      .U64(terms.effective_ms)
      .U16(static_cast<uint16_t>(terms.ids.size()));
  for (const MessageId& id : terms.ids) writer.Bytes(id.bytes());
  return writer.Take();
}

crypto::Ed25519Signature SignDelete(const crypto::Ed25519PrivateKey& read_key,
                                    const DeleteTerms& terms) {
  return read_key.Sign(SigningDomain::kDelete, DeleteSignedBytes(terms));
}

ObjectId DeletionId(const DeleteTerms& terms) {
  return *ObjectId::FromBytes(
      crypto::Blake2b256("nm1-del.v1", {DeleteSignedBytes(terms)}).bytes());
}

std::string PurgeSignedBytes(const PurgeTerms& terms) {
  return crypto::ByteWriter()
      .Bytes(terms.mailbox.bytes())
      .U16(static_cast<uint16_t>(terms.ns))
      .U64(terms.expiry_until_ms)
      .U64(terms.timestamp_ms)
      .Bytes(terms.nonce.bytes())
      .Take();
}

crypto::Ed25519Signature SignPurge(const crypto::Ed25519PrivateKey& read_key,
                                   const PurgeTerms& terms) {
  return read_key.Sign(SigningDomain::kPurge, PurgeSignedBytes(terms));
}

ObjectId PurgeId(const PurgeTerms& terms) {
  return *ObjectId::FromBytes(
      crypto::Blake2b256("nm1-pur.v1", {PurgeSignedBytes(terms)}).bytes());
}

absl::Status VerifyWrite(const MailboxAddress& mailbox, const MailboxKeys& keys,
                         const MessageId& id, uint64_t expiry_ms,
                         const crypto::Ed25519Signature& signature) {
  RETURN_IF_ERROR(CheckKeysOf(mailbox, keys));
  if (!keys.write_key.has_value()) {
    return absl::InvalidArgumentError("the mailbox has no write key");
  }
  return crypto::Verify(*keys.write_key, SigningDomain::kMailboxWrite,
                        WriteSignedBytes(id, expiry_ms), signature);
}

absl::Status VerifyRetrieve(const MailboxKeys& keys, const RetrieveTerms& terms,
                            const crypto::Ed25519Signature& signature) {
  RETURN_IF_ERROR(CheckKeysOf(terms.mailbox, keys));
  return crypto::Verify(keys.read_key, SigningDomain::kRetrieve,
                        RetrieveSignedBytes(terms), signature);
}

absl::Status VerifyDelete(const MailboxKeys& keys, const DeleteTerms& terms,
                          const crypto::Ed25519Signature& signature) {
  RETURN_IF_ERROR(CheckKeysOf(terms.mailbox, keys));
  return crypto::Verify(keys.read_key, SigningDomain::kDelete,
                        DeleteSignedBytes(terms), signature);
}

absl::Status VerifyPurge(const MailboxKeys& keys, const PurgeTerms& terms,
                         const crypto::Ed25519Signature& signature) {
  RETURN_IF_ERROR(CheckKeysOf(terms.mailbox, keys));
  return crypto::Verify(keys.read_key, SigningDomain::kPurge,
                        PurgeSignedBytes(terms), signature);
}

}  // namespace messenger::swarm
