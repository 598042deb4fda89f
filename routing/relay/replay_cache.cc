#include "routing/relay/replay_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "crypto/base/status_macros.h"

namespace messenger::routing {
namespace {

constexpr absl::string_view kSuffix = ".tags";
constexpr absl::string_view kMagic = "nm1rtags";
constexpr size_t kHeaderBytes = 8 + BootId::kSize;

// Says nothing about the path: statuses may end up in a log.
absl::Status LogError(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat("replay log: ", what));
}

bool WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool ReadAll(int fd, std::string& out) {
  char buffer[1 << 16];
  while (true) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) return true;
    out.append(buffer, static_cast<size_t>(n));
  }
}

bool SyncDirectory(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool ok = ::fsync(fd) == 0;
  ::close(fd);
  return ok;
}

uint32_t MinuteOf(absl::Time time) {
  return static_cast<uint32_t>(
      std::clamp<int64_t>(absl::ToUnixSeconds(time) / 60, 0, UINT32_MAX));
}

}  // namespace

std::unique_ptr<ReplayCache> ReplayCache::InMemory(ReplayCacheLimits limits) {
  return absl::WrapUnique(new ReplayCache("", BootId(), limits));
}

absl::StatusOr<std::unique_ptr<ReplayCache>> ReplayCache::Open(
    std::string directory, const BootId& boot_id, absl::Time now,
    ReplayCacheLimits limits) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return LogError("cannot create its directory");
  }
  auto cache =
      absl::WrapUnique(new ReplayCache(std::move(directory), boot_id, limits));
  RETURN_IF_ERROR(cache->LoadFrom(MinuteOf(now - limits.past)));
  return cache;
}

ReplayCache::ReplayCache(std::string directory, const BootId& boot_id,
                         ReplayCacheLimits limits)
    : directory_(std::move(directory)), boot_id_(boot_id), limits_(limits) {}

ReplayCache::~ReplayCache() {
  for (auto& [minute, bucket] : buckets_) {
    if (bucket.fd >= 0) ::close(bucket.fd);
  }
}

absl::Status ReplayCache::Insert(const ReplayTag& tag, uint32_t expiry_minute,
                                 absl::Time now) {
  DropBucketsBefore(MinuteOf(now - limits_.past));
  if (expiry_minute < first_open_minute_ ||
      expiry_minute > MinuteOf(now + limits_.future)) {
    return absl::OutOfRangeError("expiry outside the accepted window");
  }
  Bucket& bucket = buckets_[expiry_minute];
  if (bucket.tags.contains(tag)) return absl::AlreadyExistsError("seen before");
  if (size_ >= limits_.max_tags) {
    return absl::ResourceExhaustedError("replay cache is full");
  }
  RETURN_IF_ERROR(Append(expiry_minute, bucket, tag));
  bucket.tags.insert(tag);
  ++size_;
  return absl::OkStatus();
}

void ReplayCache::DropBucketsBefore(uint32_t minute) {
  if (minute <= first_open_minute_) return;
  first_open_minute_ = minute;
  while (!buckets_.empty() && buckets_.begin()->first < minute) {
    Bucket& bucket = buckets_.begin()->second;
    size_ -= bucket.tags.size();
    if (bucket.fd >= 0) {
      ::close(bucket.fd);
      ::unlink(PathOf(buckets_.begin()->first).c_str());
    }
    buckets_.erase(buckets_.begin());
  }
}

absl::Status ReplayCache::LoadFrom(uint32_t oldest_minute) {
  DIR* listing = ::opendir(directory_.c_str());
  if (listing == nullptr) return LogError("cannot list its directory");
  std::vector<uint32_t> minutes;
  while (const dirent* entry = ::readdir(listing)) {
    absl::string_view name = entry->d_name;
    uint32_t minute;
    if (absl::ConsumeSuffix(&name, kSuffix) &&
        absl::SimpleAtoi(name, &minute)) {
      minutes.push_back(minute);
    }
  }
  ::closedir(listing);
  first_open_minute_ = oldest_minute;
  for (const uint32_t minute : minutes) {
    const std::string path = PathOf(minute);
    if (minute < oldest_minute) {
      ::unlink(path.c_str());
      continue;
    }
    RETURN_IF_ERROR(LoadBucket(minute, path));
  }
  // LoadBucket may have closed minutes that were loaded before it.
  const uint32_t first_open = std::exchange(first_open_minute_, 0);
  DropBucketsBefore(first_open);
  return absl::OkStatus();
}

absl::Status ReplayCache::LoadBucket(uint32_t minute, const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return LogError("cannot open a log");
  std::string content;
  if (!ReadAll(fd, content)) {
    ::close(fd);
    return LogError("cannot read a log");
  }
  const absl::string_view view = content;
  // A log of another boot, or one that is damaged, may lack tags that were
  // acted on, and so may every earlier minute: none of them opens again.
  if (content.size() < kHeaderBytes || view.substr(0, 8) != kMagic ||
      view.substr(8, BootId::kSize) != boot_id_.bytes()) {
    ::close(fd);
    first_open_minute_ = std::max(first_open_minute_, minute + 1);
    return absl::OkStatus();  // unlinked when its minute has passed
  }
  Bucket& bucket = buckets_[minute];
  bucket.fd = fd;
  size_t offset = kHeaderBytes;
  for (; offset + ReplayTag::kSize <= content.size();
       offset += ReplayTag::kSize) {
    auto tag = ReplayTag::FromBytes(view.substr(offset, ReplayTag::kSize));
    if (bucket.tags.insert(*tag).second) ++size_;
  }
  // A torn last write was never acted on; the next tag takes its place.
  if (::ftruncate(fd, static_cast<off_t>(offset)) != 0 ||
      ::lseek(fd, 0, SEEK_END) < 0) {
    return LogError("cannot mend a log");
  }
  return absl::OkStatus();
}

absl::Status ReplayCache::Append(uint32_t minute, Bucket& bucket,
                                 const ReplayTag& tag) {
  if (directory_.empty()) return absl::OkStatus();
  if (bucket.fd < 0) RETURN_IF_ERROR(CreateLog(minute, bucket));
  if (!WriteAll(bucket.fd, tag.bytes())) {
    // Part of the tag may be in the file: cut back to whole records.
    const off_t whole = static_cast<off_t>(kHeaderBytes + bucket.tags.size() *
                                                              ReplayTag::kSize);
    if (::ftruncate(bucket.fd, whole) != 0 ||
        ::lseek(bucket.fd, whole, SEEK_SET) < 0) {
      // The file can no longer be trusted to line up: close the minute.
      first_open_minute_ = std::max(first_open_minute_, minute + 1);
    }
    return LogError("cannot write");
  }
  return absl::OkStatus();
}

absl::Status ReplayCache::CreateLog(uint32_t minute, Bucket& bucket) {
  const std::string path = PathOf(minute);
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return LogError("cannot create a log");
  // Synced before the minute's first tag counts, so that even after a loss of
  // power it is known that this minute was in use.
  if (!WriteAll(fd, absl::StrCat(kMagic, boot_id_.bytes())) ||
      ::fsync(fd) != 0 || !SyncDirectory(directory_)) {
    ::close(fd);
    return LogError("cannot start a log");
  }
  bucket.fd = fd;
  return absl::OkStatus();
}

std::string ReplayCache::PathOf(uint32_t minute) const {
  return absl::StrCat(directory_, "/", minute, kSuffix);
}

}  // namespace messenger::routing
