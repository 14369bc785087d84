// What the store's tests share: a shard's loop, simulated time, and short ways to make events and records.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/manual_clock.h"
#include "store/memory_store.h"
#include "store/sqlite_store.h"

namespace tieline::store {

inline const Time kStart = from_unix_us(1'700'000'000'000'000);

// A shard's thread, as a test drives it.
class Loop {
 public:
  asio::any_io_executor executor() { return io_.get_executor(); }

  // Runs until `task` has ended.
  template <class T>
  T run(asio::awaitable<T> task) {
    std::optional<T> value;
    std::exception_ptr thrown;
    bool done = false;
    asio::co_spawn(io_, std::move(task), [&](std::exception_ptr error, T result) {
      thrown = error;
      value = std::move(result);
      done = true;
    });
    turn_until(done);
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*value);
  }
  void run(asio::awaitable<void> task) {
    bool done = false;
    asio::co_spawn(io_, std::move(task), [&](const std::exception_ptr&) { done = true; });
    turn_until(done);
  }
  // Starts it; what it came to appears in the returned place.
  template <class T>
  std::shared_ptr<std::optional<T>> start(asio::awaitable<T> task) {
    auto place = std::make_shared<std::optional<T>>();
    asio::co_spawn(io_, std::move(task),
                   [place](const std::exception_ptr&, T result) { place->emplace(std::move(result)); });
    return place;
  }
  // Runs what is ready now.
  void turn() {
    io_.restart();
    while (io_.poll() > 0) {
    }
  }
  void turn_until(const bool& done) {
    io_.restart();
    while (!done) io_.run_one();
  }
  template <class T>
  T& wait(const std::shared_ptr<std::optional<T>>& place) {
    io_.restart();
    while (!place->has_value()) io_.run_one();
    return **place;
  }

 private:
  asio::io_context io_;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tieline-store-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A store on disk in a directory of its own, opened and closed as often as a test likes.
class DiskStoreTest : public ::testing::Test {
 protected:
  DiskStoreTest() {
    options_.directory = directory_.path() / "data";
    options_.headroom_bytes = 0;
    options_.report = [this](std::string_view line) { reported_ += std::string(line) + "\n"; };
  }
  ~DiskStoreTest() override { close(); }

  Result<void> try_open() {
    TRY(store_, SqliteStore::open(options_, clock_));
    shard_ = store_->shard(loop_.executor());
    return {};
  }
  void open() {
    const auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().text();
  }
  void close() {
    if (shard_) loop_.run(shard_->stop());
    shard_.reset();
    store_.reset();
  }
  template <class T>
  T run(asio::awaitable<T> task) {
    return loop_.run(std::move(task));
  }

  TemporaryDirectory directory_;
  Loop loop_;
  ManualClock clock_{kStart};
  StoreOptions options_;
  std::string reported_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<ShardStore> shard_;
};

inline NewEvent make_event(std::string id, std::string source = "shopify", std::size_t data_bytes = 0) {
  NewEvent event;
  event.source = std::move(source);
  event.id = std::move(id);
  event.type = "orders/create";
  event.subject = "order-" + event.id;
  event.op = Op::kCreated;
  event.time = kStart - std::chrono::seconds(3);
  event.received = kStart;
  std::string data = "{\"id\":\"" + event.id + "\",\"note\":\"";
  data += std::string(data_bytes, 'x') + "\"}";
  event.data = std::make_shared<const std::string>(std::move(data));
  return event;
}

inline std::vector<NewEvent> make_events(const std::vector<std::string>& ids) {
  std::vector<NewEvent> events;
  for (const std::string& id : ids) events.push_back(make_event(id));
  return events;
}

inline Record make_record(FlowId flow, std::uint64_t event, std::uint32_t number,
                          RecordKind kind = RecordKind::kOutcome) {
  Record record;
  record.run = {flow, Position(event)};
  record.number = number;
  record.kind = kind;
  record.step = 2;
  record.attempt = 1;
  record.at = kStart + std::chrono::seconds(number);
  record.body = "record " + std::to_string(number);
  return record;
}

inline Record make_state(FlowId flow, std::uint64_t event, std::uint32_t number, RunState state) {
  Record record = make_record(flow, event, number, RecordKind::kState);
  record.state = state;
  return record;
}

inline std::vector<std::string> ids_of(const std::vector<EventPtr>& events) {
  std::vector<std::string> ids;
  for (const EventPtr& event : events) ids.push_back(event->id);
  return ids;
}

}  // namespace tieline::store
