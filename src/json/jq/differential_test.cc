// Generated programs on generated documents, beside libjq 1.6: what both compute must be the same. Where 1.8 differs
// from 1.6 on purpose, or this implementation does, the generator does not go.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>

#include "json/jq/program.h"
#include "json/libjq_program.h"

namespace tieline::json::jq {
namespace {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  std::string document(int depth = 3) {
    switch (pick(depth > 0 ? 8 : 5)) {
      case 0: return "null";
      case 1: return pick(2) == 0 ? "true" : "false";
      case 2: return number();
      case 3:
      case 4: return text();
      case 5: {
        std::string out = "[";
        for (std::size_t i = 0, n = pick(4); i < n; ++i) out += (i == 0 ? "" : ",") + document(depth - 1);
        return out + "]";
      }
      default: {
        std::string out = "{";
        const std::size_t n = pick(4);
        for (std::size_t i = 0; i < n; ++i) {
          out += std::string(i == 0 ? "" : ",") + '"' + key(i) + "\":" + document(depth - 1);
        }
        return out + "}";
      }
    }
  }

  std::string program(int depth = 4) {
    if (depth == 0) return leaf();
    const auto p = [&] { return program(depth - 1); };
    switch (pick(38)) {
      case 0: return p() + " | " + p();
      case 1: return '(' + p() + ", " + p() + ')';
      case 2: return '[' + p() + ']';
      case 3: return "{a: (" + p() + "), b: (" + p() + ")}";
      case 4: return "{(" + p() + " | tostring): (" + p() + ")}";
      case 5: return "(" + p() + ") as $x | (" + p() + ")";
      case 6: return "(if " + p() + " then " + p() + " else " + p() + " end)";
      case 7: return "([try (" + p() + ") catch \"caught\"][])";
      case 8: return safe(p());
      case 9: return "((" + p() + ") // (" + p() + "))";
      case 10: return "((" + p() + ") and (" + p() + "))";
      case 11: return "((" + p() + ") or (" + p() + "))";
      case 12: return "((" + p() + ") == (" + p() + "))";
      case 13: return "((" + p() + ") < (" + p() + "))";
      case 14: return "((" + p() + ") + (" + p() + "))";
      case 15: return "((" + p() + ") - (" + p() + "))";
      case 33: return safe("reduce (" + p() + ") as $x ({}; .k += [$x] | .n += 1 | .last = $x | .k[0] = .n)");
      case 34: return safe("reduce (" + p() + ") as $x (first(" + p() + "); .a = $x | .b += 1 | .c |= [., .])");
      case 35: return safe("reduce (" + p() + ") as $x ([]; if length > 2 then .[1] = $x else . + [$x] end)");
      case 16: return "(reduce (" + p() + ") as $x (0; [., $x] | length))";
      case 17: return "(foreach (" + p() + ") as $x (0; . + 1; [., $x]))";
      case 18: return safe(path() + " |= first((" + p() + "), .)");
      case 19: return safe(path() + " = (" + p() + ")");
      case 20: return safe("path(" + path() + ")");
      case 21: return safe("del(" + path() + ")");
      case 22: return "\"<\\(" + p() + ")>\"";
      case 23: return safe("map(" + p() + ")");
      case 24: return "first(" + p() + ")";
      case 25: return "[limit(2; " + p() + ")]";
      case 26: return "(label $out | (" + p() + ") | if . == 1 then ., break $out else . end)";
      case 27: return "(def f: " + p() + "; f | f)";
      case 28: return "(def f(g): g | g; f(" + p() + "))";
      case 29: return "(def f($v): [$v, .]; f(" + p() + "))";
      case 30: return safe(". as [$a, {b: $b}] | [$a, $b]");
      case 31: return safe(path() + " += 1");
      case 32: return "(" + p() + " | [.[]?.a?, .[0]?.b?, .a?[]?])";
      default: return leaf();
    }
  }

 private:
  // 1.6 lets `?` catch what fails behind it, too (jq issue 1859): behind an array it cannot.
  static std::string safe(const std::string& program) { return "([(" + program + ")?][])"; }
  std::size_t pick(std::size_t n) { return random_() % n; }
  std::string key(std::size_t i) { return std::string(1, static_cast<char>('a' + (i + pick(2)) % 4)); }
  std::string number() {
    static constexpr const char* kNumbers[] = {"0", "1", "2", "-1", "3.5", "10", "0.25", "100"};
    return kNumbers[pick(std::size(kNumbers))];
  }
  std::string text() {
    static constexpr const char* kTexts[] = {"\"\"", "\"a\"", "\"ab\"", "\"b c\"", "\"\u00e9x\"", "\"1\""};
    return kTexts[pick(std::size(kTexts))];
  }
  std::string path() {
    static constexpr const char* kPaths[] = {".a",
                                             ".b",
                                             ".a.b",
                                             ".[0]",
                                             ".[1]",
                                             ".[]",
                                             ".a[0]",
                                             "(.a, .b)",
                                             ".a[]",
                                             ".[1:]",
                                             "first(.[])",
                                             "(.a // .b)",
                                             "getpath([\"a\"])",
                                             ".",
                                             "(.. | select(. == 1))"};
    return '(' + std::string(kPaths[pick(std::size(kPaths))]) + ")";
  }
  std::string leaf() {
    static constexpr const char* kLeaves[] = {".",
                                              ".a?",
                                              ".b?",
                                              ".[0]?",
                                              ".[]?",
                                              "..",
                                              "length?",
                                              "keys?",
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
                                              "to_entries?",
                                              "add?",
                                              "sort?",
                                              "(arrays | reverse)?",
                                              "unique?",
                                              "group_by(.)?",
                                              "min?",
                                              "max?",
                                              "range(3)",
                                              "flatten?",
                                              "ascii_downcase?",
                                              "explode?",
                                              "any?",
                                              "all?",
                                              "values",
                                              "error(\"e\")?",
                                              "has(\"a\")?",
                                              "has(0)?",
                                              ".[1:]?",
                                              ".[:-1]?",
                                              "join(\"-\")?",
                                              "split(\"b\")?",
                                              "test(\"a\")?",
                                              "[paths]",
                                              "tonumber?",
                                              "floor?",
                                              "@json",
                                              "@html",
                                              "@base64",
                                              "(objects | with_entries(.))?",
                                              "map_values(.)?",
                                              "[recurse(.[]?)]",
                                              "first?",
                                              "last?",
                                              "index(\"b\")?",
                                              "indices(1)?",
                                              "startswith(\"a\")?",
                                              "(arrays | transpose)?",
                                              "[splits(\"b\")]?",
                                              "contains(\"a\")?",
                                              "sort_by(.a)?",
                                              "tostream",
                                              "[limit(1; .[]?)]",
                                              "walk(.)",
                                              "isempty(.[]?)"};
    std::string chosen = kLeaves[pick(std::size(kLeaves))];
    if (!chosen.ends_with('?')) return chosen;
    chosen.pop_back();
    return safe(chosen);
  }

  std::mt19937_64 random_;
};

// Printed outputs, or that it failed: messages are worded anew since 1.6.
std::string outcome(const Program& program, const Document& input) {
  const auto outputs = program.run(input, {}, {.outputs_max = 2000, .steps_max = 200'000});
  if (!outputs) return outputs.error().code == Code::kTooLarge ? "too large" : "failed";
  std::string text;
  for (const Document& output : *outputs)
    text += print(output.root(), PrintStyle{.indent = 0, .sort_keys = true}) + "\n";
  return text;
}

TEST(Differential, GeneratedProgramsDoAsLibjqDoes) {
  const char* const asked = std::getenv("TIELINE_FUZZ_PROGRAMS");
  const std::uint64_t programs = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 150;
  const char* const from = std::getenv("TIELINE_FUZZ_SEED");
  const std::uint64_t first = from != nullptr ? std::strtoull(from, nullptr, 10) : 1;
  std::size_t compared = 0, different = 0;
  for (std::uint64_t seed = first; seed < first + programs && different < 10; ++seed) {
    Generator generator(seed);
    const std::string source = generator.program();
    const auto ours = compile_native(source, {}, {});
    const auto theirs = compile_libjq(source, {}, {});
    ASSERT_EQ(ours.has_value(), theirs.has_value()) << source << (ours ? "" : ours.error().text());
    if (!ours) continue;
    for (int i = 0; i < 6; ++i) {
      const std::string text = generator.document();
      const auto input = parse(text);
      ASSERT_TRUE(input) << text;
      const std::string a = outcome(**ours, *input), b = outcome(**theirs, *input);
      if (a == "too large" || b == "too large") continue;
      ++compared;
      if (a == b) continue;
      ++different;
      ADD_FAILURE() << "seed " << seed << ": " << source << "\n  input " << text << "\n  ours   " << a << "\n  libjq  "
                    << b;
      break;
    }
  }
  std::cout << compared << " runs compared with libjq 1.6\n";
}

}  // namespace
}  // namespace tieline::json::jq
