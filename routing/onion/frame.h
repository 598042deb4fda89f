// The only thing that crosses a link: a frame of 8,192 bytes (routing/SPEC.md,
// section 1).
//
//   header 16 { version u8 | type u8 | 0 u16 | circuit id u64 | 0 u32 }
//   body 8176
//
// Circuit ids are local to one link and direction of opening; they name a
// circuit towards a neighbour and nothing else. Pure functions, thread-safe.

#ifndef ROUTING_ONION_FRAME_H_
#define ROUTING_ONION_FRAME_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/random/random.h"
#include "routing/onion/geometry.h"

namespace messenger::routing {

// Values are on the wire: append only. 2 is reserved for ACK and refused.
enum class FrameType : uint8_t {
  kSetup = 1,
  kCell = 3,
  kDestroy = 4,
  kPad = 5,
};

struct FrameHeader {
  FrameType type = FrameType::kPad;
  uint64_t circuit_id = 0;

  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

// Reads the header of a whole frame. INVALID_ARGUMENT on any other length,
// version or type, and on reserved bytes that are not zero.
absl::StatusOr<FrameHeader> ParseFrameHeader(absl::string_view frame);

// The body of a whole frame, in place. The frame must be `kFrameSize` long,
// which `ParseFrameHeader` has checked.
absl::Span<char> FrameBody(std::string& frame);
absl::string_view FrameBody(absl::string_view frame);

// Overwrites the header of a whole frame, so that a relay passes the body on
// without moving it.
void WriteFrameHeader(const FrameHeader& header, std::string& frame);

// A frame of `body`, which must be exactly `kFrameBodySize` long.
std::string EncodeFrame(const FrameHeader& header, absl::string_view body);

// A frame whose body says nothing: DESTROY and PAD are filled from `random`.
std::string EncodeDestroy(uint64_t circuit_id, crypto::Random& random);
std::string EncodePad(crypto::Random& random);

}  // namespace messenger::routing

#endif  // ROUTING_ONION_FRAME_H_
