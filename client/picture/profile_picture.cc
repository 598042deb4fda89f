#include "client/picture/profile_picture.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/picture/exif_orientation.h"
#include "client/picture/jpeg_segments.h"
#include "client/picture/picture_check.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

constexpr absl::string_view kPngStart = "\x89PNG\r\n\x1a\n";
constexpr size_t kColors = 3;
constexpr int kBestQuality = 90;
constexpr int kWorstQuality = 10;
constexpr int kQualityStep = 10;

// Red, green and blue of each, row by row.
struct Pixels {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> bytes;
};

struct EndTurbo {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Turbo = std::unique_ptr<void, EndTurbo>;

absl::Status Damaged() {
  return absl::InvalidArgumentError(
      "the picture is damaged, not whole, or of a kind that is not known here; "
      "open it with an image program and save it as PNG");
}

absl::Status CheckSize(int64_t width, int64_t height) {
  if (width < 1 || height < 1) return Damaged();
  if (width <= kMaxPictureFileSide && height <= kMaxPictureFileSide &&
      width * height <= kMaxPictureFilePixels) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the picture has ", width, " x ", height, " points; at most ",
      kMaxPictureFileSide, " x ", kMaxPictureFileSide, ", and ",
      kMaxPictureFilePixels / 1'000'000,
      " million in all, are taken: make it smaller with an image program"));
}

absl::StatusOr<Pixels> DecodeJpeg(absl::string_view file) {
  const Turbo turbo(tjInitDecompress());
  if (turbo == nullptr) return absl::ResourceExhaustedError("no memory");
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
  int width = 0;
  int height = 0;
  int sampling = 0;
  int colors = 0;
  if (tjDecompressHeader3(turbo.get(), bytes, file.size(), &width, &height,
                          &sampling, &colors) != 0) {
    return Damaged();
  }
  RETURN_IF_ERROR(CheckSize(width, height));
  // The decoder leaves out, at once, what would be averaged away later.
  const int side = std::min(width, height);
  tjscalingfactor scale = {1, 1};
  while (scale.denom < 8 && side / (2 * scale.denom) >= kPictureSide) {
    scale.denom *= 2;
  }
  Pixels pixels;
  pixels.width = TJSCALED(width, scale);
  pixels.height = TJSCALED(height, scale);
  pixels.bytes.resize(kColors * static_cast<size_t>(pixels.width) *
                      static_cast<size_t>(pixels.height));
  if (tjDecompress2(turbo.get(), bytes, file.size(), pixels.bytes.data(),
                    pixels.width, /*pitch=*/0, pixels.height, TJPF_RGB,
                    TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0) {
    return Damaged();
  }
  return pixels;
}

absl::StatusOr<Pixels> DecodePng(absl::string_view file) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, decltype(&png_image_free)> end(
      &image, &png_image_free);
  if (png_image_begin_read_from_memory(&image, file.data(), file.size()) == 0) {
    return Damaged();
  }
  RETURN_IF_ERROR(CheckSize(image.width, image.height));
  image.format = PNG_FORMAT_RGB;
  Pixels pixels;
  pixels.width = static_cast<int>(image.width);
  pixels.height = static_cast<int>(image.height);
  pixels.bytes.resize(PNG_IMAGE_SIZE(image));
  const png_color white = {255, 255, 255};
  if (png_image_finish_read(&image, &white, pixels.bytes.data(),
                            /*row_stride=*/0, /*colormap=*/nullptr) == 0) {
    return Damaged();
  }
  return pixels;
}

// Calls `add(from, weight)` for each of `length` old points that the new point
// `to` of `new_length` covers, fully or in part; weights add up to `length`.
template <typename Add>
void ForCovered(int to, int length, int new_length, Add add) {
  const int64_t begin = int64_t{to} * length;
  const int64_t end = begin + length;
  for (int64_t from = begin / new_length; from * new_length < end; ++from) {
    add(static_cast<size_t>(from),
        static_cast<uint64_t>(std::min(end, (from + 1) * new_length) -
                              std::max(begin, from * new_length)));
  }
}

// The middle square, each new point the average of what it covers.
Pixels MiddleSquare(const Pixels& from) {
  const int length = std::min(from.width, from.height);
  const int side = std::min(length, kPictureSide);
  const auto left = static_cast<size_t>((from.width - length) / 2);
  const auto top = static_cast<size_t>((from.height - length) / 2);
  const uint64_t area = static_cast<uint64_t>(length) * length;
  Pixels square;
  square.width = square.height = side;
  square.bytes.reserve(kColors * static_cast<size_t>(side) * side);
  std::vector<uint64_t> row(kColors * static_cast<size_t>(length));
  for (int y = 0; y < side; ++y) {
    std::fill(row.begin(), row.end(), 0);
    ForCovered(y, length, side, [&](size_t line, uint64_t weight) {
      const uint8_t* bytes =
          &from.bytes[kColors * ((top + line) * from.width + left)];
      for (size_t i = 0; i < row.size(); ++i) row[i] += weight * bytes[i];
    });
    for (int x = 0; x < side; ++x) {
      uint64_t sums[kColors] = {};
      ForCovered(x, length, side, [&](size_t point, uint64_t weight) {
        for (size_t color = 0; color < kColors; ++color) {
          sums[color] += weight * row[kColors * point + color];
        }
      });
      for (const uint64_t sum : sums) {
        square.bytes.push_back(static_cast<uint8_t>((sum + area / 2) / area));
      }
    }
  }
  return square;
}

Pixels Turned(Pixels square, const Orientation& orientation) {
  const auto side = static_cast<size_t>(square.width);
  Pixels turned = square;
  for (size_t y = 0; y < side; ++y) {
    for (size_t x = 0; x < side; ++x) {
      size_t from_x = orientation.mirrored ? side - 1 - x : x;
      size_t from_y = orientation.flipped ? side - 1 - y : y;
      if (orientation.transposed) std::swap(from_x, from_y);
      std::copy_n(&square.bytes[kColors * (from_y * side + from_x)], kColors,
                  &turned.bytes[kColors * (y * side + x)]);
    }
  }
  return turned;
}

absl::StatusOr<std::string> Encode(const Pixels& pixels) {
  const Turbo turbo(tjInitCompress());
  if (turbo == nullptr) return absl::ResourceExhaustedError("no memory");
  for (int quality = kBestQuality; quality >= kWorstQuality;
       quality -= kQualityStep) {
    std::string jpeg(tjBufSize(pixels.width, pixels.height, TJSAMP_420), '\0');
    auto* buffer = reinterpret_cast<unsigned char*>(jpeg.data());
    unsigned long size = jpeg.size();  // NOLINT(runtime/int): of the library
    if (tjCompress2(turbo.get(), pixels.bytes.data(), pixels.width, /*pitch=*/0,
                    pixels.height, TJPF_RGB, &buffer, &size, TJSAMP_420,
                    quality, TJFLAG_NOREALLOC) != 0) {
      return absl::ResourceExhaustedError("no memory");
    }
    if (size > kMaxPictureBytes) continue;
    jpeg.resize(size);
    RETURN_IF_ERROR(CheckPicture(jpeg));
    return jpeg;
  }
  return absl::InternalError("a picture that does not get small enough");
}

}  // namespace

absl::StatusOr<std::string> MakeProfilePicture(absl::string_view file) {
  if (file.size() > kMaxPictureFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the file has ", file.size(), " bytes; at most ", kMaxPictureFileBytes,
        " are taken: make it smaller with an image program"));
  }
  if (absl::StartsWith(file, kPngStart)) {
    ASSIGN_OR_RETURN(const Pixels pixels, DecodePng(file));
    return Encode(MiddleSquare(pixels));
  }
  if (!IsJpeg(file)) {
    return absl::InvalidArgumentError(
        "the file is neither a PNG nor a JPEG picture");
  }
  ASSIGN_OR_RETURN(const Pixels pixels, DecodeJpeg(file));
  return Encode(Turned(MiddleSquare(pixels), ExifOrientation(file)));
}

}  // namespace messenger::client
