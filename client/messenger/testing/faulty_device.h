// One person whose device keeps its database on a simulated disk, and who does
// what people do when something fails: starts the program again, looks whether
// it has happened, and tries once more.
//
// When the power fails, the process is gone at once: from then on nothing it
// does reaches the network either. The files of the PIN are no part of this.
//
// Not thread-safe.

#ifndef CLIENT_MESSENGER_TESTING_FAULTY_DEVICE_H_
#define CLIENT_MESSENGER_TESTING_FAULTY_DEVICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/messenger/mail_service.h"
#include "client/messenger/messenger.h"
#include "client/messenger/testing/in_memory_mail_service.h"
#include "client/store/client_store.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/random.h"
#include "routing/runtime/sqlite/testing/simulated_disk.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::client {

// What all devices of a story share.
struct Story {
  explicit Story(crypto::Random& randomness) : random(randomness) {}

  // Each failure begins with what it is: "lost: ...", "doubled: ...".
  void Fail(absl::string_view what) { failures.emplace_back(what); }

  crypto::Random& random;
  routing::SimulatedClock clock;
  routing::SimulatedExecutor executor{clock};
  InMemoryMail network;
  std::vector<std::string> failures;
  int steps = 0;  // what persons have done
};

class FaultyDevice final {
 public:
  // `disk_random` decides what of un-synced writes survives. `moved_from`: the
  // same person's device before, of which this one has the 13 words only. All
  // but that must outlive the device.
  FaultyDevice(absl::string_view name, Story& story,
               crypto::Random& disk_random,
               const FaultyDevice* moved_from = nullptr);
  // A device that waits to be linked; id() is its code until it is.
  struct AwaitsLink {};
  FaultyDevice(AwaitsLink, absl::string_view name, Story& story,
               crypto::Random& disk_random);
  ~FaultyDevice();

  sqlite::SimulatedDisk& disk() { return disk_; }
  InMemoryMailService& mail() { return mail_; }
  ClientStore& store() { return *store_; }
  const std::string& name() const { return name_; }
  const crypto::AccountId& id() const { return id_; }

  // Called when the person sees that something has failed, before the next
  // try.
  void set_on_failure(absl::AnyInvocable<void()> on_failure) {
    on_failure_ = std::move(on_failure);
  }

  // Called before the first try of each thing that the person does.
  void set_on_step(absl::AnyInvocable<void()> on_step) {
    on_step_ = std::move(on_step);
  }

  // From now on others poison the mailboxes: what cannot be read is counted.
  void ExpectUnreadable() { expects_unreadable_ = true; }
  int64_t unreadable() const { return unreadable_; }

  // What a person does, each until it has happened.
  void Start();
  void Restart();
  void Publish();
  void Add(const FaultyDevice& other, absl::string_view name);
  // Into the outbox.
  void Queue(const FaultyDevice& to, absl::string_view text);
  void Flush();
  // Without expecting that all of it goes out.
  void TryToFlush();
  void Write(const FaultyDevice& to, absl::string_view text) {
    Queue(to, text);
    Flush();
  }
  // What `session receive` does: read, show, confirm, answer.
  void Read();
  void Accept(const FaultyDevice& from);
  void Decline(const FaultyDevice& from);
  void Block(const FaultyDevice& other);
  void Unblock(const FaultyDevice& other);
  void Verify(const FaultyDevice& other);
  void Unverify(const FaultyDevice& other);
  void Rename(absl::string_view name);
  // Several devices: the first device of an account offers to link `fresh`,
  // both show digits, the first types what the other shows.
  void OfferLink(const FaultyDevice& fresh);
  std::string LinkDigits();
  void ConfirmLink(absl::string_view digits);
  void Unlink(const FaultyDevice& linked);
  bool linked() const { return linked_; }
  // It is told that the account does not list it any more.
  void LearnOfUnlinking();

  // The texts that were reported. One is reported again only while nothing
  // says that it was shown.
  const std::set<std::string>& shown() const { return shown_; }

  std::vector<Message> HistoryWith(const FaultyDevice& other);
  // At the end of the story: nothing waits, unless the device was unlinked and
  // sends nothing any more; nothing was unreadable, and the file is sound.
  void CheckWhatIsLeft();

 private:
  class PoweredMail;

  // Tries `act` until it succeeds on a device that is on.
  void Do(absl::string_view what, absl::FunctionRef<absl::Status()> act);
  void Close();
  absl::Status Open();
  absl::Status FlushOnce(bool all);
  absl::Status ReceiveOnce();
  absl::StatusOr<std::optional<Contact>> Find(const FaultyDevice& other);
  template <typename T, typename Begin>
  absl::StatusOr<T> Await(Begin begin);

  const std::string name_;
  Story& story_;
  sqlite::SimulatedDisk disk_;
  InMemoryMailService mail_;
  std::unique_ptr<PoweredMail> powered_mail_;
  DatabaseKey key_;
  // None: it waits to be linked.
  std::optional<crypto::AccountKeys> account_;
  crypto::AccountId id_;
  std::string device_id_;
  const bool restored_;
  bool linked_ = false;
  bool unlinked_ = false;
  bool has_read_ = false;
  bool expects_unreadable_ = false;
  int64_t unreadable_ = 0;
  std::unique_ptr<ClientStore> store_;
  std::unique_ptr<Messenger> messenger_;
  absl::AnyInvocable<void()> on_failure_;
  absl::AnyInvocable<void()> on_step_;
  std::set<std::string> shown_;
  // Shown, and the mark of it may be missing.
  std::set<std::string> unconfirmed_;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_TESTING_FAULTY_DEVICE_H_
