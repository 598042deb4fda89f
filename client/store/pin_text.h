// One PIN, however a keyboard writes it (client/SPEC.md, section 7).

#ifndef CLIENT_STORE_PIN_TEXT_H_
#define CLIENT_STORE_PIN_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace messenger::client {

// NFKD of the Unicode standard: "é" is the same typed as one character or as
// two, and so are the digits of different keyboards' widths. What is not UTF-8
// stays as it is. The caller wipes the result; nothing else keeps a copy.
std::string NormalisedPin(absl::string_view pin);

// Whether one slip could make one PIN of the other: they differ, as NFKD and
// whatever the case of their letters (Caps Lock is one key), by at most one
// character that was left out, added, wrong or swapped with its neighbour.
bool AreNearPins(absl::string_view a, absl::string_view b);

}  // namespace messenger::client

#endif  // CLIENT_STORE_PIN_TEXT_H_
