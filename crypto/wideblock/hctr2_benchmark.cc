// How long a relay's work on one cell takes (DESIGN bar: 5 microseconds).

#include <string>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/wideblock/hctr2.h"

namespace messenger::crypto {
namespace {

constexpr size_t kCellBytes = 8176;

void BM_EncryptCell(benchmark::State& state) {
  const Hctr2 cipher{SecretBytes<32>()};
  std::string cell(kCellBytes, 'x');
  for (auto _ : state) {
    cipher.Encrypt("a tweak of sixteen",
                   absl::MakeSpan(cell.data(), cell.size()));
  }
  state.SetBytesProcessed(
      static_cast<int64_t>(state.iterations() * cell.size()));
}
BENCHMARK(BM_EncryptCell);

void BM_DecryptCell(benchmark::State& state) {
  const Hctr2 cipher{SecretBytes<32>()};
  std::string cell(kCellBytes, 'x');
  for (auto _ : state) {
    cipher.Decrypt("a tweak of sixteen",
                   absl::MakeSpan(cell.data(), cell.size()));
  }
  state.SetBytesProcessed(
      static_cast<int64_t>(state.iterations() * cell.size()));
}
BENCHMARK(BM_DecryptCell);

void BM_NewKey(benchmark::State& state) {
  const SecretBytes<32> key;
  for (auto _ : state) {
    const Hctr2 cipher(key);
    benchmark::DoNotOptimize(&cipher);
  }
}
BENCHMARK(BM_NewKey);

}  // namespace
}  // namespace messenger::crypto

BENCHMARK_MAIN();
