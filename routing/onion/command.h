// What a SETUP asks of one hop: 48 bytes in the slot only that hop can read
// (routing/SPEC.md, section 2.2).
//
//   type u8 | target 32 | expiry_minute u32 | delay_ms u16 | reply_budget u8
//   | flags u8 = 0 | 0 x 7
//
// The target is the next node's id (FORWARD) or a service id and 31 zero bytes
// (DELIVER). Pure functions, thread-safe.

#ifndef ROUTING_ONION_COMMAND_H_
#define ROUTING_ONION_COMMAND_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "routing/onion/geometry.h"
#include "routing/onion/node_id.h"

namespace messenger::routing {

struct HopCommand {
  // Values are on the wire: append only. EXIT is reserved and refused.
  enum class Type : uint8_t { kForward = 1, kDeliver = 2, kExit = 3 };

  Type type = Type::kForward;
  NodeId next;                 // FORWARD: who gets the next SETUP.
  uint8_t service = 0;         // DELIVER: which service of this node.
  uint32_t expiry_minute = 0;  // Unix minutes, equal in all slots of a SETUP.
  uint16_t delay_ms = 0;       // How long to hold frames of the circuit.
  uint8_t reply_budget = 1;    // Cells that may come back, 1..64.

  friend bool operator==(const HopCommand&, const HopCommand&) = default;
};

// Writes `command` into `out`, which must be `kCommandSize` long.
// INVALID_ARGUMENT for a command that `ParseCommand` would refuse.
absl::Status EncodeCommand(const HopCommand& command, absl::Span<char> out);

// INVALID_ARGUMENT on another length, an unknown type, a budget outside 1..64,
// flags or padding that are not zero, or a FORWARD to the all-zero id.
absl::StatusOr<HopCommand> ParseCommand(absl::string_view bytes);

}  // namespace messenger::routing

#endif  // ROUTING_ONION_COMMAND_H_
