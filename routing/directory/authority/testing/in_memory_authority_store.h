// A complete twin of `SqliteAuthorityStore` in memory; it outlives the
// authority it serves, as a disk does.

#ifndef ROUTING_DIRECTORY_AUTHORITY_TESTING_IN_MEMORY_AUTHORITY_STORE_H_
#define ROUTING_DIRECTORY_AUTHORITY_TESTING_IN_MEMORY_AUTHORITY_STORE_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "routing/directory/authority/authority_store.h"

namespace messenger::routing {

class InMemoryAuthorityStore final : public AuthorityStore {
 public:
  absl::StatusOr<std::string> KeepVote(uint64_t epoch,
                                       absl::string_view vote) override {
    return KeepFirst(vote_, epoch, vote);
  }
  absl::Status RecordSigned(uint64_t epoch,
                            const crypto::Digest256& digest) override {
    const auto kept = KeepFirst(signed_, epoch, digest.bytes());
    if (!kept.ok()) return kept.status();
    if (*kept != digest.bytes()) {
      return absl::FailedPreconditionError("another consensus was signed");
    }
    return absl::OkStatus();
  }
  absl::Status SaveConsensus(absl::string_view wire) override {
    consensus_ = std::string(wire);
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> LoadConsensus() override {
    if (!consensus_.has_value()) return absl::NotFoundError("no consensus");
    return *consensus_;
  }
  absl::Status SaveNode(const StoredNode& node) override {
    nodes_[node.id] = node;
    return absl::OkStatus();
  }
  absl::Status RemoveNode(const NodeId& id) override {
    nodes_.erase(id);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<StoredNode>> LoadNodes() override {
    std::vector<StoredNode> nodes;
    for (const auto& [id, node] : nodes_) nodes.push_back(node);
    return nodes;
  }

 private:
  using Slot = std::optional<std::pair<uint64_t, std::string>>;

  static absl::StatusOr<std::string> KeepFirst(Slot& slot, uint64_t epoch,
                                               absl::string_view bytes) {
    if (slot.has_value() && slot->first > epoch) {
      return absl::FailedPreconditionError("a later epoch is on record");
    }
    if (!slot.has_value() || slot->first < epoch) {
      slot.emplace(epoch, std::string(bytes));
    }
    return slot->second;
  }

  Slot vote_;
  Slot signed_;
  std::optional<std::string> consensus_;
  std::map<NodeId, StoredNode> nodes_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_TESTING_IN_MEMORY_AUTHORITY_STORE_H_
