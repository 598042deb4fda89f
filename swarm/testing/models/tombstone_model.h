// What becomes of messages that are deleted, purged, shortened and brought
// again, after the rules of swarm/SPEC.md, sections 4 and 6.1, in the plainest
// way: each question is answered anew from the orders there are.
//
// Messages and orders are numbers; of orders the higher number has the higher
// id. Times are milliseconds. Not thread-safe.

#ifndef SWARM_TESTING_MODELS_TOMBSTONE_MODEL_H_
#define SWARM_TESTING_MODELS_TOMBSTONE_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace messenger::swarm {

// Of one compartment.
class TombstoneModel final {
 public:
  enum class Answer { kDone, kDeleted, kSuperseded };
  struct Held {
    uint64_t author_ms = 0;  // the latest expiry that the author gave
    uint64_t end_ms = 0;

    friend bool operator==(const Held&, const Held&) = default;
  };

  Answer Message(uint64_t message, uint64_t expiry_ms);
  Answer Deletion(uint64_t order, uint64_t time_ms, uint64_t effective_ms,
                  const std::vector<uint64_t>& messages);
  Answer Purge(uint64_t order, uint64_t until_ms);
  void Expire(uint64_t now_ms);

  std::map<uint64_t, Held> Messages() const;
  size_t deletions() const { return deletions_.size(); }
  // Ids in them.
  size_t tombstones() const;

 private:
  struct Order {
    uint64_t time_ms = 0;
    std::vector<uint64_t> messages;
  };
  struct Reach {
    uint64_t order = 0;
    uint64_t until_ms = 0;
  };

  // When a message with that expiry ends; nothing: it may not be there.
  std::optional<uint64_t> End(uint64_t message, uint64_t expiry_ms) const;
  void DropTheDeleted();

  std::map<uint64_t, uint64_t> messages_;  // with their authors' expiry
  std::map<uint64_t, Order> deletions_;
  // By message and order: when the order lets it end; 0: at once.
  std::map<uint64_t, std::map<uint64_t, uint64_t>> effects_;
  std::optional<Reach> purge_;
};

}  // namespace messenger::swarm

#endif  // SWARM_TESTING_MODELS_TOMBSTONE_MODEL_H_
