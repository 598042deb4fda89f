#include "routing/relay/router.h"

#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "routing/proto/relay.pb.h"
#include "routing/runtime/files.h"
#include "routing/runtime/socket_address.h"

namespace messenger::routing {
namespace {

constexpr char kPingMethod[] = "/messenger.routing.v1.Relay/Ping";
constexpr char kSoftware[] = "session-router/1";
constexpr size_t kMaxPingBytes = 64;
constexpr size_t kMaxDirectoryRequestBytes = 1024;

// A secret of 32 bytes in a file of its own, made when there is none.
absl::StatusOr<crypto::SecretBytes<32>> LoadOrMakeSeed(const std::string& path,
                                                       crypto::Random& random) {
  absl::StatusOr<std::string> bytes = ReadFile(path, /*max_bytes=*/64);
  if (absl::IsNotFound(bytes.status())) {
    crypto::SecretBytes<32> seed = random.Secret<32>();
    RETURN_IF_ERROR(WriteFileAtomically(path, seed.Expose()));
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

absl::StatusOr<std::unique_ptr<Router>> Router::Create(const Options& options) {
  ASSIGN_OR_RETURN(
      const crypto::SecretBytes<32> identity,
      LoadOrMakeSeed(options.data_directory + "/identity.key", options.random));
  ASSIGN_OR_RETURN(
      const crypto::SecretBytes<32> tls_seed,
      LoadOrMakeSeed(options.data_directory + "/tls.key", options.random));
  ASSIGN_OR_RETURN(TlsIdentity tls, TlsIdentity::FromSeed(tls_seed));
  auto router = absl::WrapUnique(new Router(
      options, crypto::Ed25519PrivateKey::FromSeed(identity), std::move(tls)));
  RETURN_IF_ERROR(router->Listen());
  return router;
}

Router::Router(const Options& options, crypto::Ed25519PrivateKey identity,
               TlsIdentity tls)
    : options_(options), identity_(std::move(identity)), tls_(std::move(tls)) {}

Router::~Router() {
  // First whatever could call into the rest.
  if (server_ != nullptr) server_->Shutdown();
  core_.reset();
  publisher_.reset();
  mirror_.reset();
  directory_.reset();
}

absl::Status Router::Listen() {
  const NodeId node_id =
      NodeId::FromBytes(identity_.public_key().bytes()).value();
  ASSIGN_OR_RETURN(
      server_, GrpcServer::Create({.listen_address = options_.listen_address,
                                   .identity = tls_,
                                   .executor = options_.executor,
                                   .recorder = options_.recorder}));
  v1::PingReply pong;
  pong.set_node_id(std::string(node_id.bytes()));
  server_->HandleMethod(
      kPingMethod, {.max_request_bytes = kMaxPingBytes},
      [pong = pong.SerializeAsString()](const Peer&, const std::string&,
                                        Reply reply) { reply(pong); });
  // The mirror itself needs to know the network; the server must not wait.
  server_->HandleMethod(
      kGetConsensusMethod, {.max_request_bytes = kMaxDirectoryRequestBytes},
      [this](const Peer&, const std::string& request, Reply reply) {
        if (mirror_ == nullptr) {
          return reply(absl::UnavailableError("not part of a network yet"));
        }
        reply(mirror_->Answer(request));
      });
  server_->HandleLinks(*this);
  RETURN_IF_ERROR(server_->Start());

  public_file_ = {.node_id = node_id,
                  .nickname = options_.nickname,
                  .link = {.address = options_.advertised_address.empty()
                                          ? server_->address()
                                          : options_.advertised_address,
                           .tls_key = tls_.key()}};
  if (!IsSocketAddress(public_file_.link.address)) {
    return absl::InvalidArgumentError(
        "advertised address is no IP literal and port");
  }
  transport_ = std::make_unique<GrpcTransport>(
      GrpcTransport::Options{.executor = options_.executor,
                             .identity = &tls_,
                             .recorder = options_.recorder});
  return WriteFileAtomically(
      absl::StrCat(options_.data_directory, "/", kPublicFileName),
      public_file_.ToText());
}

absl::Status Router::Join(const NetworkConfig& network,
                          const std::optional<StoragePublicFile>& storage,
                          absl::Duration directory_interval) {
  const absl::Time now = options_.clock.Now();
  ASSIGN_OR_RETURN(
      keys_, NodeKeys::Open(options_.data_directory + "/onion.keys",
                            public_file_.node_id, NetworkParams::For(network),
                            options_.random, now));
  ASSIGN_OR_RETURN(replay_cache_,
                   ReplayCache::Open(options_.data_directory + "/replay",
                                     options_.boot_id, now));
  std::vector<Endpoint> authorities;
  for (const NetworkConfig::Authority& authority : network.authorities) {
    authorities.push_back(authority.endpoint);
  }
  directory_ = std::make_unique<DirectoryClient>(
      *transport_, options_.executor, options_.clock,
      DirectoryTrust::For(network), authorities, options_.random);
  mirror_ = std::make_unique<DirectoryMirror>(directory_->holder());
  if (storage.has_value()) {
    endpoint_ =
        std::make_unique<RemoteEndpointHandler>(*transport_, storage->storage);
  }
  core_ = std::make_unique<RelayCore>(
      RelayCore::Options{.node_id = public_file_.node_id,
                         .transport = *transport_,
                         .executor = options_.executor,
                         .clock = options_.clock,
                         .random = options_.random,
                         .keys = *keys_,
                         .directory = directory_->holder(),
                         .replay_cache = *replay_cache_,
                         .endpoint = endpoint_.get(),
                         .limits = options_.limits,
                         .recorder = options_.recorder});
  publisher_ = std::make_unique<DescriptorPublisher>(
      *transport_, options_.executor, options_.clock, identity_, *keys_,
      authorities, MakeDescriptor(network, storage));
  RETURN_IF_ERROR(publisher_->Start());
  directory_->Start(directory_interval);
  return absl::OkStatus();
}

Descriptor Router::MakeDescriptor(
    const NetworkConfig& network,
    const std::optional<StoragePublicFile>& storage) const {
  Descriptor descriptor;
  descriptor.network_id = network.network_id;
  descriptor.relay = true;
  descriptor.nickname = options_.nickname;
  descriptor.link = public_file_.link;
  descriptor.operator_key =
      options_.operator_key.IsZero()
          ? OperatorKey::FromBytes(public_file_.node_id.bytes()).value()
          : options_.operator_key;
  descriptor.software = kSoftware;
  if (storage.has_value()) {
    descriptor.storage_role = true;
    descriptor.storage = storage->storage;
    descriptor.storage_key = storage->storage_key;
    descriptor.capacity_mib = storage->capacity_mib;
  }
  return descriptor;
}

std::shared_ptr<const Consensus> Router::consensus() const {
  return directory_ == nullptr ? nullptr : directory_->holder().current();
}

FrameLinkEvents* Router::OnLink(const Peer& peer,
                                std::unique_ptr<FrameLink> link) {
  return core_ == nullptr ? nullptr : core_->OnLink(peer, std::move(link));
}

}  // namespace messenger::routing
