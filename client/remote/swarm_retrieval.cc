#include "client/remote/swarm_retrieval.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {
namespace {

// A member may lie about a request; two of them are believed.
constexpr size_t kBelievedRefusals = 2;

}  // namespace

SwarmRetrieval::SwarmRetrieval(SwarmContext& context, MailboxReader reader,
                               Cursors cursors, Done done)
    : context_(context), reader_(std::move(reader)), done_(std::move(done)) {
  outcome_.cursors = std::move(cursors);
}

SwarmRetrieval::~SwarmRetrieval() {
  context_.executor.Cancel(pause_);
  context_.executor.Cancel(grace_);
  context_.executor.Cancel(deadline_);
}

void SwarmRetrieval::Start() {
  deadline_ = context_.executor.RunAfter(context_.options.read_deadline,
                                         [this] { Finish(); });
  context_.executor.Run([this, weak = std::weak_ptr<const bool>(alive_)] {
    if (!weak.expired()) Begin();
  });
}

bool SwarmRetrieval::TakeMembers() {
  placement_ = context_.placement.Get();
  if (placement_ == nullptr) return false;
  members_ = placement_->MembersOf(reader_.address());
  const std::vector<routing::NodeId> all = members_.all;
  const auto is_member = [&](const routing::NodeId& node) {
    return std::find(all.begin(), all.end(), node) != all.end();
  };
  // Cursors of nodes that no longer hold the mailbox are of no use.
  std::erase_if(outcome_.cursors,
                [&](const auto& entry) { return !is_member(entry.first); });
  std::erase_if(listings_,
                [&](const auto& entry) { return !is_member(entry.first); });
  return !all.empty();
}

void SwarmRetrieval::Begin() {
  if (!TakeMembers()) return Finish();
  directory_is_old_ = false;
  std::vector<routing::NodeId> asked;
  for (const routing::NodeId& member : members_.all) {
    if (placement_->consensus().Find(member)->running) asked.push_back(member);
  }
  if (!placement_->HasReadQuorum(members_, {asked.begin(), asked.end()})) {
    asked = members_.all;
  }
  // After a change of directory those that have answered are not asked again.
  std::erase_if(asked, [&](const routing::NodeId& member) {
    const auto known = listings_.find(member);
    return known != listings_.end() && known->second.state != Listing::kFailed;
  });
  for (const routing::NodeId& member : asked) listings_[member] = {};
  for (const routing::NodeId& member : asked) AskForPage(member);
  if (asked.empty()) FinishIfDone();
}

void SwarmRetrieval::AskForPage(const routing::NodeId& member) {
  const PageTerms terms{.member = member,
                        .cursor = outcome_.cursors[member],
                        .now = context_.time.Now(),
                        .reply_cells = listings_[member].large_pages
                                           ? kLargestPageCells
                                           : context_.options.first_page_cells,
                        .wait = absl::ZeroDuration()};
  context_.caller.Call(
      member, context_.StorersOf(reader_.address(), members_.all),
      PageRequest(reader_, terms, context_.random), terms.reply_cells,
      context_.options.request_timeout,
      [this, terms,
       weak = std::weak_ptr<const bool>(alive_)](MemberAnswer answer) {
        if (!weak.expired()) OnAnswer(terms, std::move(answer));
      });
}

void SwarmRetrieval::Take(MailboxPage page) {
  for (RetrievedMessage& message : page.messages) {
    const auto [it, fresh] = messages_.try_emplace(message.id);
    if (!fresh && context_.options.bug == PlantedClientBug::kDuplicatesKept) {
      outcome_.messages.push_back(it->second);
    }
    if (!fresh) {
      it->second.Merge(std::move(message));
      continue;
    }
    bytes_ += message.payload.size();
    it->second = std::move(message);
  }
}

bool SwarmRetrieval::OnRefusal(const routing::NodeId& member,
                               const MemberAnswer& answer) {
  if (answer.OurDirectoryIsOld(placement_->consensus().epoch())) {
    if (!directory_is_old_) context_.refresh_directory();
    directory_is_old_ = true;
    return true;
  }
  RefusalReason reason = answer.refusal.reason;
  // A member by the same directory has nothing else to say with this code.
  if (reason == RefusalReason::kNone &&
      absl::IsFailedPrecondition(answer.status)) {
    reason = RefusalReason::kClockSkew;
  }
  if (reason != RefusalReason::kNone) reasons_[reason].insert(member);
  // Asking again would get the same answer.
  return reason == RefusalReason::kNotRegistered ||
         reason == RefusalReason::kClockSkew;
}

void SwarmRetrieval::OnAnswer(const PageTerms& terms, MemberAnswer answer) {
  if (finished_) return;
  if (!answer.route.hops.empty()) {
    outcome_.routes.push_back(std::move(answer.route));
  }
  const auto found = listings_.find(terms.member);
  if (found == listings_.end()) return;  // It has left the swarm meanwhile.
  Listing& listing = found->second;
  if (answer.refusal.reason == RefusalReason::kStaleChallenge) {
    outcome_.cursors[terms.member].challenge = answer.refusal.challenge;
    if (!std::exchange(listing.challenged, true)) {
      return AskForPage(terms.member);
    }
  }
  std::optional<MailboxPage> page;
  if (answer.status.ok() && answer.response != nullptr &&
      answer.response->has_retrieve()) {
    page = ReadPage(reader_, terms, answer.response->retrieve());
  }
  if (!page.has_value()) {
    const bool for_good = OnRefusal(terms.member, answer);
    if (!for_good && ++listing.failures < context_.options.read_attempts) {
      context_.executor.RunAfter(
          listing.failures * context_.options.read_pause,
          [this, member = terms.member,
           weak = std::weak_ptr<const bool>(alive_)] {
            if (weak.expired() || finished_) return;
            // Unless the members have changed meanwhile.
            const auto asked = listings_.find(member);
            if (asked != listings_.end() &&
                asked->second.state == Listing::kReading) {
              AskForPage(member);
            }
          });
      return;
    }
    listing.state = Listing::kFailed;
    return FinishIfDone();
  }
  outcome_.cursors[terms.member] = page->cursor;
  const bool more = page->more;
  Take(*std::move(page));
  ++listing.pages;
  listing.challenged = false;
  listing.large_pages = true;
  if (more) {
    if (listing.pages < context_.options.max_pages &&
        bytes_ < context_.options.max_bytes) {
      return AskForPage(terms.member);
    }
    outcome_.more = true;
  }
  listing.state = Listing::kAnswered;
  outcome_.answered.insert(terms.member);
  FinishIfDone();
}

bool SwarmRetrieval::Complete() const {
  if (context_.options.bug == PlantedClientBug::kOneAnswerIsEnough) {
    return !outcome_.answered.empty();
  }
  if (context_.options.bug == PlantedClientBug::kBaseline) {
    return outcome_.answered.size() >= 2;
  }
  return placement_ != nullptr &&
         placement_->HasReadQuorum(members_, outcome_.answered);
}

void SwarmRetrieval::FinishIfDone() {
  if (finished_ || pause_ != 0) return;
  const bool reading =
      std::any_of(listings_.begin(), listings_.end(), [](const auto& entry) {
        return entry.second.state == Listing::kReading;
      });
  if (!reading && directory_is_old_ && !Complete() &&
      directory_waits_ < context_.options.directory_waits) {
    ++directory_waits_;
    pause_ =
        context_.executor.RunAfter(context_.options.directory_pause, [this] {
          pause_ = 0;
          Begin();
        });
    return;
  }
  if (!reading) return Finish();
  if (grace_ == 0 && Complete()) {
    grace_ = context_.executor.RunAfter(context_.options.read_grace,
                                        [this] { Finish(); });
  }
}

void SwarmRetrieval::Finish() {
  if (finished_) return;
  finished_ = true;
  context_.executor.Cancel(pause_);
  context_.executor.Cancel(grace_);
  context_.executor.Cancel(deadline_);
  // `done` may destroy this.
  Done done = std::move(done_);
  outcome_.members_answered = static_cast<int>(outcome_.answered.size());
  outcome_.complete = !outcome_.more && Complete();
  if (!outcome_.complete) {
    outcome_.not_registered =
        reasons_[RefusalReason::kNotRegistered].size() >= kBelievedRefusals;
    outcome_.clock_refused =
        reasons_[RefusalReason::kClockSkew].size() >= kBelievedRefusals;
  }
  if (outcome_.answered.empty()) {
    absl::Status status =
        absl::UnavailableError("no member of the swarm could be reached");
    if (outcome_.not_registered) {
      status = WithRefusal(
          absl::FailedPreconditionError("the mailbox is not registered"),
          {.reason = RefusalReason::kNotRegistered});
    } else if (outcome_.clock_refused) {
      status = WithRefusal(
          absl::FailedPreconditionError("the clock of this device is off"),
          {.reason = RefusalReason::kClockSkew});
    }
    return done(std::move(status));
  }
  for (auto& [id, message] : messages_) {
    outcome_.messages.push_back(std::move(message));
  }
  RetrieveOutcome outcome = std::move(outcome_);
  done(std::move(outcome));
}

}  // namespace messenger::client
