#include "swarm/testing/simulated_swarm.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "routing/endpoint/endpoint_handler.h"
#include "swarm/auth/registration.h"
#include "swarm/placement/placement.h"

namespace messenger::swarm {
namespace {

const routing::NodeRecord& RecordOf(const routing::TestNetwork& paper,
                                    const routing::NodeId& id) {
  const routing::NodeRecord* record = paper.consensus()->Find(id);
  if (record == nullptr) std::abort();
  return *record;
}

}  // namespace

SimulatedSwarm::SimulatedSwarm(int nodes, uint64_t seed,
                               const routing::NetworkParams& params)
    : random_(seed),
      executor_(clock_),
      network_(random_, executor_),
      paper_(nodes, params, random_, clock_.Now()),
      directory_(paper_.trust(), clock_) {
  if (!directory_.Accept(paper_.consensus()->wire()).ok()) std::abort();
  for (int i = 0; i < nodes; ++i) {
    auto node = std::make_unique<Node>();
    node->id = paper_.node(i).id();
    const routing::Endpoint& storage = RecordOf(paper_, node->id).storage;
    node->host = &network_.AddHost(storage.address, storage.tls_key);
    node->store = std::make_unique<InMemoryStore>(random_);
    nodes_.push_back(std::move(node));
    StartProcess(*nodes_.back());
  }
  Settle();
}

SimulatedSwarm::~SimulatedSwarm() {
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    if (!crashed(i)) Crash(i);
  }
}

void SimulatedSwarm::StartProcess(Node& node) {
  node.directory =
      std::make_unique<routing::ConsensusHolder>(paper_.trust(), clock_);
  if (!node.directory->Accept(paper_.consensus()->wire()).ok()) std::abort();
  node.process = std::make_unique<StorageNode>(StorageNode::Options{
      .id = node.id,
      .storage_key = paper_.node(paper_.IndexOf(node.id)).storage_key,
      .directory = *node.directory,
      .store = *node.store,
      .transport = node.host->transport(),
      .core = executor_,
      .disk = executor_,
      .clock = clock_,
      .random = random_,
      .on_ready = nullptr});
  node.process->Serve(RecordOf(paper_, node.id).link.tls_key,
                      node.host->server());
  node.process->Start(nullptr);
}

std::vector<int> SimulatedSwarm::Members(const MailboxAddress& mailbox) const {
  std::vector<int> members;
  for (const routing::NodeId& id :
       Placement(paper_.consensus()).Members(mailbox)) {
    members.push_back(paper_.IndexOf(id));
  }
  return members;
}

void SimulatedSwarm::Crash(int i) {
  network_.Crash(*nodes_[i]->host);
  nodes_[i]->process.reset();
}

void SimulatedSwarm::Restart(int i) {
  network_.Restart(*nodes_[i]->host);
  StartProcess(*nodes_[i]);
}

void SimulatedSwarm::Wipe(int i, uint64_t capacity_bytes) {
  if (!crashed(i)) Crash(i);
  nodes_[i]->store = std::make_unique<InMemoryStore>(random_, capacity_bytes);
  Restart(i);
}

void SimulatedSwarm::Reissue(
    const std::function<void(routing::TestNetwork::Draft&)>& edit,
    const std::vector<int>& informed) {
  const std::string wire = paper_.Reissue(edit)->wire();
  if (!directory_.Accept(wire).ok()) std::abort();
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    const bool told =
        informed.empty() ||
        std::find(informed.begin(), informed.end(), i) != informed.end();
    if (told && !nodes_[i]->directory->Accept(wire).ok()) std::abort();
  }
}

void SimulatedSwarm::Settle() {
  const bool settled = executor_.RunUntil(
      [this] {
        return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
          return node->process == nullptr ||
                 node->process->repair().ReadyEpoch() ==
                     node->directory->current()->epoch();
        });
      },
      absl::Minutes(5));
  if (!settled) std::abort();
}

void SimulatedSwarm::Register(const crypto::AccountKeys& account) {
  Register(MailboxAddress::ForAccount(account.id()), account.signing_key(),
           std::string(account.signing_key().public_key().bytes()));
}

void SimulatedSwarm::Register(const crypto::Ed25519PrivateKey& read_key,
                              const crypto::Ed25519PublicKey& write_key) {
  Register(MailboxAddress::ForPair(read_key.public_key(), write_key), read_key,
           absl::StrCat(read_key.public_key().bytes(), write_key.bytes()));
}

void SimulatedSwarm::Register(const MailboxAddress& mailbox,
                              const crypto::Ed25519PrivateKey& reader,
                              std::string keys) {
  const uint64_t now_ms = NowMs();
  RegistrationTerms terms{.mailbox = mailbox, .timestamp_ms = now_ms};
  terms.proof_nonce = FindRegistrationNonce(
                          terms, paper_.consensus()->params().registration_bits,
                          0, uint64_t{1} << 40)
                          .value();
  PutAtMembers(
      mailbox,
      PutRegistration{.mailbox = mailbox,
                      .id = RegistrationId(terms),
                      .timestamp_ms = now_ms,
                      .proof_nonce = terms.proof_nonce,
                      .proof = absl::StrCat(
                          keys, SignRegistration(reader, terms).bytes())});
}

void SimulatedSwarm::PutIntoInbox(const crypto::AccountId& account,
                                  const std::string& payload) {
  const MailboxAddress inbox = MailboxAddress::ForAccount(account);
  PutAtMembers(inbox, PutMessage{.mailbox = inbox,
                                 .ns = MailboxNamespace::kInbox,
                                 .id = ComputeMessageId(
                                     inbox, MailboxNamespace::kInbox, payload),
                                 .payload = payload,
                                 .expiry_ms = NowMs() + 3'600'000,
                                 .proof = ""});
}

void SimulatedSwarm::PutAtMembers(const MailboxAddress& mailbox,
                                  const StoreOp& op) {
  for (const int i : Members(mailbox)) {
    const auto applied =
        nodes_[i]->store->Apply(absl::MakeConstSpan(&op, 1), NowMs());
    if (!applied.ok() || applied->front() != OpResult::kDone) std::abort();
  }
}

uint64_t SimulatedSwarm::NowMs() const {
  return static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()));
}

void SimulatedSwarm::Deliver(const routing::NodeId& node, uint8_t service,
                             std::string request, routing::Reply reply) {
  const int i = paper_.IndexOf(node);
  if (i < 0 || crashed(i)) return;
  nodes_[i]->process->endpoint().Handle(service, std::move(request),
                                        std::move(reply));
}

}  // namespace messenger::swarm
