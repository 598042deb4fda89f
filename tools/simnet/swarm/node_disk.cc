#include "tools/simnet/swarm/node_disk.h"

#include <string>
#include <utility>

#include "crypto/random/testing/seeded_random.h"
#include "routing/runtime/sqlite/testing/simulated_disk.h"
#include "swarm/store/in_memory_store.h"
#include "swarm/store/sqlite_store.h"

namespace messenger::simnet {
namespace {

constexpr char kPath[] = "/swarm.db";

class MemoryDisk final : public NodeDisk {
 public:
  MemoryDisk(crypto::Random& random, bool keep_incarnation)
      : random_(random), keep_incarnation_(keep_incarnation) {}

  absl::StatusOr<swarm::MessageStore*> Open() override {
    if (content_ == nullptr) {
      crypto::SeededRandom same(1);
      content_ = std::make_unique<swarm::InMemoryStore>(
          keep_incarnation_ ? static_cast<crypto::Random&>(same) : random_);
    }
    open_ = true;
    return content_.get();
  }
  swarm::MessageStore* store() override {
    return open_ ? content_.get() : nullptr;
  }
  void Crash(bool) override {
    open_ = false;
    if (content_ != nullptr) content_->set_full(false);
  }
  void Wipe() override {
    open_ = false;
    content_.reset();
  }
  bool SetErrorRate(double) override { return false; }
  bool SetFull(bool full) override {
    if (content_ == nullptr) return false;
    content_->set_full(full);
    counters_.full += full;
    return true;
  }
  bool FlipBit() override { return false; }
  Counters counters() const override { return counters_; }

 private:
  crypto::Random& random_;
  const bool keep_incarnation_;
  std::unique_ptr<swarm::InMemoryStore> content_;
  bool open_ = false;
  Counters counters_;
};

class SqliteDisk final : public NodeDisk {
 public:
  SqliteDisk(crypto::Random& random, const routing::Clock& clock,
             bool keep_incarnation)
      : random_(random),
        keep_incarnation_(keep_incarnation),
        clock_(clock),
        disk_(random, &clock) {}

  absl::StatusOr<swarm::MessageStore*> Open() override {
    crypto::SeededRandom same(1);
    absl::StatusOr<std::unique_ptr<swarm::SqliteStore>> store =
        swarm::SqliteStore::Open(
            {.path = kPath,
             .capacity_bytes = 0,
             .vfs = disk_.name(),
             .now_ms = static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()))},
            keep_incarnation_ ? static_cast<crypto::Random&>(same) : random_);
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
    return store_.get();
  }
  swarm::MessageStore* store() override { return store_.get(); }
  void Crash(bool power_loss) override {
    if (power_loss) {
      disk_.Crash();
    } else {
      disk_.Kill();
    }
    store_.reset();
    disk_.Restart();
    disk_.SetErrorRate(0);
    disk_.SetCapacity(0);
  }
  void Wipe() override {
    disk_.Wipe();
    store_.reset();
  }
  bool SetErrorRate(double rate) override {
    disk_.SetErrorRate(rate);
    return true;
  }
  bool SetFull(bool full) override {
    disk_.SetCapacity(full ? disk_.used_bytes() + 4096 : 0);
    return true;
  }
  bool FlipBit() override { return disk_.FlipBit().has_value(); }
  Counters counters() const override {
    const sqlite::SimulatedDisk::Counters& c = disk_.counters();
    return {.errors = c.read_errors + c.write_errors + c.sync_errors +
                      c.truncation_errors + c.deletion_errors,
            .full = c.disk_full,
            .unsynced_lost =
                c.writes_dropped + c.writes_torn + c.truncations_dropped,
            .torn = c.writes_torn,
            .flips = c.bits_flipped};
  }

 private:
  crypto::Random& random_;
  const bool keep_incarnation_;
  const routing::Clock& clock_;
  sqlite::SimulatedDisk disk_;
  std::unique_ptr<swarm::SqliteStore> store_;
};

}  // namespace

std::unique_ptr<NodeDisk> MakeSqliteDisk(crypto::Random& random,
                                         const routing::Clock& clock,
                                         bool keep_incarnation) {
  return std::make_unique<SqliteDisk>(random, clock, keep_incarnation);
}

std::unique_ptr<NodeDisk> MakeMemoryDisk(crypto::Random& random,
                                         bool keep_incarnation) {
  return std::make_unique<MemoryDisk>(random, keep_incarnation);
}

}  // namespace messenger::simnet
