// The steps that hold steps: `branch` and `foreach`.
#include "steps/steps_fixture.h"

namespace tieline::steps {
namespace {

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

}  // namespace
}  // namespace tieline::steps
