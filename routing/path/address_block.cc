#include "routing/path/address_block.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace messenger::routing {

std::string AddressBlock(absl::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return std::string(address);
  absl::string_view host = address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]")) {
    in6_addr parsed;
    if (inet_pton(AF_INET6, std::string(host).c_str(), &parsed) == 1) {
      return absl::StrCat(
          "v6:", absl::string_view(reinterpret_cast<const char*>(&parsed), 4));
    }
    return std::string(address);
  }
  in_addr parsed;
  if (inet_pton(AF_INET, std::string(host).c_str(), &parsed) == 1) {
    return absl::StrCat(
        "v4:", absl::string_view(reinterpret_cast<const char*>(&parsed), 2));
  }
  return std::string(address);
}

}  // namespace messenger::routing
