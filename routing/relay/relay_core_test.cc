#include "routing/relay/relay_core.h"

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/kdf/hmac.h"
#include "crypto/wideblock/hctr2.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/frame.h"
#include "routing/onion/geometry.h"
#include "routing/onion/layer_keys.h"
#include "routing/onion/rpc_message.h"
#include "routing/onion/setup.h"
#include "routing/relay/testing/test_relays.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Counter = uint64_t RelayCounters::*;

// One end of a link that a test reads and writes by hand.
class RawLink final : public FrameLinkEvents {
 public:
  RawLink(Transport& transport, const Endpoint& endpoint)
      : link_(transport.OpenLink(endpoint, *this)) {}

  void OnFrame(std::string frame) override {
    received.push_back(std::move(frame));
  }
  void OnClosed(absl::Status status) override { closed = status; }

  void Send(const std::string& frame) { link_->Send(frame); }
  void Close() { link_->Close(); }

  std::vector<std::string> received;
  std::optional<absl::Status> closed;

 private:
  std::unique_ptr<FrameLink> link_;
};

// A circuit that a test drives frame by frame.
struct RawCircuit {
  uint64_t id;
  std::string setup;  // frame
  ClientCircuit keys;

  std::string Cell(uint32_t seq, absl::string_view data, bool end) {
    return EncodeFrame(
        {.type = FrameType::kCell, .circuit_id = id},
        keys.SealCell({.command = end ? CellHeader::Command::kEnd
                                      : CellHeader::Command::kData,
                       .seq = seq},
                      data)
            .value());
  }
};

class RelayCoreTest : public ::testing::Test {
 protected:
  void StartNetwork(int nodes, RelayLimits limits = {}) {
    net_.emplace(nodes, /*seed=*/11, limits);
    link_ = Open(net_->client_host, 0);
    net_->links.set_wiretap([this](const SimulatedNetwork::Observation& seen) {
      if (seen.kind != SimulatedNetwork::Observation::Kind::kFrame) return;
      EXPECT_EQ(seen.bytes.size(), kFrameSize);
      ++frames_;
      tapped_.emplace_back(absl::StrCat(seen.from, ">", seen.to), seen.bytes);
    });
  }

  std::unique_ptr<RawLink> Open(SimulatedNetwork::Host& from, int to) {
    return std::make_unique<RawLink>(from.transport(),
                                     net_->host(to).endpoint());
  }

  std::vector<HopKeys> KeysOf(const std::vector<int>& path,
                              OnionEpochs epochs) {
    std::vector<HopKeys> keys;
    for (const int hop : path) {
      keys.push_back(
          *net_->directory.current()->KeysFor(net_->id(hop), epochs));
    }
    return keys;
  }
  OnionEpochs Epochs() {
    return net_->directory.current()->EpochsAt(net_->clock.Now());
  }
  uint32_t Minute(int offset = 0) {
    return static_cast<uint32_t>(absl::ToUnixSeconds(net_->clock.Now()) / 60 +
                                 offset);
  }

  struct Plan {
    std::string request = "ping";
    int reply_cells = 1;
    uint8_t service = 1;
    int expiry_offset = 0;
    OnionEpochs claimed_epochs = {};  // zero: the current ones
    uint8_t budget = 0;               // zero: as reply_cells
  };
  RawCircuit Build(const std::vector<int>& path, Plan plan) {
    const OnionEpochs epochs =
        plan.claimed_epochs == OnionEpochs{} ? Epochs() : plan.claimed_epochs;
    const SplitRequest split =
        EncodeRequest(plan.request, plan.reply_cells).value();
    BuiltSetup built =
        BuildSetup(KeysOf(path, Epochs()), epochs, plan.service,
                   Minute(plan.expiry_offset),
                   plan.budget == 0 ? static_cast<uint8_t>(plan.reply_cells)
                                    : plan.budget,
                   split.setup_data, net_->random)
            .value();
    const uint64_t id = net_->random.U64();
    return {.id = id,
            .setup = EncodeFrame({.type = FrameType::kSetup, .circuit_id = id},
                                 built.body),
            .keys = std::move(built.circuit)};
  }
  RawCircuit Build(const std::vector<int>& path) { return Build(path, Plan{}); }

  // All frames that came back on the raw link since the last call.
  std::vector<std::string> Received() {
    return std::exchange(link_->received, {});
  }
  absl::StatusOr<ClientCircuit::Received> Read(RawCircuit& circuit,
                                               const std::string& frame) {
    return circuit.keys.OpenCell(FrameBody(absl::string_view(frame)));
  }
  // The one error cell that came back: which hop spoke and what it said.
  std::pair<int, absl::StatusCode> ReadError(RawCircuit& circuit) {
    const std::vector<std::string> frames = Received();
    if (frames.size() != 1) {
      ADD_FAILURE() << frames.size() << " frames instead of one error cell";
      return {-1, absl::StatusCode::kUnknown};
    }
    const auto cell = Read(circuit, frames[0]);
    if (!cell.ok() || cell->header.command != CellHeader::Command::kError) {
      ADD_FAILURE() << "not an error cell";
      return {-1, absl::StatusCode::kUnknown};
    }
    return {cell->hop, ParseErrorCell(cell->data).value()};
  }
  RpcReply ReadReply(RawCircuit& circuit, int cells) {
    ReplyAssembler assembler(cells);
    for (const std::string& frame : Received()) {
      const auto cell = Read(circuit, frame);
      EXPECT_THAT(cell, IsOk());
      if (!cell.ok()) return {absl::StatusCode::kUnknown, ""};
      EXPECT_THAT(assembler.Add({cell->header, cell->data}), IsOk());
    }
    EXPECT_TRUE(assembler.complete());
    return std::move(assembler).Take().value();
  }

  // Sends and expects silence: nothing comes back, nothing is kept, and the
  // one thing that changed at relay `at` is `counter`.
  void ExpectDropped(const std::string& frame, Counter counter, int at = 0) {
    const uint64_t before = net_->relay(at).counters().*counter;
    const size_t frames = frames_;
    link_->Send(frame);
    net_->Settle();
    EXPECT_EQ(net_->relay(at).counters().*counter, before + 1);
    EXPECT_EQ(frames_, frames + 1) << "somebody answered or forwarded";
    EXPECT_THAT(Received(), IsEmpty());
    EXPECT_EQ(net_->open_circuits(), 0u);
  }

  // Rewrites the command of the first hop of `frame`, as only the client can:
  // bytes at `offset` of the command are XORed with `mask`.
  std::string EditCommand(const std::string& frame, int hop, size_t offset,
                          absl::string_view mask) {
    std::string edited = frame;
    char* const body = edited.data() + kFrameHeaderSize;
    const HopSecrets& secrets =
        *net_->network.node(hop).keys->Find(Epochs(), net_->clock.Now());
    const absl::string_view ciphertext(body + kCiphertextOffset,
                                       kLayerCiphertextSize);
    const auto ephemeral =
        crypto::X25519PublicKey::FromBytes(ciphertext.substr(0, kX25519Size))
            .value();
    const auto kem =
        crypto::MlKem768Ciphertext::FromBytes(ciphertext.substr(kX25519Size))
            .value();
    const LayerKeys keys = DeriveLayerKeys(
        secrets.kem_key.Decapsulate(kem),
        secrets.onion_key.Agree(ephemeral).value(),
        {absl::string_view(body, kAdSize), secrets.node_id,
         secrets.onion_key.public_key(), secrets.kem_key_digest, ciphertext});
    const crypto::Hctr2 cipher(keys.payload_key);
    const absl::Span<char> payload(body + kPayloadOffset, kSetupPayloadSize);
    const absl::string_view gamma(body + kGammaOffset, kGammaSize);
    cipher.Decrypt(absl::StrCat("setup", gamma), payload);
    for (size_t i = 0; i < mask.size(); ++i) {
      body[kBetaOffset + offset + i] ^= mask[i];
    }
    const auto mac = crypto::HmacSha256(
        keys.mac.Expose(), {absl::string_view(body, kGammaOffset)});
    mac.Expose().copy(body + kGammaOffset, kGammaSize);
    cipher.Encrypt(absl::StrCat("setup", gamma), payload);
    return edited;
  }

  std::optional<TestRelays> net_;
  std::unique_ptr<RawLink> link_;
  size_t frames_ = 0;
  std::vector<std::pair<std::string, std::string>> tapped_;
};

// ---- What works ----

TEST_F(RelayCoreTest, ARequestReachesTheLastHopAndItsReplyComesBack) {
  StartNetwork(4);
  RawCircuit circuit = Build({0, 1, 2, 3});
  link_->Send(circuit.setup);
  net_->Settle();
  const RpcReply reply = ReadReply(circuit, 1);
  EXPECT_EQ(reply.code, absl::StatusCode::kOk);
  EXPECT_EQ(reply.bytes, "re:ping");
  EXPECT_EQ(net_->endpoint(3).requests(), 1);
  EXPECT_EQ(net_->open_circuits(), 0u);
  EXPECT_EQ(frames_, 8u);  // four links, one frame each way
}

TEST_F(RelayCoreTest, ServiceNobodyOffersIsAnsweredLikeAnythingElse) {
  StartNetwork(4);
  for (const uint8_t service : {0, 2, 255}) {
    RawCircuit circuit =
        Build({0, 1, 2, 3}, {.reply_cells = 4, .service = service});
    link_->Send(circuit.setup);
    net_->Settle();
    EXPECT_EQ(ReadReply(circuit, 4).code, absl::StatusCode::kUnimplemented);
  }
  EXPECT_EQ(net_->open_circuits(), 0u);
}

TEST_F(RelayCoreTest, TwoCircuitsOfOneLinkDoNotMix) {
  StartNetwork(4);
  net_->endpoint(3).HoldReplies();
  RawCircuit a = Build({0, 1, 2, 3}, {.request = "for a"});
  RawCircuit b = Build({0, 1, 2, 3}, {.request = "for b"});
  link_->Send(a.setup);
  link_->Send(b.setup);
  net_->Settle();
  EXPECT_EQ(net_->open_circuits(), 8u);
  EXPECT_THAT(Received(), IsEmpty());
  net_->endpoint(3).Release();
  net_->Settle();
  const std::vector<std::string> frames = Received();
  ASSERT_THAT(frames, SizeIs(2));
  for (const std::string& frame : frames) {
    const uint64_t id = ParseFrameHeader(frame)->circuit_id;
    ASSERT_TRUE(id == a.id || id == b.id);
    link_->received = {frame};
    EXPECT_EQ(ReadReply(id == a.id ? a : b, 1).bytes,
              id == a.id ? "re:for a" : "re:for b");
  }
  EXPECT_EQ(net_->open_circuits(), 0u);
}

TEST_F(RelayCoreTest, NoFrameRepeatsTheBytesOfAnother) {
  StartNetwork(4);
  const std::string request(9'000, 0);
  RawCircuit circuit =
      Build({0, 1, 2, 3}, {.request = request, .reply_cells = 2});
  const SplitRequest split = EncodeRequest(request, 2).value();
  link_->Send(circuit.setup);
  ASSERT_THAT(split.cells, SizeIs(1));
  link_->Send(circuit.Cell(0, split.cells[0].data, true));
  net_->Settle();
  EXPECT_EQ(ReadReply(circuit, 2).bytes.size(), 9'003u);
  for (size_t i = 0; i < tapped_.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      int equal = 0;
      for (size_t k = kFrameHeaderSize; k < kFrameSize; ++k) {
        equal += tapped_[i].second[k] == tapped_[j].second[k];
      }
      // Random bytes agree in 1 of 256 places: 32 expected.
      EXPECT_LT(equal, 120) << tapped_[i].first << " and " << tapped_[j].first;
    }
  }
}

// ---- What is dropped in silence ----

TEST_F(RelayCoreTest, AReplayedSetupIsDroppedByWhicheverHopSeesItAgain) {
  StartNetwork(4);
  RawCircuit circuit = Build({0, 1, 2, 3});
  link_->Send(circuit.setup);
  net_->Settle();
  ASSERT_EQ(ReadReply(circuit, 1).bytes, "re:ping");
  ExpectDropped(circuit.setup, &RelayCounters::dropped_replay);
  // The same SETUP as hops 1 to 3 received it, from a stranger.
  for (int hop = 1; hop <= 3; ++hop) {
    std::string seen;
    for (const auto& [way, frame] : tapped_) {
      if (way == absl::StrCat("sim:", hop - 1, ">sim:", hop)) seen = frame;
    }
    ASSERT_FALSE(seen.empty());
    link_ = Open(net_->client_host, hop);
    WriteFrameHeader({.type = FrameType::kSetup, .circuit_id = 99}, seen);
    ExpectDropped(seen, &RelayCounters::dropped_replay, hop);
  }
  EXPECT_EQ(net_->endpoint(3).requests(), 1);
}

TEST_F(RelayCoreTest, AReplayAfterARestartIsDroppedAndAfterARebootRefused) {
  StartNetwork(4);
  std::string directory = absl::StrCat(::testing::TempDir(), "/relayXXXXXX");
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const BootId boot = net_->random.Fixed<BootId>();
  net_->Restart(0, directory, boot);
  link_ = Open(net_->client_host, 0);
  RawCircuit circuit = Build({0, 1, 2, 3});
  link_->Send(circuit.setup);
  net_->Settle();
  ASSERT_EQ(ReadReply(circuit, 1).bytes, "re:ping");

  net_->Restart(0, directory, boot);
  link_ = Open(net_->client_host, 0);
  ExpectDropped(circuit.setup, &RelayCounters::dropped_replay);

  net_->Restart(0, directory, net_->random.Fixed<BootId>());
  link_ = Open(net_->client_host, 0);
  ExpectDropped(circuit.setup, &RelayCounters::dropped_expiry);
  RawCircuit next = Build({0, 1, 2, 3}, {.expiry_offset = 1});
  link_->Send(next.setup);
  net_->Settle();
  EXPECT_EQ(ReadReply(next, 1).bytes, "re:ping");
}

TEST_F(RelayCoreTest, AFlippedBitOfTheHeaderIsDroppedByTheFirstHop) {
  StartNetwork(4);
  for (size_t at = kFrameHeaderSize; at < kFrameHeaderSize + kPayloadOffset;
       at += 97) {
    RawCircuit circuit = Build({0, 1, 2, 3});
    circuit.setup[at] ^= static_cast<char>(1 << (at % 8));
    const bool in_ad = at < kFrameHeaderSize + kAdSize;
    ExpectDropped(circuit.setup, in_ad ? &RelayCounters::dropped_epoch
                                       : &RelayCounters::dropped_refused);
  }
}

TEST_F(RelayCoreTest, AFlippedBitOfThePayloadIsDroppedByTheLastHop) {
  StartNetwork(4);
  for (size_t at = kFrameHeaderSize + kPayloadOffset; at < kFrameSize;
       at += 401) {
    RawCircuit circuit = Build({0, 1, 2, 3});
    circuit.setup[at] ^= 4;
    const uint64_t before = net_->relay(3).counters().dropped_refused;
    link_->Send(circuit.setup);
    net_->Settle();
    EXPECT_EQ(net_->relay(3).counters().dropped_refused, before + 1);
    EXPECT_THAT(Received(), IsEmpty());
    link_->Send(EncodeDestroy(circuit.id, net_->random));
    net_->Settle();
  }
  EXPECT_EQ(net_->endpoint(3).requests(), 0);
  EXPECT_EQ(net_->open_circuits(), 0u);
}

TEST_F(RelayCoreTest, AFrameCutShortEndsTheLinkAndNothingElse) {
  StartNetwork(4);
  for (const size_t length : {0, 1, 16, 4'000, 8'191}) {
    RawCircuit circuit = Build({0, 1, 2, 3});
    link_->Send(circuit.setup.substr(0, length));
    net_->Settle();
    EXPECT_TRUE(link_->closed.has_value());
    EXPECT_EQ(net_->open_circuits(), 0u);
    link_ = Open(net_->client_host, 0);
  }
  EXPECT_EQ(frames_, 0u);
}

TEST_F(RelayCoreTest, AnExpiryOutsideTheWindowIsDropped) {
  StartNetwork(4);
  for (const int offset : {-1000, -6, 6, 1000}) {
    ExpectDropped(Build({0, 1, 2, 3}, {.expiry_offset = offset}).setup,
                  &RelayCounters::dropped_expiry);
  }
  for (const int offset : {-5, 5}) {
    RawCircuit circuit = Build({0, 1, 2, 3}, {.expiry_offset = offset});
    link_->Send(circuit.setup);
    net_->Settle();
    EXPECT_EQ(ReadReply(circuit, 1).bytes, "re:ping");
  }
}

TEST_F(RelayCoreTest, KeysOfAnotherEpochAreDropped) {
  StartNetwork(4);
  OnionEpochs epochs = Epochs();
  epochs.onion += 5;
  ExpectDropped(Build({0, 1, 2, 3}, {.claimed_epochs = epochs}).setup,
                &RelayCounters::dropped_epoch);
  epochs = Epochs();
  epochs.kem -= 5;
  ExpectDropped(Build({0, 1, 2, 3}, {.claimed_epochs = epochs}).setup,
                &RelayCounters::dropped_epoch);
}

TEST_F(RelayCoreTest, AMalformedFrameHeaderEndsTheLink) {
  StartNetwork(4);
  const RawCircuit circuit = Build({0, 1, 2, 3});
  for (const size_t at : {0, 1, 2, 3, 12, 15}) {
    std::string frame = circuit.setup;
    frame[at] ^= 0x40;
    ExpectDropped(frame, &RelayCounters::dropped_malformed);
    EXPECT_TRUE(link_->closed.has_value());
    link_ = Open(net_->client_host, 0);
  }
}

TEST_F(RelayCoreTest, CellsAndDestroysOfNoCircuitAreDropped) {
  StartNetwork(4);
  RawCircuit circuit = Build({0, 1, 2, 3});
  ExpectDropped(circuit.Cell(0, "x", true), &RelayCounters::dropped_stray);
  ExpectDropped(EncodeDestroy(5, net_->random), &RelayCounters::dropped_stray);
}

TEST_F(RelayCoreTest, ACircuitIdInUseIsNotTakenOver) {
  StartNetwork(4);
  net_->endpoint(3).HoldReplies();
  RawCircuit circuit = Build({0, 1, 2, 3});
  link_->Send(circuit.setup);
  net_->Settle();
  RawCircuit thief = Build({0, 1, 2, 3});
  WriteFrameHeader({.type = FrameType::kSetup, .circuit_id = circuit.id},
                   thief.setup);
  link_->Send(thief.setup);
  net_->Settle();
  EXPECT_EQ(net_->relay(0).counters().dropped_malformed, 1u);
  net_->endpoint(3).Release();
  net_->Settle();
  EXPECT_EQ(ReadReply(circuit, 1).bytes, "re:ping");
}

TEST_F(RelayCoreTest, AFlippedBitOfACellKillsTheCircuitWithoutAWord) {
  StartNetwork(4);
  for (const size_t at : {16u, 40u, 5'000u, 8'191u}) {
    const std::string request(20'000, 'q');
    RawCircuit circuit = Build({0, 1, 2, 3}, {.request = request});
    const SplitRequest split = EncodeRequest(request, 1).value();
    link_->Send(circuit.setup);
    std::string tampered = circuit.Cell(0, split.cells[0].data, false);
    tampered[at] ^= 1;
    link_->Send(tampered);
    link_->Send(circuit.Cell(1, split.cells[1].data, false));
    net_->Settle();
    EXPECT_THAT(Received(), IsEmpty());
    link_->Send(EncodeDestroy(circuit.id, net_->random));
    net_->Settle();
    EXPECT_EQ(net_->open_circuits(), 0u);
  }
  EXPECT_EQ(net_->relay(3).counters().dropped_unreadable, 4u);
  EXPECT_EQ(net_->endpoint(3).requests(), 0);
}

TEST_F(RelayCoreTest, AFloodOfJunkLeavesNothingBehind) {
  StartNetwork(4);
  const RawCircuit good = Build({0, 1, 2, 3});
  for (int i = 0; i < 2'000; ++i) {
    std::string junk = net_->random.String(kFrameSize);
    WriteFrameHeader(
        {.type = FrameType::kSetup, .circuit_id = net_->random.U64()}, junk);
    // Every other one gets as far as the peel.
    if (i % 2 == 0) good.setup.copy(junk.data() + 16, kAdSize, 16);
    link_->Send(junk);
    if (i % 100 == 0) net_->Settle();
  }
  net_->Settle();
  const RelayCounters& counters = net_->relay(0).counters();
  EXPECT_EQ(counters.dropped_epoch + counters.dropped_refused, 2'000u);
  EXPECT_GE(counters.dropped_refused, 1'000u);
  EXPECT_EQ(net_->relay(0).open_circuits(), 0u);
  EXPECT_EQ(net_->relay(0).open_links(), 1u);
  EXPECT_EQ(net_->replay_cache(0).size(), 0u);
  EXPECT_EQ(frames_, 2'000u);
}

TEST_F(RelayCoreTest, AClientThatFloodsIsHeldToItsRate) {
  StartNetwork(4, {.client_setups_per_second = 10, .client_setup_burst = 20});
  for (int i = 0; i < 100; ++i) {
    link_->Send(EncodeFrame(
        {.type = FrameType::kSetup, .circuit_id = net_->random.U64()},
        std::string(kFrameBodySize, 0)));
  }
  net_->executor.RunFor(absl::Seconds(1));
  EXPECT_GE(net_->relay(0).counters().dropped_rate, 70u);
  EXPECT_GE(net_->relay(0).counters().dropped_epoch, 20u);
  net_->Settle();
  RawCircuit circuit = Build({0, 1, 2, 3});
  link_->Send(circuit.setup);
  net_->Settle();
  EXPECT_EQ(ReadReply(circuit, 1).bytes, "re:ping");
}

// ---- What is answered with an error cell ----

TEST_F(RelayCoreTest, AHopWhoseNextIsGoneSaysSo) {
  StartNetwork(4);
  for (int dead = 3; dead >= 1; --dead) {
    net_->Crash(dead);
    RawCircuit circuit = Build({0, 1, 2, 3});
    link_->Send(circuit.setup);
    net_->Settle();
    EXPECT_EQ(ReadError(circuit),
              std::make_pair(dead - 1, absl::StatusCode::kUnavailable));
    link_->Send(EncodeDestroy(circuit.id, net_->random));
    net_->Settle();
    EXPECT_EQ(net_->open_circuits(), 0u);
  }
}

TEST_F(RelayCoreTest, ANextHopThatIsNotInTheDirectoryIsUnavailable) {
  StartNetwork(4);
  RawCircuit unknown = Build({0, 1, 2, 3});
  net_->network.Reissue([](TestNetwork::Draft& draft) {
    draft.nodes.erase(draft.nodes.begin() + 1);
  });
  net_->PublishConsensus();
  link_->Send(unknown.setup);
  net_->Settle();
  EXPECT_EQ(ReadError(unknown),
            std::make_pair(0, absl::StatusCode::kUnavailable));
  EXPECT_EQ(net_->open_circuits(), 0u);
}

TEST_F(RelayCoreTest, ARelayDoesNotForwardToItself) {
  StartNetwork(4);
  RawCircuit circuit = Build({0, 0, 1});
  link_->Send(circuit.setup);
  net_->Settle();
  EXPECT_EQ(ReadError(circuit),
            std::make_pair(0, absl::StatusCode::kUnavailable));
}

TEST_F(RelayCoreTest, ACrashOnTheWayIsToldAtOnceByTheHopBefore) {
  StartNetwork(4);
  for (int dead = 1; dead <= 3; ++dead) {
    net_->endpoint(3).HoldReplies();
    RawCircuit circuit = Build({0, 1, 2, 3}, {.reply_cells = 4});
    link_->Send(circuit.setup);
    net_->Settle();
    EXPECT_EQ(net_->open_circuits(), 4u);
    net_->Crash(dead);
    net_->Settle();
    EXPECT_EQ(ReadError(circuit),
              std::make_pair(dead - 1, absl::StatusCode::kUnavailable));
    link_->Send(EncodeDestroy(circuit.id, net_->random));
    net_->Settle();
    EXPECT_EQ(net_->open_circuits(), 0u) << "hop " << dead;
    net_->Restart(dead);
    net_->Settle();
  }
}

TEST_F(RelayCoreTest, ANextHopThatFallsSilentIsAskedAndThenGivenUp) {
  StartNetwork(4);
  RawCircuit before = Build({0, 1, 2, 3});
  link_->Send(before.setup);
  net_->Settle();
  ASSERT_EQ(ReadReply(before, 1).bytes, "re:ping");
  net_->links.Partition({net_->host(2).endpoint().address});
  RawCircuit waiting = Build({0, 1, 2, 3});
  link_->Send(waiting.setup);
  net_->executor.RunFor(absl::Seconds(6));
  EXPECT_EQ(ReadError(waiting),
            std::make_pair(1, absl::StatusCode::kUnavailable));
  EXPECT_EQ(net_->relay(1).counters().neighbours_given_up, 1u);
  // From now on the answer is there at once.
  RawCircuit next = Build({0, 1, 2, 3});
  link_->Send(next.setup);
  net_->executor.RunFor(absl::Milliseconds(500));
  EXPECT_EQ(ReadError(next), std::make_pair(1, absl::StatusCode::kUnavailable));
  // Until it answers again.
  net_->links.Heal();
  net_->executor.RunFor(absl::Seconds(5));
  RawCircuit after = Build({0, 1, 2, 3});
  link_->Send(after.setup);
  net_->Settle();
  EXPECT_EQ(ReadReply(after, 1).bytes, "re:ping");
}

TEST_F(RelayCoreTest, ANextHopThatIsSlowButThereIsWaitedFor) {
  StartNetwork(4);
  net_->endpoint(3).HoldReplies();
  RawCircuit circuit = Build({0, 1, 2, 3});
  link_->Send(circuit.setup);
  net_->executor.RunFor(absl::Seconds(50));
  EXPECT_THAT(Received(), IsEmpty());
  net_->endpoint(3).Release();
  net_->Settle();
  EXPECT_EQ(ReadReply(circuit, 1).bytes, "re:ping");
}

TEST_F(RelayCoreTest, AFullTableRefusesAndServesThoseInside) {
  StartNetwork(4, {.max_circuits = 3});
  net_->endpoint(3).HoldReplies();
  for (int i = 0; i < 3; ++i) link_->Send(Build({0, 1, 2, 3}).setup);
  net_->Settle();
  RawCircuit refused = Build({0, 1, 2, 3});
  link_->Send(refused.setup);
  net_->Settle();
  EXPECT_EQ(ReadError(refused),
            std::make_pair(0, absl::StatusCode::kResourceExhausted));
  net_->endpoint(3).Release();
  net_->Settle();
  EXPECT_THAT(Received(), SizeIs(3));
  EXPECT_EQ(net_->open_circuits(), 0u);
}

TEST_F(RelayCoreTest, AClientsLinkGetsFewerCircuitsThanARelays) {
  StartNetwork(
      4, {.max_circuits_per_relay_link = 5, .max_circuits_per_client_link = 2});
  net_->endpoint(3).HoldReplies();
  const auto fill = [&](int count) {
    for (int i = 0; i < count; ++i) link_->Send(Build({0, 1, 3}).setup);
    net_->Settle();
    return net_->relay(0).open_circuits();
  };
  EXPECT_EQ(fill(4), 2u);
  // Node 2 of the directory, by its TLS key.
  const std::unique_ptr<RawLink> client =
      std::exchange(link_, Open(net_->host(2), 0));
  EXPECT_EQ(fill(8), 2u + 5u);
}

TEST_F(RelayCoreTest, ABudgetThatCannotBePaddedIsRefusedByTheDestination) {
  StartNetwork(4);
  RawCircuit circuit = Build({0, 1, 2, 3}, {.reply_cells = 2, .budget = 3});
  link_->Send(circuit.setup);
  net_->Settle();
  EXPECT_EQ(ReadError(circuit),
            std::make_pair(3, absl::StatusCode::kInvalidArgument));
}

TEST_F(RelayCoreTest, AReplySizeOtherThanTheBudgetIsAnsweredInTheBudgetsSize) {
  StartNetwork(4);
  RawCircuit circuit = Build({0, 1, 2, 3}, {.reply_cells = 2, .budget = 4});
  link_->Send(circuit.setup);
  net_->Settle();
  EXPECT_EQ(ReadReply(circuit, 4).code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(net_->open_circuits(), 0u);
}

TEST_F(RelayCoreTest, RequestsBeingGatheredShareABound) {
  StartNetwork(4, {.max_gathered_bytes = 30'000});
  const std::string request(20'000, 'q');
  const SplitRequest split = EncodeRequest(request, 4).value();
  ASSERT_THAT(split.cells, SizeIs(3));
  std::vector<RawCircuit> circuits;
  for (int i = 0; i < 2; ++i) {
    circuits.push_back(
        Build({0, 1, 2, 3}, {.request = request, .reply_cells = 4}));
    link_->Send(circuits[i].setup);
    link_->Send(circuits[i].Cell(0, split.cells[0].data, false));
    net_->Settle();
  }
  EXPECT_THAT(Received(), IsEmpty());
  // Whoever passes the bound is answered; the other has room again.
  link_->Send(circuits[0].Cell(1, split.cells[1].data, false));
  net_->Settle();
  EXPECT_EQ(ReadReply(circuits[0], 4).code,
            absl::StatusCode::kResourceExhausted);
  link_->Send(circuits[1].Cell(1, split.cells[1].data, false));
  link_->Send(circuits[1].Cell(2, split.cells[2].data, true));
  net_->Settle();
  EXPECT_TRUE(ReadReply(circuits[1], 4).bytes == "re:" + request);
  EXPECT_EQ(net_->open_circuits(), 0u);
}

// ---- Budgets ----

TEST_F(RelayCoreTest, CellsBeyondTheReplyBudgetGoNowhere) {
  StartNetwork(4);
  // In place of node 3's process: a destination that will not stop talking.
  net_->Crash(3);
  net_->links.Restart(net_->host(3));
  struct Chatterbox final : LinkAcceptor, FrameLinkEvents {
    FrameLinkEvents* OnLink(const Peer&,
                            std::unique_ptr<FrameLink> l) override {
      link = std::move(l);
      return this;
    }
    void OnFrame(std::string frame) override {
      auto peeled = PeelSetup(*secrets, FrameBody(absl::string_view(frame)));
      ASSERT_THAT(peeled, IsOk());
      const uint64_t id = ParseFrameHeader(frame)->circuit_id;
      for (uint32_t i = 0; i < 10; ++i) {
        link->Send(EncodeFrame({.type = FrameType::kCell, .circuit_id = id},
                               peeled->circuit.SealBackward(
                                   {.seq = i}, absl::StrCat("cell ", i))));
      }
    }
    void OnClosed(absl::Status) override {}
    const HopSecrets* secrets = nullptr;
    std::unique_ptr<FrameLink> link;
  } chatterbox;
  chatterbox.secrets =
      net_->network.node(3).keys->Find(Epochs(), net_->clock.Now());
  net_->host(3).server().HandleLinks(chatterbox);
  RawCircuit circuit = Build({0, 1, 2, 3}, {.reply_cells = 2});
  link_->Send(circuit.setup);
  net_->Settle();
  EXPECT_THAT(Received(), SizeIs(2));
  EXPECT_EQ(net_->relay(2).counters().dropped_stray, 8u);
  EXPECT_EQ(net_->relay(2).open_circuits(), 0u);
  EXPECT_EQ(net_->open_circuits(), 0u);
}

TEST_F(RelayCoreTest, CellsBeyondTheForwardBoundEndTheCircuit) {
  StartNetwork(4, {.max_forward_cells = 3});
  net_->endpoint(3).HoldReplies();
  RawCircuit circuit = Build({0, 1, 2, 3});
  link_->Send(circuit.setup);
  for (uint32_t i = 0; i < 5; ++i) link_->Send(circuit.Cell(i, "x", false));
  net_->Settle();
  EXPECT_EQ(net_->open_circuits(), 0u);
  EXPECT_EQ(net_->relay(0).counters().dropped_over_budget, 1u);
  EXPECT_EQ(net_->relay(0).counters().dropped_stray, 1u);
  const auto frames = Received();
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(ParseFrameHeader(frames[0])->type, FrameType::kDestroy);
}

// ---- Ends of circuits ----

TEST_F(RelayCoreTest, DestroyFromTheClientClearsEveryHop) {
  StartNetwork(4);
  net_->endpoint(3).HoldReplies();
  RawCircuit circuit = Build({0, 1, 2, 3});
  link_->Send(circuit.setup);
  net_->Settle();
  ASSERT_EQ(net_->open_circuits(), 4u);
  link_->Send(EncodeDestroy(circuit.id, net_->random));
  net_->Settle();
  EXPECT_EQ(net_->open_circuits(), 0u);
  net_->endpoint(3).Release();  // too late
  net_->Settle();
  EXPECT_THAT(Received(), IsEmpty());
}

TEST_F(RelayCoreTest, ALostClientFreesItsCircuitsEverywhere) {
  StartNetwork(4);
  net_->endpoint(3).HoldReplies();
  for (int i = 0; i < 5; ++i) link_->Send(Build({0, 1, 2, 3}).setup);
  net_->Settle();
  ASSERT_EQ(net_->open_circuits(), 20u);
  link_.reset();
  net_->Settle();
  EXPECT_EQ(net_->open_circuits(), 0u);
}

TEST_F(RelayCoreTest, ACircuitOnWhichNothingMovesIsForgotten) {
  StartNetwork(4);
  net_->endpoint(3).HoldReplies();
  link_->Send(Build({0, 1, 2, 3}).setup);
  net_->executor.RunFor(absl::Seconds(50));
  EXPECT_EQ(net_->open_circuits(), 4u);
  net_->executor.RunFor(absl::Seconds(20));
  EXPECT_EQ(net_->open_circuits(), 0u);
  const auto frames = Received();
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(ParseFrameHeader(frames[0])->type, FrameType::kDestroy);
}

TEST_F(RelayCoreTest, NoCircuitOutlivesItsLife) {
  StartNetwork(4, {.circuit_life = absl::Minutes(2), .max_forward_cells = 100});
  RawCircuit circuit = Build({0, 1, 2, 3}, {.request = std::string(99'000, 0)});
  link_->Send(circuit.setup);
  for (uint32_t i = 0; i < 9; ++i) {
    net_->executor.RunFor(absl::Seconds(20));
    link_->Send(circuit.Cell(i, std::string(kCellDataSize, 0), false));
  }
  net_->Settle();
  EXPECT_EQ(net_->open_circuits(), 0u);
}

TEST_F(RelayCoreTest, OutgoingLinksWithoutCircuitsAreClosedInTheEnd) {
  StartNetwork(4);
  RawCircuit circuit = Build({0, 1, 2, 3});
  link_->Send(circuit.setup);
  net_->Settle();
  EXPECT_EQ(net_->relay(0).open_links(), 2u);
  net_->executor.RunFor(absl::Minutes(11));
  EXPECT_EQ(net_->relay(0).open_links(), 1u);
  EXPECT_EQ(net_->relay(1).open_links(), 0u);
}

TEST_F(RelayCoreTest, InboundLinksAreBounded) {
  StartNetwork(4, {.max_inbound_links = 3});
  std::vector<std::unique_ptr<RawLink>> more;
  for (int i = 0; i < 4; ++i) {
    more.push_back(Open(net_->client_host, 0));
    RawCircuit circuit = Build({0, 1});
    more.back()->Send(circuit.setup);
  }
  net_->Settle();
  int closed = 0;
  for (const auto& link : more) closed += link->closed.has_value();
  // The fixture's own link may not have connected before.
  EXPECT_GE(closed, 1);
  EXPECT_LE(net_->relay(0).open_links(), 3u + 2u);
}

// ---- Delay ----

constexpr size_t kDelayOffset =
    37;  // of the command: type 1, target 32, expiry 4

TEST_F(RelayCoreTest, ADelayHoldsTheSetupAndTheCellsBehindItInOrder) {
  StartNetwork(4);
  net_->links.SetDelay(absl::Milliseconds(1), absl::Milliseconds(1));
  const std::string request = net_->random.String(20'000);
  const SplitRequest split = EncodeRequest(request, 4).value();
  RawCircuit circuit = Build({0, 1}, {.request = request, .reply_cells = 4});
  // 0x03e8 = 1000 ms
  link_->Send(EditCommand(circuit.setup, 0, kDelayOffset, "\x03\xe8"));
  for (uint32_t i = 0; i < split.cells.size(); ++i) {
    link_->Send(
        circuit.Cell(i, split.cells[i].data, i + 1 == split.cells.size()));
  }
  net_->executor.RunFor(absl::Milliseconds(900));
  EXPECT_EQ(net_->relay(1).counters().setups_delivered, 0u);
  net_->executor.RunFor(absl::Milliseconds(200));
  EXPECT_EQ(net_->relay(1).counters().setups_delivered, 1u);
  EXPECT_TRUE(ReadReply(circuit, 4).bytes == "re:" + request);
  EXPECT_EQ(net_->open_circuits(), 0u);
}

TEST_F(RelayCoreTest, ADelayAtTheDestinationHoldsTheRequest) {
  StartNetwork(4);
  RawCircuit circuit = Build({0});
  link_->Send(EditCommand(circuit.setup, 0, kDelayOffset,
                          absl::string_view("\x03\xe8", 2)));
  net_->executor.RunFor(absl::Milliseconds(900));
  EXPECT_EQ(net_->endpoint(0).requests(), 0);
  net_->Settle();
  EXPECT_EQ(ReadReply(circuit, 1).bytes, "re:ping");
}

TEST_F(RelayCoreTest, ADelayOverTwoSecondsIsRefused) {
  StartNetwork(4);
  RawCircuit circuit = Build({0, 1});
  link_->Send(EditCommand(circuit.setup, 0, kDelayOffset,
                          absl::string_view("\x07\xd1", 2)));
  net_->Settle();
  EXPECT_EQ(ReadError(circuit),
            std::make_pair(0, absl::StatusCode::kInvalidArgument));
}

TEST_F(RelayCoreTest, FramesHeldByAllCircuitsShareABound) {
  StartNetwork(4, {.max_held_frames = 1});
  RawCircuit first = Build({0, 1}), second = Build({0, 1});
  const absl::string_view delay("\x03\xe8", 2);
  link_->Send(EditCommand(first.setup, 0, kDelayOffset, delay));
  link_->Send(EditCommand(second.setup, 0, kDelayOffset, delay));
  net_->executor.RunFor(absl::Milliseconds(500));
  EXPECT_EQ(ReadError(second),
            std::make_pair(0, absl::StatusCode::kResourceExhausted));
  net_->Settle();
  EXPECT_EQ(ReadReply(first, 1).bytes, "re:ping");
  EXPECT_EQ(net_->open_circuits(), 0u);
}

}  // namespace
}  // namespace messenger::routing
