#include "client/picture/picture_check.h"

#include <cstdint>
#include <optional>

#include "client/picture/jpeg_segments.h"

namespace messenger::client {
namespace {

// JFIF (ITU-T T.871): name, version, density, and a thumbnail of 0 x 0.
constexpr absl::string_view kJfif("JFIF\0\1", 6);
constexpr size_t kJfifBytes = 14;
constexpr size_t kQuantizationBytes = 65;  // with its number
constexpr size_t kHuffmanCounts = 16;
constexpr size_t kMostDcValues = 16;
constexpr size_t kMostAcValues = 256;
constexpr int kMostTables = 4;
constexpr int kMostSampling = 4;
constexpr int kLastCoefficient = 63;
constexpr int kMostApproximation = 13;

int At(absl::string_view bytes, size_t i) {
  return static_cast<uint8_t>(bytes[i]);
}

bool IsJfif(absl::string_view body) {
  return body.size() == kJfifBytes && body.substr(0, kJfif.size()) == kJfif &&
         At(body, 12) == 0 && At(body, 13) == 0;
}

bool IsQuantization(absl::string_view body) {
  if (body.empty()) return false;
  while (!body.empty()) {
    // Numbers of 8 bits only.
    if (body.size() < kQuantizationBytes || At(body, 0) >= kMostTables) {
      return false;
    }
    body.remove_prefix(kQuantizationBytes);
  }
  return true;
}

bool IsHuffman(absl::string_view body) {
  if (body.empty()) return false;
  while (!body.empty()) {
    if (body.size() < 1 + kHuffmanCounts) return false;
    const int kind = At(body, 0) >> 4;
    if (kind > 1 || (At(body, 0) & 0xf) >= kMostTables) return false;
    size_t values = 0;
    for (size_t i = 1; i <= kHuffmanCounts; ++i) values += At(body, i);
    if (values > (kind == 0 ? kMostDcValues : kMostAcValues) ||
        body.size() < 1 + kHuffmanCounts + values) {
      return false;
    }
    body.remove_prefix(1 + kHuffmanCounts + values);
  }
  return true;
}

// The number of components, or 0.
int FrameComponents(absl::string_view body) {
  if (body.size() < 6 || At(body, 0) != 8) return 0;
  const int height = At(body, 1) << 8 | At(body, 2);
  const int width = At(body, 3) << 8 | At(body, 4);
  const int components = At(body, 5);
  if (height < 1 || height > kMaxPictureSide || width < 1 ||
      width > kMaxPictureSide || (components != 1 && components != 3) ||
      body.size() != 6 + 3 * static_cast<size_t>(components)) {
    return 0;
  }
  for (size_t i = 6; i < body.size(); i += 3) {
    const int across = At(body, i + 1) >> 4;
    const int down = At(body, i + 1) & 0xf;
    if (across < 1 || across > kMostSampling || down < 1 ||
        down > kMostSampling || At(body, i + 2) >= kMostTables) {
      return 0;
    }
  }
  return components;
}

bool IsScan(absl::string_view body, int frame_components) {
  if (body.empty()) return false;
  const int components = At(body, 0);
  if (components < 1 || components > frame_components ||
      body.size() != 4 + 2 * static_cast<size_t>(components)) {
    return false;
  }
  for (size_t i = 1; i + 3 < body.size(); i += 2) {
    const int tables = At(body, i + 1);
    if ((tables >> 4) >= kMostTables || (tables & 0xf) >= kMostTables) {
      return false;
    }
  }
  const absl::string_view tail = body.substr(body.size() - 3);
  return At(tail, 0) <= At(tail, 1) && At(tail, 1) <= kLastCoefficient &&
         (At(tail, 2) >> 4) <= kMostApproximation &&
         (At(tail, 2) & 0xf) <= kMostApproximation;
}

}  // namespace

absl::Status CheckPicture(absl::string_view jpeg) {
  const absl::Status refused = absl::InvalidArgumentError("not a picture");
  if (jpeg.size() > kMaxPictureBytes) return refused;
  JpegSegments segments(jpeg);
  int components = 0;
  int scans = 0;
  bool first = true;
  while (const std::optional<JpegSegment> segment = segments.Next()) {
    bool good = false;
    switch (segment->marker) {
      case kJpegApp0:
        good = first && IsJfif(segment->body);
        break;
      case kJpegQuantization:
        good = IsQuantization(segment->body);
        break;
      case kJpegHuffman:
        good = IsHuffman(segment->body);
        break;
      case kJpegRestart:
        good = segment->body.size() == 2;
        break;
      case kJpegBaseline:
      case kJpegProgressive:
        good = components == 0;  // one frame
        components = FrameComponents(segment->body);
        good = good && components != 0;
        break;
      case kJpegScan:
        good = ++scans <= kMaxPictureScans && IsScan(segment->body, components);
        break;
      case kJpegEnd:
        good = scans > 0;
        break;
      default:
        break;
    }
    if (!good) return refused;
    first = false;
  }
  return segments.at_end() ? absl::OkStatus() : refused;
}

}  // namespace messenger::client
