// Keeps a process's consensus fresh: fetches it, or the difference to the one
// held, from authorities (nodes) or relays (clients), and verifies it
// (routing/directory/SPEC.md, section 6).
//
//   client -> source   GetConsensus{known hash}
//   source -> client   not modified | difference | whole document
//
// What a source says is believed for its signatures only: a source can delay
// news by up to the life of a consensus, not change it. Belongs to one
// executor. May be destroyed at any time; no callback runs afterwards.

#ifndef ROUTING_DIRECTORY_DIRECTORY_CLIENT_H_
#define ROUTING_DIRECTORY_DIRECTORY_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "routing/directory/consensus.h"
#include "routing/directory/consensus_holder.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

inline constexpr char kGetConsensusMethod[] =
    "/messenger.routing.v1.Directory/GetConsensus";

class DirectoryClient final {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // All references must outlive the client.
  DirectoryClient(Transport& transport, Executor& executor, const Clock& clock,
                  DirectoryTrust trust, std::vector<Endpoint> sources,
                  crypto::Random& random);
  ~DirectoryClient();

  DirectoryClient(const DirectoryClient&) = delete;
  DirectoryClient& operator=(const DirectoryClient&) = delete;

  // Asks the sources in random order until one gives a consensus that is
  // accepted or is the one held; at most kMaxAttempts. Calls made while a
  // refresh is going on share its result. UNAVAILABLE without sources;
  // otherwise the status of the last attempt.
  void Refresh(Done done);

  void SetSources(std::vector<Endpoint> sources);

  ConsensusHolder& holder() { return holder_; }

  // Refreshes now and then every `interval`, give or take a tenth, so that
  // clients do not ask in step; after a failure in a quarter of the interval.
  void Start(absl::Duration interval);
  void Stop();

  static constexpr int kMaxAttempts = 4;
  static constexpr absl::Duration kCallTimeout = absl::Seconds(20);

 private:
  struct Attempt;

  void TryNext(std::shared_ptr<Attempt> attempt);
  absl::Status Use(absl::string_view response, bool& needs_full);
  void Finish(absl::Status status);
  void Schedule(absl::Duration delay);

  Transport& transport_;
  Executor& executor_;
  crypto::Random& random_;
  ConsensusHolder holder_;
  std::vector<Endpoint> sources_;
  std::vector<Done> waiting_;
  bool refreshing_ = false;
  absl::Duration interval_ = absl::InfiniteDuration();
  TimerId timer_ = 0;
  // Callbacks hold it weakly: they do nothing once the client is gone.
  std::shared_ptr<DirectoryClient*> self_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_DIRECTORY_CLIENT_H_
