// One person with one device over mail that is kept in memory.

#ifndef CLIENT_MESSENGER_TESTING_PERSON_H_
#define CLIENT_MESSENGER_TESTING_PERSON_H_

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/messenger/messenger.h"
#include "client/messenger/testing/in_memory_mail_service.h"
#include "client/store/client_store.h"
#include "client/store/testing/database_dump.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/sqlite/database.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::client {

// Everything survives `Restart` as it would a kill: only what is in the
// database. Failures of the test's own steps fail the test.
class Person {
 public:
  Person(std::string name, InMemoryMail& mail,
         routing::SimulatedExecutor& executor, crypto::Random& random,
         std::optional<crypto::AccountSeed> restored = std::nullopt)
      : executor_(executor), random_(random), mail_(mail, executor, random) {
    MakeFolder();
    OpenStore();
    const crypto::AccountKeys account =
        restored ? crypto::AccountKeys::FromSeed(*restored)
                 : crypto::AccountKeys::Generate(random);
    EXPECT_THAT(Messenger::CreateAccount(*store_, account, restored.has_value(),
                                         name, executor_.clock().Now(), random),
                ::messenger::testing::IsOk());
    OpenMessenger();
  }

  // A device that waits to be linked; its id() is the code.
  struct NewDevice {};
  Person(NewDevice, InMemoryMail& mail, routing::SimulatedExecutor& executor,
         crypto::Random& random)
      : executor_(executor), random_(random), mail_(mail, executor, random) {
    MakeFolder();
    OpenStore();
    EXPECT_THAT(
        Messenger::CreateForLink(*store_, executor_.clock().Now(), random),
        ::messenger::testing::IsOk());
    OpenMessenger();
  }

  void Restart() {
    messenger_.reset();
    store_.reset();
    OpenStore();
    OpenMessenger();
  }

  // What a backup of the folder does.
  void SaveCopy() {
    Restart();  // the log is in the database
    std::filesystem::copy(folder_, folder_ + "-copy",
                          std::filesystem::copy_options::recursive);
  }
  void PutCopyBack() {
    messenger_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
    std::filesystem::copy(folder_ + "-copy", folder_,
                          std::filesystem::copy_options::recursive);
    OpenStore();
    OpenMessenger();
  }

  // From the next start on, what is not confirmed is reported again.
  void ConfirmWhatIsShown() {
    confirms_shown_ = true;
    Restart();
  }

  // Changes the database behind the back of the program.
  void Tamper(const char* sql) {
    messenger_.reset();
    store_.reset();
    sqlite::Database::Options options;
    options.key = &key_;
    {
      auto database = sqlite::Database::Open(
          absl::StrCat(folder_, "/messages.db"), options);
      ASSERT_THAT(database.status(), ::messenger::testing::IsOk());
      ASSERT_THAT((*database)->Exec(sql), ::messenger::testing::IsOk());
    }
    OpenStore();
    OpenMessenger();
  }

  // Everything in the database (database_dump.h).
  std::string Dump() {
    messenger_.reset();
    store_.reset();
    const absl::StatusOr<std::string> dump = DumpDatabase(folder_, key_);
    EXPECT_THAT(dump.status(), ::messenger::testing::IsOk());
    OpenStore();
    OpenMessenger();
    return dump.value_or("");
  }

  const crypto::AccountId& id() const { return messenger_->account_id(); }
  Messenger& messenger() { return *messenger_; }
  ClientStore& store() { return *store_; }
  InMemoryMailService& mail() { return mail_; }
  std::vector<std::string>& progress() { return progress_; }

  absl::Status Publish() {
    return Await<Delivery>(
               [&](auto done) { messenger_->Publish(std::move(done)); })
        .status();
  }
  absl::StatusOr<FlushReport> Flush() {
    return Await<FlushReport>(
        [&](auto done) { messenger_->Flush(/*force=*/true, std::move(done)); });
  }
  absl::StatusOr<ReceiveReport> ReceiveReported() {
    return Await<ReceiveReport>(
        [&](auto done) { messenger_->Receive(std::move(done)); });
  }

  // The state in which the text is after one try.
  MessageState Say(const Person& to, absl::string_view text) {
    const absl::StatusOr<int64_t> row = messenger_->Queue(to.id(), text);
    EXPECT_THAT(row.status(), ::messenger::testing::IsOk());
    EXPECT_THAT(Flush().status(), ::messenger::testing::IsOk());
    return store_->FindMessage(*row).value()->state;
  }

  // What `session receive` does: read, then answer what needs an answer.
  std::vector<std::string> Receive() {
    const absl::StatusOr<ReceiveReport> report = ReceiveReported();
    EXPECT_THAT(report.status(), ::messenger::testing::IsOk());
    std::vector<std::string> texts;
    if (report.ok()) {
      for (const Message& message : report->messages) {
        texts.push_back(message.text);
      }
    }
    EXPECT_THAT(Flush().status(), ::messenger::testing::IsOk());
    return texts;
  }

  std::vector<std::string> TextsWith(const Person& other) {
    const absl::StatusOr<std::vector<Message>> messages =
        store_->Messages(other.id(), 1'000'000);
    std::vector<std::string> texts;
    for (const Message& message : *messages) texts.push_back(message.text);
    return texts;
  }

 private:
  template <typename T, typename Start>
  absl::StatusOr<T> Await(Start start) {
    std::optional<absl::StatusOr<T>> result;
    start([&](absl::StatusOr<T> outcome) { result = std::move(outcome); });
    executor_.RunUntilIdle();
    if (!result) return absl::InternalError("no answer");
    return *std::move(result);
  }

  void MakeFolder() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/personXXXXXX");
    folder_ = mkdtemp(pattern.data());
  }
  void OpenStore() {
    absl::StatusOr<std::unique_ptr<ClientStore>> store =
        ClientStore::Open(folder_, key_, random_);
    ASSERT_THAT(store.status(), ::messenger::testing::IsOk());
    store_ = *std::move(store);
  }
  void OpenMessenger() {
    absl::StatusOr<std::unique_ptr<Messenger>> messenger = Messenger::Open(
        {*store_, mail_, executor_.clock(), random_,
         [this](absl::string_view words) { progress_.emplace_back(words); },
         confirms_shown_});
    ASSERT_THAT(messenger.status(), ::messenger::testing::IsOk());
    messenger_ = *std::move(messenger);
  }

  routing::SimulatedExecutor& executor_;
  crypto::Random& random_;
  InMemoryMailService mail_;
  DatabaseKey key_ = random_.Secret<32>();
  std::string folder_;
  std::unique_ptr<ClientStore> store_;
  std::unique_ptr<Messenger> messenger_;
  std::vector<std::string> progress_;
  bool confirms_shown_ = false;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_TESTING_PERSON_H_
