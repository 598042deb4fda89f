// How a JPEG of a camera is to be turned (Exif 2.32, tag 0x0112). The camera
// stores the picture as its sensor lies; who drops the metadata has to turn it.

#ifndef CLIENT_PICTURE_EXIF_ORIENTATION_H_
#define CLIENT_PICTURE_EXIF_ORIENTATION_H_

#include "absl/strings/string_view.h"

namespace messenger::client {

// From the file as it is stored to what is shown: first mirrored along the main
// diagonal, then left to right, then top to bottom.
struct Orientation {
  bool transposed = false;
  bool mirrored = false;
  bool flipped = false;
};

// As it is stored where the file says nothing, or nonsense.
Orientation ExifOrientation(absl::string_view jpeg);

}  // namespace messenger::client

#endif  // CLIENT_PICTURE_EXIF_ORIENTATION_H_
