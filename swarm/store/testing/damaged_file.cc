#include "swarm/store/testing/damaged_file.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace messenger::swarm {

std::string ReadStoreFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void WriteStoreFile(const std::string& path, absl::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<size_t> PlacesOf(absl::string_view file, absl::string_view bytes) {
  std::vector<size_t> places;
  for (size_t at = file.find(bytes); at != absl::string_view::npos;
       at = file.find(bytes, at + 1)) {
    places.push_back(at);
  }
  return places;
}

void FlipLast(const std::string& path, absl::string_view bytes) {
  std::string file = ReadStoreFile(path);
  const std::vector<size_t> places = PlacesOf(file, bytes);
  if (places.empty()) std::abort();
  file[places.back() + bytes.size() / 2] ^= 1;
  WriteStoreFile(path, file);
}

}  // namespace messenger::swarm
