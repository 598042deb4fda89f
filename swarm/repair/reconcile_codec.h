// The steps of a comparison between two members, as types (swarm/SPEC.md,
// sections 5.4 to 5.6). Whatever the bytes of a peer are, what comes out of
// here is within bounds, in order and without repetition.
//
// Pure functions; thread-safe. Every error is INVALID_ARGUMENT.

#ifndef SWARM_REPAIR_RECONCILE_CODEC_H_
#define SWARM_REPAIR_RECONCILE_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/base/fixed_bytes.h"
#include "swarm/auth/item.h"
#include "swarm/proto/peer.pb.h"

namespace messenger::swarm {

inline constexpr absl::string_view kReconcileMethod =
    "/messenger.swarm.v1.Peer/Reconcile";
inline constexpr absl::string_view kFetchMethod =
    "/messenger.swarm.v1.Peer/Fetch";

inline constexpr size_t kMaxReconcileBytes = 64 * 1024;  // either way
inline constexpr size_t kMaxFetchRequestBytes = 16 * 1024;
inline constexpr size_t kMaxFetchItemsBytes = 1024 * 1024;
// One item may be as large as a request, and comes with its frame.
inline constexpr size_t kMaxFetchResponseBytes =
    kMaxFetchItemsBytes + 80 * 1024;
inline constexpr size_t kMaxFetchNames = 256;

inline constexpr int kShardsPerGroup = 16;
inline constexpr int kGroups = kShards / kShardsPerGroup;
inline constexpr size_t kMaxGroupsAsked = 64;
// 51 bytes each at most.
inline constexpr size_t kMaxWindowsAnswered = 1200;
inline constexpr size_t kMaxRangesAsked = 64;
inline constexpr size_t kMaxEntriesOfRange = 512;
inline constexpr size_t kEntryBytes = 1 + 32 + 8;
inline constexpr size_t kPartsOfRange = 256;
inline constexpr size_t kMaxPrefixBytes = 8;
inline constexpr size_t kMaxLeaves = 256;

constexpr int GroupOf(Shard shard) { return shard / kShardsPerGroup; }

using ScrubSalt = crypto::FixedBytes<struct ScrubSaltTag, 32>;
using ScrubHash = crypto::FixedBytes<struct ScrubHashTag, 32>;

// The entries of one window of one shard whose ids begin with `prefix`.
struct EntryRange {
  Shard shard = 0;
  Window window = 0;
  std::string prefix;

  friend bool operator==(const EntryRange&, const EntryRange&) = default;
};

struct AskGroups {
  SetDigest whole;
};
struct AskWindows {
  std::vector<int> groups;  // rising
  Shard from_shard = 0;
};
struct AskEntries {
  std::vector<EntryRange> ranges;
};
struct AskScrub {
  Shard shard = 0;
  Window window = 0;
  ScrubSalt salt;
  ObjectId after;  // zero: from the first
};

struct ReconcileAsk {
  uint64_t layout = 0;
  uint64_t from_ms = 0;
  std::variant<AskGroups, AskWindows, AskEntries, AskScrub> level;
};

struct ShardWindow {
  Shard shard = 0;
  Window window = 0;
  uint32_t count = 0;
  SetDigest digest;
};
struct ScrubLeaf {
  ObjectId id;
  ScrubHash hash;
};

struct GroupsAnswer {
  std::vector<SetDigest> digests;  // kGroups; none: all is equal
};
struct WindowsAnswer {
  std::vector<ShardWindow> windows;  // by shard and window
  Shard next_shard = 0;              // 0: complete
};
using EntriesOfRange = std::vector<ItemEntry>;  // sorted
using PartsOfRange = std::vector<SetDigest>;    // kPartsOfRange
struct EntriesAnswer {
  std::vector<std::variant<EntriesOfRange, PartsOfRange>> ranges;
};
struct ScrubAnswer {
  std::vector<ScrubLeaf> leaves;  // by id
  bool more = false;
};

struct ReconcileAnswer {
  uint64_t layout = 0;
  uint64_t now_ms = 0;
  std::vector<Shard> filling;  // rising
  std::variant<GroupsAnswer, WindowsAnswer, EntriesAnswer, ScrubAnswer> level;
};

absl::StatusOr<ReconcileAsk> ParseReconcileAsk(absl::string_view bytes);
std::string RenderReconcileAsk(const ReconcileAsk& ask);
absl::StatusOr<ReconcileAnswer> ParseReconcileAnswer(absl::string_view bytes);
std::string RenderReconcileAnswer(const ReconcileAnswer& answer);

// What the answer to one range takes in a frame, at most.
size_t AnswerBytes(const std::variant<EntriesOfRange, PartsOfRange>& range);

struct FetchAsk {
  uint64_t layout = 0;
  std::vector<ItemKey> names;
};
absl::StatusOr<FetchAsk> ParseFetchAsk(absl::string_view bytes);
std::string RenderFetchAsk(uint64_t layout, absl::Span<const ItemKey> names);

struct FetchAnswer {
  std::vector<v1::ReplicatedItem> items;
  size_t answered = 0;  // 1 .. asked
};
// `asked` names were asked for.
absl::StatusOr<FetchAnswer> ParseFetchAnswer(absl::string_view bytes,
                                             size_t asked);

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_RECONCILE_CODEC_H_
