// Remembers the SETUPs a relay has acted on, so that none is acted on twice
// (routing/relay/SPEC.md, section 3).
//
// An exact set, in one bucket per expiry minute. A bucket lives only as long
// as its minute can still be accepted, so memory and disk are bounded by the
// window and by `max_tags`. Each tag is handed to the operating system before
// the caller may act on it, hence a killed process forgets nothing. A machine
// that lost power may have lost the newest tags: minutes whose log was written
// under another boot id are refused as a whole.
//
//   Insert(tag, expiry_minute, now)
//     outside [now - past, now + future], or closed  -> OUT_OF_RANGE
//     seen before                                    -> ALREADY_EXISTS
//     `max_tags` reached                             -> RESOURCE_EXHAUSTED
//     log could not be written                       -> UNAVAILABLE
//
// Whatever the answer, only OK permits acting. Not thread-safe.

#ifndef ROUTING_RELAY_REPLAY_CACHE_H_
#define ROUTING_RELAY_REPLAY_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "crypto/base/fixed_bytes.h"
#include "routing/onion/layer_keys.h"

namespace messenger::routing {

// Names one run of the machine, not of the process.
using BootId = crypto::FixedBytes<struct BootIdTag, 16>;

struct ReplayCacheLimits {
  // How far a SETUP's expiry may lie from our own clock.
  absl::Duration past = absl::Minutes(5);
  absl::Duration future = absl::Minutes(5);
  // About 40 bytes of memory each; 2,000 a second for ten minutes is 1.2 M.
  size_t max_tags = 2'000'000;
};

class ReplayCache final {
 public:
  // Forgets everything when the process ends: for tests and short-lived nodes.
  static std::unique_ptr<ReplayCache> InMemory(ReplayCacheLimits limits = {});

  // Keeps one log per minute in `directory`, which is created if absent, and
  // loads what is there. UNAVAILABLE if the directory cannot be used.
  static absl::StatusOr<std::unique_ptr<ReplayCache>> Open(
      std::string directory, const BootId& boot_id, absl::Time now,
      ReplayCacheLimits limits = {});

  ~ReplayCache();
  ReplayCache(const ReplayCache&) = delete;
  ReplayCache& operator=(const ReplayCache&) = delete;

  // See above.
  absl::Status Insert(const ReplayTag& tag, uint32_t expiry_minute,
                      absl::Time now);

  size_t size() const { return size_; }

 private:
  struct Bucket {
    absl::flat_hash_set<ReplayTag> tags;
    int fd = -1;  // -1: in memory only, or not written to yet
  };

  ReplayCache(std::string directory, const BootId& boot_id,
              ReplayCacheLimits limits);

  void DropBucketsBefore(uint32_t minute);
  absl::Status LoadFrom(uint32_t oldest_minute);
  absl::Status LoadBucket(uint32_t minute, const std::string& path);
  absl::Status Append(uint32_t minute, Bucket& bucket, const ReplayTag& tag);
  absl::Status CreateLog(uint32_t minute, Bucket& bucket);
  std::string PathOf(uint32_t minute) const;

  const std::string directory_;  // empty: in memory only
  const BootId boot_id_;
  const ReplayCacheLimits limits_;
  absl::btree_map<uint32_t, Bucket> buckets_;
  // Minutes below are refused for good, even if the clock is set back.
  uint32_t first_open_minute_ = 0;
  size_t size_ = 0;
};

}  // namespace messenger::routing

#endif  // ROUTING_RELAY_REPLAY_CACHE_H_
