// The steps that join ids of systems: `lookup` and `link`.
#include "core/links.h"
#include "steps/steps_fixture.h"

namespace tieline::steps {
namespace {

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

}  // namespace
}  // namespace tieline::steps
