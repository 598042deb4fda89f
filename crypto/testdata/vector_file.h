// Reads test vectors from text files that any implementation can use
// (crypto/testdata/README.md): sections `[name]` with lines `key = value`,
// where a value is hex, or text in double quotes. Lines that start with `#` are
// comments; a value may go on in the next line after two spaces.

#ifndef CRYPTO_TESTDATA_VECTOR_FILE_H_
#define CRYPTO_TESTDATA_VECTOR_FILE_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace messenger::crypto {

class TestVector final {
 public:
  explicit TestVector(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  bool Has(const std::string& key) const { return values_.count(key) > 0; }

  // The bytes of a value. A missing key ends the test with its name.
  const std::string& Bytes(const std::string& key) const;

  // A value of decimal digits.
  int Number(const std::string& key) const;

  void Set(const std::string& key, std::string value);

 private:
  std::string name_;
  std::map<std::string, std::string> values_;
};

// All vectors of a file whose name starts with `prefix`, in order; an empty
// result ends the test, so that no test passes for want of vectors. `path` is
// relative to the workspace.
std::vector<TestVector> LoadVectors(const std::string& path,
                                    absl::string_view prefix = "");

// The one vector of that exact name.
TestVector LoadVector(const std::string& path, absl::string_view name);

}  // namespace messenger::crypto

#endif  // CRYPTO_TESTDATA_VECTOR_FILE_H_
