// flood_attack: the attackers of flood_run, which starts it. A process of its
// own, so that they take nothing from the contacts but what the network is.
//
// Attacks until it is told to end, then writes what came of it.

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/base/status_macros.h"
#include "crypto/random/system_random.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/files.h"
#include "routing/runtime/network_config.h"
#include "routing/runtime/process.h"
#include "routing/runtime/system_clock.h"
#include "tools/chaos/flood_attackers.h"
#include "tools/chaos/flood_exchange.h"

ABSL_FLAG(std::string, network_file, "", "the network's");
ABSL_FLAG(std::string, targets_file, "", "whom to attack");
ABSL_FLAG(std::string, started_file, "", "made when the attack begins");
ABSL_FLAG(std::string, report_file, "", "what came of it, at the end");
ABSL_FLAG(int, attackers, 50, "all kinds in turn");
ABSL_FLAG(double, rate, 2, "requests of each in a second");
ABSL_FLAG(int, at_once, 8, "unanswered requests of each");

namespace messenger::chaos {
namespace {

absl::Status Run() {
  routing::EventLoop loop(routing::SteadyClock());
  routing::StopOnSignal stop_on_signal(loop);
  routing::RaiseFileLimit();
  ASSIGN_OR_RETURN(const std::string network_text,
                   routing::ReadFile(absl::GetFlag(FLAGS_network_file)));
  ASSIGN_OR_RETURN(const routing::NetworkConfig config,
                   routing::NetworkConfig::Parse(network_text));
  ASSIGN_OR_RETURN(const std::string targets_text,
                   routing::ReadFile(absl::GetFlag(FLAGS_targets_file)));
  ASSIGN_OR_RETURN(std::vector<FloodTarget> targets,
                   TargetsFromText(targets_text));
  FloodAttackers attackers({.attackers = absl::GetFlag(FLAGS_attackers),
                            .rate = absl::GetFlag(FLAGS_rate),
                            .at_once = absl::GetFlag(FLAGS_at_once)},
                           std::move(targets), config, routing::SystemClock(),
                           loop, crypto::SystemRandom());
  RETURN_IF_ERROR(attackers.Start(absl::Seconds(60)));
  RETURN_IF_ERROR(
      routing::WriteFileAtomically(absl::GetFlag(FLAGS_started_file), ""));
  loop.RunUntilStopped();
  return routing::WriteFileAtomically(absl::GetFlag(FLAGS_report_file),
                                      ReportToText(attackers.report()));
}

}  // namespace
}  // namespace messenger::chaos

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("The attackers of flood_run.");
  messenger::routing::AcceptDashesInFlags(argc, argv);
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = messenger::chaos::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "flood_attack: %s\n", status.ToString().c_str());
  return 1;
}
