// One file of a SimulatedDisk: what a program reads from it, and what of that
// would survive a loss of power.
//
// The content is kept as the program sees it, beside a journal of how to get
// back: each write and truncation since the last sync with the bytes that it
// replaced. A write costs its own length, a sync the journal's, neither the
// file's.
//
// Not thread-safe. Neither copied nor moved.

#ifndef ROUTING_RUNTIME_SQLITE_TESTING_SIMULATED_FILE_H_
#define ROUTING_RUNTIME_SQLITE_TESTING_SIMULATED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "crypto/random/random.h"

namespace messenger::sqlite {

class SimulatedFile final {
 public:
  // What a disk writes in one piece. A write is torn between sectors, never
  // inside one, and never touches bytes that were not written.
  static constexpr uint64_t kSectorBytes = 512;

  enum class Fate { kKept, kDropped, kTorn };

  SimulatedFile() = default;
  // A file whose bytes are all durable.
  explicit SimulatedFile(std::string content) : content_(std::move(content)) {}
  SimulatedFile(const SimulatedFile&) = delete;
  SimulatedFile& operator=(const SimulatedFile&) = delete;

  const std::string& content() const { return content_; }
  uint64_t size() const { return content_.size(); }
  // How many writes and truncations are not synced.
  size_t unsynced() const { return journal_.size(); }
  bool IsDurable(uint64_t offset) const;

  // Bytes between the end and `offset` become zero.
  void Write(uint64_t offset, absl::string_view bytes);
  void Truncate(uint64_t size);

  // All is durable, but for what a failed sync gave up.
  void Sync();
  // A sync failed, and the operating system will not try these bytes again:
  // programs go on reading them, a later sync does not make them durable, only
  // a later write of them does. (Linux since 4.13 marks the pages clean.)
  void GiveUpUnsynced();

  // The power fails: `fate` decides on each write and truncation since the
  // last sync, in order; `random` on the sectors of the torn ones. A
  // truncation is never torn (taken as kept). Everything is durable then.
  void LosePower(absl::FunctionRef<Fate(bool is_truncation)> fate,
                 crypto::Random& random);

  // Damage, at once and for good.
  void FlipBit(uint64_t offset, int bit);
  void CutOff(uint64_t size);

 private:
  struct Change {
    bool is_truncation = false;
    bool given_up = false;
    uint64_t offset = 0;  // of a truncation: the new size
    uint64_t length = 0;
    uint64_t old_size = 0;
    // Of a write: what it replaced. Of a truncation: what it cut off. After
    // `Undo` of a write: what it wrote.
    std::string bytes;
  };

  void Put(uint64_t offset, absl::string_view bytes);
  // Takes the change out of the content, and puts into it what `Redo` needs.
  void Undo(Change& change);
  void Redo(const Change& change);

  std::string content_;
  std::vector<Change> journal_;
  bool has_given_up_ = false;
};

}  // namespace messenger::sqlite

#endif  // ROUTING_RUNTIME_SQLITE_TESTING_SIMULATED_FILE_H_
