#include "crypto/base/secret_arena.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The sanitizers make mlock() a call that does nothing and succeeds.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kReallyLocks = false;
#else
constexpr bool kReallyLocks = true;
#endif

// What the memory holds, also where no object lives.
std::string Peek(const char* place, size_t size) {
  std::string bytes(size, '?');
  const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  const ssize_t count =
      pread(memory, bytes.data(), size,
            static_cast<off_t>(reinterpret_cast<uintptr_t>(place)));
  close(memory);
  EXPECT_EQ(count, static_cast<ssize_t>(size));
  return bytes;
}

// What the kernel says of the mapping with `place` in it.
std::string Mapping(const char* place) {
  const auto address = reinterpret_cast<uintptr_t>(place);
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  std::string found;
  bool inside = false;
  while (std::getline(maps, line)) {
    char* end = nullptr;
    const uint64_t first = std::strtoull(line.c_str(), &end, 16);
    if (*end == '-') {
      const uint64_t last = std::strtoull(end + 1, nullptr, 16);
      inside = first <= address && address < last;
    }
    if (inside) found += line + "\n";
  }
  return found;
}

TEST(SecretArenaTest, GivesZerosThatNobodyElseHas) {
  std::set<char*> given;
  for (const size_t size : {1, 8, 31, 32, 33, 64, 65, 100, 4095, 4096}) {
    for (int i = 0; i < 300; ++i) {
      char* const secret = AllocateSecret(size);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(secret) % 16, 0u);
      EXPECT_EQ(std::count(secret, secret + size, '\0'),
                static_cast<ptrdiff_t>(size));
      std::fill(secret, secret + size, 's');
      // The one before ends before this one begins.
      const auto next = given.insert(secret).first;
      if (next != given.begin()) {
        EXPECT_LE(*std::prev(next) + 1, secret);
      }
    }
  }
  EXPECT_EQ(given.size(), 3000u);
}

TEST(SecretArenaTest, NeighboursDoNotOverlap) {
  std::vector<char*> secrets;
  for (int i = 0; i < 1000; ++i) secrets.push_back(AllocateSecret(48));
  for (size_t i = 0; i < secrets.size(); ++i) {
    std::fill(secrets[i], secrets[i] + 48, static_cast<char>(i));
  }
  for (size_t i = 0; i < secrets.size(); ++i) {
    EXPECT_EQ(std::string(secrets[i], 48),
              std::string(48, static_cast<char>(i)));
    FreeSecret(secrets[i], 48);
  }
}

TEST(SecretArenaTest, GivingBackWipes) {
  char* const secret = AllocateSecret(32);
  std::fill(secret, secret + 32, 's');
  ASSERT_EQ(Peek(secret, 32), std::string(32, 's'));
  FreeSecret(secret, 32);
  EXPECT_EQ(Peek(secret, 32), std::string(32, '\0'));
}

TEST(SecretArenaTest, WhatIsGivenBackIsUsedAgain) {
  const size_t before = SecretMemory().bytes;
  for (int i = 0; i < 100'000; ++i) FreeSecret(AllocateSecret(2000), 2000);
  EXPECT_LE(SecretMemory().bytes, before + 16 * 1024);
}

TEST(SecretArenaTest, IsLockedAndNeverDumped) {
  char* const secret = AllocateSecret(32);
  const std::string mapping = Mapping(secret);
  const size_t flags = mapping.find("VmFlags:");
  ASSERT_NE(flags, std::string::npos) << mapping;
  // proc(5): "dd" is not dumped.
  EXPECT_THAT(mapping.substr(flags), HasSubstr(" dd"));
  // As far as this machine allows: SecretMemory() does not lie about it.
  const SecretMemoryState state = SecretMemory();
  if (kReallyLocks && state.locked_bytes == state.bytes) {
    EXPECT_THAT(mapping.substr(flags), HasSubstr(" lo"));
  }
  FreeSecret(secret, 32);
}

using SecretArenaDeathTest = ::testing::Test;

TEST(SecretArenaDeathTest, PagesAroundAreOutOfBounds) {
  char* const secret = AllocateSecret(4096);
  const auto beside = [secret](ptrdiff_t distance) {
    // Out of sight of the compiler.
    volatile char* const place = secret + distance;
    *place = 'x';
  };
  // Of a group of four.
  EXPECT_DEATH(for (ptrdiff_t i = 0; i <= 4; ++i) beside(i * 4096), "");
  EXPECT_DEATH(for (ptrdiff_t i = 0; i <= 4; ++i) beside(-i * 4096), "");
  FreeSecret(secret, 4096);
}

// As in a container: some is locked, the rest is not, and nothing fails.
TEST(SecretArenaTest, BeyondTheLimitSecretsAreNotLocked) {
  const pid_t child = fork();
  if (child == 0) {
    // Root has no limit; nobody has one. Who cannot become nobody is root in a
    // namespace only, and has one too.
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) != 0) {
      errno = 0;
    }
    constexpr rlim_t kLimit = 64 * 1024;
    const rlimit limit = {kLimit, kLimit};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) _exit(2);
    const SecretMemoryState before = SecretMemory();
    std::vector<char*> secrets;
    for (int i = 0; i < 100; ++i) secrets.push_back(AllocateSecret(4096));
    const SecretMemoryState after = SecretMemory();
    const size_t locked = after.locked_bytes - before.locked_bytes;
    if (after.bytes - before.bytes < 99 * 4096) _exit(3);
    if (kReallyLocks && locked > kLimit) _exit(4);
    for (char* secret : secrets) secret[4095] = 's';
    _exit(Mapping(secrets.back()).find(" dd") != std::string::npos ? 0 : 5);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(SecretArenaTest, ManyThreadsShareIt) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([thread] {
      std::vector<char*> mine;
      for (int i = 0; i < 10'000; ++i) {
        mine.push_back(AllocateSecret(32));
        *mine.back() = static_cast<char>(thread + 1);
        if (i % 3 == 0) {
          EXPECT_EQ(*mine.front(), static_cast<char>(thread + 1));
          FreeSecret(mine.front(), 32);
          mine.erase(mine.begin());
        }
        if (mine.size() > 50) {
          for (char* secret : mine) FreeSecret(secret, 32);
          mine.clear();
        }
      }
      for (char* secret : mine) FreeSecret(secret, 32);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace messenger::crypto
