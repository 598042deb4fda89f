// Looks into the databases of storage processes that do not run: whether what
// a process left behind, however it ended, is whole.
//
// Not thread-safe.

#ifndef TOOLS_CHAOS_STORE_AUDIT_H_
#define TOOLS_CHAOS_STORE_AUDIT_H_

#include <cstdint>
#include <string>

namespace messenger::chaos {

class StoreAudit final {
 public:
  // Reads all of the store in the folder of a storage process, if there is one.
  void Look(const std::string& folder);

  uint64_t stores() const { return stores_; }
  // As a whole, or set aside as such by a process.
  uint64_t damaged_stores() const { return damaged_stores_; }
  uint64_t damaged_messages() const { return damaged_messages_; }
  // Those that could not be read for another reason, a full disk perhaps.
  uint64_t unread() const { return unread_; }

  void Add(const StoreAudit& other);

 private:
  uint64_t stores_ = 0;
  uint64_t damaged_stores_ = 0;
  uint64_t damaged_messages_ = 0;
  uint64_t unread_ = 0;
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_STORE_AUDIT_H_
