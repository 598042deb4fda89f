// Keeps a node's descriptor with all authorities: publishes at the start, when
// keys rotate, and once per `kRepublish`; repeats until each authority has
// taken it (routing/directory/SPEC.md, section 7).
//
// Drives the rotation of `NodeKeys` as well. Belongs to one executor. May be
// destroyed at any time.

#ifndef ROUTING_DIRECTORY_DESCRIPTOR_PUBLISHER_H_
#define ROUTING_DIRECTORY_DESCRIPTOR_PUBLISHER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/descriptor.h"
#include "routing/directory/node_keys.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

inline constexpr char kPublishMethod[] =
    "/messenger.routing.v1.Directory/Publish";

class DescriptorPublisher final {
 public:
  // All references must outlive the publisher. `base` is the descriptor
  // without node id, time and keys, which are filled in here.
  DescriptorPublisher(Transport& transport, Executor& executor,
                      const Clock& clock,
                      const crypto::Ed25519PrivateKey& identity, NodeKeys& keys,
                      std::vector<Endpoint> authorities, Descriptor base);
  ~DescriptorPublisher();

  DescriptorPublisher(const DescriptorPublisher&) = delete;
  DescriptorPublisher& operator=(const DescriptorPublisher&) = delete;

  // Publishes now and goes on by itself. The status is of signing: what is
  // wrong with `base`.
  absl::Status Start();

  // Authorities that hold the descriptor of the last publication.
  int accepted() const { return accepted_; }
  // The last refusal that was not a matter of reaching an authority; OK if
  // there was none.
  const absl::Status& refusal() const { return refusal_; }

  static constexpr absl::Duration kRepublish = absl::Hours(6);
  static constexpr absl::Duration kFirstRetry = absl::Milliseconds(250);
  static constexpr absl::Duration kLastRetry = absl::Minutes(1);
  static constexpr absl::Duration kCallTimeout = absl::Seconds(10);

 private:
  absl::Status Publish();
  void Send(size_t authority, uint64_t publication, absl::Duration retry);
  void Schedule();

  Transport& transport_;
  Executor& executor_;
  const Clock& clock_;
  const crypto::Ed25519PrivateKey& identity_;
  NodeKeys& keys_;
  const std::vector<Endpoint> authorities_;
  const Descriptor base_;
  absl::Time last_published_;
  uint64_t publication_ = 0;
  std::string request_;
  int accepted_ = 0;
  absl::Status refusal_;
  std::shared_ptr<DescriptorPublisher*> self_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_DESCRIPTOR_PUBLISHER_H_
