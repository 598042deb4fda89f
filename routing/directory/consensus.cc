#include "routing/directory/consensus.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "crypto/base/status_macros.h"
#include "routing/directory/consensus_encoding.h"
#include "routing/proto/directory.pb.h"

namespace messenger::routing {
namespace {

// The good signatures by trusted authorities, one per key and sorted by it.
std::map<crypto::Ed25519PublicKey, std::string> GoodSignatures(
    const v1::SignedConsensus& document, const DirectoryTrust& trust) {
  std::map<crypto::Ed25519PublicKey, std::string> good;
  for (const v1::Signature& signature : document.signatures()) {
    const auto key =
        crypto::Ed25519PublicKey::FromBytes(signature.authority_key());
    const auto value =
        crypto::Ed25519Signature::FromBytes(signature.signature());
    if (!key.ok() || !value.ok() || good.contains(*key) ||
        std::find(trust.authorities.begin(), trust.authorities.end(), *key) ==
            trust.authorities.end()) {
      continue;
    }
    if (crypto::Verify(*key, crypto::SigningDomain::kConsensus,
                       document.header(), *value)
            .ok()) {
      good.emplace(*key, signature.signature());
    }
  }
  return good;
}

NodeRecord RecordOf(Descriptor&& descriptor) {
  NodeRecord record;
  record.id = descriptor.node_id;
  record.nickname = std::move(descriptor.nickname);
  record.link = std::move(descriptor.link);
  record.storage = std::move(descriptor.storage);
  record.storage_key = descriptor.storage_key;
  record.operator_key = descriptor.operator_key;
  record.relay = descriptor.relay;
  record.storage_role = descriptor.storage_role;
  record.onion_keys = std::move(descriptor.onion_keys);
  record.kem_keys = std::move(descriptor.kem_keys);
  record.software = std::move(descriptor.software);
  record.capacity_mib = descriptor.capacity_mib;
  return record;
}

absl::StatusOr<NodeRecord> ReadNode(const ConsensusHeader& header,
                                    absl::string_view entry_bytes,
                                    const Consensus* known) {
  ASSIGN_OR_RETURN(const ConsensusEntry entry, ParseEntry(entry_bytes));
  if (entry.since > header.valid_after ||
      entry.down_since > header.valid_after) {
    return absl::InvalidArgumentError("consensus entry from the future");
  }
  ASSIGN_OR_RETURN(const NodeId id, NodeIdOfDescriptor(entry.descriptor));
  NodeRecord record;
  const NodeRecord* old = known == nullptr ? nullptr : known->Find(id);
  bool same = false;
  if (old != nullptr && known->network_id() == header.network_id) {
    const auto old_entry =
        ParseEntry(known->entries()[old - known->nodes().data()]);
    same = old_entry.ok() && old_entry->descriptor == entry.descriptor;
  }
  if (same) {
    record = *old;
  } else {
    ASSIGN_OR_RETURN(Descriptor descriptor, ParseDescriptor(entry.descriptor));
    if (descriptor.network_id != header.network_id) {
      return absl::InvalidArgumentError("descriptor of another network");
    }
    record = RecordOf(std::move(descriptor));
  }
  if ((entry.storage_state != StorageState::kNone) != record.storage_role) {
    return absl::InvalidArgumentError(
        "storage state and storage role do not fit");
  }
  record.running = !entry.down_since.has_value();
  record.storage_state = entry.storage_state;
  record.since = entry.since;
  record.down_since = entry.down_since;
  return record;
}

// floor(unix seconds / period)
uint32_t EpochOf(absl::Time time, absl::Duration period) {
  return static_cast<uint32_t>((time - absl::UnixEpoch()) / period);
}

}  // namespace

DirectoryTrust DirectoryTrust::For(const NetworkConfig& config) {
  DirectoryTrust trust;
  trust.network_id = config.network_id;
  for (const NetworkConfig::Authority& authority : config.authorities) {
    trust.authorities.push_back(authority.key);
  }
  trust.threshold = static_cast<int>(config.authorities.size() / 2) + 1;
  return trust;
}

absl::StatusOr<std::shared_ptr<const Consensus>> Consensus::Verify(
    absl::string_view wire, const DirectoryTrust& trust, absl::Time now,
    const Consensus* known) {
  if (wire.size() > kMaxConsensusBytes) {
    return absl::InvalidArgumentError("consensus too large");
  }
  v1::SignedConsensus document;
  if (!document.ParseFromArray(wire.data(), static_cast<int>(wire.size())) ||
      document.signatures_size() >
          static_cast<int>(NetworkConfig::kMaxAuthorities) ||
      document.entries_size() > static_cast<int>(kMaxConsensusNodes)) {
    return absl::InvalidArgumentError("malformed consensus");
  }
  ASSIGN_OR_RETURN(const ConsensusHeader header,
                   ParseHeader(document.header()));
  if (header.network_id != trust.network_id) {
    return absl::FailedPreconditionError("consensus of another network");
  }
  const auto signatures = GoodSignatures(document, trust);
  if (trust.threshold < 1 ||
      signatures.size() < static_cast<size_t>(trust.threshold)) {
    return absl::UnauthenticatedError(
        "consensus without enough signatures of known authorities");
  }
  if (header.valid_until != header.valid_after + kConsensusLifetime) {
    return absl::InvalidArgumentError("consensus with a bad lifetime");
  }
  if (now >= header.valid_until) {
    return absl::FailedPreconditionError("consensus has expired");
  }
  if (now + kConsensusClockSkew < header.valid_after) {
    return absl::FailedPreconditionError("consensus is not yet valid");
  }

  // Not make_shared: the constructor is private.
  std::shared_ptr<Consensus> consensus(new Consensus());
  consensus->entries_.assign(
      std::make_move_iterator(document.mutable_entries()->begin()),
      std::make_move_iterator(document.mutable_entries()->end()));
  if (header.node_count != consensus->entries_.size() ||
      header.nodes_root != NodesRoot(consensus->entries_)) {
    return absl::InvalidArgumentError(
        "consensus entries do not fit the header");
  }
  bool changing = false;
  consensus->nodes_.reserve(consensus->entries_.size());
  for (const std::string& entry : consensus->entries_) {
    ASSIGN_OR_RETURN(NodeRecord node, ReadNode(header, entry, known));
    if (!consensus->nodes_.empty() &&
        !(consensus->nodes_.back().id < node.id)) {
      return absl::InvalidArgumentError("consensus entries out of order");
    }
    changing |= node.serving() != node.target();
    consensus->nodes_.push_back(std::move(node));
  }
  if (changing != (header.transition_epoch != 0)) {
    return absl::InvalidArgumentError(
        "storage states do not fit the transition in the header");
  }

  consensus->epoch_ = header.epoch;
  consensus->hash_ = ConsensusHash(document.header());
  consensus->previous_hash_ = header.previous_hash;
  consensus->network_id_ = header.network_id;
  consensus->params_ = header.params;
  consensus->valid_after_ = header.valid_after;
  consensus->valid_until_ = header.valid_until;
  consensus->transition_epoch_ = header.transition_epoch;
  consensus->transition_since_ = header.transition_since;
  for (size_t i = 0; i < consensus->nodes_.size(); ++i) {
    consensus->by_tls_key_.push_back(i);
  }
  std::sort(consensus->by_tls_key_.begin(), consensus->by_tls_key_.end(),
            [&nodes = consensus->nodes_](size_t a, size_t b) {
              return nodes[a].link.tls_key < nodes[b].link.tls_key;
            });

  // Passed on without what was not checked: unknown fields, signatures of
  // strangers.
  v1::SignedConsensus clean;
  clean.set_header(document.header());
  for (const std::string& entry : consensus->entries_) {
    clean.add_entries(entry);
  }
  for (const auto& [key, signature] : signatures) {
    v1::Signature* out = clean.add_signatures();
    out->set_authority_key(std::string(key.bytes()));
    out->set_signature(signature);
  }
  consensus->wire_ = clean.SerializeAsString();
  consensus->header_ = std::move(*document.mutable_header());
  return std::shared_ptr<const Consensus>(std::move(consensus));
}

const NodeRecord* Consensus::Find(const NodeId& id) const {
  const auto it = std::lower_bound(
      nodes_.begin(), nodes_.end(), id,
      [](const NodeRecord& node, const NodeId& id) { return node.id < id; });
  return it != nodes_.end() && it->id == id ? &*it : nullptr;
}

const NodeRecord* Consensus::FindByTlsKey(const TlsKey& key) const {
  const auto it = std::lower_bound(by_tls_key_.begin(), by_tls_key_.end(), key,
                                   [this](size_t i, const TlsKey& key) {
                                     return nodes_[i].link.tls_key < key;
                                   });
  return it != by_tls_key_.end() && nodes_[*it].link.tls_key == key
             ? &nodes_[*it]
             : nullptr;
}

std::optional<HopKeys> Consensus::KeysFor(const NodeId& id,
                                          OnionEpochs epochs) const {
  const NodeRecord* node = Find(id);
  if (node == nullptr) return std::nullopt;
  const auto onion = node->onion_keys.find(epochs.onion);
  const auto kem = node->kem_keys.find(epochs.kem);
  if (onion == node->onion_keys.end() || kem == node->kem_keys.end()) {
    return std::nullopt;
  }
  return HopKeys{id, onion->second, kem->second};
}

OnionEpochs Consensus::EpochsAt(absl::Time now) const {
  return {EpochOf(now, params_.onion_key_period),
          EpochOf(now, params_.kem_key_period)};
}

}  // namespace messenger::routing
