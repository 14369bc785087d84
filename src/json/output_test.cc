// Outputs handed over while their run waits: in order, bounded, and the same text as that of a document.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "json/program.h"

namespace tieline::json {
namespace {

struct Handed {
  std::vector<std::string> outputs;
  std::string error;  // of the run, or of printing
};

Handed handed(std::string_view source, const PrintStyle& style = {.indent = 0}, const RunLimits& limits = {},
              std::size_t enough = 1000) {
  const auto program = compile(source, {});
  EXPECT_TRUE(program) << (program ? "" : program.error().text());
  Handed seen;
  const auto done = (*program)->each(Document(), {}, limits, [&](const Output& output) {
    std::string text;
    const auto printed = output.print_to(text, style);
    if (!printed) seen.error = printed.error().message;
    if (printed) seen.outputs.push_back(text);
    return printed && seen.outputs.size() < enough;
  });
  if (!done) seen.error = done.error().message;
  return seen;
}

using Texts = std::vector<std::string>;

TEST(Outputs, ComeInOrderBeforeTheErrorThatEndsThem) {
  const Handed seen = handed("1, \"a\", (2, 3 | . * 2), error(\"over\"), 4");
  EXPECT_EQ(seen.outputs, (Texts{"1", "\"a\"", "4", "6"}));
  EXPECT_EQ(seen.error, "the program failed: over");
}

TEST(Outputs, EndWhenThereAreEnough) {
  const Handed seen = handed("try (label $out | def f: ., (. + 1 | f); 0 | f) catch 7", {.indent = 0}, {}, 3);
  EXPECT_EQ(seen.outputs, (Texts{"0", "1", "2"}));
  EXPECT_EQ(seen.error, "");
}

TEST(Outputs, MayBeMoreThanARunMayKeep) {
  EXPECT_EQ(handed("range(50)", {.indent = 0}, {.outputs_max = 10}).outputs.size(), 50u);
}

TEST(Outputs, KnowTruthAndText) {
  const auto program = compile("null, false, 0, \"x\\n\", []", {});
  std::string seen;
  ASSERT_TRUE((*program)->each(Document(), {}, {}, [&](const Output& output) {
    seen += (output.truthy() ? "true " : "false ") + std::string(output.text().value_or("-")) + ",";
    return true;
  }));
  EXPECT_EQ(seen, "false -,false -,true -,true x\n,true -,");
}

TEST(Outputs, PrintAsTheirDocumentsWould) {
  const char* const source =
      R"(1 + 1, 0.1 + 0.2, nan, infinite, -0, 1.10, 12345678901234567890, [1 + 1, {"é\u0001😀\"": [{}, []], a: 1e3}])";
  const auto program = compile(source, {});
  for (const PrintStyle& style : {PrintStyle{.indent = 0}, PrintStyle{}, PrintStyle{.indent = -1, .sort_keys = true},
                                  PrintStyle{.indent = 0, .color = true}, PrintStyle{.indent = 1, .ascii = true}}) {
    const auto documents = (*program)->run(Document(), {});
    ASSERT_TRUE(documents);
    Texts texts;
    for (const Document& document : *documents) texts.push_back(print(document.root(), style));
    EXPECT_EQ(handed(source, style).outputs, texts);
  }
  EXPECT_EQ(handed(R"("é😀\\u00e9~")", {.indent = 0, .ascii = true}).outputs,
            (Texts{R"("\u00e9\ud83d\ude00\\u00e9~")"}));
}

TEST(Outputs, AreBoundedWhereARunIsNot) {
  const RunLimits limits{.output_bytes_max = 1000};
  const Handed wide = handed("1, reduce range(40) as $i (1; [., .]), 2", {.indent = 0}, limits);
  EXPECT_EQ(wide.outputs, (Texts{"1"}));
  EXPECT_EQ(wide.error, "the program's output is larger than 1000 bytes");
  EXPECT_EQ(handed("[range(2000)]", {}, limits).error, "the program's output is larger than 1000 bytes");
  EXPECT_EQ(handed("reduce range(100000) as $i (0; [.])").error,
            "the program's output is nested deeper than 4096 levels");
  EXPECT_EQ(handed("reduce range(100000) as $i (0; {a: .})", {.indent = 0, .sort_keys = true}).error,
            "the program's output is nested deeper than 4096 levels");
}

}  // namespace
}  // namespace tieline::json
