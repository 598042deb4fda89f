#include "client/picture/testing/pictures.h"

#include <png.h>
#include <turbojpeg.h>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

std::string BigEndian(uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) {
    text += static_cast<char>(value >> (8 * i));
  }
  return text;
}

uint32_t Crc32(absl::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) {
      crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
  }
  return ~crc;
}

// An entry of a TIFF directory whose value, of at most 4 bytes, is within it.
std::string Entry(uint32_t tag, uint32_t type, uint32_t count,
                  std::string value) {
  value.resize(4);
  return absl::StrCat(BigEndian(tag, 2), BigEndian(type, 2),
                      BigEndian(count, 4), value);
}

}  // namespace

Image Image::Plain(int width, int height, Color color) {
  return Quarters(width, height, color, color, color, color);
}

Image Image::Quarters(int width, int height, Color a, Color b, Color c,
                      Color d) {
  Image image = {width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const bool left = x < width / 2;
      const Color color = y < height / 2 ? (left ? a : b) : (left ? c : d);
      for (const int one : {color.red, color.green, color.blue}) {
        image.rgb.push_back(static_cast<uint8_t>(one));
      }
    }
  }
  return image;
}

Color Image::at(int x, int y) const {
  const size_t i = 3 * (static_cast<size_t>(y) * width + x);
  return {rgb[i], rgb[i + 1], rgb[i + 2]};
}

std::string ToPng(const Image& image) {
  png_image png = {};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string file(size, '\0');
  EXPECT_NE(png_image_write_to_memory(&png, file.data(), &size, 0,
                                      image.rgb.data(), 0, nullptr),
            0);
  file.resize(size);
  return file;
}

std::string ToJpeg(const Image& image, int quality, bool progressive) {
  const tjhandle turbo = tjInitCompress();
  unsigned char* buffer = nullptr;
  unsigned long size = 0;  // NOLINT(runtime/int): of the library
  EXPECT_EQ(tjCompress2(turbo, image.rgb.data(), image.width, 0, image.height,
                        TJPF_RGB, &buffer, &size, TJSAMP_444, quality,
                        progressive ? TJFLAG_PROGRESSIVE : 0),
            0);
  std::string file(reinterpret_cast<char*>(buffer), size);
  tjFree(buffer);
  tjDestroy(turbo);
  return file;
}

Image FromJpeg(absl::string_view jpeg) {
  const tjhandle turbo = tjInitDecompress();
  const auto* bytes = reinterpret_cast<const unsigned char*>(jpeg.data());
  Image image;
  int sampling = 0;
  int colors = 0;
  EXPECT_EQ(tjDecompressHeader3(turbo, bytes, jpeg.size(), &image.width,
                                &image.height, &sampling, &colors),
            0);
  image.rgb.resize(3 * static_cast<size_t>(image.width) * image.height);
  EXPECT_EQ(tjDecompress2(turbo, bytes, jpeg.size(), image.rgb.data(),
                          image.width, 0, image.height, TJPF_RGB, 0),
            0);
  tjDestroy(turbo);
  return image;
}

std::string WithSegment(absl::string_view jpeg, uint8_t marker,
                        absl::string_view body) {
  return absl::StrCat(jpeg.substr(0, 2), "\xff",
                      std::string(1, static_cast<char>(marker)),
                      BigEndian(static_cast<uint32_t>(body.size()) + 2, 2),
                      body, jpeg.substr(2));
}

std::string WithChunk(absl::string_view png, absl::string_view type,
                      absl::string_view body) {
  constexpr size_t kHeaderEnd = 8 + 4 + 4 + 13 + 4;
  const std::string named = absl::StrCat(type, body);
  return absl::StrCat(png.substr(0, kHeaderEnd),
                      BigEndian(static_cast<uint32_t>(body.size()), 4), named,
                      BigEndian(Crc32(named), 4), png.substr(kHeaderEnd));
}

std::string Exif(int orientation, absl::string_view place) {
  // Two entries: the orientation, and a text behind the directory.
  const uint32_t text_at = 8 + 2 + 2 * 12 + 4;
  return absl::StrCat(
      absl::string_view("Exif\0\0MM\0\x2a\0\0\0\x08", 14), BigEndian(2, 2),
      Entry(0x0112, 3, 1, BigEndian(static_cast<uint32_t>(orientation), 2)),
      Entry(0x8825, 2, static_cast<uint32_t>(place.size()),
            BigEndian(text_at, 4)),
      BigEndian(0, 4), place);
}

}  // namespace messenger::client
