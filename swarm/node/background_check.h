// Reads a store as a whole, a little at a time, on the thread that writes it:
// after a crash, and once a day (swarm/SPEC.md, section 6.1).
//
// Belongs to the disk executor, but for construction and Start(). The store
// must outlive the disk executor's last task, and so must this.

#ifndef SWARM_NODE_BACKGROUND_CHECK_H_
#define SWARM_NODE_BACKGROUND_CHECK_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "swarm/auth/item.h"
#include "swarm/store/sqlite_store.h"
#include "swarm/store/store_check.h"

namespace messenger::swarm {

class BackgroundCheck final {
 public:
  // Rows of one slice, and the pause after it: some 10,000 rows a second, in
  // slices that delay a write by a few milliseconds.
  static constexpr size_t kSliceRows = 200;
  static constexpr absl::Duration kPause = absl::Milliseconds(20);
  static constexpr absl::Duration kLook = absl::Minutes(10);

  // Both run on the disk executor. `on_item`: a message whose contents are
  // damaged. `on_damage`: the file is damaged as a whole; nothing follows.
  struct Findings {
    std::function<void(const ItemKey&)> on_item;
    std::function<void(absl::Status)> on_damage;
  };

  BackgroundCheck(SqliteStore& store, std::string path,
                  const routing::Clock& clock, routing::Executor& disk,
                  Findings findings);

  void Start();

 private:
  void Look();
  void Step();

  SqliteStore& store_;
  const std::string path_;
  const routing::Clock& clock_;
  routing::Executor& disk_;
  const Findings findings_;
  std::unique_ptr<StoreCheck> check_;
};

}  // namespace messenger::swarm

#endif  // SWARM_NODE_BACKGROUND_CHECK_H_
