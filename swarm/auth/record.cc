#include "swarm/auth/record.h"

#include <optional>

#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"
#include "swarm/auth/request_auth.h"

namespace messenger::swarm {

std::string RecordSignedBytes(const MailboxAddress& mailbox,
                              MailboxNamespace ns, const Record& record) {
  return crypto::ByteWriter()
      .Bytes(mailbox.bytes())
      .U16(static_cast<uint16_t>(ns))
      .Bytes(record.key.bytes())
      .U64(record.seq)
      .Bytes(record.body)
      .Take();
}

void SignRecord(const crypto::Ed25519PrivateKey& account_key,
                const MailboxAddress& mailbox, MailboxNamespace ns,
                Record& record) {
  record.owner_key = account_key.public_key();
  record.signature = account_key.Sign(crypto::SigningDomain::kRecord,
                                      RecordSignedBytes(mailbox, ns, record));
}

absl::Status VerifyRecord(const MailboxAddress& mailbox, MailboxNamespace ns,
                          const Record& record) {
  RETURN_IF_ERROR(CheckKeysOf(
      mailbox, {.read_key = record.owner_key, .write_key = std::nullopt}));
  return crypto::Verify(record.owner_key, crypto::SigningDomain::kRecord,
                        RecordSignedBytes(mailbox, ns, record),
                        record.signature);
}

ObjectId RecordId(const MailboxAddress& mailbox, MailboxNamespace ns,
                  const Record& record) {
  return *ObjectId::FromBytes(
      crypto::Blake2b256("nm1-rec.v1", {RecordSignedBytes(mailbox, ns, record)})
          .bytes());
}

}  // namespace messenger::swarm
