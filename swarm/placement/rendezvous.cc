#include "swarm/placement/rendezvous.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/bytes.h"
#include "crypto/hash/hash.h"

namespace messenger::swarm {
namespace {

constexpr size_t kIpv4BlockBytes = 3;  // /24
constexpr size_t kIpv6BlockBytes = 6;  // /48

}  // namespace

Shard ShardOf(const MailboxAddress& mailbox) {
  const crypto::Digest256 hash =
      crypto::Blake2b256("nm1-shard", {mailbox.bytes()});
  crypto::ByteReader reader(hash.bytes());
  return static_cast<Shard>(reader.U16() >> 4);
}

std::string AddressBlock(absl::string_view address) {
  const size_t colon = address.rfind(':');
  absl::string_view host =
      colon == absl::string_view::npos ? address : address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  char parsed[16];
  const std::string text(host);
  if (inet_pton(AF_INET, text.c_str(), parsed) == 1) {
    return absl::StrCat("4", absl::string_view(parsed, kIpv4BlockBytes));
  }
  if (inet_pton(AF_INET6, text.c_str(), parsed) == 1) {
    return absl::StrCat("6", absl::string_view(parsed, kIpv6BlockBytes));
  }
  return absl::StrCat("?", address);
}

std::vector<size_t> ChooseMembers(Shard shard,
                                  absl::Span<const Candidate> candidates,
                                  size_t count) {
  const std::string shard_bytes = crypto::ByteWriter().U16(shard).Take();
  std::vector<std::pair<crypto::Digest256, size_t>> ranking;
  ranking.reserve(candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    ranking.emplace_back(
        crypto::Blake2b256("nm1-rendezvous",
                           {shard_bytes, candidates[i].id.bytes()}),
        i);
  }
  std::sort(ranking.begin(), ranking.end(),
            [](const auto& a, const auto& b) { return b.first < a.first; });

  std::vector<size_t> members;
  std::vector<bool> taken(candidates.size(), false);
  absl::flat_hash_set<OperatorKey> operators;
  absl::flat_hash_set<absl::string_view> blocks;
  for (const auto& [check_operator, check_block] :
       {std::pair(true, true), std::pair(true, false),
        std::pair(false, false)}) {
    for (const auto& [score, index] : ranking) {
      if (members.size() >= count) return members;
      const Candidate& candidate = candidates[index];
      if (taken[index]) continue;
      if (check_operator && operators.contains(candidate.operator_key)) {
        continue;
      }
      if (check_block && blocks.contains(candidate.address_block)) continue;
      taken[index] = true;
      members.push_back(index);
      if (!candidate.operator_key.IsZero()) {
        operators.insert(candidate.operator_key);
      }
      blocks.insert(candidate.address_block);
    }
  }
  return members;
}

}  // namespace messenger::swarm
