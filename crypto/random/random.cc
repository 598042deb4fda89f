#include "crypto/random/random.h"

#include <cstdlib>
#include <cstring>
#include <limits>

namespace messenger::crypto {

std::string Random::String(size_t size) {
  std::string bytes(size, '\0');
  Fill(absl::MakeSpan(bytes.data(), bytes.size()));
  return bytes;
}

uint64_t Random::U64() {
  char bytes[8];
  Fill(absl::MakeSpan(bytes));
  // Byte order is fixed, so that a seed replays alike on every machine.
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

uint64_t Random::Uniform(uint64_t bound) {
  if (bound == 0) std::abort();
  // The 2^64 values split into whole runs of `bound`; those of the incomplete
  // first run are drawn again, or the low results would come up more often.
  const uint64_t incomplete =
      (std::numeric_limits<uint64_t>::max() - bound + 1) % bound;
  uint64_t value;
  do {
    value = U64();
  } while (value < incomplete);
  return value % bound;
}

double Random::UnitDouble() {
  return static_cast<double>(U64() >> 11) * 0x1.0p-53;
}

}  // namespace messenger::crypto
