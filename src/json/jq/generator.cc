#include "json/jq/generator.h"

#include <algorithm>
#include <span>

namespace tieline::json::jq {
namespace {

// P a program, Q a path, A S N O a program that gives an array, a string, a number, an object; s a string, n a small
// number, c a count, r a pattern, k a key, d a document. Each stands behind a %.
constexpr auto kForms = std::to_array<std::string_view>({
    // pipes and construction
    "%P | %P",
    "(%P, %P)",
    "[%P]",
    "{a: (%P), b: (%P)}",
    "{(%S): (%P), c}",
    "{\"x\\(%N)\": 1, \"q\": (%P)}",
    "{$__loc__, @base64 \"q\": (%P)}",
    "(%P) as $x | {$x, y: (%P)}",
    "\"<\\(%P)>\"",
    "@json \"j\\(%P)\"",
    "@uri \"u?\\(%S)\"",
    "(%P) as $x | (%P)",
    // choice
    "(if %P then %P else %P end)",
    "(if %P then %P elif %P then %P else empty end)",
    "(if %P then %P end)",
    "((%P) // (%P))",
    "((%P) and (%P))",
    "((%P) or (%P))",
    "((%P) == (%P))",
    "((%P) != (%P))",
    "((%P) < (%P))",
    "((%P) >= (%P))",
    // arithmetic
    "((%P) + (%P))",
    "((%A) - (%A))",
    "((%N) * (%N))",
    "((%O) * (%O))",
    "((%N) / (%N))",
    "((%N) / 4)",
    "((%N) % (%N))",
    "((%S) / (%s))",
    "((%S) * (%n | . + 2))",
    "((%S) * (%n))",
    "(-(%N))",
    // failing and catching
    "([try (%P) catch \"caught\"][])",
    "([(try error(%P) catch .)][])",
    "([.[]? | try (if %P then error(.) else . end) catch (arrays, \"failed\")])",
    "([try error([%P]) catch (arrays, \"failed\")][])",
    "([.[]? | try (if %P then error([.]) else . end) catch (arrays, \"failed\")])",
    "([(%P)?][])",
    // loops
    "(reduce (%P) as $x (0; [., $x] | length))",
    "(reduce (%P) as $x ({}; .k += [$x] | .n += 1 | .last = $x | .k[0] = .n))",
    "([(reduce (%P) as $x ({}; .a = $x | .b += 1 | .c |= [., .]))?][])",
    "([(reduce (%P) as $x (first(%P); .a = $x | .b += 1 | .c |= [., .]))?][])",
    "(reduce (%P) as $x ([]; if length > 2 then .[1] = $x else . + [$x] end))",
    "([(reduce (%A)[] as [$x, {y: $y}] (null; [., $x, $y]))?][])",
    "(foreach (%P) as $x (0; . + 1; [., $x]))",
    "([(foreach (%P) as [$x] (%P; [$x]; .))?][])",
    "([(foreach (%P) as [$x] (0; [., $x]; .))?][])",
    "(foreach (%A)[] as $x (null; $x))",
    "[limit(%c; %P)]",
    "[limit(0; %P)]",
    "[limit(-1; %P)]",
    "first(%P)",
    "[first((%P), 1)]",
    "[last(%P)]",
    "[last(0, (%P))]",
    "[nth(%c; %P)]",
    "[nth(%c; (%P), 1, 2, 3, 4)]",
    "(%N | [while(. < 20; . * 2 + 3)])",
    "(%N | until(. > 20; . * 2 + 3))",
    "[limit(4; %P | repeat([.]))]",
    "[range(%n; %n)]",
    "[range(%n; %n; %n)]",
    "(label $out | (%P) | if . == 1 then ., break $out else . end)",
    "(label $a | label $b | (1, (%P), 2) | if . == null then break $a elif . == 2 then break $b else . end)",
    // functions
    "(def f: %P; f | f)",
    "(def f(g): g | g; f(%P))",
    "(def f($v): [$v, .]; f(%P))",
    "(def f($v; g): g as $w | [$v, $w, (def h: $w; h)]; f(%P; %P))",
    "(def f: if type == \"array\" then .[] | f else . end; [f])",
    "(def f($n): if $n > 3 then . else [.] | f($n + 1) end; f(0))",
    // taking apart
    "([(. as [$a, {b: $b}] | [$a, $b])?][])",
    "([(. as {a: $x, b: [$y, $z]} | [$x, $y, $z])?][])",
    "([(. as {a: $x, %k: {$b}} | [$x, $b])?][])",
    "([(.[]? as [$a] ?// $a | [$a])?][])",
    "([((%P) as {a: $x} ?// [$x, $y] | [$x, $y])?][])",
    // paths and updates
    "(%Q |= first((%P), .))",
    "(%Q |= (%P))",
    "(%Q = (%P))",
    "(%Q += 1)",
    "(%Q //= (%P))",
    "(%Q -= %N)",
    "(%Q *= 2)",
    "[path(%Q)]",
    "del(%Q)",
    "delpaths([path(%Q)])",
    "([path(%Q)] as $p | reduce $p[] as $q (.; setpath($q; 7)))",
    "to_entries",
    "with_entries(.value |= [.])",
    "with_entries(select(.key != \"a\") | .key |= ascii_upcase)",
    // collections
    "map(%P)",
    "map_values(%P)",
    "map_values(first((%P), .))",
    "(%A | sort_by(%P))",
    "(%A | group_by(%P))",
    "(%A | unique_by(%P))",
    "(%A | [min_by(%P), max_by(%P)])",
    "(%A | [any(%P), all(%P)])",
    "(%A | [any(first((%P), false)), all(first((%P), true))])",
    "walk(if type == \"number\" then . + 1 else . end)",
    "(%A | INDEX(tojson))",
    "[%A[] | IN(%P)]",
});

constexpr auto kLeaves = std::to_array<std::string_view>({
    ".",
    "([.a?][])",
    "([.b?][])",
    "([.[0]?][])",
    "([.[-1]?][])",
    ".[]?",
    "..",
    "length",
    "keys",
    "type",
    "not",
    "empty",
    "null",
    "true",
    "1",
    "\"a\"",
    "[]",
    "{}",
    "[1,2]",
    "{\"a\":1}",
    "tostring",
    "tojson",
    "(tojson | fromjson)",
    "add",
    "sort",
    "(arrays | reverse)",
    "unique",
    "group_by(.)",
    "min",
    "max",
    "range(3)",
    "flatten",
    "(%A | flatten(1))",
    "(%S | ascii_downcase)",
    "(%S | ascii_upcase)",
    "(%S | explode)",
    "(%S | explode | implode)",
    "any",
    "all",
    "values",
    "nulls",
    "booleans",
    "numbers",
    "strings",
    "arrays",
    "objects",
    "iterables",
    "scalars",
    "error(\"e\")",
    "(. | error)",
    "has(\"a\")",
    "has(0)",
    ".[1:]",
    ".[:-1]",
    "(arrays | .[%n])",
    "([arrays, [1]][0] | first, last)",
    ".[%n:%n]",
    "(%S | .[1:])",
    "(%S | .[%n:%n])",
    "(%A | join(\"-\"))",
    "(%S | split(\"b\"))",
    "(%S | split(%s))",
    "tonumber",
    "(%N | floor)",
    "(%N | sqrt | floor)",
    "(%N | [fabs, ceil, round, trunc])",
    "(%N | pow(.; 2))",
    "(%N | [fabs + 1 | log2, exp2] | map(floor))",
    "@json",
    "@html",
    "@text",
    "(%S | @base64)",
    "(%S | @base64 | @base64d)",
    "(%S | @base32)",
    "(%S | @uri)",
    "(%S | @sh)",
    "(%A | map(scalars) | @csv)",
    "(%A | map(scalars) | @tsv)",
    "(%A | map(scalars) | @sh)",
    "(%S | @html)",
    "(objects | with_entries(.))",
    "map_values(.)",
    "[recurse(.[]?)]",
    "[recurse(.[]?; . != null)]",
    "(. | first)",
    "(. | last)",
    "(%A | nth(%n))",
    "(%S | index(%s))",
    "(%S | rindex(%s))",
    "(%S | indices(%s))",
    "(%A | indices(1))",
    "(%A | indices([1,2]))",
    "(%A | index(%d))",
    "(%S | startswith(\"a\"))",
    "(%S | endswith(%s))",
    "(%S | ltrimstr(%s))",
    "(%S | rtrimstr(%s))",
    "([%A, %A] | transpose)",
    "[%S | splits(%r)]",
    "contains(\"a\")",
    "contains(%d)",
    "inside(%d)",
    "sort_by(.a)",
    "tostream",
    "[tostream] | fromstream(.[])",
    "[1 | truncate_stream([[0],1],[[1,0],2],[[1,0]],[[1]])]",
    "[limit(1; .[]?)]",
    "walk(.)",
    "isempty(.[]?)",
    "[paths]",
    "[paths(type == \"number\")]",
    "[leaf_paths]",
    "getpath([\"a\",\"b\"])",
    "getpath([0,\"a\"])",
    "[getpath(paths)]",
    "(%S | test(%r))",
    "(%S | test(%r; \"ix\"))",
    "[%S | match(%r; \"g\") | {offset, length, string}]",
    "(%S | [match(%r).captures[].string])",
    "(%S | capture(\"(?<x>[a-z])(?<y>.)?\"))",
    "[%S | scan(%r)]",
    "(%S | sub(%r; \"<>\"))",
    "(%S | gsub(%r; \"-\"))",
    "(%S | gsub(\"(?<x>[a-z])\"; \"\\(.x)\\(.x)\"))",
    "(%N | todate)",
    "(%N | gmtime)",
    "(%N * 100000 | gmtime | mktime)",
    "(%N * 86400 | strftime(\"%%Y-%%m-%%d %%H:%%M:%%S %%j %%a %%b\"))",
    "(\"2015-03-05T23:51:47Z\" | fromdate)",
    "(\"2015-03-05T23:51:47Z\" | strptime(\"%%Y-%%m-%%dT%%H:%%M:%%SZ\"))",
    "(\"10:20 on 2024-02-29\" | strptime(\"%%H:%%M on %%Y-%%m-%%d\") | mktime)",
    "([[%P] | combinations?][])",
    "[[1,2],[3,4]] | [combinations]",
    "[env.NOPE?]",
    "(%S | ascii_downcase | utf8bytelength)",
    "(%S | length)",
    "[splits(\"a\")]",
    "(%A | to_entries)",
    "(%O | keys)",
    "(%O | to_entries)",
    "([%O | to_entries[]] | from_entries)",
    "([{name: %S, value: %N}, {Name: \"q\", Value: 1}] | from_entries)",
    "([{k: %S, v: %N}] | from_entries)",
    "$__loc__.line",
    "input_line_number?",
});

constexpr auto kPaths = std::to_array<std::string_view>({
    ".a",
    ".b",
    ".a.b",
    ".[0]",
    ".[1]",
    ".[-1]",
    ".[]",
    ".a[0]",
    "(.a, .b)",
    ".a[]",
    ".[1:]",
    ".[:1]",
    "first(.[])",
    "(.a // .b)",
    "getpath([\"a\"])",
    ".",
    "(.. | select(. == 1))",
    "(if .a? then .a else .[0]? end)",
    ".[\"a\",\"b\"]",
    "(.[]? | select(type == \"number\"))",
    "recurse(.[]?)",
    "limit(1; .[]?)",
});
constexpr auto kArrays = std::to_array<std::string_view>(
    {"[%P]", "[%P]", "[.[]?]", "[..]", "[%N, %S, %P]", "[3,1,2,1]", "[{\"a\":1},{\"a\":null}]", "[range(%n)]"});
constexpr auto kStrings =
    std::to_array<std::string_view>({"(%P | tostring)", "%s", "%s", "([.. | strings] | join(\"-\"))",
                                     "(strings, \"a b\")", "\"%k\"", "first((.. | strings), %s)"});
constexpr auto kNumbers = std::to_array<std::string_view>(
    {"%n", "([%P] | length)", "([.. | numbers] | length)", "first((.. | numbers), 4)", "length", "2.5", "(%n + %n)"});
constexpr auto kObjects = std::to_array<std::string_view>(
    {"{a: (%P)}", "{}", "first((.. | objects), {b: 2})", "{a: {b: %N}, c: [%P]}", "{\"%k\": (%P), \"z\": null}"});
constexpr auto kTexts = std::to_array<std::string_view>(
    {"\"\"", "\"a\"", "\"ab\"", "\"b c\"", "\"éx\"", "\"1\"", "\"a,b, c\"", "\"A-b_1\"", "\"<&'>\"", "\"aXbxab\""});
constexpr auto kDocumentNumbers = std::to_array<std::string_view>({"0", "1", "2", "-1", "3.5", "10", "0.25", "100"});
constexpr auto kSmall = std::to_array<std::string_view>({"0", "1", "2", "3", "-1", "4", "5"});
constexpr auto kPatterns = std::to_array<std::string_view>(
    {"\"a\"", "\"[ab]+\"", "\"(a)(b)?\"", "\"^.\"", "\"[a-z]$\"", "\"\\\\w\"", "\"x|,\"", "\"\\\\s\"", "\"b\""});
constexpr auto kKeys = std::to_array<std::string_view>({"a", "b", "c", "d"});

constexpr std::array kDifferences = {
    OracleDifference{"env.", kLibjq | kGojq, "here a program sees no environment"},
    OracleDifference{"input_line_number", kLibjq | kGojq, "here a program sees one input"},
    OracleDifference{"leaf_paths", kLibjq | kGojq, "1.7 took it away"},
    OracleDifference{"limit(-1", kLibjq | kGojq, "1.8 refuses a negative count"},
    OracleDifference{"* (%n))", kLibjq | kGojq, "a text times 0 is empty since 1.8, and was null"},
    OracleDifference{"@base32", kLibjq | kGojq, "Debian's jq and gojq have no such format"},
    OracleDifference{"$__loc__, @base64", kLibjq | kGojq, "neither has $__loc__ nor a format as the key of an object"},
    OracleDifference{"then %P end", kLibjq, "`else` may be left out since 1.7"},
    OracleDifference{".[0]", kGojq, "gojq takes the characters of a string by their index, jq has none"},
    OracleDifference{"(. | first)", kGojq, "gojq takes the characters of a string by their index, jq has none"},
    OracleDifference{"(. | last)", kGojq, "gojq takes the characters of a string by their index, jq has none"},
    OracleDifference{".[1]", kGojq, "gojq takes the characters of a string by their index, jq has none"},
    OracleDifference{".[-1]", kGojq, "gojq takes the characters of a string by their index, jq has none"},
    OracleDifference{"del", kGojq, "gojq makes an object of null where something below it is deleted"},
    OracleDifference{"(%Q |= (%P))", kLibjq | kGojq,
                     "where an update gives nothing, 1.6 deletes the wrong elements, gojq makes an object of null"},
    OracleDifference{"map_values(%P)", kLibjq, "1.6 deletes the wrong elements where an update gives nothing"},
    OracleDifference{"[nth(%c; %P)]", kLibjq, "1.6 gives the last one where there are too few"},
    OracleDifference{"[last(%P)]", kLibjq | kGojq, "nothing comes of nothing since 1.8, and was null"},
    OracleDifference{"error(.)", kLibjq | kGojq, "an error of null can be caught since 1.7"},
    OracleDifference{"try error(%P)", kLibjq | kGojq, "an error of null can be caught since 1.7"},
    OracleDifference{"{k: %S", kLibjq | kGojq, "short names of key and value came with 1.7"},
    OracleDifference{"@uri", kLibjq | kGojq, "1.6 leaves !*()' as they are, gojq writes a space as +"},
    OracleDifference{"$__loc__", kGojq, "gojq has no $__loc__"},
    OracleDifference{"\"ix\"", kGojq, "gojq knows no flag x"},
    OracleDifference{"(first(%P); .a", kGojq, "gojq starts with null where a start gives nothing"},
    OracleDifference{"[$x] (%P;", kLibjq | kGojq,
                     "of several starts 1.6 sees its input for the first one only, gojq takes null for none"},
    OracleDifference{"[limit(0; %P)]", kLibjq, "1.6 has no limit of 0"},
    OracleDifference{"\\\\w", kGojq, "letters beyond ASCII are none for gojq"},
    OracleDifference{"((%N) / (%N))", kLibjq | kGojq,
                     "1.6 does not compile a division by a written 0, gojq divides 0 by 0"},
    OracleDifference{"split(", kGojq, "gojq splits the empty text into one part"},
    OracleDifference{".a[0]", kGojq, "gojq takes the characters of a string by their index, jq has none"},
    OracleDifference{"[any(%P), all(%P)]", kLibjq, "1.6 finds none where a condition holds more than once"},
    OracleDifference{"{(%S): (%P), c}", kGojq, "of equal keys gojq takes the first one"},
    OracleDifference{"?// [$x, $y]", kGojq, "gojq keeps the value that a variable of another pattern had before"},
    OracleDifference{"(-(%N))", kGojq, "gojq has no negative zero"},
    OracleDifference{"recurse(.[]?)", kGojq,
                     "gojq looks for the paths of an assignment in what it has assigned already"},
    OracleDifference{"(.. | select(. == 1))", kGojq,
                     "gojq looks for the paths of an assignment in what it has assigned already"},
    OracleDifference{"(. | error)", kLibjq | kGojq, "an error of null can be caught since 1.7"},
    OracleDifference{"index(%s)", kLibjq, "1.6 counts bytes where it looks for a text in a text"},
    OracleDifference{"indices(%s)", kLibjq, "1.6 counts bytes where it looks for a text in a text"},
};

bool excluded(std::string_view form, Oracle oracle) {
  return std::any_of(kDifferences.begin(), kDifferences.end(), [&](const OracleDifference& one) {
    return (one.oracles & oracle) != 0 && form.find(one.part) != std::string_view::npos;
  });
}

}  // namespace

template <std::size_t N>
std::string Generator::one_of(const std::array<std::string_view, N>& from) {
  for (;;) {
    const std::string_view one = from[pick(N)];
    if (!excluded(one, oracle_)) return std::string(one);
  }
}

std::string Generator::document(int depth) {
  switch (pick(depth > 0 ? 9 : 5)) {
    case 0: return "null";
    case 1: return pick(2) == 0 ? "true" : "false";
    case 2: return one_of(kDocumentNumbers);
    case 3:
    case 4: return one_of(kTexts);
    case 5:
    case 6: {
      std::string out = "[";
      for (std::size_t i = 0, n = pick(4); i < n; ++i) out += (i == 0 ? "" : ",") + document(depth - 1);
      return out + "]";
    }
    default: {
      std::string out;
      for (const std::string_view key : kKeys) {
        if (pick(2) == 0) continue;
        const std::string member = '"' + std::string(key) + "\":" + document(depth - 1);
        // In any order where the order of members counts.
        if (out.empty()) {
          out = member;
        } else if (oracle_ == kLibjq && pick(3) == 0) {
          out = member + ',' + out;
        } else {
          out += ',' + member;
        }
      }
      return '{' + out + '}';
    }
  }
}

std::string Generator::program(int depth) {
  if (depth < -3) return ".";  // leaves may hold programs, too
  const bool leaf = depth <= 0 || pick(5) == 0;
  const std::string made = leaf ? filled(one_of(kLeaves), depth) : filled(one_of(kForms), depth);
  // 1.6 lets `?` catch what fails behind it, too (jq issue 1859): behind an array it cannot. gojq sorts the members of
  // objects, so what comes out of a form is sorted for it.
  const bool kept = pick(3) == 0;
  if (oracle_ == kGojq) return kept ? '(' + made + " | order)" : "([(" + made + ")?][] | order)";
  return kept ? '(' + made + ')' : "([(" + made + ")?][])";
}

std::string Generator::filled(std::string_view form, int depth) {
  std::string out;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] != '%' || i + 1 == form.size() || form[i + 1] == ' ') {
      out += form[i];
    } else {
      out += placeholder(form[++i], depth - 1);
    }
  }
  return out;
}

std::string Generator::placeholder(char kind, int depth) {
  switch (kind) {
    case 'P': return program(depth);
    case 'Q': return '(' + one_of(kPaths) + ')';
    case 'A': return '(' + filled(one_of(kArrays), depth) + ')';
    case 'S': return '(' + filled(one_of(kStrings), depth) + ')';
    case 'N': return '(' + filled(one_of(kNumbers), depth) + ')';
    case 'O': return '(' + filled(one_of(kObjects), depth) + ')';
    case 's': return one_of(kTexts);
    case 'n': return one_of(kSmall);
    case 'c': return std::to_string(1 + pick(3));
    case 'r': return one_of(kPatterns);
    case 'k': return one_of(kKeys);
    case 'd': return document(1);
    default: return std::string(1, kind);  // %% is a %
  }
}

std::span<const OracleDifference> oracle_differences() { return kDifferences; }

}  // namespace tieline::json::jq
