// Bounds that clients and members agree on (swarm/SPEC.md, section 8). Bounds
// that only concern our implementation stand where they are used.

#ifndef SWARM_AUTH_LIMITS_H_
#define SWARM_AUTH_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace messenger::swarm {

// The largest padded message of a client (64 KiB) and room for its framing.
inline constexpr size_t kMaxPayloadBytes = 66'560;

inline constexpr absl::Duration kMinTtl = absl::Seconds(10);
inline constexpr absl::Duration kMaxTtl = absl::Hours(24 * 14);

// How far a clock may be off, in either direction.
inline constexpr absl::Duration kClockTolerance = absl::Seconds(120);

inline constexpr size_t kMaxRecordBodyBytes = 8'192;
// Full records of a namespace fit one reply.
inline constexpr size_t kMaxRecordsPerNamespace = 15;

inline constexpr size_t kMaxDeleteIds = 1'000;

inline constexpr uint32_t kMaxPageRows = 256;
// A reply of 16 cells (routing/SPEC.md, section 4) less the envelope around
// the rows. One message of kMaxPayloadBytes always fits.
inline constexpr uint32_t kMaxPageBytes = 16 * 8'148 - 363;
inline constexpr uint32_t kMinPageBytes = 4'096;
// What a row costs besides its payload, at most, its signature included;
// counted against a page.
inline constexpr size_t kRowOverheadBytes = 142;
inline constexpr size_t kRecordOverheadBytes = 160;

// A tombstone outlives the message by this; that of a message nobody has seen
// counts from the deletion and adds the longest life a message can have.
inline constexpr absl::Duration kTombstoneGrace = absl::Hours(24);
inline constexpr absl::Duration kUnknownTombstoneLife = absl::Hours(24 * 31);

// A registration is good for so long, and remembered for as long again, with
// the records of its account.
inline constexpr absl::Duration kRegistrationLife = absl::Hours(24 * 30);
inline constexpr absl::Duration kRegistrationKept = absl::Hours(24 * 60);
// A reader renews when less than this is left.
inline constexpr absl::Duration kRegistrationRenewal = absl::Hours(24 * 20);

// What strangers may put into an inbox, and a contact into a pairwise mailbox.
// A member that others bring messages to takes a quarter more: members admit
// by what they see, and none may refuse for long what the others hold.
inline constexpr uint64_t kStrangerMessages = 200;
inline constexpr uint64_t kStrangerBytes = 2 * 1024 * 1024;
inline constexpr size_t kMaxStrangerPayloadBytes = 8 * 1024 + 1024;
inline constexpr uint64_t kContactMessages = 10'000;
inline constexpr uint64_t kContactBytes = 64 * 1024 * 1024;
// Deletions and purges that one mailbox keeps, in ids.
inline constexpr uint64_t kOwnerIds = 10'000 * 31;
constexpr uint64_t WithPeerSlack(uint64_t quota) { return quota + quota / 4; }

inline constexpr uint32_t kMaxWaitMs = 55'000;
inline constexpr int kMaxRepairMessages = 16;

// The longest ClientRequest: a message and its envelope, or a full deletion.
inline constexpr size_t kMaxClientRequestBytes = 68 * 1024;

}  // namespace messenger::swarm

#endif  // SWARM_AUTH_LIMITS_H_
