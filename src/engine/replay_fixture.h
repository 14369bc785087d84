// What tests of replays and of jobs share: one dead letter, and a person who decides about it.
#pragma once

#include "engine/cause.h"
#include "engine/engine_fixture.h"
#include "engine/index_key.h"
#include "engine/record.h"

namespace tieline::engine {

class ReplayTest : public EngineTest {
 protected:
  Result<void> replay(Position event, Replay how = {}) {
    if (how.by.empty()) how.by = "ada";
    Result<void> done;
    await(keep(engine_->replay(RunId{FlowId(1), event}, how), &done));
    settle();
    return done;
  }
  Result<void> discard(Position event) {
    Result<void> done;
    await(keep(engine_->discard(RunId{FlowId(1), event}, "ada"), &done));
    return done;
  }
  Result<void> edit(Position event, const std::string& data) {
    Result<void> done;
    await(keep(engine_->edit(RunId{FlowId(1), event}, *json::parse(data), "ada"), &done));
    return done;
  }
  static Selection all_dead() {
    Selection select;
    select.states = {RunState::kDead};
    return select;
  }
  Job start_job(Selection select, Replay how = {}) {
    Job job;
    job.select = std::move(select);
    job.how = std::move(how);
    Result<Job> started;
    await(keep(engine_->start_job(job), &started));
    EXPECT_TRUE(started) << started.error().message;
    return started ? *started : Job();
  }
  std::vector<Job> jobs() {
    Result<std::vector<Job>> listed;
    await(keep(engine_->jobs(), &listed));
    return *listed;
  }
  // A dead letter of which the call to `path` was refused.
  Position dead_at(const std::string& path, const std::string& data = "{}") {
    transport_.by_path[path] = status(422);
    const Position event = post(data);
    advance(1s);
    EXPECT_EQ(state(event), RunState::kDead);
    transport_.by_path.clear();
    return event;
  }
  static Replay from_start() {
    Replay how;
    how.from = Replay::From::kStart;
    return how;
  }
};

}  // namespace tieline::engine
