// Reads a mailbox from enough members that nothing which was sent can be
// missing (swarm/SPEC.md, section 7.2).
//
// All members that run are asked at once, while the swarm changes those that
// are to be members too, each from its own cursor, page after
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
#include <set>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "client/remote/mailbox_page.h"
#include "client/remote/mailbox_reader.h"
#include "client/remote/member_caller.h"
#include "client/remote/onion_requester.h"
#include "client/remote/swarm_context.h"
#include "client/remote/write_refusal.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/executor.h"
#include "swarm/auth/mailbox.h"
#include "swarm/placement/placement.h"

namespace messenger::client {

struct RetrieveOutcome {
  // Each id once, though perhaps known from earlier: members that stored a
  // message late list it late. In no particular order.
  std::vector<RetrievedMessage> messages;
  // The given ones, advanced past everything in `messages`. Keep them in the
  // transaction that keeps the messages.
  Cursors cursors;
  int members_answered = 0;
  // Who answered in full.
  std::set<routing::NodeId> answered;
  // Enough members answered in full: every message that a sender was told is
  // stored, and whose cursor has not passed it, is in `messages`.
  bool complete = false;
  // A bound of this operation was reached: there is more to be had right away.
  bool more = false;
  // Two members or more said so, and `complete` is false.
  bool not_registered = false;
  bool clock_refused = false;
  std::vector<RequestRoute> routes;
};

class SwarmRetrieval final {
 public:
  // OK once at least one member has answered in full. UNAVAILABLE: none has;
  // PERMISSION_DENIED and UNAUTHENTICATED do not occur with the right keys and
  // show as UNAVAILABLE.
  using Done = absl::AnyInvocable<void(absl::StatusOr<RetrieveOutcome>)>;

  SwarmRetrieval(SwarmContext& context, MailboxReader reader, Cursors cursors,
                 Done done);
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
    bool challenged = false;  // for the page that is asked for
    bool large_pages = false;
    enum { kReading, kAnswered, kFailed } state = kReading;
  };

  void Begin();
  // False: whom to ask is not known.
  bool TakeMembers();
  void AskForPage(const routing::NodeId& member);
  void OnAnswer(const PageTerms& terms, MemberAnswer answer);
  void Take(MailboxPage page);
  // True if the member is not asked again.
  bool OnRefusal(const routing::NodeId& member, const MemberAnswer& answer);
  bool Complete() const;
  void FinishIfDone();
  void Finish();

  SwarmContext& context_;
  const MailboxReader reader_;
  Done done_;

  std::shared_ptr<const swarm::Placement> placement_;
  swarm::ShardMembers members_;
  std::map<routing::NodeId, Listing> listings_;
  std::map<swarm::MessageId, RetrievedMessage> messages_;
  size_t bytes_ = 0;
  RetrieveOutcome outcome_;
  std::map<RefusalReason, std::set<routing::NodeId>> reasons_;
  // A member uses a directory newer than ours.
  bool directory_is_old_ = false;
  int directory_waits_ = 0;
  routing::TimerId pause_ = 0;
  routing::TimerId grace_ = 0;
  routing::TimerId deadline_ = 0;
  bool finished_ = false;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_SWARM_RETRIEVAL_H_
