#include "swarm/proto/item_codec.h"

#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::swarm {
namespace {

constexpr size_t kKeyBytes = crypto::Ed25519PublicKey::kSize;
constexpr size_t kSignatureBytes = crypto::Ed25519Signature::kSize;

struct SplitProof {
  std::string read_key;
  std::string write_key;
  std::string signature;
};

bool Split(const MailboxAddress& mailbox, absl::string_view proof,
           SplitProof& split) {
  const size_t write_bytes =
      mailbox.kind() == MailboxAddress::Kind::kPairwise ? kKeyBytes : 0;
  if (proof.size() != kKeyBytes + write_bytes + kSignatureBytes) return false;
  split.read_key = std::string(proof.substr(0, kKeyBytes));
  split.write_key = std::string(proof.substr(kKeyBytes, write_bytes));
  split.signature = std::string(proof.substr(kKeyBytes + write_bytes));
  return true;
}

// Of the orders of a reader, which name the fields alike.
template <typename Proto>
bool SetReaderProof(const MailboxAddress& mailbox, absl::string_view proof,
                    Proto& proto) {
  SplitProof split;
  if (!Split(mailbox, proof, split)) return false;
  proto.set_reader_key(std::move(split.read_key));
  proto.set_write_key(std::move(split.write_key));
  proto.set_signature(std::move(split.signature));
  return true;
}

struct Renderer {
  v1::ReplicatedItem operator()(const PutMessage& op) const {
    v1::ReplicatedItem item;
    v1::StoreRequest& store = *item.mutable_store();
    store.set_mailbox(std::string(op.mailbox.bytes()));
    store.set_ns(static_cast<uint32_t>(op.ns));
    store.set_payload(op.payload);
    store.set_expiry_ms(op.expiry_ms);
    if (op.ns != MailboxNamespace::kPairwise) {
      return op.proof.empty() ? item : v1::ReplicatedItem();
    }
    SplitProof split;
    if (!Split(op.mailbox, op.proof, split)) return {};
    store.set_read_key(std::move(split.read_key));
    store.set_write_key(std::move(split.write_key));
    store.set_signature(std::move(split.signature));
    return item;
  }

  v1::ReplicatedItem operator()(const DeleteMessages& op) const {
    v1::ReplicatedItem item;
    v1::DeleteRequest& erase = *item.mutable_delete_();
    erase.set_mailbox(std::string(op.terms.mailbox.bytes()));
    erase.set_ns(static_cast<uint32_t>(op.terms.ns));
    for (const MessageId& id : op.terms.ids) {
      erase.add_ids(std::string(id.bytes()));
    }
    erase.set_timestamp_ms(op.terms.timestamp_ms);
    erase.set_nonce(std::string(op.terms.nonce.bytes()));
    erase.set_effective_ms(op.terms.effective_ms);
    if (!SetReaderProof(op.terms.mailbox, op.proof, erase)) return {};
    return item;
  }

  v1::ReplicatedItem operator()(const PurgeMessages& op) const {
    v1::ReplicatedItem item;
    v1::PurgeRequest& purge = *item.mutable_purge();
    purge.set_mailbox(std::string(op.terms.mailbox.bytes()));
    purge.set_ns(static_cast<uint32_t>(op.terms.ns));
    purge.set_expiry_until_ms(op.terms.expiry_until_ms);
    purge.set_timestamp_ms(op.terms.timestamp_ms);
    purge.set_nonce(std::string(op.terms.nonce.bytes()));
    if (!SetReaderProof(op.terms.mailbox, op.proof, purge)) return {};
    return item;
  }

  v1::ReplicatedItem operator()(const PutRecord& op) const {
    v1::ReplicatedItem item;
    v1::PutRecordRequest& put = *item.mutable_put_record();
    put.set_mailbox(std::string(op.mailbox.bytes()));
    put.set_ns(static_cast<uint32_t>(op.ns));
    RecordToProto(op.record, put);
    return item;
  }

  v1::ReplicatedItem operator()(const PutRegistration& op) const {
    v1::ReplicatedItem item;
    v1::RegisterRequest& put = *item.mutable_register_();
    put.set_mailbox(std::string(op.mailbox.bytes()));
    put.set_timestamp_ms(op.timestamp_ms);
    put.set_proof_nonce(op.proof_nonce);
    if (!SetReaderProof(op.mailbox, op.proof, put)) return {};
    return item;
  }

  v1::ReplicatedItem operator()(const PutHints&) const { return {}; }
  v1::ReplicatedItem operator()(const DropHints&) const { return {}; }
  v1::ReplicatedItem operator()(const SetFill&) const { return {}; }
  v1::ReplicatedItem operator()(const DropDamaged&) const { return {}; }
};

}  // namespace

v1::ReplicatedItem ItemToProto(const StoreOp& op) {
  return std::visit(Renderer(), op);
}

}  // namespace messenger::swarm
