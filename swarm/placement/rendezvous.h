// Which nodes hold a shard of mailboxes, by rendezvous hashing with a rule
// against clumps (swarm/SPEC.md, section 2; design/0001).
//
// Pure functions of their arguments; thread-safe. `Placement` applies them to
// a directory snapshot.

#ifndef SWARM_PLACEMENT_RENDEZVOUS_H_
#define SWARM_PLACEMENT_RENDEZVOUS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/base/fixed_bytes.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/item.h"
#include "swarm/auth/mailbox.h"

namespace messenger::swarm {

Shard ShardOf(const MailboxAddress& mailbox);

using OperatorKey = crypto::FixedBytes<struct PlacementOperatorKeyTag, 32>;

// A storage node, as far as placement looks at it.
struct Candidate {
  routing::NodeId id;
  // Who runs it. Zero: undeclared, and taken for nobody else's.
  OperatorKey operator_key;
  // Which part of the network it is in, `AddressBlock` of its address.
  std::string address_block;
};

// The IPv4 /24 or IPv6 /48 of "127.0.0.1:4001" or "[::1]:4001", in a form to
// be compared. An address that is neither is a block of its own.
std::string AddressBlock(absl::string_view address);

// The members of a shard, at most `count`. Candidates are visited by falling
// score, three times: first taking those that share neither operator nor
// address block with one already taken, then those that share no operator,
// then any. So the rule yields only where the network is too small for it.
// Returns indices into `candidates`, in the order taken.
std::vector<size_t> ChooseMembers(Shard shard,
                                  absl::Span<const Candidate> candidates,
                                  size_t count);

}  // namespace messenger::swarm

#endif  // SWARM_PLACEMENT_RENDEZVOUS_H_
