#include "routing/directory/directory_mirror.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "routing/directory/consensus_diff.h"
#include "routing/directory/directory_client.h"
#include "routing/proto/directory.pb.h"

namespace messenger::routing {
namespace {

constexpr size_t kMaxRequestBytes = 256;
constexpr int kMaxConcurrent = 256;

std::string FullAnswer(const Consensus& consensus) {
  v1::GetConsensusResponse answer;
  answer.mutable_full()->ParseFromString(consensus.wire());
  return answer.SerializeAsString();
}

std::string NotModified() {
  v1::GetConsensusResponse answer;
  answer.set_not_modified(true);
  return answer.SerializeAsString();
}

}  // namespace

DirectoryMirror::DirectoryMirror(ConsensusHolder& holder) : holder_(holder) {
  if (const auto current = holder.current()) Remember(current);
  holder.AddObserver([this](const std::shared_ptr<const Consensus>& consensus) {
    Remember(consensus);
  });
}

void DirectoryMirror::Register(Server& server) {
  server.HandleMethod(kGetConsensusMethod, {kMaxRequestBytes, kMaxConcurrent},
                      [this](const Peer&, std::string request, Reply reply) {
                        reply(Answer(request));
                      });
}

absl::StatusOr<std::string> DirectoryMirror::Answer(absl::string_view bytes) {
  v1::GetConsensusRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      (!request.known_hash().empty() &&
       request.known_hash().size() != crypto::Digest256::kSize)) {
    return absl::InvalidArgumentError("malformed question for a consensus");
  }
  const std::shared_ptr<const Consensus> current = holder_.current();
  if (current == nullptr) {
    return absl::UnavailableError("no consensus here yet");
  }
  if (request.known_hash() == current->hash().bytes()) return NotModified();

  // Whoever names a document that is not remembered gets the whole one, kept
  // under the zero hash.
  std::shared_ptr<const Consensus> base;
  for (const std::shared_ptr<const Consensus>& old : history_) {
    if (request.known_hash() == old->hash().bytes()) base = old;
  }
  std::string& answer =
      answers_[base == nullptr ? crypto::Digest256() : base->hash()];
  if (answer.empty()) {
    if (base == nullptr) {
      answer = FullAnswer(*current);
    } else {
      v1::GetConsensusResponse response;
      response.mutable_diff()->ParseFromString(
          MakeConsensusDiff(*base, *current));
      answer = response.SerializeAsString();
    }
  }
  return answer;
}

void DirectoryMirror::Remember(
    const std::shared_ptr<const Consensus>& consensus) {
  history_.push_back(consensus);
  if (history_.size() > kHistory + 1) history_.pop_front();
  answers_.clear();
}

}  // namespace messenger::routing
