// Brings messages that some members of a swarm list to another that does not
// (swarm/SPEC.md, section 7.5): the net below the members' own repair.
//
// A member that answered two complete readings without a message that others
// have lacks it; what was merely on its way has arrived by the second. Every
// message carries its writer's proof, so any member takes it from a reader.
//
// Works behind the readings and never delays one: one request at a time, with
// a pause after each. Bounded in entries and bytes, the oldest give way; it
// knows only what this process has read. Belongs to the executor.

#ifndef CLIENT_REMOTE_READ_REPAIR_H_
#define CLIENT_REMOTE_READ_REPAIR_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/remote/mailbox_page.h"
#include "client/remote/mailbox_reader.h"
#include "client/remote/member_caller.h"
#include "client/remote/swarm_context.h"
#include "client/remote/swarm_retrieval.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/executor.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/request_auth.h"

namespace messenger::client {

class ReadRepair final {
 public:
  // `context` must outlive this.
  explicit ReadRepair(SwarmContext& context) : context_(context) {}
  ~ReadRepair();

  ReadRepair(const ReadRepair&) = delete;
  ReadRepair& operator=(const ReadRepair&) = delete;

  // What a reading brought. Only of a complete one it counts what members did
  // not list.
  void Observe(const MailboxReader& reader, const RetrieveOutcome& outcome);

  // The reader has ordered their deletion.
  void Forget(const swarm::MailboxAddress& mailbox,
              const std::vector<swarm::MessageId>& ids);

  size_t entries() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  using Key = std::pair<swarm::MailboxAddress, swarm::MessageId>;
  struct Entry {
    uint64_t number = 0;
    swarm::MailboxNamespace ns;
    swarm::MailboxKeys keys;
    std::string payload;
    WriterProof proof;
    std::set<routing::NodeId> listed_by;
    std::map<routing::NodeId, int> misses;
    std::map<routing::NodeId, int> attempts;
  };

  void Add(const MailboxReader& reader, const RetrievedMessage& message);
  void Remove(const Key& key);
  bool Expired(const Entry& entry) const;
  bool Due(const Entry& entry, const routing::NodeId& member) const;
  void Pump();
  void Send(const routing::NodeId& member, const std::vector<Key>& keys);
  void OnAnswer(const routing::NodeId& member, const std::vector<Key>& keys,
                const MemberAnswer& answer);

  SwarmContext& context_;
  std::map<Key, Entry> entries_;
  std::map<uint64_t, Key> by_number_;
  uint64_t last_number_ = 0;
  size_t bytes_ = 0;
  bool busy_ = false;  // a request or the pause after it
  routing::TimerId pause_ = 0;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_READ_REPAIR_H_
