// What a store gives to be brought to other members, as they take it
// (swarm/SPEC.md, sections 5.2 and 5.4): the way back of validation.

#ifndef SWARM_PROTO_ITEM_CODEC_H_
#define SWARM_PROTO_ITEM_CODEC_H_

#include "swarm/proto/peer.pb.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

// An operation as MessageStore::Load() gives it. Without an item if it is not
// one that members exchange, or if its proof cannot be of its mailbox: then
// what is on the disk is damaged.
//
// A proof is `read_key 32 || write_key 32 || signature 64`, the write key only
// where the mailbox is pairwise; empty for a message to an inbox.
v1::ReplicatedItem ItemToProto(const StoreOp& op);

}  // namespace messenger::swarm

#endif  // SWARM_PROTO_ITEM_CODEC_H_
