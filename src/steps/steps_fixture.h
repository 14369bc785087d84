// What tests of the steps share: steps from their YAML, a connection whose actions do nothing, and a run in memory.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "steps/flow_builder.h"

namespace tieline::steps {

class TestAction final : public Action {
 public:
  explicit TestAction(Safety safety = Safety::kSafe) {
    name_ = "crm.contacts.search";
    safety_ = safety;
  }
  Result<Request> render(const json::Document&, const CallIdentity&) const override { return Request{}; }
  Verdict judge(const Exchange&, Time) const override { return {}; }
  Result<std::optional<Request>> next_page(const Request&, const Exchange&) const override { return std::nullopt; }
  Result<Request> render_find(const json::Document&, const CallIdentity&) const override { return Request{}; }
  Verdict judge_find(const Exchange&, Time) const override { return {}; }
};

// A connection `crm` with one resource, and `broken`, whose file has errors.
class TestActions final : public Actions {
 public:
  std::vector<std::string> connections() const override { return {"broken", "crm"}; }
  bool loaded(std::string_view connection) const override { return connection == "crm"; }
  std::vector<std::string> resources(std::string_view) const override { return {"contacts"}; }
  std::vector<std::string> actions(std::string_view, std::string_view) const override { return {"search", "upsert"}; }
  std::optional<ActionInfo> find(std::string_view, std::string_view, std::string_view action) const override {
    if (action == "make")
      return ActionInfo{
          .arguments = {}, .other_arguments = true, .action = std::make_shared<TestAction>(Safety::kUnsafe)};
    if (action != "search") return std::nullopt;
    return ActionInfo{.arguments = {{.name = "email", .type = "string", .required = true},
                                    {.name = "limit", .type = "integer"},
                                    {.name = "order", .type = "string", .choices = {"asc", "desc"}},
                                    {.name = "contact", .refused = true}},
                      .other_arguments = false,
                      .action = std::make_shared<TestAction>()};
  }
};

// A run in memory: calls are kept and answered with `answer`.
class TestRun final : public RunContext {
 public:
  TestRun(std::string_view input, std::size_t variables)
      : input_(*json::parse(std::string(input))), variables_(variables) {}
  const json::Document& input() const override { return input_; }
  void set_input(json::Document value) override { input_ = std::move(value); }
  const std::vector<json::Document>& variables() const override { return variables_; }
  void bind(std::size_t slot, json::Document value) override { variables_.at(slot) = std::move(value); }
  asio::awaitable<CallResult> call(CallRequest request) override {
    calls.push_back(std::move(request));
    co_return answer;
  }
  asio::awaitable<StepResult> work(const StepList& list) override {
    for (const auto& step : list.steps) {
      StepResult result = co_await step->run(*this);
      if (result.kind != StepResult::Kind::kNext) co_return result;
    }
    co_return StepResult::next();
  }
  asio::awaitable<StepResult> work_all(const std::vector<StepList>& lists) override {
    for (const StepList& list : lists) {
      StepResult result = co_await work(list);
      if (result.kind != StepResult::Kind::kNext) co_return result;
    }
    co_return StepResult::next();
  }
  asio::awaitable<EachResult> each(EachRequest request) override {
    each_requests.push_back(std::move(request));
    co_return each_answer;
  }

  Time now() const override { return *parse_time("2026-11-29T12:00:00Z"); }
  asio::awaitable<StepResult> pause(Pause pause) override {
    pauses.push_back(std::move(pause));
    co_return StepResult::suspend();
  }
  Result<void> publish(Publication publication) override {
    published.push_back(std::move(publication));
    return {};
  }
  asio::awaitable<StepResult> read(const SyncRequest&) override { co_return StepResult::fail({}); }
  asio::awaitable<CallResult> table(TableWork work) override {
    std::vector<std::optional<Bytes>> entries;
    for (const std::string& key : work.keys) {
      const auto found = links.find(key);
      entries.push_back(found == links.end() ? std::nullopt : std::optional(found->second));
    }
    decided = work.decide(entries, Time(), "flow/1");
    for (const KeyPut& put : decided.puts) links[put.key] = put.value;
    co_return CallResult{decided.step, decided.value};
  }
  Result<Bytes> derive(std::string_view purpose, std::size_t count) override {
    Bytes out;
    for (std::uint64_t i = 0; out.size() < count; ++i) put_u64(out, hash64(purpose, i));
    out.resize(count);
    return out;
  }
  json::Document conceal(std::string name, std::string handle, std::string secret) override {
    concealed.push_back({std::move(name), handle, std::move(secret)});
    return json::make_string(handle);
  }

  CallResult answer;
  std::vector<CallRequest> calls;
  std::vector<Pause> pauses;
  std::vector<Publication> published;
  std::map<std::string, Bytes> links;
  TableDecision decided;
  std::vector<Concealed> concealed;
  EachResult each_answer;
  std::vector<EachRequest> each_requests;

 private:
  json::Document input_;
  std::vector<json::Document> variables_;
};

struct Built {
  std::vector<std::shared_ptr<const Step>> steps;
  std::vector<std::string> variables;
  std::string problems;
};

inline Built build(const std::string& yaml) {
  static const TestActions actions;
  Built out;
  spec::Problems problems;
  const auto node = spec::parse_yaml(yaml, "f.yaml", problems);
  const auto drafts = node ? spec::parse<std::vector<StepDraft>>(*node, problems) : std::nullopt;
  if (drafts) {
    const std::vector<BoundName> names = names_of(*drafts);
    FlowBuilder builder(names, actions, problems);
    for (const StepDraft& draft : *drafts) out.steps.push_back(builder.build(draft.spec()));
    out.variables = builder.variables();
  }
  out.problems = problems.text();
  return out;
}

inline StepResult run(const Step& step, RunContext& context) {
  asio::io_context io;
  std::optional<StepResult> result;
  const auto body = [](const Step& s, RunContext& c, std::optional<StepResult>& out) -> asio::awaitable<void> {
    out = co_await s.run(c);
  };
  asio::co_spawn(io, body(step, context, result), [](const std::exception_ptr&) {});
  io.run();
  return *result;
}

using Kind = StepResult::Kind;

}  // namespace tieline::steps
