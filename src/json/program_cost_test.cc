// What a run of the mapping language costs: nothing hangs, tail calls and growing values are cheap, and what is changed
// in place for that is not seen elsewhere.
#include "json/program_fixture.h"

namespace tieline::json {
namespace {

// Where a reduce changes its state in place, nobody may see that it does.
TEST(Reduce, UpdatesInPlaceAreNotSeenElsewhere) {
  EXPECT_EQ(ran("reduce range(5) as $i ({}; .[\"k\\($i % 2)\"] += [$i])"), R"({"k0":[0,2,4],"k1":[1,3]})");
  EXPECT_EQ(ran("{a: [1]} as $v | [reduce range(2) as $i ($v; .a += [$i]), $v]"), R"([{"a":[1,0,1]},{"a":[1]}])");
  EXPECT_EQ(ran("[1] as $v | [reduce range(3) as $i ([]; . + [$v] | .[0] += [9])]"), "[[[1,9,9,9],[1],[1]]]");
  EXPECT_EQ(ran("reduce range(3) as $i ({a: {b: [0]}}; .a |= {b: .b, c: .b} | .a.b += [$i])"),
            R"({"a":{"b":[0,0,1,2],"c":[0,0,1]}})");
  EXPECT_EQ(ran("reduce range(3) as $i ([[0]]; .[0] |= [., .] | .[0][0] = $i)"), "[[2,[1,[0,[0]]]]]");
  EXPECT_EQ(ran("reduce .[] as $x ([]; if length > 1 then .[0] = $x else . + [$x] end)", "[1,2,3,4]"), "[4,2]");
  // Of alternative patterns the second one sees nothing of what the first one did before it failed.
  EXPECT_EQ(ran("reduce [2] as [$x] ?// $x ([]; . + [$x] | . + $x)"), "[[2],2]");
  EXPECT_EQ(ran("[reduce (1, 2) as $i (({}, {z: 0}); .[\"a\"] = $i | .z += -1)]"),
            R"([{"a":2,"z":-2},{"z":-2,"a":2}])");
  EXPECT_EQ(ran("reduce range(3) as $i ([]; .[$i] = $i | .[-1] += 10)"), "[10,11,12]");
  EXPECT_EQ(ran("reduce range(2000) as $i ({}; .[\"k\\($i % 1000)\"] += $i) | .k7, length"), "1014 1000");
  EXPECT_EQ(ran("try (reduce range(3) as $i ({}; .a[\"x\"] = $i | .a[0] = 1)) catch ."),
            "\"Cannot index object with number (0)\"");
  EXPECT_EQ(ran("reduce .[] as [$k, $v] ({}; .[$k] //= $v)", R"([["a",1],["b",null],["a",2],["b",3]])"),
            R"({"a":1,"b":3})");
  EXPECT_EQ(ran("[limit(3; foreach range(5) as $i ([]; . + [$i]))]"), "[[0],[0,1],[0,1,2]]");
}

// What `. + [x]` puts behind a value is not seen through that value.
TEST(Append, IsNotSeenElsewhere) {
  EXPECT_EQ(ran("[range(40)] as $v | ($v + [40]) as $w | [$w + [1], $w + [2], $w, $v + [3]] "
                "| map(length), map(last)"),
            "[42,42,41,41] [1,2,40,3]");
  EXPECT_EQ(ran("([range(40)] + [40]) as $w | [($w + [1])[:41] + [7], $w + [8]] | map(last)"), "[7,8]");
  EXPECT_EQ(
      ran("([range(40)] + [40]) as $w | ($w + $w) as $u | [$u + [1], $w + [2], $u[41:] + [3]] | map(length, last)"),
      "[83,1,42,2,42,3]");
  EXPECT_EQ(ran("([range(40)] + [40]) as $w | [reduce range(2) as $i ($w; . + [$i]), $w + [9]] | map(length, last)"),
            "[43,1,42,9]");
  EXPECT_EQ(
      ran("[foreach range(40) as $i ([]; . + [$i])] | map(length) == [range(1; 41)] and all(.[]; last == length - 1)"),
      "true");
  EXPECT_EQ(
      ran("([range(40)] + [40]) as $w | ([$w, $w] | map(. + [.[0]]) | map(length)), ([$w, [1], $w] | add | length)"),
      "[42,42] 83");
  EXPECT_EQ(ran("{a: [1]} as $v | [$v, {a: [2], b: 3}] | add, .[0]"), R"({"a":[2],"b":3} {"a":[1]})");
}

// Each is tens of millions of copied elements, or more memory than a run has, unless growing is cheap.
TEST(Append, GrowsWithoutCopying) {
  EXPECT_EQ(ran("[1] | until(length >= 30000; . + [length]) | length"), "30000");
  EXPECT_EQ(ran("[range(30000) | [.]] | add | length"), "30000");
  EXPECT_EQ(ran("[range(30000) | {(tostring): .}] | add | length"), "30000");
  EXPECT_EQ(ran("last(foreach range(30000) as $i ([]; . + [$i])) | length"), "30000");
  EXPECT_EQ(ran("reduce range(30000) as $i ({}; .a[\"\\($i)\"] = $i) | .a as $a | [range(30000) | $a[tostring]] | add"),
            "449985000");
}

TEST(Fuel, NothingHangs) {
  for (const std::string_view source : {"def f: f; f",
                                        "[repeat(1)]",
                                        "last(repeat(1))",
                                        "def f: 1 + f; f",
                                        "until(false; . + 1)",
                                        "[range(1e18)]",
                                        "last(range(1e18))",
                                        "def f(g): f(g | g); f(.)",
                                        "[recurse(.)]",
                                        "reduce repeat(1) as $x (0; . + 1)",
                                        "first(repeat(empty))",
                                        "[limit(1; repeat(empty))]",
                                        "def f: f | f; f",
                                        "def f: [f]; f",
                                        "reduce range(100) as $i (1; [., .]) | tojson",
                                        "reduce range(100) as $i (1; [., .]) | . == (. | map(.))",
                                        "reduce range(100) as $i (1; [., .]) | flatten",
                                        "reduce range(60) as $i (\"ab\"; . + .)",
                                        "\"x\" * 1e9",
                                        "[range(1e7)] | combinations",
                                        "[1,2,3,4,5,6,7,8,9] | [combinations(9)]",
                                        ".[536870911] = 1",
                                        "def f(x): x | f(x); f(., .)",
                                        "[range(300)] | [.[] as $a | .[] as $b | .[] as $c | [$a, $b, $c]]",
                                        "reduce range(1e6) as $i ([]; . + [$i])",
                                        "label $f | def g: g, break $f; g",
                                        "def f: try f catch f; f"}) {
    const auto program = compile(source, {});
    ASSERT_TRUE(program) << source;
    const auto outputs = (*program)->run({}, {}, {.steps_max = 2'000'000, .memory_bytes_max = 64u << 20});
    ASSERT_FALSE(outputs) << source;
    EXPECT_THAT(outputs.error().message,
                ::testing::AnyOf(HasSubstr("the program did not end within 2000000 steps"),
                                 HasSubstr("the program recurses too deeply"), HasSubstr("MiB of memory"),
                                 HasSubstr("Repeat string result too long"), HasSubstr("is larger than"),
                                 HasSubstr("nested deeper than")))
        << source;
  }
}

TEST(Fuel, TailCallsDoNotGrow) {
  EXPECT_EQ(ran("def f: if . >= 1000000 then . else . + 1 | f end; 0 | f"), "1000000");
  EXPECT_EQ(ran("def f($n): if $n == 0 then \"done\" else f($n - 1) end; f(500000)"), "\"done\"");
  EXPECT_EQ(ran("0 | until(. >= 500000; . + 1)"), "500000");
  EXPECT_EQ(ran("last(0 | while(. < 300000; . + 1))"), "299999");
  EXPECT_EQ(ran("last(limit(300000; 0 | recurse(. + 1)))"), "299999");
  EXPECT_EQ(ran("def f: . as $x | if $x >= 300000 then $x else $x + 1 | f end; 0 | f"), "300000");
}

// Wherever in a block of frames the loop begins.
TEST(Fuel, TailCallsDoNotGrowAtAnyDepth) {
  const auto program = compile(
      "def f($n): if $n == 0 then \"done\" else f($n - 1) end; "
      "def up($k): if $k == 0 then f(20000) else up($k - 1) | tostring end; up($depth)",
      std::vector<std::string>{"depth"});
  ASSERT_TRUE(program);
  for (int depth = 0; depth < 60; ++depth) {
    const std::vector<Document> variables = {make_integer(depth)};
    const auto outputs = (*program)->run({}, variables, {.memory_bytes_max = 100'000});
    ASSERT_TRUE(outputs) << depth << ": " << outputs.error().text();
    EXPECT_EQ(print(outputs->front().root()), "\"done\"");
  }
}

TEST(Fuel, DeepRecursionIsNoCrash) {
  EXPECT_EQ(ran("def f: if . == 0 then 0 else 1 + (. - 1 | f) end; 1000 | f"), "1000");
  EXPECT_THAT(ran("def f: if . == 0 then 0 else 1 + (. - 1 | f) end; 10000000 | f"), HasSubstr("recurses too deeply"));
  EXPECT_THAT(ran("reduce range(100000) as $i (0; [.]) | tojson | length"), HasSubstr(""));
  EXPECT_THAT(ran("reduce range(100000) as $i (0; [.]) | [..] | length"), HasSubstr("recurses too deeply"));
}

}  // namespace
}  // namespace tieline::json
