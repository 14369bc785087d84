#include "cli/store_work.h"

#include <boost/asio/post.hpp>
#include <filesystem>
#include <optional>
#include <utility>

#include "async/waiter.h"
#include "cli/secret_key.h"

namespace tieline::cli {
namespace {

void put(json::Builder& out, const char* name, std::uint64_t value) {
  out.key(name).integer(static_cast<std::int64_t>(value));
}

}  // namespace

store::StoreOptions store_options(const workspace::StoreSettings& settings, const std::string& directory) {
  store::StoreOptions options{.directory = directory};
  options.beside = {std::string(kSecretKeyFile)};
  options.keep = settings.history();
  options.keep_payloads = settings.payloads();
  options.dedupe_window = settings.dedupe();
  options.bytes_max = static_cast<std::uint64_t>(settings.max.bytes);
  options.headroom_bytes = static_cast<std::uint64_t>(settings.reserve.bytes);
  return options;
}

json::Document verify_document(const store::VerifyReport& report) {
  json::Builder out;
  out.begin_object();
  put(out, "segments", report.segments);
  put(out, "events", report.events);
  put(out, "records", report.records);
  put(out, "corrupt", report.corrupt());
  out.key("places").begin_array();
  for (const std::string& place : report.places) out.string(place);
  return out.end_array().end_object().finish();
}

json::Document backup_document(const std::string& directory, const store::BackupReport& report) {
  json::Builder out;
  out.begin_object().key("directory").string(directory);
  put(out, "segments", report.segments);
  put(out, "linked", report.linked);
  put(out, "bytes", report.bytes);
  put(out, "last_position", report.last.value);
  return out.end_object().finish();
}

json::Document repair_document(const store::RepairReport& report) {
  json::Builder out;
  out.begin_object();
  put(out, "events_aside", report.events_aside);
  put(out, "records_aside", report.records_aside);
  if (!report.aside_file.empty()) out.key("aside_file").string(report.aside_file);
  put(out, "segments_rewritten", report.segments_rewritten);
  out.key("state_rebuilt").boolean(report.state_rebuilt);
  put(out, "events", report.after.events);
  put(out, "records", report.after.records);
  put(out, "corrupt", report.after.corrupt());
  out.key("places").begin_array();
  for (const std::string& place : report.after.places) out.string(place);
  out.end_array().key("done").begin_array();
  for (const std::string& line : report.lines) out.string(line);
  return out.end_array().end_object().finish();
}

Result<json::Document> compact_store(store::SqliteStore& store, const std::atomic<bool>* give_up) {
  const std::uint64_t before = store.bytes_on_disk();
  TRY_VOID(store.compact(give_up));
  json::Builder out;
  out.begin_object();
  put(out, "disk_bytes_before", before);
  put(out, "disk_bytes", store.bytes_on_disk());
  return out.end_object().finish();
}

// Outlives a caller that is cancelled.
struct StoreWork::Work {
  std::optional<Result<json::Document>> done;
  Waiter waiter;
};

StoreWork::StoreWork(asio::any_io_executor executor, store::SqliteStore& store)
    : executor_(std::move(executor)), store_(store) {}

StoreWork::~StoreWork() {
  given_up_ = true;
  if (thread_.joinable()) thread_.join();
}

Async<json::Document> StoreWork::run(Make make) {
  if (work_ != nullptr && !work_->done) {
    co_return failure(Code::kUnavailable,
                      "the store is being verified, compacted or copied already; ask again when that has ended");
  }
  if (thread_.joinable()) thread_.join();
  const auto work = std::make_shared<Work>();
  work_ = work;
  thread_ = std::thread([this, work, executor = executor_, make = std::move(make)] {
    auto done = make(store_, given_up_);
    asio::post(executor, [work, done = std::move(done)]() mutable {
      work->done = std::move(done);
      work->waiter.wake();
    });
  });
  co_await work->waiter.wait();
  co_return std::move(*work->done);
}

Async<json::Document> StoreWork::verify() {
  Make make = [](store::SqliteStore& store, const std::atomic<bool>& give_up) -> Result<json::Document> {
    TRY(const store::VerifyReport report, store.verify(&give_up));
    return verify_document(report);
  };
  return run(std::move(make));
}

Async<json::Document> StoreWork::compact() {
  Make make = [](store::SqliteStore& store, const std::atomic<bool>& give_up) {
    return compact_store(store, &give_up);
  };
  return run(std::move(make));
}

Async<json::Document> StoreWork::backup(std::string directory) {
  Make make = [directory](store::SqliteStore& store, const std::atomic<bool>& give_up) -> Result<json::Document> {
    if (!std::filesystem::path(directory).is_absolute())
      return failure(Code::kInvalid, "a backup needs the absolute path of a directory");
    TRY(const store::BackupReport report, store.backup(directory, &give_up));
    return backup_document(directory, report);
  };
  return run(std::move(make));
}

}  // namespace tieline::cli
