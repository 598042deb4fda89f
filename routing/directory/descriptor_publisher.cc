#include "routing/directory/descriptor_publisher.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "crypto/base/status_macros.h"
#include "routing/proto/directory.pb.h"

namespace messenger::routing {
namespace {

// Codes that another try of the same bytes may not meet again.
bool IsPassing(absl::StatusCode code) {
  return code == absl::StatusCode::kUnavailable ||
         code == absl::StatusCode::kDeadlineExceeded ||
         code == absl::StatusCode::kResourceExhausted;
}

}  // namespace

DescriptorPublisher::DescriptorPublisher(
    Transport& transport, Executor& executor, const Clock& clock,
    const crypto::Ed25519PrivateKey& identity, NodeKeys& keys,
    std::vector<Endpoint> authorities, Descriptor base)
    : transport_(transport),
      executor_(executor),
      clock_(clock),
      identity_(identity),
      keys_(keys),
      authorities_(std::move(authorities)),
      base_(std::move(base)),
      last_published_(absl::InfinitePast()),
      self_(std::make_shared<DescriptorPublisher*>(this)) {}

DescriptorPublisher::~DescriptorPublisher() = default;

absl::Status DescriptorPublisher::Start() {
  RETURN_IF_ERROR(Publish());
  Schedule();
  return absl::OkStatus();
}

absl::Status DescriptorPublisher::Publish() {
  Descriptor descriptor = base_;
  // Each publication must be newer than the last for authorities to take it.
  descriptor.published =
      std::max(absl::FromUnixMillis(absl::ToUnixMillis(clock_.Now())),
               last_published_ + absl::Milliseconds(1));
  keys_.FillDescriptor(descriptor, clock_.Now());
  v1::PublishRequest request;
  ASSIGN_OR_RETURN(*request.mutable_signed_descriptor(),
                   SignDescriptor(descriptor, identity_));
  last_published_ = descriptor.published;
  request_ = request.SerializeAsString();
  accepted_ = 0;
  refusal_ = absl::OkStatus();
  ++publication_;
  for (size_t i = 0; i < authorities_.size(); ++i) {
    Send(i, publication_, kFirstRetry);
  }
  return absl::OkStatus();
}

void DescriptorPublisher::Send(size_t authority, uint64_t publication,
                               absl::Duration retry) {
  const std::weak_ptr<DescriptorPublisher*> self = self_;
  transport_.Call(
      authorities_[authority], kPublishMethod, request_, kCallTimeout,
      [self, authority, publication,
       retry](absl::StatusOr<std::string> response) {
        const auto alive = self.lock();
        if (alive == nullptr) return;
        DescriptorPublisher& publisher = **alive;
        // An answer to an older publication says nothing about this one.
        if (publication != publisher.publication_) return;
        if (response.ok()) {
          ++publisher.accepted_;
          return;
        }
        absl::Duration delay = retry;
        if (!IsPassing(response.status().code())) {
          // Repeated all the same, at the slowest pace: the fault may be the
          // authority's.
          publisher.refusal_ = response.status();
          delay = kLastRetry;
        }
        publisher.executor_.RunAfter(
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

void DescriptorPublisher::Schedule() {
  const absl::Time now = clock_.Now();
  const absl::Time next =
      std::min(keys_.NextRotation(now), last_published_ + kRepublish);
  executor_.RunAfter(std::max(next - now, absl::Milliseconds(1)),
                     [self = std::weak_ptr<DescriptorPublisher*>(self_)] {
                       const auto alive = self.lock();
                       if (alive == nullptr) return;
                       DescriptorPublisher& publisher = **alive;
                       const absl::Time now = publisher.clock_.Now();
                       const absl::StatusOr<bool> rotated =
                           publisher.keys_.Rotate(now);
                       if (!rotated.ok()) publisher.refusal_ = rotated.status();
                       if (!rotated.ok() || *rotated ||
                           now >= publisher.last_published_ + kRepublish) {
                         // Signing succeeded before, and only keys have
                         // changed.
                         const absl::Status status = publisher.Publish();
                         if (!status.ok()) publisher.refusal_ = status;
                       }
                       publisher.Schedule();
                     });
}

}  // namespace messenger::routing
