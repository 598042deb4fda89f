// Memory in which `SecretBytes` lie: never in a core dump, and not in the swap
// space where the system allows that.
//
// Small cells of a few sizes, many to a page: sodium_malloc() would take four
// pages for each key. Between groups of pages lie some that nobody may touch,
// so that running off an ordinary buffer does not end in a secret. A cell is
// wiped when it is given back; the pages stay with the process.
//
// The system limits how much memory a process may lock (RLIMIT_MEMLOCK, 8 MiB
// in Debian, 64 KiB in some containers). Beyond it secrets lie in memory that
// can be swapped out, and `SecretMemory()` says so.
//
// Thread-safe. Without memory it crashes, like operator new.

#ifndef CRYPTO_BASE_SECRET_ARENA_H_
#define CRYPTO_BASE_SECRET_ARENA_H_

#include <cstddef>

namespace messenger::crypto {

inline constexpr size_t kMaxSecretBytes = 8192;

// Zeros, aligned for any scalar. `size` from 1 to kMaxSecretBytes.
char* AllocateSecret(size_t size);

// Wipes it and takes it back; with the size it was made with.
void FreeSecret(char* secret, size_t size) noexcept;

struct SecretMemoryState {
  size_t bytes = 0;         // of pages that the process has for secrets
  size_t locked_bytes = 0;  // of these, those that never reach the swap space
};
SecretMemoryState SecretMemory();

}  // namespace messenger::crypto

#endif  // CRYPTO_BASE_SECRET_ARENA_H_
