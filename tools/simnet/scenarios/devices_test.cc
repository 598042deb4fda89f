// Two people with two or three devices each, one of them in each mode of
// routing, and everything that can go wrong: answers that are lost, messages
// that come twice and in another order, nodes that die, devices whose power
// fails in the middle of a write. Devices are linked and unlinked meanwhile.
// When it is over, every text is on every device that it was for, once.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/messenger/messenger.h"
#include "client/session/identity_record.h"
#include "client/store/client_store.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_id.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/path/path_selector.h"
#include "tools/simnet/device.h"
#include "tools/simnet/network.h"
#include "tools/simnet/scenarios/scenario.h"

namespace messenger::simnet {
namespace {

using ::messenger::client::Message;
using ::messenger::client::MessageState;
using ::messenger::testing::IsOk;
using ::testing::IsEmpty;

constexpr int kSteps = 30;
constexpr int kLinkAt = 10;
constexpr int kUnlinkAt = 20;
constexpr absl::Duration kLongEnough = absl::Minutes(30);
constexpr absl::Duration kLongerThanItTakesToAsk = absl::Minutes(16);
constexpr int kAll = 1'000'000;

bool IsSent(MessageState state) {
  return state == MessageState::kSent || state == MessageState::kDelivered ||
         state == MessageState::kRead;
}

struct Person {
  std::string name;
  routing::RoutingMode mode;
  std::vector<Device*> devices = {};   // the first one first
  std::vector<Device*> unlinked = {};  // since

  const crypto::AccountId& account() const { return devices[0]->account(); }
};

class DevicesTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    Network::Options options;
    options.seed = GetParam();
    options.packet_loss = 0.02 * static_cast<double>(Draw(4));
    options.mean_delay = absl::Milliseconds(20 + Draw(120));
    network_ = std::make_unique<Network>(options);
    if (Draw(2) == 0) std::swap(alice_.mode, bob_.mode);
    for (Person* person : {&alice_, &bob_}) {
      person->devices.push_back(&NewDevice(*person, /*awaits_link=*/false));
    }
    ASSERT_TRUE(network_->Settle());
    for (Person* person : {&alice_, &bob_}) {
      ASSERT_NO_FATAL_FAILURE(Link(*person));
      ASSERT_THAT(network_->Do(*person->devices[0],
                               [](client::Messenger& messenger) {
                                 return messenger.WantReceipts(true);
                               }),
                  IsOk());
    }
  }

  uint64_t Draw(uint64_t bound) { return chance_.Uniform(bound); }
  Device& AnyOf(const std::vector<Device*>& devices) {
    return *devices[Draw(devices.size())];
  }
  Person& OtherThan(const Person& person) {
    return &person == &alice_ ? bob_ : alice_;
  }

  Device& NewDevice(Person& person, bool awaits_link) {
    Device& device =
        network_->AddDevice(absl::StrCat(person.name, "-", ++devices_),
                            {.mode = person.mode,
                             .disk = DiskKind::kSimulated,
                             .awaits_link = awaits_link});
    device.roughness() = roughness_;
    all_.push_back(&device);
    return device;
  }

  // Whatever goes wrong while one is linked, a person may begin again with
  // another code.
  void Link(Person& person) {
    for (int tries = 0; tries < 4; ++tries) {
      Device& fresh = NewDevice(person, /*awaits_link=*/true);
      person.devices[0]->GoOnline();
      if (network_->Link(*person.devices[0], fresh)) {
        person.devices.push_back(&fresh);
        return;
      }
      fresh.GoOffline();
      ASSERT_FALSE(fresh.linked()) << "it is, and nobody has noticed";
    }
    FAIL() << "no device could be linked";
  }

  // One that has nothing to say any more, as one does before giving it away.
  void Unlink(Person& person) {
    Device& device = *person.devices.back();
    person.devices.pop_back();
    person.unlinked.push_back(&device);
    // A first message of a device that has left is not read any more.
    for (const Person* one : {&alice_, &bob_}) {
      for (Device* other : one->devices) other->GoOnline();
    }
    ASSERT_TRUE(network_->RunUntil(
        [&] {
          return device.AllSent() && device.store() != nullptr &&
                 device.store()->Outbox()->empty();
        },
        kLongEnough));
    network_->RunFor(absl::Seconds(90));
    // Until it has heard of it, what it says would be refused.
    device.GoOffline();
    unlinked_at_ = network_->Now();
    ASSERT_THAT(network_->Unlink(*person.devices[0], device), IsOk());
  }

  void SetTrouble() {
    roughness_ = {.lost_answers = 0.01 * static_cast<double>(Draw(8)),
                  .repeated = 0.1 * static_cast<double>(Draw(5)),
                  .shuffled = true};
    for (const Person* person : {&alice_, &bob_}) {
      for (Device* device : person->devices) device->roughness() = roughness_;
    }
    network_->SetDuplication(0.02 * static_cast<double>(Draw(8)));
  }

  void EndOfTrouble() {
    roughness_ = {};
    network_->SetDuplication(0);
    network_->Heal();
    if (down_ >= 0) network_->Restart(down_);
    for (const Person* person : {&alice_, &bob_}) {
      for (Device* device : person->devices) {
        device->roughness() = roughness_;
        device->GoOnline();
      }
    }
  }

  // By then a linked device asks whether it is still listed before all else.
  void SwitchOnWhatIsUnlinked() {
    network_->RunUntil(
        [&] {
          return network_->Now() >= unlinked_at_ + kLongerThanItTakesToAsk;
        },
        kLongEnough);
    for (const Person* person : {&alice_, &bob_}) {
      for (Device* device : person->unlinked) device->GoOnline();
    }
  }

  void Step(int number) {
    Person& person = Draw(2) == 0 ? alice_ : bob_;
    Device& device = AnyOf(person.devices);
    const crypto::AccountId& other = OtherThan(person).account();
    const std::string text = absl::StrCat("text of step ", number);
    const int node = static_cast<int>(Draw(network_->nodes()));
    switch (Draw(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        if (device.messenger() == nullptr) break;
        ASSERT_THAT(device.Send(other, text), IsOk());
        break;
      case 4:
      case 5:
        if (const auto message = AnyMessage(device, other)) {
          // It may have come meanwhile that it was taken back.
          ASSERT_THAT(device.Reply(*message, text), IsOk());
        }
        break;
      case 6:
        if (const auto message = AnyMessage(device, other)) {
          device.messenger()
              ->React(message->row, Draw(2) == 0 ? "👍" : "🎉")
              .IgnoreError();
          device.Tend();
        }
        break;
      case 7:
      case 8:
        device.GoOnline();
        device.FailAtWrite(1 + Draw(60), /*dropped=*/Draw(2) == 0);
        break;
      case 9:
        if (device.online()) {
          device.GoOffline();
        } else {
          device.GoOnline();
        }
        break;
      case 10:
        // One machine at a time: two of a swarm would be its end.
        if (down_ >= 0) network_->Restart(down_);
        down_ = node;
        network_->Crash(node, static_cast<Network::Part>(Draw(3)));
        break;
      case 11:
        if (Draw(2) == 0) {
          network_->BreakLinksOf(device);
        } else {
          network_->Partition(
              {node, static_cast<int>(Draw(network_->nodes()))});
          network_->RunFor(absl::Seconds(Draw(20)));
          network_->Heal();
        }
        break;
    }
    network_->RunFor(absl::Milliseconds(Draw(8000)));
  }

  std::optional<Message> AnyMessage(Device& device,
                                    const crypto::AccountId& with) {
    if (device.store() == nullptr) return std::nullopt;
    const auto history = device.store()->Messages(with, kAll);
    if (!history.ok() || history->empty()) return std::nullopt;
    const Message& message = (*history)[Draw(history->size())];
    if (message.kind != client::MessageKind::kText) return std::nullopt;
    return message;
  }

  // Every device knows all of the other side, and of its own.
  bool AllKnow() {
    for (Person* person : {&alice_, &bob_}) {
      Person& other = OtherThan(*person);
      for (Device* device : person->devices) {
        if (device->store() == nullptr || !device->published() ||
            device->messenger()->Devices().size() != person->devices.size()) {
          return false;
        }
        const auto contact = device->store()->FindContact(other.account());
        if (!contact.ok() || !*contact) return false;
        const auto record =
            client::IdentityRecord::Verify((*contact)->identity_record);
        if (!record.ok() || record->devices().size() != other.devices.size()) {
          return false;
        }
      }
    }
    return true;
  }

  void AllWrite(absl::string_view words) {
    newest_words_.clear();
    for (Person* person : {&alice_, &bob_}) {
      for (Device* device : person->devices) {
        newest_words_.push_back(absl::StrCat(words, ", from ", device->name()));
        ASSERT_THAT(
            device->Send(OtherThan(*person).account(), newest_words_.back()),
            IsOk());
      }
    }
  }

  std::vector<Message> History(Device& device, const Person& with) {
    auto history = device.store()->Messages(with.account(), kAll);
    EXPECT_THAT(history, IsOk());
    return history.value_or(std::vector<Message>());
  }

  void CheckEverything() {
    for (Person* person : {&alice_, &bob_}) {
      for (Device* device : person->devices) {
        ASSERT_NO_FATAL_FAILURE(CheckDevice(*person, *device));
      }
      for (Device* device : person->unlinked) {
        ASSERT_NO_FATAL_FAILURE(CheckUnlinked(*person, *device));
      }
      CheckShown(*person);
      CheckTheSame(*person);
    }
  }

  // Each text that the device is to have, once; of others none twice.
  void CheckDevice(Person& person, Device& device) {
    SCOPED_TRACE(device.name());
    ASSERT_NE(device.store(), nullptr);
    Person& other = OtherThan(person);
    std::map<std::string, int> in, out;
    for (const Message& message : History(device, OtherThan(person))) {
      EXPECT_EQ(message.kind, client::MessageKind::kText) << "missing";
      ++(message.outgoing ? out : in)[message.text];
    }
    const auto take = [](std::map<std::string, int>& found,
                         const std::string& text, bool due) {
      const int copies = std::exchange(found[text], 0);
      EXPECT_LE(copies, 1) << text;
      if (due) {
        EXPECT_EQ(copies, 1) << text;
      }
    };
    for (const auto* writers : {&other.devices, &other.unlinked}) {
      for (const Device* writer : *writers) {
        for (const WrittenText& text : writer->written()) {
          take(in, text.text, text.recipients.contains(device.id()));
        }
      }
    }
    for (const auto* writers : {&person.devices, &person.unlinked}) {
      for (const Device* writer : *writers) {
        for (const WrittenText& text : writer->written()) {
          take(out, text.text,
               writer == &device || text.copies.contains(device.id()));
        }
      }
    }
    for (const auto* found : {&in, &out}) {
      for (const auto& [text, copies] : *found) {
        EXPECT_EQ(copies, 0) << "nobody wrote " << text;
      }
    }
    EXPECT_THAT(*device.messenger()->NotShown(), IsEmpty());
    EXPECT_TRUE(device.store()->Outbox()->empty()) << WhatWaits();
    CheckStates(device, other);
  }

  // For whoever looks for the reason.
  std::string WhatWaits() {
    std::string what;
    for (Device* device : all_) {
      absl::StrAppend(&what, "\n", device->name(),
                      device->online() ? "" : " off",
                      device->published() ? "" : " unpublished",
                      device->unlinked() ? " unlinked" : "",
                      device->knows_of_unlinking() ? " and knows" : "");
      if (device->store() == nullptr) continue;
      const auto outbox = device->store()->Outbox();
      for (const client::OutboxItem& item : *outbox) {
        absl::StrAppend(&what, "\n  for ", NameOf(item.device), ", tries ",
                        item.attempts, ", sealed ", item.blob.has_value(),
                        ", next ", absl::FormatTime(item.next_try));
      }
    }
    return what;
  }

  std::string NameOf(const std::string& id) {
    for (Device* device : all_) {
      if (device->id() == id) return device->name();
    }
    return "unknown";
  }

  // What the device says of its texts is so.
  void CheckStates(Device& device, Person& other) {
    std::set<std::string> shown, there;
    for (const auto* readers : {&other.devices, &other.unlinked}) {
      for (const Device* reader : *readers) {
        shown.insert(reader->shown().begin(), reader->shown().end());
        for (const ReceivedText& text : reader->inbox()) {
          there.insert(text.text);
        }
      }
    }
    for (const WrittenText& text : device.written()) {
      const auto message = device.store()->FindMessage(text.row);
      ASSERT_TRUE(message.ok() && *message);
      EXPECT_TRUE(IsSent((*message)->state)) << (*message)->detail;
      EXPECT_TRUE(there.contains(text.text)) << text.text;
      if ((*message)->state == MessageState::kRead) {
        EXPECT_TRUE(shown.contains(text.text)) << text.text;
      }
    }
  }

  // It keeps what it has. What was written after it had left is not for it.
  void CheckUnlinked(Person& person, Device& device) {
    SCOPED_TRACE(device.name());
    EXPECT_TRUE(device.knows_of_unlinking());
    std::map<std::string, int> found;
    for (const Message& message : History(device, OtherThan(person))) {
      ++found[message.text];
    }
    for (const auto& [text, copies] : found) EXPECT_EQ(copies, 1) << text;
    for (const std::string& text : newest_words_) {
      EXPECT_FALSE(found.contains(text)) << text;
    }
  }

  // Whatever came was shown somewhere.
  void CheckShown(const Person& person) {
    std::set<std::string> shown;
    for (const auto* devices : {&person.devices, &person.unlinked}) {
      for (const Device* device : *devices) {
        shown.insert(device->shown().begin(), device->shown().end());
      }
    }
    for (const Device* device : person.devices) {
      for (const ReceivedText& text : device->inbox()) {
        EXPECT_TRUE(shown.contains(text.text))
            << person.name << " was never shown " << text.text;
      }
    }
  }

  // Reactions and what answers what are the same on all devices, as far as they
  // have the texts.
  void CheckTheSame(Person& person) {
    Person& other = OtherThan(person);
    std::map<std::string, std::string> seen;
    for (const auto& [whose, with] :
         {std::pair(&person, &other), std::pair(&other, &person)}) {
      for (Device* device : whose->devices) {
        for (const Message& message : History(*device, *with)) {
          std::set<std::string> facts;
          const auto reactions = device->store()->Reactions(message);
          ASSERT_THAT(reactions, IsOk());
          for (const client::ReactionRow& row : *reactions) {
            const bool of_person = row.own == (whose == &person);
            facts.insert(
                absl::StrCat(of_person ? "own " : "theirs ", row.emoji));
          }
          const std::string all = absl::StrJoin(facts, ", ");
          const auto [known, fresh] = seen.emplace(message.text, all);
          EXPECT_EQ(known->second, all)
              << "of " << message.text << " on " << device->name();
          CheckAnswer(*device, *with, message);
        }
      }
    }
  }

  void CheckAnswer(Device& device, const Person& with, const Message& message) {
    if (!message.reply_to) return;
    const auto target =
        device.store()->FindMessage(with.account(), *message.reply_to);
    if (!target.ok() || !*target) return;  // it came before the device
    const auto [known, fresh] = answers_.emplace(message.text, (*target)->text);
    EXPECT_EQ(known->second, (*target)->text) << message.text;
  }

  crypto::SeededRandom chance_{GetParam()};
  std::unique_ptr<Network> network_;
  Person alice_{"alice", routing::RoutingMode::kOnion};
  Person bob_{"bob", routing::RoutingMode::kProxy};
  std::vector<Device*> all_;
  Roughness roughness_;
  int devices_ = 0;
  int down_ = -1;
  absl::Time unlinked_at_ = absl::InfinitePast();
  std::vector<std::string> newest_words_;
  std::map<std::string, std::string> answers_;
};

TEST_P(DevicesTest, EveryTextIsOnceOnEachDevice) {
  SetTrouble();
  for (int i = 0; i < kSteps; ++i) {
    if (i == kLinkAt) {
      ASSERT_NO_FATAL_FAILURE(Link(Draw(2) == 0 ? alice_ : bob_));
    }
    if (i == kUnlinkAt) {
      ASSERT_NO_FATAL_FAILURE(Unlink(Draw(2) == 0 ? alice_ : bob_));
    }
    ASSERT_NO_FATAL_FAILURE(Step(i));
    ASSERT_THAT(network_->CheckInvariants(), IsOk()) << "after step " << i;
  }
  EndOfTrouble();
  ASSERT_TRUE(
      network_->RunUntil([&] { return network_->Delivered(); }, kLongEnough))
      << network_->Missing() << WhatWaits();
  // From everybody to everybody, now that all is well: who writes reads first
  // what has changed.
  ASSERT_NO_FATAL_FAILURE(AllWrite("by the way"));
  ASSERT_TRUE(network_->RunUntil([&] { return AllKnow(); }, kLongEnough));
  ASSERT_NO_FATAL_FAILURE(AllWrite("last words"));
  SwitchOnWhatIsUnlinked();
  const auto at_rest = [&] {
    if (!network_->Delivered()) return false;
    for (const Person* person : {&alice_, &bob_}) {
      for (Device* device : person->devices) {
        if (device->store() == nullptr || !device->AllSent() ||
            !device->store()->Outbox()->empty() ||
            !device->messenger()->NotShown()->empty()) {
          return false;
        }
      }
      for (Device* device : person->unlinked) {
        if (!device->knows_of_unlinking()) return false;
      }
    }
    return true;
  };
  EXPECT_TRUE(network_->RunUntil(at_rest, kLongEnough)) << network_->Missing();
  network_->RunFor(absl::Minutes(3));
  EXPECT_TRUE(network_->RunUntil(at_rest, kLongEnough));
  EXPECT_THAT(network_->CheckInvariants(), IsOk());
  CheckEverything();
}

INSTANTIATE_TEST_SUITE_P(Seeds, DevicesTest, Seeds(4), NameOfSeed);

}  // namespace
}  // namespace messenger::simnet
