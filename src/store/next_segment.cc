#include "store/next_segment.h"

#include <unistd.h>

#include "store/files.h"
#include "store/sql.h"
#include "store/wal.h"

namespace tieline::store {

bool NextSegment::begin(State from) {
  const std::lock_guard lock(mutex_);
  if (state_ != from) return false;
  state_ = State::kBusy;
  return true;
}

void NextSegment::end(State to) {
  const std::lock_guard lock(mutex_);
  state_ = to;
}

Result<void> NextSegment::prepare() {
  if (!begin(State::kNone)) return {};
  has_log_ = false;
  remove_database(path_);
  const auto make = [this]() -> Result<void> {
    {
      TRY(Database db, Database::open(path_, Database::Mode::kCreate, vfs_));
      TRY_VOID(db.run("pragma page_size=4096; pragma synchronous=full; pragma journal_mode=wal"));
    }
    // Empty both: they would get in the way of a log that comes.
    for (const char* suffix : {"-wal", "-shm"}) ::unlink((path_ + suffix).c_str());
    return sync_directory(directory_);
  };
  auto made = make();
  if (!made) remove_database(path_);
  end(made ? State::kReady : State::kNone);
  return made;
}

bool NextSegment::add_log(const std::string& log, std::uint64_t bytes_max) {
  if (!begin(State::kReady)) return false;
  const auto add = [&] {
    if (has_log_ || !shrink_file(log, bytes_max)) return false;
    // Before it gets another name, durably: under no name may it be read as the log that it was.
    if (!blank_wal(log)) return false;
    return ::rename(log.c_str(), (path_ + "-wal").c_str()) == 0;
  };
  const bool added = add();
  has_log_ = has_log_ || added;
  end(State::kReady);
  return added;
}

void NextSegment::drop_log() {
  if (!begin(State::kReady)) return;
  if (has_log_ && shrink_file(path_ + "-wal", 0)) ::unlink((path_ + "-wal").c_str());
  has_log_ = false;
  end(State::kReady);
}

bool NextSegment::take(const std::string& path) {
  if (!begin(State::kReady)) return false;
  // The log first: who opened the database without it would make another one, and keep that open. Where it cannot be
  // had, the writer makes one.
  if (has_log_) ::rename((path_ + "-wal").c_str(), (path + "-wal").c_str());
  const bool taken = ::rename(path_.c_str(), path.c_str()) == 0;
  if (!taken) ::unlink((path + "-wal").c_str());
  end(State::kNone);
  return taken;
}

void NextSegment::remove() {
  remove_database(path_);
  end(State::kNone);
}

}  // namespace tieline::store
