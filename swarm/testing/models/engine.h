// The stores that models are compared with, and names for what is put into
// them. Models know mailboxes, messages and orders by plain numbers, so they
// share neither types nor code with what they judge.
//
// How long a comparison runs: MODEL_OPERATIONS, otherwise what its test says;
// from which seed: MODEL_SEED. Not thread-safe.

#ifndef SWARM_TESTING_MODELS_ENGINE_H_
#define SWARM_TESTING_MODELS_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "routing/runtime/sqlite/testing/simulated_disk.h"
#include "swarm/auth/mailbox.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

enum class EngineKind { kMemory, kSqlite };
std::string EngineName(EngineKind kind);

// Of one comparison.
uint64_t ModelOperations(uint64_t otherwise = 1'000'000);
// Also prints it.
uint64_t ModelSeed();

// One store, on a disk of its own.
class Engine final {
 public:
  Engine(EngineKind kind, uint64_t seed, uint64_t capacity_bytes = 0);

  MessageStore& store() { return *store_; }
  // The power fails and comes back. Nothing that was confirmed may be gone. A
  // store in memory has no power to lose.
  void PowerCut();
  // An empty store with another incarnation takes its place.
  void Wipe();

  // Applies all in one transaction, or nothing: RESOURCE_EXHAUSTED gives no
  // results. Any other error ends the process.
  std::vector<OpResult> Apply(const std::vector<StoreOp>& ops, uint64_t now_ms);

 private:
  void Open();

  const EngineKind kind_;
  const uint64_t capacity_bytes_;
  crypto::SeededRandom random_;
  sqlite::SimulatedDisk disk_;
  std::unique_ptr<MessageStore> store_;
};

// The mailbox of that number and kind.
MailboxAddress BoxNumber(
    int number, MailboxAddress::Kind kind = MailboxAddress::Kind::kAccount);
// Where messages of such a mailbox lie.
MailboxNamespace MessagesOf(const MailboxAddress& mailbox);
// Orders as its number does. Stores do not compute ids.
ObjectId IdNumber(uint64_t number);
uint64_t NumberOf(const ObjectId& id);

PutRegistration RegistrationOf(const MailboxAddress& mailbox, uint64_t number,
                               uint64_t time_ms);
PutMessage MessageOf(const MailboxAddress& mailbox, uint64_t number,
                     size_t bytes, uint64_t expiry_ms, Origin origin);
DeleteMessages DeletionOf(const MailboxAddress& mailbox, uint64_t number,
                          uint64_t time_ms, uint64_t effective_ms,
                          const std::vector<uint64_t>& messages, Origin origin);
PurgeMessages PurgeOf(const MailboxAddress& mailbox, uint64_t number,
                      uint64_t until_ms, Origin origin);
PutRecord RecordOf(const MailboxAddress& mailbox, MailboxNamespace ns,
                   uint64_t number, int key, uint64_t seq, Origin origin);

}  // namespace messenger::swarm

#endif  // SWARM_TESTING_MODELS_ENGINE_H_
