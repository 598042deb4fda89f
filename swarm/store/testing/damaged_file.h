// Files of closed stores, damaged as disks damage them.

#ifndef SWARM_STORE_TESTING_DAMAGED_FILE_H_
#define SWARM_STORE_TESTING_DAMAGED_FILE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace messenger::swarm {

std::string ReadStoreFile(const std::string& path);
void WriteStoreFile(const std::string& path, absl::string_view bytes);

// Where in `file` these bytes are.
std::vector<size_t> PlacesOf(absl::string_view file, absl::string_view bytes);

// Flips a bit in the middle of the bytes where they are last in the file.
void FlipLast(const std::string& path, absl::string_view bytes);

}  // namespace messenger::swarm

#endif  // SWARM_STORE_TESTING_DAMAGED_FILE_H_
