// The files by which the relay and the storage process of one node learn of
// each other (routing/relay/SPEC.md, section 10; routing/proto/
// public_file.proto). Each process writes its own once it listens.
//
// Plain values; pure functions, thread-safe.

#ifndef ROUTING_ENDPOINT_PUBLIC_FILE_H_
#define ROUTING_ENDPOINT_PUBLIC_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/sign/ed25519.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

// The file's name inside the data directory.
inline constexpr char kPublicFileName[] = "public.txtpb";

struct RouterPublicFile {
  NodeId node_id;
  std::string nickname;
  Endpoint link;

  // INVALID_ARGUMENT, naming the field at fault.
  static absl::StatusOr<RouterPublicFile> Parse(absl::string_view text);
  std::string ToText() const;

  friend bool operator==(const RouterPublicFile&,
                         const RouterPublicFile&) = default;
};

struct StoragePublicFile {
  Endpoint storage;
  crypto::Ed25519PublicKey storage_key;  // signs receipts
  uint32_t capacity_mib = 0;

  // INVALID_ARGUMENT, naming the field at fault.
  static absl::StatusOr<StoragePublicFile> Parse(absl::string_view text);
  std::string ToText() const;

  friend bool operator==(const StoragePublicFile&,
                         const StoragePublicFile&) = default;
};

}  // namespace messenger::routing

#endif  // ROUTING_ENDPOINT_PUBLIC_FILE_H_
