#include "client/messenger/testing/life_story.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace messenger::client {
namespace {

// In two parts to a contact; in four to an inbox.
constexpr size_t kLongBytes = 70'000;
constexpr size_t kLongForAnInboxBytes = 5'000;

}  // namespace

void LifeStory::Queue(FaultyDevice& from, FaultyDevice& to,
                      absl::string_view text, Fate fate) {
  // Every text is unlike all others.
  std::string words = absl::StrCat(texts_.size(), ": ", text);
  from.Queue(to, words);
  texts_.push_back({&from, &to, std::move(words), fate});
}

void LifeStory::Write(FaultyDevice& from, FaultyDevice& to,
                      absl::string_view text, Fate fate) {
  Queue(from, to, text, fate);
  from.Flush();
}

void LifeStory::Talk(FaultyDevice& other, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    Write(ada_, other, "how are you?");
    if (round % 2 == 0) Write(ada_, other, "where are you?");
    other.Read();
    Write(other, ada_, "well");
    if (round % 2 == 1) Write(other, ada_, "here");
    ada_.Read();
  }
}

void LifeStory::Play() {
  for (FaultyDevice* device : {&ada_, &ben_, &cid_, &dan_, &eve_}) {
    device->Start();
    device->Publish();
  }
  BecomeAcquainted();
  Verify();
  WriteLongTexts();
  HearStrangers();
  WriteToStrangers();
  SufferTheNetwork();
  QuarrelAndMakePeace();
  LetDaysPass();
  FollowToAnotherDevice();
  ada_.Restart();
}

void LifeStory::BecomeAcquainted() {
  ada_.Add(ben_, "Ben from work");
  ben_.Add(ada_, "Ada");
  Write(ada_, ben_, "hello");
  Write(ben_, ada_, "hello, I wrote first");
  Write(ada_, ben_, "hello again");
  ben_.Read();
  ada_.Read();
  Talk(ben_, 3);
}

void LifeStory::Verify() {
  ada_.Verify(ben_);
  Talk(ben_, 1);
  ada_.Unverify(ben_);
  ada_.Rename("Ada L.");
}

void LifeStory::WriteLongTexts() {
  Write(ada_, ben_, LongText(kLongBytes, "away"));
  ben_.Read();
  Write(ben_, ada_, LongText(kLongBytes, "back"));
  ada_.Read();
}

void LifeStory::HearStrangers() {
  Write(cid_, ada_, "you do not know me");
  ada_.Read();
  Write(cid_, ada_, LongText(kLongForAnInboxBytes, "why"));
  ada_.Read();
  ada_.Accept(cid_);
  ada_.Read();
  cid_.Read();
  Talk(cid_, 2);

  Write(dan_, ada_, "buy this", Fate::kDropped);
  ada_.Read();
  ada_.Decline(dan_);
  Write(dan_, ada_, "buy that", Fate::kDropped);
  ada_.Read();
  Write(ada_, dan_, "I was wrong");
  dan_.Read();
  Talk(dan_, 1);
}

void LifeStory::WriteToStrangers() {
  Write(ada_, eve_, LongText(kLongForAnInboxBytes, "please"));
  Write(ada_, eve_, "that is all");
  eve_.Read();
  eve_.Accept(ada_);
  eve_.Read();
  ada_.Read();
  Talk(eve_, 1);
}

void LifeStory::SufferTheNetwork() {
  ada_.mail().faults().offline = true;
  for (const char* text : {"from a tunnel", "still here"}) {
    Queue(ada_, ben_, text);
    ada_.TryToFlush();
  }
  ada_.Restart();
  ada_.mail().faults().offline = false;
  ada_.Flush();
  ben_.Read();

  Queue(ada_, ben_, "did you get this?");
  ada_.mail().faults().store_unconfirmed = 1;
  ada_.TryToFlush();
  ada_.mail().faults().store_unconfirmed = 0;
  ben_.Read();
  ada_.Flush();
  ben_.Read();

  ada_.mail().faults().shuffle = true;
  ada_.mail().faults().hand_out_everything_again = true;
  for (int i = 0; i < 4; ++i) Write(ben_, ada_, "in order");
  ada_.Read();
  ada_.Read();
  ada_.mail().faults().shuffle = false;
  ada_.mail().faults().hand_out_everything_again = false;
  Talk(ben_, 1);
}

void LifeStory::QuarrelAndMakePeace() {
  ada_.mail().faults().offline = true;
  Queue(ada_, ben_, "I say it, and take it back", Fate::kGivenUp);
  ada_.TryToFlush();
  ada_.Block(ben_);
  ada_.mail().faults().offline = false;
  Write(ben_, ada_, "are you angry?", Fate::kDropped);
  ada_.Read();
  ada_.Unblock(ben_);
  Talk(ben_, 2);
}

void LifeStory::LetDaysPass() {
  // Prekeys are replaced, and the old one still opens.
  eve_.Add(cid_, "");
  for (int i = 0; i < 2; ++i) {
    Pass(absl::Hours(30));
    for (FaultyDevice* device : {&ada_, &ben_, &cid_}) device->Publish();
  }
  Talk(ben_, 1);
  // Registrations are renewed, keys of texts that never came are dropped.
  Pass(absl::Hours(24 * 13));
  for (FaultyDevice* device : {&ada_, &ben_, &cid_, &dan_, &eve_}) {
    device->Publish();
    device->Read();
  }
  Talk(cid_, 1);
}

void LifeStory::FollowToAnotherDevice() {
  CheckDevice(ben_);
  bens_second_ =
      std::make_unique<FaultyDevice>("Ben", story_, disk_random_, &ben_);
  bens_second_->Start();
  bens_second_->Publish();
  Pass(absl::Hours(30));
  Write(ada_, *bens_second_, "is this you?");
  bens_second_->Read();
  bens_second_->Accept(ada_);
  bens_second_->Read();
  ada_.Read();
  Talk(*bens_second_, 2);
}

void LifeStory::Check() {
  for (FaultyDevice* device :
       {&ada_, &cid_, &dan_, &eve_, bens_second_.get()}) {
    CheckDevice(*device);
  }
}

void LifeStory::CheckDevice(FaultyDevice& device) {
  device.Read();
  device.CheckWhatIsLeft();
  std::set<std::string> to_show;
  std::map<crypto::AccountId, const FaultyDevice*> others;
  struct Directions {
    std::vector<std::string> out, in;
  };
  std::map<crypto::AccountId, Directions> expected;
  for (const Text& text : texts_) {
    if (text.from == &device) {
      others[text.to->id()] = text.to;
      expected[text.to->id()].out.push_back(text.text);
    } else if (text.to == &device) {
      others[text.from->id()] = text.from;
      if (text.fate != Fate::kShown) continue;
      expected[text.from->id()].in.push_back(text.text);
      to_show.insert(text.text);
    }
  }
  for (const auto& [account, other] : others) {
    Directions found;
    for (const Message& message : device.HistoryWith(*other)) {
      (message.outgoing ? found.out : found.in).push_back(message.text);
    }
    const std::string where =
        absl::StrCat(device.name(), " with ", other->name());
    CheckTexts(absl::StrCat(where, ", out"), expected[account].out, found.out);
    CheckTexts(absl::StrCat(where, ", in"), expected[account].in, found.in);
  }
  CheckShown(device, to_show);
}

}  // namespace messenger::client
