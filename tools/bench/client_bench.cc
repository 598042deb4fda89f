// What a client's person waits for: handshakes and messages of a session,
// unlocking, a start and searches with 100,000 messages.
//
//   client_bench [FOLDER]
//
// Its files go to a new folder in FOLDER (default: that of temporary files),
// which is deleted. Sessions are measured in CPU time of one thread, the rest
// on the wall clock, with files in the cache of the system.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "client/messenger/content.h"
#include "client/messenger/messenger.h"
#include "client/messenger/pairwise_mailbox.h"
#include "client/messenger/testing/in_memory_mail_service.h"
#include "client/session/session.h"
#include "client/session/testing/test_party.h"
#include "client/store/client_store.h"
#include "client/store/device_secret.h"
#include "client/store/keyslot.h"
#include "crypto/aead/committing_aead.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/identity/account_id.h"
#include "crypto/identity/account_keys.h"
#include "crypto/kem/mlkem768.h"
#include "crypto/pwhash/argon2id.h"
#include "crypto/random/random.h"
#include "crypto/random/system_random.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/sqlite/database.h"
#include "routing/runtime/system_clock.h"
#include "tools/bench/measure.h"
#include "tools/bench/report.h"

namespace messenger::bench {
namespace {

constexpr int kRounds = 21;
constexpr absl::Duration kSlice = absl::Milliseconds(8);
constexpr int kPinRounds = 5;
constexpr int kStoreRounds = 15;

constexpr int kMessages = 100'000;
constexpr int kConversations = 50;
constexpr int kShortConversation = 10;
constexpr int kWordsOfText = 12;
constexpr int kVocabulary = 20'000;
// Every tenth text has the one, every ten-thousandth the other.
constexpr char kFrequentWord[] = "tomorrow";
constexpr char kRareWord[] = "xylophone";
constexpr int kShown = 100;  // what a front end asks for at once

[[noreturn]] void Fail(const absl::Status& status) {
  std::fprintf(stderr, "client_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

void Check(const absl::Status& status) {
  if (!status.ok()) Fail(status);
}

template <typename T>
T Must(absl::StatusOr<T> result) {
  if (!result.ok()) Fail(result.status());
  return *std::move(result);
}

std::string Microseconds(double seconds) {
  return absl::StrFormat("%.1f us", seconds * 1e6);
}
std::string Milliseconds(double seconds) {
  return absl::StrFormat("%.1f ms", seconds * 1e3);
}

double Seconds(const std::function<void()>& work) {
  const double start = WallSeconds();
  work();
  return WallSeconds() - start;
}

// --------------------------------------------------------------- sessions --

void MeasureSessions(crypto::Random& random, Report& report) {
  const client::TestParty ada(random);
  const client::TestParty ben(random);
  const std::string text(200, 'x');
  const auto initiate = [&] { return client::MustInitiate(ada, ben, random); };
  client::Session adas = initiate();
  const std::string first = client::MustEncrypt(adas, text, random);
  const auto accept = [&] {
    return Must(
        client::Accept(ben.self(), ben.prekeys, first, client::kTestNow));
  };
  const auto read = [&](const client::Session& session, absl::string_view blob,
                        const client::TestParty& reader) {
    return Must(session.Decrypt(blob, client::kTestNow, reader.kem));
  };
  // Ben answers, Ada reads: what she writes next changes the direction, and
  // what she writes after that does not.
  client::Session bens = accept().session;
  adas = read(adas, client::MustEncrypt(bens, text, random), ada).next;
  client::Session turned = adas.Clone();
  const std::string turn = client::MustEncrypt(turned, text, random);
  client::Session bens_turned = read(bens, turn, ben).next;
  client::Session further = turned.Clone();
  const std::string chained = client::MustEncrypt(further, text, random);

  const auto x25519 = crypto::X25519PrivateKey::Generate(random);
  const auto kem = crypto::MlKem768PrivateKey::Generate(random);
  const auto encapsulated =
      Must(crypto::MlKem768Encapsulate(kem.public_key(), random));
  const crypto::SecretBytes<32> key = random.Secret<32>();
  const std::string bucket(chained.size(), 'x');
  const std::string sealed = crypto::CommittingSeal(key, "", bucket);

  const std::vector<Rounds> taken = Race(
      {[&] { benchmark::DoNotOptimize(x25519.Agree(x25519.public_key())); },
       [&] {
         benchmark::DoNotOptimize(
             crypto::MlKem768Encapsulate(kem.public_key(), random));
       },
       [&] {
         benchmark::DoNotOptimize(kem.Decapsulate(encapsulated.ciphertext));
       },
       [&] { benchmark::DoNotOptimize(initiate()); },
       [&] { benchmark::DoNotOptimize(accept()); },
       [&] { benchmark::DoNotOptimize(adas.Encrypt(text, random)); },
       [&] { benchmark::DoNotOptimize(read(bens, turn, ben)); },
       [&] {
         benchmark::DoNotOptimize(crypto::CommittingSeal(key, "", bucket));
       },
       [&] {
         benchmark::DoNotOptimize(crypto::CommittingOpen(key, "", sealed));
       },
       [&] { benchmark::DoNotOptimize(turned.Encrypt(text, random)); },
       [&] { benchmark::DoNotOptimize(read(bens_turned, chained, ben)); }},
      kRounds, kSlice);
  enum {
    kX25519,
    kEncapsulate,
    kDecapsulate,
    kInitiate,
    kAccept,
    kTurnOut,
    kTurnIn,
    kSeal,
    kOpen,
    kEncrypt,
    kDecrypt
  };

  // One of each: what a single hybrid agreement costs either side.
  Rounds giving;
  Rounds taking;
  for (int i = 0; i < kRounds; ++i) {
    giving.push_back(taken[kX25519][i] + taken[kEncapsulate][i]);
    taking.push_back(taken[kX25519][i] + taken[kDecapsulate][i]);
  }
  const auto add = [&](const char* what, const Rounds& of, const Rounds& to,
                       absl::string_view limit) {
    report.Add(
        {.what = what,
         .measured = Microseconds(Median(of)),
         .limit = absl::StrCat(Microseconds(Median(to)), " (", limit, ")"),
         .ratio = absl::StrFormat("%.2f", MedianRatio(of, to))});
  };
  const char kGiving[] = "X25519 + ML-KEM encapsulation";
  const char kTaking[] = "X25519 + ML-KEM decapsulation";
  add("handshake, its sender (Initiate)", taken[kInitiate], giving, kGiving);
  add("handshake, its reader, with the first text (Accept)", taken[kAccept],
      taking, kTaking);
  add("text that changes direction, sealed", taken[kTurnOut], giving, kGiving);
  add("text that changes direction, opened", taken[kTurnIn], taking, kTaking);
  add("text within a chain, sealed", taken[kEncrypt], taken[kSeal],
      absl::StrCat("sealing its ", bucket.size(), " bytes"));
  add("text within a chain, opened", taken[kDecrypt], taken[kOpen],
      absl::StrCat("opening its ", bucket.size(), " bytes"));
}

// -------------------------------------------------------------------- PIN --

void MeasurePin(const std::string& folder, crypto::Random& random,
                Report& report) {
  const routing::Clock& clock = routing::SystemClock();
  std::filesystem::create_directory(folder);
  auto device_secret = client::FileDeviceSecret::AtPath(folder + "-secret");
  const client::DeviceSecretPlaces places = {&device_secret};
  client::PinPolicy policy;
  policy.use_device_secret = true;
  constexpr char kPin[] = "482916";
  Must(client::CreateKeyslot(folder, kPin, policy, places, random));
  const auto salt = random.Fixed<crypto::Argon2Salt>();

  Rounds argon2;
  Rounds unlock;
  Rounds change;
  for (int i = 0; i < kPinRounds; ++i) {
    argon2.push_back(Seconds([&] {
      Must(crypto::Argon2id(kPin, salt, policy.cost.passes,
                            uint64_t{policy.cost.memory_kib} * 1024));
    }));
    unlock.push_back(Seconds([&] {
      Must(client::OpenKeyslot(folder, kPin, places, clock, random));
    }));
    change.push_back(Seconds([&] {
      Check(client::ChangeKeyslotPin(folder, kPin, kPin, policy, places, clock,
                                     random));
    }));
  }
  const std::string limit = absl::StrFormat(
      "%.0f ms (Argon2id, %d MiB, %d passes)", Median(argon2) * 1e3,
      policy.cost.memory_kib / 1024, policy.cost.passes);
  report.Add({.what = "unlocking with a PIN",
              .measured = Milliseconds(Median(unlock)),
              .limit = limit,
              .ratio = absl::StrFormat("%.2f", MedianRatio(unlock, argon2))});
  report.Add({.what = "another PIN",
              .measured = Milliseconds(Median(change)),
              .limit = limit,
              .ratio = absl::StrFormat("%.2f", MedianRatio(change, argon2))});
}

// --------------------------------------------------------------- messages --

// The same messages in the client's database and in one with the same tables
// and no encryption.
class Messages {
 public:
  Messages(const std::string& folder, crypto::Random& random)
      : folder_(folder), random_(random), plain_path_(folder + "/plain.db") {
    std::filesystem::create_directory(folder);
    for (int i = 0; i < kConversations; ++i) {
      peers_.push_back(crypto::AccountKeys::Generate(random).id());
    }
  }

  // Makes both databases.
  void Fill(int count) {
    std::unique_ptr<client::ClientStore> store =
        Must(client::ClientStore::Open(folder_, key_));
    Check(client::Messenger::CreateAccount(
        *store, crypto::AccountKeys::Generate(random_), /*restored=*/false,
        "Ada", client::kTestNow, random_));
    std::unique_ptr<sqlite::Database> plain = OpenPlain();
    Check(client::ClientStore::Migrate(*plain,
                                       client::ClientStore::kSchemaVersion));
    for (const crypto::AccountId& peer : peers_) {
      client::Contact contact(peer);
      contact.added = contact.standing_since = client::kTestNow;
      contact.incoming_mailbox =
          client::IncomingMailbox::Generate(random_).Serialize();
      Check(store->PutContact(contact));
    }
    constexpr int kGroup = 1000;
    for (int at = 0; at < count; at += kGroup) {
      std::vector<client::Message> group;
      for (int i = at; i < at + kGroup; ++i) group.push_back(SomeMessage(i));
      Check(store->Transaction([&]() -> absl::Status {
        for (const client::Message& message : group) {
          Must(store->AddMessage(message));
        }
        return absl::OkStatus();
      }));
      Check(plain->Transaction([&] { return AddPlain(*plain, group); }));
    }
  }

  std::unique_ptr<client::ClientStore> Open() {
    return Must(client::ClientStore::Open(folder_, key_));
  }
  std::unique_ptr<sqlite::Database> OpenPlain() {
    sqlite::Database::Options options;
    options.exclusive = true;
    return Must(sqlite::Database::Open(plain_path_, options));
  }

  // As ClientStore::Search() and Messages() ask.
  static size_t SearchPlain(sqlite::Database& plain, absl::string_view word) {
    sqlite::Statement* query = Must(plain.Prepared(
        "SELECT row, messages.text FROM message_words JOIN messages "
        "ON row=message_words.rowid WHERE message_words MATCH ? "
        "ORDER BY message_words.rowid DESC LIMIT ?"));
    query->BindText(1, absl::StrCat("\"", word, "\"*")).BindInt(2, kShown);
    return Rows(*query);
  }
  static size_t NewestPlain(sqlite::Database& plain) {
    sqlite::Statement* query = Must(plain.Prepared(
        "SELECT row, text FROM messages ORDER BY row DESC LIMIT ?"));
    query->BindInt(1, kShown);
    return Rows(*query);
  }

  const crypto::AccountId& peer() const { return peers_.front(); }
  const crypto::AccountId& seldom_peer() const { return peers_.back(); }

 private:
  static size_t Rows(sqlite::Statement& query) {
    size_t rows = 0;
    while (Must(query.Step())) {
      benchmark::DoNotOptimize(query.Text(1));
      ++rows;
    }
    return rows;
  }

  // Words as they come in life: few of them often, most of them seldom.
  std::string SomeText(int number) {
    std::string text;
    for (int i = 0; i < kWordsOfText; ++i) {
      const double drawn = random_.UnitDouble();
      absl::StrAppend(&text, "w",
                      static_cast<int>(drawn * drawn * drawn * kVocabulary),
                      " ");
    }
    if (number % 10 == 0) absl::StrAppend(&text, kFrequentWord, " ");
    if (number % 10'000 == 5'000) absl::StrAppend(&text, kRareWord);
    return text;
  }

  client::Message SomeMessage(int number) {
    // All but one of the conversations are equally long.
    client::Message message(number % (kMessages / kShortConversation) == 0
                                ? peers_.back()
                                : peers_[random_.Uniform(peers_.size() - 1)]);
    message.outgoing = number % 2 == 0;
    message.message_id = random_.String(client::kMessageIdBytes);
    message.text = SomeText(number);
    message.sent = message.stored = client::kTestNow + absl::Seconds(number);
    message.state = message.outgoing ? client::MessageState::kSent
                                     : client::MessageState::kReceived;
    return message;
  }

  static absl::Status AddPlain(sqlite::Database& plain,
                               const std::vector<client::Message>& messages) {
    for (const client::Message& message : messages) {
      sqlite::Statement* insert = Must(plain.Prepared(
          "INSERT INTO messages(conversation, outgoing, message_id, text, "
          "sent_ms, stored_ms, state, detail) VALUES(?, ?, ?, ?, ?, ?, ?, "
          "'')"));
      Check(insert->BindBlob(1, message.conversation.bytes())
                .BindInt(2, message.outgoing)
                .BindBlob(3, message.message_id)
                .BindText(4, message.text)
                .BindInt(5, absl::ToUnixMillis(message.sent))
                .BindInt(6, absl::ToUnixMillis(message.stored))
                .BindInt(7, static_cast<int>(message.state))
                .Run());
    }
    return absl::OkStatus();
  }

  const std::string folder_;
  crypto::Random& random_;
  const std::string plain_path_;
  const client::DatabaseKey key_ = random_.Secret<32>();
  std::vector<crypto::AccountId> peers_;
};

// A process that opens the store, searches and reads: what a command does.
class Program {
 public:
  Program(Messages& messages, crypto::Random& random)
      : loop_(routing::SystemClock()),
        mail_(network_, loop_, random),
        store_(messages.Open()),
        messenger_(Must(client::Messenger::Open(
            {*store_, mail_, routing::SystemClock(), random, nullptr,
             /*confirms_shown=*/true}))) {}

  size_t Search(absl::string_view word) {
    return Must(store_->Search(word, kShown)).size();
  }
  size_t Newest(std::optional<crypto::AccountId> with = std::nullopt) {
    return Must(store_->Messages(with, kShown)).size();
  }

 private:
  routing::EventLoop loop_;
  client::InMemoryMail network_;
  client::InMemoryMailService mail_;
  std::unique_ptr<client::ClientStore> store_;
  std::unique_ptr<client::Messenger> messenger_;
};

// Does the work in a process of its own, and returns the peak of its memory.
double PeakMebibytes(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child < 0) Fail(absl::UnavailableError("no process"));
  if (child == 0) {
    work();
    _exit(0);
  }
  int status = 0;
  rusage usage;
  if (wait4(child, &status, 0, &usage) != child || status != 0) {
    Fail(absl::InternalError("a process of its own has failed"));
  }
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void MeasureMessages(const std::string& folder, crypto::Random& random,
                     Report& report) {
  // First, while this process is small and its children are, too.
  Messages messages(folder + "/many", random);
  Messages none(folder + "/none", random);
  PeakMebibytes([&] { messages.Fill(kMessages); });
  PeakMebibytes([&] { none.Fill(0); });
  const auto use = [&](Messages& which) {
    return PeakMebibytes([&] {
      Program program(which, random);
      program.Search(kFrequentWord);
      program.Search(kRareWord);
      program.Newest();
    });
  };
  const double peak = use(messages);
  const double least = use(none);

  struct Pair {
    Rounds ours;
    Rounds plain;
  };
  Pair start, frequent, rare, newest;
  Rounds conversation, short_one;
  const auto expect = [](size_t found, size_t least) {
    if (found < least) Fail(absl::InternalError("too few were found"));
  };
  for (int round = 0; round < kStoreRounds; ++round) {
    std::unique_ptr<Program> program;
    std::unique_ptr<sqlite::Database> plain;
    start.ours.push_back(Seconds(
        [&] { program = std::make_unique<Program>(messages, random); }));
    start.plain.push_back(Seconds([&] { plain = messages.OpenPlain(); }));
    frequent.ours.push_back(
        Seconds([&] { expect(program->Search(kFrequentWord), kShown); }));
    frequent.plain.push_back(Seconds(
        [&] { expect(Messages::SearchPlain(*plain, kFrequentWord), kShown); }));
    rare.ours.push_back(
        Seconds([&] { expect(program->Search(kRareWord), 10); }));
    rare.plain.push_back(
        Seconds([&] { expect(Messages::SearchPlain(*plain, kRareWord), 10); }));
    newest.ours.push_back(Seconds([&] { expect(program->Newest(), kShown); }));
    newest.plain.push_back(
        Seconds([&] { expect(Messages::NewestPlain(*plain), kShown); }));
    conversation.push_back(
        Seconds([&] { expect(program->Newest(messages.peer()), kShown); }));
    short_one.push_back(Seconds([&] {
      expect(program->Newest(messages.seldom_peer()), kShortConversation);
    }));
  }
  const auto add = [&](const char* what, const Pair& pair, double bar) {
    report.Add(
        {.what = what,
         .measured = Milliseconds(Median(pair.ours)),
         .limit =
             absl::StrCat(Milliseconds(Median(pair.plain)), " (plain SQLite)"),
         .ratio = absl::StrFormat("%.2f", MedianRatio(pair.ours, pair.plain)),
         .bar = bar > 0 ? absl::StrFormat("<= %.0f ms", bar * 1e3) : "-",
         .met = bar > 0 ? IsMet(Median(pair.ours) <= bar)
                        : ReportRow::Met::kNoBar});
  };
  add("start after unlocking", start, 0.300);
  add("search for a word of 10,000 texts, the newest 100", frequent, 0.050);
  add("search for a word of 10 texts", rare, 0.050);
  add("the newest 100 of all", newest, 0);
  report.Add({.what = "the newest 100 of a conversation",
              .measured = Milliseconds(Median(conversation))});
  report.Add({.what = "the 10 of a short conversation",
              .measured = Milliseconds(Median(short_one))});

  report.Add({.what = "memory of start, searches and reading, at the peak",
              .measured = absl::StrFormat("%.1f MiB", peak),
              .limit = absl::StrFormat("%.1f MiB (without a message)", least),
              .ratio = absl::StrFormat("%.2f", peak / least)});
}

int Main(int argc, char** argv) {
  const std::filesystem::path parent =
      argc > 1 ? argv[1] : std::filesystem::temp_directory_path();
  std::string folder = (parent / "client_bench.XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) {
    Fail(absl::UnavailableError("no folder for the files"));
  }
  crypto::Random& random = crypto::SystemRandom();
  Report messages;
  MeasureMessages(folder, random, messages);
  Report sessions;
  MeasureSessions(random, sessions);
  Report pin;
  MeasurePin(folder + "/pin", random, pin);
  std::filesystem::remove_all(folder);
  std::printf("%s\n%s\n%s",
              sessions.ToText("Sessions (CPU time of one thread)").c_str(),
              pin.ToText("PIN (wall clock)").c_str(),
              messages
                  .ToText(absl::StrCat("A client with ", kMessages,
                                       " messages (wall clock)"))
                  .c_str());
  return 0;
}

}  // namespace
}  // namespace messenger::bench

int main(int argc, char** argv) { return messenger::bench::Main(argc, argv); }
