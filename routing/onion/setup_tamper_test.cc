// Every bit of a SETUP, flipped: in the header it is refused by the first hop
// that sees it; in the payload it destroys the payload, and the destination
// refuses it with the same words.

#include <bitset>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/geometry.h"
#include "routing/onion/setup.h"
#include "routing/onion/testing/test_path.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

// Exhaustive, except where a sanitizer makes each peel ten times as slow: there
// every ninth place will do, which visits all bits of a byte.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kStep = 9;
#else
constexpr size_t kStep = 1;
#endif

auto Refused() {
  return StatusIs(absl::StatusCode::kUnauthenticated, "refused");
}

std::string Flip(std::string body, size_t bit) {
  body[bit / 8] = static_cast<char>(body[bit / 8] ^ (1 << (bit % 8)));
  return body;
}

double ChangedBits(absl::string_view a, absl::string_view b) {
  size_t changed = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    changed += std::bitset<8>(static_cast<unsigned char>(a[i] ^ b[i])).count();
  }
  return static_cast<double>(changed) / static_cast<double>(8 * a.size());
}

class SetupTamperTest : public ::testing::Test {
 protected:
  // The bodies that the hops of a path of `hops` get.
  std::vector<std::string> Bodies(int hops) {
    auto built =
        BuildSetup(path_.Keys(hops), {1, 1}, /*service=*/1,
                   /*expiry_minute=*/1, /*reply_budget=*/1, "hello", random_);
    EXPECT_THAT(built, IsOk());
    std::vector<std::string> bodies = {std::move(built->body)};
    for (int i = 0; i + 1 < hops; ++i) {
      auto peeled = PeelSetup(path_.Secrets(i), bodies[i]);
      EXPECT_THAT(peeled, IsOk());
      bodies.push_back(std::move(peeled->next_body));
    }
    return bodies;
  }

  crypto::SeededRandom random_{1};
  TestPath path_{4, random_};
};

TEST_F(SetupTamperTest, EveryBitOfTheHeaderIsRefusedByTheFirstHop) {
  const std::string body = Bodies(2).front();
  for (size_t bit = 0; bit < 8 * kSetupHeaderSize; bit += kStep) {
    ASSERT_THAT(PeelSetup(path_.Secrets(0), Flip(body, bit)), Refused()) << bit;
  }
}

TEST_F(SetupTamperTest, EveryByteOfTheHeaderIsRefusedByEveryLaterHop) {
  const std::vector<std::string> bodies = Bodies(4);
  for (int hop = 1; hop < 4; ++hop) {
    for (size_t byte = 0; byte < kSetupHeaderSize; byte += kStep) {
      const size_t bit = 8 * byte + (byte + hop) % 8;
      ASSERT_THAT(PeelSetup(path_.Secrets(hop), Flip(bodies[hop], bit)),
                  Refused())
          << "hop " << hop << ", bit " << bit;
    }
  }
}

TEST_F(SetupTamperTest,
       EveryBitOfThePayloadChangesHalfOfItAndIsRefusedAtTheEnd) {
  const std::vector<std::string> bodies = Bodies(2);
  const absl::string_view expected =
      absl::string_view(bodies[1]).substr(kPayloadOffset);
  double sum = 0;
  double flips = 0;
  for (size_t bit = 8 * kPayloadOffset; bit < 8 * kFrameBodySize;
       bit += kStep) {
    const auto peeled = PeelSetup(path_.Secrets(0), Flip(bodies[0], bit));
    ASSERT_THAT(peeled, IsOk()) << "the header is intact, bit " << bit;
    // The header goes on as it was.
    ASSERT_EQ(peeled->next_body.substr(0, kPayloadOffset),
              bodies[1].substr(0, kPayloadOffset));
    const double changed = ChangedBits(
        absl::string_view(peeled->next_body).substr(kPayloadOffset), expected);
    // 27,264 fair coins: six standard deviations are 1.8 %.
    ASSERT_GT(changed, 0.48) << bit;
    ASSERT_LT(changed, 0.52) << bit;
    sum += changed;
    ++flips;
    if (bit % 8 == bit / 8 % 8) {  // One bit of each byte, for speed.
      ASSERT_THAT(PeelSetup(path_.Secrets(1), peeled->next_body), Refused());
    }
  }
  EXPECT_GT(sum / flips, 0.499);
}

TEST_F(SetupTamperTest, PayloadChangedAtAnyHopOfAnyPathIsRefusedAtTheEnd) {
  for (int hops = 1; hops <= 4; ++hops) {
    for (int at = 0; at < hops; ++at) {
      for (size_t byte = kPayloadOffset; byte < kFrameBodySize; byte += 97) {
        std::string body = Flip(Bodies(hops)[at], 8 * byte + byte % 8);
        for (int hop = at; hop + 1 < hops; ++hop) {
          auto peeled = PeelSetup(path_.Secrets(hop), body);
          ASSERT_THAT(peeled, IsOk());
          body = std::move(peeled->next_body);
        }
        ASSERT_THAT(PeelSetup(path_.Secrets(hops - 1), body), Refused());
      }
    }
  }
}

TEST_F(SetupTamperTest, HeaderAndPayloadOfTwoSetupsDoNotMix) {
  const std::string first = Bodies(1).front();
  const std::string second = Bodies(1).front();
  EXPECT_THAT(PeelSetup(path_.Secrets(0), first.substr(0, kPayloadOffset) +
                                              second.substr(kPayloadOffset)),
              Refused());
  EXPECT_THAT(PeelSetup(path_.Secrets(0), first.substr(0, kBetaOffset) +
                                              second.substr(kBetaOffset)),
              Refused());
}

}  // namespace
}  // namespace messenger::routing
