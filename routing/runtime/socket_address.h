// Addresses of hosts as text: an IP literal and a port. Pure functions.
#ifndef ROUTING_RUNTIME_SOCKET_ADDRESS_H_
#define ROUTING_RUNTIME_SOCKET_ADDRESS_H_

#include "absl/strings/string_view.h"

namespace messenger::routing {

// Whether `address` is an IP literal and a port, as an Endpoint needs it:
// "192.0.2.1:443", "[2001:db8::1]:443". Never true of a host name.
bool IsSocketAddress(absl::string_view address);

// Whether `address` is a socket address out of loopback, private, link-local
// or other space that cannot be reached from everywhere.
bool IsPrivateAddress(absl::string_view address);

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_SOCKET_ADDRESS_H_
