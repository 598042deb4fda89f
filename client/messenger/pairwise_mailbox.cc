#include "client/messenger/pairwise_mailbox.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "swarm/auth/mailbox.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::Ed25519PrivateKey;
using ::messenger::crypto::Ed25519PublicKey;
using ::messenger::crypto::Ed25519Seed;

constexpr size_t kSeedBytes = 32;

std::string Address(const Ed25519PublicKey& read_key,
                    const Ed25519PublicKey& write_key) {
  return std::string(
      swarm::MailboxAddress::ForPair(read_key, write_key).bytes());
}

absl::StatusOr<Ed25519PrivateKey> KeyFromSeed(absl::string_view bytes) {
  ASSIGN_OR_RETURN(const Ed25519Seed seed, Ed25519Seed::FromBytes(bytes));
  return Ed25519PrivateKey::FromSeed(seed);
}

}  // namespace

IncomingMailbox::IncomingMailbox(Ed25519PrivateKey read_key,
                                 Ed25519PrivateKey write_key)
    : read_key_(std::make_shared<Ed25519PrivateKey>(std::move(read_key))),
      write_key_(std::make_shared<Ed25519PrivateKey>(std::move(write_key))),
      address_(Address(read_key_->public_key(), write_key_->public_key())) {}

IncomingMailbox IncomingMailbox::Generate(crypto::Random& random) {
  return IncomingMailbox(Ed25519PrivateKey::Generate(random),
                         Ed25519PrivateKey::Generate(random));
}

absl::StatusOr<IncomingMailbox> IncomingMailbox::Parse(
    absl::string_view bytes) {
  if (bytes.size() != 2 * kSeedBytes) {
    return absl::InvalidArgumentError("a mailbox has 64 bytes");
  }
  ASSIGN_OR_RETURN(Ed25519PrivateKey read_key,
                   KeyFromSeed(bytes.substr(0, kSeedBytes)));
  ASSIGN_OR_RETURN(Ed25519PrivateKey write_key,
                   KeyFromSeed(bytes.substr(kSeedBytes)));
  return IncomingMailbox(std::move(read_key), std::move(write_key));
}

std::string IncomingMailbox::Serialize() const {
  return absl::StrCat(read_key_->seed().Expose(), write_key_->seed().Expose());
}

OutgoingMailbox::OutgoingMailbox(const Ed25519PublicKey& read_key,
                                 Ed25519PrivateKey write_key)
    : read_key_(read_key),
      write_key_(std::make_shared<Ed25519PrivateKey>(std::move(write_key))),
      address_(Address(read_key_, write_key_->public_key())) {}

absl::StatusOr<OutgoingMailbox> OutgoingMailbox::Create(
    absl::string_view read_key, absl::string_view write_seed) {
  ASSIGN_OR_RETURN(const Ed25519PublicKey read_public,
                   Ed25519PublicKey::FromBytes(read_key));
  ASSIGN_OR_RETURN(Ed25519PrivateKey write_private, KeyFromSeed(write_seed));
  return OutgoingMailbox(read_public, std::move(write_private));
}

absl::StatusOr<OutgoingMailbox> OutgoingMailbox::Parse(
    absl::string_view bytes) {
  if (bytes.size() != 2 * kSeedBytes) {
    return absl::InvalidArgumentError("a mailbox has 64 bytes");
  }
  return Create(bytes.substr(0, kSeedBytes), bytes.substr(kSeedBytes));
}

std::string OutgoingMailbox::Serialize() const {
  return absl::StrCat(read_key_.bytes(), write_key_->seed().Expose());
}

}  // namespace messenger::client
