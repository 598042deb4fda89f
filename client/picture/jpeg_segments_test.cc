#include "client/picture/jpeg_segments.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Read = std::vector<std::pair<int, std::string>>;

// Those before the first damage.
Read ReadAll(absl::string_view file, bool whole) {
  JpegSegments segments(file);
  Read read;
  while (const auto segment = segments.Next()) {
    read.emplace_back(segment->marker, segment->body);
  }
  EXPECT_EQ(segments.at_end(), whole);
  return read;
}

const char kTable[] = "\xff\xdb\x00\x03q";
const char kScan[] = "\xff\xda\x00\x04hh";
const char kEnd[] = "\xff\xd9";

std::string Bytes(const char* text, size_t size) { return {text, size}; }
std::string Start() {
  return absl::StrCat("\xff\xd8", Bytes(kTable, 5), Bytes(kScan, 6));
}

TEST(JpegSegmentsTest, SegmentsComeOneByOneWithoutCompressedData) {
  const std::string data("a\xff\0b\xff\xd0z\xff\xd7", 9);
  EXPECT_THAT(ReadAll(absl::StrCat(Start(), data, kEnd), true),
              ElementsAre(Pair(0xdb, "q"), Pair(0xda, "hh"), Pair(0xd9, "")));
  // A scan may follow a scan.
  EXPECT_THAT(
      ReadAll(absl::StrCat(Start(), data, Bytes(kScan, 6), data, kEnd), true),
      ElementsAre(Pair(0xdb, "q"), Pair(0xda, "hh"), Pair(0xda, "hh"),
                  Pair(0xd9, "")));
}

TEST(JpegSegmentsTest, WhatIsCutAnywhereHasNoEnd) {
  const std::string file = absl::StrCat(Start(), "data", kEnd);
  for (size_t size = 0; size < file.size(); ++size) {
    ReadAll(file.substr(0, size), false);
  }
}

TEST(JpegSegmentsTest, BytesBetweenOrAfterSegmentsAreDamage) {
  EXPECT_THAT(ReadAll(absl::StrCat(Start(), kEnd, "x"), false),
              ElementsAre(Pair(0xdb, "q"), Pair(0xda, "hh"), Pair(0xd9, "")));
  EXPECT_THAT(ReadAll(absl::StrCat("\xff\xd8", "x", kEnd), false), IsEmpty());
  EXPECT_THAT(ReadAll(absl::StrCat("x", Start(), kEnd), false), IsEmpty());
}

TEST(JpegSegmentsTest, ALengthBeyondTheFileIsDamage) {
  EXPECT_THAT(ReadAll(Bytes("\xff\xd8\xff\xdb\x00\x04q", 7), false), IsEmpty());
  EXPECT_THAT(ReadAll(Bytes("\xff\xd8\xff\xdb\x00\x01q", 7), false), IsEmpty());
}

}  // namespace
}  // namespace messenger::client
