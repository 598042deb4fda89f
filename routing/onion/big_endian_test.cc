#include "routing/onion/big_endian.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

TEST(BigEndianTest, TheMostSignificantByteComesFirst) {
  std::string bytes(8, '\xff');
  StoreBigEndian<uint32_t>(0x01020304, &bytes[2]);
  EXPECT_EQ(bytes, std::string("\xff\xff\x01\x02\x03\x04\xff\xff", 8));
  EXPECT_EQ(LoadBigEndian<uint32_t>(&bytes[2]), 0x01020304u);
}

TEST(BigEndianTest, LargestValuesSurvive) {
  char bytes[8];
  StoreBigEndian<uint64_t>(UINT64_MAX - 1, bytes);
  EXPECT_EQ(LoadBigEndian<uint64_t>(bytes), UINT64_MAX - 1);
  StoreBigEndian<uint16_t>(0x80ff, bytes);
  EXPECT_EQ(LoadBigEndian<uint16_t>(bytes), 0x80ff);
}

}  // namespace
}  // namespace messenger::routing
