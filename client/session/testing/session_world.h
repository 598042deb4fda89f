// Two devices with their records, prekeys and sessions, driven by events that
// are lines of text. The same lines drive the model in tools/session_model,
// whose README.md describes them: what both say came of each event is compared
// as text.
//
// Not thread-safe. Malformed events end the process.

#ifndef CLIENT_SESSION_TESTING_SESSION_WORLD_H_
#define CLIENT_SESSION_TESTING_SESSION_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"

namespace messenger::client {

// `verb key=value key=value`, in the order of the keys.
struct WorldEvent {
  static WorldEvent Parse(absl::string_view text);
  std::string Text() const;

  std::string String(const std::string& key) const;  // "" when absent
  uint64_t Number(const std::string& key) const;
  absl::Time Time(const std::string& key) const;
  std::string Bytes(const std::string& key) const;  // hex

  std::string verb;
  std::map<std::string, std::string> fields;
};

class SessionWorld final {
 public:
  SessionWorld();
  ~SessionWorld();

  // What came of `event`: `key=value key=value`.
  std::string Apply(const WorldEvent& event, crypto::Random& random);

  // For whoever makes up events. Records and blobs are numbered in the order
  // in which they were made.
  size_t session_count(size_t who) const;
  size_t identity_count() const { return identities_.size(); }
  size_t prekey_count() const { return prekeys_.size(); }
  size_t blob_count() const { return blobs_.size(); }
  size_t blob_bytes(size_t blob) const { return blobs_[blob].bytes.size(); }
  absl::Time next_rotation(size_t who) const;

 private:
  struct Device;
  struct Blob {
    std::string bytes;
    bool inbox;
  };

  std::string MakeDevice(const WorldEvent& event);
  std::string MakeIdentity(Device& device, const WorldEvent& event);
  std::string LearnIdentity(Device& device, const WorldEvent& event);
  std::string RotatePrekeys(Device& device, const WorldEvent& event,
                            crypto::Random& random);
  std::string FetchPrekey(Device& device, const WorldEvent& event);
  std::string StartSession(Device& device, const WorldEvent& event,
                           crypto::Random& random);
  std::string Send(Device& device, const WorldEvent& event,
                   crypto::Random& random);
  std::string Lose(Device& device, const WorldEvent& event,
                   crypto::Random& random);
  std::string Clean(Device& device, const WorldEvent& event);
  absl::StatusOr<std::string> Receive(Device& device, absl::string_view blob,
                                      bool inbox, absl::Time now);
  absl::StatusOr<std::string> AcceptSession(Device& device,
                                            absl::string_view blob,
                                            absl::Time now);

  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<std::string> identities_;
  std::vector<std::string> prekeys_;
  std::vector<Blob> blobs_;
};

}  // namespace messenger::client

#endif  // CLIENT_SESSION_TESTING_SESSION_WORLD_H_
