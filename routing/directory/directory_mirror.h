// Serves the consensus a process holds to whoever asks: relays to clients and
// nodes, authorities to nodes (routing/directory/SPEC.md, section 6).
//
// Keeps the last few documents to answer with differences. Belongs to the
// executor of its holder and server.

#ifndef ROUTING_DIRECTORY_DIRECTORY_MIRROR_H_
#define ROUTING_DIRECTORY_DIRECTORY_MIRROR_H_

#include <deque>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "routing/directory/consensus_holder.h"
#include "routing/runtime/server.h"

namespace messenger::routing {

class DirectoryMirror final {
 public:
  // `holder` must outlive the mirror, and the mirror must outlive `holder`'s
  // last Accept().
  explicit DirectoryMirror(ConsensusHolder& holder);

  DirectoryMirror(const DirectoryMirror&) = delete;
  DirectoryMirror& operator=(const DirectoryMirror&) = delete;

  // Registers GetConsensus. The mirror must outlive the server's last call.
  void Register(Server& server);

  // Answers one GetConsensusRequest. INVALID_ARGUMENT malformed; UNAVAILABLE
  // while nothing is held.
  absl::StatusOr<std::string> Answer(absl::string_view request);

  // Documents kept besides the current one.
  static constexpr size_t kHistory = 12;

 private:
  void Remember(const std::shared_ptr<const Consensus>& consensus);

  ConsensusHolder& holder_;
  std::deque<std::shared_ptr<const Consensus>> history_;
  // Answers for the current document, by the hash the asker has.
  absl::flat_hash_map<crypto::Digest256, std::string> answers_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_DIRECTORY_MIRROR_H_
