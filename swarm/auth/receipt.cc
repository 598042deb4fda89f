#include "swarm/auth/receipt.h"

#include "crypto/base/bytes.h"

namespace messenger::swarm {

std::string ReceiptSignedBytes(const ReceiptSubject& subject,
                               const Receipt& receipt) {
  return crypto::ByteWriter()
      .Bytes("rcpt.v1")
      .Bytes(subject.id.bytes())
      .Bytes(subject.mailbox.bytes())
      .U64(subject.expiry_ms)
      .Bytes(receipt.node.bytes())
      .U64(receipt.epoch)
      .U64(receipt.node_time_ms)
      .Take();
}

Receipt SignReceipt(const crypto::Ed25519PrivateKey& storage_key,
                    const ReceiptSubject& subject, const routing::NodeId& node,
                    uint64_t epoch, uint64_t node_time_ms) {
  Receipt receipt;
  receipt.node = node;
  receipt.epoch = epoch;
  receipt.node_time_ms = node_time_ms;
  receipt.signature = storage_key.Sign(crypto::SigningDomain::kStoreReceipt,
                                       ReceiptSignedBytes(subject, receipt));
  return receipt;
}

absl::Status VerifyReceipt(const crypto::Ed25519PublicKey& storage_key,
                           const ReceiptSubject& subject,
                           const Receipt& receipt) {
  return crypto::Verify(storage_key, crypto::SigningDomain::kStoreReceipt,
                        ReceiptSignedBytes(subject, receipt),
                        receipt.signature);
}

}  // namespace messenger::swarm
