#include "tools/simnet/swarm/probes.h"

namespace messenger::simnet {
namespace {

constexpr absl::string_view kNames[] = {
#define X(name, text) #name,
    SIMNET_SWARM_PROBES(X)
#undef X
};
constexpr absl::string_view kTexts[] = {
#define X(name, text) text,
    SIMNET_SWARM_PROBES(X)
#undef X
};

}  // namespace

absl::string_view ProbeName(Probe probe) {
  return kNames[static_cast<size_t>(probe)].substr(1);
}

absl::string_view ProbeText(Probe probe) {
  return kTexts[static_cast<size_t>(probe)];
}

void Probes::Add(const Probes& other) {
  for (size_t i = 0; i < kProbes; ++i) hits_[i] += other.hits_[i];
}

std::vector<Probe> Probes::Missed() const {
  std::vector<Probe> missed;
  for (size_t i = 0; i < kProbes; ++i) {
    if (hits_[i] == 0) missed.push_back(static_cast<Probe>(i));
  }
  return missed;
}

}  // namespace messenger::simnet
