// Keys that can be destroyed one by one: what they seal is gone with them, in
// every old page and copy of the database (client/SPEC.md, section 8.1).
//
// A file of slots of 32 bytes beside the database, overwritten in place. A slot
// of zeros is free. The keys alone open nothing: what they seal lies in the
// encrypted database.
//
// Not thread-safe. Every method may fail as `sqlite::Database` says
// (RESOURCE_EXHAUSTED, UNAVAILABLE).

#ifndef CLIENT_STORE_VANISHING_KEYS_H_
#define CLIENT_STORE_VANISHING_KEYS_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/random/random.h"
#include "routing/runtime/sqlite/vfs_file.h"

namespace messenger::client {

class VanishingKeys {
 public:
  // `random` must outlive the object; `path` and `vfs` as in `VfsFile::Open`.
  static absl::StatusOr<std::unique_ptr<VanishingKeys>> Open(
      const std::string& path, const std::string& vfs, crypto::Random& random);

  struct NewKey {
    int64_t slot = 0;  // from 0
    crypto::SecretBytes<32> key;
  };
  // Takes a free slot. The key is on the disk after the next `Sync`: nothing
  // that it seals may be committed before.
  absl::StatusOr<NewKey> Add();
  // Nothing to do, and no operation on the disk, without new keys.
  absl::Status Sync();

  // NOT_FOUND: it was destroyed.
  absl::StatusOr<crypto::SecretBytes<32>> Find(int64_t slot);

  // Overwrites the keys; they are gone from the file when this returns OK. The
  // slots are not given out again before `Free`.
  absl::Status Destroy(const std::vector<int64_t>& slots);
  void Free(const std::vector<int64_t>& slots);
  // All but those in use: what a program that was killed has left behind.
  absl::Status KeepOnly(const std::set<int64_t>& in_use);

 private:
  VanishingKeys(std::unique_ptr<sqlite::VfsFile> file, crypto::Random& random)
      : file_(std::move(file)), random_(random) {}

  std::unique_ptr<sqlite::VfsFile> file_;
  crypto::Random& random_;
  int64_t slots_ = 0;  // in the file, used or not
  std::set<int64_t> free_;
  bool unsynced_ = false;
};

}  // namespace messenger::client

#endif  // CLIENT_STORE_VANISHING_KEYS_H_
