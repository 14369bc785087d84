// jq's own suites through this folder's compiler and machine. What differs is listed, with its reason, in
// known_differences.txt; the list must be exact in both directions.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "base/text.h"
#include "json/jq/program.h"
#include "json/program_fixture.h"

namespace tieline::json::jq {
namespace {

constexpr std::string_view kFolder = "../shared/corpora/jq/";
constexpr std::string_view kDifferences = "src/json/jq/known_differences.txt";

struct Block {
  std::size_t line = 0;
  bool must_fail = false;
  std::string program;
  std::string input;
  std::vector<std::string> outputs;
};

std::vector<Block> read_blocks(const std::string& path) {
  std::ifstream file(path);
  std::vector<Block> blocks;
  std::vector<std::string> lines;
  std::size_t number = 0, first = 0;
  const auto finish = [&] {
    if (lines.empty()) return;
    Block block{.line = first};
    if (lines.front().starts_with("%%FAIL")) {
      block.must_fail = true;
      if (lines.size() > 1) block.program = lines[1];
    } else {
      block.program = lines.front();
      if (lines.size() > 1) block.input = lines[1];
      for (std::size_t i = 2; i < lines.size(); ++i) block.outputs.push_back(lines[i]);
    }
    blocks.push_back(std::move(block));
    lines.clear();
  };
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (trim(line).empty()) {
      finish();
    } else if (line.front() != '#') {
      if (lines.empty()) first = number;
      lines.push_back(line);
    }
  }
  finish();
  return blocks;
}

// Empty when the block does what it says, or what it does instead.
std::string difference(const Block& block) {
  const auto program = compile_native(block.program, {}, {});
  if (block.must_fail) return program ? "compiles" : "";
  if (!program) return "does not compile: " + program.error().message;
  const auto input = parse(block.input);
  if (!input) return "the input is refused: " + input.error().message;
  auto outputs = (*program)->run(*input, {}, {});
  if (std::string alone = differs_alone(**program, *input, {}, outputs); !alone.empty()) return alone;
  if (!outputs && !block.outputs.empty()) {  // what comes before an error counts
    const auto cut =
        compile_native("limit(" + std::to_string(block.outputs.size()) + "; " + block.program + ")", {}, {});
    if (cut) {
      if (auto before = (*cut)->run(*input, {}, {})) outputs = std::move(before);
    }
  }
  std::vector<Document> given;
  if (outputs) given = *outputs;
  const std::string ended = outputs ? "" : " (" + outputs.error().message + ")";
  std::string shown;
  for (const Document& output : given) shown += ' ' + print(output.root());
  if (given.size() != block.outputs.size()) return "gives" + truncated(shown, 300) + ended;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto expected = parse(block.outputs[i]);
    if (!expected || !equal(expected->root(), given[i].root())) return "gives" + truncated(shown, 300);
  }
  return "";
}

// "jq.test: PROGRAM", or "jq.test: PROGRAM <<< INPUT" where one program has several blocks → reason.
std::map<std::string, std::string> known_differences() {
  std::ifstream file{std::string(kDifferences)};
  std::map<std::string, std::string> known;
  std::string reason;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) {
      reason = line.substr(3);
    } else if (!line.empty() && !line.starts_with("# ")) {
      known[line] = reason;
    }
  }
  return known;
}

TEST(Corpus, EveryBlockOfJqsOwnSuitesPassesOrIsListed) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "seven blocks nest 10,000 deep, and frames under the sanitizer are too large for that";
#endif
  if (!std::filesystem::exists(kFolder)) GTEST_SKIP() << "no corpora at " << kFolder;
  const auto known = known_differences();
  std::set<std::string> met;
  std::size_t total = 0, passed = 0, by_design = 0;
  for (const std::string name : {"jq.test", "man.test"}) {
    for (const Block& block : read_blocks(std::string(kFolder) + name)) {
      ++total;
      const std::string different = difference(block);
      std::string key = name + ": " + block.program;
      if (const std::string with_input = key + " <<< " + block.input; known.contains(with_input)) key = with_input;
      const auto listed = known.find(key);
      if (different.empty()) {
        ++passed;
        EXPECT_EQ(listed, known.end()) << key << " passes and is still listed";
        continue;
      }
      met.insert(key);
      if (listed != known.end()) {
        if (listed->second.starts_with("Refused") || listed->second.starts_with("Intended")) ++by_design;
        continue;
      }
      ADD_FAILURE() << name << ":" << block.line << ": " << block.program << "\n  input " << truncated(block.input, 200)
                    << "\n  " << different;
    }
  }
  for (const auto& [key, reason] : known) EXPECT_TRUE(met.contains(key)) << key << " is listed and not in the suites";
  std::cout << "jq's suites: " << passed << " of " << total << " pass, " << by_design << " differ by design, "
            << total - passed - by_design << " differ otherwise\n";
  EXPECT_GE(static_cast<double>(passed), 0.99 * static_cast<double>(total - by_design));
}

}  // namespace
}  // namespace tieline::json::jq
