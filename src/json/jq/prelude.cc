// What of the language is written in the language: only functions that a program names are compiled with it.
#include <array>

#include "json/jq/natives.h"

namespace tieline::json::jq {
namespace {

constexpr std::array kPrelude = {
    PreludeFunction{"recurse", 1, "def recurse(f): def r: ., (f | r); r;"},
    PreludeFunction{"recurse", 2, "def recurse(f; cond): def r: ., (f | select(cond) | r); r;"},
    PreludeFunction{"while", 2, "def while(cond; update): def w: if cond then ., (update | w) else empty end; w;"},
    PreludeFunction{"until", 2, "def until(cond; update): def u: if cond then . else (update | u) end; u;"},
    PreludeFunction{"repeat", 1, "def repeat(f): def r: f, r; r;"},
    PreludeFunction{"walk", 1,
                    "def walk(f): def w: if type == \"object\" then map_values(w) elif type == \"array\" then map(w) "
                    "else . end | f; w;"},
    PreludeFunction{"map_values", 1, "def map_values(f): .[] |= f;"},
    PreludeFunction{"with_entries", 1, "def with_entries(f): to_entries | map(f) | from_entries;"},
    PreludeFunction{"paths", 0, "def paths: path(..) | select(length > 0);"},
    PreludeFunction{"paths", 1, "def paths(f): path(.. | select(f)) | select(length > 0);"},
    PreludeFunction{"pick", 1, "def pick(f): . as $v | reduce path(f) as $p (null; setpath($p; $v | getpath($p)));"},
    PreludeFunction{"first", 0, "def first: .[0];"},
    PreludeFunction{"last", 0, "def last: .[-1];"},
    PreludeFunction{"nth", 1, "def nth($n): .[$n];"},
    PreludeFunction{"nth", 2,
                    "def nth($n; f): if $n < 0 then error(\"nth doesn't support negative indices\") "
                    "else first(skip($n; f)) end;"},
    PreludeFunction{"in", 1, "def in(xs): . as $x | xs | has($x);"},
    PreludeFunction{"inside", 1, "def inside(xs): . as $x | xs | contains($x);"},
    PreludeFunction{"combinations", 0,
                    "def combinations: if length == 0 then [] else .[0][] as $x | (.[1:] | combinations) as $rest "
                    "| [$x] + $rest end;"},
    PreludeFunction{"combinations", 1, "def combinations(n): . as $v | [range(n) | $v] | combinations;"},
    PreludeFunction{"IN", 1, "def IN(s): any(s == .; .);"},
    PreludeFunction{"IN", 2, "def IN(source; s): any(source == s; .);"},
    PreludeFunction{"INDEX", 2, "def INDEX(rows; key): reduce rows as $row ({}; .[$row | key | tostring] = $row);"},
    PreludeFunction{"INDEX", 1, "def INDEX(key): INDEX(.[]; key);"},
    PreludeFunction{"JOIN", 2, "def JOIN($index; key): [.[] | [., $index[key]]];"},
    PreludeFunction{"JOIN", 3, "def JOIN($index; rows; key): rows | [., $index[key]];"},
    PreludeFunction{"JOIN", 4, "def JOIN($index; rows; key; join): rows | [., $index[key]] | join;"},
    PreludeFunction{"tostream", 0,
                    "def tostream: path(def r: (.[]? | r), .; r) as $p | getpath($p) "
                    "| reduce path(.[]?) as $q ([$p, .]; [$p + $q]);"},
    PreludeFunction{"fromstream", 1,
                    "def fromstream(f): foreach f as $e (null; if .done then null else . end "
                    "| if ($e | length) == 2 then .done = ($e[0] | length == 0) | .value |= setpath($e[0]; $e[1]) "
                    "else .done = ($e[0] | length == 1) end; if .done then .value else empty end);"},
    PreludeFunction{"truncate_stream", 1,
                    "def truncate_stream(f): . as $n | null | f | . as $e "
                    "| if ($e[0] | length) > $n then setpath([0]; $e[0][$n:]) else empty end;"},
    PreludeFunction{"truncate_stream", 2,
                    "def truncate_stream($n; f): f | . as $e "
                    "| if ($e[0] | length) > $n then setpath([0]; $e[0][$n:]) else empty end;"},
    PreludeFunction{"arrays", 0, "def arrays: select(type == \"array\");"},
    PreludeFunction{"objects", 0, "def objects: select(type == \"object\");"},
    PreludeFunction{"iterables", 0, "def iterables: select(type | . == \"array\" or . == \"object\");"},
    PreludeFunction{"scalars", 0, "def scalars: select(type | . != \"array\" and . != \"object\");"},
    PreludeFunction{"booleans", 0, "def booleans: select(type == \"boolean\");"},
    PreludeFunction{"numbers", 0, "def numbers: select(type == \"number\");"},
    PreludeFunction{"normals", 0, "def normals: select(isnormal);"},
    PreludeFunction{"finites", 0, "def finites: select(isfinite);"},
    PreludeFunction{"strings", 0, "def strings: select(type == \"string\");"},
    PreludeFunction{"nulls", 0, "def nulls: select(. == null);"},
    PreludeFunction{"values", 0, "def values: select(. != null);"},
    PreludeFunction{"toarray", 0, "def toarray: if type == \"array\" then . else [.] end;"},
    PreludeFunction{"todate", 0, "def todate: strftime(\"%Y-%m-%dT%H:%M:%SZ\");"},
    PreludeFunction{"todateiso8601", 0, "def todateiso8601: strftime(\"%Y-%m-%dT%H:%M:%SZ\");"},
    PreludeFunction{"fromdate", 0, "def fromdate: fromdateiso8601;"},
    PreludeFunction{"date", 0, "def date: todate;"},
    PreludeFunction{"dateadd", 2, "def dateadd(unit; $n): . + $n;"},
    PreludeFunction{"datesub", 2, "def datesub(unit; $n): . - $n;"},
    PreludeFunction{"ascii", 0, "def ascii: [.] | implode;"},
    PreludeFunction{"have_literal_numbers", 0, "def have_literal_numbers: true;"},
    PreludeFunction{"have_decnum", 0, "def have_decnum: true;"},
};

constexpr std::uint32_t order(Order how) { return static_cast<std::uint32_t>(how); }

constexpr std::array kSpecial = {
    SpecialForm{"empty", 0, Op::kEmpty},
    SpecialForm{"error", 0, Op::kError},
    SpecialForm{"error", 1, Op::kError},
    SpecialForm{"map", 1, Op::kMap},
    SpecialForm{"select", 1, Op::kSelect},
    SpecialForm{"recurse", 0, Op::kRecurse},
    SpecialForm{"recurse_down", 0, Op::kRecurse},
    SpecialForm{"first", 1, Op::kFirst},
    SpecialForm{"last", 1, Op::kLast},
    SpecialForm{"limit", 2, Op::kLimit},
    SpecialForm{"skip", 2, Op::kSkip},
    SpecialForm{"any", 0, Op::kAny},
    SpecialForm{"any", 1, Op::kAny},
    SpecialForm{"any", 2, Op::kAny},
    SpecialForm{"all", 0, Op::kAll},
    SpecialForm{"all", 1, Op::kAll},
    SpecialForm{"all", 2, Op::kAll},
    SpecialForm{"isempty", 1, Op::kIsEmpty},
    SpecialForm{"range", 1, Op::kRange},
    SpecialForm{"range", 2, Op::kRange},
    SpecialForm{"range", 3, Op::kRange},
    SpecialForm{"path", 1, Op::kPath},
    SpecialForm{"getpath", 1, Op::kGetPath},
    SpecialForm{"del", 1, Op::kDelete},
    SpecialForm{"add", 0, Op::kAdd},
    SpecialForm{"add", 1, Op::kAdd},
    SpecialForm{"sort", 0, Op::kSortBy, order(Order::kSort)},
    SpecialForm{"sort_by", 1, Op::kSortBy, order(Order::kSort)},
    SpecialForm{"group_by", 1, Op::kSortBy, order(Order::kGroup)},
    SpecialForm{"unique", 0, Op::kSortBy, order(Order::kUnique)},
    SpecialForm{"unique_by", 1, Op::kSortBy, order(Order::kUnique)},
    SpecialForm{"min", 0, Op::kSortBy, order(Order::kMin)},
    SpecialForm{"min_by", 1, Op::kSortBy, order(Order::kMin)},
    SpecialForm{"max", 0, Op::kSortBy, order(Order::kMax)},
    SpecialForm{"max_by", 1, Op::kSortBy, order(Order::kMax)},
    SpecialForm{"sub", 2, Op::kSubstitute},
    SpecialForm{"sub", 3, Op::kSubstitute},
    SpecialForm{"gsub", 2, Op::kSubstitute, 1},
    SpecialForm{"gsub", 3, Op::kSubstitute, 1},
};

}  // namespace

std::span<const PreludeFunction> prelude() { return kPrelude; }
std::span<const SpecialForm> special_forms() { return kSpecial; }

std::span<const std::span<const Native>> all_natives() {
  static const std::array all = {core_natives(),     text_natives(), math_natives(),   date_natives(), regex_natives(),
                                 business_natives(), time_natives(), digest_natives(), csv_natives(),  xml_natives()};
  return all;
}

const Native* find_native(std::string_view name, std::size_t arity) {
  for (const std::span<const Native> natives : all_natives()) {
    for (const Native& native : natives) {
      if (native.arity == arity && native.name == name) return &native;
    }
  }
  return nullptr;
}

}  // namespace tieline::json::jq
