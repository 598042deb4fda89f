#include "client/messenger/testing/devices_story.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace messenger::client {
namespace {

// In two parts to a contact.
constexpr size_t kLongBytes = 70'000;
// After so long a linked device asks whether it is still listed.
constexpr absl::Duration kLongerThanItTakesToAsk = absl::Minutes(20);

}  // namespace

DevicesStory::DevicesStory(Struck struck)
    : struck_(struck),
      phone_("Ada", story_,
             struck == Struck::kFirst ? struck_disk_random_ : disk_random_),
      tablet_(FaultyDevice::AwaitsLink(), "Ada's tablet", story_,
              struck == Struck::kLinked ? struck_disk_random_ : disk_random_) {}

void DevicesStory::Write(FaultyDevice& from, absl::string_view text) {
  // Every text is unlike all others.
  const std::string words = absl::StrCat(texts_++, ": ", text);
  const bool of_ben = &from == &ben_;
  from.Write(of_ben ? phone_ : ben_, words);
  for (FaultyDevice* device : {&phone_, &tablet_}) {
    if (device == &tablet_ && !both_) continue;
    Expected& expected = expected_[device];
    (of_ben ? expected.in : expected.out).push_back(words);
  }
  Expected& bens = expected_[&ben_];
  (of_ben ? bens.out : bens.in).push_back(words);
  if (of_ben) {
    unseen_.insert(words);
  } else {
    bens.shown.insert(words);
  }
}

void DevicesStory::Read(const std::vector<FaultyDevice*>& devices) {
  for (FaultyDevice* device : devices) {
    if (device != &ben_) {
      expected_[device].shown.merge(unseen_);
      unseen_.clear();
    }
    device->Read();
  }
}

void DevicesStory::Settle() {
  for (int round = 0; round < 3; ++round) {
    for (FaultyDevice* device : {&phone_, &tablet_, &ben_}) {
      device->Publish();
      device->Read();
    }
  }
}

void DevicesStory::Play() {
  for (FaultyDevice* device : {&ben_, &phone_, &tablet_}) {
    device->Start();
    device->Publish();
  }
  BecomeAcquainted();
  Link();
  WriteFromBoth();
  ReadOnBoth();
  LeaveOneAtHome();
  Unlink();
  struck().Restart();
}

void DevicesStory::BecomeAcquainted() {
  phone_.Add(ben_, "Ben from work");
  ben_.Add(phone_, "Ada");
  Write(phone_, "hello");
  Read({&ben_});
  Write(ben_, "hello, Ada");
  Read({&phone_});
}

void DevicesStory::Link() {
  phone_.OfferLink(tablet_);
  phone_.Flush();
  tablet_.Read();
  phone_.Read();
  tablet_.Read();
  const std::string digits = tablet_.LinkDigits();
  if (digits.empty() || digits != phone_.LinkDigits()) {
    story_.Fail("stuck: the digits are not the same");
  }
  phone_.ConfirmLink(digits);
  phone_.Publish();
  phone_.Flush();
  tablet_.Read();
  if (!tablet_.linked()) story_.Fail("stuck: the tablet is not linked");
  both_ = true;
  Settle();
}

void DevicesStory::WriteFromBoth() {
  Write(phone_, "from the phone");
  Write(tablet_, "from the tablet");
  Read({&ben_, &phone_, &tablet_});
  Write(tablet_, LongText(kLongBytes, "away"));
  Write(phone_, "what was that?");
  Read({&ben_, &tablet_, &phone_});
}

void DevicesStory::ReadOnBoth() {
  for (int round = 0; round < 2; ++round) {
    Write(ben_, "for whoever reads first");
    Write(ben_, "all of it");
    if (round == 0) {
      Read({&phone_, &tablet_});
    } else {
      Read({&tablet_, &phone_});
    }
    Write(round == 0 ? tablet_ : phone_, "read it");
    Read({&ben_});
  }
  Write(ben_, LongText(kLongBytes, "back"));
  Read({&tablet_, &phone_});
}

void DevicesStory::LeaveOneAtHome() {
  for (FaultyDevice* away : {&phone_, &tablet_}) {
    away->mail().faults().offline = true;
    FaultyDevice& here = away == &phone_ ? tablet_ : phone_;
    Write(ben_, "are you there?");
    Read({&here});
    Write(here, "with one device only");
    Read({&ben_});
    away->mail().faults().offline = false;
    Read({away, &here});
  }
}

void DevicesStory::Unlink() {
  Settle();
  phone_.Unlink(tablet_);
  both_ = false;
  phone_.Publish();
  phone_.Flush();
  Read({&ben_});
  Write(ben_, "to the phone alone");
  Write(phone_, "from the phone alone");
  Read({&phone_, &ben_});
  Pass(kLongerThanItTakesToAsk);
  tablet_.LearnOfUnlinking();
}

void DevicesStory::Check() {
  for (FaultyDevice* device : {&phone_, &ben_}) {
    device->Read();
    CheckDevice(*device);
  }
  // It does not read any more, and keeps what it has.
  CheckDevice(tablet_);
}

void DevicesStory::CheckDevice(FaultyDevice& device) {
  device.CheckWhatIsLeft();
  const FaultyDevice& other = &device == &ben_ ? phone_ : ben_;
  Expected found;
  for (const Message& message : device.HistoryWith(other)) {
    if (message.kind != MessageKind::kText) {
      story_.Fail(absl::StrCat("lost: with a note, by ", device.name()));
      continue;
    }
    (message.outgoing ? found.out : found.in).push_back(message.text);
  }
  // What the devices of one person write comes to the third in its own order.
  Expected expected = expected_[&device];
  for (Expected* side : {&found, &expected}) {
    std::sort(side->out.begin(), side->out.end());
    std::sort(side->in.begin(), side->in.end());
  }
  if (disturbed_ && &device != &ben_) {
    // After an error of a disk the word that a text was shown may come after
    // the other device has shown it, too. Nobody misses it.
    std::set<std::string> shown = phone_.shown();
    shown.insert(tablet_.shown().begin(), tablet_.shown().end());
    for (const std::string& text : expected.in) {
      const bool here = device.shown().contains(text);
      if (here) expected.shown.insert(text);
      if (!here && shown.contains(text)) expected.shown.erase(text);
    }
  }
  CheckTexts(absl::StrCat(device.name(), ", out"), expected.out, found.out);
  CheckTexts(absl::StrCat(device.name(), ", in"), expected.in, found.in);
  CheckShown(device, expected.shown);
}

}  // namespace messenger::client
