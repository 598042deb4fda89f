// How fast a relay forwards and how fast mail goes through a network.
//
//   network_bench [NETWORK_FILE]   mail goes through the running network of
//                                  NETWORK_FILE (tools/localnet up); without
//                                  it only the relay is measured
//
// Wall clock, except where CPU is said: everything waits for everything here,
// so run it on a machine that has nothing else to do.

#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "routing/runtime/files.h"
#include "routing/runtime/network_config.h"
#include "tools/bench/mail_speed.h"
#include "tools/bench/relay_throughput.h"
#include "tools/bench/report.h"

namespace messenger::bench {
namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "network_bench: %s\n", status.ToString().c_str());
  return 1;
}

int Main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == kRelayRole) {
    const absl::Status status = RunRelay(argv[2], argv[3]);
    return status.ok() ? 0 : Fail(status);
  }
  Report report;
  std::string title = "Network, one relay on loopback";
  if (argc > 1) {
    const absl::StatusOr<std::string> text = routing::ReadFile(argv[1]);
    if (!text.ok()) return Fail(text.status());
    const absl::StatusOr<routing::NetworkConfig> config =
        routing::NetworkConfig::Parse(*text);
    if (!config.ok()) return Fail(config.status());
    const absl::Status status = MeasureMail(*config, report);
    if (!status.ok()) return Fail(status);
    title = "Network, mail through three relays";
  } else {
    const absl::Status status = MeasureRelay("/proc/self/exe", report);
    if (!status.ok()) return Fail(status);
  }
  std::fputs(report.ToText(title).c_str(), stdout);
  return 0;
}

}  // namespace
}  // namespace messenger::bench

int main(int argc, char** argv) { return messenger::bench::Main(argc, argv); }
