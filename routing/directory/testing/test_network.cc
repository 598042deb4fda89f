#include "routing/directory/testing/test_network.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "routing/directory/consensus_encoding.h"
#include "routing/proto/directory.pb.h"

namespace messenger::routing {
namespace {

constexpr int kAuthorities = 3;

// A draft that does not make a consensus is a mistake in the test.
template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << "TestNetwork: " << value.status() << std::endl;
    std::abort();
  }
  return *std::move(value);
}

TlsKey TlsKeyOf(const crypto::SecretBytes<32>& seed) {
  return Must(TlsKey::FromBytes(
      crypto::Ed25519PrivateKey::FromSeed(seed).public_key().bytes()));
}

}  // namespace

NetworkParams TestNetwork::SmallParams() {
  NetworkParams params;
  params.swarm_size = 3;
  params.registration_bits = 8;
  params.evict_after = absl::Minutes(2);
  params.min_overlap = absl::Seconds(10);
  params.private_addresses = true;
  return params;
}

TestNetwork::TestNetwork(int nodes, const NetworkParams& params,
                         crypto::Random& random, absl::Time now)
    : random_(random), now_(now) {
  trust_.network_id = random.Fixed<NetworkId>();
  trust_.threshold = kAuthorities / 2 + 1;
  for (int i = 0; i < kAuthorities; ++i) {
    authorities_.push_back(crypto::Ed25519PrivateKey::Generate(random));
    trust_.authorities.push_back(authorities_.back().public_key());
  }
  draft_.epoch = 1;
  draft_.valid_after = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  draft_.params = params;
  for (int i = 0; i < nodes; ++i) AddNode();
  FollowTransition();
  Adopt(now);
}

int TestNetwork::AddNode() {
  const int i = size();
  crypto::Ed25519PrivateKey identity =
      crypto::Ed25519PrivateKey::Generate(random_);
  const NodeId id = Must(NodeId::FromBytes(identity.public_key().bytes()));
  nodes_.push_back(std::make_unique<Node>(Node{
      std::move(identity), crypto::Ed25519PrivateKey::Generate(random_),
      random_.Secret<32>(), random_.Secret<32>(),
      Must(NodeKeys::Open(/*path=*/"", id, draft_.params, random_, now_))}));
  const Node& node = *nodes_.back();

  Descriptor descriptor;
  descriptor.network_id = trust_.network_id;
  descriptor.node_id = id;
  descriptor.published = draft_.valid_after;
  descriptor.relay = true;
  descriptor.storage_role = true;
  descriptor.nickname = absl::StrCat("node-", i);
  descriptor.link = {absl::StrCat("sim:", i), TlsKeyOf(node.link_tls_seed)};
  descriptor.storage = {absl::StrCat("sim:s", i),
                        TlsKeyOf(node.storage_tls_seed)};
  descriptor.storage_key = node.storage_key.public_key();
  descriptor.operator_key = random_.Fixed<OperatorKey>();
  descriptor.capacity_mib = 1024;
  descriptor.software = "test";
  node.keys->FillDescriptor(descriptor, now_);
  draft_.nodes.push_back({std::move(descriptor), /*running=*/true,
                          StorageState::kActive, draft_.valid_after,
                          /*down_since=*/std::nullopt});
  return i;
}

int TestNetwork::IndexOf(const NodeId& id) const {
  for (int i = 0; i < size(); ++i) {
    if (nodes_[i]->id() == id) return i;
  }
  return -1;
}

const std::shared_ptr<const Consensus>& TestNetwork::Reissue(
    const std::function<void(Draft&)>& edit) {
  ++draft_.epoch;
  const uint64_t transition_epoch = draft_.transition_epoch;
  edit(draft_);
  if (draft_.transition_epoch == transition_epoch) FollowTransition();
  Adopt(now_);
  return consensus_;
}

const std::shared_ptr<const Consensus>& TestNetwork::ReissueAt(
    absl::Time now, const std::function<void(Draft&)>& edit) {
  now_ = now;
  draft_.valid_after = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  for (const std::unique_ptr<Node>& node : nodes_) {
    Must(node->keys->Rotate(now));
  }
  for (Draft::Node& entry : draft_.nodes) {
    const int i = IndexOf(entry.descriptor.node_id);
    if (i >= 0) nodes_[i]->keys->FillDescriptor(entry.descriptor, now);
  }
  return Reissue(edit);
}

void TestNetwork::FollowTransition() {
  std::set<NodeId> target;
  bool pending = false;
  for (const Draft::Node& node : draft_.nodes) {
    if (IsTarget(node.storage_state)) target.insert(node.descriptor.node_id);
    pending |= IsTarget(node.storage_state) != IsServing(node.storage_state);
  }
  if (!pending) {
    draft_.transition_epoch = 0;
    draft_.transition_since.reset();
  } else if (draft_.transition_epoch == 0 || target != target_) {
    draft_.transition_epoch = draft_.epoch;
    draft_.transition_since = draft_.valid_after;
  }
  target_ = std::move(target);
}

void TestNetwork::Adopt(absl::Time now) {
  const absl::Time at = std::max(now, draft_.valid_after);
  consensus_ = Must(Consensus::Verify(Sign(draft_), trust_, at));
}

std::string TestNetwork::Sign(const Draft& draft,
                              const std::vector<int>& signers) const {
  std::vector<std::pair<NodeId, std::string>> sorted;
  for (const Draft::Node& entry : draft.nodes) {
    const int i = IndexOf(entry.descriptor.node_id);
    if (i < 0) {
      std::cerr << "TestNetwork: a drafted node is not of this network"
                << std::endl;
      std::abort();
    }
    const std::string descriptor =
        Must(SignDescriptor(entry.descriptor, nodes_[i]->identity));
    std::optional<absl::Time> down_since;
    if (!entry.running) {
      down_since = entry.down_since.value_or(draft.valid_after);
    }
    sorted.emplace_back(entry.descriptor.node_id,
                        EncodeEntry({entry.storage_state, entry.since,
                                     down_since, descriptor}));
  }
  std::sort(sorted.begin(), sorted.end());
  v1::SignedConsensus document;
  std::vector<std::string> entries;
  for (auto& [id, entry] : sorted) {
    document.add_entries(entry);
    entries.push_back(std::move(entry));
  }
  ConsensusHeader header;
  header.network_id = trust_.network_id;
  header.epoch = draft.epoch;
  if (consensus_ != nullptr) header.previous_hash = consensus_->hash();
  header.valid_after = draft.valid_after;
  header.valid_until = draft.valid_after + kConsensusLifetime;
  header.params = draft.params;
  header.transition_epoch = draft.transition_epoch;
  header.transition_since = draft.transition_since;
  header.node_count = static_cast<uint32_t>(entries.size());
  header.nodes_root = NodesRoot(entries);
  document.set_header(EncodeHeader(header));
  for (const int signer : signers) {
    v1::Signature* signature = document.add_signatures();
    signature->set_authority_key(
        std::string(authorities_[signer].public_key().bytes()));
    signature->set_signature(std::string(
        authorities_[signer]
            .Sign(crypto::SigningDomain::kConsensus, document.header())
            .bytes()));
  }
  return document.SerializeAsString();
}

}  // namespace messenger::routing
