// The segments of a JPEG file (ITU-T T.81, annex B), without decoding anything.
//
// Strict: no bytes between segments, none after the end. Not thread-safe; the
// bytes must outlive the reader and the segments.

#ifndef CLIENT_PICTURE_JPEG_SEGMENTS_H_
#define CLIENT_PICTURE_JPEG_SEGMENTS_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace messenger::client {

// The second byte of a marker.
inline constexpr uint8_t kJpegBaseline = 0xc0;      // SOF0
inline constexpr uint8_t kJpegProgressive = 0xc2;   // SOF2
inline constexpr uint8_t kJpegHuffman = 0xc4;       // DHT
inline constexpr uint8_t kJpegEnd = 0xd9;           // EOI
inline constexpr uint8_t kJpegScan = 0xda;          // SOS
inline constexpr uint8_t kJpegQuantization = 0xdb;  // DQT
inline constexpr uint8_t kJpegRestart = 0xdd;       // DRI
inline constexpr uint8_t kJpegApp0 = 0xe0;
inline constexpr uint8_t kJpegApp1 = 0xe1;

bool IsJpeg(absl::string_view file);

struct JpegSegment {
  uint8_t marker = 0;
  absl::string_view body;  // without marker and length; empty for EOI
};

class JpegSegments final {
 public:
  explicit JpegSegments(absl::string_view file);

  // The one after SOI, then the one after that, up to EOI; of a scan without
  // its compressed data. Nothing: at the end, or where the file is damaged.
  std::optional<JpegSegment> Next();

  // EOI was returned, and is the end of the file.
  bool at_end() const { return ended_ && left_.empty(); }

 private:
  void SkipScan();

  absl::string_view left_;
  bool ended_ = false;
};

}  // namespace messenger::client

#endif  // CLIENT_PICTURE_JPEG_SEGMENTS_H_
