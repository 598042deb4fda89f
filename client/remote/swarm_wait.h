// Waits at one member of a swarm until it has something to list (swarm/SPEC.md,
// section 7.6): a message reaches a person who is there without polling.
//
// One member may be silent about messages, so this never replaces a reading of
// a quorum; it only comes earlier. Belongs to the executor. May be destroyed at
// any time; `done` then never runs.

#ifndef CLIENT_REMOTE_SWARM_WAIT_H_
#define CLIENT_REMOTE_SWARM_WAIT_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/remote/mailbox_reader.h"
#include "client/remote/member_caller.h"
#include "client/remote/swarm_context.h"
#include "client/remote/swarm_retrieval.h"
#include "routing/onion/node_id.h"

namespace messenger::client {

class SwarmWait final {
 public:
  // One page, with no messages if none came in time; never `complete`. Of the
  // cursors only that of the member has moved. The member's code otherwise.
  using Done = absl::AnyInvocable<void(absl::StatusOr<RetrieveOutcome>)>;

  // `context` must outlive this. `wait` is cut to swarm::kMaxWaitMs.
  SwarmWait(SwarmContext& context, const routing::NodeId& member,
            MailboxReader reader, Cursors cursors, absl::Duration wait,
            Done done);

  SwarmWait(const SwarmWait&) = delete;
  SwarmWait& operator=(const SwarmWait&) = delete;

  // `done` never runs inside.
  void Start();

  const routing::NodeId& member() const { return member_; }

 private:
  void OnAnswer(const PageTerms& terms, const MemberAnswer& answer);

  SwarmContext& context_;
  const routing::NodeId member_;
  const MailboxReader reader_;
  const absl::Duration wait_;
  RetrieveOutcome outcome_;
  bool challenged_ = false;
  Done done_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_SWARM_WAIT_H_
