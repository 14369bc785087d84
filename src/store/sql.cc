#include "store/sql.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

namespace tieline::store {
namespace {

// SQLite counts the bytes that it holds behind one lock for all connections, taken at each allocation, and nobody asks.
// It may be told so before its first use only.
void count_no_memory() {
  static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  (void)once;
}

}  // namespace

Error sql_error(sqlite3* db, int code, std::string_view what) {
  const int primary = code & 0xFF;
  std::string message(what);
  message += ": ";
  message += db != nullptr && sqlite3_errcode(db) != SQLITE_OK ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  if (code != primary) message += " (" + std::to_string(code) + ")";
  // Some failures of a full disk have another name, as that of the index of a log.
  const int system = db != nullptr && primary == SQLITE_IOERR ? sqlite3_system_errno(db) : 0;
  if (system == ENOSPC || system == EDQUOT) return {Code::kFull, message, {}};
  switch (primary) {
    case SQLITE_FULL: return {Code::kFull, message, {}};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: {
      const char* file = db != nullptr ? sqlite3_db_filename(db, "main") : nullptr;
      const std::string name = file != nullptr ? std::filesystem::path(file).filename().string() : "a file";
      return {Code::kCorrupt, (name.empty() ? "a file" : name) + " is damaged (" + message + ")", {}};
    }
    case SQLITE_INTERRUPT: return {Code::kUnavailable, "given up: " + message, {}};
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return {Code::kUnavailable, message, {}};
    default: return {Code::kInternal, message, {}};
  }
}

Result<void> check_format(const std::string& path, std::int64_t found, std::int64_t oldest, std::int64_t newest) {
  if (found >= oldest && found <= newest) return {};
  const std::string what = path + ": its format is " + std::to_string(found) + ", this program reads " +
                           std::to_string(oldest) + " to " + std::to_string(newest) + "; ";
  return failure(Code::kUnsupported,
                 what + (found > newest ? "a newer program wrote it: run that one"
                                        : "an older program wrote it: let that one finish its work, "
                                          "then start with an empty directory"));
}

Statement::Statement(Statement&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(handle_, index, value);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  // A null pointer would bind NULL, not an empty blob.
  sqlite3_bind_blob64(handle_, index, bytes.empty() ? "" : bytes.data(), bytes.size(), SQLITE_STATIC);
  return *this;
}

Statement& Statement::bind_text(int index, std::string_view text) {
  sqlite3_bind_text64(handle_, index, text.empty() ? "" : text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = sql_error(sqlite3_db_handle(handle_), code, "reading the store");
  sqlite3_reset(handle_);
  return failure(std::move(error));
}

int Statement::run_code() {
  int code = sqlite3_step(handle_);
  while (code == SQLITE_ROW) code = sqlite3_step(handle_);
  const int reset = sqlite3_reset(handle_);
  return code == SQLITE_DONE ? SQLITE_OK : (reset != SQLITE_OK ? reset : code);
}

Result<void> Statement::run() {
  if (const int code = run_code(); code != SQLITE_OK) {
    return failure(sql_error(sqlite3_db_handle(handle_), code, "writing to the store"));
  }
  return {};
}

void Statement::reset() {
  if (handle_ != nullptr) sqlite3_reset(handle_);
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }

std::string_view Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(handle_, column);
  return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

bool Statement::is_null(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }

void Statement::copy_row(Statement& into, int columns) const {
  for (int i = 0; i < columns; ++i) sqlite3_bind_value(into.handle_, i + 1, sqlite3_column_value(handle_, i));
}

Database::Database(Database&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

Database::~Database() { sqlite3_close_v2(handle_); }

Result<Database> Database::open(const std::string& path, Mode mode, const std::string& vfs) {
  const int access = mode == Mode::kCreate      ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                     : mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE
                                                : SQLITE_OPEN_READONLY;
  count_no_memory();
  Database db;
  if (mode == Mode::kCreate) {
    // SQLite would let everybody read it; the -wal and -shm get the file's mode.
    if (const int made = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); made >= 0) ::close(made);
  }
  const int code = sqlite3_open_v2(path.c_str(), &db.handle_, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                   vfs.empty() ? nullptr : vfs.c_str());
  if (code != SQLITE_OK) return failure(sql_error(db.handle_, code, "opening " + path));
  sqlite3_busy_timeout(db.handle_, 5000);
  sqlite3_db_config(db.handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_db_config(db.handle_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  if (auto set = db.run("pragma mmap_size=0; pragma temp_store=memory"); !set) {
    return failure(std::move(set.error()).in(path));
  }
  return db;
}

void Database::give_up_when(const std::atomic<bool>* flag) {
  constexpr int kSteps = 100;  // of SQLite's machine: microseconds
  const auto asked = [](void* given) { return static_cast<int>(static_cast<const std::atomic<bool>*>(given)->load()); };
  // SQLite hands the pointer back as it is.
  sqlite3_progress_handler(handle_, flag == nullptr ? 0 : kSteps, flag == nullptr ? nullptr : +asked,
                           const_cast<std::atomic<bool>*>(flag));
}

Result<void> Database::run(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(sql_error(handle_, code, std::string_view(sql).substr(0, 60)));
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &handle, nullptr);
  if (code != SQLITE_OK) return failure(sql_error(handle_, code, sql.substr(0, 60)));
  return Statement(handle);
}

Result<std::int64_t> Database::number(const char* sql) {
  TRY(Statement statement, prepare(sql));
  TRY(const bool row, statement.step());
  if (!row) return failure(Code::kCorrupt, std::string(sql) + " gives no row");
  return statement.integer(0);
}

}  // namespace tieline::store
