// What people were promised, and what they got: the oracle of the simulator.
//
// The clients of a run write down what they begin and how it ends; the ledger
// says, at each reading, what must be there, what may be, and what must not.
// It knows nothing of nodes, directories or faults but what `Rules` says about
// the run. What timed out may or may not have happened, and is allowed either
// way.
//
//   lost        sent before the reading began, not expired, deletion not even
//               asked for, and not in a complete reading (nor read before)
//   phantom     read, but never sent to this mailbox
//   duplicate   twice in one reading
//   resurrected read in a final reading though its deletion was confirmed
//   late        read more than a minute after its expiry
//   record      an older version than one that was confirmed, or one that
//               nobody wrote
//
// All times are true times, whatever clocks say. Not thread-safe.

#ifndef TOOLS_SIMNET_SWARM_LEDGER_H_
#define TOOLS_SIMNET_SWARM_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "swarm/auth/mailbox.h"

namespace messenger::simnet {

// What the ledger itself looks for; others may find other things.
enum class Check {
  kLost,
  kPhantom,
  kDuplicate,
  kResurrected,
  kLate,
  kRecord,
  kCount,
};
inline constexpr size_t kChecks = static_cast<size_t>(Check::kCount);
absl::string_view CheckName(Check check);
bool IsCheckName(absl::string_view name);

struct Violation {
  std::string check;   // a word, for counting
  std::string detail;  // for people
};

class Ledger final {
 public:
  struct Rules {
    // How far clocks of this run may be off: added to every margin.
    absl::Duration clock_error;
    // And more, for what a member with a wrong clock may still show.
    absl::Duration late_error;
    // Members of this run hide messages: a complete reading may miss some, a
    // final one may not.
    bool hiding_members = false;
  };

  struct Message {
    int mailbox = 0;
    absl::Time expiry;
    absl::Time begun;
    absl::Time sent = absl::InfiniteFuture();  // when a client was told so
    // From when on it may be gone, because that was asked for, and must be,
    // because that was confirmed.
    absl::Time may_end = absl::InfiniteFuture();
    absl::Time must_end = absl::InfiniteFuture();
    // When a deletion, perhaps with a later effect, was first confirmed.
    absl::Time must_confirmed = absl::InfiniteFuture();
    bool read = false;
    std::string how;  // it was sent; for people
  };

  struct Figures {
    uint64_t begun = 0;
    uint64_t sent = 0;
    uint64_t readings = 0;
    uint64_t complete_readings = 0;
    uint64_t messages_read = 0;        // first time by a device
    uint64_t repeats = 0;              // again by a device; it shows one
    uint64_t deleted = 0;              // ids of confirmed deletions
    uint64_t read_after_deletion = 0;  // before members had told each other
    uint64_t missed_by_hiding = 0;
    uint64_t records_written = 0;
    uint64_t records_read = 0;

    friend bool operator==(const Figures&, const Figures&) = default;
  };

  struct Reading {
    absl::Time begun;
    bool complete = false;
    // No faults are left and members have had time to agree.
    bool final_reading = false;
    std::vector<swarm::MessageId> ids;
  };

  // Hears all that is written into a ledger, before the ledger thinks of it.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void OnRules(const Rules& rules) = 0;
    virtual void OnSending(int mailbox, const swarm::MessageId& id,
                           absl::Time expiry, absl::Time now) = 0;
    virtual void OnSent(const swarm::MessageId& id, absl::Time now,
                        absl::string_view how) = 0;
    virtual void OnDeleting(const std::vector<swarm::MessageId>& ids,
                            absl::Time effective, absl::Time now) = 0;
    virtual void OnDeleted(const std::vector<swarm::MessageId>& ids,
                           absl::Time effective, absl::Time now) = 0;
    virtual void OnPurging(int mailbox, absl::Time expiry_until,
                           absl::Time now) = 0;
    virtual void OnPurged(int mailbox, absl::Time expiry_until,
                          absl::Time now) = 0;
    virtual void OnDeviceAdded(int device, int mailbox) = 0;
    virtual void OnReinstall(int device) = 0;
    virtual void OnRead(int device, const Reading& reading, absl::Time now) = 0;
    virtual void OnPuttingRecord(const std::string& name, uint64_t seq) = 0;
    virtual void OnPutRecordDone(const std::string& name, uint64_t seq) = 0;
    virtual void OnGotRecord(const std::string& name, uint64_t confirmed_before,
                             uint64_t seq) = 0;
  };

  // `listener` may be null, and must outlive this.
  explicit Ledger(Rules rules, Listener* listener = nullptr);

  // --- writing ---
  void Sending(int mailbox, const swarm::MessageId& id, absl::Time expiry,
               absl::Time now);
  // `how` is for people.
  void Sent(const swarm::MessageId& id, absl::Time now, std::string how = "");
  // `effective`: from when on the messages are to be gone.
  void Deleting(const std::vector<swarm::MessageId>& ids, absl::Time effective,
                absl::Time now);
  void Deleted(const std::vector<swarm::MessageId>& ids, absl::Time effective,
               absl::Time now);
  void Purging(int mailbox, absl::Time expiry_until, absl::Time now);
  void Purged(int mailbox, absl::Time expiry_until, absl::Time now);

  // --- reading; a device is a reader with cursors ---
  int AddDevice(int mailbox);
  // It has lost what it read, and its cursors.
  void Reinstall(int device);
  void Read(int device, const Reading& reading, absl::Time now);

  // --- records; `name` stands for account, namespace and key ---
  void PuttingRecord(const std::string& name, uint64_t seq);
  void PutRecordDone(const std::string& name, uint64_t seq);
  // Before GetRecords: the highest confirmed seq, 0 if none.
  uint64_t ConfirmedRecord(const std::string& name) const;
  // 0: there was none.
  void GotRecord(const std::string& name, uint64_t confirmed_before,
                 uint64_t seq);

  // Sent, and nothing has ended it or may have by `until`.
  bool MustExist(const Message& message, absl::Time until) const;
  const absl::flat_hash_map<swarm::MessageId, Message>& messages() const {
    return messages_;
  }
  const Message* Find(const swarm::MessageId& id) const;
  // By id, so that every run looks at them in the same order.
  std::vector<swarm::MessageId> MessagesThatMustExist(absl::Time until) const;

  // The first kMaxViolations are kept.
  void Violate(absl::string_view check, std::string detail);
  // Adds to the latest violation what the caller knows about it.
  void Explain(absl::string_view more);
  const std::vector<Violation>& violations() const { return violations_; }
  const Figures& figures() const { return figures_; }

  static constexpr absl::Duration kExpiryMargin = absl::Seconds(60);
  static constexpr size_t kMaxViolations = 20;

 private:
  struct Device {
    int mailbox = 0;
    absl::flat_hash_set<swarm::MessageId> seen;
  };
  struct Purge {
    absl::Time expiry_until;
    absl::Time begun;
    absl::Time confirmed = absl::InfiniteFuture();
  };
  void Violate(Check check, std::string detail);
  // The purges of its mailbox.
  void Apply(Message& message) const;
  struct RecordHistory {
    uint64_t confirmed = 0;
    std::set<uint64_t> begun;
  };

  const Rules rules_;
  Listener* const listener_;
  absl::flat_hash_map<swarm::MessageId, Message> messages_;
  std::map<int, std::vector<swarm::MessageId>> by_mailbox_;
  std::map<int, std::vector<Purge>> purges_;
  std::vector<Device> devices_;
  std::map<std::string, RecordHistory> records_;
  std::vector<Violation> violations_;
  Figures figures_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_LEDGER_H_
