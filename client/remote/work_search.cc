#include "client/remote/work_search.h"

#include <utility>

#include "absl/status/status.h"

namespace messenger::client {

WorkSearch::WorkSearch(routing::Executor& executor, int bits,
                       TrySlice try_slice, Done done)
    : executor_(executor),
      bits_(bits),
      try_slice_(std::move(try_slice)),
      done_(std::move(done)) {}

void WorkSearch::Start() {
  executor_.Run([this, weak = std::weak_ptr<const bool>(alive_)] {
    if (!weak.expired()) Slice();
  });
}

void WorkSearch::Slice() {
  if (bits_ > kMaxWorkBits) {
    return Finish(absl::ResourceExhaustedError("too much work is asked for"));
  }
  const std::optional<uint64_t> found = try_slice_(next_, kTriesPerSlice);
  if (found) return Finish(*found);
  next_ += kTriesPerSlice;
  if (next_ >> 6 >= uint64_t{1} << bits_) {
    return Finish(absl::ResourceExhaustedError("no proof of work was found"));
  }
  Start();
}

void WorkSearch::Finish(absl::StatusOr<uint64_t> result) {
  // `done` may destroy this.
  Done done = std::move(done_);
  done(std::move(result));
}

}  // namespace messenger::client
