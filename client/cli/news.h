// What happens in an account that is open in a daemon, for everybody who
// follows it.
//
// Belongs to the loop and its guests (client/daemon/guest_list.h).

#ifndef CLIENT_CLI_NEWS_H_
#define CLIENT_CLI_NEWS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "client/messenger/incoming_content.h"
#include "client/messenger/mail_watch.h"

namespace messenger::client {

class News final {
 public:
  struct Item {
    MailWatch::Report report;
    int64_t tried_row = 0;     // not 0: no report, but an own text was tried
    uint64_t last_change = 0;  // number of the last one told with this
  };

  // Nobody is waited for: who has so many items before them has lost the rest.
  static constexpr size_t kMaxItems = 1000;
  // That wait for somebody to show them; older ones are only in the history.
  static constexpr size_t kMaxUnshownChanges = 1000;

  class Follower final {
   public:
    // Begins with the changes that nobody was shown. `news` outlives this.
    explicit Follower(News& news);
    ~Follower();
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

    std::deque<Item> items;
    bool lost = false;

   private:
    News& news_;
  };

  void Tell(const MailWatch::Report& report);
  void TellTried(int64_t row);

  // Those up to this number have been shown.
  void ConfirmChanges(uint64_t last);

 private:
  void Add(Item item);

  std::vector<Follower*> followers_;
  std::deque<MessageChange> unshown_;
  uint64_t last_change_ = 0;  // number of unshown_.back()
};

}  // namespace messenger::client

#endif  // CLIENT_CLI_NEWS_H_
