// The nodes one authority knows, and whether it reaches them
// (routing/directory/SPEC.md, section 5.1). State and rules only: who probes,
// and when, is `AuthorityCore`'s business.
//
// Belongs to one executor.

#ifndef ROUTING_DIRECTORY_AUTHORITY_NODE_TABLE_H_
#define ROUTING_DIRECTORY_AUTHORITY_NODE_TABLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "routing/directory/authority/authority_store.h"
#include "routing/directory/authority/vote.h"
#include "routing/directory/descriptor.h"
#include "routing/directory/network_params.h"
#include "routing/directory/storage_report.h"

namespace messenger::routing {

class NodeTable final {
 public:
  struct Node {
    Descriptor descriptor;
    std::string bytes;                            // The descriptor as signed.
    bool reached = false;                         // Ever.
    int failures = 0;                             // Probes in a row.
    std::optional<absl::Time> failing_since;      // First of those.
    std::optional<absl::Time> unreachable_since;  // Set: counts as down.
    std::optional<StorageReport> report;          // The newest.
    std::string report_bytes;                     // The same, as signed.
  };

  // A node leaves the consensus after this long, and the table after that.
  static constexpr absl::Duration kListedWhileDown = absl::Hours(24);
  static constexpr absl::Duration kForgottenAfter = absl::Hours(24 * 14);
  // One lost probe is bad luck, two in a row are an outage.
  static constexpr int kFailuresUntilDown = 2;
  static constexpr absl::Duration kMaxDescriptorAge = absl::Hours(24);
  static constexpr absl::Duration kMaxClockSkew = absl::Minutes(10);
  // Of a storage report, in either direction.
  static constexpr absl::Duration kMaxReportAge = absl::Minutes(10);

  // `acceptable` decides about addresses. `store` must outlive the table.
  NodeTable(const NetworkId& network_id, const NetworkParams& params,
            std::function<bool(absl::string_view address)> acceptable,
            AuthorityStore& store);

  // Restores what the store holds. DATA_LOSS if that is damaged.
  absl::Status Load();

  // A node announces itself. True if this is news: probe it. Codes as Publish
  // in routing/proto/directory.proto.
  absl::StatusOr<bool> Publish(absl::string_view bytes, absl::Time now);

  // A node that other authorities know of. As Publish, but of any age.
  absl::StatusOr<bool> Learn(absl::string_view bytes, absl::Time now);

  // A storage node reports. Codes as ReportStorage in
  // routing/proto/directory.proto. `newest_epoch`: later ones are still to
  // come.
  absl::Status Report(absl::string_view bytes, uint64_t newest_epoch,
                      absl::Time now);

  // The result of a probe of the descriptor published at `published`; of no
  // effect if there is a newer one by now.
  absl::Status ReportProbe(const NodeId& id, absl::Time published,
                           bool reachable, absl::Time now);

  // What to vote: every node that was reached and is not down for too long.
  std::vector<Vote::Entry> Entries(absl::Time now) const;

  // Drops nodes that nobody has reached for kForgottenAfter.
  absl::Status Forget(absl::Time now);

  const std::map<NodeId, Node>& nodes() const { return nodes_; }

 private:
  absl::StatusOr<bool> Take(absl::string_view bytes, Descriptor descriptor,
                            absl::Time now);
  absl::Status CheckAddresses(const Descriptor& descriptor) const;
  bool Running(const Node& node, absl::Time now) const;
  absl::Status Save(const NodeId& id, const Node& node);

  const NetworkId network_id_;
  const NetworkParams params_;
  const std::function<bool(absl::string_view)> acceptable_;
  AuthorityStore& store_;
  std::map<NodeId, Node> nodes_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_NODE_TABLE_H_
