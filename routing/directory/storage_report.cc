#include "routing/directory/storage_report.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"
#include "routing/directory/descriptor.h"

namespace messenger::routing {
namespace {

using crypto::ByteReader;
using crypto::ByteWriter;

constexpr uint8_t kVersion = 1;
constexpr uint8_t kLeaving = 1;
constexpr size_t kSignatureBytes = crypto::Ed25519Signature::kSize;

absl::Status Malformed() {
  return absl::InvalidArgumentError("malformed storage report");
}

// All but the signature. Sizes were checked.
absl::StatusOr<StorageReport> ReadBody(absl::string_view body) {
  ByteReader reader(body);
  if (reader.U8() != kVersion) return Malformed();
  StorageReport report;
  ASSIGN_OR_RETURN(report.network_id,
                   NetworkId::FromBytes(reader.Bytes(NetworkId::kSize)));
  ASSIGN_OR_RETURN(report.node_id,
                   NodeId::FromBytes(reader.Bytes(NodeId::kSize)));
  const uint64_t published_ms = reader.U64();
  report.ready_epoch = reader.U64();
  const uint8_t flags = reader.U8();
  RETURN_IF_ERROR(reader.Finish());
  if (published_ms > kMaxUnixMillis || (flags & ~kLeaving) != 0) {
    return Malformed();
  }
  report.published = absl::FromUnixMillis(static_cast<int64_t>(published_ms));
  report.leaving = (flags & kLeaving) != 0;
  return report;
}

}  // namespace

std::string SignStorageReport(const StorageReport& report,
                              const crypto::Ed25519PrivateKey& storage_key) {
  std::string bytes =
      ByteWriter()
          .U8(kVersion)
          .Bytes(report.network_id.bytes())
          .Bytes(report.node_id.bytes())
          .U64(static_cast<uint64_t>(absl::ToUnixMillis(report.published)))
          .U64(report.ready_epoch)
          .U8(report.leaving ? kLeaving : 0)
          .Take();
  const crypto::Ed25519Signature signature =
      storage_key.Sign(crypto::SigningDomain::kStorageReport, bytes);
  absl::StrAppend(&bytes, signature.bytes());
  return bytes;
}

absl::StatusOr<NodeId> NodeIdOfStorageReport(absl::string_view bytes) {
  if (bytes.size() != kStorageReportBytes) return Malformed();
  ASSIGN_OR_RETURN(const StorageReport report,
                   ReadBody(bytes.substr(0, bytes.size() - kSignatureBytes)));
  return report.node_id;
}

absl::StatusOr<StorageReport> ParseStorageReport(
    absl::string_view bytes, const crypto::Ed25519PublicKey& storage_key) {
  if (bytes.size() != kStorageReportBytes) return Malformed();
  const absl::string_view body =
      bytes.substr(0, bytes.size() - kSignatureBytes);
  ASSIGN_OR_RETURN(
      const crypto::Ed25519Signature signature,
      crypto::Ed25519Signature::FromBytes(bytes.substr(body.size())));
  ASSIGN_OR_RETURN(StorageReport report, ReadBody(body));
  RETURN_IF_ERROR(crypto::Verify(
      storage_key, crypto::SigningDomain::kStorageReport, body, signature));
  return report;
}

}  // namespace messenger::routing
