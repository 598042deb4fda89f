// The part of the sealing key that a copied folder lacks
// (client/SPEC.md, section 7).
//
// Random bytes that are kept apart from the account's folder, one secret for
// each account. Whoever copies the folder alone cannot try a single PIN.
//
// Where they are kept is a plug: a file (here), a Secret Service
// (secret_service.h), and whatever else implements `DeviceSecret` and gets a
// number in `DeviceSecretKind`. A TPM would: Add() seals the secret to the chip
// and keeps what comes out in a file, Destroy() also ends the chip's key. It is
// not there.
//
// Not thread-safe; one process at a time uses an account.

#ifndef CLIENT_STORE_DEVICE_SECRET_H_
#define CLIENT_STORE_DEVICE_SECRET_H_

#include <cstdint>
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

// The number is in the keyslot.
enum class DeviceSecretKind : uint8_t {
  kFile = 0,
  kSecretService = 1,
};

class DeviceSecret {
 public:
  virtual ~DeviceSecret() = default;

  // Durable once it returns.
  //   ALREADY_EXISTS  there is one; nothing was changed
  //   RESOURCE_EXHAUSTED, UNAVAILABLE  the place it is kept at
  virtual absl::Status Add(const DeviceSecretId& id,
                           const DeviceSecretBytes& secret) = 0;
  // The same for an account that has `current` there: both are there until
  // one of them is destroyed.
  virtual absl::Status AddSuccessor(const DeviceSecretId& current,
                                    const DeviceSecretId& id,
                                    const DeviceSecretBytes& secret) = 0;
  //   NOT_FOUND    it is not there
  //   UNAVAILABLE  the place cannot be read
  virtual absl::StatusOr<DeviceSecretBytes> Read(const DeviceSecretId& id) = 0;
  // Overwrites and removes it. OK when it is not there.
  virtual absl::Status Destroy(const DeviceSecretId& id) = 0;
};

// Where device secrets can be on this machine. A null one is not to be had.
struct DeviceSecretPlaces {
  DeviceSecret* file = nullptr;
  DeviceSecret* secret_service = nullptr;

  DeviceSecret* At(DeviceSecretKind kind) const {
    return kind == DeviceSecretKind::kFile ? file : secret_service;
  }
};

// In a file of mode 0600.
class FileDeviceSecret final : public DeviceSecret {
 public:
  // One file for each secret, named by its id; Add() makes the folder.
  static FileDeviceSecret InFolder(std::string folder) {
    return FileDeviceSecret(std::move(folder), /*named_by_id=*/true);
  }
  // This file, for one account; a successor lies beside it, PATH.next, until it
  // takes its place.
  static FileDeviceSecret AtPath(std::string path) {
    return FileDeviceSecret(std::move(path), /*named_by_id=*/false);
  }

  absl::Status Add(const DeviceSecretId& id,
                   const DeviceSecretBytes& secret) override;
  absl::Status AddSuccessor(const DeviceSecretId& current,
                            const DeviceSecretId& id,
                            const DeviceSecretBytes& secret) override;
  absl::StatusOr<DeviceSecretBytes> Read(const DeviceSecretId& id) override;
  absl::Status Destroy(const DeviceSecretId& id) override;

 private:
  FileDeviceSecret(std::string path, bool named_by_id)
      : path_(std::move(path)), named_by_id_(named_by_id) {}

  std::string PathOf(const DeviceSecretId& id) const;
  std::string NextPath() const { return path_ + ".next"; }

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
