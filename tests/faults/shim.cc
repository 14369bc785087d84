// A disk, a clock and a resolver that fail on purpose, below a whole program: a library for LD_PRELOAD that the tests
// in this folder use and nothing links. It must never touch a file outside the store that it is told of.
//
//   TIELINE_FAULTS=FILE         the control file: words of 8 bytes, written by control.mjs while the program runs
//   TIELINE_FAULTS_STORE=DIR    the store's directory; its `-shm` files are memory, not disk, and are left alone
//   TIELINE_FAULTS_TRASH=DIR    on the same disk: what was unlinked and may have to come back
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <ctime>

#include "faulty_disk.h"

using namespace faults;

namespace {

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
#define NEXT(name) static const auto real = next<decltype(::name)>(#name)

// Descriptors.

std::shared_ptr<File> file_of(int descriptor) {
  if (!on()) return nullptr;
  State& all = state();
  const std::lock_guard lock(all.mutex);
  const auto found = all.open.find(descriptor);
  return found == all.open.end() ? nullptr : found->second;
}

void opened(int descriptor, const char* path, bool created) {
  State& all = state();
  const std::lock_guard lock(all.mutex);
  const bool directory = std::string_view(path) == all.store;
  struct stat info {};
  if (descriptor < 0 || (!directory && !all.in_store(path)) || ::fstat(descriptor, &info) != 0) return;
  auto& known = all.files[{info.st_dev, info.st_ino}];
  auto file = known.lock();
  if (file == nullptr) {
    file = std::make_shared<File>();
    file->directory = directory;
    // For reading and writing, whatever it was opened for; far above those that the program counts on.
    const std::string own = "/proc/self/fd/" + std::to_string(descriptor);
    const int again =
        directory ? -1 : static_cast<int>(::syscall(SYS_openat, AT_FDCWD, own.c_str(), O_RDWR | O_CLOEXEC));
    if (again >= 0) {
      file->descriptor = ::fcntl(again, F_DUPFD_CLOEXEC, 800);
      ::syscall(SYS_close, again);
    }
    known = file;
  }
  all.open[descriptor] = file;
  if (created) all.changes.push_back(Change{kCreate, path, {}, {}});
}

template <class Open>
int open_with(const char* path, int flags, Open open) {
  if (!on() || (!state().in_store(path) && path != state().store)) return open();
  if ((flags & O_CREAT) == 0 || ::access(path, F_OK) == 0) {
    const int file = open();
    opened(file, path, false);
    return file;
  }
  const Operation operation(kCreate);
  if (operation.full()) return errno = ENOSPC, -1;
  const Word& sealing = state().control->tmp_error;
  if (sealing != 0 && std::string_view(path).ends_with(".tmp")) return errno = static_cast<int>(sealing), -1;
  const int file = open();
  opened(file, path, true);
  return file;
}

// Writes.

void remember(const std::shared_ptr<File>& file, off_t at, std::size_t size) {
  if (file->descriptor < 0 || state().control->lose == 0) return;
  struct stat info {};
  if (::fstat(file->descriptor, &info) != 0) return;
  Pending write;
  write.file = file;
  write.at = at;
  write.size = size;
  write.size_before = info.st_size;
  if (at < info.st_size) {
    write.before.resize(std::min(size, static_cast<std::size_t>(info.st_size - at)));
    const ssize_t got = ::pread(file->descriptor, write.before.data(), write.before.size(), at);
    write.before.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }
  state().pending.push_back(std::move(write));
}

template <class Write>
ssize_t write_with(const std::shared_ptr<File>& file, off_t at, std::size_t size, Write write) {
  const Operation operation(kWrite);
  struct stat info {};
  const bool grows =
      file->descriptor >= 0 && ::fstat(file->descriptor, &info) == 0 && at + static_cast<off_t>(size) > info.st_size;
  if (operation.full() && grows) return errno = ENOSPC, -1;
  if (const int error = operation.error(state().control->write_error)) return errno = error, -1;
  if (operation.half()) size = size / 2 / kSector * kSector;
  remember(file, at, size);
  return write(size);
}

int sync_with(int (*real)(int), int descriptor) {
  const auto file = file_of(descriptor);
  if (file == nullptr) return real(descriptor);
  const Operation operation(kSync);
  State& all = state();
  if (const int error = operation.error(all.control->sync_error)) {
    for (Pending& write : all.pending) write.dropped |= write.file == file;
    return errno = error, -1;
  }
  const int result = real(descriptor);
  if (result != 0) return result;
  if (file->directory) {
    for (const Change& change : all.changes) {
      if (!change.trash.empty()) ::syscall(SYS_unlink, change.trash.c_str());
    }
    all.changes.clear();
  }
  std::erase_if(all.pending, [&](const Pending& write) { return write.file == file && !write.dropped; });
  return result;
}

int truncate_with(const std::shared_ptr<File>& file, off_t size, int (*real)(int, off_t), int descriptor) {
  const Operation operation(kTruncate);
  if (const int error = operation.error(state().control->write_error)) return errno = error, -1;
  const int result = real(descriptor, size);
  // Taken for durable at once; what it cut off cannot come back.
  for (Pending& write : state().pending) {
    if (write.file == file)
      write.size = static_cast<std::size_t>(std::clamp<off_t>(size - write.at, 0, static_cast<off_t>(write.size)));
  }
  return result;
}

// What stands at `path` gets another name, where it may have to come back.
std::string keep(const char* path) {
  State& all = state();
  if (all.control->lose == 0 || all.trash.empty() || ::access(path, F_OK) != 0) return {};
  std::string name = all.trash + "/" + std::to_string(::getpid()) + "-" + std::to_string(++all.trash_names);
  return ::syscall(SYS_link, path, name.c_str()) == 0 ? name : std::string();
}

template <class Unlink>
int unlink_with(const char* path, Unlink unlink) {
  if (!on() || !state().in_store(path)) return unlink();
  State& all = state();
  const Operation operation(kUnlink);
  std::string kept = keep(path);
  const int result = unlink();
  if (result == 0 && !kept.empty()) all.changes.push_back(Change{kUnlink, path, {}, std::move(kept)});
  return result;
}

std::int64_t clock_us() { return on() ? static_cast<std::int64_t>(state().control->clock_us.load()) : 0; }

mode_t mode_of(int flags, va_list more) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(more, int)) : 0;
}

// 0: as the real one finds it; else an error of getaddrinfo. A name that is found is this machine's.
int look_up(const char** name) {
  Control& control = *state().control;
  ++control.lookups;
  if (control.dns == kTryAgain) return EAI_AGAIN;
  if (control.dns == kNoName) return EAI_NONAME;
  if (control.dns == kSlow) ::poll(nullptr, 0, static_cast<int>(control.dns_ms));
  *name = "127.0.0.1";
  return 0;
}

void fill_up(unsigned long& free_blocks, unsigned long& available) {
  if (on() && state().control->full != 0) free_blocks = available = 0;
}

}  // namespace

// What is put before the C library's own. Each pair of names is one function on 64-bit systems.
extern "C" {

#define OPEN(name)                                                          \
  int name(const char* path, int flags, ...) {                              \
    NEXT(name);                                                             \
    va_list more;                                                           \
    va_start(more, flags);                                                  \
    const mode_t mode = mode_of(flags, more);                               \
    va_end(more);                                                           \
    return open_with(path, flags, [&] { return real(path, flags, mode); }); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                            \
  int name(int at, const char* path, int flags, ...) {                          \
    NEXT(name);                                                                 \
    va_list more;                                                               \
    va_start(more, flags);                                                      \
    const mode_t mode = mode_of(flags, more);                                   \
    va_end(more);                                                               \
    return open_with(path, flags, [&] { return real(at, path, flags, mode); }); \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int descriptor) {
  NEXT(close);
  if (on()) {
    const std::lock_guard lock(state().mutex);
    state().open.erase(descriptor);
  }
  return real(descriptor);
}

#define PWRITE(name)                                                                                     \
  ssize_t name(int descriptor, const void* bytes, size_t size, off_t at) {                               \
    NEXT(name);                                                                                          \
    const auto file = file_of(descriptor);                                                               \
    if (file == nullptr) return real(descriptor, bytes, size, at);                                       \
    return write_with(file, at, size, [&](size_t count) { return real(descriptor, bytes, count, at); }); \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int descriptor, const void* bytes, size_t size) {
  NEXT(write);
  const auto file = file_of(descriptor);
  if (file == nullptr) return real(descriptor, bytes, size);
  const off_t at = ::lseek(descriptor, 0, SEEK_CUR);
  return write_with(file, at, size, [&](size_t count) { return real(descriptor, bytes, count); });
}

ssize_t writev(int descriptor, const iovec* parts, int count) {
  NEXT(writev);
  const auto file = file_of(descriptor);
  if (file == nullptr) return real(descriptor, parts, count);
  std::string all;
  for (int i = 0; i < count; ++i) all.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  return write(descriptor, all.data(), all.size());
}

int fsync(int descriptor) {
  NEXT(fsync);
  return sync_with(real, descriptor);
}
int fdatasync(int descriptor) {
  NEXT(fdatasync);
  return sync_with(real, descriptor);
}

#define FTRUNCATE(name)                                 \
  int name(int descriptor, off_t size) noexcept {       \
    NEXT(name);                                         \
    const auto file = file_of(descriptor);              \
    if (file == nullptr) return real(descriptor, size); \
    return truncate_with(file, size, real, descriptor); \
  }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

int rename(const char* from, const char* to) noexcept {
  NEXT(rename);
  if (!on() || (!state().in_store(from) && !state().in_store(to))) return real(from, to);
  const Operation operation(kRename);
  std::string kept = keep(to);
  const int result = real(from, to);
  if (result == 0) state().changes.push_back(Change{kRename, to, from, std::move(kept)});
  return result;
}

int unlink(const char* path) noexcept {
  NEXT(unlink);
  return unlink_with(path, [&] { return real(path); });
}
int unlinkat(int at, const char* path, int flags) noexcept {
  NEXT(unlinkat);
  return unlink_with(path, [&] { return real(at, path, flags); });
}
int remove(const char* path) noexcept {
  NEXT(remove);
  return unlink_with(path, [&] { return real(path); });
}

int clock_gettime(clockid_t which, timespec* out) noexcept {
  NEXT(clock_gettime);
  const int result = real(which, out);
  const std::int64_t more = which == CLOCK_REALTIME ? clock_us() : 0;
  if (result != 0 || more == 0) return result;
  const std::int64_t all = out->tv_sec * 1'000'000'000 + out->tv_nsec + more * 1000;
  out->tv_sec = all / 1'000'000'000;
  out->tv_nsec = all % 1'000'000'000;
  return 0;
}

int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** out) {
  NEXT(getaddrinfo);
  const bool numeric = hints != nullptr && (hints->ai_flags & AI_NUMERICHOST) != 0;
  if (on() && !numeric && name != nullptr && std::string_view(name).ends_with(".faults")) {
    if (const int error = look_up(&name)) return error;
  }
  return real(name, service, hints, out);
}

int statvfs(const char* path, struct statvfs* out) noexcept {
  NEXT(statvfs);
  const int result = real(path, out);
  if (result == 0) fill_up(out->f_bfree, out->f_bavail);
  return result;
}
int statvfs64(const char* path, struct statvfs64* out) noexcept {
  NEXT(statvfs64);
  const int result = real(path, out);
  if (result == 0) fill_up(out->f_bfree, out->f_bavail);
  return result;
}
}
