// The process of a directory authority, assembled: keys on disk, server,
// database, core (routing/directory/SPEC.md, section 8).
//
//   Create   makes or reads the keys, listens, writes the public file
//   Join     knows the network: takes descriptors, probes, votes
//
// An object, so that a test can run several in one process. Lives on one
// executor.

#ifndef ROUTING_DIRECTORY_AUTHORITY_AUTHORITY_PROCESS_H_
#define ROUTING_DIRECTORY_AUTHORITY_AUTHORITY_PROCESS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/authority/authority_core.h"
#include "routing/directory/authority/authority_store.h"
#include "routing/directory/authority/late_server.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/grpc_server.h"
#include "routing/runtime/grpc_transport.h"
#include "routing/runtime/network_config.h"
#include "routing/runtime/recorder.h"
#include "routing/runtime/tls_identity.h"

namespace messenger::routing {

class AuthorityProcess final {
 public:
  struct Options {
    std::string data_directory;  // exists
    std::string listen_address;  // IP literal and port; port 0: any
    // IP literal and port that others reach it by; empty: as it listens.
    std::string advertised_address = "";
    std::string nickname;  // 1 to 32 of a-z 0-9 '-'
    // 0: as the size of the network calls for.
    int swarm_size = 0;
    absl::Duration evict_after = absl::ZeroDuration();
    absl::Duration min_overlap = absl::ZeroDuration();
    absl::Duration voting_interval = absl::ZeroDuration();
    absl::Duration probe_interval = absl::ZeroDuration();
    Executor& executor;
    const Clock& clock;
    crypto::Random& random;
    Recorder* recorder = nullptr;
  };

  // INVALID_ARGUMENT on a bad address or nickname; DATA_LOSS on a damaged key
  // file; UNAVAILABLE when the directory or the address cannot be used.
  static absl::StatusOr<std::unique_ptr<AuthorityProcess>> Create(
      const Options& options);

  // Stops serving. No callback runs afterwards.
  ~AuthorityProcess();

  AuthorityProcess(const AuthorityProcess&) = delete;
  AuthorityProcess& operator=(const AuthorityProcess&) = delete;

  // Once. The codes of SqliteAuthorityStore::Open and AuthorityCore::Create.
  absl::Status Join(const NetworkConfig& network);

  // What the network's configuration says about this authority, and what its
  // public file holds: the fields of NetworkConfig.Authority.
  const NetworkConfig::Authority& authority() const { return authority_; }
  // Null before Join().
  AuthorityCore* core() { return core_.get(); }

 private:
  AuthorityProcess(const Options& options, crypto::Ed25519PrivateKey key,
                   TlsIdentity tls);

  absl::Status Listen();
  AuthorityCore::Options CoreOptions(const NetworkConfig& network) const;

  const Options options_;
  const crypto::Ed25519PrivateKey key_;
  const TlsIdentity tls_;
  NetworkConfig::Authority authority_;
  LateServer methods_;
  std::unique_ptr<GrpcTransport> transport_;
  std::unique_ptr<AuthorityStore> store_;
  std::unique_ptr<AuthorityCore> core_;
  std::unique_ptr<GrpcServer> server_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_AUTHORITY_PROCESS_H_
