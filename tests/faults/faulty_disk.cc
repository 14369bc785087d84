#include "faulty_disk.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

namespace faults {
namespace {

constinit std::atomic<State*> the_state{nullptr};  // never destroyed: threads outlive main

Control* map_control(const char* path) {
  const int file = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0));
  if (file < 0) return nullptr;
  void* at = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::syscall(SYS_close, file);
  return at == MAP_FAILED ? nullptr : static_cast<Control*>(at);
}

__attribute__((constructor)) void attach() {
  const char* file = std::getenv("TIELINE_FAULTS");
  const char* store = std::getenv("TIELINE_FAULTS_STORE");
  const char* trash = std::getenv("TIELINE_FAULTS_TRASH");
  if (file == nullptr || store == nullptr) return;
  auto* all = new State;
  all->store = store;
  if (trash != nullptr) all->trash = trash;
  all->control = map_control(file);
  if (all->control != nullptr) the_state.store(all, std::memory_order_release);
}

// What is lost.

void restore(const Pending& write, std::size_t first, std::size_t last) {
  const int file = write.file->descriptor;
  for (std::size_t at = first; at < last; at = std::min(last, at + kPage)) {
    std::string page = at < write.before.size() ? write.before.substr(at, std::min(kPage, last - at)) : std::string();
    page.resize(std::min(kPage, last - at), '\0');
    [[maybe_unused]] const auto done =
        ::syscall(SYS_pwrite64, file, page.data(), page.size(), write.at + static_cast<off_t>(at));
  }
}

// Each page of each write goes, or stays, or a part of its sectors stays.
void lose_writes(State& all, bool everything) {
  std::map<File*, std::pair<off_t, off_t>> sizes;  // before the first write that is lost; behind the last that is kept
  for (auto write = all.pending.rbegin(); write != all.pending.rend(); ++write) {
    auto& [least, kept] = sizes.try_emplace(write->file.get(), write->size_before, 0).first->second;
    least = std::min(least, write->size_before);
    for (std::size_t at = 0; at < write->size; at += kPage) {
      const std::size_t end = std::min(write->size, at + kPage);
      const std::uint64_t what = everything || write->dropped ? 0 : all.chance() % 8;
      const std::size_t from = what == 7 ? std::min(end, at + all.chance() % 8 * kSector) : what >= 4 ? end : at;
      if (from > at) kept = std::max(kept, write->at + static_cast<off_t>(from));
      if (from == end) continue;
      restore(*write, from, end);
      ++all.control->undone;
    }
  }
  for (const auto& [file, size] : sizes) {
    struct stat now {};
    if (::fstat(file->descriptor, &now) != 0) continue;
    const off_t to = std::min(now.st_size, std::max(size.first, size.second));
    if (to < now.st_size) ::syscall(SYS_ftruncate, file->descriptor, to);
  }
}

void lose_changes(State& all, bool everything) {
  const std::size_t kept = everything || all.changes.empty() ? 0 : all.chance() % (all.changes.size() + 1);
  while (all.changes.size() > kept) {
    const Change change = all.changes.back();
    all.changes.pop_back();
    ++all.control->undone;
    const char* path = change.path.c_str();
    if (change.kind == kCreate) ::syscall(SYS_unlink, path);
    if (change.kind == kRename) ::syscall(SYS_rename, path, change.from.c_str());
    if (!change.trash.empty()) ::syscall(SYS_link, change.trash.c_str(), path);
  }
}

[[noreturn]] void die(State& all) {
  if (all.control->lose != 0) {
    all.random = all.control->seed;
    const std::uint64_t how = all.chance() % 4;  // all of it in one of four; else each by chance
    lose_writes(all, how == 0);
    lose_changes(all, how == 0);
  }
  ::kill(::getpid(), SIGKILL);
  while (true) ::poll(nullptr, 0, -1);
}

}  // namespace

State* attached() { return the_state.load(std::memory_order_acquire); }

Operation::Operation(Kind kind) : all_(state()), lock_(all_.mutex) {
  Control& control = *all_.control;
  if (control.die_now != 0) die(all_);
  if ((control.kinds & kind) == 0) return;
  const std::uint64_t number = ++control.points;
  due_ = number == control.die_at;
  if (due_ && (control.die_how == kBefore || (control.die_how == kHalf && kind != kWrite))) die(all_);
}

Operation::~Operation() {
  if (due_) die(all_);
}

int Operation::error(const Word& kind) const {
  Control& control = *all_.control;
  if (kind == 0 || control.points < control.error_from) return 0;
  const int given = static_cast<int>(kind);
  if (control.errors_left != 0 && --control.errors_left == 0) control.write_error = control.sync_error = 0;
  ++control.errors;
  return given;
}

}  // namespace faults
