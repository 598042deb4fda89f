#include "routing/relay/circuit_table.h"

#include <algorithm>

namespace messenger::routing {

absl::StatusOr<Circuit*> CircuitTable::Add(std::unique_ptr<Circuit>& circuit,
                                           size_t max_for_link) {
  if (by_end_.contains(circuit->client_end) ||
      (circuit->onward_end.has_value() &&
       by_end_.contains(*circuit->onward_end))) {
    return absl::AlreadyExistsError("circuit id is in use");
  }
  if (circuits_.size() >= max_circuits_) {
    return absl::ResourceExhaustedError("circuit table is full");
  }
  if (CountOnLink(circuit->client_end.link) >= max_for_link) {
    return absl::ResourceExhaustedError("too many circuits on this link");
  }
  circuit->serial = ++last_serial_;
  Circuit* const added = circuit.get();
  circuits_.emplace(added->serial, std::move(circuit));
  IndexEnd(added->client_end, *added);
  if (added->onward_end.has_value()) IndexEnd(*added->onward_end, *added);
  return added;
}

Circuit* CircuitTable::Find(const CircuitEnd& end) const {
  const auto it = by_end_.find(end);
  return it == by_end_.end() ? nullptr : it->second;
}

Circuit* CircuitTable::FindSerial(uint64_t serial) const {
  const auto it = circuits_.find(serial);
  return it == circuits_.end() ? nullptr : it->second.get();
}

std::unique_ptr<Circuit> CircuitTable::Remove(Circuit& circuit) {
  ForgetEnd(circuit.client_end, circuit);
  if (circuit.onward_end.has_value()) ForgetEnd(*circuit.onward_end, circuit);
  const auto it = circuits_.find(circuit.serial);
  std::unique_ptr<Circuit> removed = std::move(it->second);
  circuits_.erase(it);
  return removed;
}

std::vector<uint64_t> CircuitTable::OnLink(LinkNumber link) const {
  const auto it = by_link_.find(link);
  if (it == by_link_.end()) return {};
  std::vector<uint64_t> serials(it->second.begin(), it->second.end());
  std::sort(serials.begin(), serials.end());
  return serials;
}

std::vector<uint64_t> CircuitTable::Stale(absl::Time idle_since,
                                          absl::Time opened_before) const {
  std::vector<uint64_t> stale;
  for (const auto& [serial, circuit] : circuits_) {
    if (circuit->last_used <= idle_since || circuit->opened <= opened_before) {
      stale.push_back(serial);
    }
  }
  std::sort(stale.begin(), stale.end());
  return stale;
}

size_t CircuitTable::CountOnLink(LinkNumber link) const {
  const auto it = by_link_.find(link);
  return it == by_link_.end() ? 0 : it->second.size();
}

void CircuitTable::IndexEnd(const CircuitEnd& end, Circuit& circuit) {
  by_end_.emplace(end, &circuit);
  by_link_[end.link].insert(circuit.serial);
}

void CircuitTable::ForgetEnd(const CircuitEnd& end, const Circuit& circuit) {
  by_end_.erase(end);
  const auto it = by_link_.find(end.link);
  it->second.erase(circuit.serial);
  if (it->second.empty()) by_link_.erase(it);
}

}  // namespace messenger::routing
