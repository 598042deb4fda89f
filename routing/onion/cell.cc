#include "routing/onion/cell.h"

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "routing/onion/big_endian.h"

namespace messenger::routing {
namespace {

constexpr size_t kCommandOffset = kZeroTagSize;
constexpr size_t kFlagsOffset = kCommandOffset + 1;
constexpr size_t kStreamOffset = kCommandOffset + 2;
constexpr size_t kLengthOffset = kCommandOffset + 4;
constexpr size_t kSeqOffset = kCommandOffset + 6;
constexpr size_t kReservedOffset = kCommandOffset + 10;
constexpr size_t kDataOffset = kCommandOffset + kCellHeaderSize;

absl::Status Malformed() {
  return absl::InvalidArgumentError("malformed cell");
}

bool IsCommand(uint8_t command) {
  switch (static_cast<CellHeader::Command>(command)) {
    case CellHeader::Command::kData:
    case CellHeader::Command::kEnd:
    case CellHeader::Command::kError:
      return true;
  }
  return false;
}

}  // namespace

bool HasZeroTag(absl::string_view body) {
  if (body.size() < kZeroTagSize) return false;
  unsigned char any = 0;
  for (size_t i = 0; i < kZeroTagSize; ++i) {
    any |= static_cast<unsigned char>(body[i]);
  }
  return any == 0;
}

absl::StatusOr<std::string> EncodeCell(const CellHeader& header,
                                       absl::string_view data) {
  if (data.size() > kCellDataSize) {
    return absl::InvalidArgumentError("data does not fit a cell");
  }
  std::string body(kFrameBodySize, '\0');
  body[kCommandOffset] = static_cast<char>(header.command);
  StoreBigEndian<uint16_t>(static_cast<uint16_t>(data.size()),
                           &body[kLengthOffset]);
  StoreBigEndian<uint32_t>(header.seq, &body[kSeqOffset]);
  std::copy(data.begin(), data.end(), body.begin() + kDataOffset);
  return body;
}

absl::StatusOr<OpenedCell> ParseCell(absl::string_view body) {
  if (body.size() != kFrameBodySize || !HasZeroTag(body)) return Malformed();
  const uint8_t command = static_cast<uint8_t>(body[kCommandOffset]);
  const size_t length = LoadBigEndian<uint16_t>(&body[kLengthOffset]);
  if (!IsCommand(command) || body[kFlagsOffset] != 0 ||
      LoadBigEndian<uint16_t>(&body[kStreamOffset]) != 0 ||
      LoadBigEndian<uint16_t>(&body[kReservedOffset]) != 0 ||
      length > kCellDataSize) {
    return Malformed();
  }
  const absl::string_view padding = body.substr(kDataOffset + length);
  if (!std::all_of(padding.begin(), padding.end(),
                   [](char byte) { return byte == 0; })) {
    return Malformed();
  }
  OpenedCell cell;
  cell.header.command = static_cast<CellHeader::Command>(command);
  cell.header.seq = LoadBigEndian<uint32_t>(&body[kSeqOffset]);
  cell.data.assign(body.data() + kDataOffset, length);
  return cell;
}

}  // namespace messenger::routing
