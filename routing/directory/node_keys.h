// The onion and KEM key pairs of one node, by epoch (routing/directory/SPEC.md,
// section 7): the current and the next of each kind, and the previous until its
// overlap ends. Then it is deleted, and what was sent under it cannot be read
// by anybody any more.
//
// Belongs to one executor.

#ifndef ROUTING_DIRECTORY_NODE_KEYS_H_
#define ROUTING_DIRECTORY_NODE_KEYS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "crypto/agreement/x25519.h"
#include "crypto/kem/mlkem768.h"
#include "crypto/random/random.h"
#include "routing/directory/descriptor.h"
#include "routing/directory/network_params.h"
#include "routing/onion/node_id.h"
#include "routing/onion/setup.h"

namespace messenger::routing {

class NodeKeys final {
 public:
  // Reads the keys at `path`, or starts without any if there is no file, and
  // rotates. An empty path keeps keys in memory only. DATA_LOSS if the file is
  // damaged; UNAVAILABLE if it cannot be read or written.
  static absl::StatusOr<std::unique_ptr<NodeKeys>> Open(
      std::string path, const NodeId& node_id, const NetworkParams& params,
      crypto::Random& random, absl::Time now);

  NodeKeys(const NodeKeys&) = delete;
  NodeKeys& operator=(const NodeKeys&) = delete;

  // Makes the keys that `now` calls for, deletes those past their overlap, and
  // writes the file. True if it made keys: publish again. UNAVAILABLE if the
  // file could not be written; the keys work, but not after a restart.
  absl::StatusOr<bool> Rotate(absl::Time now);

  // When Rotate() has something to do next.
  absl::Time NextRotation(absl::Time now) const;

  // What opens a SETUP of these epochs; null if there are no such keys, or not
  // any more. Valid until the next Rotate().
  const HopSecrets* Find(OnionEpochs epochs, absl::Time now) const;

  // Puts the public keys of the current and next epochs into `descriptor`.
  void FillDescriptor(Descriptor& descriptor, absl::Time now) const;

  const NodeId& node_id() const { return node_id_; }
  const NetworkParams& params() const { return params_; }

 private:
  NodeKeys(std::string path, const NodeId& node_id, const NetworkParams& params,
           crypto::Random& random);

  absl::Status Load();
  absl::Status Save() const;
  void Reindex();

  const std::string path_;
  const NodeId node_id_;
  const NetworkParams params_;
  crypto::Random& random_;
  // Behind pointers: `HopSecrets` refer to them.
  std::map<uint32_t, std::unique_ptr<crypto::X25519PrivateKey>> onion_;
  std::map<uint32_t, std::unique_ptr<crypto::MlKem768PrivateKey>> kem_;
  std::map<std::pair<uint32_t, uint32_t>, HopSecrets> secrets_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_NODE_KEYS_H_
