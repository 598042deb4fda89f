#include "swarm/auth/mailbox.h"

#include "absl/status/status.h"
#include "crypto/base/bytes.h"
#include "crypto/hash/hash.h"

namespace messenger::swarm {

absl::StatusOr<MailboxAddress> MailboxAddress::FromBytes(
    absl::string_view bytes) {
  absl::StatusOr<Storage> storage = Storage::FromBytes(bytes);
  if (!storage.ok()) {
    return absl::InvalidArgumentError("a mailbox address has 33 bytes");
  }
  const MailboxAddress address(*storage);
  switch (address.kind()) {
    case Kind::kAccount:
    case Kind::kPairwise:
      return address;
  }
  return absl::InvalidArgumentError("unknown kind of mailbox");
}

MailboxAddress MailboxAddress::ForAccount(const crypto::AccountId& account) {
  return MailboxAddress(*Storage::FromBytes(account.bytes()));
}

MailboxAddress MailboxAddress::ForPair(
    const crypto::Ed25519PublicKey& read_key,
    const crypto::Ed25519PublicKey& write_key) {
  const crypto::Digest256 hash =
      crypto::Blake2b256("nm1-mailbox", {read_key.bytes(), write_key.bytes()});
  Storage storage;
  storage.data()[0] = static_cast<char>(Kind::kPairwise);
  hash.bytes().copy(storage.data() + 1, crypto::Digest256::kSize);
  return MailboxAddress(storage);
}

absl::StatusOr<MailboxNamespace> MessageNamespace(MailboxAddress::Kind kind,
                                                  uint32_t value) {
  if (kind == MailboxAddress::Kind::kAccount &&
      value == static_cast<uint32_t>(MailboxNamespace::kInbox)) {
    return MailboxNamespace::kInbox;
  }
  if (kind == MailboxAddress::Kind::kPairwise &&
      value == static_cast<uint32_t>(MailboxNamespace::kPairwise)) {
    return MailboxNamespace::kPairwise;
  }
  return absl::InvalidArgumentError(
      "the mailbox has no such namespace for messages");
}

absl::StatusOr<MailboxNamespace> RecordNamespace(MailboxAddress::Kind kind,
                                                 uint32_t value) {
  if (kind == MailboxAddress::Kind::kAccount) {
    if (value == static_cast<uint32_t>(MailboxNamespace::kIdentityRecord)) {
      return MailboxNamespace::kIdentityRecord;
    }
    if (value == static_cast<uint32_t>(MailboxNamespace::kPrekeyRecords)) {
      return MailboxNamespace::kPrekeyRecords;
    }
  }
  return absl::InvalidArgumentError(
      "the mailbox has no such namespace for records");
}

MessageId ComputeMessageId(const MailboxAddress& mailbox, MailboxNamespace ns,
                           absl::string_view payload) {
  const std::string prefix = crypto::ByteWriter()
                                 .Bytes(mailbox.bytes())
                                 .U16(static_cast<uint16_t>(ns))
                                 .Take();
  return *MessageId::FromBytes(
      crypto::Blake2b256("nm1-msg.v1", {prefix, payload}).bytes());
}

}  // namespace messenger::swarm
