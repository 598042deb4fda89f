// When what a node holds ends and may be erased, after swarm/SPEC.md, sections
// 1.5 to 1.7, 4, 5.3, 6.1 and 6.3, in the plainest way: ends are worked out
// anew from the items there are.
//
// Mailboxes, items and record keys are numbers; of items the higher number has
// the higher id. Times are milliseconds. Not thread-safe.

#ifndef SWARM_TESTING_MODELS_EXPIRY_MODEL_H_
#define SWARM_TESTING_MODELS_EXPIRY_MODEL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace messenger::swarm {

class ExpiryModel final {
 public:
  enum class Kind {
    kRegistration,
    kPurge,
    kDeletion,
    kRecord,
    kMessage,
    kHint
  };
  struct Item {
    Kind kind = Kind::kMessage;
    int box = 0;
    uint64_t number = 0;

    friend auto operator<=>(const Item&, const Item&) = default;
  };
  enum class From { kClient, kPeer };
  enum class Answer { kDone, kDeleted, kSuperseded, kNotRegistered };
  // Of an item without an end.
  static constexpr uint64_t kNever = uint64_t{1} << 52;

  // Whether a message of that expiry is let in at all.
  static bool MayLive(uint64_t expiry_ms, uint64_t now_ms, From from);

  explicit ExpiryModel(int boxes) : boxes_(boxes) {}

  Answer Registration(int box, uint64_t number, uint64_t time_ms);
  Answer Purge(int box, uint64_t number, uint64_t until_ms, uint64_t now_ms,
               From from);
  // No message is named twice.
  Answer Deletion(int box, uint64_t number, uint64_t time_ms,
                  uint64_t effective_ms, const std::vector<uint64_t>& messages,
                  uint64_t now_ms, From from);
  Answer Record(int box, int key, uint64_t number, uint64_t seq,
                uint64_t now_ms, From from);
  Answer Message(int box, uint64_t number, uint64_t expiry_ms, uint64_t now_ms,
                 From from);
  void Hint(uint64_t number, uint64_t until_ms);

  // All there is, with its end.
  std::map<Item, uint64_t> Ends() const;
  // Messages that are listed at that time, with their ends.
  std::map<uint64_t, uint64_t> Listed(int box, uint64_t now_ms) const;
  // The latest that its author gave.
  uint64_t AuthorExpiry(int box, uint64_t message) const {
    return boxes_[box].messages.at(message).author_ms;
  }
  void Erase(const Item& item);

 private:
  struct Version {
    uint64_t reach = 0;
    uint64_t number = 0;

    friend auto operator<=>(const Version&, const Version&) = default;
  };
  struct Order {
    uint64_t time_ms = 0;
    uint64_t effective_ms = 0;
    std::vector<uint64_t> messages;
  };
  struct Held {
    uint64_t author_ms = 0;
    uint64_t end_ms = 0;
  };
  struct Box {
    std::optional<Version> registration;
    std::optional<Version> purge;
    std::map<uint64_t, Order> deletions;
    std::map<int, Version> records;  // by key
    std::map<uint64_t, Held> messages;

    bool LetsIn(uint64_t now_ms, From from) const;
    // Nothing: it is not to be there.
    std::optional<uint64_t> EndOf(uint64_t message, uint64_t author_ms) const;
    void ApplyOrders();
  };

  static Answer Replace(std::optional<Version>& stored, Version version);

  std::vector<Box> boxes_;
  std::map<uint64_t, uint64_t> hints_;
};

}  // namespace messenger::swarm

#endif  // SWARM_TESTING_MODELS_EXPIRY_MODEL_H_
