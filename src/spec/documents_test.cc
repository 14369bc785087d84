#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/prng.h"
#include "spec/problems.h"
#include "spec/yaml.h"

namespace tieline::spec {
namespace {

struct Block {
  std::string text;
  std::size_t line = 0;  // of its first line in the page
};

// The ```yaml blocks of a Markdown page that stand at its left margin.
std::vector<Block> yaml_blocks(const std::string& page) {
  std::vector<Block> blocks;
  std::istringstream lines(page);
  std::string line;
  bool inside = false;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    if (!inside && line == "```yaml") {
      inside = true;
      blocks.push_back({"", number + 1});
    } else if (inside && line == "```") {
      inside = false;
    } else if (inside) {
      blocks.back().text += line + "\n";
    }
  }
  return blocks;
}

// Every visible byte of every scalar stands in the file where place_in says; an escape's backslash stands for its byte.
void expect_places(const Node& node, const std::vector<std::string>& lines) {
  for (const Node& item : node.items()) expect_places(item, lines);
  for (const Entry& entry : node.entries()) expect_places(entry.value, lines);
  std::uint32_t line = 1, column = 1;
  for (const char c : node.text()) {
    if (c != ' ' && c != '\n' && c != '\t') {
      const Place place = node.place_in(line, column);
      ASSERT_LE(place.line, lines.size());
      ASSERT_LE(place.column, lines[place.line - 1].size()) << place.text() << " of " << node.text();
      const char there = lines[place.line - 1][place.column - 1];
      EXPECT_TRUE(there == c || (node.style() == ScalarStyle::kDoubleQuoted && there == '\\'))
          << place.text() << " is " << there << ", not " << c << " of " << node.text();
    }
    column = c == '\n' ? 1 : column + 1;
    if (c == '\n') ++line;
  }
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class DesignPage : public testing::TestWithParam<const char*> {};

// What a person reads there must be YAML as it stands. `[ … ]` marks an abbreviated list and is YAML too.
TEST_P(DesignPage, HoldsYamlThatParses) {
  const std::string file = std::string("../shared/design/") + GetParam();
  std::ifstream in(file);
  if (!in) GTEST_SKIP() << file << " is not there";
  std::stringstream page;
  page << in.rdbuf();
  const std::vector<Block> blocks = yaml_blocks(page.str());
  ASSERT_FALSE(blocks.empty());
  for (const Block& block : blocks) {
    Problems problems;
    const auto documents = parse_yaml_documents(block.text, "block", problems);
    EXPECT_TRUE(documents.has_value()) << file << ": the block at line " << block.line << "\n" << problems.text();
    EXPECT_EQ(problems.text(), "") << file << ": the block at line " << block.line;
    for (const Node& document : documents.value_or(std::vector<Node>())) {
      EXPECT_TRUE(document.is_map());
      expect_places(document, lines_of(block.text));
    }
  }
}

// Whatever a file holds, it is read or refused with a place inside it, and every scalar can be asked for any place.
TEST(Yaml, SurvivesAnyText) {
  const std::string seed_text =
      "on: { webhook: shopify, event: 'a''b' } # c\nkey: .customer.id\nwith: |2\n    x\n   y\n\nb: >-\n  p\n  q\n"
      "c: \"d\\t\\u00e9 \\\n  e\"\nl: &x [ a, { b: =.c } ]\nm:\n  <<: *x\n- z: ~\n? k\n: v\n--- !t\n...\n";
  Prng prng(20261123);
  for (int round = 0; round < 3000; ++round) {
    std::string text = seed_text;
    for (std::uint64_t edits = 1 + prng.next() % 6; edits > 0; --edits) {
      const std::size_t at = prng.next() % text.size();
      const std::size_t length = std::min<std::size_t>(prng.next() % 8, text.size() - at);
      switch (prng.next() % 3) {
        case 0: text.erase(at, length); break;
        case 1: text.insert(prng.next() % text.size(), std::string(text, at, length)); break;
        default: text[at] = "\t\n \"'|>#,:{}[]&*!%@`\\?-=a\r"[prng.next() % 26];
      }
      if (text.empty()) text = "a";
    }
    Problems problems;
    const auto documents = parse_yaml_documents(text, "f", problems);
    EXPECT_EQ(documents.has_value(), problems.ok()) << text;
    const auto lines = static_cast<std::uint32_t>(lines_of(text).size()) + 1;
    for (const Problem& problem : problems.sorted()) EXPECT_LE(problem.error.place.line, lines) << text;
    std::vector<Node> nodes = documents.value_or(std::vector<Node>());
    while (!nodes.empty()) {
      const Node node = nodes.back();
      nodes.pop_back();
      for (std::uint32_t line = 0; line < 4; ++line) {
        for (std::uint32_t column = 0; column < 12; ++column)
          EXPECT_LE(node.place_in(line, column).line, lines) << text;
      }
      EXPECT_LE(node.content_place().line, lines) << text;
      nodes.insert(nodes.end(), node.items().begin(), node.items().end());
      for (const Entry& entry : node.entries()) nodes.push_back(entry.value);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Pages, DesignPage, testing::Values("FLOWS.md", "MANIFESTS.md", "DESIGN.md"));

}  // namespace
}  // namespace tieline::spec
