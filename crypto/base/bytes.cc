#include "crypto/base/bytes.h"

#include <cstdlib>
#include <limits>
#include <utility>

namespace messenger::crypto {
namespace {

void AppendBigEndian(uint64_t value, size_t n, std::string& out) {
  for (size_t i = n; i > 0; --i) {
    out.push_back(static_cast<char>(value >> (8 * (i - 1))));
  }
}

// A silently truncated length would let two different values encode alike.
template <typename Length>
void CheckLength(absl::string_view bytes) {
  if (bytes.size() > std::numeric_limits<Length>::max()) std::abort();
}

}  // namespace

ByteWriter& ByteWriter::U8(uint8_t value) {
  out_.push_back(static_cast<char>(value));
  return *this;
}

ByteWriter& ByteWriter::U16(uint16_t value) {
  AppendBigEndian(value, 2, out_);
  return *this;
}

ByteWriter& ByteWriter::U32(uint32_t value) {
  AppendBigEndian(value, 4, out_);
  return *this;
}

ByteWriter& ByteWriter::U64(uint64_t value) {
  AppendBigEndian(value, 8, out_);
  return *this;
}

ByteWriter& ByteWriter::Bytes(absl::string_view bytes) {
  out_.append(bytes.data(), bytes.size());
  return *this;
}

ByteWriter& ByteWriter::Var16(absl::string_view bytes) {
  CheckLength<uint16_t>(bytes);
  return U16(static_cast<uint16_t>(bytes.size())).Bytes(bytes);
}

ByteWriter& ByteWriter::Var32(absl::string_view bytes) {
  CheckLength<uint32_t>(bytes);
  return U32(static_cast<uint32_t>(bytes.size())).Bytes(bytes);
}

std::string ByteWriter::Take() { return std::exchange(out_, std::string()); }

absl::string_view ByteReader::Bytes(size_t n) {
  if (!ok_ || n > rest_.size()) {
    ok_ = false;
    rest_ = absl::string_view();
    return absl::string_view();
  }
  const absl::string_view bytes = rest_.substr(0, n);
  rest_.remove_prefix(n);
  return bytes;
}

uint64_t ByteReader::BigEndian(size_t n) {
  uint64_t value = 0;
  for (const char c : Bytes(n)) {
    value = value << 8 | static_cast<unsigned char>(c);
  }
  return value;
}

uint8_t ByteReader::U8() { return static_cast<uint8_t>(BigEndian(1)); }
uint16_t ByteReader::U16() { return static_cast<uint16_t>(BigEndian(2)); }
uint32_t ByteReader::U32() { return static_cast<uint32_t>(BigEndian(4)); }
uint64_t ByteReader::U64() { return BigEndian(8); }

absl::string_view ByteReader::Var16() { return Bytes(U16()); }
absl::string_view ByteReader::Var32() { return Bytes(U32()); }

absl::Status ByteReader::Finish() const {
  if (!ok_) return absl::InvalidArgumentError("encoding is cut short");
  if (!rest_.empty()) {
    return absl::InvalidArgumentError("encoding has bytes left over");
  }
  return absl::OkStatus();
}

}  // namespace messenger::crypto
