// From a file that the person chose to the picture that contacts get
// (client/SPEC.md, section 9.3).

#ifndef CLIENT_PICTURE_PROFILE_PICTURE_H_
#define CLIENT_PICTURE_PROFILE_PICTURE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace messenger::client {

// Of the file.
inline constexpr size_t kMaxPictureFileBytes = 16 * 1024 * 1024;
inline constexpr int kMaxPictureFileSide = 8192;
inline constexpr int64_t kMaxPictureFilePixels = 40'000'000;
// Of what becomes of it, in pixels.
inline constexpr int kPictureSide = 256;

// A JPEG for which CheckPicture() is OK. Takes up to a second and 250 MB for
// the largest file.
//
// INVALID_ARGUMENT: no PNG or JPEG, too large, or damaged; in words for the
// person, without the last full stop.
absl::StatusOr<std::string> MakeProfilePicture(absl::string_view file);

}  // namespace messenger::client

#endif  // CLIENT_PICTURE_PROFILE_PICTURE_H_
