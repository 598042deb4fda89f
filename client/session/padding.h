// Bucket sizes of blobs and the padding inside them (client/SPEC.md,
// section 5). Padding lies under the encryption: the network sees bucket sizes
// only.

#ifndef CLIENT_SESSION_PADDING_H_
#define CLIENT_SESSION_PADDING_H_

#include <array>
#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace messenger::client {

inline constexpr std::array<size_t, 5> kBucketBytes = {4096, 8192, 16384, 32768,
                                                       65536};

bool IsBucketSize(size_t bytes);

// Bytes that `Pad` needs beyond the content.
inline constexpr size_t kPaddingPrefixBytes = 2;

// Length, content and zeros: exactly `size` bytes. The content must fit
// (`size` - 2, and 65,535); a caller's mistake crashes.
std::string Pad(absl::string_view content, size_t size);

// The content inside `padded`, a view into it. INVALID_ARGUMENT when the
// length is too large or a byte after the content is not zero.
absl::StatusOr<absl::string_view> Unpad(absl::string_view padded);

}  // namespace messenger::client

#endif  // CLIENT_SESSION_PADDING_H_
