// Names and numbers both sides of our gRPC agree on (routing/runtime/SPEC.md,
// sections 2 and 3).
#ifndef ROUTING_RUNTIME_GRPC_NAMES_H_
#define ROUTING_RUNTIME_GRPC_NAMES_H_

namespace messenger::routing {

// The stream that carries frames.
inline constexpr char kLinkMethod[] = "/messenger.routing.v1.Link/Frames";

// Trailing metadata of an error that a handler gave, to tell its words from
// those gRPC makes up, which may hold addresses.
inline constexpr char kAnsweredKey[] = "answered";
inline constexpr char kAnsweredValue[] = "1";

// The HTTP/2 window of each stream: what may be under way unread. Fixed, since
// a window that grows by itself is memory a peer decides about. 512 KiB carry
// 3,000 frames a second over a round trip of 20 ms.
inline constexpr int kWindowBytes = 512 * 1024;

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_GRPC_NAMES_H_
