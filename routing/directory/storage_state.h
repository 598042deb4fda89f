// The part a node has in the storage of messages
// (routing/directory/SPEC.md, section 3.4).
//
//   SERVING set S   holds what was stored: ACTIVE and LEAVING nodes
//   TARGET set T    will hold it: ACTIVE and JOINING nodes
//
// S and T are equal but for the time of a transition. Whatever is stored then
// is stored in both; T takes over once all of it has everything.

#ifndef ROUTING_DIRECTORY_STORAGE_STATE_H_
#define ROUTING_DIRECTORY_STORAGE_STATE_H_

#include <cstdint>

namespace messenger::routing {

// The values are part of the consensus: append, never renumber.
enum class StorageState : uint8_t {
  kNone = 0,     // No storage role.
  kWaiting = 1,  // In neither set: came during a transition, or was evicted.
  kJoining = 2,  // In T only.
  kActive = 3,   // In S and T.
  kLeaving = 4,  // In S only.
};

constexpr bool IsServing(StorageState state) {
  return state == StorageState::kActive || state == StorageState::kLeaving;
}
constexpr bool IsTarget(StorageState state) {
  return state == StorageState::kActive || state == StorageState::kJoining;
}

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_STORAGE_STATE_H_
