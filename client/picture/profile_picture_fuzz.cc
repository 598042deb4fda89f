// Files that somebody has made for a person to choose as their picture.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/picture/picture_check.h"
#include "client/picture/profile_picture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace messenger::client;
  const absl::StatusOr<std::string> picture = MakeProfilePicture(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  if (picture.ok() && !CheckPicture(*picture).ok()) abort();
  return 0;
}
