// Arbitrary bytes as a consensus, its parts and a difference. Whatever is
// accepted is written the same way again.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/consensus.h"
#include "routing/directory/consensus_diff.h"
#include "routing/directory/consensus_encoding.h"
#include "routing/directory/testing/test_network.h"
#include "routing/proto/directory.pb.h"

namespace {

using namespace messenger;           // NOLINT
using namespace messenger::routing;  // NOLINT

const absl::Time kNow = absl::FromUnixSeconds(1893456000);

void Check(bool condition) {
  if (!condition) std::abort();
}

TestNetwork& Net() {
  static crypto::SeededRandom random(1);
  static auto* const net =
      new TestNetwork(3, TestNetwork::SmallParams(), random, kNow);
  return *net;
}

void TryConsensus(absl::string_view wire) {
  const auto consensus = Consensus::Verify(wire, Net().trust(), kNow);
  if (!consensus.ok()) return;
  const auto again =
      Consensus::Verify((*consensus)->wire(), Net().trust(), kNow);
  Check(again.ok() && (*again)->hash() == (*consensus)->hash());
}

// The same document, signed by the authorities, so that what lies behind the
// signature is reached.
void TrySigned(absl::string_view wire) {
  v1::SignedConsensus document;
  if (!document.ParseFromArray(wire.data(), static_cast<int>(wire.size()))) {
    return;
  }
  // Names this network, and vouches for its entries.
  auto header = ParseHeader(document.header());
  if (!header.ok()) return;
  header->network_id = Net().trust().network_id;
  const std::vector<std::string> entries(document.entries().begin(),
                                         document.entries().end());
  header->nodes_root = NodesRoot(entries);
  header->node_count = static_cast<uint32_t>(entries.size());
  document.set_header(EncodeHeader(*header));
  document.clear_signatures();
  for (int i : {0, 1}) {
    v1::Signature* signature = document.add_signatures();
    signature->set_authority_key(
        std::string(Net().authority(i).public_key().bytes()));
    signature->set_signature(std::string(
        Net()
            .authority(i)
            .Sign(crypto::SigningDomain::kConsensus, document.header())
            .bytes()));
  }
  TryConsensus(document.SerializeAsString());
}

// A good document overwritten with `bytes`, the first two of which say where.
void TryOverwritten(absl::string_view bytes) {
  if (bytes.size() < 2) return;
  std::string wire = Net().consensus()->wire();
  const size_t offset =
      (static_cast<uint8_t>(bytes[0]) * 256u + static_cast<uint8_t>(bytes[1])) %
      wire.size();
  bytes.remove_prefix(2);
  const size_t count = std::min(bytes.size(), wire.size() - offset);
  wire.replace(offset, count, std::string(bytes.substr(0, count)));
  TrySigned(wire);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  TryConsensus(bytes);
  TrySigned(bytes);
  TryOverwritten(bytes);
  if (const auto header = ParseHeader(bytes); header.ok()) {
    Check(EncodeHeader(*header) == bytes);
  }
  if (const auto entry = ParseEntry(bytes); entry.ok()) {
    Check(EncodeEntry(*entry) == bytes);
  }
  if (const auto wire = ApplyConsensusDiff(*Net().consensus(), bytes);
      wire.ok()) {
    TryConsensus(*wire);
  }
  return 0;
}
