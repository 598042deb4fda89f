// The name of a node: its long-term Ed25519 identity key (routing/SPEC.md,
// section 1). A public value, freely copied.

#ifndef ROUTING_ONION_NODE_ID_H_
#define ROUTING_ONION_NODE_ID_H_

#include "crypto/base/fixed_bytes.h"

namespace messenger::routing {

using NodeId = crypto::FixedBytes<struct NodeIdTag, 32>;

}  // namespace messenger::routing

#endif  // ROUTING_ONION_NODE_ID_H_
