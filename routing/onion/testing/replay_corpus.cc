// Runs a fuzz target over the files named on the command line, and over every
// single-byte edit of a few places in each: the unit-test form of a fuzzer.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()),
                         input.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "no corpus given\n");
    return 1;
  }
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read %s\n", argv[i]);
      return 1;
    }
    const std::string input((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    Run(input);
    for (size_t at = 0; at < input.size(); at += 1 + input.size() / 64) {
      std::string edited = input;
      edited[at] = static_cast<char>(edited[at] ^ (1 << (at % 8)));
      Run(edited);
      Run(input.substr(0, at));
    }
  }
  return 0;
}
