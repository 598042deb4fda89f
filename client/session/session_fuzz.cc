// Everything of a session that reads bytes from others or from storage. The
// first byte chooses the reader; the rest is its input, or for the structured
// readers a list of edits of valid bytes: position (u16), value to xor (u8).

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "client/session/padding.h"
#include "client/session/prekey_record.h"
#include "client/session/prekey_secrets.h"
#include "client/session/session.h"
#include "client/session/testing/test_party.h"
#include "crypto/base/bytes.h"
#include "crypto/random/testing/seeded_random.h"

namespace messenger::client {
namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

// Alice has written twice to Bob, who has read the first.
struct World {
  crypto::SeededRandom random{1};
  TestParty alice{random};
  TestParty bob{random};
  Session alices = MustInitiate(alice, bob, random);
  std::string first = MustEncrypt(alices, "first", random);
  std::string second = MustEncrypt(alices, "second", random);
  Session bobs =
      Accept(bob.self(), bob.prekeys, first, kTestNow).value().session;
  std::string answer = MustEncrypt(bobs, "answer", random);
};

const World& TheWorld() {
  static const World* const world = new World;
  return *world;
}

std::string Edited(std::string bytes, absl::string_view edits) {
  crypto::ByteReader in(edits);
  while (in.remaining() >= 3) {
    const size_t position = in.U16();
    const uint8_t value = in.U8();
    if (position < bytes.size()) {
      bytes[position] = static_cast<char>(bytes[position] ^ value);
    }
  }
  return bytes;
}

std::string InBucket(absl::string_view bytes) {
  std::string blob(bytes);
  blob.resize(bytes.size() <= 4096 ? 4096 : 8192, '\0');
  return blob;
}

// Whatever could be read from storage can be used.
void Use(const Session& session) {
  const World& world = TheWorld();
  crypto::SeededRandom random(2);
  const auto encrypted = session.Encrypt("content", random);
  if (encrypted.ok()) Check(IsBucketSize(encrypted->blob.size()));
  for (const std::string& blob : {world.first, world.second, world.answer}) {
    (void)session.Decrypt(blob, kTestNow, world.bob.kem);
    (void)session.Decrypt(blob, kTestNow, world.alice.kem);
  }
  const std::string bytes = session.Serialize();
  const auto again = Session::Parse(bytes);
  Check(again.ok() && again->Serialize() == bytes);
}

void Run(uint8_t reader, absl::string_view input) {
  const World& world = TheWorld();
  switch (reader % 10) {
    case 0: {
      const std::string blob = InBucket(input);
      const auto accepted =
          Accept(world.bob.self(), world.bob.prekeys, blob, kTestNow);
      Check(!accepted.ok() || blob == world.first || blob == world.second);
      return;
    }
    case 1: {
      const std::string blob = Edited(world.second, input);
      const auto accepted =
          Accept(world.bob.self(), world.bob.prekeys, blob, kTestNow);
      Check(accepted.ok() == (blob == world.second));
      return;
    }
    case 2:
      Check(!world.bobs.Decrypt(InBucket(input), kTestNow, world.bob.kem).ok());
      return;
    case 3: {
      const std::string blob = Edited(world.second, input);
      Check(world.bobs.Decrypt(blob, kTestNow, world.bob.kem).ok() ==
            (blob == world.second));
      return;
    }
    case 4: {
      const std::string blob = Edited(world.answer, input);
      Check(world.alices.Decrypt(blob, kTestNow, world.alice.kem).ok() ==
            (blob == world.answer));
      return;
    }
    case 5: {
      const std::string& genuine = world.alice.identity.bytes();
      Check(!IdentityRecord::Verify(input).ok() || input == genuine);
      const std::string edited = Edited(genuine, input);
      Check(IdentityRecord::Verify(edited).ok() == (edited == genuine));
      return;
    }
    case 6: {
      const std::string& genuine = world.bob.prekey.bytes();
      const std::string edited = Edited(genuine, input);
      Check(PrekeyRecord::Verify(edited, world.bob.identity, kTestNow).ok() ==
            (edited == genuine));
      (void)PrekeyRecord::Verify(input, world.bob.identity, kTestNow);
      return;
    }
    case 7: {
      const auto secrets = PrekeySecrets::Parse(input);
      Check(!secrets.ok() || secrets->Serialize() == input);
      const std::string edited = Edited(world.bob.prekeys.Serialize(), input);
      const auto parsed = PrekeySecrets::Parse(edited);
      if (parsed.ok()) {
        (void)Accept(world.bob.self(), *parsed, world.first, kTestNow);
      }
      (void)DeviceKeys::Parse(input);
      return;
    }
    case 8: {
      for (const Session* session : {&world.alices, &world.bobs}) {
        const auto parsed = Session::Parse(Edited(session->Serialize(), input));
        if (parsed.ok()) Use(*parsed);
      }
      return;
    }
    case 9: {
      const auto parsed = Session::Parse(input);
      if (parsed.ok()) Use(*parsed);
      (void)Unpad(input);
      return;
    }
  }
}

}  // namespace
}  // namespace messenger::client

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  messenger::client::Run(
      data[0],
      absl::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
