// How a process reaches others: calls and links of frames
// (routing/runtime/SPEC.md, sections 2 and 3).
//
// Everything here belongs to one executor: methods are called from its tasks,
// callbacks and events run as its tasks, never inside the call that causes
// them. Two implementations: GrpcTransport and, for tests, SimulatedNetwork;
// one contract test runs on both.
#ifndef ROUTING_RUNTIME_TRANSPORT_H_
#define ROUTING_RUNTIME_TRANSPORT_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/base/fixed_bytes.h"

namespace messenger::routing {

// Every frame of a link has exactly this length.
inline constexpr size_t kFrameBytes = 8192;

// Frames a link holds for a peer that does not take them (8 MiB). One more
// and the link is closed: a peer this slow is as good as gone.
inline constexpr size_t kMaxQueuedFrames = 1024;

// The longest time a call can take. A transport cuts a longer timeout to it;
// a server refuses a call that asks for more, or for no end at all.
inline constexpr absl::Duration kMaxCallTimeout = absl::Seconds(120);

// The raw Ed25519 public key of a TLS certificate: who a host is.
using TlsKey = crypto::FixedBytes<struct TlsKeyTag, 32>;

struct Endpoint {
  // IP literal and port, "127.0.0.1:4001" or "[::1]:4001"; in simulations any
  // name, such as "sim:7". Never a host name: nothing is ever resolved.
  std::string address;
  TlsKey tls_key;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// One end of a two-way stream of frames, in order and without gaps until it
// closes. Destroying it closes it, and no event follows.
class FrameLink {
 public:
  virtual ~FrameLink() = default;

  // Queues a frame of kFrameBytes. Nothing happens on a closed link. A frame
  // of another length, or one frame more than kMaxQueuedFrames, closes the
  // link (INVALID_ARGUMENT, RESOURCE_EXHAUSTED).
  virtual void Send(std::string frame) = 0;

  // Frames accepted by Send() and not yet given to the network.
  virtual size_t queued_frames() const = 0;

  // Ends the link and drops what is queued; OnClosed(CANCELLED) follows.
  virtual void Close() = 0;
};

class FrameLinkEvents {
 public:
  virtual ~FrameLinkEvents() = default;

  // `frame` has kFrameBytes.
  virtual void OnFrame(std::string frame) = 0;

  // The last event, at most once. UNAVAILABLE: no connection, or the peer
  // went or closed; PERMISSION_DENIED: the peer refused the link;
  // RESOURCE_EXHAUSTED: too many frames queued; INVALID_ARGUMENT: a frame of
  // the wrong length was sent by one of the two; CANCELLED: Close(). The link
  // may be destroyed in here, or in OnFrame().
  virtual void OnClosed(absl::Status status) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  using CallDone = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;

  // Asks `endpoint` once; nothing is retried. `done` gets the reply, or the
  // status the peer's handler gave (code and words), or: UNAVAILABLE, no
  // connection or the peer's key is not endpoint.tls_key; DEADLINE_EXCEEDED,
  // outcome unknown; RESOURCE_EXHAUSTED, request or reply too large or the
  // peer too busy; UNIMPLEMENTED, the peer has no such method.
  // Pending calls are forgotten when the transport is destroyed.
  virtual void Call(const Endpoint& endpoint,
                    absl::string_view method,  // "/package.Service/Method"
                    std::string request, absl::Duration timeout,
                    CallDone done) = 0;

  // Opens a link at once; connecting goes on behind it, and frames queue
  // meanwhile. A failure shows as OnClosed(). `events` must outlive the link.
  virtual std::unique_ptr<FrameLink> OpenLink(const Endpoint& endpoint,
                                              FrameLinkEvents& events) = 0;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_TRANSPORT_H_
