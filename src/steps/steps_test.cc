#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "base/bytes.h"
#include "core/links.h"
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

  Time now() const override { return *parse_time("2026-11-29T12:00:00Z"); }
  asio::awaitable<StepResult> pause(Pause pause) override {
    pauses.push_back(std::move(pause));
    co_return StepResult::suspend();
  }
  Result<void> publish(Publication publication) override {
    published.push_back(std::move(publication));
    return {};
  }
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

TEST(Publish, HandsTheEventToTheRun) {
  const Built built = build(
      "- publish: customer.created\n"
      "- { publish: customer.changed, data: { id: =.id, kind: person }, key: .id, type: v2, op: =.what }\n"
      "- { publish: customer.seen, data: .id, key: .none, op: snapshot }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context(R"({"id": 7, "what": "updated"})", built.variables.size());
  for (const auto& step : built.steps) EXPECT_EQ(run(*step, context).kind, Kind::kNext);
  ASSERT_EQ(context.published.size(), 3u);
  EXPECT_EQ(context.published[0].topic, "customer.created");
  EXPECT_EQ(context.published[0].type, "");
  EXPECT_EQ(context.published[0].op, Op::kOther);
  EXPECT_EQ(json::print(context.published[0].data.root()), R"({"id":7,"what":"updated"})");
  EXPECT_EQ(context.published[1].subject, "7");
  EXPECT_EQ(context.published[1].type, "v2");
  EXPECT_EQ(context.published[1].op, Op::kUpdated);
  EXPECT_EQ(json::print(context.published[1].data.root()), R"({"id":7,"kind":"person"})");
  EXPECT_EQ(context.published[2].subject, "");
  EXPECT_EQ(context.published[2].op, Op::kSnapshot);
  EXPECT_EQ(json::print(context.published[2].data.root()), "7");
}

TEST(Publish, ThatCannotIsAnError) {
  const Built built = build(
      "- { publish: t, data: .a.b.c }\n- { publish: t, key: error(\"no\") }\n- { publish: t, op: =.id }\n"
      "- { publish: t, type: =.list }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context(R"({"a": 1, "id": "sent", "list": []})", built.variables.size());
  for (const auto& step : built.steps) EXPECT_EQ(run(*step, context).kind, Kind::kFail);
  EXPECT_TRUE(context.published.empty());
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

TEST(Call, WaitsForWhatIsNotThereYet) {
  const Built built = build(
      "- { call: crm.contacts.search, with: { email: a }, on: { empty: { wait: 10m, for: 2h }, missing: { wait: 1m } } "
      "}\n"
      "- { call: crm.contacts.make, with: {}, once: .id, on: { missing: { wait: 1m } } }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context(R"({"id": 7})", built.variables.size());
  run(*built.steps[0], context);
  ASSERT_EQ(context.calls.size(), 1u);
  const std::vector<AnswerRule>& on = *context.calls[0].on;
  ASSERT_EQ(on.size(), 2u);
  EXPECT_EQ(on[0].then, OnAnswer::kFail);
  EXPECT_EQ(on[0].again, Duration(10min));
  EXPECT_EQ(on[0].keep_for, Duration(2h));
  EXPECT_EQ(on[1].again, Duration(1min));
  EXPECT_EQ(on[1].keep_for, Duration(24h));
}

TEST(Call, HandsEverythingToTheRunAndBindsTheAnswer) {
  const Built built = build(
      "- call: crm.contacts.search\n  with: { email: =.email, limit: 1 }\n  as: contact\n  once: .id\n"
      "  on: { empty: skip, DUPLICATE: continue }\n  timeout: 3s\n  on_unknown: drop\n  replay: skip\n  retry: { "
      "tries: 2 }\n");
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
  EXPECT_EQ(call.on_replay, OnReplay::kSkip);
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

TEST(Validate, GivesUpWhereItTakesTooLong) {
  const Built built = build("- validate: { schema: { items: { allOf: [ { type: integer }, { type: integer } ] } } }\n");
  ASSERT_EQ(built.problems, "");
  std::string many = "[1";
  for (int i = 1; i < 400'000; ++i) many += ",1";
  TestRun context(many + "]", built.variables.size());
  const StepResult result = run(*built.steps[0], context);
  EXPECT_EQ(result.error.code, Code::kInvalid);
  EXPECT_NE(result.error.message.find("takes more than 1000000 steps"), std::string::npos) << result.error.message;
}

TEST(Validate, FailsWithThePathsOfWhatDoesNotFit) {
  const Built built = build(
      "- validate: { schema: { properties: { lines: { items: { properties: { qty: { minimum: 1 } } } } } } }\n"
      "- validate:\n    of: =.email\n    formats: true\n    schema: { type: string, format: email }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context(R"({"lines": [{"qty": 1}, {"qty": 0}], "email": "nobody"})", built.variables.size());
  const StepResult failed = run(*built.steps[0], context);
  EXPECT_EQ(failed.kind, Kind::kFail);
  EXPECT_EQ(failed.error.message, "does not fit its schema: /lines/1/qty: must be at least 1, is 0");
  EXPECT_EQ(run(*built.steps[1], context).error.message, "does not fit its schema: must be of the format email");
  TestRun good(R"({"lines": [], "email": "a@example.com"})", built.variables.size());
  EXPECT_EQ(run(*built.steps[0], good).kind, Kind::kNext);
  EXPECT_EQ(run(*built.steps[1], good).kind, Kind::kNext);
}

TEST(Lookup, FindsWhatLinkWrote) {
  const Built built = build(
      "- { lookup: { hubspot.company: =.company }, to: netsuite.customer, as: customer }\n"
      "- { link: { hubspot.company: =.company, netsuite.customer: =.customer } }\n"
      "- { lookup: { netsuite.customer: =.customer }, to: hubspot.company, as: back, on: { empty: fail } }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context(R"({"company": "77", "customer": 12345678901234567890})", built.variables.size());
  EXPECT_EQ(run(*built.steps[0], context).kind, Kind::kNext);
  EXPECT_TRUE(context.variables()[kFixedSlots].root().is_null());
  EXPECT_EQ(run(*built.steps[1], context).kind, Kind::kNext);
  EXPECT_EQ(context.decided.words, "written");
  EXPECT_EQ(run(*built.steps[1], context).kind, Kind::kNext);
  EXPECT_EQ(context.decided.words, "known already");
  run(*built.steps[0], context);
  EXPECT_EQ(json::print(context.variables()[kFixedSlots].root()),
            R"({"id":12345678901234567890,"system":"netsuite.customer",)"
            R"("links":{"hubspot.company":"77","netsuite.customer":12345678901234567890}})");
  run(*built.steps[2], context);
  EXPECT_EQ(json::print(context.variables()[kFixedSlots + 1].root()["id"]), R"("77")");
}

TEST(Lookup, SaysWhatItMeansThatThereIsNone) {
  const Built built = build(
      "- { lookup: { a.b: =.id }, to: c.d, as: x, on: { empty: skip } }\n"
      "- { lookup: { a.b: =.id }, to: c.d, as: x, on: { empty: fail } }\n"
      "- { lookup: { a.b: =.id }, to: c.d, as: x, on: { empty: { wait: 10m, for: 2h } } }\n"
      "- { lookup: { a.b: =.none }, to: c.d, as: x, on: { empty: { wait: 10m } } }\n"
      "- { lookup: { a.b: '=[1]' }, to: c.d, as: x }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context(R"({"id": "1"})", built.variables.size());
  EXPECT_EQ(run(*built.steps[0], context).reason, "no c.d is linked to a.b 1");
  EXPECT_EQ(run(*built.steps[1], context).error.message, "no c.d is linked to a.b 1");
  run(*built.steps[2], context);
  ASSERT_TRUE(context.decided.wait);
  EXPECT_EQ(context.decided.wait->again, Duration(10min));
  EXPECT_EQ(context.decided.wait->keep_for, Duration(2h));
  EXPECT_EQ(run(*built.steps[3], context).error.message, "there is no id of a.b to look up");
  EXPECT_EQ(run(*built.steps[4], context).error.message, "the id of a.b is array: an id is text or a number");
}

TEST(Link, RefusesWhatContradicts) {
  const Built built = build(
      "- { link: { a.b: 1, c.d: 2 } }\n"
      "- { link: { a.b: 1, c.d: 3 } }\n"
      "- { link: { a.b: 1, c.d: 3 }, on: { conflict: skip } }\n"
      "- { link: { a.b: 1, c.d: 3 }, on: { conflict: continue } }\n"
      "- { link: { a.b: 1, c.d: 3 }, replace: true }\n"
      "- { link: { a.b: =.none, c.d: 3 } }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context("{}", built.variables.size());
  run(*built.steps[0], context);
  EXPECT_EQ(run(*built.steps[1], context).error.message.find("a.b 1 is linked to c.d 2, not to c.d 3"), 0u);
  EXPECT_EQ(run(*built.steps[2], context).kind, Kind::kSkip);
  EXPECT_EQ(run(*built.steps[3], context).kind, Kind::kNext);
  EXPECT_TRUE(read_link(context.links["c.d\n2"])->has_value());
  EXPECT_EQ(run(*built.steps[4], context).kind, Kind::kNext);
  EXPECT_FALSE(read_link(context.links["c.d\n2"])->has_value());
  EXPECT_TRUE(read_link(context.links["c.d\n3"])->has_value());
  EXPECT_EQ(run(*built.steps[5], context).error.message, "the id of a.b is null: an id is text or a number");
}

TEST(Secret, IsTheSameEachTimeAndHasItsClasses) {
  const Built built = build(
      "- { secret: { generate: password }, as: p }\n"
      "- { secret: { generate: token, length: 32, alphabet: hex }, as: t }\n"
      "- { secret: { generate: password, length: 256, signs: false, unambiguous: false }, as: q }\n"
      "- call: crm.contacts.search\n  with: { email: =$p }\n");
  ASSERT_EQ(built.problems, "");
  TestRun context("{}", built.variables.size());
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(run(*built.steps[i % 3], context).kind, Kind::kNext);
  ASSERT_EQ(context.concealed.size(), 6u);
  const std::string p = context.concealed[0].secret, t = context.concealed[1].secret, q = context.concealed[2].secret;
  EXPECT_EQ(p, context.concealed[3].secret);
  EXPECT_EQ(context.concealed[0].handle, context.concealed[3].handle);
  EXPECT_EQ(p.size(), 20u);
  for (const char* const one : {"ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789", "-_."})
    EXPECT_NE(p.find_first_of(one), std::string::npos) << one;
  EXPECT_EQ(p.find_first_of("0O1lI"), std::string::npos);
  EXPECT_EQ(t.size(), 32u);
  EXPECT_EQ(t.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(q.find_first_of("-_."), std::string::npos);
  EXPECT_EQ(q.size(), 256u);
  EXPECT_EQ(context.variables()[kFixedSlots].root().as_string().find("[secret p "), 0u);
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

TEST(Foreach, PassesASecretToThePagesThatItAsksFor) {
  const Built built = build(
      "- { secret: { generate: token }, as: t }\n"
      "- foreach: { call: crm.contacts.search, with: { email: =$t } }\n  collect: found\n");
  ASSERT_EQ(built.problems, "");
  TestRun context("{}", built.variables.size());
  for (const auto& step : built.steps) EXPECT_EQ(run(*step, context).kind, Kind::kNext);
  ASSERT_EQ(context.each_requests.size(), 1u);
  EXPECT_EQ(context.each_requests[0].pages->args.root()["email"].as_string(), context.concealed[0].handle);
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
      {"a misspelled `with`", "- { foreach: { call: crm.contacts.search, wiht: { email: a } }, collect: a }\n",
       "f.yaml:1:43: error: unknown key \"wiht\" in foreach items; did you mean \"with\"?\n"},
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
      {"secret in a program", "- { secret: { generate: password }, as: p }\n- let: { x: '=$p + \"!\"' }\n",
       "f.yaml:2:15: error: `$p` is a secret, which no program sees"},
      {"secret bound again", "- { secret: { generate: password }, as: p }\n- let: { x: =$p }\n",
       "is a secret, which no program sees"},
      {"secret in a text",
       "- { secret: { generate: password }, as: p }\n"
       "- { call: crm.contacts.search, with: { email: '=\"\\($p)\"' } }\n",
       "is a secret, which no program sees"},
      {"secret in a condition", "- { secret: { generate: password }, as: p }\n- { stop: x, if: $p == null }\n",
       "is a secret, which no program sees"},
      {"short secret", "- { secret: { generate: password, length: 4 }, as: p }\n", "12"},
      {"misspelled keyword", "- validate: { schema: { propertys: {} } }\n",
       "f.yaml:1:25: warning: \"propertys\" is no keyword"},
      {"wrong type in a schema", "- validate:\n    schema:\n      properties:\n        id: { type: sting }\n",
       "f.yaml:4:15: error: \"sting\" is no type"},
      {"no schema file", "- validate: { schema: 'file:schemas/x.json' }\n",
       "there is no file schemas/x.json; schemas/ is empty"},
      {"no schema", "- validate: { schema: order.json }\n",
       "\"order.json\" is no schema: write `file:schemas/NAME.json`"},
      {"two ids", "- { lookup: { a.b: 1, c.d: 2 }, to: e.f, as: x }\n", "`lookup` takes one id"},
      {"one link", "- { link: { a.b: 1 } }\n", "`link` joins ids of two or more systems"},
      {"no system", "- { link: { a b: 1, c.d: 2 } }\n", "\"a b\" is no name of a system"},
      {"bad answer of a lookup", "- { lookup: { a.b: 1 }, to: c.d, as: x, on: { empty: skp } }\n",
       "did you mean \"skip\"?"},
      {"too many looks", "- { lookup: { a.b: 1 }, to: c.d, as: x, on: { empty: { wait: 1s, for: 10d } } }\n",
       "more than 10000 looks"},
      {"too many looks of a call",
       "- { call: crm.contacts.search, with: { email: a }, on: { missing: { wait: 1s, for: 10d } } }\n",
       "more than 10000 looks"},
      {"does it again for nothing", "- { call: crm.contacts.make, with: {}, on: { empty: { wait: 1m } } }\n",
       "f.yaml:1:53: error: `crm.contacts.make` does more than read"},
      {"keeps the first answer", "- { call: crm.contacts.search, with: {}, once: .id, on: { empty: { wait: 1m } } }\n",
       "`once` keeps the first answer"},
      {"pages that wait",
       "- { foreach: { call: crm.contacts.search, with: {}, on: { empty: { wait: 1m } } }, collect: a }\n",
       "`wait` is for a `call` step"},
      {"waits for a conflict", "- { call: crm.contacts.search, with: { email: a }, on: { conflict: { wait: 1m } } }\n",
       "`wait` is for what is not there yet"},
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

Pause paused(const Step& step, std::string_view input) {
  TestRun context(input, kFixedSlots);
  const StepResult result = run(step, context);
  EXPECT_EQ(result.kind, Kind::kSuspend) << result.error.text();
  return context.pauses.empty() ? Pause() : context.pauses.front();
}

TEST(Wait, ReadsMomentsAsTheyAreWritten) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"10m", "2026-11-29T12:10:00Z"},
      {"{ for: 2d }", "2026-12-01T12:00:00Z"},
      {"{ until: =.at }", "2026-12-24T18:30:00Z"},
      {"{ until: '2026-12-24T18:30:00+02:00' }", "2026-12-24T16:30:00Z"},
      {"{ until: '2026-12-24T18:30:00.25-05:30' }", "2026-12-25T00:00:00.250000Z"},
      {"{ until: 20261224T1830Z }", "2026-12-24T18:30:00Z"},
      {"{ until: '2026-12-24' }", "2026-12-24T00:00:00Z"},
      {"{ until: '2026-12-24 09:15', zone: Europe/Berlin }", "2026-12-24T08:15:00Z"},
      {"{ until: =.day + \"T09:00\", zone: =.zone }", "2026-12-24T14:00:00Z"},
      {"{ until: '2026-03-29T02:30:00', zone: Europe/Berlin }", "2026-03-29T01:30:00Z"},  // what clocks skip
  };
  for (const auto& [yaml, until] : cases) {
    const Built built = build("- wait: " + yaml + "\n");
    ASSERT_EQ(built.problems, "") << yaml;
    const Pause pause =
        paused(*built.steps[0], R"({"at":"2026-12-24T18:30:00Z","day":"2026-12-24","zone":"America/New_York"})");
    EXPECT_EQ(format_time(pause.until), until) << yaml;
    EXPECT_FALSE(pause.keep || pause.approval) << yaml;
  }
  const Built keeps = build("- wait: { for: 1h, newer: keep }\n");
  EXPECT_TRUE(paused(*keeps.steps[0], "{}").keep);
}

TEST(Wait, ForNoMomentIsAnError) {
  const Built built = build("- wait: { until: =.at, zone: =.zone }\n");
  ASSERT_EQ(built.problems, "");
  const std::vector<std::pair<std::string, std::string>> cases{
      {"{}", "`until` gave null, a moment is a text"},
      {R"({"at":"soon"})", "`until` is no moment like 2026-11-29T09:00: \"soon\""},
      {R"({"at":"2026-13-01"})", "`until` is no moment like 2026-11-29T09:00: \"2026-13-01\""},
      {R"({"at":"2026-12-24T9"})", "`until` is no moment like 2026-11-29T09:00: \"2026-12-24T9\""},
      {R"({"at":"2026-12-24","zone":"Europe/Berln"})", "Europe/Berln"},
  };
  for (const auto& [input, message] : cases) {
    TestRun context(input, kFixedSlots);
    const StepResult result = run(*built.steps[0], context);
    EXPECT_EQ(result.kind, Kind::kFail) << input;
    EXPECT_NE(result.error.message.find(message), std::string::npos) << result.error.message;
  }
}

TEST(Wait, WhatIsWrittenOutIsCheckedBeforeItRuns) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"{ until: soon }", "f.yaml:1:18: error: `until` is no moment like 2026-11-29T09:00: \"soon\": ISO 8601 begins"},
      {"{ until: 2026-02-30 }", "f.yaml:1:18: error: `until` is no moment like 2026-11-29T09:00: \"2026-02-30\""},
      {"{ until: 20261224 }", "f.yaml:1:18: error: `until` is a moment like"},
      {"{ until: =.at, zone: Europe/Berln }",
       "f.yaml:1:30: error: there is no time zone \"Europe/Berln\"; did you mean"},
      {"{ until: =.at, zone: { a: 1 } }", "f.yaml:1:30: error: `zone` is the name of a time zone"},
  };
  for (const auto& [yaml, said] : cases) {
    const std::string problems = build("- wait: " + yaml + "\n").problems;
    EXPECT_EQ(problems.find(said), 0u) << problems;
  }
}

TEST(Approve, AsksOnlyWhereItsConditionHolds) {
  const Built built = build("- approve: { if: .amount > 50, who: finance, after: 2d → skip }\n");
  ASSERT_EQ(built.problems, "");
  const Pause pause = paused(*built.steps[0], R"({"amount":51})");
  EXPECT_TRUE(pause.approval);
  EXPECT_EQ(pause.who, "finance");
  EXPECT_EQ(pause.then, Pause::Then::kSkip);
  EXPECT_EQ(format_time(pause.until), "2026-12-01T12:00:00Z");
  TestRun small(R"({"amount":50})", kFixedSlots);
  EXPECT_EQ(run(*built.steps[0], small).kind, Kind::kNext);
  const Built forever = build("- approve: finance\n");
  EXPECT_EQ(paused(*forever.steps[0], "{}").until, Time::max());
}

TEST(Approve, SilenceMustBeSpelledOut) {
  EXPECT_NE(build("- approve: { who: finance, after: 2d }\n").problems.find("like 2d → fail or 2d → skip"),
            std::string::npos);
  EXPECT_EQ(build("- approve: { who: finance, after: 2d -> fail }\n").problems, "");
  EXPECT_NE(build("- approve: { who: finance, after: 2d → yes }\n").problems, "");
  for (const char* const after : {"0s", "30s", "367d", "4000d"}) {
    const std::string said = build("- approve: { who: finance, after: " + std::string(after) + " → skip }\n").problems;
    EXPECT_NE(said.find("f.yaml:1:35: error: `after` is from 1m to 366d, found " + std::string(after)),
              std::string::npos)
        << said;
  }
  EXPECT_NE(build("- wait: { for: 1h, until: '2026-12-24' }\n").problems.find("and not both"), std::string::npos);
  EXPECT_NE(build("- wait: {}\n").problems.find("one of the two"), std::string::npos);
}

}  // namespace
}  // namespace tieline::steps
