#include "client/vault/sealed_vault.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/aead/committing_aead.h"
#include "crypto/base/bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/shared_secret.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"
#include "crypto/kdf/hkdf.h"
#include "swarm/auth/limits.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::ByteReader;
using ::messenger::crypto::ByteWriter;
using ::messenger::crypto::XWingCiphertext;

constexpr uint8_t kVersion = 1;
constexpr size_t kPieceBytes = swarm::kMaxRecordBodyBytes;
// Two sets of the last fit a namespace.
constexpr std::array<size_t, 4> kPieces = {1, 2, 4, 7};
static_assert(2 * kPieces.back() <= swarm::kMaxRecordsPerNamespace);
constexpr size_t kOverhead =
    1 + XWingCiphertext::kSize + crypto::kCommittingOverhead;
constexpr size_t kKeyBytes = 16;
constexpr size_t kSetAt = 14;

std::string RecordKey(VaultSet set, size_t piece) {
  return ByteWriter()
      .Bytes(std::string(kSetAt, '\0'))
      .U8(static_cast<uint8_t>(set))
      .U8(static_cast<uint8_t>(piece))
      .Take();
}

std::string Transcript(absl::string_view mailbox, uint64_t seq,
                       absl::string_view ciphertext) {
  const std::string head =
      ByteWriter().U8(kVersion).Bytes(mailbox).U64(seq).Take();
  return std::string(
      crypto::Blake2b256("nm1-vault", {head, ciphertext}).bytes());
}

crypto::SecretBytes<32> KeyOf(const crypto::SharedSecret& secret,
                              absl::string_view transcript) {
  const crypto::Prk512 prk =
      crypto::HkdfSha512Extract("nm/v1/vault", {secret.Expose()});
  return crypto::HkdfSha512Expand<32>(prk.Expose(), crypto::KdfLabel::kVault,
                                      transcript);
}

absl::StatusOr<VaultContents> OpenOne(const crypto::XWingPrivateKey& kem,
                                      absl::string_view mailbox, uint64_t seq,
                                      absl::string_view sealed) {
  ByteReader in(sealed);
  const uint8_t version = in.U8();
  const auto ciphertext =
      XWingCiphertext::FromBytes(in.Bytes(XWingCiphertext::kSize));
  if (version != kVersion || !ciphertext.ok()) {
    return absl::InvalidArgumentError("not a vault of this version");
  }
  ASSIGN_OR_RETURN(const crypto::SharedSecret secret,
                   kem.Decapsulate(*ciphertext));
  const std::string transcript = Transcript(mailbox, seq, ciphertext->bytes());
  ASSIGN_OR_RETURN(std::string contents,
                   crypto::CommittingOpen(KeyOf(secret, transcript), transcript,
                                          in.Bytes(in.remaining())));
  const absl::Cleanup wipe = [&contents] { crypto::SecureWipe(contents); };
  return DecodeVault(contents);
}

// Of one set: the pieces from the first on that are of its writing.
std::string Join(const std::map<std::string, const VaultRecord*>& records,
                 VaultSet set, uint64_t& seq) {
  std::string sealed;
  for (size_t piece = 0; piece < kPieces.back(); ++piece) {
    const auto it = records.find(RecordKey(set, piece));
    if (it == records.end() || it->second->body.size() != kPieceBytes) break;
    if (piece == 0) seq = it->second->seq;
    if (it->second->seq != seq) break;
    sealed += it->second->body;
  }
  return sealed;
}

}  // namespace

const size_t kMaxVaultContentBytes = kPieces.back() * kPieceBytes - kOverhead;

VaultSet SetOfRecord(absl::string_view key) {
  if (key.size() != kKeyBytes || static_cast<uint8_t>(key[kSetAt]) > 1 ||
      key.find_first_not_of('\0') < kSetAt) {
    return -1;
  }
  return key[kSetAt];
}

absl::StatusOr<std::vector<VaultRecord>> SealVault(
    const crypto::XWingPublicKey& kem, absl::string_view mailbox, VaultSet set,
    uint64_t seq, const VaultContents& contents, crypto::Random& random) {
  std::string padded = EncodeVault(contents);
  const absl::Cleanup wipe = [&padded] { crypto::SecureWipe(padded); };
  const auto pieces =
      std::find_if(kPieces.begin(), kPieces.end(), [&padded](size_t number) {
        return padded.size() + kOverhead <= number * kPieceBytes;
      });
  if (pieces == kPieces.end()) std::abort();
  padded.resize(*pieces * kPieceBytes - kOverhead);
  ASSIGN_OR_RETURN(const crypto::XWingEncapsulation encapsulated,
                   crypto::XWingEncapsulate(kem, random));
  const absl::string_view ciphertext = encapsulated.ciphertext.bytes();
  const std::string transcript = Transcript(mailbox, seq, ciphertext);
  const std::string sealed =
      ByteWriter()
          .U8(kVersion)
          .Bytes(ciphertext)
          .Bytes(crypto::CommittingSeal(KeyOf(encapsulated.secret, transcript),
                                        transcript, padded))
          .Take();
  std::vector<VaultRecord> records;
  for (size_t piece = 0; piece < *pieces; ++piece) {
    records.push_back({RecordKey(set, piece), seq,
                       sealed.substr(piece * kPieceBytes, kPieceBytes)});
  }
  return records;
}

absl::StatusOr<VaultContents> OpenVault(
    const crypto::XWingPrivateKey& kem, absl::string_view mailbox,
    const std::vector<VaultRecord>& records) {
  std::map<std::string, const VaultRecord*> by_key;
  for (const VaultRecord& record : records) {
    if (SetOfRecord(record.key) < 0) continue;
    const VaultRecord*& newest = by_key[record.key];
    if (newest == nullptr || newest->seq < record.seq) newest = &record;
  }
  if (by_key.empty()) return absl::NotFoundError("there is no vault");
  std::vector<std::pair<uint64_t, std::string>> writings;
  for (const VaultSet set : {0, 1}) {
    uint64_t seq = 0;
    std::string sealed = Join(by_key, set, seq);
    if (!sealed.empty()) writings.emplace_back(seq, std::move(sealed));
  }
  std::sort(writings.rbegin(), writings.rend());
  for (const auto& [seq, sealed] : writings) {
    absl::StatusOr<VaultContents> contents = OpenOne(kem, mailbox, seq, sealed);
    if (contents.ok()) return contents;
  }
  return absl::DataLossError("no vault is whole");
}

}  // namespace messenger::client
