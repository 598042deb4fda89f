// Keeps a storage node's report with all authorities: sends it when it changes
// and once per `kRepeat`; repeats until each authority has taken it
// (routing/directory/SPEC.md, section 5.7).
//
// Belongs to one executor. May be destroyed at any time.

#ifndef ROUTING_DIRECTORY_STORAGE_REPORTER_H_
#define ROUTING_DIRECTORY_STORAGE_REPORTER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/storage_report.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/network_config.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

inline constexpr char kReportStorageMethod[] =
    "/messenger.routing.v1.Directory/ReportStorage";

class StorageReporter final {
 public:
  // All references must outlive the reporter.
  StorageReporter(Transport& transport, Executor& executor, const Clock& clock,
                  const crypto::Ed25519PrivateKey& storage_key,
                  const NetworkId& network_id, const NodeId& node_id,
                  std::vector<Endpoint> authorities);
  ~StorageReporter();

  StorageReporter(const StorageReporter&) = delete;
  StorageReporter& operator=(const StorageReporter&) = delete;

  // What is true from now on; the fields of StorageReport. Nothing is sent
  // before the first call; one with the values of the last changes nothing.
  void Report(uint64_t ready_epoch, bool leaving);

  // Authorities that hold the last report.
  int accepted() const { return accepted_; }
  // The last refusal that was not a matter of reaching an authority, or of the
  // authority not knowing the node yet; OK if there was none.
  const absl::Status& refusal() const { return refusal_; }

  static constexpr absl::Duration kRepeat = absl::Minutes(5);
  static constexpr absl::Duration kFirstRetry = absl::Milliseconds(250);
  static constexpr absl::Duration kLastRetry = absl::Minutes(1);
  static constexpr absl::Duration kCallTimeout = absl::Seconds(10);

 private:
  void Publish();
  void Send(size_t authority, uint64_t publication, absl::Duration retry);

  Transport& transport_;
  Executor& executor_;
  const Clock& clock_;
  const crypto::Ed25519PrivateKey& storage_key_;
  const std::vector<Endpoint> authorities_;
  StorageReport report_;  // As last published.
  uint64_t publication_ = 0;
  std::string request_;
  int accepted_ = 0;
  absl::Status refusal_;
  std::shared_ptr<StorageReporter*> self_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_STORAGE_REPORTER_H_
