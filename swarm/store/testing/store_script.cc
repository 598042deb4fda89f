#include "swarm/store/testing/store_script.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/registration.h"
#include "swarm/auth/request_auth.h"

namespace messenger::swarm {
namespace {

constexpr char kMailboxes[] = {'a', 'b'};
constexpr MailboxNamespace kMessages = MailboxNamespace::kInbox;
constexpr MailboxNamespace kRecords = MailboxNamespace::kPrekeyRecords;
constexpr uint64_t kMessageIds = 40;
constexpr uint64_t kRecordKeys = 4;
constexpr size_t kNoRowLimit = 1'000'000;
constexpr size_t kNoByteLimit = size_t{1} << 30;
constexpr uint64_t kHourMs = 3'600'000;
constexpr uint64_t kFillShards = 5;

MailboxAddress Mailbox(char name) {
  return *MailboxAddress::FromBytes("\x05" + std::string(32, name));
}

MailboxAddress DrawMailbox(crypto::Random& random) {
  return Mailbox(kMailboxes[random.Uniform(std::size(kMailboxes))]);
}

// Of a length that the number fixes: most fit a page, some need several.
std::string Payload(uint64_t number) {
  const size_t length = number % 10 == 0 ? 9'000 + number * 7 : number * 23;
  return absl::StrCat(number, "/", std::string(length, 'p'));
}

PutMessage DrawMessage(uint64_t now_ms, crypto::Random& random) {
  PutMessage put{.mailbox = DrawMailbox(random),
                 .ns = kMessages,
                 .id = {},
                 .payload = Payload(random.Uniform(kMessageIds)),
                 .expiry_ms = now_ms + 1 + random.Uniform(20 * kHourMs),
                 .proof = std::string(128, 's')};
  put.id = ComputeMessageId(put.mailbox, put.ns, put.payload);
  return put;
}

DeleteMessages DrawDeletion(uint64_t now_ms, crypto::Random& random) {
  DeleteTerms terms{.mailbox = DrawMailbox(random),
                    .ns = kMessages,
                    .timestamp_ms = now_ms,
                    .nonce = random.Fixed<RequestNonce>(),
                    .effective_ms = random.Uniform(3) > 0
                                        ? 0
                                        : now_ms + random.Uniform(9 * kHourMs),
                    .ids = {}};
  for (uint64_t n = random.Uniform(4) + 1; n > 0; --n) {
    terms.ids.push_back(ComputeMessageId(terms.mailbox, terms.ns,
                                         Payload(random.Uniform(kMessageIds))));
  }
  const ObjectId id = DeletionId(terms);
  return {
      .terms = std::move(terms), .order_id = id, .proof = std::string(96, 'd')};
}

PurgeMessages DrawPurge(uint64_t now_ms, crypto::Random& random) {
  const PurgeTerms terms{
      .mailbox = DrawMailbox(random),
      .ns = kMessages,
      .expiry_until_ms = now_ms + 1 + random.Uniform(2 * kHourMs),
      .timestamp_ms = now_ms,
      .nonce = random.Fixed<RequestNonce>()};
  return {.terms = terms,
          .order_id = PurgeId(terms),
          .proof = std::string(96, 'p')};
}

PutRegistration Registration(const MailboxAddress& mailbox, uint64_t now_ms) {
  const RegistrationTerms terms{.mailbox = mailbox, .timestamp_ms = now_ms};
  return {.mailbox = mailbox,
          .id = RegistrationId(terms),
          .timestamp_ms = now_ms,
          .proof_nonce = 0,
          .proof = std::string(96, 'r')};
}

routing::NodeId Peer() {
  return *routing::NodeId::FromBytes(std::string(32, 'n'));
}

PutHints DrawHint(uint64_t now_ms, crypto::Random& random) {
  return {.peer = Peer(),
          .items = {{ItemKind::kMessage, static_cast<Shard>(random.Uniform(9)),
                     random.Fixed<ObjectId>()}},
          .until_ms = now_ms + 1 + random.Uniform(5 * kHourMs)};
}

PutRecord DrawRecord(crypto::Random& random) {
  PutRecord put{
      .mailbox = DrawMailbox(random),
      .ns = kRecords,
      .id = {},
      .record = {.key = *RecordKey::FromBytes(std::string(
                     16, static_cast<char>('k' + random.Uniform(kRecordKeys)))),
                 .seq = random.Uniform(30),
                 .body = std::string(random.Uniform(900), 'r'),
                 .owner_key = {},
                 .signature = {}}};
  put.id = RecordId(put.mailbox, put.ns, put.record);
  return put;
}

StoreOp DrawOp(uint64_t now_ms, crypto::Random& random) {
  switch (random.Uniform(20)) {
    case 0:
    case 1:
    case 2:
      return DrawDeletion(now_ms, random);
    case 3:
    case 4:
      return DrawRecord(random);
    case 5:
      return DrawPurge(now_ms, random);
    case 6:
      return Registration(DrawMailbox(random), now_ms);
    case 7:
      return DrawHint(now_ms, random);
    case 8:
      return SetFill{
          .shards = {{static_cast<Shard>(random.Uniform(kFillShards)),
                      random.Uniform(3)}}};
    default:
      return DrawMessage(now_ms, random);
  }
}

template <typename Visit>
absl::Status ForEachMessage(const MessageStore& store, Visit visit) {
  for (const char name : kMailboxes) {
    const StoreState::Box box(Mailbox(name), kMessages);
    ASSIGN_OR_RETURN(const MessagePage page,
                     store.List(box.first, box.second, /*after_seq=*/0,
                                /*now_ms=*/0, kNoRowLimit, kNoByteLimit));
    for (const StoredMessage& message : page.messages) {
      RETURN_IF_ERROR(visit(box, message));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<StoreStep> DrawStoreScript(size_t steps, crypto::Random& random) {
  std::vector<StoreStep> script;
  uint64_t now_ms = 1'900'000'000'000;
  ApplyOps registrations{.ops = {}, .now_ms = now_ms};
  for (const char name : kMailboxes) {
    registrations.ops.push_back(Registration(Mailbox(name), now_ms));
  }
  script.push_back(std::move(registrations));
  while (script.size() < steps) {
    now_ms += random.Uniform(kHourMs);
    const uint64_t kind = random.Uniform(25);
    if (kind == 0) {
      script.push_back(ReopenStore());
    } else if (kind < 3) {
      script.emplace_back(ExpireBefore{.now_ms = now_ms});
    } else {
      ApplyOps ops{.ops = {}, .now_ms = now_ms};
      for (uint64_t n = random.Uniform(3) + 1; n > 0; --n) {
        ops.ops.push_back(DrawOp(now_ms, random));
      }
      script.push_back(std::move(ops));
    }
  }
  return script;
}

absl::StatusOr<StepResult> DoStep(const StoreStep& step, MessageStore& store) {
  StepResult result;
  if (const auto* ops = std::get_if<ApplyOps>(&step)) {
    ASSIGN_OR_RETURN(result.ops, store.Apply(ops->ops, ops->now_ms));
  } else if (const auto* expire = std::get_if<ExpireBefore>(&step)) {
    ASSIGN_OR_RETURN(result.expired, store.Expire(expire->now_ms, kNoRowLimit));
  }
  return result;
}

absl::StatusOr<StoreState> ReadState(const MessageStore& store) {
  StoreState state;
  uint64_t messages = 0;
  uint64_t records = 0;
  RETURN_IF_ERROR(ForEachMessage(
      store,
      [&](const StoreState::Box& box,
          const StoredMessage& message) -> absl::Status {
        if (ComputeMessageId(box.first, box.second, message.payload) !=
            message.id) {
          return absl::InternalError("a message under the id of another");
        }
        state.messages[box].push_back({.id = message.id,
                                       .payload = message.payload,
                                       .expiry_ms = message.expiry_ms});
        ++messages;
        return absl::OkStatus();
      }));
  for (const char name : kMailboxes) {
    const StoreState::Box box(Mailbox(name), kRecords);
    ASSIGN_OR_RETURN(std::vector<Record> found,
                     store.Records(box.first, box.second));
    records += found.size();
    state.records[box] = std::move(found);
  }
  ASSIGN_OR_RETURN(const StoreTotals totals, store.Totals());
  if (totals.messages != messages || totals.records != records) {
    return absl::InternalError("totals that do not count what is there");
  }
  state.tombstones = totals.tombstones;
  state.deletions = totals.deletions;
  state.registrations = totals.registrations;
  state.hints = totals.hints;
  for (const Shard shard : store.Shards()) {
    for (const WindowSummary& window : store.Windows(shard, /*from_ms=*/0)) {
      SetDigest again;
      ASSIGN_OR_RETURN(const std::vector<ItemEntry> entries,
                       store.Entries(shard, window.window));
      for (const ItemEntry& entry : entries) again.Add(entry);
      if (again != window.digest || entries.size() != window.count) {
        return absl::InternalError("a digest that is not of what is there");
      }
      state.digests[{shard, window.window}] = window.digest.ToBytes();
    }
  }
  for (Shard shard = 0; shard < kFillShards; ++shard) {
    state.filled[shard] = store.FilledIn(shard);
  }
  return state;
}

absl::StatusOr<std::map<uint64_t, MessageId>> ReadNumbers(
    const MessageStore& store) {
  std::map<uint64_t, MessageId> numbers;
  RETURN_IF_ERROR(ForEachMessage(
      store, [&](const StoreState::Box&, const StoredMessage& message) {
        numbers.emplace(message.seq, message.id);
        return absl::OkStatus();
      }));
  return numbers;
}

}  // namespace messenger::swarm
