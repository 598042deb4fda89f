// Writes down what a ledger hears, as a history (history.h).
//
// Whether all could be written says the stream. Not thread-safe.

#ifndef TOOLS_SIMNET_SWARM_HISTORY_WRITER_H_
#define TOOLS_SIMNET_SWARM_HISTORY_WRITER_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "swarm/auth/mailbox.h"
#include "tools/simnet/swarm/ledger.h"

namespace messenger::simnet {

class HistoryWriter final : public Ledger::Listener {
 public:
  // Times are written as counted from `start`. `out` must outlive this.
  HistoryWriter(std::ostream& out, absl::Time start)
      : out_(out), start_(start) {}

  void OnRules(const Ledger::Rules& rules) override;
  void OnSending(int mailbox, const swarm::MessageId& id, absl::Time expiry,
                 absl::Time now) override;
  void OnSent(const swarm::MessageId& id, absl::Time now,
              absl::string_view how) override;
  void OnDeleting(const std::vector<swarm::MessageId>& ids,
                  absl::Time effective, absl::Time now) override;
  void OnDeleted(const std::vector<swarm::MessageId>& ids, absl::Time effective,
                 absl::Time now) override;
  void OnPurging(int mailbox, absl::Time expiry_until, absl::Time now) override;
  void OnPurged(int mailbox, absl::Time expiry_until, absl::Time now) override;
  void OnDeviceAdded(int device, int mailbox) override;
  void OnReinstall(int device) override;
  void OnRead(int device, const Ledger::Reading& reading,
              absl::Time now) override;
  void OnPuttingRecord(const std::string& name, uint64_t seq) override;
  void OnPutRecordDone(const std::string& name, uint64_t seq) override;
  void OnGotRecord(const std::string& name, uint64_t confirmed_before,
                   uint64_t seq) override;

 private:
  std::ostream& out_;
  const absl::Time start_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_HISTORY_WRITER_H_
