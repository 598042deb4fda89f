#include "client/messenger/mail_watch.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace messenger::client {
namespace {

// A member that answers with nothing before the time is up does not wait.
constexpr absl::Duration kTooEarly = absl::Seconds(5);

}  // namespace

MailWatch::MailWatch(Messenger& messenger, MailService& mail,
                     routing::Executor& executor, const routing::Clock& clock,
                     OnReport on_report)
    : messenger_(messenger),
      mail_(mail),
      executor_(executor),
      clock_(clock),
      on_report_(std::move(on_report)) {}

MailWatch::~MailWatch() {
  executor_.Cancel(next_reading_);
  for (const auto& [address, waiting] : waiting_) {
    executor_.Cancel(waiting.timer);
  }
}

void MailWatch::Start() { ReadAllAfter(absl::ZeroDuration()); }

uint64_t MailWatch::ReadNow() {
  if (reading_) {
    read_again_ = true;
  } else if (!ended_) {
    ReadAllAfter(absl::ZeroDuration());
  }
  return readings_ + 1;
}

void MailWatch::ReadAllAfter(absl::Duration pause) {
  executor_.Cancel(next_reading_);
  next_reading_ = executor_.RunAfter(pause, [this] { ReadAll(); });
}

void MailWatch::ReadAll() {
  if (reading_ || ended_) return;
  reading_ = true;
  read_again_ = false;
  ++readings_;
  messenger_.Receive([this, weak = std::weak_ptr<const bool>(alive_)](
                         absl::StatusOr<ReceiveReport> report) {
    if (!weak.expired()) OnRead(std::move(report));
  });
}

void MailWatch::OnRead(absl::StatusOr<ReceiveReport> report) {
  reading_ = false;
  if (!report.ok()) return Fail(report.status());
  ReadAllAfter(read_again_        ? absl::ZeroDuration()
               : report->complete ? kFullReading
                                  : kNextTry);
  WaitOnAll();
  if (ended_) return;
  on_report_(Report{
      .full = true, .reading = readings_, .received = *std::move(report)});
}

void MailWatch::WaitOnAll() {
  const absl::StatusOr<std::vector<OwnMailbox>> mailboxes =
      messenger_.Mailboxes();
  if (!mailboxes.ok()) return Fail(mailboxes.status());
  for (const OwnMailbox& mailbox : *mailboxes) {
    if (ended_ || waiting_.size() >= kMaxWaits) return;
    const std::string& address = mailbox.target.mailbox;
    const auto [it, fresh] = waiting_.try_emplace(address);
    if (!fresh) continue;
    it->second.mailbox = mailbox;
    WaitOn(address);
  }
}

void MailWatch::WaitOn(const std::string& address) {
  const OwnMailbox& mailbox = waiting_.at(address).mailbox;
  absl::StatusOr<std::vector<CursorRow>> cursors =
      messenger_.CursorsOf(mailbox);
  if (!cursors.ok()) return Fail(cursors.status());
  mail_.Wait(mailbox.target, *std::move(cursors), kWait,
             [this, address, asked = clock_.Now(),
              weak = std::weak_ptr<const bool>(alive_)](
                 const absl::StatusOr<Retrieved>& retrieved) {
               if (!weak.expired()) OnWaited(address, asked, retrieved);
             });
}

void MailWatch::OnWaited(const std::string& address, absl::Time asked,
                         const absl::StatusOr<Retrieved>& retrieved) {
  if (ended_) return;
  Waiting& waiting = waiting_.at(address);
  const bool nothing = retrieved.ok() && retrieved->messages.empty();
  if (!retrieved.ok() || (nothing && clock_.Now() - asked < kTooEarly)) {
    // What does not fit a small page comes with a full reading.
    if (retrieved.ok() && retrieved->more) ReadAllAfter(absl::ZeroDuration());
    waiting.timer =
        executor_.RunAfter(waiting.pause, [this, address] { WaitOn(address); });
    waiting.pause = std::min(2 * waiting.pause, kLongestPause);
    return;
  }
  waiting.pause = kFirstPause;
  absl::StatusOr<ReceiveReport> report =
      messenger_.TakePushed(waiting.mailbox, *retrieved);
  if (!report.ok()) return Fail(report.status());
  if (retrieved->more) ReadAllAfter(absl::ZeroDuration());
  WaitOn(address);
  if (ended_ || nothing) return;
  // A new contact may have a mailbox now.
  WaitOnAll();
  if (ended_) return;
  on_report_(Report{.full = false, .received = *std::move(report)});
}

void MailWatch::Fail(absl::Status status) {
  if (ended_) return;
  ended_ = true;
  executor_.Cancel(next_reading_);
  // The callback may destroy this.
  executor_.Run([on_report = std::move(on_report_),
                 weak = std::weak_ptr<const bool>(alive_),
                 status = std::move(status)] {
    if (!weak.expired()) on_report(status);
  });
}

}  // namespace messenger::client
