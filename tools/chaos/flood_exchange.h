// What flood_run and its attackers, which are another process, tell each
// other: whom to attack one way, what came of it the other.
//
// Pure functions; thread-safe.

#ifndef TOOLS_CHAOS_FLOOD_EXCHANGE_H_
#define TOOLS_CHAOS_FLOOD_EXCHANGE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/identity/account_id.h"
#include "crypto/sign/ed25519.h"

namespace messenger::chaos {

// What a stranger may know of a contact.
struct FloodTarget {
  crypto::AccountId inbox;
  // Of a pairwise mailbox, as its members see them.
  crypto::Ed25519PublicKey read_key;
  crypto::Ed25519PublicKey write_key;
};

std::string TargetsToText(const std::vector<FloodTarget>& targets);
// DATA_LOSS.
absl::StatusOr<std::vector<FloodTarget>> TargetsFromText(
    absl::string_view text);

// Of the attackers of one kind.
struct AttackFigures {
  uint64_t tried = 0;
  // Not tried, because too much had not been answered yet.
  uint64_t withheld = 0;
  // How often each answer came; kAccepted, or why not.
  std::map<std::string, uint64_t> answers;
  uint64_t accepted_bytes = 0;

  static constexpr char kAccepted[] = "accepted";
  uint64_t accepted() const {
    const auto found = answers.find(kAccepted);
    return found == answers.end() ? 0 : found->second;
  }
  friend bool operator==(const AttackFigures&, const AttackFigures&) = default;
};
using AttackReport = std::map<std::string, AttackFigures>;

std::string ReportToText(const AttackReport& report);
// DATA_LOSS, also when the end is missing.
absl::StatusOr<AttackReport> ReportFromText(absl::string_view text);

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_FLOOD_EXCHANGE_H_
