#include "routing/directory/storage_reporter.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "routing/proto/directory.pb.h"

namespace messenger::routing {
namespace {

// Codes that another try of the same bytes may not meet again. NOT_FOUND: the
// descriptor, which the router publishes, is still under way.
bool IsPassing(absl::StatusCode code) {
  return code == absl::StatusCode::kUnavailable ||
         code == absl::StatusCode::kDeadlineExceeded ||
         code == absl::StatusCode::kResourceExhausted ||
         code == absl::StatusCode::kNotFound;
}

}  // namespace

StorageReporter::StorageReporter(Transport& transport, Executor& executor,
                                 const Clock& clock,
                                 const crypto::Ed25519PrivateKey& storage_key,
                                 const NetworkId& network_id,
                                 const NodeId& node_id,
                                 std::vector<Endpoint> authorities)
    : transport_(transport),
      executor_(executor),
      clock_(clock),
      storage_key_(storage_key),
      authorities_(std::move(authorities)),
      self_(std::make_shared<StorageReporter*>(this)) {
  report_.network_id = network_id;
  report_.node_id = node_id;
  report_.published = absl::UnixEpoch();
}

StorageReporter::~StorageReporter() = default;

void StorageReporter::Report(uint64_t ready_epoch, bool leaving) {
  if (publication_ != 0 && ready_epoch == report_.ready_epoch &&
      leaving == report_.leaving) {
    return;
  }
  report_.ready_epoch = ready_epoch;
  report_.leaving = leaving;
  Publish();
}

void StorageReporter::Publish() {
  // Each report must be newer than the last for authorities to take it.
  report_.published =
      std::max(absl::FromUnixMillis(absl::ToUnixMillis(clock_.Now())),
               report_.published + absl::Milliseconds(1));
  v1::ReportStorageRequest request;
  request.set_signed_report(SignStorageReport(report_, storage_key_));
  request_ = request.SerializeAsString();
  accepted_ = 0;
  refusal_ = absl::OkStatus();
  ++publication_;
  for (size_t i = 0; i < authorities_.size(); ++i) {
    Send(i, publication_, kFirstRetry);
  }
  executor_.RunAfter(kRepeat, [self = std::weak_ptr<StorageReporter*>(self_),
                               publication = publication_] {
    const auto alive = self.lock();
    if (alive == nullptr || publication != (*alive)->publication_) return;
    (*alive)->Publish();
  });
}

void StorageReporter::Send(size_t authority, uint64_t publication,
                           absl::Duration retry) {
  const std::weak_ptr<StorageReporter*> self = self_;
  transport_.Call(
      authorities_[authority], kReportStorageMethod, request_, kCallTimeout,
      [self, authority, publication,
       retry](absl::StatusOr<std::string> response) {
        const auto alive = self.lock();
        if (alive == nullptr) return;
        StorageReporter& reporter = **alive;
        // An answer to an older report says nothing about this one.
        if (publication != reporter.publication_) return;
        if (response.ok()) {
          ++reporter.accepted_;
          return;
        }
        absl::Duration delay = retry;
        if (!IsPassing(response.status().code())) {
          // Repeated all the same, at the slowest pace: the fault may be the
          // authority's.
          reporter.refusal_ = response.status();
          delay = kLastRetry;
        }
        reporter.executor_.RunAfter(
            delay, [self, authority, publication, delay] {
              const auto alive = self.lock();
              if (alive == nullptr || publication != (*alive)->publication_) {
                return;
              }
              (*alive)->Send(authority, publication,
                             std::min(delay * 2, kLastRetry));
            });
      });
}

}  // namespace messenger::routing
