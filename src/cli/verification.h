// Reading a whole store to verify it: minutes for a large one, so beside the server it has a thread of its own.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "async/async.h"
#include "json/value.h"
#include "store/sqlite_store.h"

namespace tieline::cli {

// What commands and the admin port say of it: segments, events, records, corrupt, places.
json::Document verify_document(const store::VerifyReport& report);

// One at a time. One thread only: the executor's.
class Verification {
 public:
  Verification(asio::any_io_executor executor, const store::SqliteStore& store);
  // Gives up what is under way, and waits for it: at most the reading of one segment.
  ~Verification();
  Verification(const Verification&) = delete;
  Verification& operator=(const Verification&) = delete;

  // kUnavailable while another one is under way; else the store's errors.
  Async<json::Document> run();

 private:
  struct Work;
  asio::any_io_executor executor_;
  const store::SqliteStore& store_;
  std::atomic<bool> given_up_{false};
  std::shared_ptr<Work> work_;
  std::thread thread_;
};

}  // namespace tieline::cli
