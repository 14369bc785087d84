// For tests: a store in memory, a clock moved by hand, and a way to await. Only tests may include it.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>

#include "admin/queries.h"
#include "async/manual_clock.h"
#include "async/task_group.h"
#include "engine/index_key.h"
#include "engine/record.h"
#include "store/memory_store.h"

namespace tieline::admin {

class AdminTest : public testing::Test {
 protected:
  template <class T>
  static asio::awaitable<void> keep(asio::awaitable<T> task, std::optional<T>* out) {
    out->emplace(co_await std::move(task));
  }
  static asio::awaitable<void> note(asio::awaitable<void> task, bool* done) {
    co_await std::move(task);
    *done = true;
  }
  void poll() {
    io.restart();
    while (io.poll() > 0) io.restart();
  }
  // Runs until the task is over; it may not wait for the clock.
  template <class T>
  T await(asio::awaitable<T> task) {
    std::optional<T> out;
    group.spawn(keep(std::move(task), &out));
    poll();
    EXPECT_TRUE(out.has_value()) << "it still waits";
    return std::move(*out);
  }
  void finish(asio::awaitable<void> task) {
    bool done = false;
    TaskGroup closing(io.get_executor());
    closing.spawn(note(std::move(task), &done));
    poll();
    EXPECT_TRUE(done);
  }
  void TearDown() override {
    finish(group.stop());
    finish(store->stop());
  }

  FlowId flow(const std::string& name) {
    const auto opened = await(store->open_flow(name, Position(0)));
    EXPECT_TRUE(opened);
    return *opened;
  }
  Position event(const std::string& source, const std::string& id, const std::string& data = R"({"n":1.10})") {
    NewEvent one{.source = source, .id = id, .type = "orders/create", .subject = "881", .op = Op::kCreated};
    one.time = clock.now() - 1s;
    one.received = clock.now();
    one.data = std::make_shared<const std::string>(data);
    std::vector<NewEvent> events{std::move(one)};
    const auto appended = await(store->append(std::move(events), Deadline::never()));
    EXPECT_TRUE(appended);
    return appended->front().at;
  }
  // The run's next record.
  void record(RunId run, RecordKind kind, const engine::RecordBody& body, RunState state = RunState::kRunning,
              const std::string& summary = {}, std::vector<KeyPut> puts = {}) {
    Record one{.run = run, .number = ++numbers[run], .kind = kind, .step = 1, .attempt = 1, .at = clock.now()};
    one.body = engine::encode(body);
    one.state = state;
    one.summary = summary;
    one.puts = std::move(puts);
    if (state == RunState::kRetrying) one.due = clock.now() + 60s;
    const auto appended = await(store->append(std::move(one), Sync::kWait));
    EXPECT_TRUE(appended) << appended.error().text();
  }
  void state(RunId run, RunState to, const std::string& summary = {}, std::vector<KeyPut> puts = {}) {
    record(run, RecordKind::kState, {}, to, summary, std::move(puts));
  }
  static KeyPut index(const std::string& name, const std::string& value, Position position) {
    return {.bucket = std::string(engine::kIndexBucket), .key = engine::index_key(name, value, position), .value = "1"};
  }
  Ports ports() { return {*store, *store, *store}; }

  asio::io_context io;
  ManualClock clock{Time(1'793'000'000s)};
  TaskGroup group{io.get_executor()};
  std::unique_ptr<store::MemoryStore> store = std::make_unique<store::MemoryStore>(io.get_executor(), clock);
  std::map<RunId, std::uint32_t> numbers;
};

}  // namespace tieline::admin
