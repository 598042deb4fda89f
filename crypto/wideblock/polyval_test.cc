#include "crypto/wideblock/polyval.h"

#include <algorithm>
#include <string>
#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "crypto/testdata/vector_file.h"
#include "gtest/gtest.h"

namespace messenger::crypto::internal {
namespace {

using Engine = Polyval::Engine;

PolyvalBlock Block(const std::string& bytes) {
  PolyvalBlock block;
  std::copy_n(bytes.begin(), block.size(), block.begin());
  return block;
}

PolyvalBlock Hash(const PolyvalBlock& key, Engine engine,
                  const std::string& data, PolyvalBlock value = {}) {
  Polyval(key, engine)
      .Update(value, reinterpret_cast<const uint8_t*>(data.data()),
              data.size() / kPolyvalBlockBytes);
  return value;
}

// Those this machine has; the portable one is always among them.
std::vector<Engine> Engines() {
  std::vector<Engine> engines;
  for (const Engine engine : {Engine::kPortable, Engine::kCarrylessMultiply,
                              Engine::kWideCarrylessMultiply}) {
    if (Polyval::Supports(engine)) engines.push_back(engine);
  }
  return engines;
}

TEST(PolyvalTest, EveryEngineMatchesRfc8452) {
  const TestVector vector =
      LoadVector("crypto/testdata/hctr2.txt", "polyval rfc8452");
  for (const Engine engine : Engines()) {
    EXPECT_EQ(Hash(Block(vector.Bytes("key")), engine, vector.Bytes("blocks")),
              Block(vector.Bytes("hash")))
        << static_cast<int>(engine);
  }
}

TEST(PolyvalTest, EnginesAgreeOnEveryLength) {
  SeededRandom random(1);
  for (size_t blocks = 0; blocks < 70; ++blocks) {
    const PolyvalBlock key = Block(random.String(16));
    const PolyvalBlock start = Block(random.String(16));
    const std::string data = random.String(16 * blocks);
    const PolyvalBlock expected = Hash(key, Engine::kPortable, data, start);
    for (const Engine engine : Engines()) {
      EXPECT_EQ(Hash(key, engine, data, start), expected)
          << blocks << " blocks, engine " << static_cast<int>(engine);
    }
  }
}

TEST(PolyvalTest, EnginesAgreeOnExtremeBlocks) {
  const PolyvalBlock ones = Block(std::string(16, '\xff'));
  for (const Engine engine : Engines()) {
    EXPECT_EQ(
        Hash(ones, engine, std::string(16 * 33, '\xff'), ones),
        Hash(ones, Engine::kPortable, std::string(16 * 33, '\xff'), ones));
    EXPECT_EQ(Hash(PolyvalBlock{}, engine, std::string(16 * 33, 'x')),
              PolyvalBlock{});
  }
}

TEST(PolyvalTest, PiecesGiveTheSameHash) {
  SeededRandom random(2);
  const PolyvalBlock key = Block(random.String(16));
  const std::string data = random.String(16 * 40);
  for (const Engine engine : Engines()) {
    const PolyvalBlock whole = Hash(key, engine, data);
    for (size_t cut = 0; cut <= data.size(); cut += 16) {
      const PolyvalBlock first = Hash(key, engine, data.substr(0, cut));
      EXPECT_EQ(Hash(key, engine, data.substr(cut), first), whole) << cut;
    }
  }
}

TEST(PolyvalTest, BestEngineIsSupported) {
  EXPECT_TRUE(Polyval::Supports(Polyval::BestEngine()));
  EXPECT_TRUE(Polyval::Supports(Engine::kPortable));
}

}  // namespace
}  // namespace messenger::crypto::internal
