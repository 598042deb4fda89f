#include "client/remote/swarm_wait.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "swarm/auth/limits.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {

SwarmWait::SwarmWait(SwarmContext& context, const routing::NodeId& member,
                     MailboxReader reader, Cursors cursors, absl::Duration wait,
                     Done done)
    : context_(context),
      member_(member),
      reader_(std::move(reader)),
      wait_(std::clamp(wait, absl::ZeroDuration(),
                       absl::Milliseconds(swarm::kMaxWaitMs))),
      done_(std::move(done)) {
  outcome_.cursors = std::move(cursors);
}

void SwarmWait::Start() {
  const PageTerms terms{.member = member_,
                        .cursor = outcome_.cursors[member_],
                        .now = context_.time.Now(),
                        .reply_cells = context_.options.first_page_cells,
                        .wait = wait_};
  context_.caller.Call(
      member_, context_.placement.Get()->MembersOf(reader_.address()).all,
      PageRequest(reader_, terms, context_.random), terms.reply_cells,
      wait_ + context_.options.wait_margin,
      [this, terms,
       weak = std::weak_ptr<const bool>(alive_)](const MemberAnswer& answer) {
        if (!weak.expired()) OnAnswer(terms, answer);
      });
}

void SwarmWait::OnAnswer(const PageTerms& terms, const MemberAnswer& answer) {
  if (answer.refusal.reason == RefusalReason::kStaleChallenge && !challenged_) {
    challenged_ = true;
    outcome_.cursors[member_].challenge = answer.refusal.challenge;
    return Start();
  }
  // `done` may destroy this.
  Done done = std::move(done_);
  if (!answer.route.hops.empty()) outcome_.routes.push_back(answer.route);
  if (!answer.status.ok()) {
    return done(WithRefusal(answer.status, answer.refusal));
  }
  std::optional<MailboxPage> page;
  if (answer.response != nullptr && answer.response->has_retrieve()) {
    page = ReadPage(reader_, terms, answer.response->retrieve());
  }
  if (!page) {
    return done(absl::UnavailableError("a member answered nonsense"));
  }
  outcome_.cursors[member_] = page->cursor;
  outcome_.messages = std::move(page->messages);
  outcome_.more = page->more;
  outcome_.answered = {member_};
  outcome_.members_answered = 1;
  RetrieveOutcome outcome = std::move(outcome_);
  done(std::move(outcome));
}

}  // namespace messenger::client
