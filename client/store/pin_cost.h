// What one guess of a PIN costs (client/SPEC.md, section 7).

#ifndef CLIENT_STORE_PIN_COST_H_
#define CLIENT_STORE_PIN_COST_H_

#include <cstdint>

namespace messenger::client {

// RFC 9106, one lane. The cost is stored in the slot and authenticated with
// it; a slot below the floor is refused, so that nobody can plant a cheap one.
struct PinCost {
  uint32_t passes = 3;
  uint32_t memory_kib = 256 * 1024;
};
inline constexpr PinCost kPinCostFloor = {1, 8 * 1024};
// A crafted file must not make the client allocate without bound.
inline constexpr PinCost kPinCostCeiling = {64, 4 * 1024 * 1024};

}  // namespace messenger::client

#endif  // CLIENT_STORE_PIN_COST_H_
