// The relay process of a node, assembled: keys on disk, server, links,
// directory (routing/relay/SPEC.md, sections 7 and 10).
//
//   Create   makes or reads the keys, listens, writes the public file; answers
//            pings, refuses links
//   Join     knows the network: publishes the descriptor, mirrors the
//            consensus, relays
//
// An object, so that a test can run several in one process. Lives on one
// executor.

#ifndef ROUTING_RELAY_ROUTER_H_
#define ROUTING_RELAY_ROUTER_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/descriptor.h"
#include "routing/directory/descriptor_publisher.h"
#include "routing/directory/directory_client.h"
#include "routing/directory/directory_mirror.h"
#include "routing/directory/node_keys.h"
#include "routing/endpoint/public_file.h"
#include "routing/endpoint/remote_endpoint_handler.h"
#include "routing/relay/relay_core.h"
#include "routing/relay/relay_limits.h"
#include "routing/relay/replay_cache.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/grpc_server.h"
#include "routing/runtime/grpc_transport.h"
#include "routing/runtime/network_config.h"
#include "routing/runtime/recorder.h"
#include "routing/runtime/server.h"
#include "routing/runtime/tls_identity.h"

namespace messenger::routing {

class Router final : public LinkAcceptor {
 public:
  struct Options {
    std::string data_directory;  // exists
    std::string listen_address;  // IP literal and port; port 0: any
    // IP literal and port that others reach us by; empty: as it listens.
    std::string advertised_address = "";
    std::string nickname;
    // Names who runs the node; zero: nobody but this node.
    OperatorKey operator_key = {};
    Executor& executor;
    const Clock& clock;
    crypto::Random& random;
    BootId boot_id = {};
    Recorder* recorder = nullptr;
    RelayLimits limits = {};
  };

  // INVALID_ARGUMENT on a bad address or nickname; DATA_LOSS on a damaged key
  // file; UNAVAILABLE when the directory or the address cannot be used.
  static absl::StatusOr<std::unique_ptr<Router>> Create(const Options& options);

  // Stops serving. No callback runs afterwards.
  ~Router() override;

  // Once. Without `storage` the node relays and stores nothing. The codes of
  // NodeKeys::Open, ReplayCache::Open and SignDescriptor.
  absl::Status Join(const NetworkConfig& network,
                    const std::optional<StoragePublicFile>& storage,
                    absl::Duration directory_interval);

  const RouterPublicFile& public_file() const { return public_file_; }
  // Null before Join().
  const RelayCore* core() const { return core_.get(); }
  std::shared_ptr<const Consensus> consensus() const;

  // Links are refused until the core is there.
  FrameLinkEvents* OnLink(const Peer& peer,
                          std::unique_ptr<FrameLink> link) override;

 private:
  Router(const Options& options, crypto::Ed25519PrivateKey identity,
         TlsIdentity tls);

  absl::Status Listen();
  Descriptor MakeDescriptor(
      const NetworkConfig& network,
      const std::optional<StoragePublicFile>& storage) const;

  const Options options_;
  const crypto::Ed25519PrivateKey identity_;
  const TlsIdentity tls_;
  RouterPublicFile public_file_;
  std::unique_ptr<GrpcTransport> transport_;
  std::unique_ptr<NodeKeys> keys_;
  std::unique_ptr<ReplayCache> replay_cache_;
  std::unique_ptr<RemoteEndpointHandler> endpoint_;
  std::unique_ptr<DirectoryClient> directory_;
  std::unique_ptr<DirectoryMirror> mirror_;
  std::unique_ptr<DescriptorPublisher> publisher_;
  std::unique_ptr<RelayCore> core_;
  std::unique_ptr<GrpcServer> server_;
};

}  // namespace messenger::routing

#endif  // ROUTING_RELAY_ROUTER_H_
