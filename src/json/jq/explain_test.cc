// What --explain prints, compared with a picture of it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "json/program.h"

namespace tieline::json {
namespace {

std::string explained(std::string_view source, const std::vector<std::string>& variables = {}) {
  const auto program = compile(source, variables);
  EXPECT_TRUE(program) << (program ? "" : program.error().text());
  return program ? (*program)->explain() : "";
}

TEST(Explain, ShowsWhatAProgramWasCompiledTo) {
  EXPECT_EQ(explained(R"jq(.customer.id as $id
| {id: $id, "first name": (.names[0] // "x" + "y"), total: (1 + 2 * 3), tags: [.tags[] | select(. != $skip)],
   label: "Order \(.number): \(.total | tostring)"} | if .id then . else empty end)jq",
                      {"skip"}),
            R"(1: at most one result, *: any number of them

program, 2 slots
1   bind as slot 1
1     .customer.id
1     in pipe
1       object, its shape known
1         "id": $id  (slot 1)
1         "first name": //
1           index, direct
1             of .names
1             at constant 0
1           constant "xy"
1         "total": constant 7
1         "tags": array of
*           pipe
*             .[] of
1               .tags
1             select
1               !=
1                 .
1                 $skip  (slot 0)
1         "label": text
1           constant "Order "
1           @text of
1             .number
1           constant ": "
1           @text of
1             pipe
1               .total
1               tostring/0, native
1       if
1         when .id
1         then .
1         else empty
)");
}

TEST(Explain, ShowsFunctionsOnceAndEnds) {
  EXPECT_EQ(explained("def f(g): if . > 3 then . else (. + 1 | g | f(g)) end; [1, 2] | map(f(. * 2)), walk(.), "
                      "(.[1:] | sort_by(.a)?)"),
            R"(1: at most one result, *: any number of them

program, 0 slots
*   pipe
1     constant [1,2]
*     comma
1       map
1         call f #1
1           *
1             .
1             constant 2
1       call walk #2
1         .
1       pipe
1         slice
1           of .
1           from constant 1
1         try
1           sort_by
1             .a

function f #1, a frame of 1 slot
1   if
1     when >
1       .
1       constant 3
1     then .
1     else pipe
1       +
1         .
1         constant 1
1       argument g  (slot 0)
1       call f #1
1         argument g  (slot 0)

function walk #2, a frame of 1 slot
1   call w #3

function w #3, no frame of its own
1   pipe
1     if
1       when ==
1         type/0, native
1         constant "object"
1       then call map_values #4
1         call w #3
1       else if
1         when ==
1           type/0, native
1           constant "array"
1         then map
1           call w #3
1         else .
1     argument f  (slot 0)

function map_values #4, a frame of 1 slot
1   |=
*     .[]
1     argument f  (slot 0)
)");
}

TEST(Explain, ShowsEveryKindOfCode) {
  EXPECT_EQ(explained("reduce .[] as [$a, {b: $c}] ({}; .[$a] += $c) | foreach (1, 2) as $x (0; . + $x; [.]) "
                      "| try error(\"x\") catch . | label $out | (first(range(10)), break $out) | .a.b |= not "
                      "| .\"a b\"[1:2]? | -. | @base64 \"x\\(.)\" | sub(\"a\"; \"b\"; \"g\") | ..? | [limit(2; .[])] "
                      "| .x //= 1 | del(.y) | add | any | (. and true, . or false) | type | {(.k): 1}"),
            R"(1: at most one result, *: any number of them

program, 6 slots
*   pipe
1     reduce as slot 0, its state changed in place
*       over .[]
1       slot 1 is slot 0 at constant 0
1       slot 2 is slot 0 at constant 1
1       slot 3 is slot 2 at constant "b"
1       from constant {}
1       update +=
1         index, direct
1           of .
1           at $a  (slot 1)
1         $c  (slot 3)
*     foreach as slot 4
*       over comma
1         constant 1
1         constant 2
1       from constant 0
1       update +
1         .
1         $x  (slot 4)
1       give array of
1         .
1     try
1       error
1         constant "x"
1       catch .
*     label  (slot 5)
*       pipe
*         comma
1           first
*             range
1               constant 0
1               constant 10
1           break  (slot 5)
1         |=
1           .a.b
1           not/0, native
1         slice?
1           of .["a b"]
1           from constant 1
1           to constant 2
1         negate
1           .
1         text
1           constant "x"
1           @base64 of
1             .
1         sub
1           constant "a"
1           constant "b"
1           constant "g"
*         try
*           ..
1         array of
*           limit
1             constant 2
*             .[]
1         //=
1           .x
1           constant 1
1         del
1           .y
1         add
1         any
1           .
*         comma
1           and
1             .
1             constant true
1           or
1             .
1             constant false
1         type/0, native
1         object
1           key .k
1             value constant 1
)");
}

}  // namespace
}  // namespace tieline::json
