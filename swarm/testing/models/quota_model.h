// What a store takes and what it refuses, after swarm/SPEC.md, sections 4.3,
// 4.4 and 6.1. Deletions work at once here: shortened lives are for the models
// of tombstones and of expiry.
//
// Mailboxes, messages and orders are numbers; of orders and records the higher
// number has the higher id. Times are milliseconds. Not thread-safe.

#ifndef SWARM_TESTING_MODELS_QUOTA_MODEL_H_
#define SWARM_TESTING_MODELS_QUOTA_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace messenger::swarm {

class QuotaModel final {
 public:
  // Who writes: strangers into an inbox, a contact into a pairwise mailbox.
  enum class Class { kStranger, kContact };
  enum class From { kClient, kPeer };
  enum class Answer {
    kDone,
    kDeleted,
    kSuperseded,
    kNotRegistered,
    kMailboxFull,
    kNodeFull,
    kOwnerLimit,
  };
  // The node before a transaction. What fills its disk is the store's business.
  struct Space {
    uint64_t used_bytes = 0;
    uint64_t capacity_bytes = 0;  // 0: not bounded
    uint64_t median_bytes = 0;
    uint64_t fair_bytes = 0;
  };
  struct Usage {
    uint64_t registered_until_ms = 0;  // 0: it is not
    uint64_t messages = 0;
    uint64_t bytes = 0;
    uint64_t deletions = 0;
    uint64_t owner_ids = 0;  // in those
    uint64_t records = 0;
  };

  explicit QuotaModel(const std::vector<Class>& boxes);

  void BeginTransaction(uint64_t now_ms, const Space& space) {
    now_ms_ = now_ms;
    space_ = space;
  }
  // What would be said to a message.
  Answer Judge(int box, uint64_t message, uint64_t bytes, uint64_t expiry_ms,
               From from) const;
  Answer Message(int box, uint64_t message, uint64_t bytes, uint64_t expiry_ms,
                 From from);
  Answer Deletion(int box, uint64_t order, uint64_t time_ms,
                  const std::vector<uint64_t>& messages, From from);
  Answer Purge(int box, uint64_t order, uint64_t until_ms, From from);
  Answer Record(int box, int ns, int key, uint64_t number, uint64_t seq,
                From from);
  Answer Registration(int box, uint64_t number, uint64_t time_ms);
  void Expire(uint64_t now_ms);

  bool Holds(int box, uint64_t message) const {
    return boxes_[box].messages.contains(message);
  }
  Usage UsageOf(int box) const;
  // Bits of work that a stranger's next message needs.
  int WorkBits(int box) const;
  // Space::fair_bytes to the byte: a store may count less finely.
  uint64_t FairBytes(uint64_t used_bytes, uint64_t capacity_bytes) const;

 private:
  // How far it reaches, and its number: of two the greater stands.
  using Version = std::pair<uint64_t, uint64_t>;
  struct Held {
    uint64_t bytes = 0;
    uint64_t expiry_ms = 0;
  };
  struct Order {
    uint64_t time_ms = 0;
    std::vector<uint64_t> messages;
  };
  struct Box {
    Class of = Class::kStranger;
    std::optional<Version> registration;
    std::optional<Version> purge;
    std::unordered_map<uint64_t, Held> messages;
    uint64_t bytes = 0;  // of those
    std::map<uint64_t, Order> deletions;
    std::unordered_map<uint64_t, uint64_t> named;  // in how many of those
    uint64_t owner_ids = 0;                        // in all of those
    std::map<std::pair<int, int>, Version> records;

    void Remove(uint64_t message);
    void RemoveUntil(uint64_t end_ms);
  };

  bool LetsIn(const Box& box, From from) const;
  bool HasRoom(Class of, uint64_t box_bytes, From from) const;
  bool IsFilledTo(uint64_t percent) const;
  static Answer Replace(std::optional<Version>& stored, Version version);

  std::vector<Box> boxes_;
  uint64_t now_ms_ = 0;
  Space space_;
};

}  // namespace messenger::swarm

#endif  // SWARM_TESTING_MODELS_QUOTA_MODEL_H_
