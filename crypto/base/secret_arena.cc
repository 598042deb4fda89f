#include "crypto/base/secret_arena.h"

#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "crypto/base/secure_memory.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace messenger::crypto {
namespace {

constexpr size_t kPageBytes = 4096;
// Of one size of cells. Small, so that a limit of 64 KiB is used well.
constexpr size_t kGroupBytes = 4 * kPageBytes;
constexpr size_t kSmallestCell = 32;
constexpr size_t kClasses =
    std::bit_width(kMaxSecretBytes) - std::bit_width(kSmallestCell) + 1;

size_t ClassOf(size_t size) {
  return size <= kSmallestCell
             ? 0
             : static_cast<size_t>(std::bit_width(size - 1)) -
                   static_cast<size_t>(std::bit_width(kSmallestCell - 1));
}

// A cell that nobody has: touching it ends a test under AddressSanitizer.
void Poison([[maybe_unused]] char* cell, [[maybe_unused]] size_t size) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(cell, size);
#endif
}
void Unpoison([[maybe_unused]] char* cell, [[maybe_unused]] size_t size) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(cell, size);
#endif
}

class SecretArena {
 public:
  char* Allocate(size_t size) {
    const size_t index = ClassOf(size);
    const size_t cell_bytes = kSmallestCell << index;
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<char*>& free = free_[index];
    if (free.empty()) AddGroup(index);
    char* const cell = free.back();
    free.pop_back();
    Unpoison(cell, cell_bytes);
    return cell;
  }

  void Free(char* cell, size_t size) noexcept {
    const size_t index = ClassOf(size);
    SecureWipe(cell, size);
    const std::lock_guard<std::mutex> lock(mutex_);
    Poison(cell, kSmallestCell << index);
    // Never more than were made, for which there is room.
    free_[index].push_back(cell);
  }

  SecretMemoryState state() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return state_;
  }

 private:
  void AddGroup(size_t index) {
    // Pages that nobody may touch, before and after.
    void* const pages = mmap(nullptr, kGroupBytes + 2 * kPageBytes, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char* const group = static_cast<char*>(pages) + kPageBytes;
    if (pages == MAP_FAILED ||
        mprotect(group, kGroupBytes, PROT_READ | PROT_WRITE) != 0) {
      std::fputs("out of memory for secrets\n", stderr);
      std::abort();
    }
    madvise(group, kGroupBytes, MADV_DONTDUMP);
    state_.bytes += kGroupBytes;
    if (mlock(group, kGroupBytes) == 0) state_.locked_bytes += kGroupBytes;
    const size_t cell_bytes = kSmallestCell << index;
    const size_t cells = kGroupBytes / cell_bytes;
    made_[index] += cells;
    free_[index].reserve(made_[index]);
    // From the end, so that the first one is given first.
    for (size_t cell = cells; cell > 0; --cell) {
      char* const place = group + (cell - 1) * cell_bytes;
      Poison(place, cell_bytes);
      free_[index].push_back(place);
    }
  }

  std::mutex mutex_;
  std::array<std::vector<char*>, kClasses> free_;
  std::array<size_t, kClasses> made_ = {};
  SecretMemoryState state_;
};

// Never destroyed: secrets of static objects outlive everything.
SecretArena& Arena() {
  static SecretArena* const arena = new SecretArena;
  return *arena;
}

}  // namespace

char* AllocateSecret(size_t size) { return Arena().Allocate(size); }

void FreeSecret(char* secret, size_t size) noexcept {
  Arena().Free(secret, size);
}

SecretMemoryState SecretMemory() { return Arena().state(); }

}  // namespace messenger::crypto
