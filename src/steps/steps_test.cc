#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

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

  CallResult answer;
  std::vector<CallRequest> calls;
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

Built build(const std::string& yaml) {
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

StepResult run(const Step& step, RunContext& context) {
  asio::io_context io;
  std::optional<StepResult> result;
  const auto body = [](const Step& s, RunContext& c, std::optional<StepResult>& out) -> asio::awaitable<void> {
    out = co_await s.run(c);
  };
  asio::co_spawn(io, body(step, context, result), asio::detached);
  io.run();
  return *result;
}

using Kind = StepResult::Kind;

TEST(Filter, SkipsWithItsReasonWhereItsProgramIsFalse) {
  const Built built = build("- filter: { if: .test | not, reason: test order }\n- filter: =.test\n");
  ASSERT_EQ(built.problems, "");
  TestRun test(R"({"test": true})", built.variables.size());
  const StepResult skipped = run(*built.steps[0], test);
  EXPECT_EQ(skipped.kind, Kind::kSkip);
  EXPECT_EQ(skipped.reason, "test order");
  EXPECT_EQ(run(*built.steps[1], test).kind, Kind::kNext);
  TestRun live(R"({"test": false})", built.variables.size());
  EXPECT_EQ(run(*built.steps[0], live).kind, Kind::kNext);
  EXPECT_EQ(run(*built.steps[1], live).reason, "not .test");
}

TEST(Filter, ThatFailsIsAnError) {
  const Built built = build("- filter: .a.b.c > 1 and (.a | error(\"no\"))\n");
  TestRun context(R"({"a": {"b": {"c": 2}}})", built.variables.size());
  EXPECT_EQ(run(*built.steps[0], context).kind, Kind::kFail);
}

TEST(Let, BindsInOrderAndLeavesTheInput) {
  const Built built = build("- let: { a: =.x, b: ='=$a + 1', c: [=$b, text, 1.10, true, null] }\n");
  const Built fixed = build("- let: { a: =.x, b: '=$a + 1', c: ['=$b', text, 1.10, true, null] }\n");
  EXPECT_NE(built.problems, "");  // a quote inside a plain leaf is no YAML quote
  ASSERT_EQ(fixed.problems, "");
  TestRun context(R"({"x": 41})", fixed.variables.size());
  EXPECT_EQ(run(*fixed.steps[0], context).kind, Kind::kNext);
  EXPECT_EQ(json::print(context.variables()[kFixedSlots + 1].root()), "42");
  EXPECT_EQ(json::print(context.variables()[kFixedSlots + 2].root()), R"([42,"text",1.10,true,null])");
  EXPECT_EQ(json::print(context.input().root()), R"({"x":41})");
}

TEST(Map, ReplacesTheInput) {
  const Built built = build("- map: { id: =.id, kind: order }\n- map: .id\n- map: |\n    { a: . }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context(R"({"id": 1042, "rest": 1})", built.variables.size());
  run(*built.steps[0], context);
  EXPECT_EQ(json::print(context.input().root()), R"({"id":1042,"kind":"order"})");
  TestRun small(R"({"id": 7})", built.variables.size());
  run(*built.steps[1], small);
  EXPECT_EQ(json::print(small.input().root()), "7");
  run(*built.steps[2], small);
  EXPECT_EQ(json::print(small.input().root()), R"({"a":7})");
}

TEST(Map, FailsWithThePathOfTheLeaf) {
  const Built built = build("- map: { a: { b: =.x | error(\"bad x\") } }\n");
  const Built quoted = build("- map: { a: { b: '=.x | error(\"bad x\")' } }\n");
  ASSERT_EQ(quoted.problems, "") << built.problems;
  TestRun context(R"({"x": 1})", quoted.variables.size());
  const StepResult result = run(*quoted.steps[0], context);
  EXPECT_EQ(result.kind, Kind::kFail);
  EXPECT_EQ(result.error.message.find("map.a.b: "), 0u) << result.error.message;
}

TEST(Assert, FailsWithItsMessage) {
  const Built built = build(
      "- { assert: .n == 1, message: '=\"n is \\(.n)\"' }\n- assert: .n == 1\n- { assert: .n == 1, message: off }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context(R"({"n": 2})", built.variables.size());
  EXPECT_EQ(run(*built.steps[0], context).error.message, "n is 2");
  EXPECT_EQ(run(*built.steps[1], context).error.message, "assertion failed: .n == 1");
  EXPECT_EQ(run(*built.steps[2], context).error.message, "off");
  EXPECT_EQ(run(*built.steps[0], context).error.code, Code::kInvalid);
  TestRun good(R"({"n": 1})", built.variables.size());
  EXPECT_EQ(run(*built.steps[0], good).kind, Kind::kNext);
}

TEST(Stop, EndsAsSkipped) {
  const Built built = build("- { stop: done for now, if: .x, name: the end }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context("{}", built.variables.size());
  EXPECT_EQ(run(*built.steps[0], context).reason, "done for now");
  EXPECT_EQ(built.steps[0]->name(), "the end");
  EXPECT_EQ(built.steps[0]->kind(), "stop");
  ASSERT_NE(built.steps[0]->condition(), nullptr);
}

TEST(Call, HandsEverythingToTheRunAndBindsTheAnswer) {
  const Built built = build(
      "- call: crm.contacts.search\n  with: { email: =.email, limit: 1 }\n  as: contact\n  once: .id\n"
      "  on: { empty: skip, DUPLICATE: continue }\n  timeout: 3s\n  on_unknown: drop\n  retry: { tries: 2 }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context(R"({"email": "a@example.com", "id": 7})", built.variables.size());
  context.answer.value = json::make_string("found");
  EXPECT_EQ(run(*built.steps[0], context).kind, Kind::kNext);
  ASSERT_EQ(context.calls.size(), 1u);
  const CallRequest& call = context.calls[0];
  EXPECT_EQ(call.action->name(), "crm.contacts.search");
  EXPECT_EQ(json::print(call.args.root()), R"({"email":"a@example.com","limit":1})");
  EXPECT_EQ(call.once, "7");
  ASSERT_EQ(call.on->size(), 2u);
  EXPECT_EQ((*call.on)[0].answer, "empty");
  EXPECT_EQ((*call.on)[0].then, OnAnswer::kSkip);
  EXPECT_EQ((*call.on)[1].answer, "DUPLICATE");
  EXPECT_EQ(call.timeout, Duration(3s));
  EXPECT_EQ(call.on_unknown, OnUnknown::kDrop);
  ASSERT_NE(call.retry, nullptr);
  EXPECT_EQ(call.retry->tries, 2u);
  EXPECT_EQ(json::print(context.variables()[kFixedSlots].root()), R"("found")");
}

TEST(Call, BindsNothingWhenTheRunIsSuspended) {
  const Built built = build("- { call: crm.contacts.search, with: { email: x }, as: contact }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context("{}", built.variables.size());
  context.answer = {StepResult::suspend(), json::make_string("found")};
  EXPECT_EQ(run(*built.steps[0], context).kind, Kind::kSuspend);
  EXPECT_TRUE(context.variables()[kFixedSlots].root().is_null());
  EXPECT_EQ(context.calls[0].retry, nullptr);
}

TEST(Call, RefusesArgumentsAndKeysThatAreNone) {
  const Built built = build(
      "- { call: crm.contacts.search, with: .list }\n- { call: crm.contacts.search, with: { email: x }, once: .none "
      "}\n");
  ASSERT_EQ(built.problems, "");
  TestRun context(R"({"list": [1]})", built.variables.size());
  EXPECT_EQ(run(*built.steps[0], context).error.message, "`with` gave array, a call takes an object");
  EXPECT_EQ(run(*built.steps[1], context).kind, Kind::kFail);
  EXPECT_TRUE(context.calls.empty());
}

TEST(Branch, NumbersItsStepsInTheOrderInWhichTheyAreWritten) {
  const Built built = build(
      "- branch:\n    - if: .n > 1\n      steps: [ { let: { a: 1 } }, { let: { b: 2 } } ]\n"
      "    - else: [ { foreach: .list, steps: [ { stop: x } ] } ]\n- map: '{ a: $a, b: $b }'\n");
  ASSERT_EQ(built.problems, "");
  EXPECT_EQ(built.steps[0]->size(), 5u);
  EXPECT_EQ(built.steps[1]->size(), 1u);
  TestRun context(R"({"n": 2})", built.variables.size());
  EXPECT_EQ(run(*built.steps[0], context).kind, Kind::kNext);
  run(*built.steps[1], context);
  EXPECT_EQ(json::print(context.input().root()), R"({"a":1,"b":2})");
}

TEST(Branch, WhoseProgramFailsIsAnError) {
  const Built built = build("- branch: [ { if: 'error(\"no\")', steps: [ { stop: x } ] } ]\n");
  ASSERT_EQ(built.problems, "");
  TestRun context("{}", built.variables.size());
  EXPECT_EQ(run(*built.steps[0], context).error.message.find("if: "), 0u);
}

TEST(Foreach, AsksTheRunForItsItems) {
  const Built built = build(
      "- foreach: .list\n  as: line\n  steps: [ { let: { x: =$item } } ]\n  collect: all\n  concurrency: 8\n"
      "- foreach: { call: crm.contacts.search, with: { email: =.email }, on: { missing: continue }, timeout: 3s }\n"
      "  collect: found\n");
  ASSERT_EQ(built.problems, "");
  TestRun context(R"({"list": [1, 2], "email": "a"})", built.variables.size());
  context.each_answer.collected = json::make_string("collected");
  EXPECT_EQ(run(*built.steps[0], context).kind, Kind::kNext);
  const EachRequest& list = context.each_requests[0];
  EXPECT_EQ(json::print(list.list.root()), "[1,2]");
  EXPECT_FALSE(list.pages.has_value());
  EXPECT_EQ(list.concurrency, 8u);
  EXPECT_EQ(list.steps->steps.size(), 1u);
  EXPECT_EQ(list.steps->first, 1u);
  EXPECT_EQ(built.variables[list.item_slot], "item");
  EXPECT_EQ(built.variables[list.index_slot], "index");
  EXPECT_EQ(built.variables[*list.as_slot], "line");
  EXPECT_TRUE(list.collect);
  run(*built.steps[1], context);
  const EachRequest& pages = context.each_requests[1];
  ASSERT_TRUE(pages.pages.has_value());
  EXPECT_EQ(json::print(pages.pages->args.root()), R"({"email":"a"})");
  EXPECT_EQ((*pages.pages->on)[0].answer, "missing");
  EXPECT_EQ(pages.pages->timeout, Duration(3s));
}

TEST(Check, KnowsWhatIsBoundInsideOfSteps) {
  struct Case {
    const char *name, *yaml, *said;
  };
  const Case cases[] = {
      {"item outside", "- map: $item\n- { foreach: .l, steps: [ { map: $item } ] }\n",
       "f.yaml:1:8: error: `$item` is there inside of a `foreach` only"},
      {"item behind", "- { foreach: .l, steps: [ { map: $item } ] }\n- map: $index\n",
       "`$index` is there inside of a `foreach` only"},
      {"item of one's own", "- { let: { item: 1 } }\n", "`$item` has a meaning of its own"},
      {"an arm beside", "- parallel:\n    a: [ { let: { x: 1 } } ]\n    b: [ { map: $x } ]\n",
       "f.yaml:3:17: error: `$x` is bound in another arm of the `parallel` (line 2)"},
      {"a later arm", "- parallel:\n    a: [ { map: $x } ]\n    b: [ { let: { x: 1 } } ]\n",
       "`$x` is bound in another arm of the `parallel` (line 3)"},
      {"one name twice", "- parallel:\n    a: [ { let: { x: 1 } } ]\n    b: [ { let: { x: 2 } } ]\n",
       "f.yaml:3:19: error: `$x` is bound in the arm \"a\" already (line 2)"},
      {"nothing to do", "- foreach: .l\n", "`foreach` without `steps` and without `collect` does nothing"},
      {"concurrency", "- { foreach: .l, collect: a, concurrency: 65 }\n", "64"},
      {"both", "- { foreach: { items: .l, call: crm.contacts.search }, collect: a }\n", "not from both"},
      {"with a program", "- { foreach: { items: .l, with: { a: 1 } }, collect: a }\n", "belong to a `call`"},
      {"no source", "- { foreach: {}, collect: a }\n", "`foreach` is a program, or"},
      {"unsafe", "- { foreach: { call: crm.contacts.make, with: { email: a } }, collect: a }\n",
       "f.yaml:1:22: error: `crm.contacts.make` does more than read"},
      {"no arm", "- { branch: [] }\n", "`branch` has no arm"},
      {"empty parallel", "- { parallel: {} }\n", "`parallel` has no arm"},
      {"empty arm", "- parallel: { a: [], b: [ { stop: x } ] }\n", "f.yaml:1:15: error: the arm \"a\" has no steps"},
  };
  for (const Case& c : cases) {
    const std::string said = build(c.yaml).problems;
    EXPECT_NE(said.find(c.said), std::string::npos) << c.name << ": " << said;
  }
  EXPECT_EQ(
      build("- { foreach: .l, steps: [ { foreach: $item, steps: [ { map: $item } ] }, { map: $item } ] }\n").problems,
      "");
  EXPECT_EQ(build("- { foreach: .l, steps: [ { let: { x: 1 } } ] }\n- map: $x\n").problems, "");
  EXPECT_EQ(build("- parallel:\n    a: [ { let: { x: 1 } } ]\n    b: [ { stop: z } ]\n- map: $x\n").problems, "");
}

TEST(Check, BoundsHowDeepStepsStand) {
  const auto nested = [](int depth) {
    std::string yaml = "{ stop: x }";
    for (int i = 0; i < depth; ++i) yaml = "{ branch: [ { else: [ " + yaml + " ] } ] }";
    return build("- " + yaml + "\n");
  };
  EXPECT_EQ(nested(8).problems, "");
  EXPECT_NE(nested(9).problems.find("steps stand inside steps at most 8 deep"), std::string::npos);
}

TEST(Check, SaysWhatIsWrongAndWhere) {
  struct Case {
    const char *name, *yaml, *said;
  };
  const Case cases[] = {
      {"unknown connection", "- { call: cmr.contacts.search }\n",
       "there is no connection \"cmr\"; did you mean \"crm\"?"},
      {"unknown resource", "- { call: crm.contact.search }\n",
       "f.yaml:1:15: error: \"crm\" has no resource \"contact\"; did you mean"},
      {"unknown action", "- { call: crm.contacts.serch }\n",
       "f.yaml:1:24: error: \"crm\" has no action \"serch\"; did you mean"},
      {"missing argument", "- { call: crm.contacts.search }\n", "needs the argument \"email\""},
      {"refused argument", "- { call: crm.contacts.search, with: { email: a, contact: 1 } }\n",
       "takes no argument \"contact\""},
      {"choice", "- { call: crm.contacts.search, with: { email: a, order: des } }\n",
       "one of asc, desc; did you mean \"desc\"?"},
      {"type", "- { call: crm.contacts.search, with: { email: a, limit: 1.5 } }\n", "is an integer, not a number"},
      {"early use", "- stop: =$later\n- let: { later: 1 }\n",
       "f.yaml:1:10: error: `$later` is not bound yet: line 2 binds it"},
      {"use of itself", "- let: { a: =$a }\n", "`$a` is not bound yet"},
      {"fixed name", "- let: { vars: 1 }\n", "`$vars` has a meaning of its own"},
      {"no name", "- let: { a-b: 1 }\n", "\"a-b\" cannot be a variable"},
      {"empty let", "- let: {}\n", "`let` binds nothing"},
      {"waiting answer", "- { call: crm.contacts.search, with: { email: a }, on: { empty: { wait: 1m } } }\n",
       "`wait` is not available in this version"},
      {"reserved step", "- wait: { for: 1h }\n", "`wait` is not available in this version"},
      {"reserved key", "- { call: crm.contacts.search, with: { email: a }, replay: skip }\n",
       "`replay` is not available in this version"},
  };
  for (const Case& c : cases) {
    const std::string said = build(c.yaml).problems;
    EXPECT_NE(said.find(c.said), std::string::npos) << c.name << ": " << said;
  }
}

TEST(Check, LetsProgramsBindTheNamesOfLaterSteps) {
  EXPECT_EQ(build("- map: .x as $later | $later\n- let: { later: =. }\n").problems, "");
}

TEST(Check, SaysNothingOfACallWhoseConnectionDidNotLoad) {
  EXPECT_EQ(build("- { call: broken.any.thing, with: { a: 1 } }\n").problems, "");
}

}  // namespace
}  // namespace tieline::steps
