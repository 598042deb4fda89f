// Reads the records of an account from enough members to get the newest
// version of each (swarm/SPEC.md, section 7.3).
//
// Members are not trusted with the contents: every record is verified against
// the account id. A member can only withhold, or show what is older. So a read
// quorum is not taken at once: `kRecordMembers` are heard, if they can be had.
//
// Belongs to the executor. May be destroyed at any time; `done` then never
// runs.

#ifndef CLIENT_REMOTE_SWARM_RECORD_READING_H_
#define CLIENT_REMOTE_SWARM_RECORD_READING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "client/remote/member_caller.h"
#include "client/remote/swarm_context.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/executor.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/record.h"
#include "swarm/placement/placement.h"

namespace messenger::client {

// Members whose answers are looked at, or all where a swarm has fewer. A read
// quorum of three is two: one that is behind and one that withholds.
inline constexpr size_t kRecordMembers = 3;

class SwarmRecordReading final {
 public:
  // By rising key, and of one key every version that a member has shown, the
  // newest first: what a record says may not be usable (client/SPEC.md, section
  // 2.2), and the one before it may. Empty if there are none. UNAVAILABLE
  // unless a read quorum has answered.
  using Done =
      absl::AnyInvocable<void(absl::StatusOr<std::vector<swarm::Record>>)>;

  SwarmRecordReading(SwarmContext& context,
                     const swarm::MailboxAddress& mailbox,
                     swarm::MailboxNamespace ns, Done done);
  ~SwarmRecordReading();

  SwarmRecordReading(const SwarmRecordReading&) = delete;
  SwarmRecordReading& operator=(const SwarmRecordReading&) = delete;

  // `done` never runs inside.
  void Start();

 private:
  struct Asked {
    int failures = 0;
    bool large_page = false;
  };
  // The number and the id of a version: as `Supersedes` orders them.
  using Version = std::pair<uint64_t, swarm::ObjectId>;

  void Begin();
  void Ask(const routing::NodeId& member);
  void OnAnswer(const routing::NodeId& member, const MemberAnswer& answer);
  // True if the member is not asked again.
  bool OnRefusal(const MemberAnswer& answer);
  void Take(const MemberAnswer& answer);
  // So many members of now have answered that a further one may be waited for
  // a little, but need not be.
  bool HasQuorum() const;
  bool HasHeardEnough() const;
  void FinishIfDone();
  void Finish(bool enough);

  SwarmContext& context_;
  const swarm::MailboxAddress mailbox_;
  const swarm::MailboxNamespace ns_;
  Done done_;

  std::shared_ptr<const swarm::Placement> placement_;
  swarm::ShardMembers members_;
  std::set<routing::NodeId> answered_;
  std::map<routing::NodeId, Asked> asked_;  // not yet answered or failed
  bool directory_is_old_ = false;
  int directory_waits_ = 0;
  routing::TimerId pause_ = 0;
  std::map<swarm::RecordKey, std::map<Version, swarm::Record, std::greater<>>>
      found_;
  routing::TimerId grace_ = 0;
  bool grace_is_over_ = false;
  routing::TimerId deadline_ = 0;
  bool finished_ = false;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_SWARM_RECORD_READING_H_
