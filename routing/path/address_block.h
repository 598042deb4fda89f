// The neighbourhood of an address: nodes in one block are likely to share a
// provider, and with it an observer (routing/path/SPEC.md, section 3).
//
// Pure, thread-safe.

#ifndef ROUTING_PATH_ADDRESS_BLOCK_H_
#define ROUTING_PATH_ADDRESS_BLOCK_H_

#include <string>

#include "absl/strings/string_view.h"

namespace messenger::routing {

// The /16 of an IPv4 address, the /32 of an IPv6 address, given with a port:
// "10.1.2.3:80", "[2001:db8::1]:80". Anything else, such as the names of
// simulated hosts, is a block of its own.
std::string AddressBlock(absl::string_view address);

}  // namespace messenger::routing

#endif  // ROUTING_PATH_ADDRESS_BLOCK_H_
