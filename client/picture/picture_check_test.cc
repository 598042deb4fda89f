#include "client/picture/picture_check.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/picture/jpeg_segments.h"
#include "client/picture/testing/pictures.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

auto Refused() { return StatusIs(absl::StatusCode::kInvalidArgument); }

Image Some(int width, int height) {
  return Image::Quarters(width, height, {255, 0, 0}, {0, 255, 0}, {0, 0, 255},
                         {255, 255, 0});
}

// Where the first segment with this marker begins.
size_t Find(absl::string_view jpeg, uint8_t marker) {
  const size_t at = jpeg.find(
      absl::StrCat("\xff", std::string(1, static_cast<char>(marker))));
  EXPECT_NE(at, absl::string_view::npos);
  return at;
}

class PictureCheckTest : public ::testing::Test {
 protected:
  // The good picture with one byte of a segment changed; `at` counts from the
  // first byte of its body.
  std::string With(uint8_t marker, size_t at, uint8_t value) {
    std::string changed = good_;
    changed[Find(changed, marker) + 4 + at] = static_cast<char>(value);
    return changed;
  }

  const std::string good_ = ToJpeg(Some(64, 48));
};

TEST_F(PictureCheckTest, WhatEncodersMakeIsTaken) {
  EXPECT_THAT(CheckPicture(good_), IsOk());
  EXPECT_THAT(CheckPicture(ToJpeg(Some(64, 48), 80, /*progressive=*/true)),
              IsOk());
  EXPECT_THAT(CheckPicture(ToJpeg(Some(512, 512), 50)), IsOk());
  EXPECT_THAT(CheckPicture(ToJpeg(Some(1, 1))), IsOk());
}

TEST_F(PictureCheckTest, WhatIsTooLargeIsRefused) {
  EXPECT_THAT(CheckPicture(ToJpeg(Some(513, 8), 50)), Refused());
  EXPECT_THAT(CheckPicture(ToJpeg(Some(8, 513), 50)), Refused());
  EXPECT_THAT(CheckPicture(ToJpeg(Some(0x0101, 0x0200), 50)), IsOk());
  crypto::SeededRandom random(1);
  Image noise = Some(200, 200);
  for (uint8_t& byte : noise.rgb) {
    byte = static_cast<uint8_t>(random.Uniform(256));
  }
  const std::string large = ToJpeg(noise, 95);
  ASSERT_GT(large.size(), kMaxPictureBytes);
  EXPECT_THAT(CheckPicture(large), Refused());
}

TEST_F(PictureCheckTest, NoOtherSegmentIsTaken) {
  for (int marker = 0xc0; marker <= 0xfe; ++marker) {
    EXPECT_THAT(CheckPicture(WithSegment(good_, static_cast<uint8_t>(marker),
                                         "anything")),
                Refused())
        << marker;
  }
  // JFIF with a thumbnail, and JFIF that is not at the start.
  EXPECT_THAT(CheckPicture(With(kJpegApp0, 12, 1)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegApp0, 0, 'X')), Refused());
  const size_t jfif = Find(good_, kJpegApp0);
  EXPECT_THAT(CheckPicture(
                  absl::StrCat(good_.substr(0, jfif + 18), good_.substr(jfif))),
              Refused());
  // Without one it is as good.
  EXPECT_THAT(CheckPicture(
                  absl::StrCat(good_.substr(0, jfif), good_.substr(jfif + 18))),
              IsOk());
}

TEST_F(PictureCheckTest, WhatIsCutOrGoesOnIsRefused) {
  for (size_t size = 0; size < good_.size(); ++size) {
    EXPECT_THAT(CheckPicture(good_.substr(0, size)), Refused()) << size;
  }
  EXPECT_THAT(CheckPicture(good_ + "x"), Refused());
  EXPECT_THAT(CheckPicture(good_ + good_), Refused());
}

TEST_F(PictureCheckTest, NumbersThatDoNotFitAreRefused) {
  EXPECT_THAT(CheckPicture(With(kJpegBaseline, 0, 12)), Refused());  // bits
  EXPECT_THAT(CheckPicture(With(kJpegBaseline, 1, 3)), Refused());   // height
  EXPECT_THAT(CheckPicture(With(kJpegBaseline, 2, 0)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegBaseline, 5, 4)),
              Refused());  // components
  EXPECT_THAT(CheckPicture(With(kJpegBaseline, 7, 0x51)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegBaseline, 7, 0x10)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegBaseline, 8, 4)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegQuantization, 0, 4)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegQuantization, 0, 0x10)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegHuffman, 0, 0x20)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegHuffman, 0, 0x04)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegHuffman, 16, 200)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegScan, 0, 0)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegScan, 0, 4)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegScan, 2, 0x40)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegScan, 8, 64)), Refused());
  EXPECT_THAT(CheckPicture(With(kJpegScan, 9, 0xe0)), Refused());
}

TEST_F(PictureCheckTest, ThereIsOneFrameAndNotTooManyScans) {
  const size_t frame = Find(good_, kJpegBaseline);
  const size_t after = frame + 2 + 17;
  EXPECT_THAT(
      CheckPicture(absl::StrCat(good_.substr(0, after), good_.substr(frame))),
      Refused());
  EXPECT_THAT(
      CheckPicture(absl::StrCat(good_.substr(0, frame), good_.substr(after))),
      Refused());
  const size_t scan = Find(good_, kJpegScan);
  const std::string head = good_.substr(0, scan);
  EXPECT_THAT(CheckPicture(head + "\xff\xd9"), Refused());
  std::string scans;
  for (int i = 0; i < kMaxPictureScans; ++i) {
    scans += good_.substr(scan, 14) + "a";
  }
  EXPECT_THAT(CheckPicture(head + scans + "\xff\xd9"), IsOk());
  scans += good_.substr(scan, 14) + "a";
  EXPECT_THAT(CheckPicture(head + scans + "\xff\xd9"), Refused());
}

}  // namespace
}  // namespace messenger::client
