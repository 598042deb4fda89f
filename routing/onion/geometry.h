// Every size of the onion format in one place (routing/SPEC.md, sections 1-4).
//
// All of them are protocol constants: two implementations that disagree about
// one cannot talk to each other. The sums are checked where they are stated.

#ifndef ROUTING_ONION_GEOMETRY_H_
#define ROUTING_ONION_GEOMETRY_H_

#include <cstddef>
#include <cstdint>

namespace messenger::routing {

// Section 1: frames.
inline constexpr size_t kFrameSize = 8192;
inline constexpr size_t kFrameHeaderSize = 16;
inline constexpr size_t kFrameBodySize = kFrameSize - kFrameHeaderSize;
inline constexpr uint8_t kFrameVersion = 1;

// Section 2: SETUP. The body is AD | ct | beta | gamma | payload.
inline constexpr uint8_t kSuite = 1;  // X25519 + ML-KEM-768
inline constexpr size_t kMaxHops = 4;
inline constexpr size_t kAdSize = 16;
inline constexpr size_t kX25519Size = 32;
inline constexpr size_t kMlKemCiphertextSize = 1088;
inline constexpr size_t kLayerCiphertextSize =
    kX25519Size + kMlKemCiphertextSize;
inline constexpr size_t kCommandSize = 48;
inline constexpr size_t kGammaSize = 16;
inline constexpr size_t kSlotSize =
    kCommandSize + kGammaSize + kLayerCiphertextSize;
// The last slot has no next ciphertext, which is why beta is shorter than four
// slots.
inline constexpr size_t kBetaSize = kMaxHops * kSlotSize - kLayerCiphertextSize;
inline constexpr size_t kSetupHeaderSize =
    kAdSize + kLayerCiphertextSize + kBetaSize + kGammaSize;
inline constexpr size_t kSetupPayloadSize = kFrameBodySize - kSetupHeaderSize;
inline constexpr size_t kZeroTagSize = 16;
inline constexpr size_t kSetupDataSize = kSetupPayloadSize - kZeroTagSize;

inline constexpr size_t kCiphertextOffset = kAdSize;
inline constexpr size_t kBetaOffset = kCiphertextOffset + kLayerCiphertextSize;
inline constexpr size_t kGammaOffset = kBetaOffset + kBetaSize;
inline constexpr size_t kPayloadOffset = kGammaOffset + kGammaSize;

// Section 3: CELL. The body is one wide block over tag | header | data.
inline constexpr size_t kCellHeaderSize = 12;
inline constexpr size_t kCellDataSize =
    kFrameBodySize - kZeroTagSize - kCellHeaderSize;

// Section 4: requests and replies.
inline constexpr size_t kRpcHeaderSize = 16;
inline constexpr size_t kSetupRequestSize = kSetupDataSize - kRpcHeaderSize;
inline constexpr size_t kReplyHeaderSize = 5;
inline constexpr int kMaxReplyBudget = 64;

static_assert(kFrameBodySize == 8176);
static_assert(kSlotSize == 1184);
static_assert(kBetaSize == 3616);
static_assert(kSetupHeaderSize == 4768);
static_assert(kSetupPayloadSize == 3408);
static_assert(kSetupDataSize == 3392);
static_assert(kCellDataSize == 8148);
static_assert(kSetupRequestSize == 3376);
// Four hops fill beta to the last byte: the terminal command and 16 random
// bytes remain where the filler ends.
static_assert(kBetaSize - (kMaxHops - 1) * kSlotSize ==
              kCommandSize + kGammaSize);

}  // namespace messenger::routing

#endif  // ROUTING_ONION_GEOMETRY_H_
