// What a hop pays for a SETUP, against the two public-key operations that no
// implementation of this format can avoid. The aim: PeelForward at most 1.15
// times PublicKeyFloor.

#include <algorithm>
#include <chrono>
#include <string>

#include "benchmark/benchmark.h"
#include "crypto/agreement/x25519.h"
#include "crypto/kem/mlkem768.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/onion/geometry.h"
#include "routing/onion/setup.h"
#include "routing/onion/testing/test_path.h"

namespace messenger::routing {
namespace {

class World {
 public:
  World() : random_(1), path_(4, random_) {
    body_ =
        BuildSetup(path_.Keys(), {1, 1}, /*service=*/1,
                   /*expiry_minute=*/1, /*reply_budget=*/1, "hello", random_)
            .value()
            .body;
  }

  crypto::SeededRandom random_;
  TestPath path_;
  std::string body_;
};

crypto::X25519PublicKey Ephemeral(const std::string& body) {
  return crypto::X25519PublicKey::FromBytes(
             body.substr(kCiphertextOffset, kX25519Size))
      .value();
}

crypto::MlKem768Ciphertext KemCiphertext(const std::string& body) {
  return crypto::MlKem768Ciphertext::FromBytes(
             body.substr(kCiphertextOffset + kX25519Size, kMlKemCiphertextSize))
      .value();
}

void PublicKeyFloor(benchmark::State& state) {
  World world;
  const HopSecrets& secrets = world.path_.Secrets(0);
  const auto peer = Ephemeral(world.body_);
  const auto ciphertext = KemCiphertext(world.body_);
  for (auto _ : state) {
    benchmark::DoNotOptimize(secrets.onion_key.Agree(peer));
    benchmark::DoNotOptimize(secrets.kem_key.Decapsulate(ciphertext));
  }
}
BENCHMARK(PublicKeyFloor);

void PeelForward(benchmark::State& state) {
  World world;
  for (auto _ : state) {
    benchmark::DoNotOptimize(PeelSetup(world.path_.Secrets(0), world.body_));
  }
}
BENCHMARK(PeelForward);

// Both in turn, so that a busy machine slows both; the best of each counts.
void PeelOverFloor(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  World world;
  const HopSecrets& secrets = world.path_.Secrets(0);
  const auto peer = Ephemeral(world.body_);
  const auto ciphertext = KemCiphertext(world.body_);
  Clock::duration floor = Clock::duration::max();
  Clock::duration peel = Clock::duration::max();
  for (auto _ : state) {
    const auto start = Clock::now();
    benchmark::DoNotOptimize(secrets.onion_key.Agree(peer));
    benchmark::DoNotOptimize(secrets.kem_key.Decapsulate(ciphertext));
    const auto middle = Clock::now();
    benchmark::DoNotOptimize(PeelSetup(secrets, world.body_));
    const auto end = Clock::now();
    floor = std::min(floor, middle - start);
    peel = std::min(peel, end - middle);
  }
  state.counters["floor_ns"] = static_cast<double>(floor.count());
  state.counters["peel_ns"] = static_cast<double>(peel.count());
  state.counters["ratio"] =
      static_cast<double>(peel.count()) / static_cast<double>(floor.count());
}
BENCHMARK(PeelOverFloor);

void BuildFourHops(benchmark::State& state) {
  World world;
  const auto keys = world.path_.Keys();
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        BuildSetup(keys, {1, 1}, 1, 1, 1, "hello", world.random_));
  }
}
BENCHMARK(BuildFourHops);

void RelayCell(benchmark::State& state) {
  World world;
  auto peeled = PeelSetup(world.path_.Secrets(0), world.body_);
  std::string body = world.random_.String(kFrameBodySize);
  for (auto _ : state) {
    peeled->circuit.ForwardLayer(absl::MakeSpan(body.data(), body.size()));
  }
  state.SetBytesProcessed(state.iterations() * kFrameBodySize);
}
BENCHMARK(RelayCell);

}  // namespace
}  // namespace messenger::routing
