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
#include "swarm/repair/reconcile_codec.h"
#include "swarm/repair/reconcile_responder.h"
#include "swarm/replication/peer_methods.h"
#include "swarm/service/mailbox_waiters.h"

namespace messenger::swarm {
namespace {

// Requests under way, and those of readers who wait.
constexpr int kMaxConcurrentRequests =
    1024 + static_cast<int>(MailboxWaiters::kMaxWaiting);

// A store that is seen to be damaged is moved away: the node starts with an
// empty one and fetches from its peers what it should hold.
absl::StatusOr<std::unique_ptr<SqliteStore>> OpenStore(
    const std::string& path, const StorageProcess::Options& options) {
  const SqliteStore::Options store{
      .path = path,
      .capacity_bytes = uint64_t{options.capacity_mib} << 20,
      .vfs = "",
      .now_ms = static_cast<uint64_t>(absl::ToUnixMillis(options.clock.Now()))};
  absl::StatusOr<std::unique_ptr<SqliteStore>> opened =
      SqliteStore::Open(store, options.random);
  if (opened.ok() && (*opened)->log_was_damaged() &&
      options.on_notice != nullptr) {
    options.on_notice(
        "the log of the store was damaged, and writes may be gone: until the "
        "other members have brought them, reads are refused");
  }
  if (!absl::IsDataLoss(opened.status())) return opened;
  RETURN_IF_ERROR(
      SqliteStore::SetAside(path, StorageProcess::SuffixFor(options.clock)));
  if (options.on_notice != nullptr) {
    options.on_notice(
        "the store was damaged: it lies beside as messages.db.damaged-*, and "
        "what it should hold is fetched from the other members");
  }
  return SqliteStore::Open(store, options.random);
}

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
      OpenStore(absl::StrCat(directory, "/", kStoreFileName), options));
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
  alive_.reset();
  if (server_ != nullptr) server_->Shutdown();
  node_.reset();
  directory_.reset();
  reporter_.reset();
  transport_.reset();
  disk_.Stop();
  disk_thread_.join();
  if (!damaged_) return;
  store_.reset();
  // What cannot be moved now is found damaged at the next start.
  SqliteStore::SetAside(
      absl::StrCat(options_.data_directory, "/", kStoreFileName),
      SuffixFor(options_.clock))
      .IgnoreError();
}

std::string StorageProcess::SuffixFor(const routing::Clock& clock) {
  // Sorts by time.
  return absl::FormatTime("%Y%m%d-%H%M%S", clock.Now(), absl::UTCTimeZone());
}

absl::Status StorageProcess::Listen() {
  // All requests of this node's router, waiting ones too, share a connection.
  routing::ServerLimits limits;
  limits.max_concurrent_streams = kMaxConcurrentRequests;
  ASSIGN_OR_RETURN(server_, routing::GrpcServer::Create(
                                {.listen_address = options_.listen_address,
                                 .identity = tls_,
                                 .executor = options_.executor,
                                 .recorder = options_.recorder,
                                 .limits = limits}));
  late_.Announce(std::string(routing::kEndpointHandleMethod),
                 {.max_request_bytes = routing::kMaxEndpointMessageBytes,
                  .max_concurrent = kMaxConcurrentRequests},
                 *server_);
  late_.Announce(std::string(kReplicateMethod),
                 {.max_request_bytes = kMaxReplicateBytes,
                  .max_concurrent = kMaxConcurrentReplications},
                 *server_);
  late_.Announce(std::string(kReconcileMethod),
                 {.max_request_bytes = kMaxReconcileBytes,
                  .max_concurrent = ReconcileResponder::kMaxConcurrent},
                 *server_);
  late_.Announce(std::string(kFetchMethod),
                 {.max_request_bytes = kMaxFetchRequestBytes,
                  .max_concurrent = ReconcileResponder::kMaxConcurrent},
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
      routing::DirectoryTrust::For(network), authorities, options_.random);
  reporter_ = std::make_unique<routing::StorageReporter>(
      *transport_, options_.executor, options_.clock, storage_key_,
      network.network_id, router.node_id, std::move(authorities));
  node_ = std::make_unique<StorageNode>(
      StorageNode::Options{.id = router.node_id,
                           .storage_key = storage_key_,
                           .directory = directory_->holder(),
                           .store = *store_,
                           .transport = *transport_,
                           .core = options_.executor,
                           .disk = disk_,
                           .clock = options_.clock,
                           .random = options_.random,
                           .on_ready = [this](uint64_t ready_epoch) {
                             SetReadyEpoch(ready_epoch);
                           }});
  node_->Serve(router.link.tls_key, late_);
  auto report = [this, on_damage = std::move(on_damage)](absl::Status status) {
    if (std::exchange(damaged_, true)) return;
    if (on_damage != nullptr) on_damage(std::move(status));
  };
  node_->Start(report);
  check_ = std::make_unique<BackgroundCheck>(
      *store_, absl::StrCat(options_.data_directory, "/", kStoreFileName),
      options_.clock, disk_,
      BackgroundCheck::Findings{
          .on_item =
              [this](const ItemKey& item) {
                options_.executor.Run(
                    [this, weak = std::weak_ptr<bool>(alive_), item] {
                      if (!weak.expired()) node_->DropDamagedItem(item);
                    });
              },
          .on_damage =
              [this, report](absl::Status status) {
                options_.executor.Run([weak = std::weak_ptr<bool>(alive_),
                                       report, status]() mutable {
                  if (!weak.expired()) report(std::move(status));
                });
              }});
  check_->Start();
  directory_->Start(directory_interval);
}

void StorageProcess::SetReadyEpoch(uint64_t epoch) {
  reporter_->Report(epoch, options_.leaving);
}

}  // namespace messenger::swarm
