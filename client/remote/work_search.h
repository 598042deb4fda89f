// Searches a nonce with so much work (swarm/SPEC.md, sections 3.6 and 3.8) in
// small slices, so that the executor goes on with everything else meanwhile.
//
// Belongs to the executor. May be destroyed at any time; `done` then never
// runs.

#ifndef CLIENT_REMOTE_WORK_SEARCH_H_
#define CLIENT_REMOTE_WORK_SEARCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "routing/runtime/executor.h"

namespace messenger::client {

// The most work this client does for a message: some 20 s on a slow machine.
// Members ask for 20 bits at most; who asks for more is no honest member.
inline constexpr int kMaxWorkBits = 24;

class WorkSearch final {
 public:
  // The first of `tries` nonces from `from` on that will do, if there is one.
  using TrySlice =
      std::function<std::optional<uint64_t>(uint64_t from, uint64_t tries)>;
  // RESOURCE_EXHAUSTED: more bits than kMaxWorkBits, or none was found in 64
  // times as many tries as are expected (which does not happen).
  using Done = absl::AnyInvocable<void(absl::StatusOr<uint64_t>)>;

  // About 2 ms of one core.
  static constexpr uint64_t kTriesPerSlice = 2'000;

  // `executor` must outlive this.
  WorkSearch(routing::Executor& executor, int bits, TrySlice try_slice,
             Done done);

  WorkSearch(const WorkSearch&) = delete;
  WorkSearch& operator=(const WorkSearch&) = delete;

  // `done` never runs inside.
  void Start();

 private:
  void Slice();
  void Finish(absl::StatusOr<uint64_t> result);

  routing::Executor& executor_;
  const int bits_;
  TrySlice try_slice_;
  Done done_;
  uint64_t next_ = 0;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_WORK_SEARCH_H_
