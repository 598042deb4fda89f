// Reads a mailbox from enough members that nothing which was sent can be
// missing (swarm/SPEC.md, section 7.2).
//
// All members that run are asked at once, each from its own cursor, page after
// page; the union is what the mailbox holds. A member may withhold, repeat or
// invent messages, but not alter one: ids are computed here.
//
// Belongs to the executor. May be destroyed at any time; `done` then never
// runs.

#ifndef CLIENT_REMOTE_SWARM_RETRIEVAL_H_
#define CLIENT_REMOTE_SWARM_RETRIEVAL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/remote/mailbox_reader.h"
#include "client/remote/member_caller.h"
#include "client/remote/onion_requester.h"
#include "client/remote/swarm_client_options.h"
#include "crypto/random/random.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "swarm/auth/mailbox.h"
#include "swarm/placement/current_placement.h"

namespace messenger::client {

struct RetrievedMessage {
  swarm::MessageId id;
  std::string payload;
  absl::Time expiry;  // as a member says
};

struct RetrieveOutcome {
  // Each id once, though perhaps known from earlier: members that stored a
  // message late list it late. In no particular order.
  std::vector<RetrievedMessage> messages;
  // The given ones, advanced past everything in `messages`. Keep them in the
  // transaction that keeps the messages.
  Cursors cursors;
  int members_answered = 0;
  // Enough members answered in full: every message that a sender was told is
  // stored, and whose cursor has not passed it, is in `messages`.
  bool complete = false;
  // A bound of this operation was reached: there is more to be had right away.
  bool more = false;
  std::vector<RequestRoute> routes;
};

class SwarmRetrieval final {
 public:
  // OK once at least one member has answered in full. UNAVAILABLE: none has;
  // PERMISSION_DENIED and UNAUTHENTICATED do not occur with the right keys and
  // show as UNAVAILABLE.
  using Done = absl::AnyInvocable<void(absl::StatusOr<RetrieveOutcome>)>;

  // All references must outlive this.
  SwarmRetrieval(MemberCaller& caller, swarm::CurrentPlacement& placement,
                 routing::Executor& executor, const routing::Clock& clock,
                 crypto::Random& random, const SwarmClientOptions& options,
                 MailboxReader reader, Cursors cursors, Done done);
  ~SwarmRetrieval();

  SwarmRetrieval(const SwarmRetrieval&) = delete;
  SwarmRetrieval& operator=(const SwarmRetrieval&) = delete;

  // `done` never runs inside.
  void Start();

 private:
  // One member's list.
  struct Listing {
    int failures = 0;
    int pages = 0;
    bool large_pages = false;
    enum { kReading, kAnswered, kFailed } state = kReading;
  };

  void Begin();
  void AskForPage(const routing::NodeId& member);
  void OnAnswer(const routing::NodeId& member, MemberAnswer answer);
  // False if the page makes no sense.
  bool TakePage(const routing::NodeId& member, Listing& listing,
                const MemberAnswer& answer);
  void FinishIfDone();
  void Finish();

  MemberCaller& caller_;
  swarm::CurrentPlacement& placement_;
  routing::Executor& executor_;
  const routing::Clock& clock_;
  crypto::Random& random_;
  const SwarmClientOptions& options_;
  const MailboxReader reader_;
  Done done_;

  std::vector<routing::NodeId> members_;
  size_t quorum_ = 0;
  std::map<routing::NodeId, Listing> listings_;
  std::map<swarm::MessageId, RetrievedMessage> messages_;
  size_t bytes_ = 0;
  RetrieveOutcome outcome_;
  routing::TimerId grace_ = 0;
  routing::TimerId deadline_ = 0;
  bool finished_ = false;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_SWARM_RETRIEVAL_H_
