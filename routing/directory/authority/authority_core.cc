#include "routing/directory/authority/authority_core.h"

#include <algorithm>
#include <utility>

#include "crypto/base/status_macros.h"
#include "routing/directory/consensus_encoding.h"
#include "routing/directory/descriptor_publisher.h"
#include "routing/directory/directory_client.h"
#include "routing/directory/storage_report.h"
#include "routing/directory/storage_reporter.h"
#include "routing/proto/directory.pb.h"

namespace messenger::routing {
namespace {

// Protocol bounds of requests, with room for the message around the bytes.
constexpr MethodLimits kPublishLimits = {kMaxDescriptorBytes + 64, 64};
constexpr MethodLimits kReportStorageLimits = {kStorageReportBytes + 64, 64};
constexpr MethodLimits kGetConsensusLimits = {256, 256};
constexpr MethodLimits kVoteLimits = {kMaxVoteBytes + 1024 * 1024, 32};
constexpr MethodLimits kSignaturesLimits = {8 * 1024, 32};

// Parts of the voting interval.
constexpr double kCompareAt = 0.3;
constexpr double kComputeAt = 0.6;
constexpr double kCatchUpAt = 0.8;
constexpr double kCallsTakeAtMost = 0.25;
constexpr absl::Duration kLongestCall = absl::Seconds(30);

template <typename Message>
absl::StatusOr<Message> Parse(absl::string_view bytes) {
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError("malformed request");
  }
  return message;
}

template <typename Field>
std::vector<std::string> ToVector(const Field& field) {
  return {field.begin(), field.end()};
}

template <typename Field>
std::map<crypto::Ed25519PublicKey, std::string> ReadSignatures(
    const Field& field) {
  std::map<crypto::Ed25519PublicKey, std::string> signatures;
  for (const v1::Signature& signature : field) {
    const auto key =
        crypto::Ed25519PublicKey::FromBytes(signature.authority_key());
    if (key.ok()) signatures.emplace(*key, signature.signature());
  }
  return signatures;
}

template <typename Field>
void WriteSignatures(
    const std::map<crypto::Ed25519PublicKey, std::string>& signatures,
    Field* field) {
  for (const auto& [key, bytes] : signatures) {
    v1::Signature* signature = field->Add();
    signature->set_authority_key(std::string(key.bytes()));
    signature->set_signature(bytes);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuthorityCore>> AuthorityCore::Create(
    Options options, const crypto::Ed25519PrivateKey& key, Transport& transport,
    Executor& executor, const Clock& clock, AuthorityStore& store) {
  RETURN_IF_ERROR(options.params.Check());
  if (options.voting_interval < kShortestVotingInterval ||
      options.voting_interval > kLongestVotingInterval ||
      options.probe_interval <= absl::ZeroDuration() ||
      options.probe_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("voting or probe interval out of range");
  }
  const auto& authorities = options.network.authorities;
  if (std::none_of(authorities.begin(), authorities.end(),
                   [&](const NetworkConfig::Authority& authority) {
                     return authority.key == key.public_key();
                   })) {
    return absl::InvalidArgumentError(
        "the network's configuration does not name this authority");
  }
  // Not make_unique: the constructor is private.
  std::unique_ptr<AuthorityCore> core(new AuthorityCore(
      std::move(options), key, transport, executor, clock, store));
  RETURN_IF_ERROR(core->Load());
  return core;
}

AuthorityCore::AuthorityCore(Options options,
                             const crypto::Ed25519PrivateKey& key,
                             Transport& transport, Executor& executor,
                             const Clock& clock, AuthorityStore& store)
    : options_(std::move(options)),
      key_(key),
      transport_(transport),
      executor_(executor),
      clock_(clock),
      store_(store),
      trust_(DirectoryTrust::For(options_.network)),
      holder_(trust_, clock),
      mirror_(holder_),
      table_(options_.network.network_id, options_.params,
             options_.acceptable_address, store),
      prober_(transport, options_.probe_timeout,
              [this](const NodeId& id, absl::Time published, bool reachable) {
                // A disk that refuses costs the memory of an outage over a
                // restart, no more.
                table_.ReportProbe(id, published, reachable, clock_.Now())
                    .IgnoreError();
              }),
      self_(std::make_shared<AuthorityCore*>(this)) {
  for (const NetworkConfig::Authority& authority :
       options_.network.authorities) {
    if (authority.key != key.public_key()) others_.push_back(authority);
  }
}

AuthorityCore::~AuthorityCore() = default;

absl::Status AuthorityCore::Load() {
  RETURN_IF_ERROR(table_.Load());
  const absl::StatusOr<std::string> wire = store_.LoadConsensus();
  if (wire.ok()) {
    const absl::Status held = holder_.Accept(*wire);
    if (!held.ok()) {
      // Too old to serve, or from the future of a clock that was set back;
      // still what comes next must build on it.
      v1::SignedConsensus document;
      if (!document.ParseFromString(*wire)) {
        return absl::DataLossError("the stored consensus is damaged");
      }
      ASSIGN_OR_RETURN(const ConsensusHeader header,
                       ParseHeader(document.header()));
      ASSIGN_OR_RETURN(expired_,
                       Consensus::Verify(*wire, trust_, header.valid_after));
      holder_.SetFloor(expired_->epoch() + 1);
    }
  } else if (!absl::IsNotFound(wire.status())) {
    return wire.status();
  }
  holder_.AddObserver([this](const std::shared_ptr<const Consensus>& accepted) {
    // Others hold it as well: without a disk it is fetched again.
    store_.SaveConsensus(accepted->wire()).IgnoreError();
    LearnFrom(*accepted);
  });
  return absl::OkStatus();
}

const Consensus* AuthorityCore::Previous() const {
  // Held by the holder, or here: it lives at least until the next Accept().
  const std::shared_ptr<const Consensus> current = holder_.current();
  return current != nullptr ? current.get() : expired_.get();
}

std::vector<AuthorityCore::Method> AuthorityCore::Methods() {
  return {{kPublishMethod, kPublishLimits},
          {kReportStorageMethod, kReportStorageLimits},
          {kGetConsensusMethod, kGetConsensusLimits},
          {kVoteMethod, kVoteLimits},
          {kSignaturesMethod, kSignaturesLimits}};
}

void AuthorityCore::Register(Server& server) {
  server.HandleMethod(kPublishMethod, kPublishLimits,
                      [this](const Peer&, std::string request, Reply reply) {
                        reply(OnPublish(request));
                      });
  server.HandleMethod(kReportStorageMethod, kReportStorageLimits,
                      [this](const Peer&, std::string request, Reply reply) {
                        reply(OnReportStorage(request));
                      });
  server.HandleMethod(
      kGetConsensusMethod, kGetConsensusLimits,
      [this](const Peer& peer, std::string request, Reply reply) {
        reply(OnGetConsensus(peer, request));
      });
  server.HandleMethod(kVoteMethod, kVoteLimits,
                      [this](const Peer& peer, std::string request,
                             Reply reply) { reply(OnVote(peer, request)); });
  server.HandleMethod(
      kSignaturesMethod, kSignaturesLimits,
      [this](const Peer& peer, std::string request, Reply reply) {
        reply(OnSignatures(peer, request));
      });
}

void AuthorityCore::Start() {
  ProbeAll();
  ScheduleNextRound();
}

void AuthorityCore::After(absl::Duration delay,
                          std::function<void(AuthorityCore&)> action) {
  executor_.RunAfter(delay, [self = std::weak_ptr<AuthorityCore*>(self_),
                             action = std::move(action)] {
    if (const auto core = self.lock()) action(**core);
  });
}

absl::Duration AuthorityCore::CallTimeout() const {
  return std::min(options_.voting_interval * kCallsTakeAtMost, kLongestCall);
}

// Rounds.

uint64_t AuthorityCore::EpochAt(absl::Time now) const {
  return static_cast<uint64_t>((now - absl::UnixEpoch()) /
                               options_.voting_interval);
}

absl::Time AuthorityCore::StartOf(uint64_t epoch) const {
  return absl::UnixEpoch() +
         options_.voting_interval * static_cast<int64_t>(epoch);
}

AuthorityCore::Round* AuthorityCore::RoundOf(uint64_t epoch) {
  const uint64_t current = EpochAt(clock_.Now());
  const auto it = rounds_.find(epoch);
  if (it != rounds_.end()) return &it->second;
  // Another's clock may be a little ahead.
  if (epoch != current && epoch != current + 1) return nullptr;
  Round& round =
      rounds_.try_emplace(epoch, trust_, epoch, StartOf(epoch)).first->second;
  round.held.resize(others_.size());
  return &round;
}

void AuthorityCore::ScheduleNextRound() {
  const absl::Time now = clock_.Now();
  const uint64_t next = EpochAt(now) + 1;
  After(StartOf(next) - now, [next](AuthorityCore& core) {
    // A timer may be early by a rounding of the clock.
    if (core.clock_.Now() >= core.StartOf(next)) core.BeginRound(next);
    core.ScheduleNextRound();
  });
}

void AuthorityCore::BeginRound(uint64_t epoch) {
  const absl::Time now = clock_.Now();
  table_.Forget(now).IgnoreError();
  // Only here, where nothing refers to an earlier round.
  rounds_.erase(rounds_.begin(), rounds_.lower_bound(epoch - 1));
  Round* round = RoundOf(epoch);
  const Consensus* previous = Previous();
  if (round == nullptr || round->voted ||
      (previous != nullptr && previous->epoch() >= epoch)) {
    return;
  }
  Vote vote;
  vote.network_id = trust_.network_id;
  vote.epoch = epoch;
  vote.valid_after = StartOf(epoch);
  if (previous != nullptr) {
    vote.previous_epoch = previous->epoch();
    vote.previous_hash = previous->hash();
  }
  vote.params = options_.params;
  vote.entries = table_.Entries(now);
  // A vote of this epoch that was given before a restart is given again: a
  // second, different one would void both.
  const absl::StatusOr<std::string> kept =
      store_.KeepVote(epoch, SignVote(std::move(vote), key_));
  if (!kept.ok() || !round->votes.Add(*kept).ok()) {
    ++counters_.too_few_votes;
    return;
  }
  round->voted = true;
  const absl::Duration interval = options_.voting_interval;
  After(interval * kCompareAt,
        [epoch](AuthorityCore& core) { core.Compare(epoch); });
  After(interval * kComputeAt,
        [epoch](AuthorityCore& core) { core.Compute(epoch); });
  After(interval * kCatchUpAt,
        [epoch](AuthorityCore& core) { core.CatchUp(epoch); });
  for (size_t i = 0; i < others_.size(); ++i) SendVotes(epoch, i);
  AfterVotes(epoch);
}

void AuthorityCore::SendVotes(uint64_t epoch, size_t other) {
  Round* round = RoundOf(epoch);
  if (round == nullptr) return;
  v1::VoteRequest request;
  request.set_epoch(epoch);
  for (std::string& vote : round->votes.VotesExcept(round->held[other])) {
    request.add_votes(std::move(vote));
  }
  for (std::string& hash : round->votes.Hashes()) {
    request.add_held(std::move(hash));
  }
  const bool comparing = round->comparing;
  transport_.Call(
      others_[other].endpoint, kVoteMethod, request.SerializeAsString(),
      CallTimeout(),
      [self = std::weak_ptr<AuthorityCore*>(self_), epoch, other,
       comparing](absl::StatusOr<std::string> reply) {
        const auto alive = self.lock();
        if (alive == nullptr || !reply.ok()) return;
        AuthorityCore& core = **alive;
        Round* round = core.RoundOf(epoch);
        const auto response = Parse<v1::VoteResponse>(*reply);
        if (round == nullptr || !response.ok() ||
            !core.TakeVotes(epoch, *round, other, ToVector(response->votes()),
                            ToVector(response->held()))
                 .ok()) {
          return;
        }
        if (comparing) round->compared.insert(other);
        core.AfterVotes(epoch);
      });
}

absl::Status AuthorityCore::TakeVotes(uint64_t epoch, Round& round,
                                      size_t other,
                                      const std::vector<std::string>& votes,
                                      const std::vector<std::string>& held) {
  // Two per authority at most.
  const size_t limit = 2 * trust_.authorities.size();
  if (votes.size() > limit || held.size() > limit) {
    return absl::InvalidArgumentError("too many votes");
  }
  for (const std::string& hash : held) {
    if (hash.size() != crypto::Digest256::kSize) {
      return absl::InvalidArgumentError("malformed hash of a vote");
    }
  }
  const int equivocations = round.votes.equivocations();
  for (const std::string& vote : votes) {
    RETURN_IF_ERROR(round.votes.Add(vote));
  }
  counters_.equivocations += round.votes.equivocations() - equivocations;
  round.held[other] = {held.begin(), held.end()};
  const Consensus* previous = Previous();
  const uint64_t newest = previous == nullptr ? 0 : previous->epoch();
  if (!round.fetching && round.votes.NewestPrevious() > newest) {
    round.fetching = true;
    FetchFrom(other, [epoch](AuthorityCore& core) {
      Round* round = core.RoundOf(epoch);
      if (round == nullptr) return;
      round->fetching = false;
      core.AfterVotes(epoch);
    });
  }
  return absl::OkStatus();
}

void AuthorityCore::AfterVotes(uint64_t epoch) {
  Round* round = RoundOf(epoch);
  if (round == nullptr || !round->voted) return;
  if (!round->comparing) {
    if (round->votes.complete()) Compare(epoch);
    return;
  }
  if (round->compared.size() == others_.size() && !round->fetching) {
    Compute(epoch);
  }
}

void AuthorityCore::Compare(uint64_t epoch) {
  Round* round = RoundOf(epoch);
  if (round == nullptr || round->comparing) return;
  round->comparing = true;
  for (size_t i = 0; i < others_.size(); ++i) SendVotes(epoch, i);
  AfterVotes(epoch);
}

void AuthorityCore::Compute(uint64_t epoch) {
  Round* round = RoundOf(epoch);
  if (round == nullptr || round->signing_over) return;
  round->signing_over = true;
  const Consensus* previous = Previous();
  const std::vector<const Vote*> votes = round->votes.Counted(previous);
  if (votes.size() < static_cast<size_t>(trust_.threshold)) {
    ++counters_.too_few_votes;
    return;
  }
  absl::StatusOr<ComputedConsensus> computed =
      ComputeConsensus(votes, previous);
  if (!computed.ok()) {
    ++counters_.too_few_votes;
    return;
  }
  // On disk before the signature exists: a restart never signs another.
  if (!store_.RecordSigned(epoch, ConsensusHash(computed->header)).ok()) {
    ++counters_.refused_to_sign;
    return;
  }
  round->computed = *std::move(computed);
  const std::string& header = round->computed->header;
  round->signatures[header][key_.public_key()] =
      std::string(key_.Sign(crypto::SigningDomain::kConsensus, header).bytes());
  PublishIfSigned(epoch);
  SendSignatures(epoch);
}

void AuthorityCore::SendSignatures(uint64_t epoch) {
  Round* round = RoundOf(epoch);
  if (round == nullptr || !round->computed.has_value()) return;
  v1::SignaturesRequest request;
  request.set_header(round->computed->header);
  WriteSignatures(round->signatures[round->computed->header],
                  request.mutable_signatures());
  const std::string bytes = request.SerializeAsString();
  for (const NetworkConfig::Authority& other : others_) {
    transport_.Call(
        other.endpoint, kSignaturesMethod, bytes, CallTimeout(),
        [self = std::weak_ptr<AuthorityCore*>(self_),
         epoch](absl::StatusOr<std::string> reply) {
          const auto alive = self.lock();
          if (alive == nullptr || !reply.ok()) return;
          AuthorityCore& core = **alive;
          Round* round = core.RoundOf(epoch);
          const auto response = Parse<v1::SignaturesResponse>(*reply);
          if (round == nullptr || !response.ok() ||
              response->header().empty()) {
            return;
          }
          if (core.AddSignatures(*round, response->header(),
                                 ReadSignatures(response->signatures()))
                  .ok()) {
            core.PublishIfSigned(epoch);
          }
        });
  }
}

absl::Status AuthorityCore::AddSignatures(Round& round,
                                          const std::string& header,
                                          const SignatureSet& signatures) {
  for (const auto& [key, bytes] : signatures) {
    // The first signature of an authority is the one that counts here; so
    // there are no more headers than authorities.
    const bool known =
        std::any_of(round.signatures.begin(), round.signatures.end(),
                    [&key = key](const auto& signed_header) {
                      return signed_header.second.contains(key);
                    });
    if (known) continue;
    if (std::find(trust_.authorities.begin(), trust_.authorities.end(), key) ==
        trust_.authorities.end()) {
      return absl::PermissionDeniedError("signature of no authority");
    }
    ASSIGN_OR_RETURN(const crypto::Ed25519Signature signature,
                     crypto::Ed25519Signature::FromBytes(bytes));
    RETURN_IF_ERROR(crypto::Verify(key, crypto::SigningDomain::kConsensus,
                                   header, signature));
    round.signatures[header][key] = bytes;
    if (round.computed.has_value() && round.computed->header != header) {
      ++counters_.different_results;
    }
  }
  return absl::OkStatus();
}

void AuthorityCore::PublishIfSigned(uint64_t epoch) {
  Round* round = RoundOf(epoch);
  if (round == nullptr || !round->computed.has_value()) return;
  const SignatureSet& signatures = round->signatures[round->computed->header];
  const Consensus* previous = Previous();
  if (signatures.size() < static_cast<size_t>(trust_.threshold) ||
      (previous != nullptr && previous->epoch() >= epoch)) {
    return;
  }
  v1::SignedConsensus document;
  document.set_header(round->computed->header);
  for (const std::string& entry : round->computed->entries) {
    document.add_entries(entry);
  }
  WriteSignatures(signatures, document.mutable_signatures());
  if (holder_.Accept(document.SerializeAsString()).ok()) {
    ++counters_.published;
  }
}

void AuthorityCore::CatchUp(uint64_t epoch) {
  const Consensus* previous = Previous();
  if (previous != nullptr && previous->epoch() >= epoch) return;
  for (size_t i = 0; i < others_.size(); ++i) {
    FetchFrom(i, [](AuthorityCore&) {});
  }
}

void AuthorityCore::FetchFrom(size_t other,
                              std::function<void(AuthorityCore&)> done) {
  transport_.Call(
      others_[other].endpoint, kGetConsensusMethod,
      v1::GetConsensusRequest().SerializeAsString(), CallTimeout(),
      [self = std::weak_ptr<AuthorityCore*>(self_),
       done = std::move(done)](absl::StatusOr<std::string> reply) {
        const auto alive = self.lock();
        if (alive == nullptr) return;
        AuthorityCore& core = **alive;
        if (reply.ok()) {
          const auto response = Parse<v1::GetConsensusResponse>(*reply);
          if (response.ok() && response->has_full()) {
            // Refused if it is not newer, which is no news.
            core.holder_.Accept(response->full().SerializeAsString())
                .IgnoreError();
          }
        }
        done(core);
      });
}

// RPCs.

absl::StatusOr<std::string> AuthorityCore::OnPublish(absl::string_view bytes) {
  ASSIGN_OR_RETURN(const v1::PublishRequest request,
                   Parse<v1::PublishRequest>(bytes));
  const absl::string_view descriptor = request.signed_descriptor();
  RETURN_IF_ERROR(CheckKeepsRole(descriptor));
  ASSIGN_OR_RETURN(const bool news, table_.Publish(descriptor, clock_.Now()));
  if (news) {
    ASSIGN_OR_RETURN(const NodeId id, NodeIdOfDescriptor(descriptor));
    prober_.Probe(table_.nodes().at(id).descriptor);
  }
  return v1::PublishResponse().SerializeAsString();
}

// A node that stores messages must leave before it is a mere relay: the
// consensus would keep its old descriptor, and in the end old keys.
absl::Status AuthorityCore::CheckKeepsRole(
    absl::string_view signed_descriptor) const {
  const Consensus* previous = Previous();
  if (previous == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const NodeId id, NodeIdOfDescriptor(signed_descriptor));
  const NodeRecord* node = previous->Find(id);
  if (node == nullptr || (!node->serving() && !node->target())) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Descriptor descriptor,
                   ParseDescriptor(signed_descriptor));
  if (descriptor.storage_role) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the node stores messages: it has to leave before it gives up its role");
}

absl::StatusOr<std::string> AuthorityCore::OnReportStorage(
    absl::string_view bytes) {
  ASSIGN_OR_RETURN(const v1::ReportStorageRequest request,
                   Parse<v1::ReportStorageRequest>(bytes));
  const absl::Time now = clock_.Now();
  // The node's clock, by which the next consensus has begun, may be ahead.
  RETURN_IF_ERROR(
      table_.Report(request.signed_report(), EpochAt(now) + 1, now));
  return v1::ReportStorageResponse().SerializeAsString();
}

absl::StatusOr<std::string> AuthorityCore::OnGetConsensus(
    const Peer& peer, absl::string_view request) {
  // Nodes only: an authority is not to learn the addresses of people.
  if (!peer.tls_key.has_value()) {
    return absl::PermissionDeniedError("ask a relay");
  }
  return mirror_.Answer(request);
}

absl::StatusOr<size_t> AuthorityCore::OtherAuthority(const Peer& peer) const {
  for (size_t i = 0; i < others_.size(); ++i) {
    if (peer.tls_key.has_value() &&
        *peer.tls_key == others_[i].endpoint.tls_key) {
      return i;
    }
  }
  return absl::PermissionDeniedError("for authorities only");
}

absl::StatusOr<std::string> AuthorityCore::OnVote(const Peer& peer,
                                                  absl::string_view bytes) {
  ASSIGN_OR_RETURN(const size_t other, OtherAuthority(peer));
  ASSIGN_OR_RETURN(const v1::VoteRequest request,
                   Parse<v1::VoteRequest>(bytes));
  const uint64_t epoch = request.epoch();
  Round* round = RoundOf(epoch);
  if (round == nullptr) {
    return absl::FailedPreconditionError("not the time for this vote");
  }
  RETURN_IF_ERROR(TakeVotes(epoch, *round, other, ToVector(request.votes()),
                            ToVector(request.held())));
  // After the answer.
  After(absl::ZeroDuration(),
        [epoch](AuthorityCore& core) { core.AfterVotes(epoch); });
  v1::VoteResponse response;
  for (std::string& vote : round->votes.VotesExcept(round->held[other])) {
    response.add_votes(std::move(vote));
  }
  for (std::string& hash : round->votes.Hashes()) {
    response.add_held(std::move(hash));
  }
  return response.SerializeAsString();
}

absl::StatusOr<std::string> AuthorityCore::OnSignatures(
    const Peer& peer, absl::string_view bytes) {
  RETURN_IF_ERROR(OtherAuthority(peer).status());
  ASSIGN_OR_RETURN(const v1::SignaturesRequest request,
                   Parse<v1::SignaturesRequest>(bytes));
  ASSIGN_OR_RETURN(const ConsensusHeader header, ParseHeader(request.header()));
  const uint64_t epoch = header.epoch;
  Round* round = RoundOf(epoch);
  if (round == nullptr || header.network_id != trust_.network_id) {
    return absl::FailedPreconditionError("not the time for this signature");
  }
  RETURN_IF_ERROR(AddSignatures(*round, request.header(),
                                ReadSignatures(request.signatures())));
  PublishIfSigned(epoch);
  v1::SignaturesResponse response;
  if (round->computed.has_value()) {
    response.set_header(round->computed->header);
    WriteSignatures(round->signatures[round->computed->header],
                    response.mutable_signatures());
  }
  return response.SerializeAsString();
}

// Nodes.

void AuthorityCore::ProbeAll() {
  for (const auto& [id, node] : table_.nodes()) {
    prober_.Probe(node.descriptor);
  }
  After(options_.probe_interval, [](AuthorityCore& core) { core.ProbeAll(); });
}

void AuthorityCore::LearnFrom(const Consensus& consensus) {
  for (size_t i = 0; i < consensus.nodes().size(); ++i) {
    const absl::StatusOr<ConsensusEntry> entry =
        ParseEntry(consensus.entries()[i]);
    if (!entry.ok()) continue;
    const NodeId& id = consensus.nodes()[i].id;
    const auto known = table_.nodes().find(id);
    if (known != table_.nodes().end() &&
        known->second.bytes == entry->descriptor) {
      continue;
    }
    const absl::StatusOr<bool> news =
        table_.Learn(entry->descriptor, clock_.Now());
    if (news.ok() && *news) prober_.Probe(table_.nodes().at(id).descriptor);
  }
}

}  // namespace messenger::routing
