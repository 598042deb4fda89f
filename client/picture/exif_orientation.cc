#include "client/picture/exif_orientation.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "client/picture/jpeg_segments.h"

namespace messenger::client {
namespace {

constexpr absl::string_view kExif("Exif\0\0", 6);
constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShort = 3;
constexpr size_t kEntryBytes = 12;

// A number of TIFF, in the byte order that its header says.
class Tiff {
 public:
  explicit Tiff(absl::string_view bytes)
      : bytes_(bytes), big_(absl::StartsWith(bytes, "MM")) {}

  std::optional<uint32_t> Number(size_t offset, size_t width) const {
    if (offset > bytes_.size() || bytes_.size() - offset < width) {
      return std::nullopt;
    }
    uint32_t value = 0;
    for (size_t i = 0; i < width; ++i) {
      const size_t at = offset + (big_ ? i : width - 1 - i);
      value = value << 8 | static_cast<uint8_t>(bytes_[at]);
    }
    return value;
  }

 private:
  absl::string_view bytes_;
  bool big_;
};

// 1 to 8; nothing unless it is there and makes sense.
std::optional<uint32_t> OrientationNumber(absl::string_view bytes) {
  const Tiff tiff(bytes);
  const std::optional<uint32_t> directory = tiff.Number(4, 4);
  if (!directory) return std::nullopt;
  const std::optional<uint32_t> entries = tiff.Number(*directory, 2);
  for (size_t i = 0; i < entries.value_or(0); ++i) {
    const size_t entry = *directory + 2 + i * kEntryBytes;
    const std::optional<uint32_t> tag = tiff.Number(entry, 2);
    if (!tag) return std::nullopt;
    if (*tag != kOrientationTag) continue;
    const std::optional<uint32_t> value = tiff.Number(entry + 8, 2);
    if (tiff.Number(entry + 2, 2) != kShort || !value || *value < 1 ||
        *value > 8) {
      return std::nullopt;
    }
    return value;
  }
  return std::nullopt;
}

}  // namespace

Orientation ExifOrientation(absl::string_view jpeg) {
  JpegSegments segments(jpeg);
  while (const std::optional<JpegSegment> segment = segments.Next()) {
    // Exif is before the picture.
    if (segment->marker == kJpegScan) break;
    absl::string_view body = segment->body;
    if (segment->marker != kJpegApp1 || !absl::ConsumePrefix(&body, kExif)) {
      continue;
    }
    switch (OrientationNumber(body).value_or(1)) {
      case 2:
        return {false, true, false};
      case 3:
        return {false, true, true};
      case 4:
        return {false, false, true};
      case 5:
        return {true, false, false};
      case 6:
        return {true, true, false};
      case 7:
        return {true, true, true};
      case 8:
        return {true, false, true};
      default:
        return {};
    }
  }
  return {};
}

}  // namespace messenger::client
