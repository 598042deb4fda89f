#include "swarm/testing/models/engine.h"

#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "swarm/store/in_memory_store.h"
#include "swarm/store/sqlite_store.h"

namespace messenger::swarm {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

[[noreturn]] void Die(const absl::Status& status) {
  std::cerr << "the engine fails: " << status << std::endl;
  std::abort();
}

}  // namespace

std::string EngineName(EngineKind kind) {
  return kind == EngineKind::kMemory ? "Memory" : "Sqlite";
}

uint64_t ModelOperations(uint64_t otherwise) {
  return FromEnvironment("MODEL_OPERATIONS", otherwise);
}

uint64_t ModelSeed() {
  const uint64_t seed = FromEnvironment("MODEL_SEED", 1);
  std::cout << "MODEL_SEED=" << seed << std::endl;
  return seed;
}

Engine::Engine(EngineKind kind, uint64_t seed, uint64_t capacity_bytes)
    : kind_(kind),
      capacity_bytes_(capacity_bytes),
      random_(seed),
      disk_(random_) {
  Open();
}

void Engine::Open() {
  if (kind_ == EngineKind::kMemory) {
    store_ = std::make_unique<InMemoryStore>(random_, capacity_bytes_);
    return;
  }
  auto store = SqliteStore::Open({.path = "/model.db",
                                  .capacity_bytes = capacity_bytes_,
                                  .vfs = disk_.name()},
                                 random_);
  if (!store.ok()) Die(store.status());
  store_ = *std::move(store);
}

void Engine::PowerCut() {
  if (kind_ == EngineKind::kMemory) return;
  disk_.Crash();
  store_.reset();
  Open();
}

void Engine::Wipe() {
  disk_.Wipe();
  store_.reset();
  Open();
}

std::vector<OpResult> Engine::Apply(const std::vector<StoreOp>& ops,
                                    uint64_t now_ms) {
  auto results = store_->Apply(ops, now_ms);
  if (results.ok()) return *std::move(results);
  if (!absl::IsResourceExhausted(results.status())) Die(results.status());
  return {};
}

MailboxAddress BoxNumber(int number, MailboxAddress::Kind kind) {
  std::string bytes(MailboxAddress::kSize, 'm');
  bytes[0] = static_cast<char>(kind);
  bytes[1] = static_cast<char>(number);
  return MailboxAddress::FromBytes(bytes).value();
}

MailboxNamespace MessagesOf(const MailboxAddress& mailbox) {
  return mailbox.kind() == MailboxAddress::Kind::kAccount
             ? MailboxNamespace::kInbox
             : MailboxNamespace::kPairwise;
}

ObjectId IdNumber(uint64_t number) {
  ObjectId id;
  for (int i = 7; i >= 0; --i) {
    id.data()[i] = static_cast<char>(number & 0xff);
    number >>= 8;
  }
  return id;
}

uint64_t NumberOf(const ObjectId& id) {
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) {
    number = number << 8 | static_cast<unsigned char>(id.data()[i]);
  }
  return number;
}

PutRegistration RegistrationOf(const MailboxAddress& mailbox, uint64_t number,
                               uint64_t time_ms) {
  return {.mailbox = mailbox,
          .id = IdNumber(number),
          .timestamp_ms = time_ms,
          .proof_nonce = 1,
          .proof = "proof"};
}

PutMessage MessageOf(const MailboxAddress& mailbox, uint64_t number,
                     size_t bytes, uint64_t expiry_ms, Origin origin) {
  return {.mailbox = mailbox,
          .ns = MessagesOf(mailbox),
          .id = IdNumber(number),
          .payload = std::string(bytes, 'p'),
          .expiry_ms = expiry_ms,
          .proof = "proof",
          .origin = origin};
}

DeleteMessages DeletionOf(const MailboxAddress& mailbox, uint64_t number,
                          uint64_t time_ms, uint64_t effective_ms,
                          const std::vector<uint64_t>& messages,
                          Origin origin) {
  DeleteMessages order{.terms = {.mailbox = mailbox,
                                 .ns = MessagesOf(mailbox),
                                 .timestamp_ms = time_ms,
                                 .nonce = {},
                                 .effective_ms = effective_ms,
                                 .ids = {}},
                       .order_id = IdNumber(number),
                       .proof = "proof",
                       .origin = origin};
  order.terms.ids.reserve(messages.size());
  for (const uint64_t message : messages) {
    order.terms.ids.push_back(IdNumber(message));
  }
  return order;
}

PurgeMessages PurgeOf(const MailboxAddress& mailbox, uint64_t number,
                      uint64_t until_ms, Origin origin) {
  return {.terms = {.mailbox = mailbox,
                    .ns = MessagesOf(mailbox),
                    .expiry_until_ms = until_ms,
                    .timestamp_ms = until_ms,
                    .nonce = {}},
          .order_id = IdNumber(number),
          .proof = "proof",
          .origin = origin};
}

PutRecord RecordOf(const MailboxAddress& mailbox, MailboxNamespace ns,
                   uint64_t number, int key, uint64_t seq, Origin origin) {
  return {.mailbox = mailbox,
          .ns = ns,
          .id = IdNumber(number),
          .record = {.key = *RecordKey::FromBytes(
                         std::string(RecordKey::kSize, static_cast<char>(key))),
                     .seq = seq,
                     .body = "body",
                     .owner_key = {},
                     .signature = {}},
          .origin = origin};
}

}  // namespace messenger::swarm
