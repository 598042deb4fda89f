// The plaintext of a CELL (routing/SPEC.md, section 3.1).
//
//   0 x 16 | cmd u8 | flags u8 = 0 | stream u16 = 0 | len u16 | seq u32
//   | 0 u16 | data, then zeros up to 8,148 bytes
//
// The sixteen zero bytes are the only authentication: after a wide-block
// decryption they appear with the right key and history, or with probability
// 2^-128. Pure functions, thread-safe.

#ifndef ROUTING_ONION_CELL_H_
#define ROUTING_ONION_CELL_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "routing/onion/geometry.h"

namespace messenger::routing {

struct CellHeader {
  // Values are on the wire: append only.
  enum class Command : uint8_t {
    kData = 1,   // More cells of this message follow.
    kEnd = 2,    // The last cell of this message.
    kError = 3,  // The hop that sealed this cell gives up; data is a code.
  };

  Command command = Command::kData;
  uint32_t seq = 0;  // Counts the cells of one direction from 0.

  friend bool operator==(const CellHeader&, const CellHeader&) = default;
};

struct OpenedCell {
  CellHeader header;
  std::string data;
};

// Whether the first sixteen bytes of a body of `kFrameBodySize` are zero;
// constant time.
bool HasZeroTag(absl::string_view body);

// A plaintext body. INVALID_ARGUMENT when `data` is over `kCellDataSize`.
absl::StatusOr<std::string> EncodeCell(const CellHeader& header,
                                       absl::string_view data);

// INVALID_ARGUMENT on another length, a tag or padding that is not zero, an
// unknown command, or any reserved bit set.
absl::StatusOr<OpenedCell> ParseCell(absl::string_view body);

}  // namespace messenger::routing

#endif  // ROUTING_ONION_CELL_H_
