// What steps see and do while they work one after the other: the whole of a run, or one strand of it, an item of a
// `foreach` or an arm of `parallel`. Strands of one run must never share what one of them may change.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/shard.h"

namespace tieline::engine {

// The end of a run, or of a strand, for an error that no retry mends.
Transition failed(const Error& error, std::uint16_t step);

class Scope final : public RunContext {
 public:
  Scope(Shard& shard, Run& run, std::vector<json::Document> variables);

  const json::Document& input() const override { return input_; }
  void set_input(json::Document value) override {
    input_ = std::move(value);
    mapped_ = true;
  }
  const std::vector<json::Document>& variables() const override { return variables_; }
  void bind(std::size_t slot, json::Document value) override { variables_.at(slot) = std::move(value); }
  asio::awaitable<CallResult> call(CallRequest request) override;
  Time now() const override;
  asio::awaitable<StepResult> pause(Pause pause) override;
  asio::awaitable<CallResult> table(TableWork work) override;
  Result<Bytes> derive(std::string_view purpose, std::size_t count) override;
  json::Document conceal(std::string name, std::string handle, std::string secret) override;
  asio::awaitable<StepResult> work(const StepList& list) override;
  asio::awaitable<StepResult> work_all(const std::vector<StepList>& lists) override;
  asio::awaitable<EachResult> each(EachRequest request) override;
  asio::awaitable<StepResult> read(const SyncRequest& request) override;
  Result<void> publish(Publication publication) override;

  // kNext, kSkip (its step is step()), or kSuspend: `transition` says where it goes. `first` is the first one's number.
  asio::awaitable<StepResult> go_through(const std::vector<std::shared_ptr<const Step>>& steps, std::uint32_t first);
  std::uint16_t step() const { return step_; }

  Transition transition;

 private:
  friend struct Arms;
  friend struct Each;
  // What stands as this scope does now; and a strand of that name beside others.
  std::unique_ptr<Scope> copy() const;
  std::unique_ptr<Scope> strand(const std::string& name) const;
  std::string label() const;
  std::string path_here() const;  // as RecordBody's, of the step at work
  asio::awaitable<void> note(CallId id);

  Shard& shard_;
  Run& run_;
  json::Document input_;
  std::vector<json::Document> variables_;
  const Step* current_ = nullptr;
  std::uint16_t step_ = 0;
  std::uint32_t calls_ = 0;
  bool mapped_ = false;               // `.` is not what the scope began with
  std::vector<std::uint32_t> items_;  // as CallId's
  std::string path_;                  // as RecordBody's, of the scope; empty: nothing works beside it
};

// Where a run goes whose strands have ended in different ways, in this order: at once to its next start, where the
// store refuses or the engine drains; to the earliest of its retries; to a hold, for a person before one that ends by
// itself; to the earliest of its pauses; to wait for a call that waits for one of its own; to its end.
class Ends {
 public:
  // Of the strand of that number.
  void add(std::size_t strand, Transition end);
  bool any() const { return best_.has_value(); }
  bool waits() const;  // any but dead
  bool stops() const;  // nothing more needs to be begun
  Transition take() { return std::move(*best_); }

 private:
  std::optional<Transition> best_;
  std::size_t strand_ = 0;
};

}  // namespace tieline::engine
