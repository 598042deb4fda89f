// The canonical encoding of everything we sign, hash or frame ourselves
// (crypto/SPEC.md, section 1): big-endian integers, raw fixed-length fields,
// and length-prefixed variable fields.
//
// `ByteWriter` and `ByteReader` are not thread-safe. The reader checks bounds
// before it reads and never allocates.

#ifndef CRYPTO_BASE_BYTES_H_
#define CRYPTO_BASE_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace messenger::crypto {

// Calls chain: `ByteWriter().U8(1).Var16(name).Take()`.
class ByteWriter final {
 public:
  ByteWriter& U8(uint8_t value);
  ByteWriter& U16(uint16_t value);
  ByteWriter& U32(uint32_t value);
  ByteWriter& U64(uint64_t value);

  // The bytes as they are; the reader has to know their number.
  ByteWriter& Bytes(absl::string_view bytes);

  // A length of two or four bytes, then the bytes. A field that its length
  // prefix cannot express is a broken invariant of the caller and crashes.
  ByteWriter& Var16(absl::string_view bytes);
  ByteWriter& Var32(absl::string_view bytes);

  // Hands over what was written and leaves the writer empty.
  std::string Take();

  size_t size() const { return out_.size(); }

 private:
  std::string out_;
};

// Reads what `ByteWriter` wrote. After the first short read `ok()` is false
// for good and every read yields zero or nothing, so a parser may read all
// fields first and check once with `Finish()`.
class ByteReader final {
 public:
  // `bytes` must outlive the reader and every view it returns.
  explicit ByteReader(absl::string_view bytes) : rest_(bytes) {}

  uint8_t U8();
  uint16_t U16();
  uint32_t U32();
  uint64_t U64();
  absl::string_view Bytes(size_t n);
  absl::string_view Var16();
  absl::string_view Var32();

  bool ok() const { return ok_; }
  size_t remaining() const { return rest_.size(); }

  // INVALID_ARGUMENT unless every read succeeded and nothing is left over.
  absl::Status Finish() const;

 private:
  uint64_t BigEndian(size_t n);

  absl::string_view rest_;
  bool ok_ = true;
};

}  // namespace messenger::crypto

#endif  // CRYPTO_BASE_BYTES_H_
