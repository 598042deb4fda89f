// The difference between two consensuses (routing/directory/SPEC.md, section
// 6.2). Applying it gives exactly the entries of the newer one, which are then
// verified like any other document: a difference needs no trust.
//
// Pure functions, thread-safe.

#ifndef ROUTING_DIRECTORY_CONSENSUS_DIFF_H_
#define ROUTING_DIRECTORY_CONSENSUS_DIFF_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "routing/directory/consensus.h"

namespace messenger::routing {

// A serialised ConsensusDiff from `base` to `target`.
std::string MakeConsensusDiff(const Consensus& base, const Consensus& target);

// The wire bytes of the target. FAILED_PRECONDITION if `diff` does not start
// at `base`; INVALID_ARGUMENT malformed.
absl::StatusOr<std::string> ApplyConsensusDiff(const Consensus& base,
                                               absl::string_view diff);

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_CONSENSUS_DIFF_H_
