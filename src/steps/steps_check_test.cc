// What is said, before anything runs, of steps that are wrong, and where.
#include "steps/steps_fixture.h"

namespace tieline::steps {
namespace {

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

}  // namespace
}  // namespace tieline::steps
