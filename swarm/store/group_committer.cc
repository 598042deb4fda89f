#include "swarm/store/group_committer.h"

#include <deque>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace messenger::swarm {
namespace {

size_t SizeOf(const StoreOp& op) {
  constexpr size_t kFixedBytes = 256;
  if (const auto* put = std::get_if<PutMessage>(&op)) {
    return kFixedBytes + put->payload.size();
  }
  if (const auto* erase = std::get_if<DeleteMessages>(&op)) {
    return kFixedBytes + erase->ids.size() * MessageId::kSize;
  }
  return kFixedBytes + std::get<PutRecord>(op).record.body.size();
}

// Where the disk has no room for the whole batch, deletions and small messages
// may still fit: then each operation stands alone.
std::vector<absl::StatusOr<OpResult>> ApplyBatch(
    MessageStore& store, const std::vector<StoreOp>& ops) {
  std::vector<absl::StatusOr<OpResult>> results;
  absl::StatusOr<std::vector<OpResult>> all = store.Apply(ops);
  if (all.ok()) {
    results.assign(all->begin(), all->end());
    return results;
  }
  if (absl::IsResourceExhausted(all.status()) && ops.size() > 1) {
    for (const StoreOp& op : ops) {
      absl::StatusOr<std::vector<OpResult>> one =
          store.Apply(absl::MakeConstSpan(&op, 1));
      results.push_back(one.ok() ? absl::StatusOr<OpResult>(one->front())
                                 : one.status());
    }
    return results;
  }
  results.assign(ops.size(), all.status());
  return results;
}

}  // namespace

struct GroupCommitter::State : std::enable_shared_from_this<State> {
  State(MessageStore& the_store, routing::Executor& the_core,
        routing::Executor& the_disk)
      : store(the_store), core(the_core), disk(the_disk) {}

  void Schedule() {
    if (scheduled || committing || queue.empty()) return;
    scheduled = true;
    // At the end of the turn, so that what arrives together commits together.
    core.Run([weak = weak_from_this()] {
      if (auto self = weak.lock()) {
        self->scheduled = false;
        self->Commit();
      }
    });
  }

  void Commit() {
    if (committing || queue.empty()) return;
    committing = true;
    std::vector<StoreOp> ops;
    std::vector<Done> dones;
    while (!queue.empty() && ops.size() < kMaxBatch) {
      queue_bytes -= SizeOf(queue.front().first);
      ops.push_back(std::move(queue.front().first));
      dones.push_back(std::move(queue.front().second));
      queue.pop_front();
    }
    disk.Run([weak = weak_from_this(), &store = store, &core = core,
              ops = std::move(ops), dones = std::move(dones)]() mutable {
      std::vector<absl::StatusOr<OpResult>> results = ApplyBatch(store, ops);
      core.Run([weak = std::move(weak), results = std::move(results),
                dones = std::move(dones)]() mutable {
        for (size_t i = 0; i < dones.size(); ++i) {
          // Any of them may destroy the committer.
          if (weak.expired()) return;
          dones[i](std::move(results[i]));
        }
        if (auto self = weak.lock()) {
          self->committing = false;
          self->Commit();
        }
      });
    });
  }

  MessageStore& store;
  routing::Executor& core;
  routing::Executor& disk;
  std::deque<std::pair<StoreOp, Done>> queue;
  size_t queue_bytes = 0;
  bool scheduled = false;
  bool committing = false;
};

GroupCommitter::GroupCommitter(MessageStore& store, routing::Executor& core,
                               routing::Executor& disk)
    : state_(std::make_shared<State>(store, core, disk)) {}

GroupCommitter::~GroupCommitter() = default;

void GroupCommitter::Submit(StoreOp op, Done done) {
  const size_t size = SizeOf(op);
  if (state_->queue.size() >= kMaxWaiting ||
      state_->queue_bytes + size > kMaxWaitingBytes) {
    state_->core.Run([weak = std::weak_ptr<State>(state_),
                      done = std::move(done)]() mutable {
      if (!weak.expired()) {
        done(absl::ResourceExhaustedError("too many writes are waiting"));
      }
    });
    return;
  }
  state_->queue_bytes += size;
  state_->queue.emplace_back(std::move(op), std::move(done));
  state_->Schedule();
}

void GroupCommitter::Expire(uint64_t now_ms, size_t limit_rows,
                            ExpireDone done) {
  state_->disk.Run([weak = std::weak_ptr<State>(state_), &store = state_->store,
                    &core = state_->core, now_ms, limit_rows,
                    done = std::move(done)]() mutable {
    absl::StatusOr<size_t> removed = store.Expire(now_ms, limit_rows);
    core.Run([weak = std::move(weak), removed = std::move(removed),
              done = std::move(done)]() mutable {
      if (!weak.expired()) done(std::move(removed));
    });
  });
}

size_t GroupCommitter::waiting() const { return state_->queue.size(); }

}  // namespace messenger::swarm
