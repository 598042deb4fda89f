#include "swarm/store/group_committer.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace messenger::swarm {
namespace {

// Where the disk has no room for the whole batch, deletions and small messages
// may still fit: then each operation stands alone.
std::vector<absl::StatusOr<OpResult>> ApplyBatch(
    MessageStore& store, const std::vector<StoreOp>& ops, uint64_t now_ms) {
  std::vector<absl::StatusOr<OpResult>> results;
  absl::StatusOr<std::vector<OpResult>> all = store.Apply(ops, now_ms);
  if (all.ok()) {
    results.assign(all->begin(), all->end());
    return results;
  }
  if (absl::IsResourceExhausted(all.status()) && ops.size() > 1) {
    for (const StoreOp& op : ops) {
      absl::StatusOr<std::vector<OpResult>> one =
          store.Apply(absl::MakeConstSpan(&op, 1), now_ms);
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
  State(MessageStore& the_store, const routing::Clock& the_clock,
        routing::Executor& the_core, routing::Executor& the_disk)
      : store(the_store), clock(the_clock), core(the_core), disk(the_disk) {}

  void Schedule() {
    if (scheduled || committing || queue.size() == 0) return;
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
    if (committing || queue.size() == 0) return;
    committing = true;
    std::vector<StoreOp> ops;
    std::vector<Done> dones;
    // Of messages; nothing for other operations.
    std::vector<std::optional<MailboxAddress>> mailboxes;
    for (FairQueue::Write& write : queue.Pop(kMaxBatch)) {
      const auto* put = std::get_if<PutMessage>(&write.op);
      mailboxes.push_back(put == nullptr ? std::nullopt
                                         : std::optional(put->mailbox));
      ops.push_back(std::move(write.op));
      dones.push_back(std::move(write.done));
    }
    disk.Run([weak = weak_from_this(), &store = store, &core = core,
              now_ms = static_cast<uint64_t>(absl::ToUnixMillis(clock.Now())),
              ops = std::move(ops), mailboxes = std::move(mailboxes),
              dones = std::move(dones)]() mutable {
      std::vector<absl::StatusOr<OpResult>> results =
          ApplyBatch(store, ops, now_ms);
      core.Run([weak = std::move(weak), results = std::move(results),
                mailboxes = std::move(mailboxes),
                dones = std::move(dones)]() mutable {
        for (size_t i = 0; i < dones.size(); ++i) {
          // Any of them may destroy the committer.
          const auto self = weak.lock();
          if (self == nullptr) return;
          if (mailboxes[i].has_value() && self->on_message != nullptr &&
              results[i].ok() && *results[i] == OpResult::kDone) {
            self->on_message(*mailboxes[i]);
          }
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
  const routing::Clock& clock;
  routing::Executor& core;
  routing::Executor& disk;
  FairQueue queue;
  std::function<void(const MailboxAddress&)> on_message;
  bool scheduled = false;
  bool committing = false;
};

GroupCommitter::GroupCommitter(MessageStore& store, const routing::Clock& clock,
                               routing::Executor& core, routing::Executor& disk)
    : state_(std::make_shared<State>(store, clock, core, disk)) {}

GroupCommitter::~GroupCommitter() = default;

void GroupCommitter::Submit(StoreOp op, Done done, FairQueue::Brought brought) {
  FairQueue::Write write{
      .op = std::move(op), .done = std::move(done), .brought = brought};
  absl::Status pushed = state_->queue.Push(write);
  if (pushed.ok()) {
    state_->Schedule();
    return;
  }
  state_->core.Run([weak = std::weak_ptr<State>(state_),
                    pushed = std::move(pushed),
                    done = std::move(write.done)]() mutable {
    if (!weak.expired()) done(std::move(pushed));
  });
}

void GroupCommitter::set_on_message(
    std::function<void(const MailboxAddress&)> on_message) {
  state_->on_message = std::move(on_message);
}

void GroupCommitter::Maintain(
    absl::AnyInvocable<absl::StatusOr<size_t>(MessageStore&)> work,
    MaintainDone done) {
  state_->disk.Run([weak = std::weak_ptr<State>(state_), &store = state_->store,
                    &core = state_->core, work = std::move(work),
                    done = std::move(done)]() mutable {
    absl::StatusOr<size_t> removed = work(store);
    core.Run([weak = std::move(weak), removed = std::move(removed),
              done = std::move(done)]() mutable {
      if (!weak.expired()) done(std::move(removed));
    });
  });
}

void GroupCommitter::Expire(uint64_t now_ms, size_t limit_rows,
                            MaintainDone done) {
  Maintain(
      [now_ms, limit_rows](MessageStore& store) {
        return store.Expire(now_ms, limit_rows);
      },
      std::move(done));
}

void GroupCommitter::EraseShard(Shard shard, size_t limit_rows,
                                MaintainDone done) {
  Maintain(
      [shard, limit_rows](MessageStore& store) {
        return store.EraseShard(shard, limit_rows);
      },
      std::move(done));
}

size_t GroupCommitter::waiting() const { return state_->queue.size(); }

}  // namespace messenger::swarm
