// Links that somebody passes on.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/messenger/contact_link.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace messenger::client;
  const absl::StatusOr<ContactLink> link = ParseContactLink(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!link.ok()) return 0;
  if (size > kMaxContactLinkBytes) abort();
  // What was accepted means the same once more.
  const absl::StatusOr<ContactLink> again = ParseContactLink(link->ToText());
  if (!again.ok() || again->account != link->account ||
      again->token != link->token) {
    abort();
  }
  return 0;
}
