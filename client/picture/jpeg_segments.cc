#include "client/picture/jpeg_segments.h"

#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace messenger::client {
namespace {

constexpr absl::string_view kStart = "\xff\xd8";
constexpr size_t kMarkerBytes = 2;
constexpr size_t kLengthBytes = 2;

uint8_t At(absl::string_view bytes, size_t i) {
  return static_cast<uint8_t>(bytes[i]);
}

// Part of compressed data: a byte ff that is escaped, or a restart marker.
bool GoesOn(uint8_t after_ff) {
  return after_ff == 0 || (after_ff >= 0xd0 && after_ff <= 0xd7);
}

}  // namespace

bool IsJpeg(absl::string_view file) { return absl::StartsWith(file, kStart); }

JpegSegments::JpegSegments(absl::string_view file) : left_(file) {
  if (!absl::ConsumePrefix(&left_, kStart)) left_ = absl::string_view();
}

std::optional<JpegSegment> JpegSegments::Next() {
  if (ended_ || left_.size() < kMarkerBytes || At(left_, 0) != 0xff) {
    return std::nullopt;
  }
  JpegSegment segment;
  segment.marker = At(left_, 1);
  left_.remove_prefix(kMarkerBytes);
  if (segment.marker == kJpegEnd) {
    ended_ = true;
    return segment;
  }
  if (left_.size() < kLengthBytes) return std::nullopt;
  // The length counts itself.
  const size_t length = size_t{At(left_, 0)} << 8 | At(left_, 1);
  if (length < kLengthBytes || length > left_.size()) return std::nullopt;
  segment.body = left_.substr(kLengthBytes, length - kLengthBytes);
  left_.remove_prefix(length);
  if (segment.marker == kJpegScan) SkipScan();
  return segment;
}

void JpegSegments::SkipScan() {
  size_t i = 0;
  while (i + 1 < left_.size() &&
         (At(left_, i) != 0xff || GoesOn(At(left_, i + 1)))) {
    ++i;
  }
  left_.remove_prefix(i);
}

}  // namespace messenger::client
