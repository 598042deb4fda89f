#include "routing/onion/frame.h"

#include <cstdlib>
#include <cstring>

#include "absl/status/status.h"
#include "routing/onion/big_endian.h"

namespace messenger::routing {
namespace {

constexpr size_t kVersionOffset = 0;
constexpr size_t kTypeOffset = 1;
constexpr size_t kReserved16Offset = 2;
constexpr size_t kCircuitIdOffset = 4;
constexpr size_t kReserved32Offset = 12;

bool IsFrameType(uint8_t type) {
  switch (static_cast<FrameType>(type)) {
    case FrameType::kSetup:
    case FrameType::kCell:
    case FrameType::kDestroy:
    case FrameType::kPad:
      return true;
  }
  return false;
}

void WriteHeaderBytes(const FrameHeader& header, char* out) {
  std::memset(out, 0, kFrameHeaderSize);
  out[kVersionOffset] = static_cast<char>(kFrameVersion);
  out[kTypeOffset] = static_cast<char>(header.type);
  StoreBigEndian<uint64_t>(header.circuit_id, out + kCircuitIdOffset);
}

std::string EncodeRandomFrame(const FrameHeader& header,
                              crypto::Random& random) {
  std::string frame(kFrameSize, '\0');
  WriteHeaderBytes(header, frame.data());
  random.Fill(FrameBody(frame));
  return frame;
}

}  // namespace

absl::StatusOr<FrameHeader> ParseFrameHeader(absl::string_view frame) {
  if (frame.size() != kFrameSize) {
    return absl::InvalidArgumentError("frame has the wrong length");
  }
  if (static_cast<uint8_t>(frame[kVersionOffset]) != kFrameVersion) {
    return absl::InvalidArgumentError("unknown frame version");
  }
  const uint8_t type = static_cast<uint8_t>(frame[kTypeOffset]);
  if (!IsFrameType(type)) {
    return absl::InvalidArgumentError("unknown frame type");
  }
  if (LoadBigEndian<uint16_t>(frame.data() + kReserved16Offset) != 0 ||
      LoadBigEndian<uint32_t>(frame.data() + kReserved32Offset) != 0) {
    return absl::InvalidArgumentError("reserved bytes of a frame are set");
  }
  return FrameHeader{static_cast<FrameType>(type),
                     LoadBigEndian<uint64_t>(frame.data() + kCircuitIdOffset)};
}

absl::Span<char> FrameBody(std::string& frame) {
  if (frame.size() != kFrameSize) std::abort();  // The caller's invariant.
  return absl::MakeSpan(frame.data() + kFrameHeaderSize, kFrameBodySize);
}

absl::string_view FrameBody(absl::string_view frame) {
  if (frame.size() != kFrameSize) std::abort();  // The caller's invariant.
  return frame.substr(kFrameHeaderSize);
}

void WriteFrameHeader(const FrameHeader& header, std::string& frame) {
  if (frame.size() != kFrameSize) std::abort();  // The caller's invariant.
  WriteHeaderBytes(header, frame.data());
}

std::string EncodeFrame(const FrameHeader& header, absl::string_view body) {
  if (body.size() != kFrameBodySize) std::abort();  // The caller's invariant.
  std::string frame;
  frame.reserve(kFrameSize);
  frame.resize(kFrameHeaderSize);
  WriteHeaderBytes(header, frame.data());
  frame.append(body.data(), body.size());
  return frame;
}

std::string EncodeDestroy(uint64_t circuit_id, crypto::Random& random) {
  return EncodeRandomFrame({FrameType::kDestroy, circuit_id}, random);
}

std::string EncodePad(crypto::Random& random) {
  return EncodeRandomFrame({FrameType::kPad, /*circuit_id=*/0}, random);
}

}  // namespace messenger::routing
