#include "swarm/proto/storage_codec.h"

#include <string>

#include "crypto/base/status_macros.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::swarm {
namespace {

template <typename Proto>
absl::StatusOr<Record> ParseRecord(const Proto& proto) {
  Record record;
  ASSIGN_OR_RETURN(record.key, RecordKey::FromBytes(proto.key()));
  record.seq = proto.seq();
  record.body = proto.body();
  ASSIGN_OR_RETURN(record.owner_key,
                   crypto::Ed25519PublicKey::FromBytes(proto.owner_key()));
  ASSIGN_OR_RETURN(record.signature,
                   crypto::Ed25519Signature::FromBytes(proto.signature()));
  return record;
}

template <typename Proto>
void RenderRecord(const Record& record, Proto& proto) {
  proto.set_key(std::string(record.key.bytes()));
  proto.set_seq(record.seq);
  proto.set_body(record.body);
  proto.set_owner_key(std::string(record.owner_key.bytes()));
  proto.set_signature(std::string(record.signature.bytes()));
}

}  // namespace

absl::StatusOr<Receipt> ReceiptFromProto(const v1::Receipt& proto) {
  Receipt receipt;
  ASSIGN_OR_RETURN(receipt.node, routing::NodeId::FromBytes(proto.node_id()));
  receipt.epoch = proto.epoch();
  receipt.node_time_ms = proto.node_time_ms();
  ASSIGN_OR_RETURN(receipt.signature,
                   crypto::Ed25519Signature::FromBytes(proto.signature()));
  return receipt;
}

void ReceiptToProto(const Receipt& receipt, v1::Receipt& proto) {
  proto.set_node_id(std::string(receipt.node.bytes()));
  proto.set_epoch(receipt.epoch);
  proto.set_node_time_ms(receipt.node_time_ms);
  proto.set_signature(std::string(receipt.signature.bytes()));
}

absl::StatusOr<Record> RecordFromProto(const v1::StoredRecord& proto) {
  return ParseRecord(proto);
}
absl::StatusOr<Record> RecordFromProto(const v1::PutRecordRequest& proto) {
  return ParseRecord(proto);
}
void RecordToProto(const Record& record, v1::StoredRecord& proto) {
  RenderRecord(record, proto);
}
void RecordToProto(const Record& record, v1::PutRecordRequest& proto) {
  RenderRecord(record, proto);
}

}  // namespace messenger::swarm
