// In which order writes go to the disk (design/0003, "Who may store"): classes
// by weight, and within a class the mailboxes in turn, so that neither a flood
// of strangers nor one hot mailbox makes others wait.
//
// Writes to one mailbox of one class keep their order. Not thread-safe.

#ifndef SWARM_STORE_FAIR_QUEUE_H_
#define SWARM_STORE_FAIR_QUEUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class FairQueue final {
 public:
  // Writes that wait, by number and by bytes, and those of one mailbox.
  static constexpr size_t kMaxWaiting = 4096;
  static constexpr size_t kMaxWaitingBytes = 64 * 1024 * 1024;
  static constexpr size_t kMaxWaitingOfMailbox = 256;
  // Of these, what strangers may take: however many they are, there is room for
  // contacts.
  static constexpr size_t kMaxWaitingOfStrangers = kMaxWaiting / 4;
  static constexpr size_t kMaxWaitingBytesOfStrangers = kMaxWaitingBytes / 4;

  // What a class may take of a round, in which all that wait get their share.
  enum class Class { kOwner, kContact, kRepair, kStranger };
  static constexpr std::array<size_t, 4> kWeights = {8, 4, 2, 1};

  // Why a peer brings something: it coordinates a client's write, and the
  // client waits for this member too; or this member lacks it.
  enum class Brought { kForClient, kForRepair };

  struct Write {
    StoreOp op;
    absl::AnyInvocable<void(absl::StatusOr<OpResult>)> done;
    Brought brought = Brought::kForRepair;
  };

  // `brought` counts where a peer did.
  static Class ClassOf(const StoreOp& op, Brought brought);

  // RESOURCE_EXHAUSTED: too much waits already, of strangers if it is one's;
  // `write` is as it was. The bound of a mailbox is for what comes from
  // outside: a node's own notes have that of the queue.
  absl::Status Push(Write& write);

  // The next writes, at most `count`.
  std::vector<Write> Pop(size_t count);

  size_t size() const { return size_; }
  size_t bytes() const { return bytes_; }

 private:
  struct ClassQueue {
    // Mailboxes with writes, the next one first; each is here once.
    std::deque<std::string> turns;
    absl::flat_hash_map<std::string, std::deque<Write>> writes;
    size_t size = 0;
    size_t bytes = 0;
  };

  std::array<ClassQueue, kWeights.size()> classes_;
  absl::flat_hash_map<std::string, size_t> waiting_of_;
  // Where the current round stands.
  size_t class_ = 0;
  size_t taken_ = 0;
  size_t size_ = 0;
  size_t bytes_ = 0;
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_FAIR_QUEUE_H_
