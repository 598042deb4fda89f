// The storage process of a node: keys and store in a directory, a server, and,
// once the files that describe network and router are there, a StorageNode
// (swarm/SPEC.md, section 6.4).
//
// Belongs to the executor. One thread of its own writes to the disk.

#ifndef SWARM_NODE_STORAGE_PROCESS_H_
#define SWARM_NODE_STORAGE_PROCESS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/directory_client.h"
#include "routing/directory/storage_reporter.h"
#include "routing/endpoint/public_file.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/grpc_server.h"
#include "routing/runtime/grpc_transport.h"
#include "routing/runtime/network_config.h"
#include "routing/runtime/recorder.h"
#include "routing/runtime/tls_identity.h"
#include "swarm/node/background_check.h"
#include "swarm/node/late_server.h"
#include "swarm/node/storage_node.h"
#include "swarm/store/sqlite_store.h"

namespace messenger::swarm {

class StorageProcess final {
 public:
  struct Options {
    std::string data_directory;  // exists
    std::string listen_address;  // IP literal and port; port 0: any
    // IP literal and port by which others reach this node; empty: as it
    // listens.
    std::string advertised_address;
    // What messages may take of the disk; 0: all there is.
    uint32_t capacity_mib = 0;
    // Tells the directory that this node is to leave.
    bool leaving = false;
    routing::Executor& executor;
    const routing::Clock& clock;
    crypto::Random& random;  // thread-safe
    routing::Recorder* recorder = nullptr;
    // Told in words what an operator should know. May be null.
    std::function<void(absl::string_view)> on_notice;
  };

  static constexpr char kStoreFileName[] = "messages.db";

  // Opens or makes keys and store, listens, and writes the public file.
  // A damaged store is moved away and an empty one made, to be filled by the
  // other members. DATA_LOSS: a key is damaged; UNAVAILABLE: directory or
  // address cannot be used, or another process has the store.
  static absl::StatusOr<std::unique_ptr<StorageProcess>> Create(
      const Options& options);
  ~StorageProcess();

  StorageProcess(const StorageProcess&) = delete;
  StorageProcess& operator=(const StorageProcess&) = delete;

  // Begins to serve, once. Before that, callers get UNAVAILABLE. `on_damage`:
  // StorageNode::Start.
  void Join(const routing::NetworkConfig& network,
            const routing::RouterPublicFile& router,
            absl::Duration directory_interval,
            std::function<void(absl::Status)> on_damage);

  // Tells the authorities by which consensus this node holds everything of its
  // shards (routing/directory/SPEC.md, section 5.7). After Join().
  void SetReadyEpoch(uint64_t epoch);

  const routing::StoragePublicFile& public_file() const { return public_file_; }
  // Null before Join().
  const StorageNode* node() const { return node_.get(); }

  // For a store that is set aside now.
  static std::string SuffixFor(const routing::Clock& clock);

 private:
  StorageProcess(const Options& options, crypto::Ed25519PrivateKey storage_key,
                 routing::TlsIdentity tls, std::unique_ptr<SqliteStore> store);

  absl::Status Listen();

  const Options options_;
  const crypto::Ed25519PrivateKey storage_key_;
  const routing::TlsIdentity tls_;
  std::unique_ptr<SqliteStore> store_;
  routing::StoragePublicFile public_file_;
  routing::EventLoop disk_;
  std::thread disk_thread_;
  std::unique_ptr<routing::GrpcTransport> transport_;
  std::unique_ptr<routing::DirectoryClient> directory_;
  std::unique_ptr<routing::StorageReporter> reporter_;
  std::unique_ptr<StorageNode> node_;
  std::unique_ptr<BackgroundCheck> check_;
  bool damaged_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  LateServer late_;
  std::unique_ptr<routing::GrpcServer> server_;
};

}  // namespace messenger::swarm

#endif  // SWARM_NODE_STORAGE_PROCESS_H_
