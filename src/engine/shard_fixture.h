// What tests of a shard's engine stand on: its loop, the clock that they move, the store's fake, and the end of both.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async/manual_clock.h"
#include "async/task_group.h"
#include "engine/engine.h"
#include "store/memory_store.h"

namespace tieline::engine {

// Whoever derives from it starts `engine_`.
class ShardTest : public testing::Test {
 protected:
  void TearDown() override { stop(); }

  void stop() {
    if (!engine_) return;
    await(engine_->halt());
    engine_.reset();
    await(store_->stop());
  }
  // Kills the process: what was durable stands, and nothing runs.
  void kill() {
    auto next = store_->crash();
    stop();
    store_ = std::move(next);
  }
  template <class T>
  static asio::awaitable<void> keep(Async<T> task, Result<T>* out) {
    *out = co_await std::move(task);
  }
  // Moves the clock on for as long as the task waits for it.
  void await(asio::awaitable<void> task) {
    TaskGroup group(context_.get_executor());
    group.spawn(std::move(task));
    for (int i = 0; i < 100'000 && group.running() > 0; ++i) {
      settle();
      if (group.running() > 0 && clock_.next_wake()) clock_.advance_to(*clock_.next_wake());
    }
    ASSERT_EQ(group.running(), 0u);
  }
  // Lets happen what can happen without the clock.
  void settle() {
    context_.restart();
    while (context_.poll() > 0) context_.restart();
  }
  void advance(Duration by) {
    settle();
    const Instant end = clock_.instant() + by;
    while (clock_.next_wake() && *clock_.next_wake() <= end) {
      clock_.advance_to(*clock_.next_wake());
      settle();
    }
    clock_.advance_to(end);
    settle();
  }
  // An event of "shop", with an id of its own.
  NewEvent event(std::string data, std::string type) {
    NewEvent out;
    out.source = "shop";
    out.id = "e" + std::to_string(++posted_);
    out.type = std::move(type);
    out.time = out.received = clock_.now();
    out.data = std::make_shared<std::string>(std::move(data));
    return out;
  }
  // Durable on return; the first one's position.
  Position append(std::vector<NewEvent> events) {
    Result<std::vector<Appended>> appended;
    const Deadline never;
    await(keep(store_->append(std::move(events), never), &appended));
    return appended->front().at;
  }
  Position post(std::string data, std::string type = "order") {
    return append({event(std::move(data), std::move(type))});
  }
  // Of the first flow that the store knows, as all below.
  std::optional<RunStatus> run_of(Position event) {
    Result<std::optional<RunStatus>> found;
    await(keep(store_->status(RunId{FlowId(1), event}), &found));
    return *found;
  }
  std::vector<Record> records(Position event) {
    Result<std::vector<Record>> found;
    await(keep(store_->read(RunId{FlowId(1), event}), &found));
    return *found;
  }
  Result<void> settle_held(Position event, HeldAnswer answer) {
    Result<void> done;
    await(keep(engine_->settle_held(RunId{FlowId(1), event}, answer, Decision{"ada"}), &done));
    settle();
    return done;
  }
  FlowSnapshot shown(std::string_view flow) const {
    for (FlowSnapshot& one : engine_->snapshot().flows) {
      if (one.name == flow) return one;
    }
    return {};
  }

  asio::io_context context_;
  ManualClock clock_{*parse_time("2026-11-23T00:00:00Z")};
  std::unique_ptr<store::MemoryStore> store_ = std::make_unique<store::MemoryStore>(context_.get_executor(), clock_);
  EngineLimits limits_;
  std::unique_ptr<Engine> engine_;
  int posted_ = 0;
};

}  // namespace tieline::engine
