#include "client/picture/exif_orientation.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/picture/testing/pictures.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

const char kJpeg[] = "\xff\xd8\xff\xd9";

std::string Read(absl::string_view jpeg) {
  const Orientation read = ExifOrientation(jpeg);
  return absl::StrCat(read.transposed ? "t" : "", read.mirrored ? "m" : "",
                      read.flipped ? "f" : "");
}

TEST(ExifOrientationTest, EachOfTheEight) {
  const char* expected[] = {"", "m", "mf", "f", "t", "tm", "tmf", "tf"};
  for (int i = 1; i <= 8; ++i) {
    EXPECT_EQ(Read(WithSegment(kJpeg, 0xe1, Exif(i, "here"))), expected[i - 1])
        << i;
  }
}

TEST(ExifOrientationTest, TheOtherByteOrder) {
  EXPECT_EQ(
      Read(WithSegment(kJpeg, 0xe1,
                       absl::string_view("Exif\0\0II\x2a\0\x08\0\0\0"
                                         "\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0"
                                         "\0\0\0\0\0\0",
                                         32))),
      "tm");
}

TEST(ExifOrientationTest, NothingOrNonsenseIsAsItIsStored) {
  EXPECT_EQ(Read(kJpeg), "");
  EXPECT_EQ(Read(""), "");
  for (const int number : {0, 9, 65535}) {
    EXPECT_EQ(Read(WithSegment(kJpeg, 0xe1, Exif(number, ""))), "");
  }
  // Elsewhere than in Exif.
  EXPECT_EQ(Read(WithSegment(kJpeg, 0xe2, Exif(6, ""))), "");
  const std::string exif = Exif(6, "here");
  for (size_t size = 0; size < exif.size(); ++size) {
    Read(WithSegment(kJpeg, 0xe1, exif.substr(0, size)));
  }
  // A directory that lies about where it is.
  std::string far = exif;
  far[10] = '\x7f';
  EXPECT_EQ(Read(WithSegment(kJpeg, 0xe1, far)), "");
}

}  // namespace
}  // namespace messenger::client
