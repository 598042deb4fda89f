// Whether bytes of somebody else are a profile picture (client/SPEC.md, section
// 9.3). Nothing is decoded: who keeps the account's keys does not run an image
// decoder over what strangers chose.

#ifndef CLIENT_PICTURE_PICTURE_CHECK_H_
#define CLIENT_PICTURE_PICTURE_CHECK_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace messenger::client {

inline constexpr size_t kMaxPictureBytes = 24'000;
// Of what is taken; this client makes smaller ones (profile_picture.h).
inline constexpr int kMaxPictureSide = 512;
inline constexpr int kMaxPictureScans = 32;

// INVALID_ARGUMENT: it is not a JPEG of the one kind that is allowed, which has
// no place for metadata.
absl::Status CheckPicture(absl::string_view jpeg);

}  // namespace messenger::client

#endif  // CLIENT_PICTURE_PICTURE_CHECK_H_
