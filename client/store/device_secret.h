// The part of the sealing key that a copied folder lacks
// (client/SPEC.md, section 7).
//
// Random bytes that are kept apart from the account's folder, one secret for
// each account. Whoever copies the folder alone cannot try a single PIN.
//
// Not thread-safe; one process at a time uses an account.

#ifndef CLIENT_STORE_DEVICE_SECRET_H_
#define CLIENT_STORE_DEVICE_SECRET_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::client {

using DeviceSecretBytes = crypto::SecretBytes<32>;
// A digest of the secret. It is in the keyslot: it tells which secret belongs
// to it, and nothing about the secret.
using DeviceSecretId = crypto::FixedBytes<struct DeviceSecretIdTag, 16>;

DeviceSecretId IdOfDeviceSecret(const DeviceSecretBytes& secret);

class DeviceSecret {
 public:
  virtual ~DeviceSecret() = default;

  // Durable once it returns.
  //   ALREADY_EXISTS  there is one; nothing was changed
  //   RESOURCE_EXHAUSTED, UNAVAILABLE  the place it is kept at
  virtual absl::Status Add(const DeviceSecretId& id,
                           const DeviceSecretBytes& secret) = 0;
  //   NOT_FOUND    it is not there
  //   UNAVAILABLE  the place cannot be read
  virtual absl::StatusOr<DeviceSecretBytes> Read(const DeviceSecretId& id) = 0;
  // Overwrites and removes it. OK when it is not there.
  virtual absl::Status Destroy(const DeviceSecretId& id) = 0;
};

// In a file of mode 0600.
class FileDeviceSecret final : public DeviceSecret {
 public:
  // One file for each secret, named by its id; Add() makes the folder.
  static FileDeviceSecret InFolder(std::string folder) {
    return FileDeviceSecret(std::move(folder), /*named_by_id=*/true);
  }
  // This file, for one account.
  static FileDeviceSecret AtPath(std::string path) {
    return FileDeviceSecret(std::move(path), /*named_by_id=*/false);
  }

  absl::Status Add(const DeviceSecretId& id,
                   const DeviceSecretBytes& secret) override;
  absl::StatusOr<DeviceSecretBytes> Read(const DeviceSecretId& id) override;
  absl::Status Destroy(const DeviceSecretId& id) override;

 private:
  FileDeviceSecret(std::string path, bool named_by_id)
      : path_(std::move(path)), named_by_id_(named_by_id) {}

  std::string PathOf(const DeviceSecretId& id) const;

  std::string path_;
  bool named_by_id_;
};

// Writes `contents` over the bytes of the file where they lie, and syncs: for
// what must not survive beside its successor. A crash may leave a mixture.
// NOT_FOUND without the file, UNAVAILABLE if the file system refuses.
absl::Status OverwriteInPlace(const std::string& path,
                              absl::string_view contents);

}  // namespace messenger::client

#endif  // CLIENT_STORE_DEVICE_SECRET_H_
