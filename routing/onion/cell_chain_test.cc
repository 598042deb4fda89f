// The chain itself, below the circuits that stop at the first bad cell: these
// tests go on after it, and find that nothing is ever readable again.

#include "routing/onion/cell_chain.h"

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/types/span.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/geometry.h"

namespace messenger::routing {
namespace {

static_assert(!std::is_copy_constructible_v<CellChain>);
static_assert(!std::is_copy_assignable_v<CellChain>);
static_assert(std::is_move_constructible_v<CellChain>);

class CellChainTest : public ::testing::Test {
 protected:
  CellChain Chain() { return CellChain(key_, iv_.Clone()); }

  static std::string Add(CellChain& chain, std::string body) {
    chain.AddLayer(absl::MakeSpan(body.data(), body.size()));
    return body;
  }
  static std::string Remove(CellChain& chain, std::string body) {
    chain.RemoveLayer(absl::MakeSpan(body.data(), body.size()));
    return body;
  }
  // A cell as a circuit would send it: sixteen zero bytes, then content.
  std::string Cell() {
    return std::string(kZeroTagSize, '\0') +
           random_.String(kFrameBodySize - kZeroTagSize);
  }

  // How many of the next `cells` come out as they went in.
  int ReadableAfter(CellChain& sender, CellChain& receiver, int cells) {
    int readable = 0;
    for (int i = 0; i < cells; ++i) {
      const std::string cell = Cell();
      const std::string opened = Remove(receiver, Add(sender, cell));
      if (opened == cell || HasTag(opened)) ++readable;
    }
    return readable;
  }
  static bool HasTag(const std::string& body) {
    return std::all_of(body.begin(), body.begin() + kZeroTagSize,
                       [](char byte) { return byte == 0; });
  }

  crypto::SeededRandom random_{1};
  crypto::SecretBytes<32> key_ = random_.Secret<32>();
  crypto::SecretBytes<32> iv_ = random_.Secret<32>();
};

TEST_F(CellChainTest, CellsInOrderComeBack) {
  CellChain sender = Chain(), receiver = Chain();
  EXPECT_EQ(ReadableAfter(sender, receiver, 100), 100);
}

TEST_F(CellChainTest, EqualCellsLookDifferentEachTime) {
  CellChain sender = Chain();
  const std::string cell = Cell();
  const std::string first = Add(sender, cell);
  const std::string second = Add(sender, cell);
  EXPECT_NE(first, second);
  EXPECT_NE(first.substr(0, 16), second.substr(0, 16));
}

TEST_F(CellChainTest, OneFlippedBitAnywhereGarblesItsCellAndAllLaterOnes) {
  for (size_t byte = 0; byte < kFrameBodySize; ++byte) {
    CellChain sender = Chain(), receiver = Chain();
    const std::string cell = Cell();
    std::string sent = Add(sender, cell);
    sent[byte] = static_cast<char>(sent[byte] ^ (1 << (byte % 8)));
    ASSERT_FALSE(HasTag(Remove(receiver, sent))) << byte;
    ASSERT_EQ(ReadableAfter(sender, receiver, 2), 0) << byte;
  }
}

TEST_F(CellChainTest, FlippedBitBetweenTwoHopsIsLostOnTheHopBehindIt) {
  // Backwards: the far hop seals, the bit flips, the near hop adds its layer to
  // what it got. The near hop and the client still agree about the near hop;
  // the far hop and the client never again about the far hop.
  const auto near_key = random_.Secret<32>();
  const auto near_iv = random_.Secret<32>();
  for (size_t byte = 0; byte < kFrameBodySize; byte += 61) {
    CellChain far_hop = Chain(), far_client = Chain();
    CellChain near_hop(near_key, near_iv.Clone());
    CellChain near_client(near_key, near_iv.Clone());
    for (int j = 0; j < 4; ++j) {
      std::string between = Add(far_hop, Cell());
      if (j == 0) between[byte] = static_cast<char>(between[byte] ^ 1);
      const std::string seen = Remove(near_client, Add(near_hop, between));
      ASSERT_EQ(seen, between);
      ASSERT_FALSE(HasTag(Remove(far_client, seen))) << byte << " cell " << j;
    }
  }
}

TEST_F(CellChainTest, DroppedCellEndsTheChain) {
  CellChain sender = Chain(), receiver = Chain();
  ASSERT_EQ(ReadableAfter(sender, receiver, 3), 3);
  Add(sender, Cell());
  EXPECT_EQ(ReadableAfter(sender, receiver, 10), 0);
}

TEST_F(CellChainTest, ReplayedCellEndsTheChain) {
  CellChain sender = Chain(), receiver = Chain();
  const std::string sent = Add(sender, Cell());
  ASSERT_TRUE(HasTag(Remove(receiver, sent)));
  ASSERT_FALSE(HasTag(Remove(receiver, sent)));
  EXPECT_EQ(ReadableAfter(sender, receiver, 10), 0);
}

TEST_F(CellChainTest, SwappedCellsEndTheChain) {
  CellChain sender = Chain(), receiver = Chain();
  const std::string first = Add(sender, Cell());
  const std::string second = Add(sender, Cell());
  EXPECT_FALSE(HasTag(Remove(receiver, second)));
  EXPECT_FALSE(HasTag(Remove(receiver, first)));
  EXPECT_EQ(ReadableAfter(sender, receiver, 10), 0);
}

TEST_F(CellChainTest, OtherKeyOrOtherIvReadsNothing) {
  CellChain sender = Chain();
  CellChain other_key(random_.Secret<32>(), iv_.Clone());
  CellChain other_iv(key_, random_.Secret<32>());
  const std::string sent = Add(sender, Cell());
  EXPECT_FALSE(HasTag(Remove(other_key, sent)));
  EXPECT_FALSE(HasTag(Remove(other_iv, sent)));
}

}  // namespace
}  // namespace messenger::routing
