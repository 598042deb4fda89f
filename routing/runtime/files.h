// Small files of a process: its key, its configuration. For mains and the
// stores; not for anything that grows.
#ifndef ROUTING_RUNTIME_FILES_H_
#define ROUTING_RUNTIME_FILES_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace messenger::routing {

// NOT_FOUND if there is no such file; UNAVAILABLE if it cannot be read;
// RESOURCE_EXHAUSTED if it is larger than `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     size_t max_bytes = 16 * 1024 * 1024);

// Writes beside `path`, syncs, renames over it and syncs the directory: after
// a crash the file holds the old bytes or the new. The new file is readable
// by its owner only. RESOURCE_EXHAUSTED when the disk is full, UNAVAILABLE if
// the file system refuses otherwise.
absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view contents);

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_FILES_H_
