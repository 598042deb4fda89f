// Receipts and records between protobuf messages and their types
// (swarm/SPEC.md, section 4). Lengths are checked, signatures are not.

#ifndef SWARM_PROTO_STORAGE_CODEC_H_
#define SWARM_PROTO_STORAGE_CODEC_H_

#include "absl/status/statusor.h"
#include "swarm/auth/receipt.h"
#include "swarm/auth/record.h"

namespace messenger::swarm {

namespace v1 {
class PutRecordRequest;
class Receipt;
class StoredRecord;
}  // namespace v1

// INVALID_ARGUMENT on a field of the wrong length.
absl::StatusOr<Receipt> ReceiptFromProto(const v1::Receipt& proto);
void ReceiptToProto(const Receipt& receipt, v1::Receipt& proto);

absl::StatusOr<Record> RecordFromProto(const v1::StoredRecord& proto);
absl::StatusOr<Record> RecordFromProto(const v1::PutRecordRequest& proto);
void RecordToProto(const Record& record, v1::StoredRecord& proto);
// Fills in the record's fields; mailbox and namespace are the caller's.
void RecordToProto(const Record& record, v1::PutRecordRequest& proto);

}  // namespace messenger::swarm

#endif  // SWARM_PROTO_STORAGE_CODEC_H_
