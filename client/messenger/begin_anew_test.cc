// The second PIN from the guess to the new account, on a real disk: what the
// program does there, and what is left when it ends at any moment of it.

#include "client/messenger/begin_anew.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/messenger/messenger.h"
#include "client/store/client_store.h"
#include "client/store/device_secret.h"
#include "client/store/keyslot.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/files.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace {

// What the calls below do besides: they are counted, and one of them ends the
// program, a write in its middle.
struct CallLog {
  bool on = false;
  int changes = 0;      // calls that change a file
  int end_before = -1;  // the number of the one that is never made
  int stretches = 0;
  std::string words;

  // Whether the program ends with this call.
  bool Note(const char* what, size_t size, bool changes_a_file) {
    if (!on) return false;
    absl::StrAppend(&words, what, " ", size, "\n");
    return changes_a_file && changes++ == end_before;
  }
};
CallLog calls;
constexpr int kEnded = 77;

void Change(const char* what) {
  if (calls.Note(what, 0, /*changes_a_file=*/true)) _exit(kEnded);
}

}  // namespace

extern "C" {

int __real_open(const char* path, int flags, ...);
int __real_mkostemp(char* pattern, int flags);
ssize_t __real_read(int file, void* data, size_t size);
ssize_t __real_write(int file, const void* data, size_t size);
ssize_t __real_pwrite(int file, const void* data, size_t size, off_t at);
ssize_t __real_pwrite64(int file, const void* data, size_t size, off64_t at);
int __real_ftruncate(int file, off_t size);
int __real_ftruncate64(int file, off64_t size);
int __real_rename(const char* from, const char* to);
int __real_unlink(const char* path);
int __real_fsync(int file);
int __real_fdatasync(int file);
int __real_crypto_pwhash_argon2id(unsigned char* out,
                                  unsigned long long out_size,
                                  const char* password, unsigned long long size,
                                  const unsigned char* salt,
                                  unsigned long long passes, size_t memory,
                                  int algorithm);

int __wrap_open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const auto mode = (flags & O_CREAT) != 0 ? va_arg(more, int) : 0;
  va_end(more);
  if ((flags & O_CREAT) != 0) {
    Change("create");
  } else {
    calls.Note("open", 0, /*changes_a_file=*/false);
  }
  return __real_open(path, flags, mode);
}
int __wrap_mkostemp(char* pattern, int flags) {
  Change("mkostemp");
  return __real_mkostemp(pattern, flags);
}
ssize_t __wrap_read(int file, void* data, size_t size) {
  calls.Note("read", size, /*changes_a_file=*/false);
  return __real_read(file, data, size);
}
ssize_t __wrap_write(int file, const void* data, size_t size) {
  if (calls.Note("write", size, /*changes_a_file=*/true)) {
    if (__real_write(file, data, size / 2) < 0) abort();
    _exit(kEnded);
  }
  return __real_write(file, data, size);
}
ssize_t __wrap_pwrite(int file, const void* data, size_t size, off_t at) {
  if (calls.Note("pwrite", size, /*changes_a_file=*/true)) {
    if (__real_pwrite(file, data, size / 2, at) < 0) abort();
    _exit(kEnded);
  }
  return __real_pwrite(file, data, size, at);
}
ssize_t __wrap_pwrite64(int file, const void* data, size_t size, off64_t at) {
  if (calls.Note("pwrite", size, /*changes_a_file=*/true)) {
    if (__real_pwrite64(file, data, size / 2, at) < 0) abort();
    _exit(kEnded);
  }
  return __real_pwrite64(file, data, size, at);
}
int __wrap_ftruncate(int file, off_t size) {
  Change("ftruncate");
  return __real_ftruncate(file, size);
}
int __wrap_ftruncate64(int file, off64_t size) {
  Change("ftruncate");
  return __real_ftruncate64(file, size);
}
int __wrap_rename(const char* from, const char* to) {
  Change("rename");
  return __real_rename(from, to);
}
int __wrap_unlink(const char* path) {
  Change("unlink");
  return __real_unlink(path);
}
int __wrap_fsync(int file) {
  calls.Note("fsync", 0, /*changes_a_file=*/false);
  return __real_fsync(file);
}
int __wrap_fdatasync(int file) {
  calls.Note("fdatasync", 0, /*changes_a_file=*/false);
  return __real_fdatasync(file);
}
int __wrap_crypto_pwhash_argon2id(unsigned char* out,
                                  unsigned long long out_size,
                                  const char* password, unsigned long long size,
                                  const unsigned char* salt,
                                  unsigned long long passes, size_t memory,
                                  int algorithm) {
  if (calls.on) ++calls.stretches;
  return __real_crypto_pwhash_argon2id(out, out_size, password, size, salt,
                                       passes, memory, algorithm);
}

}  // extern "C"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

constexpr char kPin[] = "482916";
constexpr char kSecondPin[] = "730158";
constexpr char kDrawer[] = "a draft that nobody else sees";

class BeginAnewTest : public ::testing::Test {
 protected:
  BeginAnewTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/anewXXXXXX");
    folder_ = mkdtemp(pattern.data());
  }

  // An account with something in it, in a folder of its own.
  std::string Make(const std::string& name,
                   std::optional<absl::string_view> second) {
    const std::string place = absl::StrCat(folder_, "/", name);
    std::filesystem::create_directories(Folder(place));
    FileDeviceSecret secrets = Secrets(place);
    PinPolicy policy;
    policy.cost = kPinCostFloor;
    policy.use_device_secret = true;
    const DatabaseKey key =
        CreateKeyslot(Folder(place), kPin, policy, {&secrets}, *random_)
            .value();
    real_key_ = std::string(key.Expose());
    auto store = ClientStore::Open(Folder(place), key).value();
    EXPECT_THAT(Messenger::CreateAccount(
                    *store, crypto::AccountKeys::Generate(*random_),
                    /*restored=*/false, "Ada", clock_.Now(), *random_),
                IsOk());
    EXPECT_THAT(store->SetSetting("drawer", kDrawer), IsOk());
    EXPECT_THAT(SetSecondPin(Folder(place), kPin, second, "a note", {&secrets},
                             clock_, *random_),
                IsOk());
    return place;
  }
  static std::string Folder(const std::string& place) {
    return absl::StrCat(place, "/data");
  }
  static FileDeviceSecret Secrets(const std::string& place) {
    return FileDeviceSecret::InFolder(absl::StrCat(place, "/secrets"));
  }
  std::string Copy(const std::string& place, absl::string_view name) {
    const std::string copy = absl::StrCat(folder_, "/", name);
    std::filesystem::remove_all(copy);
    std::filesystem::copy(place, copy,
                          std::filesystem::copy_options::recursive);
    return copy;
  }
  // As the program does (client/cli/run.cc).
  absl::StatusOr<std::unique_ptr<ClientStore>> Unlock(const std::string& place,
                                                      absl::string_view pin) {
    FileDeviceSecret secrets = Secrets(place);
    const absl::StatusOr<OpenedKeyslot> opened =
        OpenKeyslot(Folder(place), pin, {&secrets}, clock_, *random_);
    if (!opened.ok()) return opened.status();
    if (!opened->begins_anew) {
      return ClientStore::Open(Folder(place), opened->key);
    }
    return BeginAnew(Folder(place), *opened, clock_.Now(), *random_,
                     [&](ClientStore& store) {
                       return store.SetSetting("drawer", opened->note);
                     });
  }
  // What is in the account that a PIN opens, or why none does.
  std::string Drawer(const std::string& place, absl::string_view pin) {
    const auto store = Unlock(place, pin);
    if (!store.ok()) return std::string(store.status().message());
    const auto drawer = (*store)->Setting("drawer");
    return drawer.ok() ? drawer->value_or("nothing")
                       : drawer.status().ToString();
  }

  std::optional<crypto::SeededRandom> random_{7};
  routing::SimulatedClock clock_;
  std::string folder_;
  std::string real_key_;
};

// With whatever PIN: who watches the disk and the clock learns nothing.
TEST_F(BeginAnewTest, UnlockingDoesTheSameWithASecondPinAndWithout) {
  const std::string places[] = {Make("without", std::nullopt),
                                Make("with", kSecondPin)};
  for (const char* pin : {kPin, "000000"}) {
    std::string words[2];
    for (int i = 0; i < 2; ++i) {
      FileDeviceSecret secrets = Secrets(places[i]);
      calls = CallLog();
      calls.on = true;
      const bool opens =
          OpenKeyslot(Folder(places[i]), pin, {&secrets}, clock_, *random_)
              .ok();
      calls.on = false;
      EXPECT_EQ(opens, pin == kPin);
      EXPECT_EQ(calls.stretches, 1);
      words[i] = calls.words;
    }
    EXPECT_EQ(words[0], words[1]);
    EXPECT_THAT(words[0], ::testing::HasSubstr("write 4096"));
    EXPECT_THAT(words[0], ::testing::HasSubstr("fsync"));
  }
}

TEST_F(BeginAnewTest, TheNewAccountIsLikeAnyOtherAndTheOldFilesAreGone) {
  const std::string place = Make("one", kSecondPin);
  EXPECT_EQ(Drawer(place, kPin), kDrawer);
  {
    const auto anew = Unlock(place, kSecondPin);
    ASSERT_THAT(anew.status(), IsOk());
    EXPECT_EQ((*anew)->Setting("drawer").value(), "a note");
    EXPECT_TRUE((*anew)->Contacts()->empty());
  }
  EXPECT_EQ(Drawer(place, kSecondPin), "a note");
  EXPECT_EQ(Drawer(place, kPin), "the PIN is wrong");
  EXPECT_THAT(
      ClientStore::Open(Folder(place), *DatabaseKey::FromBytes(real_key_))
          .status(),
      StatusIs(absl::StatusCode::kUnauthenticated));
  for (const auto& file : std::filesystem::directory_iterator(Folder(place))) {
    const std::string name = file.path().filename();
    EXPECT_TRUE(absl::StartsWith(name, "keyslot.") ||
                absl::StartsWith(name, "messages.db"))
        << name;
  }
}

TEST_F(BeginAnewTest, AtWhateverCallItEndsTheRealDataIsThereOrGoneForGood) {
  const std::string made = Make("made", kSecondPin);
  const std::string before =
      routing::ReadFile(
          std::filesystem::directory_iterator(absl::StrCat(made, "/secrets"))
              ->path())
          .value();
  bool real = true;
  int points = 0;
  int with_real = 0;
  for (bool finished = false; !finished; ++points) {
    const std::string place = Copy(made, "ended");
    const pid_t child = fork();
    if (child == 0) {
      // What chance gives here, it gives nobody else.
      random_.emplace(1000 + points);
      calls = CallLog();
      calls.on = true;
      calls.end_before = points;
      _exit(Unlock(place, kSecondPin).ok() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    finished = WEXITSTATUS(status) == 0;
    if (!finished) {
      ASSERT_EQ(WEXITSTATUS(status), kEnded) << points;
    }

    const std::string seen = Drawer(Copy(place, "looked-at"), kPin);
    if (seen == kDrawer) {
      ++with_real;
      EXPECT_TRUE(real) << "it came back, at " << points;
    } else {
      real = false;
      EXPECT_EQ(seen, "the PIN is wrong") << points;
    }
    // It goes on, or begins, with the same PIN.
    ASSERT_EQ(Drawer(place, kSecondPin), "a note") << points;
    EXPECT_EQ(Drawer(place, kPin), "the PIN is wrong") << points;
    EXPECT_EQ(Drawer(place, kSecondPin), "a note") << points;
    EXPECT_FALSE(
        ClientStore::Open(Folder(place), *DatabaseKey::FromBytes(real_key_))
            .ok());
    for (const auto& file :
         std::filesystem::directory_iterator(absl::StrCat(place, "/secrets"))) {
      EXPECT_NE(routing::ReadFile(file.path()).value(), before) << points;
    }
  }
  // Of both kinds.
  EXPECT_GT(with_real, 6);
  EXPECT_GT(points - with_real, 20);
  RecordProperty("points", points);
}

}  // namespace
}  // namespace messenger::client
