#include "crypto/base/bytes.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;

std::string Everything() {
  return ByteWriter()
      .U8(0x01)
      .U16(0x0203)
      .U32(0x04050607)
      .U64(0x08090a0b0c0d0e0f)
      .Bytes("raw")
      .Var16("sixteen")
      .Var32("thirty-two")
      .Take();
}

// What a parser of `Everything()` does; `Finish()` alone tells the outcome.
absl::Status ReadEverything(absl::string_view bytes) {
  ByteReader reader(bytes);
  reader.U8();
  reader.U16();
  reader.U32();
  reader.U64();
  reader.Bytes(3);
  reader.Var16();
  reader.Var32();
  return reader.Finish();
}

TEST(ByteWriterTest, IntegersAreBigEndian) {
  EXPECT_EQ(Everything().substr(0, 15),
            "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f");
}

TEST(ByteWriterTest, VariableFieldsCarryTheirLength) {
  EXPECT_EQ(ByteWriter().Var16("ab").Take(), std::string("\0\2ab", 4));
  EXPECT_EQ(ByteWriter().Var32("ab").Take(), std::string("\0\0\0\2ab", 6));
}

TEST(ByteWriterTest, TakeLeavesTheWriterEmpty) {
  ByteWriter writer;
  writer.U32(7);
  EXPECT_EQ(writer.size(), 4u);
  EXPECT_EQ(writer.Take().size(), 4u);
  EXPECT_EQ(writer.size(), 0u);
  EXPECT_EQ(writer.U8(1).Take(), "\1");
}

TEST(ByteWriterTest, LongestField16Fits) {
  const std::string longest(0xffff, 'x');
  const std::string encoded = ByteWriter().Var16(longest).Take();
  ByteReader reader(encoded);
  EXPECT_EQ(reader.Var16(), longest);
  EXPECT_THAT(reader.Finish(), IsOk());
}

TEST(ByteWriterDeathTest, FieldBeyondItsLengthPrefixCrashes) {
  EXPECT_DEATH(ByteWriter().Var16(std::string(0x10000, 'x')), "");
}

TEST(ByteReaderTest, ReadsWhatWasWritten) {
  const std::string bytes = Everything();
  ByteReader reader(bytes);
  EXPECT_EQ(reader.remaining(), bytes.size());
  EXPECT_EQ(reader.U8(), 0x01);
  EXPECT_EQ(reader.U16(), 0x0203);
  EXPECT_EQ(reader.U32(), 0x04050607u);
  EXPECT_EQ(reader.U64(), 0x08090a0b0c0d0e0fu);
  EXPECT_EQ(reader.Bytes(3), "raw");
  EXPECT_EQ(reader.Var16(), "sixteen");
  EXPECT_EQ(reader.Var32(), "thirty-two");
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_THAT(reader.Finish(), IsOk());
}

TEST(ByteReaderTest, EveryTruncationIsRefused) {
  const std::string bytes = Everything();
  ASSERT_THAT(ReadEverything(bytes), IsOk());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(
        ReadEverything(absl::string_view(bytes).substr(0, size)),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cut short")))
        << size;
  }
}

TEST(ByteReaderTest, LeftOverBytesAreRefused) {
  EXPECT_THAT(
      ReadEverything(Everything() + "x"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("left over")));
}

TEST(ByteReaderTest, AfterAShortReadEverythingIsEmptyForGood) {
  ByteReader reader("abc");
  EXPECT_EQ(reader.U32(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.U8(), 0u);
  EXPECT_EQ(reader.Bytes(1), "");
  EXPECT_EQ(reader.Var16(), "");
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_FALSE(reader.ok());
}

TEST(ByteReaderTest, LengthBeyondTheEndIsAShortRead) {
  ByteReader reader(absl::string_view("\xff\xff\xff\xffxy", 6));
  EXPECT_EQ(reader.Var32(), "");
  EXPECT_FALSE(reader.ok());
}

TEST(ByteReaderTest, ReadingNothingFromNothingIsFine) {
  ByteReader reader("");
  EXPECT_EQ(reader.Bytes(0), "");
  EXPECT_THAT(reader.Finish(), IsOk());
}

}  // namespace
}  // namespace messenger::crypto
