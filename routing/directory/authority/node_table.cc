#include "routing/directory/authority/node_table.h"

#include <utility>

#include "crypto/base/status_macros.h"
#include "routing/directory/consensus.h"

namespace messenger::routing {
namespace {

uint32_t EpochOf(absl::Time time, absl::Duration period) {
  return static_cast<uint32_t>((time - absl::UnixEpoch()) / period);
}

}  // namespace

NodeTable::NodeTable(const NetworkId& network_id, const NetworkParams& params,
                     std::function<bool(absl::string_view)> acceptable,
                     AuthorityStore& store)
    : network_id_(network_id),
      params_(params),
      acceptable_(std::move(acceptable)),
      store_(store) {}

absl::Status NodeTable::Load() {
  ASSIGN_OR_RETURN(std::vector<AuthorityStore::StoredNode> stored,
                   store_.LoadNodes());
  for (AuthorityStore::StoredNode& row : stored) {
    absl::StatusOr<Descriptor> descriptor = ParseDescriptor(row.descriptor);
    if (!descriptor.ok() || descriptor->node_id != row.id) {
      return absl::DataLossError("a stored descriptor is damaged");
    }
    Node node;
    node.descriptor = *std::move(descriptor);
    node.bytes = std::move(row.descriptor);
    node.reached = row.reached;
    node.unreachable_since = row.unreachable_since;
    if (row.unreachable_since.has_value()) {
      node.failing_since = row.unreachable_since;
      node.failures = kFailuresUntilDown;
    }
    if (!row.storage_report.empty()) {
      const absl::StatusOr<StorageReport> report =
          ParseStorageReport(row.storage_report, node.descriptor.storage_key);
      if (!report.ok() || report->node_id != row.id) {
        return absl::DataLossError("a stored storage report is damaged");
      }
      node.report = *report;
      node.report_bytes = std::move(row.storage_report);
    }
    nodes_.emplace(row.id, std::move(node));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> NodeTable::Publish(absl::string_view bytes,
                                        absl::Time now) {
  ASSIGN_OR_RETURN(Descriptor descriptor, ParseDescriptor(bytes));
  if (descriptor.published > now + kMaxClockSkew ||
      descriptor.published < now - kMaxDescriptorAge) {
    return absl::FailedPreconditionError(
        "the descriptor is too old or from the future: check the clock");
  }
  return Take(bytes, std::move(descriptor), now);
}

absl::StatusOr<bool> NodeTable::Learn(absl::string_view bytes, absl::Time now) {
  ASSIGN_OR_RETURN(Descriptor descriptor, ParseDescriptor(bytes));
  const auto it = nodes_.find(descriptor.node_id);
  if (it != nodes_.end() &&
      descriptor.published <= it->second.descriptor.published) {
    return false;
  }
  return Take(bytes, std::move(descriptor), now);
}

absl::StatusOr<bool> NodeTable::Take(absl::string_view bytes,
                                     Descriptor descriptor, absl::Time now) {
  if (descriptor.network_id != network_id_) {
    return absl::FailedPreconditionError("descriptor of another network");
  }
  RETURN_IF_ERROR(CheckAddresses(descriptor));
  const NodeId id = descriptor.node_id;
  const auto it = nodes_.find(id);
  if (it == nodes_.end() && nodes_.size() >= kMaxConsensusNodes) {
    return absl::ResourceExhaustedError("the directory is full");
  }
  Node node;
  if (it != nodes_.end()) {
    const absl::Time held = it->second.descriptor.published;
    if (bytes == it->second.bytes) return false;
    if (descriptor.published <= held) {
      return absl::FailedPreconditionError(
          "a newer descriptor of this node is held");
    }
    node = it->second;
    // At another place it has to be reached anew.
    if (!(descriptor.link == node.descriptor.link) ||
        !(descriptor.storage == node.descriptor.storage)) {
      node.failures = 0;
      node.failing_since.reset();
      if (!node.unreachable_since.has_value()) node.unreachable_since = now;
    }
    // Another storage: what the old one held says nothing about it.
    if (descriptor.storage_key != node.descriptor.storage_key) {
      node.report.reset();
      node.report_bytes.clear();
    }
  } else {
    node.unreachable_since = now;
  }
  node.descriptor = std::move(descriptor);
  node.bytes = std::string(bytes);
  RETURN_IF_ERROR(Save(id, node));
  nodes_[id] = std::move(node);
  return true;
}

absl::Status NodeTable::CheckAddresses(const Descriptor& descriptor) const {
  if (!acceptable_(descriptor.link.address) ||
      (descriptor.storage_role && !acceptable_(descriptor.storage.address))) {
    return absl::InvalidArgumentError(
        "the descriptor has an address that this network does not accept");
  }
  return absl::OkStatus();
}

absl::Status NodeTable::Report(absl::string_view bytes, uint64_t newest_epoch,
                               absl::Time now) {
  ASSIGN_OR_RETURN(const NodeId id, NodeIdOfStorageReport(bytes));
  const auto it = nodes_.find(id);
  if (it == nodes_.end() || !it->second.descriptor.storage_role) {
    return absl::NotFoundError("no storage node of this id is known");
  }
  Node& node = it->second;
  ASSIGN_OR_RETURN(const StorageReport report,
                   ParseStorageReport(bytes, node.descriptor.storage_key));
  if (report.network_id != network_id_) {
    return absl::FailedPreconditionError("report to another network");
  }
  if (report.published > now + kMaxReportAge ||
      report.published < now - kMaxReportAge) {
    return absl::FailedPreconditionError(
        "the report is too old or from the future: check the clock");
  }
  if (report.ready_epoch > newest_epoch) {
    return absl::FailedPreconditionError(
        "nothing can be ready by an epoch to come");
  }
  // The same once more, because the answer was lost.
  if (node.report == report) return absl::OkStatus();
  if (node.report.has_value() && report.published <= node.report->published) {
    return absl::FailedPreconditionError("a newer report of this node is held");
  }
  const bool news = !node.report.has_value() ||
                    report.ready_epoch != node.report->ready_epoch ||
                    report.leaving != node.report->leaving;
  Node changed = node;
  changed.report = report;
  changed.report_bytes = std::string(bytes);
  // What only repeats need not be on disk: between the one that is and this
  // one there is none that says anything else.
  if (news) RETURN_IF_ERROR(Save(id, changed));
  node = std::move(changed);
  return absl::OkStatus();
}

absl::Status NodeTable::ReportProbe(const NodeId& id, absl::Time published,
                                    bool reachable, absl::Time now) {
  const auto it = nodes_.find(id);
  if (it == nodes_.end() || it->second.descriptor.published != published) {
    return absl::OkStatus();
  }
  Node& node = it->second;
  const bool was_down = node.unreachable_since.has_value();
  if (reachable) {
    const bool news = was_down || !node.reached;
    node.reached = true;
    node.failures = 0;
    node.failing_since.reset();
    node.unreachable_since.reset();
    return news ? Save(id, node) : absl::OkStatus();
  }
  if (!node.failing_since.has_value()) node.failing_since = now;
  if (node.failures < kFailuresUntilDown) ++node.failures;
  if (was_down || node.failures < kFailuresUntilDown) return absl::OkStatus();
  node.unreachable_since = node.failing_since;
  return Save(id, node);
}

bool NodeTable::Running(const Node& node, absl::Time now) const {
  const Descriptor& descriptor = node.descriptor;
  return node.reached && !node.unreachable_since.has_value() &&
         descriptor.onion_keys.contains(
             EpochOf(now, params_.onion_key_period)) &&
         descriptor.kem_keys.contains(EpochOf(now, params_.kem_key_period));
}

std::vector<Vote::Entry> NodeTable::Entries(absl::Time now) const {
  std::vector<Vote::Entry> entries;
  for (const auto& [id, node] : nodes_) {
    if (!node.reached) continue;
    if (node.unreachable_since.has_value() &&
        now - *node.unreachable_since >= kListedWhileDown) {
      continue;
    }
    const StorageReport report = node.report.value_or(StorageReport());
    entries.push_back(
        {Running(node, now), node.bytes, report.ready_epoch, report.leaving});
  }
  return entries;
}

absl::Status NodeTable::Forget(absl::Time now) {
  for (auto it = nodes_.begin(); it != nodes_.end();) {
    const std::optional<absl::Time> since = it->second.unreachable_since;
    // A node nobody ever reached takes a place in a full table.
    const absl::Duration patience =
        it->second.reached ? kForgottenAfter : kListedWhileDown;
    if (since.has_value() && now - *since >= patience) {
      RETURN_IF_ERROR(store_.RemoveNode(it->first));
      it = nodes_.erase(it);
    } else {
      ++it;
    }
  }
  return absl::OkStatus();
}

absl::Status NodeTable::Save(const NodeId& id, const Node& node) {
  return store_.SaveNode({id, node.bytes, node.reached, node.unreachable_since,
                          node.report_bytes});
}

}  // namespace messenger::routing
