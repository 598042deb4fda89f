// Poisons mailboxes (poisoned_mail.h) until somebody is harmed.
//
//   poison [--envelopes=N] [--seed=N]
//
// Ends with 1 if anything but the genuine texts was shown, or one of them was
// not.

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "client/messenger/testing/poisoned_mail.h"

int main(int argc, char** argv) {
  uint64_t envelopes = 1'000'000;
  uint64_t seed = 1;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    uint64_t* number = nullptr;
    if (absl::ConsumePrefix(&argument, "--envelopes=")) number = &envelopes;
    if (absl::ConsumePrefix(&argument, "--seed=")) number = &seed;
    if (number == nullptr || !absl::SimpleAtoi(argument, number)) {
      std::fprintf(stderr, "usage: poison [--envelopes=N] [--seed=N]\n");
      return 2;
    }
  }
  messenger::client::PoisonedMail mail(seed);
  mail.Run(envelopes);
  std::printf(
      "%llu poisoned envelopes in %llu readings, %llu of them sealed by the "
      "peer; %lld were unreadable; %zu failures\n",
      static_cast<unsigned long long>(mail.envelopes()),
      static_cast<unsigned long long>(mail.batches()),
      static_cast<unsigned long long>(mail.sealed()),
      static_cast<long long>(mail.unreadable()), mail.failures().size());
  for (const std::string& failure : mail.failures()) {
    std::printf("%s\n", failure.c_str());
  }
  return mail.failures().empty() ? 0 : 1;
}
