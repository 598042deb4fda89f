#include "tools/simnet/swarm/node_disk.h"

#include "swarm/store/in_memory_store.h"

namespace messenger::simnet {
namespace {

class MemoryDisk final : public NodeDisk {
 public:
  explicit MemoryDisk(crypto::Random& random) : random_(random) {}

  absl::StatusOr<swarm::MessageStore*> Open() override {
    if (content_ == nullptr) {
      content_ = std::make_unique<swarm::InMemoryStore>(random_);
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
  std::unique_ptr<swarm::InMemoryStore> content_;
  bool open_ = false;
  Counters counters_;
};

}  // namespace

std::unique_ptr<NodeDisk> MakeMemoryDisk(crypto::Random& random) {
  return std::make_unique<MemoryDisk>(random);
}

}  // namespace messenger::simnet
