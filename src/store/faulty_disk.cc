#include "store/faulty_disk.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "store/passing_vfs.h"

namespace tieline::store {
namespace {

using On = DiskFault::On;

struct Faulty {
  const char* name;     // null: it has none. SQLite keeps it as long as the file is open
  const char* segment;  // the same of a segment or its log: what of it no sync covered is lost with the power
};
using FaultyFile = PassingFile<Faulty>;

const Faulty& own(sqlite3_file* file) { return FaultyFile::of(file)->own; }
sqlite3_file* real(sqlite3_file* file) { return FaultyFile::of(file)->real(); }
FaultyDisk& disk() { return FaultyDisk::get(); }

int code_of(const DiskFault& fault) {
  if (fault.full) return SQLITE_FULL;
  switch (fault.on) {
    case On::kOpen: return SQLITE_CANTOPEN;
    case On::kRead: return SQLITE_IOERR_READ;
    case On::kWrite: return SQLITE_IOERR_WRITE;
    case On::kSync: return SQLITE_IOERR_FSYNC;
    case On::kTruncate: return SQLITE_IOERR_TRUNCATE;
  }
  return SQLITE_IOERR;
}

int read_file(sqlite3_file* file, void* to, int count, sqlite3_int64 at) {
  if (const auto fault = disk().failing(On::kRead, own(file).name)) return code_of(*fault);
  return real(file)->pMethods->xRead(real(file), to, count, at);
}

int write_file(sqlite3_file* file, const void* from, int count, sqlite3_int64 at) {
  const auto fault = disk().failing(On::kWrite, own(file).name);
  const int bytes = fault ? static_cast<int>(std::min<std::int64_t>(fault->torn_bytes, count)) : count;
  if (!fault && !disk().powered(own(file).segment)) return SQLITE_IOERR_WRITE;
  if (bytes > 0) {
    const auto size = [file] {
      sqlite3_int64 now = 0;
      real(file)->pMethods->xFileSize(real(file), &now);
      return static_cast<std::int64_t>(now);
    };
    const auto block = [file](char* to, std::int64_t from_at) {  // zeroes behind the end
      real(file)->pMethods->xRead(real(file), to, FaultyDisk::kBlock, from_at);
    };
    disk().remember(own(file).segment, at, bytes, size, block);
    const int code = real(file)->pMethods->xWrite(real(file), from, bytes, at);
    if (code != SQLITE_OK) return code;
  }
  return fault ? code_of(*fault) : SQLITE_OK;
}

int sync_file(sqlite3_file* file, int flags) {
  disk().pass_sync();
  if (const auto fault = disk().failing(On::kSync, own(file).name)) return code_of(*fault);
  if (!disk().powered(own(file).segment)) return SQLITE_IOERR_FSYNC;
  const int code = real(file)->pMethods->xSync(real(file), flags);
  disk().synced(own(file).segment);
  return code;
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (const auto fault = disk().failing(On::kTruncate, own(file).name)) return code_of(*fault);
  return real(file)->pMethods->xTruncate(real(file), size);
}

const sqlite3_io_methods& methods() {
  static const sqlite3_io_methods all = [] {
    sqlite3_io_methods m = passing_methods<Faulty>(true);
    m.xRead = read_file;
    m.xWrite = write_file;
    m.xSync = sync_file;
    m.xTruncate = truncate_file;
    return m;
  }();
  return all;
}

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
  file->pMethods = nullptr;
  if (const auto fault = disk().failing(On::kOpen, name)) return code_of(*fault);
  const int code = open_passing<Faulty>(vfs, name, file, flags, out, methods());
  const bool log = (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0 && name != nullptr &&
                   std::strstr(name, "/seg-") != nullptr;
  FaultyFile::of(file)->own = {name, log ? name : nullptr};
  return code;
}

}  // namespace

FaultyDisk& FaultyDisk::get() {
  static auto& one = *new FaultyDisk;  // connections may outlive the program's end
  return one;
}

const char* FaultyDisk::vfs() {
  static auto& vfs = *new sqlite3_vfs([] {
    sqlite3_vfs made = passing_vfs<Faulty>("faulty", sqlite3_vfs_find("unix"));
    made.xOpen = open_file;
    return made;
  }());
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  (void)registered;
  return vfs.zName;
}

void FaultyDisk::fail(DiskFault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FaultyDisk::mend() {
  {
    const std::lock_guard lock(mutex_);
    faults_.clear();
    unsynced_.clear();
    power_for_ = 0;
    power_off_ = false;
  }
  stall(false);
}

void FaultyDisk::stall(bool on) {
  {
    const std::lock_guard lock(mutex_);
    stalled_ = on;
  }
  released_.notify_all();
}

void FaultyDisk::power_off_after(std::uint64_t calls) {
  const std::lock_guard lock(mutex_);
  power_for_ = calls;
}

void FaultyDisk::lose_power(const std::function<bool()>& survives) {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, file] : std::exchange(unsynced_, {})) {
    std::fstream on_disk(name, std::ios::in | std::ios::out | std::ios::binary);
    if (!on_disk) continue;
    std::int64_t bytes = file.bytes;
    for (const auto& [at, before] : file.blocks) {
      if (survives()) {
        bytes = std::max(bytes, at + kBlock);
      } else {
        on_disk.seekp(at);
        on_disk.write(before.data(), kBlock);
      }
    }
    on_disk.close();
    const auto now = static_cast<std::int64_t>(std::filesystem::file_size(name));
    if (now > bytes) std::filesystem::resize_file(name, static_cast<std::uintmax_t>(bytes));
  }
  power_off_ = false;
  power_for_ = 0;
}

std::vector<std::string> FaultyDisk::unsynced() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, file] : unsynced_) names.push_back(name);
  return names;
}

std::optional<DiskFault> FaultyDisk::failing(DiskFault::On call, const char* file) {
  const std::lock_guard lock(mutex_);
  for (DiskFault& fault : faults_) {
    if (fault.on != call ||
        (!fault.file.empty() && (file == nullptr || std::strstr(file, fault.file.c_str()) == nullptr)))
      continue;
    if (fault.after > 0) {
      --fault.after;
    } else if (fault.times > 0) {
      --fault.times;
      return fault;
    }
  }
  return std::nullopt;
}

bool FaultyDisk::powered(const char* segment) {
  const std::lock_guard lock(mutex_);
  if (segment != nullptr && power_for_ > 0 && --power_for_ == 0) power_off_ = true;
  return !power_off_;
}

void FaultyDisk::pass_sync() {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [this] { return !stalled_; });
}

void FaultyDisk::remember(const char* segment, std::int64_t at, std::int64_t bytes,
                          const std::function<std::int64_t()>& size,
                          const std::function<void(char* to, std::int64_t at)>& block) {
  if (segment == nullptr) return;
  const std::lock_guard lock(mutex_);
  const auto [file, first] = unsynced_.try_emplace(segment);
  if (first) file->second.bytes = size();
  for (std::int64_t from = at / kBlock * kBlock; from < at + bytes; from += kBlock) {
    const auto [place, fresh] = file->second.blocks.try_emplace(from, kBlock, '\0');
    if (fresh) block(place->second.data(), from);
  }
}

void FaultyDisk::synced(const char* segment) {
  if (segment == nullptr) return;
  const std::lock_guard lock(mutex_);
  unsynced_.erase(segment);
}

}  // namespace tieline::store
