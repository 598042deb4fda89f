// Replays what an independent model has written (tools/session_model): given
// the same randomness, every byte and every refusal is the same.
// testdata/session_vectors.txt is one conversation, testdata/session_scenes.txt
// the rules that it does not reach, and what has to be refused.

#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/session/identity_record.h"
#include "client/session/prekey_record.h"
#include "client/session/session.h"
#include "client/session/testing/scripted_random.h"
#include "client/session/testing/session_world.h"
#include "client/session/testing/test_party.h"
#include "crypto/base/bytes.h"
#include "crypto/base/hex.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/hash/hash.h"
#include "crypto/identity/account_keys.h"
#include "crypto/identity/recovery_phrase.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;

std::map<std::string, std::string> ReadVectors() {
  std::map<std::string, std::string> values;
  std::ifstream file("client/session/testdata/session_vectors.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t sign = line.find(" = ");
    values[line.substr(0, sign)] =
        crypto::HexDecode(line.substr(sign + 3)).value();
  }
  return values;
}

class SessionVectorsTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_GT(vectors_.size(), 100u); }

  const std::string& Vector(const std::string& name) {
    const auto found = vectors_.find(name);
    EXPECT_NE(found, vectors_.end()) << name;
    return found->second;
  }
  bool Has(const std::string& name) { return vectors_.count(name) > 0; }

  absl::Time Start() {
    crypto::ByteReader in(Vector("start_ms"));
    return absl::FromUnixMillis(static_cast<int64_t>(in.U64()));
  }

  TestParty Party(const std::string& name, absl::string_view random) {
    ScriptedRandom prekey_random(random);
    return TestParty(
        crypto::AccountKeys::FromSeed(
            crypto::AccountSeed::FromBytes(Vector(name + ".seed")).value()),
        DeviceKeys::Parse(Vector(name + ".device_keys")).value(), prekey_random,
        Start());
  }

  std::map<std::string, std::string> vectors_ = ReadVectors();
};

TEST_F(SessionVectorsTest, RecordsAreByteForByteThoseOfTheModel) {
  const TestParty alice = Party("alice", std::string(72, '\x40'));
  const TestParty bob = Party("bob", Vector("bob.prekey_random"));
  EXPECT_EQ(alice.account.id().bytes(), Vector("alice.account_id"));
  EXPECT_EQ(alice.identity.bytes(), Vector("alice.identity_record"));
  EXPECT_EQ(alice.identity.hash().bytes(), Vector("alice.identity_hash"));
  EXPECT_EQ(bob.account.id().bytes(), Vector("bob.account_id"));
  EXPECT_EQ(bob.identity.bytes(), Vector("bob.identity_record"));
  EXPECT_EQ(bob.prekey.bytes(), Vector("bob.prekey_record"));
  EXPECT_EQ(bob.prekey.hash().bytes(), Vector("bob.prekey_hash"));
}

TEST_F(SessionVectorsTest, AConversationIsByteForByteThatOfTheModel) {
  const TestParty parties[2] = {
      Party("alice", std::string(72, '\x40')),
      Party("bob", Vector("bob.prekey_random")),
  };
  ScriptedRandom initiate_random(Vector("initiate.random"));
  absl::StatusOr<Session> initiated =
      Initiate(parties[0].self(), parties[1].identity, parties[1].prekey,
               InitiateOptions(), Start(), initiate_random);
  ASSERT_THAT(initiated, IsOk());
  EXPECT_EQ(initiate_random.remaining(), 0u);
  EXPECT_EQ(initiated->id().bytes(), Vector("initiate.session_id"));

  std::optional<Session> sessions[2];
  sessions[0] = *std::move(initiated);
  std::map<uint8_t, std::string> blobs;
  int sealed = 0;
  int opened = 0;
  for (int step = 0; step < 1000; ++step) {
    const std::string prefix = absl::StrFormat("step.%03d", step);
    if (Has(prefix + ".seal")) {
      const auto who = static_cast<size_t>(Vector(prefix + ".seal")[0]);
      ASSERT_TRUE(sessions[who].has_value());
      ScriptedRandom random(Vector(prefix + ".random"));
      const std::string blob =
          MustEncrypt(*sessions[who], Vector(prefix + ".content"), random);
      EXPECT_EQ(random.remaining(), 0u);
      ASSERT_EQ(crypto::Sha256(blob).bytes(), Vector(prefix + ".sha256"))
          << prefix;
      if (Has(prefix + ".blob")) {
        ASSERT_EQ(blob, Vector(prefix + ".blob"));
      }
      if (step == 0) {
        EXPECT_EQ(blob.substr(0, Vector("initiate.handshake").size()),
                  Vector("initiate.handshake"));
      }
      blobs[static_cast<uint8_t>(step)] = blob;
      ++sealed;
    } else if (Has(prefix + ".open")) {
      const std::string& open = Vector(prefix + ".open");
      const auto who = static_cast<size_t>(open[0]);
      const std::string& blob = blobs[static_cast<uint8_t>(open[1])];
      const std::string& expected = Vector(prefix + ".content");
      absl::StatusOr<std::string> content;
      if (sessions[who].has_value()) {
        content = Receive(*sessions[who], blob, parties[who], Start());
      } else {
        absl::StatusOr<Accepted> accepted =
            Accept(parties[who].self(), parties[who].prekeys, blob, Start());
        ASSERT_THAT(accepted, IsOk()) << prefix;
        EXPECT_EQ(accepted->session.id().bytes(),
                  Vector("initiate.session_id"));
        sessions[who] = std::move(accepted->session);
        content = std::move(accepted->content);
      }
      if (expected[0] == 0) {
        EXPECT_FALSE(content.ok()) << prefix;
      } else {
        ASSERT_THAT(content, IsOk()) << prefix;
        EXPECT_EQ(*content, expected.substr(1)) << prefix;
      }
      ++opened;
    } else {
      break;
    }
  }
  EXPECT_GE(sealed, 20);
  EXPECT_GE(opened, 20);
  EXPECT_TRUE(sessions[0]->pq_mutually_authenticated());
  EXPECT_TRUE(sessions[1]->pq_mutually_authenticated());
}

using Scenes = std::map<std::string, std::vector<std::string>>;

const Scenes& AllScenes() {
  static const Scenes* const scenes = [] {
    auto* const read = new Scenes;
    std::vector<std::string>* scene = nullptr;
    std::ifstream file("client/session/testdata/session_scenes.txt");
    for (std::string line; std::getline(file, line);) {
      if (line.empty() || line[0] == '#') continue;
      const WorldEvent event = WorldEvent::Parse(line);
      if (event.verb == "schedule") {
        scene = &(*read)[event.String("scene")];
      } else {
        scene->push_back(line);
      }
    }
    return read;
  }();
  return *scenes;
}

std::vector<std::string> SceneNames() {
  std::vector<std::string> names;
  for (const auto& [name, lines] : AllScenes()) names.push_back(name);
  return names;
}

class SessionScenesTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SessionScenesTest, EveryEventEndsAsInTheModel) {
  SessionWorld world;
  for (const std::string& line : AllScenes().at(GetParam())) {
    const std::pair<std::string, std::string> sides =
        absl::StrSplit(line, absl::MaxSplits(" -> ", 1));
    const WorldEvent event = WorldEvent::Parse(sides.first);
    // Of messages that nobody sees the nonces are zero.
    ScriptedRandom random(event.verb == "lose"
                              ? std::string(24 * event.Number("count"), '\0')
                              : event.Bytes("random"));
    ASSERT_EQ(world.Apply(event, random), sides.second)
        << sides.first.substr(0, 200);
    ASSERT_EQ(random.remaining(), 0u) << sides.first.substr(0, 200);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SessionScenesTest,
                         ::testing::ValuesIn(SceneNames()),
                         [](const auto& scene) {
                           return std::string(scene.param);
                         });

TEST(SessionSceneFileTest, ThereAreScenes) {
  EXPECT_GE(AllScenes().size(), 12u);
}

}  // namespace
}  // namespace messenger::client
