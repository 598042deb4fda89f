#include "routing/directory/directory_client.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/status_macros.h"
#include "routing/directory/consensus_diff.h"
#include "routing/proto/directory.pb.h"

namespace messenger::routing {
namespace {

constexpr absl::Duration kShortestRetry = absl::Milliseconds(250);

}  // namespace

// One refresh: the sources still to be asked.
struct DirectoryClient::Attempt {
  std::vector<Endpoint> sources;
  size_t next = 0;
  bool whole_document = false;  // A difference was of no use.
};

DirectoryClient::DirectoryClient(Transport& transport, Executor& executor,
                                 const Clock& clock, DirectoryTrust trust,
                                 std::vector<Endpoint> sources,
                                 crypto::Random& random)
    : transport_(transport),
      executor_(executor),
      random_(random),
      holder_(std::move(trust), clock),
      sources_(std::move(sources)),
      self_(std::make_shared<DirectoryClient*>(this)) {}

DirectoryClient::~DirectoryClient() { Stop(); }

void DirectoryClient::SetSources(std::vector<Endpoint> sources) {
  sources_ = std::move(sources);
}

void DirectoryClient::Refresh(Done done) {
  waiting_.push_back(std::move(done));
  if (refreshing_) return;
  refreshing_ = true;
  auto attempt = std::make_shared<Attempt>();
  attempt->sources = sources_;
  random_.Shuffle(attempt->sources.begin(), attempt->sources.end());
  if (attempt->sources.size() > kMaxAttempts) {
    attempt->sources.resize(kMaxAttempts);
  }
  if (attempt->sources.empty()) {
    // Callbacks never run inside the call.
    executor_.Run([self = std::weak_ptr<DirectoryClient*>(self_)] {
      if (const auto client = self.lock()) {
        (*client)->Finish(absl::UnavailableError("no source of a directory"));
      }
    });
    return;
  }
  TryNext(std::move(attempt));
}

void DirectoryClient::TryNext(std::shared_ptr<Attempt> attempt) {
  v1::GetConsensusRequest request;
  const std::shared_ptr<const Consensus> held = holder_.current();
  if (held != nullptr && !attempt->whole_document) {
    request.set_known_hash(std::string(held->hash().bytes()));
  }
  const Endpoint source = attempt->sources[attempt->next];
  transport_.Call(source, kGetConsensusMethod, request.SerializeAsString(),
                  kCallTimeout,
                  [self = std::weak_ptr<DirectoryClient*>(self_),
                   attempt](absl::StatusOr<std::string> response) mutable {
                    const auto alive = self.lock();
                    if (alive == nullptr) return;
                    DirectoryClient& client = **alive;
                    bool needs_full = false;
                    const absl::Status status =
                        response.ok() ? client.Use(*response, needs_full)
                                      : response.status();
                    if (status.ok()) return client.Finish(status);
                    if (needs_full && !attempt->whole_document) {
                      attempt->whole_document = true;
                      return client.TryNext(std::move(attempt));
                    }
                    attempt->whole_document = false;
                    if (++attempt->next < attempt->sources.size()) {
                      return client.TryNext(std::move(attempt));
                    }
                    client.Finish(status);
                  });
}

absl::Status DirectoryClient::Use(absl::string_view response,
                                  bool& needs_full) {
  v1::GetConsensusResponse answer;
  if (response.size() > kMaxConsensusBytes ||
      !answer.ParseFromArray(response.data(),
                             static_cast<int>(response.size()))) {
    return absl::InvalidArgumentError("malformed answer of a directory");
  }
  const std::shared_ptr<const Consensus> held = holder_.current();
  switch (answer.answer_case()) {
    case v1::GetConsensusResponse::kNotModified:
      // Whoever holds nothing, or asked for the whole, cannot be up to date.
      return held != nullptr && answer.not_modified()
                 ? absl::OkStatus()
                 : absl::InvalidArgumentError(
                       "malformed answer of a directory");
    case v1::GetConsensusResponse::kFull:
      return holder_.Accept(answer.full().SerializeAsString());
    case v1::GetConsensusResponse::kDiff: {
      needs_full = true;
      if (held == nullptr) {
        return absl::InvalidArgumentError("malformed answer of a directory");
      }
      ASSIGN_OR_RETURN(
          const std::string wire,
          ApplyConsensusDiff(*held, answer.diff().SerializeAsString()));
      return holder_.Accept(wire);
    }
    case v1::GetConsensusResponse::ANSWER_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("malformed answer of a directory");
}

void DirectoryClient::Finish(absl::Status status) {
  refreshing_ = false;
  if (interval_ != absl::InfiniteDuration()) {
    Schedule(status.ok() ? interval_ * (0.9 + 0.2 * random_.UnitDouble())
                         : std::max(interval_ / 4, kShortestRetry));
  }
  std::vector<Done> waiting = std::move(waiting_);
  waiting_.clear();
  // A callback may destroy the client: nothing is touched after it.
  for (Done& done : waiting) done(status);
}

void DirectoryClient::Start(absl::Duration interval) {
  interval_ = interval;
  Schedule(absl::ZeroDuration());
}

void DirectoryClient::Stop() {
  interval_ = absl::InfiniteDuration();
  executor_.Cancel(timer_);
  timer_ = 0;
}

void DirectoryClient::Schedule(absl::Duration delay) {
  executor_.Cancel(timer_);
  timer_ = executor_.RunAfter(
      delay, [self = std::weak_ptr<DirectoryClient*>(self_)] {
        if (const auto client = self.lock()) {
          (*client)->timer_ = 0;
          (*client)->Refresh([](const absl::Status&) {});
        }
      });
}

}  // namespace messenger::routing
