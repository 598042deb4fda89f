#include "client/picture/profile_picture.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/picture/picture_check.h"
#include "client/picture/testing/pictures.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kMarker[] = "zyxwvut-marker";
constexpr Color kRed = {220, 20, 20};
constexpr Color kGreen = {20, 200, 20};
constexpr Color kBlue = {20, 20, 220};
constexpr Color kYellow = {220, 220, 20};

Image Some(int width, int height) {
  return Image::Quarters(width, height, kRed, kGreen, kBlue, kYellow);
}

// What is shown of the file.
Image Made(absl::string_view file) {
  const absl::StatusOr<std::string> made = MakeProfilePicture(file);
  EXPECT_THAT(made.status(), IsOk());
  if (!made.ok()) return {};
  EXPECT_THAT(CheckPicture(*made), IsOk());
  return FromJpeg(*made);
}

// The name of the color in the middle of a quarter.
char Named(const Image& image, int quarter) {
  const Color color = image.at(image.width * (1 + 2 * (quarter % 2)) / 4,
                               image.height * (1 + 2 * (quarter / 2)) / 4);
  char name = '?';
  for (const auto& [known, letter] :
       {std::pair(kRed, 'r'), std::pair(kGreen, 'g'), std::pair(kBlue, 'b'),
        std::pair(kYellow, 'y')}) {
    if (std::abs(known.red - color.red) < 30 &&
        std::abs(known.green - color.green) < 30 &&
        std::abs(known.blue - color.blue) < 30) {
      name = letter;
    }
  }
  return name;
}
std::string Quarters(const Image& image) {
  return {Named(image, 0), Named(image, 1), Named(image, 2), Named(image, 3)};
}

auto Refused(const std::string& words) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words));
}

TEST(ProfilePictureTest, TheMiddleSquareAtMost256Wide) {
  for (const auto& [width, height, side] :
       {std::tuple(256, 256, 256), std::tuple(1000, 700, 256),
        std::tuple(300, 2100, 256), std::tuple(40, 30, 30),
        std::tuple(257, 999, 256), std::tuple(1, 1, 1)}) {
    const Image image = Some(width, height);
    for (const std::string& file :
         {ToPng(image), ToJpeg(image), ToJpeg(image, 90, true)}) {
      const Image made = Made(file);
      EXPECT_EQ(made.width, side);
      EXPECT_EQ(made.height, side);
      if (side > 1) {
        EXPECT_EQ(Quarters(made), "rgby");
      }
    }
  }
}

TEST(ProfilePictureTest, EdgesBesideTheSquareAreCutOff) {
  // Red, then a green square in the middle, then red.
  Image wide = Image::Plain(300, 100, kRed);
  for (int y = 0; y < 100; ++y) {
    for (int x = 100; x < 200; ++x) {
      uint8_t* point = &wide.rgb[3 * static_cast<size_t>(y * 300 + x)];
      point[0] = kGreen.red;
      point[1] = kGreen.green;
      point[2] = kGreen.blue;
    }
  }
  EXPECT_EQ(Quarters(Made(ToPng(wide))), "gggg");
}

// Lines of black and white, thinner than a point of the picture.
TEST(ProfilePictureTest, WhatGetsSmallerIsAveraged) {
  Image lines = Image::Plain(768, 768, {0, 0, 0});
  for (size_t i = 0; i < lines.rgb.size(); ++i) {
    if (i / 3 % 768 % 3 == 0) lines.rgb[i] = 255;
  }
  const Image made = Made(ToPng(lines));
  EXPECT_NEAR(made.at(128, 128).red, 85, 8);
  EXPECT_NEAR(made.at(3, 250).blue, 85, 8);
}

TEST(ProfilePictureTest, ItIsTurnedAsTheCameraSays) {
  const char* expected[] = {"rgby", "gryb", "ybgr", "byrg",
                            "rbgy", "bryg", "ygbr", "gyrb"};
  const std::string jpeg = ToJpeg(Some(400, 300));
  for (int i = 1; i <= 8; ++i) {
    EXPECT_EQ(Quarters(Made(WithSegment(jpeg, 0xe1, Exif(i, kMarker)))),
              expected[i - 1])
        << i;
  }
}

TEST(ProfilePictureTest, NothingOfTheFileButItsPixelsIsLeft) {
  const std::string place = absl::StrCat(kMarker, " N 47.37 E 8.54");
  std::string jpeg = ToJpeg(Some(300, 300));
  jpeg = WithSegment(jpeg, 0xfe, absl::StrCat("comment ", kMarker));
  jpeg = WithSegment(
      jpeg, 0xe2,
      absl::StrCat(absl::string_view("ICC_PROFILE\0\1\1", 14), kMarker));
  jpeg = WithSegment(
      jpeg, 0xed,
      absl::StrCat(absl::string_view("Photoshop 3.0\0", 14), kMarker));
  jpeg = WithSegment(jpeg, 0xe1, absl::StrCat("http://ns.adobe.com/", kMarker));
  jpeg = WithSegment(jpeg, 0xe1, Exif(1, place));
  jpeg += kMarker;  // as cameras put films behind the picture
  std::string png = ToPng(Some(300, 300));
  png = WithChunk(png, "tEXt",
                  absl::StrCat(absl::string_view("Comment\0", 8), kMarker));
  png = WithChunk(png, "eXIf", Exif(1, place).substr(6));
  png = WithChunk(png, "iTXt",
                  absl::StrCat(absl::string_view("XML\0\0\0\0\0", 8), kMarker));
  png += kMarker;
  for (const std::string& file : {jpeg, png}) {
    ASSERT_THAT(file, HasSubstr(kMarker));
    const absl::StatusOr<std::string> made = MakeProfilePicture(file);
    ASSERT_THAT(made.status(), IsOk());
    EXPECT_THAT(*made, Not(HasSubstr(kMarker)));
    EXPECT_THAT(*made, Not(HasSubstr("Exif")));
    EXPECT_THAT(*made, Not(HasSubstr("zyx")));
    EXPECT_THAT(*made, Not(HasSubstr("47.37")));
    EXPECT_THAT(CheckPicture(*made), IsOk());
    EXPECT_EQ(Quarters(FromJpeg(*made)), "rgby");
  }
  // The same pixels give the same bytes, whatever the file says about them.
  EXPECT_EQ(*MakeProfilePicture(jpeg),
            *MakeProfilePicture(ToJpeg(Some(300, 300))));
}

TEST(ProfilePictureTest, TheWorstPictureIsSmallEnough) {
  crypto::SeededRandom random(7);
  Image noise = Some(256, 256);
  for (uint8_t& byte : noise.rgb) {
    byte = static_cast<uint8_t>(random.Uniform(256));
  }
  EXPECT_EQ(Made(ToPng(noise)).width, 256);
  // Each point black or white.
  for (size_t i = 0; i < noise.rgb.size(); i += 3) {
    const auto value = static_cast<uint8_t>(random.Uniform(2) * 255);
    noise.rgb[i] = noise.rgb[i + 1] = noise.rgb[i + 2] = value;
  }
  EXPECT_EQ(Made(ToPng(noise)).width, 256);
}

TEST(ProfilePictureTest, TransparentBecomesWhite) {
  // 2 x 1: nothing, and a red that is half there (written by hand: zlib stores
  // the line as it is).
  const std::string header(
      "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\2\0\0\0\1"
      "\x08\x06\0\0\0\xf4\x22\x7f\x8a",
      33);
  const std::string png =
      WithChunk(WithChunk(header, "IEND", ""), "IDAT",
                std::string("\x78\x01\x01\x09\x00\xf6\xff\0\0\0\0\0\xff\0\0\x80"
                            "\x04\x85\x01\x80",
                            20));
  const absl::StatusOr<std::string> made = MakeProfilePicture(png);
  ASSERT_THAT(made.status(), IsOk());
  const Color color = FromJpeg(*made).at(0, 0);
  EXPECT_GT(std::min({color.red, color.green, color.blue}), 240);
}

TEST(ProfilePictureTest, OtherFilesAreRefused) {
  for (const std::string& file :
       {std::string(), std::string("GIF89a...."), std::string("\xff\xd8", 2),
        std::string("\x89PNG"), std::string(100'000, '\0'),
        std::string("%PDF-1.4")}) {
    EXPECT_THAT(MakeProfilePicture(file), Refused(""));
  }
  EXPECT_THAT(MakeProfilePicture("GIF89a...."), Refused("PNG nor a JPEG"));
  EXPECT_THAT(MakeProfilePicture("\xff\xd8garbage"), Refused("damaged"));
}

TEST(ProfilePictureTest, WhatIsCutIsRefused) {
  for (const std::string& file :
       {ToPng(Some(50, 40)), ToJpeg(Some(50, 40)),
        ToJpeg(Some(50, 40), 90, /*progressive=*/true)}) {
    // The last bytes only say that it ends.
    for (size_t size = 0; size + 20 < file.size(); ++size) {
      EXPECT_THAT(MakeProfilePicture(file.substr(0, size)), Refused(""))
          << size << " of " << file.size();
    }
  }
}

TEST(ProfilePictureTest, TooLargeIsRefusedBeforeItIsDecoded) {
  EXPECT_THAT(MakeProfilePicture(std::string(kMaxPictureFileBytes + 1, 'x')),
              Refused("16777216"));
  // Only the headers say so.
  std::string png = ToPng(Some(16, 16));
  std::string jpeg = ToJpeg(Some(16, 16));
  const size_t frame = jpeg.find("\xff\xc0");
  const auto with = [&](int width, int height) {
    for (int i = 0; i < 2; ++i) {
      jpeg[frame + 5 + i] = static_cast<char>(height >> (8 - 8 * i));
      jpeg[frame + 7 + i] = static_cast<char>(width >> (8 - 8 * i));
    }
    return MakeProfilePicture(jpeg);
  };
  EXPECT_THAT(with(8193, 16), Refused("8193 x 16"));
  EXPECT_THAT(with(16, 65500), Refused("16 x 65500"));
  EXPECT_THAT(with(8192, 8192), Refused("40 million"));
  EXPECT_THAT(with(0, 16), Refused("damaged"));
  EXPECT_THAT(MakeProfilePicture(ToPng(Some(8193, 1))), Refused("8193 x 1"));
  EXPECT_THAT(MakeProfilePicture(ToPng(Some(1, 8193))), Refused("1 x 8193"));
  EXPECT_EQ(Made(ToPng(Some(8192, 2))).width, 2);
}

}  // namespace
}  // namespace messenger::client
