#include "routing/onion/command.h"

#include <algorithm>
#include <cstring>

#include "routing/onion/big_endian.h"

namespace messenger::routing {
namespace {

constexpr size_t kTypeOffset = 0;
constexpr size_t kTargetOffset = 1;
constexpr size_t kExpiryOffset = 33;
constexpr size_t kDelayOffset = 37;
constexpr size_t kBudgetOffset = 39;
constexpr size_t kFlagsOffset = 40;
static_assert(kFlagsOffset + 1 + 7 == kCommandSize);

absl::Status Malformed() {
  return absl::InvalidArgumentError("malformed hop command");
}

bool AllZero(absl::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](char byte) { return byte == 0; });
}

absl::Status Check(const HopCommand& command) {
  if (command.reply_budget < 1 || command.reply_budget > kMaxReplyBudget) {
    return Malformed();
  }
  switch (command.type) {
    case HopCommand::Type::kForward:
      if (command.next.IsZero() || command.service != 0) return Malformed();
      return absl::OkStatus();
    case HopCommand::Type::kDeliver:
      if (!command.next.IsZero()) return Malformed();
      return absl::OkStatus();
    case HopCommand::Type::kExit:
      break;
  }
  return Malformed();
}

}  // namespace

absl::Status EncodeCommand(const HopCommand& command, absl::Span<char> out) {
  if (out.size() != kCommandSize) return Malformed();
  if (absl::Status status = Check(command); !status.ok()) return status;
  std::memset(out.data(), 0, out.size());
  out[kTypeOffset] = static_cast<char>(command.type);
  if (command.type == HopCommand::Type::kForward) {
    std::memcpy(&out[kTargetOffset], command.next.data(), NodeId::kSize);
  } else {
    out[kTargetOffset] = static_cast<char>(command.service);
  }
  StoreBigEndian<uint32_t>(command.expiry_minute, &out[kExpiryOffset]);
  StoreBigEndian<uint16_t>(command.delay_ms, &out[kDelayOffset]);
  out[kBudgetOffset] = static_cast<char>(command.reply_budget);
  return absl::OkStatus();
}

absl::StatusOr<HopCommand> ParseCommand(absl::string_view bytes) {
  if (bytes.size() != kCommandSize) return Malformed();
  if (!AllZero(bytes.substr(kFlagsOffset))) return Malformed();
  HopCommand command;
  command.type = static_cast<HopCommand::Type>(bytes[kTypeOffset]);
  const absl::string_view target = bytes.substr(kTargetOffset, NodeId::kSize);
  if (command.type == HopCommand::Type::kForward) {
    std::memcpy(command.next.data(), target.data(), target.size());
  } else {
    command.service = static_cast<uint8_t>(target.front());
    if (!AllZero(target.substr(1))) return Malformed();
  }
  command.expiry_minute = LoadBigEndian<uint32_t>(&bytes[kExpiryOffset]);
  command.delay_ms = LoadBigEndian<uint16_t>(&bytes[kDelayOffset]);
  command.reply_budget = static_cast<uint8_t>(bytes[kBudgetOffset]);
  if (absl::Status status = Check(command); !status.ok()) return status;
  return command;
}

}  // namespace messenger::routing
