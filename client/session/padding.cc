#include "client/session/padding.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "absl/status/status.h"
#include "crypto/base/bytes.h"

namespace messenger::client {

bool IsBucketSize(size_t bytes) {
  return std::find(kBucketBytes.begin(), kBucketBytes.end(), bytes) !=
         kBucketBytes.end();
}

std::string Pad(absl::string_view content, size_t size) {
  if (size < kPaddingPrefixBytes ||
      content.size() > size - kPaddingPrefixBytes) {
    std::abort();  // the caller chose the bucket by the content
  }
  std::string padded = crypto::ByteWriter().Var16(content).Take();
  padded.resize(size, '\0');
  return padded;
}

absl::StatusOr<absl::string_view> Unpad(absl::string_view padded) {
  crypto::ByteReader in(padded);
  const absl::string_view content = in.Var16();
  const absl::string_view zeros = in.Bytes(in.remaining());
  if (!in.ok() || !std::all_of(zeros.begin(), zeros.end(),
                               [](char c) { return c == '\0'; })) {
    return absl::InvalidArgumentError("malformed padding");
  }
  return content;
}

}  // namespace messenger::client
