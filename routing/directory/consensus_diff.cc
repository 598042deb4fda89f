#include "routing/directory/consensus_diff.h"

#include <cstdint>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"
#include "routing/directory/consensus_encoding.h"
#include "routing/proto/directory.pb.h"

namespace messenger::routing {
namespace {

// status u8 | since u64 | down since u64, at the beginning of an entry.
constexpr size_t kStatusBytes = 17;

}  // namespace

std::string MakeConsensusDiff(const Consensus& base, const Consensus& target) {
  v1::SignedConsensus document;
  document.ParseFromString(target.wire());
  v1::ConsensusDiff diff;
  diff.set_base_hash(std::string(base.hash().bytes()));
  diff.set_header(std::move(*document.mutable_header()));
  *diff.mutable_signatures() = std::move(*document.mutable_signatures());
  for (const NodeRecord& node : base.nodes()) {
    if (target.Find(node.id) == nullptr) {
      diff.add_removed(std::string(node.id.bytes()));
    }
  }
  for (size_t i = 0; i < target.nodes().size(); ++i) {
    const NodeId& id = target.nodes()[i].id;
    const std::string& entry = target.entries()[i];
    const NodeRecord* old = base.Find(id);
    if (old == nullptr) {
      diff.add_changed(entry);
      continue;
    }
    const std::string& old_entry = base.entries()[old - base.nodes().data()];
    if (entry == old_entry) continue;
    if (absl::string_view(entry).substr(kStatusBytes) ==
        absl::string_view(old_entry).substr(kStatusBytes)) {
      diff.add_restated(crypto::ByteWriter()
                            .Bytes(id.bytes())
                            .Bytes(entry.substr(0, kStatusBytes))
                            .Take());
    } else {
      diff.add_changed(entry);
    }
  }
  return diff.SerializeAsString();
}

absl::StatusOr<std::string> ApplyConsensusDiff(const Consensus& base,
                                               absl::string_view bytes) {
  const absl::Status malformed =
      absl::InvalidArgumentError("malformed consensus difference");
  v1::ConsensusDiff diff;
  if (bytes.size() > kMaxConsensusBytes ||
      !diff.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return malformed;
  }
  if (diff.base_hash() != base.hash().bytes()) {
    return absl::FailedPreconditionError("difference to another consensus");
  }
  std::map<NodeId, std::string> entries;
  for (size_t i = 0; i < base.nodes().size(); ++i) {
    entries.emplace_hint(entries.end(), base.nodes()[i].id, base.entries()[i]);
  }
  for (const std::string& removed : diff.removed()) {
    ASSIGN_OR_RETURN(const NodeId id, NodeId::FromBytes(removed));
    if (entries.erase(id) == 0) return malformed;
  }
  for (const std::string& restated : diff.restated()) {
    if (restated.size() != NodeId::kSize + kStatusBytes) return malformed;
    ASSIGN_OR_RETURN(const NodeId id,
                     NodeId::FromBytes(
                         absl::string_view(restated).substr(0, NodeId::kSize)));
    const auto it = entries.find(id);
    if (it == entries.end()) return malformed;
    it->second.replace(0, kStatusBytes, restated, NodeId::kSize, kStatusBytes);
  }
  for (std::string& changed : *diff.mutable_changed()) {
    ASSIGN_OR_RETURN(const ConsensusEntry entry, ParseEntry(changed));
    ASSIGN_OR_RETURN(const NodeId id, NodeIdOfDescriptor(entry.descriptor));
    entries[id] = std::move(changed);
  }
  if (entries.size() > kMaxConsensusNodes) return malformed;
  v1::SignedConsensus document;
  document.set_header(std::move(*diff.mutable_header()));
  *document.mutable_signatures() = std::move(*diff.mutable_signatures());
  for (auto& [id, entry] : entries) document.add_entries(std::move(entry));
  return document.SerializeAsString();
}

}  // namespace messenger::routing
