// The published vectors (testdata/onion_vectors.json), which come from a second
// implementation, against this one.

#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/hex.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/hash/hash.h"
#include "crypto/kem/mlkem768.h"
#include "crypto/random/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/big_endian.h"
#include "routing/onion/cell.h"
#include "routing/onion/circuit.h"
#include "routing/onion/command.h"
#include "routing/onion/geometry.h"
#include "routing/onion/layer_keys.h"
#include "routing/onion/setup.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::testing::SizeIs;

// The file is one flat JSON object with one pair of strings on each line.
std::map<std::string, std::string> ReadVectors() {
  std::map<std::string, std::string> vectors;
  std::ifstream file("routing/onion/testdata/onion_vectors.json");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, '"');
    if (parts.size() != 5) continue;
    auto value = crypto::HexDecode(parts[3]);
    if (value.ok()) vectors[parts[1]] = *std::move(value);
  }
  return vectors;
}

// Hands out a fixed string of "random" bytes, once.
class ScriptedRandom final : public crypto::Random {
 public:
  explicit ScriptedRandom(std::string script) : script_(std::move(script)) {}

  void Fill(absl::Span<char> out) override {
    ASSERT_LE(out.size(), script_.size()) << "more was drawn than specified";
    std::memcpy(out.data(), script_.data(), out.size());
    script_.erase(0, out.size());
  }

  size_t left() const { return script_.size(); }

 private:
  std::string script_;
};

class OnionVectorsTest : public ::testing::TestWithParam<int> {
 protected:
  struct Node {
    Node(const NodeId& id, crypto::X25519PrivateKey onion,
         crypto::MlKem768PrivateKey kem)
        : onion_key(std::move(onion)),
          kem_key(std::move(kem)),
          secrets(id, onion_key, kem_key) {}

    crypto::X25519PrivateKey onion_key;
    crypto::MlKem768PrivateKey kem_key;
    HopSecrets secrets;
  };

  void SetUp() override {
    vectors_ = ReadVectors();
    ASSERT_THAT(vectors_, ::testing::Not(::testing::IsEmpty()));
    case_ = absl::StrCat("path", GetParam());
    for (int i = 0; i < GetParam(); ++i) {
      const auto bytes = [&](absl::string_view field) { return Hop(i, field); };
      nodes_.push_back(std::make_unique<Node>(
          NodeId::FromBytes(bytes("node_id")).value(),
          crypto::X25519PrivateKey::FromBytes(
              crypto::SecretBytes<32>::FromBytes(bytes("onion_secret"))
                  .value()),
          crypto::MlKem768PrivateKey::FromSeed(
              crypto::SecretBytes<64>::FromBytes(bytes("kem_seed")).value())));
    }
  }

  bool Has(absl::string_view name) const {
    return vectors_.count(absl::StrCat(case_, ".", name)) > 0;
  }
  std::string Get(absl::string_view name) const {
    const auto found = vectors_.find(absl::StrCat(case_, ".", name));
    if (found == vectors_.end()) {
      ADD_FAILURE() << "no vector " << case_ << "." << name;
      return "";
    }
    return found->second;
  }
  std::string Hop(int hop, absl::string_view field) const {
    return Get(absl::StrCat("hop", hop, ".", field));
  }
  uint32_t U32(absl::string_view name) const {
    const std::string bytes = Get(name);
    return bytes.size() == 4 ? LoadBigEndian<uint32_t>(bytes.data()) : 0;
  }
  uint8_t U8(absl::string_view name) const {
    const std::string bytes = Get(name);
    return bytes.size() == 1 ? static_cast<uint8_t>(bytes[0]) : 0;
  }

  BuiltSetup Build() {
    std::vector<HopKeys> hops;
    for (const auto& node : nodes_) {
      hops.push_back({node->secrets.node_id, node->onion_key.public_key(),
                      node->kem_key.public_key()});
    }
    ScriptedRandom random(Get("random"));
    auto built = BuildSetup(hops, {U32("onion_epoch"), U32("kem_epoch")},
                            U8("service"), U32("expiry_minute"),
                            U8("reply_budget"), Get("data"), random);
    EXPECT_THAT(built, IsOk());
    EXPECT_EQ(random.left(), 0u) << "less was drawn than specified";
    return *std::move(built);
  }

  std::vector<RelayCircuit> Relays() {
    std::vector<RelayCircuit> relays;
    for (int i = 0; i < GetParam(); ++i) {
      auto peeled = PeelSetup(nodes_[i]->secrets, Hop(i, "setup"));
      EXPECT_THAT(peeled, IsOk());
      relays.push_back(std::move(peeled->circuit));
    }
    return relays;
  }

  CellHeader Header(absl::string_view cell) const {
    return {
        static_cast<CellHeader::Command>(U8(absl::StrCat(cell, ".command"))),
        U32(absl::StrCat(cell, ".seq"))};
  }
  std::string Link(absl::string_view cell, int hop) const {
    return Get(absl::StrCat(cell, ".link", hop));
  }

  std::map<std::string, std::string> vectors_;
  std::string case_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

TEST_P(OnionVectorsTest, PublicKeysFollowFromTheSecrets) {
  for (int i = 0; i < GetParam(); ++i) {
    EXPECT_EQ(nodes_[i]->onion_key.public_key().bytes(),
              Hop(i, "onion_public"));
    EXPECT_EQ(nodes_[i]->kem_key.public_key().bytes(), Hop(i, "kem_public"));
  }
}

TEST_P(OnionVectorsTest, BuilderMakesThePublishedSetup) {
  EXPECT_EQ(Build().body, Hop(0, "setup"));
}

TEST_P(OnionVectorsTest, EveryHopPeelsToThePublishedNextBody) {
  for (int i = 0; i < GetParam(); ++i) {
    const std::string body = Hop(i, "setup");
    EXPECT_EQ(body.substr(kCiphertextOffset, kLayerCiphertextSize),
              Hop(i, "ct"));
    EXPECT_EQ(body.substr(kBetaOffset, kBetaSize), Hop(i, "beta"));
    EXPECT_EQ(body.substr(kGammaOffset, kGammaSize), Hop(i, "gamma"));
    const auto epochs = SetupEpochs(body);
    ASSERT_THAT(epochs, IsOk());
    EXPECT_EQ(epochs->onion, U32("onion_epoch"));
    EXPECT_EQ(epochs->kem, U32("kem_epoch"));

    const auto peeled = PeelSetup(nodes_[i]->secrets, body);
    ASSERT_THAT(peeled, IsOk());
    EXPECT_EQ(peeled->replay_tag.bytes(), Hop(i, "replay_tag"));
    const auto command = ParseCommand(Hop(i, "command"));
    ASSERT_THAT(command, IsOk());
    EXPECT_EQ(peeled->command, *command);
    EXPECT_EQ(command->expiry_minute, U32("expiry_minute"));
    EXPECT_EQ(command->reply_budget, U8("reply_budget"));
    if (i + 1 < GetParam()) {
      EXPECT_EQ(peeled->command.type, HopCommand::Type::kForward);
      EXPECT_EQ(peeled->command.next, nodes_[i + 1]->secrets.node_id);
      EXPECT_EQ(peeled->next_body, Hop(i + 1, "setup"));
      EXPECT_EQ(peeled->data, "");
    } else {
      EXPECT_EQ(peeled->command.type, HopCommand::Type::kDeliver);
      EXPECT_EQ(peeled->command.service, U8("service"));
      EXPECT_EQ(peeled->data, Get("delivered"));
      EXPECT_EQ(peeled->next_body, "");
    }
  }
}

TEST_P(OnionVectorsTest, KeyScheduleGivesThePublishedKeys) {
  for (int i = 0; i < GetParam(); ++i) {
    const Node& node = *nodes_[i];
    const std::string ct = Hop(i, "ct");
    const auto dh = node.onion_key.Agree(
        crypto::X25519PublicKey::FromBytes(ct.substr(0, kX25519Size)).value());
    ASSERT_THAT(dh, IsOk());
    const auto kem = node.kem_key.Decapsulate(
        crypto::MlKem768Ciphertext::FromBytes(ct.substr(kX25519Size)).value());
    EXPECT_EQ(ExtractLayerSecret(kem, *dh).Expose(), Hop(i, "prk"));
    const LayerKeys keys = DeriveLayerKeys(
        kem, *dh,
        {Hop(i, "setup").substr(0, kAdSize), node.secrets.node_id,
         node.onion_key.public_key(), node.secrets.kem_key_digest, ct});
    EXPECT_EQ(absl::StrCat(keys.mac.Expose(), keys.stream_key.Expose(),
                           keys.stream_iv.bytes(), keys.payload_key.Expose(),
                           keys.circuit.forward_key.Expose(),
                           keys.circuit.backward_key.Expose(),
                           keys.circuit.forward_iv.Expose(),
                           keys.circuit.backward_iv.Expose(),
                           keys.replay_tag.bytes()),
              Hop(i, "keys"));
  }
}

TEST_P(OnionVectorsTest, ForwardCellsMatchOnEveryLink) {
  BuiltSetup built = Build();
  std::vector<RelayCircuit> relays = Relays();
  for (int j = 0; Has(absl::StrCat("forward", j, ".data")); ++j) {
    const std::string cell = absl::StrCat("forward", j);
    auto body =
        built.circuit.SealCell(Header(cell), Get(absl::StrCat(cell, ".data")));
    ASSERT_THAT(body, IsOk());
    for (int i = 0; i + 1 < GetParam(); ++i) {
      EXPECT_EQ(*body, Link(cell, i));
      relays[i].ForwardLayer(absl::MakeSpan(body->data(), body->size()));
    }
    EXPECT_EQ(*body, Link(cell, GetParam() - 1));
    const auto opened = relays.back().OpenForward(*body);
    ASSERT_THAT(opened, IsOk());
    EXPECT_EQ(opened->header, Header(cell));
    EXPECT_EQ(opened->data, Get(absl::StrCat(cell, ".data")));
  }
}

TEST_P(OnionVectorsTest, BackwardCellsMatchOnEveryLink) {
  BuiltSetup built = Build();
  std::vector<RelayCircuit> relays = Relays();
  for (int j = 0; Has(absl::StrCat("backward", j, ".data")); ++j) {
    const std::string cell = absl::StrCat("backward", j);
    const int hop = U8(absl::StrCat(cell, ".hop"));
    const std::string data = Get(absl::StrCat(cell, ".data"));
    std::string body = relays[hop].SealBackward(Header(cell), data);
    EXPECT_EQ(body, Link(cell, hop));
    for (int i = hop - 1; i >= 0; --i) {
      relays[i].BackwardLayer(absl::MakeSpan(body.data(), body.size()));
      EXPECT_EQ(body, Link(cell, i));
    }
    const auto received = built.circuit.OpenCell(body);
    ASSERT_THAT(received, IsOk());
    EXPECT_EQ(received->hop, hop);
    EXPECT_EQ(received->header, Header(cell));
    EXPECT_EQ(received->data, data);
  }
}

INSTANTIATE_TEST_SUITE_P(Paths, OnionVectorsTest, ::testing::Range(1, 5));

TEST(OnionVectorsFileTest, HoldsCellsInBothDirectionsAndErrorsFromEveryHop) {
  const auto vectors = ReadVectors();
  EXPECT_THAT(vectors, SizeIs(240));
  for (int j = 0; j < 6; ++j) {
    EXPECT_EQ(vectors.count(absl::StrCat("path4.backward", j, ".link0")), 1u);
  }
  EXPECT_EQ(vectors.count("path4.forward1.link3"), 1u);
}

}  // namespace
}  // namespace messenger::routing
