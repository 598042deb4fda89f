#include "swarm/auth/registration.h"

#include "absl/numeric/bits.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"

namespace messenger::swarm {
namespace {

using crypto::ByteWriter;
using crypto::SigningDomain;

int LeadingZeros(const crypto::Digest256& hash) {
  crypto::ByteReader reader(hash.bytes());
  const uint64_t first = reader.U64();
  if (first != 0) return absl::countl_zero(first);
  return 64 + absl::countl_zero(reader.U64());
}

template <typename Work>
std::optional<uint64_t> Search(int bits, uint64_t from, uint64_t tries,
                               Work work) {
  for (uint64_t i = 0; i < tries; ++i) {
    if (work(from + i) >= bits) return from + i;
  }
  return std::nullopt;
}

}  // namespace

std::string RegistrationSignedBytes(const RegistrationTerms& terms) {
  return ByteWriter()
      .Bytes(terms.mailbox.bytes())
      .U64(terms.timestamp_ms)
      .U64(terms.proof_nonce)
      .Take();
}

crypto::Ed25519Signature SignRegistration(
    const crypto::Ed25519PrivateKey& read_key, const RegistrationTerms& terms) {
  return read_key.Sign(SigningDomain::kRegistration,
                       RegistrationSignedBytes(terms));
}

absl::Status VerifyRegistration(const MailboxKeys& keys,
                                const RegistrationTerms& terms,
                                const crypto::Ed25519Signature& signature) {
  RETURN_IF_ERROR(CheckKeysOf(terms.mailbox, keys));
  return crypto::Verify(keys.read_key, SigningDomain::kRegistration,
                        RegistrationSignedBytes(terms), signature);
}

ObjectId RegistrationId(const RegistrationTerms& terms) {
  return *ObjectId::FromBytes(
      crypto::Blake2b256("nm1-reg.v1", {RegistrationSignedBytes(terms)})
          .bytes());
}

int RegistrationWork(const RegistrationTerms& terms) {
  return LeadingZeros(
      crypto::Blake2b256("nm1-reg-work", {RegistrationSignedBytes(terms)}));
}

int MessageWork(const MessageId& id, const MailboxAddress& mailbox,
                uint32_t hour, uint64_t nonce) {
  const std::string tail = ByteWriter().U32(hour).U64(nonce).Take();
  return LeadingZeros(
      crypto::Blake2b256("nm1-msg-work", {id.bytes(), mailbox.bytes(), tail}));
}

std::optional<uint64_t> FindRegistrationNonce(RegistrationTerms terms, int bits,
                                              uint64_t from, uint64_t tries) {
  return Search(bits, from, tries, [&](uint64_t nonce) {
    terms.proof_nonce = nonce;
    return RegistrationWork(terms);
  });
}

std::optional<uint64_t> FindMessageNonce(const MessageId& id,
                                         const MailboxAddress& mailbox,
                                         uint32_t hour, int bits, uint64_t from,
                                         uint64_t tries) {
  return Search(bits, from, tries, [&](uint64_t nonce) {
    return MessageWork(id, mailbox, hour, nonce);
  });
}

}  // namespace messenger::swarm
