// What a reader is shown who goes on from where he stopped, after
// swarm/SPEC.md, sections 4 (Retrieve), 6.1, 6.3 and 7.2. Messages take places
// in the order in which they arrive; a place is never taken twice, and a reader
// has come to a place.
//
// Messages are numbers, times milliseconds. Not thread-safe.

#ifndef SWARM_TESTING_MODELS_CURSOR_MODEL_H_
#define SWARM_TESTING_MODELS_CURSOR_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace messenger::swarm {

// Of one compartment in one incarnation of its store.
class CursorModel final {
 public:
  struct Row {
    uint64_t place = 0;
    uint64_t message = 0;
    uint64_t bytes = 0;
    uint64_t author_ms = 0;  // the latest expiry that the author gave
    uint64_t end_ms = 0;
  };
  struct Page {
    std::vector<Row> rows;
    bool more = false;
  };

  // Whether it is taken; otherwise it has been deleted.
  bool Message(uint64_t message, uint64_t bytes, uint64_t expiry_ms,
               uint64_t now_ms);
  void Deletion(uint64_t time_ms, uint64_t effective_ms,
                const std::vector<uint64_t>& messages);
  void Purge(uint64_t until_ms);
  // Its row was damaged and is given up.
  void Drop(uint64_t message);
  // The store gives up all of it, and stays the same.
  void DropAll();
  void Expire(uint64_t now_ms);

  Page List(uint64_t after_place, uint64_t now_ms, size_t limit_rows,
            uint64_t limit_bytes) const;
  const std::map<uint64_t, Row>& rows() const { return rows_; }
  uint64_t last_place() const { return last_place_; }

 private:
  struct Effect {
    uint64_t kept_until_ms = 0;
    uint64_t effective_ms = 0;  // 0: at once
  };

  std::optional<uint64_t> End(uint64_t message, uint64_t expiry_ms) const;
  void ApplyOrders();

  std::map<uint64_t, Row> rows_;  // by place
  std::map<uint64_t, std::vector<Effect>> effects_;
  uint64_t purged_until_ms_ = 0;
  uint64_t last_place_ = 0;
};

}  // namespace messenger::swarm

#endif  // SWARM_TESTING_MODELS_CURSOR_MODEL_H_
