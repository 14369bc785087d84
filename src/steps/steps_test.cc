// What each step that stands alone does with its run: filter, let, map, assert, publish, stop, call, validate, secret.
#include "steps/steps_fixture.h"

namespace tieline::steps {
namespace {

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

}  // namespace
}  // namespace tieline::steps
