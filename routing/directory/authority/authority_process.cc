#include "routing/directory/authority/authority_process.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "routing/directory/authority/sqlite_authority_store.h"
#include "routing/directory/network_params.h"
#include "routing/runtime/files.h"
#include "routing/runtime/socket_address.h"

namespace messenger::routing {
namespace {

constexpr char kPublicFile[] = "/public.txtpb";
constexpr size_t kMaxReplyBytes = 16 * 1024 * 1024;

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

bool IsNickname(absl::string_view text) {
  return !text.empty() && text.size() <= 32 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
             absl::string_view::npos;
}

// Nothing in these values needs escaping.
std::string PublicText(const NetworkConfig::Authority& authority) {
  return absl::StrCat("nickname: \"", authority.nickname, "\"\ned25519_key: \"",
                      authority.key.ToHex(), "\"\naddress: \"",
                      authority.endpoint.address, "\"\ntls_key: \"",
                      authority.endpoint.tls_key.ToHex(), "\"\n");
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuthorityProcess>> AuthorityProcess::Create(
    const Options& options) {
  if (!IsNickname(options.nickname)) {
    return absl::InvalidArgumentError(
        "a nickname is 1 to 32 of a-z, 0-9 and '-'");
  }
  ASSIGN_OR_RETURN(const crypto::SecretBytes<32> seed,
                   LoadOrMakeSeed(options.data_directory + "/authority.key",
                                  options.random));
  ASSIGN_OR_RETURN(
      const crypto::SecretBytes<32> tls_seed,
      LoadOrMakeSeed(options.data_directory + "/tls.key", options.random));
  ASSIGN_OR_RETURN(TlsIdentity tls, TlsIdentity::FromSeed(tls_seed));
  auto process = absl::WrapUnique(new AuthorityProcess(
      options, crypto::Ed25519PrivateKey::FromSeed(seed), std::move(tls)));
  RETURN_IF_ERROR(process->Listen());
  return process;
}

AuthorityProcess::AuthorityProcess(const Options& options,
                                   crypto::Ed25519PrivateKey key,
                                   TlsIdentity tls)
    : options_(options), key_(std::move(key)), tls_(std::move(tls)) {}

AuthorityProcess::~AuthorityProcess() {
  // First whatever could call into the rest.
  if (server_ != nullptr) server_->Shutdown();
  core_.reset();
}

absl::Status AuthorityProcess::Listen() {
  ServerLimits limits;
  limits.max_reply_bytes = kMaxReplyBytes;
  ASSIGN_OR_RETURN(
      server_, GrpcServer::Create({.listen_address = options_.listen_address,
                                   .identity = tls_,
                                   .executor = options_.executor,
                                   .recorder = options_.recorder,
                                   .limits = limits}));
  for (const AuthorityCore::Method& method : AuthorityCore::Methods()) {
    methods_.Announce(method.name, method.limits, *server_);
  }
  RETURN_IF_ERROR(server_->Start());

  const std::string address = options_.advertised_address.empty()
                                  ? server_->address()
                                  : options_.advertised_address;
  if (!IsSocketAddress(address)) {
    return absl::InvalidArgumentError(
        "advertised address is no IP literal and port");
  }
  authority_ = {options_.nickname, key_.public_key(), {address, tls_.key()}};
  transport_ = std::make_unique<GrpcTransport>(
      GrpcTransport::Options{.executor = options_.executor,
                             .identity = &tls_,
                             .recorder = options_.recorder});
  return WriteFileAtomically(options_.data_directory + kPublicFile,
                             PublicText(authority_));
}

AuthorityCore::Options AuthorityProcess::CoreOptions(
    const NetworkConfig& network) const {
  AuthorityCore::Options core;
  core.network = network;
  core.params = NetworkParams::For(network);
  if (options_.swarm_size > 0) core.params.swarm_size = options_.swarm_size;
  if (options_.evict_after > absl::ZeroDuration()) {
    core.params.evict_after = options_.evict_after;
  }
  if (options_.min_overlap > absl::ZeroDuration()) {
    core.params.min_overlap = options_.min_overlap;
  }
  const bool small = network.params == NetworkConfig::Params::kSmall;
  core.voting_interval = options_.voting_interval;
  if (core.voting_interval <= absl::ZeroDuration()) {
    core.voting_interval = small ? absl::Seconds(3) : absl::Minutes(10);
  }
  core.probe_interval = options_.probe_interval;
  if (core.probe_interval <= absl::ZeroDuration()) {
    core.probe_interval = std::clamp(core.voting_interval / 3,
                                     absl::Milliseconds(500), absl::Minutes(2));
  }
  core.probe_timeout = std::min(core.probe_interval * 2, absl::Seconds(5));
  const bool private_addresses = network.allow_private_addresses;
  core.acceptable_address = [private_addresses](absl::string_view address) {
    return IsSocketAddress(address) &&
           (private_addresses || !IsPrivateAddress(address));
  };
  return core;
}

absl::Status AuthorityProcess::Join(const NetworkConfig& network) {
  ASSIGN_OR_RETURN(store_, SqliteAuthorityStore::Open(options_.data_directory +
                                                      "/authority.db"));
  ASSIGN_OR_RETURN(
      core_, AuthorityCore::Create(CoreOptions(network), key_, *transport_,
                                   options_.executor, options_.clock, *store_));
  core_->Register(methods_);
  core_->Start();
  return absl::OkStatus();
}

}  // namespace messenger::routing
