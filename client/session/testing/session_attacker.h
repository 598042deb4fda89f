// Somebody who has recorded all blobs of a conversation and holds stolen or
// broken keys. Tries every way that client/SPEC.md, sections 3 and 4, leads
// from those keys to a message, in both directions and in any order, until
// nothing new opens; and forges from whatever is known then.
//
// Where a secret is not known, the attacker also tries whether the derivation
// goes without it: left out, or zero. A session that forgets to mix something
// in is therefore opened, not merely different.
//
// It knows the stored form of a session and uses every key in it as whatever
// it might serve for. It calls no code of //client/session that derives keys.
//
// Not thread-safe.

#ifndef CLIENT_SESSION_TESTING_SESSION_ATTACKER_H_
#define CLIENT_SESSION_TESTING_SESSION_ATTACKER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/session/prekey_record.h"
#include "client/session/prekey_secrets.h"
#include "client/session/testing/test_party.h"
#include "crypto/random/random.h"

namespace messenger::client {

class SessionAttacker final {
 public:
  // Everything public of both: records, device ids, all public keys.
  SessionAttacker(const TestParty& a, const TestParty& b);

  // Keys, stolen or computed by whoever has broken the scheme: private X25519
  // keys, ML-KEM-768 seeds (64 bytes), X-Wing seeds (32 bytes).
  void KnowX25519(absl::string_view secret);
  void KnowMlKem(absl::string_view seed);
  void KnowXWing(absl::string_view seed);
  void KnowPrekeys(const PrekeySecrets& prekeys);
  // The device's X25519 key and the account's KEM key.
  void KnowLongTermKeys(const TestParty& party);
  // `Session::Serialize()`.
  void StealSession(absl::string_view stored);

  // A prekey record other than the one of the parties.
  void KnowPrekeyRecord(const TestParty& owner, const PrekeyRecord& record);

  void Record(absl::string_view blob);

  // What opens, by the number of the recorded blob.
  std::map<size_t, std::string> Open();

  // Makes blobs for a pairwise mailbox that claim to be from one of the two to
  // the other, in each way there is to make one. Call `Open` before.
  void Forge(crypto::Random& random,
             const std::function<void(const std::string& blob)>& use);

 private:
  struct End {
    std::string name;  // account id || device id
    std::string device_key;
    std::string account_kem;
  };
  struct Prekey {
    size_t owner;
    std::string hash;
    std::string spk;
    std::string xpk;
  };
  // Public keys that a half-step answers.
  struct Pair {
    std::string dh;
    std::string ek;
    friend bool operator<(const Pair& a, const Pair& b) {
      return std::tie(a.dh, a.ek) < std::tie(b.dh, b.ek);
    }
  };
  struct Header {
    std::string key;
    std::string sid;
    std::string bytes;
    Pair pair;
    std::string ciphertext;
    uint32_t number = 0;
    uint8_t flags = 0;
  };
  struct Blob {
    std::string bytes;
    size_t offset = 0;  // of the ratchet message, once the header is open
    bool handshake_open = false;
    std::optional<Header> header;
    std::optional<std::string> content;
  };

  // What may stand for a secret in a derivation.
  std::vector<std::string> Agreements(const std::string& a,
                                      const std::string& b);
  std::vector<std::string> Decapsulations(const std::string& ek,
                                          const std::string& ciphertext);
  std::vector<std::string> XWingSecrets(const std::string& key,
                                        const std::string& ciphertext);

  bool TryHandshake(Blob& blob);
  bool TryHeader(Blob& blob);
  bool TryBody(Blob& blob);
  bool TryTurn(Blob& blob);
  bool TryMessageKey(Blob& blob, const std::string& message_key);
  bool TryChain(Blob& blob, std::string chain_key);
  std::string Seal(const std::string& header_key, const std::string& sid,
                   const std::string& header, const std::string& message_key,
                   bool forward, crypto::Random& random) const;

  std::vector<End> ends_;
  std::vector<Prekey> prekeys_;
  std::vector<Blob> blobs_;
  std::set<std::string> keys_;   // whatever a key might be used for
  std::set<std::string> roots_;  // of these, those a half-step starts from
  std::set<std::string> sids_;
  std::set<Pair> pairs_;
  std::set<std::string> authentication_;       // k4
  std::map<std::string, std::string> x25519_;  // public -> secret
  std::map<std::string, std::string> mlkem_;   // public -> seed
  std::map<std::string, std::string> xwing_;   // public -> seed
  std::map<std::pair<std::string, std::string>, std::vector<std::string>>
      cache_;
};

}  // namespace messenger::client

#endif  // CLIENT_SESSION_TESTING_SESSION_ATTACKER_H_
