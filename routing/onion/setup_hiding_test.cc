// What a SETUP shows of its path: its bytes look uniformly random to every hop,
// for every length of path and every place in it. What is not ciphertext by
// design (AD and the KEM ciphertext) has the same form everywhere.

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/stream/aes_ctr.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/command.h"
#include "routing/onion/geometry.h"
#include "routing/onion/layer_keys.h"
#include "routing/onion/setup.h"
#include "routing/onion/testing/test_path.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;

constexpr int kPackets = 64;

// Counts the values of bytes; under uniformity the statistic has a mean of 255
// and a standard deviation of 22.6.
class ChiSquare {
 public:
  void Add(absl::string_view bytes) {
    for (char byte : bytes) ++counts_[static_cast<unsigned char>(byte)];
    total_ += static_cast<double>(bytes.size());
  }
  double Statistic() const {
    const double expected = total_ / 256;
    double sum = 0;
    for (double count : counts_) {
      sum += (count - expected) * (count - expected) / expected;
    }
    return sum;
  }

 private:
  std::array<double, 256> counts_ = {};
  double total_ = 0;
};

// Five standard deviations: one false alarm in millions of seeds.
constexpr double kAlarm = 255 + 5 * 22.6;

// Remembers which bits were ever 0 and ever 1, so that a constant bit anywhere
// shows, which a histogram would drown.
class BitCoverage {
 public:
  void Add(absl::string_view bytes) {
    if (ones_.empty()) {
      ones_.assign(bytes.size(), '\0');
      zeros_.assign(bytes.size(), '\0');
    }
    for (size_t i = 0; i < bytes.size(); ++i) {
      ones_[i] = static_cast<char>(ones_[i] | bytes[i]);
      zeros_[i] = static_cast<char>(zeros_[i] | ~bytes[i]);
    }
  }
  bool Complete() const {
    const std::string all(ones_.size(), '\xff');
    return ones_ == all && zeros_ == all;
  }

 private:
  std::string ones_;
  std::string zeros_;
};

class SetupHidingTest : public ::testing::Test {
 protected:
  // The bodies that the hops of one packet get.
  std::vector<std::string> Bodies(int hops) {
    auto built = BuildSetup(path_.Keys(hops), {1, 1}, /*service=*/1,
                            /*expiry_minute=*/1, /*reply_budget=*/1,
                            /*data=*/"", random_);
    EXPECT_THAT(built, IsOk());
    std::vector<std::string> bodies = {std::move(built->body)};
    for (int i = 0; i + 1 < hops; ++i) {
      auto peeled = PeelSetup(path_.Secrets(i), bodies.back());
      EXPECT_THAT(peeled, IsOk());
      bodies.push_back(std::move(peeled->next_body));
    }
    return bodies;
  }

  // Everything `hop` can read of beta: its slot, and what follows.
  std::string OpenSlots(int hop, const std::string& body) {
    const HopSecrets& secrets = path_.Secrets(hop);
    const std::string ciphertext =
        body.substr(kCiphertextOffset, kLayerCiphertextSize);
    const auto dh = secrets.onion_key.Agree(
        crypto::X25519PublicKey::FromBytes(ciphertext.substr(0, kX25519Size))
            .value());
    EXPECT_THAT(dh, IsOk());
    const LayerKeys keys = DeriveLayerKeys(
        secrets.kem_key.Decapsulate(crypto::MlKem768Ciphertext::FromBytes(
                                        ciphertext.substr(kX25519Size))
                                        .value()),
        *dh,
        {absl::string_view(body).substr(0, kAdSize), secrets.node_id,
         secrets.onion_key.public_key(), secrets.kem_key_digest, ciphertext});
    std::string slots =
        body.substr(kBetaOffset, kBetaSize) + std::string(kSlotSize, '\0');
    crypto::Aes256CtrXor(keys.stream_key, keys.stream_iv,
                         absl::MakeSpan(slots.data(), slots.size()));
    return slots;
  }

  crypto::SeededRandom random_{1};
  TestPath path_{4, random_};
};

TEST_F(SetupHidingTest, EverySetupHasTheSameSizeAndAssociatedData) {
  const std::string ad = Bodies(1).front().substr(0, kAdSize);
  for (int hops = 1; hops <= 4; ++hops) {
    for (const std::string& body : Bodies(hops)) {
      EXPECT_EQ(body.size(), kFrameBodySize);
      EXPECT_EQ(body.substr(0, kAdSize), ad);
    }
  }
}

TEST_F(SetupHidingTest, WhatEachHopReceivesLooksRandomAtEveryPlace) {
  for (int hops = 1; hops <= 4; ++hops) {
    std::vector<ChiSquare> beta(hops), gamma(hops), payload(hops);
    std::vector<BitCoverage> coverage(hops);
    for (int packet = 0; packet < kPackets; ++packet) {
      const std::vector<std::string> bodies = Bodies(hops);
      for (int i = 0; i < hops; ++i) {
        const absl::string_view body = bodies[i];
        beta[i].Add(body.substr(kBetaOffset, kBetaSize));
        gamma[i].Add(body.substr(kGammaOffset, kGammaSize));
        payload[i].Add(body.substr(kPayloadOffset));
        coverage[i].Add(body.substr(kBetaOffset));
      }
    }
    for (int i = 0; i < hops; ++i) {
      EXPECT_LT(beta[i].Statistic(), kAlarm) << hops << "/" << i;
      EXPECT_LT(gamma[i].Statistic(), kAlarm) << hops << "/" << i;
      EXPECT_LT(payload[i].Statistic(), kAlarm) << hops << "/" << i;
      EXPECT_TRUE(coverage[i].Complete()) << hops << "/" << i;
    }
  }
}

TEST_F(SetupHidingTest, LastHopReadsOnlyRandomBytesAfterItsCommand) {
  for (int hops = 1; hops <= 4; ++hops) {
    ChiSquare all;
    BitCoverage coverage;
    for (int packet = 0; packet < kPackets; ++packet) {
      const std::string slots = OpenSlots(hops - 1, Bodies(hops).back());
      ASSERT_THAT(ParseCommand(slots.substr(0, kCommandSize)), IsOk());
      const std::string rest = slots.substr(kCommandSize);
      all.Add(rest);
      coverage.Add(rest);
    }
    EXPECT_LT(all.Statistic(), kAlarm) << hops << " hops";
    EXPECT_TRUE(coverage.Complete()) << hops << " hops";
  }
}

TEST_F(SetupHidingTest, RelayInTheMiddleReadsNothingOfTheHopsBehind) {
  for (int hops = 2; hops <= 4; ++hops) {
    for (int hop = 0; hop + 1 < hops; ++hop) {
      ChiSquare next_beta;
      BitCoverage coverage;
      for (int packet = 0; packet < kPackets; ++packet) {
        const std::string slots = OpenSlots(hop, Bodies(hops)[hop]);
        next_beta.Add(absl::string_view(slots).substr(kSlotSize));
        coverage.Add(absl::string_view(slots).substr(kSlotSize));
      }
      EXPECT_LT(next_beta.Statistic(), kAlarm) << hops << "/" << hop;
      EXPECT_TRUE(coverage.Complete()) << hops << "/" << hop;
    }
  }
}

TEST_F(SetupHidingTest, TheStatisticsWouldNoticeZeroPadding) {
  ChiSquare histogram;
  BitCoverage coverage;
  for (int packet = 0; packet < kPackets; ++packet) {
    std::string slots = random_.String(kBetaSize);
    slots.replace(kBetaSize - 64, 64, 64, '\0');
    histogram.Add(slots);
    coverage.Add(slots);
  }
  EXPECT_GT(histogram.Statistic(), kAlarm);
  EXPECT_FALSE(coverage.Complete());
}

}  // namespace
}  // namespace messenger::routing
