// Long work on a whole store (verifying, compacting, copying it): minutes for a large one, so beside the server it has
// a thread of its own. It must never be asked for two things at a time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "async/async.h"
#include "json/value.h"
#include "store/sqlite_store.h"
#include "workspace/settings.h"

namespace tieline::cli {

// The store in `directory` as the workspace has it: the same for a server and for a command that opens it itself.
store::StoreOptions store_options(const workspace::StoreSettings& settings, const std::string& directory);

// What commands and the admin port say of it.
json::Document verify_document(const store::VerifyReport& report);  // segments, events, records, corrupt, places
json::Document backup_document(const std::string& directory, const store::BackupReport& report);
json::Document repair_document(const store::RepairReport& report);
// The store's size before and after. kFull; kUnavailable when it was given up.
Result<json::Document> compact_store(store::SqliteStore& store, const std::atomic<bool>* give_up = nullptr);

// One thread only: the executor's.
class StoreWork {
 public:
  StoreWork(asio::any_io_executor executor, store::SqliteStore& store);
  // Gives up what is under way, and waits for it: at most the verification of one segment.
  ~StoreWork();
  StoreWork(const StoreWork&) = delete;
  StoreWork& operator=(const StoreWork&) = delete;

  // kUnavailable while something else is under way; else the store's errors.
  Async<json::Document> verify();
  Async<json::Document> compact();
  Async<json::Document> backup(std::string directory);  // kInvalid unless it is an absolute path

 private:
  struct Work;
  using Make = std::function<Result<json::Document>(store::SqliteStore&, const std::atomic<bool>& give_up)>;
  Async<json::Document> run(Make make);

  asio::any_io_executor executor_;
  store::SqliteStore& store_;
  std::atomic<bool> given_up_{false};
  std::shared_ptr<Work> work_;
  std::thread thread_;
};

}  // namespace tieline::cli
