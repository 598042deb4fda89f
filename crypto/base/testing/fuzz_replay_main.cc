// Runs a fuzz target over the files named on the command line, over every
// beginning of each and over each with one bit flipped: the unit-test form of a
// fuzzer (fuzz.bzl). The target aborts when something is wrong.

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()),
                         input.size());
}

// At most this many edits of a file, spread over it.
constexpr size_t kMaxEdits = 512;

void RunWithEdits(const std::string& input) {
  Run(input);
  const size_t step = 1 + input.size() / kMaxEdits;
  for (size_t at = 0; at < input.size(); at += step) {
    std::string edited = input;
    edited[at] = static_cast<char>(edited[at] ^ 1 << at % 8);
    Run(edited);
    Run(input.substr(0, at));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "no corpus: nothing would be tested" << std::endl;
    return 1;
  }
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::cerr << "cannot read " << argv[i] << std::endl;
      return 1;
    }
    RunWithEdits(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  return 0;
}
