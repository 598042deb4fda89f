// Poisoned mailboxes: envelopes of real conversations, altered in every way
// that whoever holds or fills a mailbox can think of, among the genuine ones.
//
// Ada and Ben talk; strangers write to Ben. What Ada and the strangers have
// sealed is the stuff of the poison: flipped, cut, lengthened, spliced,
// repeated under other ids, put into other mailboxes or handed back to its
// writer, with expiries that no clock knows. Ada herself is hostile, too: she
// seals contents that no program of ours would write. After every reading Ben
// has been shown the genuine text of the moment, once, and nothing else.
//
// Not thread-safe.

#ifndef CLIENT_MESSENGER_TESTING_POISONED_MAIL_H_
#define CLIENT_MESSENGER_TESTING_POISONED_MAIL_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/messenger/content.h"
#include "client/messenger/mail_service.h"
#include "client/messenger/testing/faulty_device.h"
#include "client/messenger/testing/in_memory_mail_service.h"
#include "crypto/random/testing/seeded_random.h"

namespace messenger::client {

class PoisonedMail final {
 public:
  explicit PoisonedMail(uint64_t seed);

  // At least so many envelopes, in batches with one genuine text each. Ends at
  // the first batch with a failure.
  void Run(uint64_t envelopes);

  uint64_t envelopes() const { return envelopes_; }  // poisoned ones
  uint64_t sealed() const { return sealed_; }        // of these, by Ada
  uint64_t batches() const { return batches_; }
  int64_t unreadable() const { return ben_.unreadable(); }
  const std::vector<std::string>& failures() const { return story_.failures; }

 private:
  using Box = InMemoryMail::Box;

  void BecomeAcquainted();
  void RunBatch();
  // Of a stranger, whose genuine handshake comes after the poison.
  void RunStrangersBatch();
  void Answer();

  // The messages that were put into the network since, by box.
  std::vector<std::pair<Box, MailMessage>> NewMail();
  // Keeps what has passed as stuff for poison, and frees the network of it.
  void Remember(const std::string& payload);
  void ForgetRead();

  void AddPoison(const Box& box, const std::string& genuine,
                 absl::Time genuine_expiry);
  ContentBody AnyBody();
  void AddSealedPoison(const Box& box, absl::Time expiry);
  void Put(const Box& box, std::string payload, absl::Time expiry);
  std::string Altered(std::string bytes);
  const std::string& Any();
  absl::Time SomeExpiry(absl::Time genuine);
  // Ben reads; of the texts that are new to him one is `genuine`, if any.
  void ReadAndCheck(const std::string* genuine);

  crypto::SeededRandom random_;
  crypto::SeededRandom disk_random_;
  Story story_;
  FaultyDevice ada_;
  FaultyDevice ben_;
  std::map<Box, size_t> known_;  // how much of each box was there before
  std::vector<std::string> stuff_;
  // Texts that came out of poison that was well-formed after all.
  std::set<std::string> allowed_;
  uint64_t envelopes_ = 0;
  uint64_t sealed_ = 0;
  uint64_t batches_ = 0;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_TESTING_POISONED_MAIL_H_
