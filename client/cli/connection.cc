#include "client/cli/connection.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/messenger/swarm_mail_service.h"
#include "client/remote/onion_client_requester.h"
#include "client/remote/swarm_client.h"
#include "client/remote/swarm_client_options.h"
#include "crypto/base/status_macros.h"
#include "routing/circuit/onion_client.h"
#include "routing/directory/consensus.h"
#include "routing/directory/directory_client.h"
#include "routing/runtime/grpc_transport.h"
#include "routing/runtime/network_config.h"

namespace messenger::client {
namespace {

using ::messenger::routing::Consensus;
using ::messenger::routing::DirectoryClient;
using ::messenger::routing::DirectoryTrust;
using ::messenger::routing::Endpoint;
using ::messenger::routing::Guard;
using ::messenger::routing::GuardState;
using ::messenger::routing::NetworkConfig;
using ::messenger::routing::NodeRecord;

constexpr char kNetworkSetting[] = "network/config";
constexpr char kConsensusSetting[] = "network/consensus";
constexpr char kGuardsSetting[] = "network/guards";

constexpr absl::Duration kDirectoryLimit = absl::Seconds(60);

absl::StatusOr<GuardState> LoadGuards(ClientStore& store) {
  ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                   store.Setting(kGuardsSetting));
  if (!bytes) return GuardState();
  absl::StatusOr<GuardState> guards = GuardState::Parse(*bytes);
  if (!guards.ok()) return absl::DataLossError("the guards are damaged");
  return guards;
}

class GrpcConnection final : public Connection {
 public:
  GrpcConnection(const Environment& environment, const NetworkConfig& config,
                 GuardState guards)
      : environment_(environment),
        seeds_(config.seeds),
        saved_guards_(guards),
        transport_(
            {environment.loop, /*identity=*/nullptr, environment.recorder}),
        directory_(transport_, environment.loop, environment.clock,
                   DirectoryTrust::For(config), config.seeds,
                   environment.random),
        paths_(environment.random, std::move(guards)),
        onion_(transport_, environment.loop, environment.clock,
               environment.random, directory_.holder(), paths_,
               environment.mode),
        requester_(onion_),
        swarm_(requester_, directory_.holder(), environment.clock,
               environment.loop, environment.random, SwarmClientOptions(),
               // Members use a newer directory than we do. Whoever was asked
               // for it last is asked again.
               [this] { directory_.Refresh([](const absl::Status&) {}); }),
        mail_(swarm_, directory_.holder()) {}

  // The directory of an earlier run; one that is no longer valid is no use.
  void Remember(absl::string_view wire) {
    if (directory_.holder().Accept(wire).ok()) {
      saved_consensus_ = std::string(wire);
    }
  }

  absl::Status Connect(Waiter& waiter) override {
    const std::vector<Endpoint> guards = GuardEndpoints();
    if (environment_.on_progress) {
      environment_.on_progress("fetching the directory");
    }
    absl::Status status = absl::UnavailableError("no relay is known");
    if (!guards.empty()) {
      directory_.SetSources(guards);
      status = Refresh(waiter);
    }
    if (!status.ok() && !absl::IsCancelled(status)) {
      directory_.SetSources(seeds_);
      status = Refresh(waiter);
    }
    const std::shared_ptr<const Consensus> held = directory_.holder().current();
    if (status.ok() ||
        (held != nullptr && held->valid_until() > environment_.clock.Now() &&
         !absl::IsCancelled(status))) {
      return absl::OkStatus();
    }
    return absl::UnavailableError(
        absl::StrCat("no directory could be had (", status.message(), ")"));
  }

  MailService& mail() override { return mail_; }

  absl::Status Save() override {
    return environment_.store.Transaction([this]() -> absl::Status {
      const std::shared_ptr<const Consensus> held =
          directory_.holder().current();
      if (held != nullptr && held->wire() != saved_consensus_) {
        RETURN_IF_ERROR(
            environment_.store.SetSetting(kConsensusSetting, held->wire()));
        saved_consensus_ = held->wire();
      }
      if (paths_.guards() == saved_guards_) return absl::OkStatus();
      RETURN_IF_ERROR(environment_.store.SetSetting(
          kGuardsSetting, paths_.guards().Serialize()));
      saved_guards_ = paths_.guards();
      return absl::OkStatus();
    });
  }

 private:
  // Whoever is asked for the directory sees our address: the guards see it
  // anyway, nobody else should.
  std::vector<Endpoint> GuardEndpoints() {
    std::vector<Endpoint> endpoints;
    const std::shared_ptr<const Consensus> held = directory_.holder().current();
    if (held == nullptr) return endpoints;
    for (const Guard& guard : paths_.guards().guards) {
      const NodeRecord* node = held->Find(guard.node);
      if (node != nullptr && node->running) endpoints.push_back(node->link);
    }
    return endpoints;
  }

  absl::Status Refresh(Waiter& waiter) {
    auto result = std::make_shared<std::optional<absl::Status>>();
    directory_.Refresh(
        [result](absl::Status status) { *result = std::move(status); });
    waiter.RunUntil([&] { return result->has_value(); }, kDirectoryLimit);
    if (*result) return **result;
    return absl::CancelledError("stopped before an answer came");
  }

  const Environment environment_;
  const std::vector<Endpoint> seeds_;
  GuardState saved_guards_;
  std::string saved_consensus_;
  routing::GrpcTransport transport_;
  DirectoryClient directory_;
  routing::PathSelector paths_;
  routing::OnionClient onion_;
  OnionClientRequester requester_;
  SwarmClient swarm_;
  SwarmMailService mail_;
};

}  // namespace

absl::Status AdoptNetwork(ClientStore& store, absl::string_view network_text) {
  ASSIGN_OR_RETURN(const NetworkConfig config,
                   NetworkConfig::Parse(network_text));
  if (config.seeds.empty()) {
    return absl::InvalidArgumentError("it names no seeds");
  }
  ASSIGN_OR_RETURN(const std::optional<std::string> known,
                   store.Setting(kNetworkSetting));
  if (known) {
    if (*known == network_text) return absl::OkStatus();
    const absl::StatusOr<NetworkConfig> before = NetworkConfig::Parse(*known);
    if (!before.ok()) return absl::DataLossError("the network is damaged");
    if (before->network_id != config.network_id) {
      return absl::FailedPreconditionError("another network");
    }
  }
  return store.SetSetting(kNetworkSetting, network_text);
}

absl::StatusOr<std::string> ShortNetwork(ClientStore& store, size_t max_bytes) {
  ASSIGN_OR_RETURN(const std::optional<std::string> known,
                   store.Setting(kNetworkSetting));
  if (!known) return "";
  absl::StatusOr<NetworkConfig> config = NetworkConfig::Parse(*known);
  if (!config.ok()) return absl::DataLossError("the network is damaged");
  std::string text = config->ToText();
  while (text.size() > max_bytes && config->seeds.size() > 1) {
    config->seeds.pop_back();
    text = config->ToText();
  }
  return text.size() <= max_bytes ? text : std::string();
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Create(
    const Environment& environment) {
  ASSIGN_OR_RETURN(const std::optional<std::string> text,
                   environment.store.Setting(kNetworkSetting));
  if (!text) return absl::FailedPreconditionError("no network is known");
  const absl::StatusOr<NetworkConfig> config = NetworkConfig::Parse(*text);
  if (!config.ok()) return absl::DataLossError("the network is damaged");
  ASSIGN_OR_RETURN(GuardState guards, LoadGuards(environment.store));
  auto connection =
      std::make_unique<GrpcConnection>(environment, *config, std::move(guards));
  ASSIGN_OR_RETURN(const std::optional<std::string> consensus,
                   environment.store.Setting(kConsensusSetting));
  if (consensus) connection->Remember(*consensus);
  return connection;
}

}  // namespace messenger::client
