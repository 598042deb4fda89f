#include "client/cli/news.h"

#include <algorithm>
#include <utility>

namespace messenger::client {

News::Follower::Follower(News& news) : news_(news) {
  news_.followers_.push_back(this);
  if (news_.unshown_.empty()) return;
  Item item;
  item.report.received.changes.assign(news_.unshown_.begin(),
                                      news_.unshown_.end());
  item.last_change = news_.last_change_;
  items.push_back(std::move(item));
}

News::Follower::~Follower() {
  news_.followers_.erase(
      std::find(news_.followers_.begin(), news_.followers_.end(), this));
}

void News::Tell(const MailWatch::Report& report) {
  for (const MessageChange& change : report.received.changes) {
    unshown_.push_back(change);
    ++last_change_;
    if (unshown_.size() > kMaxUnshownChanges) unshown_.pop_front();
  }
  Item item;
  item.report = report;
  item.last_change = last_change_;
  Add(std::move(item));
}

void News::TellTried(int64_t row) {
  Item item;
  item.tried_row = row;
  item.last_change = last_change_;
  Add(std::move(item));
}

void News::Add(Item item) {
  for (Follower* follower : followers_) {
    if (follower->items.size() >= kMaxItems) {
      follower->lost = true;
    } else {
      follower->items.push_back(item);
    }
  }
}

void News::ConfirmChanges(uint64_t last) {
  while (!unshown_.empty() && last_change_ - unshown_.size() + 1 <= last) {
    unshown_.pop_front();
  }
}

}  // namespace messenger::client
