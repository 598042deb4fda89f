#include "routing/directory/authority/reachability_prober.h"

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace messenger::routing {
namespace {

constexpr char kPingMethod[] = "/messenger.routing.v1.Relay/Ping";

}  // namespace

struct ReachabilityProber::Job {
  NodeId id;
  absl::Time published;
  Endpoint link;
  Endpoint storage;
  bool relay = false;
  bool storage_role = false;
  int answers_due = 0;
  bool reachable = true;
};

ReachabilityProber::ReachabilityProber(Transport& transport,
                                       absl::Duration timeout, Done done)
    : transport_(transport),
      timeout_(timeout),
      done_(std::move(done)),
      self_(std::make_shared<ReachabilityProber*>(this)) {}

ReachabilityProber::~ReachabilityProber() = default;

void ReachabilityProber::Probe(const Descriptor& descriptor) {
  if (!pending_.emplace(descriptor.node_id, descriptor.published).second) {
    return;
  }
  auto job = std::make_shared<Job>();
  job->id = descriptor.node_id;
  job->published = descriptor.published;
  job->link = descriptor.link;
  job->storage = descriptor.storage;
  job->relay = descriptor.relay;
  job->storage_role = descriptor.storage_role;
  waiting_.push_back(std::move(job));
  StartNext();
}

void ReachabilityProber::StartNext() {
  while (running_ < kMaxConcurrent && !waiting_.empty()) {
    const std::shared_ptr<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    ++running_;
    job->answers_due = job->storage_role ? 2 : 1;
    Ask(job, job->link, /*must_know_method=*/job->relay);
    // A storage process owes relays no Ping: that it answers at all, with its
    // key, is what is asked.
    if (job->storage_role) Ask(job, job->storage, /*must_know_method=*/false);
  }
}

void ReachabilityProber::Ask(const std::shared_ptr<Job>& job,
                             const Endpoint& endpoint, bool must_know_method) {
  transport_.Call(endpoint, kPingMethod, /*request=*/"", timeout_,
                  [self = std::weak_ptr<ReachabilityProber*>(self_), job,
                   must_know_method](absl::StatusOr<std::string> answer) {
                    const auto alive = self.lock();
                    if (alive == nullptr) return;
                    const bool there =
                        answer.ok() || (!must_know_method &&
                                        absl::IsUnimplemented(answer.status()));
                    if (!there) job->reachable = false;
                    if (--job->answers_due == 0) (*alive)->Finish(*job);
                  });
}

void ReachabilityProber::Finish(const Job& job) {
  pending_.erase({job.id, job.published});
  --running_;
  StartNext();
  done_(job.id, job.published, job.reachable);
}

}  // namespace messenger::routing
