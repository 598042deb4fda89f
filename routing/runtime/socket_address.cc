#include "routing/runtime/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace messenger::routing {
namespace {

using Ip4 = std::array<uint8_t, 4>;
using Ip6 = std::array<uint8_t, 16>;
using Ip = std::variant<Ip4, Ip6>;

bool IsPort(absl::string_view text) {
  uint32_t port;
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, &port) && port <= 65535;
}

std::optional<Ip> ParseAddress(absl::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos || !IsPort(address.substr(colon + 1))) {
    return std::nullopt;
  }
  absl::string_view host = address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) {
    Ip6 ip;
    if (!absl::ConsumeSuffix(&host, "]") ||
        inet_pton(AF_INET6, std::string(host).c_str(), ip.data()) != 1) {
      return std::nullopt;
    }
    return ip;
  }
  Ip4 ip;
  if (inet_pton(AF_INET, std::string(host).c_str(), ip.data()) != 1) {
    return std::nullopt;
  }
  return ip;
}

struct Range4 {
  Ip4 first;
  int bits;
};

// IANA's registry of special-purpose addresses, those not globally reachable.
constexpr Range4 kPrivate4[] = {
    {{0, 0, 0, 0}, 8},     {{10, 0, 0, 0}, 8},      {{100, 64, 0, 0}, 10},
    {{127, 0, 0, 0}, 8},   {{169, 254, 0, 0}, 16},  {{172, 16, 0, 0}, 12},
    {{192, 0, 0, 0}, 24},  {{192, 0, 2, 0}, 24},    {{192, 168, 0, 0}, 16},
    {{198, 18, 0, 0}, 15}, {{198, 51, 100, 0}, 24}, {{203, 0, 113, 0}, 24},
    {{224, 0, 0, 0}, 4},   {{240, 0, 0, 0}, 4},
};

uint32_t Number(const Ip4& ip) {
  return uint32_t{ip[0]} << 24 | uint32_t{ip[1]} << 16 | uint32_t{ip[2]} << 8 |
         uint32_t{ip[3]};
}

bool IsPrivate(const Ip4& ip) {
  for (const Range4& range : kPrivate4) {
    if ((Number(ip) ^ Number(range.first)) >> (32 - range.bits) == 0) {
      return true;
    }
  }
  return false;
}

bool IsPrivate(const Ip6& ip) {
  // Global unicast is 2000::/3; all else is loopback, local, mapped or unused.
  if ((ip[0] & 0xe0) != 0x20) return true;
  // 2001:db8::/32, documentation, and 2001::/23, protocol assignments.
  if (ip[0] == 0x20 && ip[1] == 0x01) {
    return (ip[2] == 0x0d && ip[3] == 0xb8) || (ip[2] & 0xfe) == 0;
  }
  // 2002::/16 stands for an IPv4 address.
  if (ip[0] == 0x20 && ip[1] == 0x02) {
    return IsPrivate(Ip4{ip[2], ip[3], ip[4], ip[5]});
  }
  return false;
}

}  // namespace

bool IsSocketAddress(absl::string_view address) {
  return ParseAddress(address).has_value();
}

bool IsPrivateAddress(absl::string_view address) {
  const std::optional<Ip> ip = ParseAddress(address);
  return ip.has_value() &&
         std::visit([](const auto& value) { return IsPrivate(value); }, *ip);
}

}  // namespace messenger::routing
