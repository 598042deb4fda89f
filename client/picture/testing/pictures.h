// Pictures for tests, as files that a person might choose.

#ifndef CLIENT_PICTURE_TESTING_PICTURES_H_
#define CLIENT_PICTURE_TESTING_PICTURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace messenger::client {

struct Color {
  int red = 0;
  int green = 0;
  int blue = 0;
};

// Row by row; opaque.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;

  // Of one color.
  static Image Plain(int width, int height, Color color);
  // One color in each quarter: left and right above, left and right below.
  static Image Quarters(int width, int height, Color a, Color b, Color c,
                        Color d);
  Color at(int x, int y) const;
};

std::string ToPng(const Image& image);
// `progressive`: with several scans.
std::string ToJpeg(const Image& image, int quality = 95,
                   bool progressive = false);
// Failures fail the test.
Image FromJpeg(absl::string_view jpeg);

// The JPEG with a segment (its marker's second byte) right after its start.
std::string WithSegment(absl::string_view jpeg, uint8_t marker,
                        absl::string_view body);
// The PNG with a chunk right after its header; `type` has four letters.
std::string WithChunk(absl::string_view png, absl::string_view type,
                      absl::string_view body);
// What a camera writes: an orientation of 1 to 8, and `place` as the place.
std::string Exif(int orientation, absl::string_view place);

}  // namespace messenger::client

#endif  // CLIENT_PICTURE_TESTING_PICTURES_H_
