// A directory authority: takes descriptors, probes nodes, and agrees with the
// other authorities on a consensus once per voting interval
// (routing/directory/SPEC.md, section 5).
//
//   start of interval E   every authority sends its vote to every other
//   all heard, or +30 %   each compares what it heard with every other
//   all compared, +60 %   each computes, signs at most one, sends signatures
//   k signatures          published
//   +80 %                 whoever has none asks the others
//
// An authority that signs must have compared votes first: one that tells two
// stories is found out, and its votes are void. Belongs to one executor.

#ifndef ROUTING_DIRECTORY_AUTHORITY_AUTHORITY_CORE_H_
#define ROUTING_DIRECTORY_AUTHORITY_AUTHORITY_CORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/authority/authority_store.h"
#include "routing/directory/authority/compute_consensus.h"
#include "routing/directory/authority/node_table.h"
#include "routing/directory/authority/reachability_prober.h"
#include "routing/directory/authority/voting_round.h"
#include "routing/directory/consensus_holder.h"
#include "routing/directory/directory_mirror.h"
#include "routing/directory/network_params.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/network_config.h"
#include "routing/runtime/server.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

inline constexpr char kVoteMethod[] = "/messenger.routing.v1.Directory/Vote";
inline constexpr char kSignaturesMethod[] =
    "/messenger.routing.v1.Directory/Signatures";

class AuthorityCore final {
 public:
  struct Options {
    NetworkConfig network;
    NetworkParams params;
    // Equal at all authorities of a network, and never made longer later.
    absl::Duration voting_interval = absl::Minutes(10);
    absl::Duration probe_interval = absl::Minutes(2);
    absl::Duration probe_timeout = absl::Seconds(5);
    // Which addresses nodes may have.
    std::function<bool(absl::string_view)> acceptable_address;
  };

  // What happened, for tests and metrics.
  struct Counters {
    int published = 0;          // Consensuses with enough signatures.
    int equivocations = 0;      // Authorities that gave two votes.
    int too_few_votes = 0;      // Rounds without a computation.
    int different_results = 0;  // Signatures of a consensus not computed here.
    int refused_to_sign = 0;    // The store had another for the epoch.
  };

  // All references must outlive the core. INVALID_ARGUMENT if `key` is none of
  // the network's authorities or an interval is out of range; DATA_LOSS if the
  // store is damaged.
  static absl::StatusOr<std::unique_ptr<AuthorityCore>> Create(
      Options options, const crypto::Ed25519PrivateKey& key,
      Transport& transport, Executor& executor, const Clock& clock,
      AuthorityStore& store);
  ~AuthorityCore();

  AuthorityCore(const AuthorityCore&) = delete;
  AuthorityCore& operator=(const AuthorityCore&) = delete;

  // Registers the RPCs. The core must outlive the server's last call.
  void Register(Server& server);

  // What Register() registers, for servers that start before.
  struct Method {
    const char* name;
    MethodLimits limits;
  };
  static std::vector<Method> Methods();

  // Begins to probe and, with the next interval, to vote.
  void Start();

  ConsensusHolder& holder() { return holder_; }
  const Counters& counters() const { return counters_; }
  const NodeTable& nodes() const { return table_; }

  static constexpr absl::Duration kShortestVotingInterval =
      absl::Milliseconds(200);
  static constexpr absl::Duration kLongestVotingInterval = absl::Hours(6);

 private:
  using SignatureSet = std::map<crypto::Ed25519PublicKey, std::string>;

  // One epoch's vote in progress.
  struct Round {
    Round(const DirectoryTrust& trust, uint64_t epoch, absl::Time valid_after)
        : votes(trust, epoch, valid_after) {}

    VotingRound votes;
    bool voted = false;
    bool comparing = false;
    bool signing_over = false;                // Signed, or never will.
    bool fetching = false;                    // A consensus others built on.
    std::set<size_t> compared;                // Indices of other authorities.
    std::vector<std::set<std::string>> held;  // Hashes, by other authority.
    std::optional<ComputedConsensus> computed;
    // By header: of any consensus of this epoch that authorities signed.
    std::map<std::string, SignatureSet> signatures;
  };

  AuthorityCore(Options options, const crypto::Ed25519PrivateKey& key,
                Transport& transport, Executor& executor, const Clock& clock,
                AuthorityStore& store);

  absl::Status Load();
  // What the next consensus builds on; null if there is nothing.
  const Consensus* Previous() const;

  // The rounds.
  absl::Time StartOf(uint64_t epoch) const;
  uint64_t EpochAt(absl::Time now) const;
  Round* RoundOf(uint64_t epoch);
  void ScheduleNextRound();
  void BeginRound(uint64_t epoch);
  void SendVotes(uint64_t epoch, size_t other);
  void AfterVotes(uint64_t epoch);
  void Compare(uint64_t epoch);
  void Compute(uint64_t epoch);
  void SendSignatures(uint64_t epoch);
  absl::Status AddSignatures(Round& round, const std::string& header,
                             const SignatureSet& signatures);
  void PublishIfSigned(uint64_t epoch);
  void CatchUp(uint64_t epoch);
  // `done` runs whatever came of it.
  void FetchFrom(size_t other, std::function<void(AuthorityCore&)> done);

  // RPCs.
  absl::StatusOr<std::string> OnPublish(absl::string_view request);
  absl::Status CheckKeepsRole(absl::string_view signed_descriptor) const;
  absl::StatusOr<std::string> OnReportStorage(absl::string_view request);
  absl::StatusOr<std::string> OnGetConsensus(const Peer& peer,
                                             absl::string_view request);
  absl::StatusOr<std::string> OnVote(const Peer& peer,
                                     absl::string_view request);
  absl::StatusOr<std::string> OnSignatures(const Peer& peer,
                                           absl::string_view request);
  absl::StatusOr<size_t> OtherAuthority(const Peer& peer) const;
  absl::Status TakeVotes(uint64_t epoch, Round& round, size_t other,
                         const std::vector<std::string>& votes,
                         const std::vector<std::string>& held);

  // Nodes.
  void ProbeAll();
  void LearnFrom(const Consensus& consensus);

  // `action` runs after `delay`, unless the core is gone.
  void After(absl::Duration delay, std::function<void(AuthorityCore&)> action);
  absl::Duration CallTimeout() const;

  const Options options_;
  const crypto::Ed25519PrivateKey& key_;
  Transport& transport_;
  Executor& executor_;
  const Clock& clock_;
  AuthorityStore& store_;
  std::vector<NetworkConfig::Authority> others_;
  const DirectoryTrust trust_;
  ConsensusHolder holder_;
  DirectoryMirror mirror_;
  NodeTable table_;
  ReachabilityProber prober_;
  Counters counters_;
  // Restored, and too old to be served.
  std::shared_ptr<const Consensus> expired_;
  std::map<uint64_t, Round> rounds_;  // The current epoch and its neighbours.
  std::shared_ptr<AuthorityCore*> self_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_AUTHORITY_CORE_H_
