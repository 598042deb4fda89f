#include "swarm/node/storage_process.h"

#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "routing/endpoint/remote_endpoint_handler.h"
#include "routing/runtime/files.h"
#include "routing/runtime/socket_address.h"
#include "swarm/replication/peer_methods.h"

namespace messenger::swarm {
namespace {

constexpr int kMaxConcurrentRequests = 1024;

// A secret of 32 bytes in a file of its own, made when there is none.
absl::StatusOr<crypto::SecretBytes<32>> LoadOrMakeSeed(const std::string& path,
                                                       crypto::Random& random) {
  absl::StatusOr<std::string> bytes = routing::ReadFile(path, /*max_bytes=*/64);
  if (absl::IsNotFound(bytes.status())) {
    crypto::SecretBytes<32> seed = random.Secret<32>();
    RETURN_IF_ERROR(routing::WriteFileAtomically(path, seed.Expose()));
    return seed;
  }
  RETURN_IF_ERROR(bytes.status());
  absl::StatusOr<crypto::SecretBytes<32>> seed =
      crypto::SecretBytes<32>::FromBytes(*bytes);
  crypto::SecureWipe(*bytes);
  if (!seed.ok()) return absl::DataLossError("a key file is damaged");
  return seed;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StorageProcess>> StorageProcess::Create(
    const Options& options) {
  const std::string& directory = options.data_directory;
  ASSIGN_OR_RETURN(
      const crypto::SecretBytes<32> storage_seed,
      LoadOrMakeSeed(absl::StrCat(directory, "/storage.key"), options.random));
  ASSIGN_OR_RETURN(const crypto::SecretBytes<32> tls_seed,
                   LoadOrMakeSeed(absl::StrCat(directory, "/storage-tls.key"),
                                  options.random));
  ASSIGN_OR_RETURN(routing::TlsIdentity tls,
                   routing::TlsIdentity::FromSeed(tls_seed));
  ASSIGN_OR_RETURN(
      std::unique_ptr<SqliteStore> store,
      SqliteStore::Open({.path = absl::StrCat(directory, "/messages.db"),
                         .capacity_bytes = uint64_t{options.capacity_mib} << 20,
                         .vfs = ""},
                        options.random));
  auto process = absl::WrapUnique(new StorageProcess(
      options, crypto::Ed25519PrivateKey::FromSeed(storage_seed),
      std::move(tls), std::move(store)));
  RETURN_IF_ERROR(process->Listen());
  return process;
}

StorageProcess::StorageProcess(const Options& options,
                               crypto::Ed25519PrivateKey storage_key,
                               routing::TlsIdentity tls,
                               std::unique_ptr<SqliteStore> store)
    : options_(options),
      storage_key_(std::move(storage_key)),
      tls_(std::move(tls)),
      store_(std::move(store)),
      disk_(options.clock),
      disk_thread_([this] { disk_.RunUntilStopped(); }) {}

StorageProcess::~StorageProcess() {
  // First whatever could call into the rest, last the thread that writes.
  if (server_ != nullptr) server_->Shutdown();
  node_.reset();
  directory_.reset();
  transport_.reset();
  disk_.Stop();
  disk_thread_.join();
}

absl::Status StorageProcess::Listen() {
  ASSIGN_OR_RETURN(server_, routing::GrpcServer::Create(
                                {.listen_address = options_.listen_address,
                                 .identity = tls_,
                                 .executor = options_.executor,
                                 .recorder = options_.recorder}));
  late_.Announce(std::string(routing::kEndpointHandleMethod),
                 {.max_request_bytes = routing::kMaxEndpointMessageBytes,
                  .max_concurrent = kMaxConcurrentRequests},
                 *server_);
  late_.Announce(std::string(kReplicateMethod),
                 {.max_request_bytes = kMaxReplicateBytes,
                  .max_concurrent = kMaxConcurrentReplications},
                 *server_);
  RETURN_IF_ERROR(server_->Start());
  public_file_ = {.storage = {.address = options_.advertised_address.empty()
                                             ? server_->address()
                                             : options_.advertised_address,
                              .tls_key = tls_.key()},
                  .storage_key = storage_key_.public_key(),
                  .capacity_mib = options_.capacity_mib};
  if (!routing::IsSocketAddress(public_file_.storage.address)) {
    return absl::InvalidArgumentError(
        "advertised address is no IP literal and port");
  }
  transport_ = std::make_unique<routing::GrpcTransport>(
      routing::GrpcTransport::Options{.executor = options_.executor,
                                      .identity = &tls_,
                                      .recorder = options_.recorder});
  return routing::WriteFileAtomically(
      absl::StrCat(options_.data_directory, "/", routing::kPublicFileName),
      public_file_.ToText());
}

void StorageProcess::Join(const routing::NetworkConfig& network,
                          const routing::RouterPublicFile& router,
                          absl::Duration directory_interval,
                          std::function<void(absl::Status)> on_damage) {
  std::vector<routing::Endpoint> authorities;
  for (const routing::NetworkConfig::Authority& authority :
       network.authorities) {
    authorities.push_back(authority.endpoint);
  }
  directory_ = std::make_unique<routing::DirectoryClient>(
      *transport_, options_.executor, options_.clock,
      routing::DirectoryTrust::For(network), std::move(authorities),
      options_.random);
  node_ = std::make_unique<StorageNode>(
      StorageNode::Options{.id = router.node_id,
                           .storage_key = storage_key_,
                           .directory = directory_->holder(),
                           .store = *store_,
                           .transport = *transport_,
                           .core = options_.executor,
                           .disk = disk_,
                           .clock = options_.clock});
  node_->Serve(router.link.tls_key, late_);
  node_->Start(std::move(on_damage));
  directory_->Start(directory_interval);
}

}  // namespace messenger::swarm
