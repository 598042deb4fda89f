#include "swarm/auth/item.h"

#include "absl/status/status.h"
#include "crypto/base/bytes.h"
#include "crypto/hash/hash.h"

namespace messenger::swarm {
namespace {

using Limbs = std::array<uint64_t, 4>;

Limbs LimbsOf(absl::string_view bytes) {
  crypto::ByteReader reader(bytes);
  Limbs limbs;
  for (int i = 3; i >= 0; --i) limbs[i] = reader.U64();
  return limbs;
}

Limbs HashOf(const ItemEntry& entry) {
  const std::string head = crypto::ByteWriter()
                               .U8(static_cast<uint8_t>(entry.kind))
                               .U64(entry.expiry_ms)
                               .Take();
  return LimbsOf(
      crypto::Blake2b256("nm1-item", {head, entry.id.bytes()}).bytes());
}

void AddLimbs(Limbs& sum, const Limbs& other) {
  uint64_t carry = 0;
  for (size_t i = 0; i < sum.size(); ++i) {
    const uint64_t partial = sum[i] + other[i];
    const uint64_t overflow = partial < sum[i] ? 1 : 0;
    sum[i] = partial + carry;
    carry = overflow + (sum[i] < partial ? 1 : 0);
  }
}

Limbs Negated(const Limbs& value) {
  Limbs negated;
  for (size_t i = 0; i < value.size(); ++i) negated[i] = ~value[i];
  AddLimbs(negated, {1, 0, 0, 0});
  return negated;
}

}  // namespace

absl::StatusOr<SetDigest> SetDigest::FromBytes(absl::string_view bytes) {
  if (bytes.size() != kSize) {
    return absl::InvalidArgumentError("a set digest has 32 bytes");
  }
  SetDigest digest;
  digest.limbs_ = LimbsOf(bytes);
  return digest;
}

std::string SetDigest::ToBytes() const {
  crypto::ByteWriter writer;
  for (int i = 3; i >= 0; --i) writer.U64(limbs_[i]);
  return writer.Take();
}

void SetDigest::Add(const ItemEntry& entry) { AddLimbs(limbs_, HashOf(entry)); }
void SetDigest::Remove(const ItemEntry& entry) {
  AddLimbs(limbs_, Negated(HashOf(entry)));
}
void SetDigest::Add(const SetDigest& other) { AddLimbs(limbs_, other.limbs_); }

}  // namespace messenger::swarm
