// Reads arbitrary bytes with an arbitrary sequence of reads. The input is a
// count, that many reads (one byte each), and the bytes to read from.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "crypto/base/bytes.h"

namespace {

using ::messenger::crypto::ByteReader;
using ::messenger::crypto::ByteWriter;

void Check(bool condition) {
  if (!condition) std::abort();
}

// One read, and the same value written again.
void Copy(uint8_t kind, ByteReader& reader, ByteWriter& writer) {
  switch (kind % 7) {
    case 0:
      writer.U8(reader.U8());
      return;
    case 1:
      writer.U16(reader.U16());
      return;
    case 2:
      writer.U32(reader.U32());
      return;
    case 3:
      writer.U64(reader.U64());
      return;
    case 4:
      writer.Bytes(reader.Bytes(kind / 7));
      return;
    case 5:
      writer.Var16(reader.Var16());
      return;
    case 6:
      writer.Var32(reader.Var32());
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  ByteReader plan(input);
  const absl::string_view reads = plan.Bytes(plan.U8());
  const absl::string_view bytes = plan.Bytes(plan.remaining());

  ByteReader reader(bytes);
  ByteWriter copy;
  for (const char kind : reads) {
    const size_t before = reader.remaining();
    const bool was_ok = reader.ok();
    Copy(static_cast<uint8_t>(kind), reader, copy);
    Check(reader.remaining() <= before);
    // A failure stays.
    Check(was_ok || !reader.ok());
    Check(reader.ok() || reader.remaining() == 0);
    // Nothing was made up or left out: what was read is what was there.
    if (reader.ok()) {
      Check(copy.size() == bytes.size() - reader.remaining());
    }
  }
  Check(reader.Finish().ok() == (reader.ok() && reader.remaining() == 0));
  if (reader.ok()) {
    const std::string again = copy.Take();
    Check(again == bytes.substr(0, again.size()));
  }
  return 0;
}
