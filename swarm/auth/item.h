// What members of a swarm keep equal among themselves: items, and digests of
// sets of items that can be compared without sending them (swarm/SPEC.md,
// section 5.4).
//
// Regular values and pure functions; thread-safe.

#ifndef SWARM_AUTH_ITEM_H_
#define SWARM_AUTH_ITEM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "swarm/auth/mailbox.h"

namespace messenger::swarm {

// Mailboxes that live and move together: 12 bits of a hash of the address
// (section 2.1).
using Shard = uint16_t;
inline constexpr int kShards = 4096;

// On the wire: append only. The order is the one in which items are
// transferred: what decides about others comes first. The end of each, as it
// counts in digests:
enum class ItemKind : uint8_t {
  kRegistration = 1,  // its time + kRegistrationKept
  kPurge = 2,         // what it is about ends + kTombstoneGrace
  kDeletion = 3,      // its time + kUnknownTombstoneLife
  kRecord = 4,        // kNeverMs
  kMessage = 5,       // its expiry
};
inline constexpr int kItemKinds = 5;

// Names one item of one shard.
struct ItemKey {
  ItemKind kind = ItemKind::kMessage;
  Shard shard = 0;
  ObjectId id;

  friend bool operator==(const ItemKey& a, const ItemKey& b) {
    return a.kind == b.kind && a.shard == b.shard && a.id == b.id;
  }
  friend bool operator!=(const ItemKey& a, const ItemKey& b) {
    return !(a == b);
  }
  friend bool operator<(const ItemKey& a, const ItemKey& b) {
    return std::tie(a.kind, a.shard, a.id) < std::tie(b.kind, b.shard, b.id);
  }
  template <typename H>
  friend H AbslHashValue(H state, const ItemKey& key) {
    return H::combine(std::move(state), key.kind, key.shard, key.id);
  }
};

// An item as it counts in a set: two copies of one message with different
// expiries are different entries, and so are brought together.
struct ItemEntry {
  ItemKind kind = ItemKind::kMessage;
  ObjectId id;
  uint64_t expiry_ms = 0;  // kNeverMs: does not expire

  friend bool operator==(const ItemEntry& a, const ItemEntry& b) {
    return a.kind == b.kind && a.id == b.id && a.expiry_ms == b.expiry_ms;
  }
  friend bool operator<(const ItemEntry& a, const ItemEntry& b) {
    return std::tie(a.id, a.kind, a.expiry_ms) <
           std::tie(b.id, b.kind, b.expiry_ms);
  }
};

// Of items without an end of their own. Below 2^63, like every time.
inline constexpr uint64_t kNeverMs = uint64_t{1} << 52;

// Items are compared by windows of time in which they end.
using Window = uint32_t;
inline constexpr uint64_t kWindowMs = uint64_t{8} * 3600 * 1000;
constexpr Window WindowOf(uint64_t expiry_ms) {
  return static_cast<Window>(expiry_ms / kWindowMs);
}
// The first instant after the window.
constexpr uint64_t WindowEndMs(Window window) {
  return (uint64_t{window} + 1) * kWindowMs;
}

// The sum, modulo 2^256, of a hash of each entry of a set: equal for equal
// sets in whatever order they came about, and cheap to keep up to date. Whoever
// chooses ids can make two sets collide; the salted scrub finds that.
class SetDigest final {
 public:
  static constexpr size_t kSize = 32;

  SetDigest() = default;
  // INVALID_ARGUMENT unless 32 bytes.
  static absl::StatusOr<SetDigest> FromBytes(absl::string_view bytes);
  std::string ToBytes() const;  // big-endian

  void Add(const ItemEntry& entry);
  void Remove(const ItemEntry& entry);
  void Add(const SetDigest& other);

  friend bool operator==(const SetDigest& a, const SetDigest& b) {
    return a.limbs_ == b.limbs_;
  }
  friend bool operator!=(const SetDigest& a, const SetDigest& b) {
    return !(a == b);
  }

 private:
  std::array<uint64_t, 4> limbs_ = {};  // least significant first
};

}  // namespace messenger::swarm

#endif  // SWARM_AUTH_ITEM_H_
