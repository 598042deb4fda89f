// Pictures that an authenticated but hostile contact sends.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "absl/strings/string_view.h"
#include "client/picture/jpeg_segments.h"
#include "client/picture/picture_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace messenger::client;
  const absl::string_view jpeg(reinterpret_cast<const char*>(data), size);
  if (!CheckPicture(jpeg).ok()) return 0;
  if (jpeg.size() > kMaxPictureBytes || !IsJpeg(jpeg)) abort();
  JpegSegments segments(jpeg);
  uint8_t last = 0;
  while (const std::optional<JpegSegment> segment = segments.Next()) {
    last = segment->marker;
    // No application data but JFIF's, and no comment.
    if (last > kJpegApp0 || (last == kJpegApp0 && segment->body.size() != 14)) {
      abort();
    }
  }
  if (last != kJpegEnd || !segments.at_end()) abort();
  return 0;
}
