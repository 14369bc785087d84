#include "spec/yaml.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "spec/problems.h"
#include "spec/redact.h"

namespace tieline::spec {
namespace {

Node parsed(const std::string& text) {
  Problems problems;
  const auto node = parse_yaml(text, "f", problems);
  EXPECT_TRUE(node.has_value()) << problems.text();
  return node.value_or(Node());
}

std::string problems_of(const std::string& text, const YamlLimits& limits = {}) {
  Problems problems;
  const auto node = parse_yaml(text, "f", problems, limits);
  EXPECT_EQ(node.has_value(), problems.ok());
  return problems.text();
}

// The tree on one line: plain scalars bare, quoted in <>, blocks in ||.
std::string shown(const Node& node) {
  std::string out;
  switch (node.kind()) {
    case NodeKind::kNull: return "null";
    case NodeKind::kScalar:
      return node.quoted() ? "<" + node.text() + ">" : node.block() ? "|" + node.text() + "|" : node.text();
    case NodeKind::kList:
      for (const Node& item : node.items()) out += (out.empty() ? "" : ", ") + shown(item);
      return "[" + out + "]";
    case NodeKind::kMap:
      for (const Entry& entry : node.entries())
        out += (out.empty() ? "" : ", ") + entry.key + ": " + shown(entry.value);
      return "{" + out + "}";
  }
  return out;
}

TEST(Yaml, KeepsWhatWasWritten) {
  struct Case {
    const char* text;
    const char* tree;
  };
  const Case cases[] = {
      {"", "null"},
      {"# only a comment\n", "null"},
      {"on: yes\nn: ~\nm:\nz: 007\n", "{on: yes, n: null, m: null, z: 007}"},
      {"a: 'x''y'\nb: \"x\\ty\"\nc: ''\n", "{a: <x'y>, b: <x\ty>, c: <>}"},
      {"a: |\n  x\n    y\nb: >-\n  x\n  y\n", "{a: |x\n  y\n|, b: |x y|}"},
      {"with: { email: =.email, t: =.a.b }", "{with: {email: =.email, t: =.a.b}}"},
      {"a: =\"Order \\(.order_number)\"", "{a: =\"Order \\(.order_number)\"}"},
      {"if: (.test | not)", "{if: (.test | not)}"},
      {"- = y\n- =\n- a=b\n", "[= y, =, a=b]"},
      {"filter: { if: .a == \"b\" and .c == $vars.d, reason: not a win }",
       "{filter: {if: .a == \"b\" and .c == $vars.d, reason: not a win}}"},
      {"foreach: [ { x: lookup!($vars.groups; $e.d) } ]", "{foreach: [{x: lookup!($vars.groups; $e.d)}]}"},
      {"a: &x { b: 1 }\nc: *x\nd: { <<: *x, e: 2 }\n", "{a: {b: 1}, c: {b: 1}, d: {e: 2, b: 1}}"},
      {"a: &x { b: 1, c: 2 }\nd:\n  b: 3\n  <<: [*x]\n", "{a: {b: 1, c: 2}, d: {b: 3, c: 2}}"},
      {"a: ' x '\nb: \"\\\n  y \"\nc: 'k\n\n  '\n", "{a: < x >, b: <y >, c: <k\n>}"},
      {"a: &q |\n  x\nb: *q\n", "{a: |x\n|, b: |x\n|}"},
      {"\xEF\xBB\xBF"
       "a: b\r\nc: d\r\n",
       "{a: b, c: d}"},
  };
  for (const Case& c : cases) EXPECT_EQ(shown(parsed(c.text)), c.tree) << c.text;
}

TEST(Yaml, KnowsThePlaceOfKeysAndValues) {
  const Node node = parsed("a: x\n\nlist:\n  - 'y'\n  - { k: \"z\" }\nblock: |\n\n    text\nempty:\n");
  EXPECT_EQ(node.place().text(), "f:1:1");
  EXPECT_EQ(node.entries()[1].key_place.text(), "f:3:1");
  const Node& list = *node.find("list");
  EXPECT_EQ(list.place().text(), "f:4:3");
  EXPECT_EQ(list.items()[0].place().text(), "f:4:5");
  EXPECT_EQ(list.items()[0].content_place().text(), "f:4:6");
  EXPECT_EQ(list.items()[1].find("k")->place().text(), "f:5:10");
  EXPECT_EQ(node.find("block")->place().text(), "f:6:8");
  EXPECT_EQ(node.find("empty")->place().text(), "f:9:1");
  EXPECT_EQ(node.find("nothing"), nullptr);
}

TEST(Yaml, MapsAPlaceInsideAScalarToTheFile) {
  // The file's text has one @ per case; so has the scalar's text, and the two must meet.
  const char* const cases[] = {
      "a: =.x | @y",
      "a:   '=.x ''q'' @y'",
      "a: \"t\\t\\u00e9 \\\"@y\"",
      "a: \"one \\\n   two @y\"",
      "a: \"one\n  two\n\n  three @y\"",
      "a: \" \\n x @y\"",
      "a: plain\n  goes @on\n",
      "a: plain\n\n\n  goes @on\n",
      "a: |\n  one\n  two @y\n  three\n",
      "a: |\n\n  one\n\n    two\n  @y\n",
      "a: |2\n     lead @y\n",
      "a: |2\n     @y\n",
      "a: >\n  one\n  two\n\n  three\n    more\n  @y\n",
      "a: >-\n\n     one\n     @y",
      "a:\n  - b: |-  # a comment\n      $x\n      | @y\n",
      "a: |\r\n  one\r\n  two @y\r\n",
      "a: é @y",
  };
  for (const std::string text : cases) {
    const Node root = parsed(text);
    const Node* node = root.find("a");
    if (node->is_list()) node = node->items()[0].find("b");
    const auto split_at = [](const std::string& in) {
      const std::size_t at = in.find('@');
      EXPECT_NE(at, std::string::npos) << in;
      const auto lines =
          static_cast<std::uint32_t>(std::count(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
      const std::size_t newline = in.rfind('\n', at);
      return Place{"f", lines + 1,
                   static_cast<std::uint32_t>(at - (newline == std::string::npos ? 0 : newline + 1) + 1)};
    };
    const Place inside = split_at(node->text());
    EXPECT_EQ(node->place_in(inside.line, inside.column).text(), split_at(text).text()) << text;
  }
}

TEST(Yaml, ClampsAPlaceOutsideOfTheScalar) {
  const Node node = parsed("a: |\n  one\n  two\nb: x\n");
  EXPECT_EQ(node.find("a")->place_in(2, 99).text(), "f:3:6");
  EXPECT_EQ(node.find("b")->place_in(1, 99).text(), "f:4:5");
  EXPECT_EQ(node.find("b")->place_in(0, 0).text(), "f:4:4");
  EXPECT_EQ(node.find("b")->place_in(9, 1).text(), "f:4:4");
  EXPECT_EQ(Node::make_scalar("x", ScalarStyle::kPlain, {"g", 2, 3}).place_in(1, 1).text(), "g:2:3");
}

constexpr const char* kQuoteIt = "a value with one of [ ] { } , or \" #\" or \": \" must stand in single quotes";

TEST(Yaml, SaysWhatToQuote) {
  struct Case {
    const char* text;
    std::string problems;
  };
  const std::string quote_it = kQuoteIt;
  const Case cases[] = {
      {"with: { x: =.a.b[0] }", "f:1:17: error: YAML ends the value here, at \"[\"; " + quote_it + "\n"},
      {"with: { x: =[.a] }", "f:1:13: error: YAML ends the value here, at \"[\"; " + quote_it + "\n"},
      {"with: { x: ={b: .a} }", "f:1:13: error: YAML ends the value here, at \"{\"; " + quote_it + "\n"},
      {"with: { x: =.a? }", "f:1:15: error: YAML ends the value here, at \"?\"; " + quote_it + "\n"},
      {"x: =.a | f(.b: 3)", "f:1:14: error: YAML ends the value here, at \":\"; " + quote_it + "\n"},
      {"x: { m: =f(.a, .b) }", "f:1:14: error: YAML ends this value at \",\" and cuts it; " + quote_it + "\n"},
      {"x: { if: any(.a, .b), y: z }",
       "f:1:16: warning: YAML ends this value at \",\" and cuts it; " + quote_it + "\n"},
      {"x: =\"Order #\\(.n)\"",
       "f:1:12: error: YAML takes what follows \" #\" for a comment and cuts this value; " + quote_it + "\n"},
      {"x: .tag == \"a # b\"",
       "f:1:15: warning: YAML takes what follows \" #\" for a comment and cuts this value; " + quote_it + "\n"},
      {"x: Order #5",
       "f:1:10: warning: YAML takes what follows \" #\" for a comment; if it is not one: " + quote_it + "\n"},
      {"x: =.a  # a comment\ny: { z: =.b }   # another\n", ""},
      {"x: '=\"Order #\\(.n)\"'", ""},
      {"x: \"a\" + .b", "f:1:8: error: nothing may follow the closing quote; put the whole value in single quotes\n"},
      {"x: @y", "f:1:4: error: a value must not begin with \"@\"; put it in single quotes\n"},
      {"x: *y",
       "f:1:4: error: no anchor of this name stands above; a text that begins with * must stand in single quotes\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(problems_of(c.text), c.problems) << c.text;
}

TEST(Yaml, ReportsWhatIsNotWellFormed) {
  struct Case {
    const char* text;
    const char* problems;
  };
  const Case cases[] = {
      {"a: 1\nb:\n  c: 1\n  c: 2\na: 3\n",
       "f:4:3: error: the key \"c\" stands twice; the first is at f:3:3\n"
       "f:5:1: error: the key \"a\" stands twice; the first is at f:1:1\n"},
      {"a: 1\n\tb: 2", "f:2:1: error: YAML is indented with spaces, not with tabs\n"},
      {"a: 1\n b: 2",
       "f:2:3: error: this line continues the value that begins at f:1:4; check its indentation, or quote that "
       "value\n"},
      {"a: [x, y\nb: 3", "f:2:2: error: the \"[\" at f:1:4 is not closed\n"},
      {"a: 'x", "f:1:6: error: the file ends inside a quoted text: a closing quote is missing, maybe far above\n"},
      {"a: 'x\n", "f:1:4: error: the quote that opens here is never closed\n"},
      {"a: \"x\nb: 1\n", "f:1:4: error: the quote that opens here is never closed\n"},
      {"a: 1\n---\nb: 1\n", "f:2:1: error: a second document begins here; this file holds exactly one\n"},
      {"- a\nb: 1", "f:2:1: error: this line does not belong to what stands above it; check its indentation\n"},
      {"? [a]\n: 1", "f:1:3: error: a key must be text, found a list\n"},
      {"~: 1", "f:1:1: error: a key must be text, found nothing\n"},
      {"a: !!int 3", "f:1:4: error: tags such as !!str are not used; quote what is text\n"},
      {"a: &x [ *x ]", "f:1:9: error: an alias must not stand inside what it names\n"},
      {"a: { <<: 3 }", "f:1:10: error: << takes a map or a list of maps\n"},
      {"a: \x04\nb: 1",
       "f:1:4: error: a control character must not stand in YAML; in double quotes write it as an escape\n"},
      {"a: b\nc: \xff\n", "f:2:1: error: this line is not valid UTF-8; save the file as UTF-8\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(problems_of(c.text), c.problems) << c.text;
}

TEST(Yaml, BoundsAliasesDepthAndBytes) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'i'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) bomb += std::string(i == 0 ? "*" : ", *") + static_cast<char>(c - 1);
    bomb += "]\n";
  }
  Problems problems;
  EXPECT_FALSE(parse_yaml(bomb, "f", problems).has_value());
  EXPECT_EQ(problems.first_error().code, Code::kTooLarge);
  EXPECT_NE(problems.text().find("error: more than 100000 values, with aliases written out\n"), std::string::npos);

  EXPECT_EQ(problems_of(std::string(101, '[') + std::string(101, ']')),
            "f:1:101: error: lists and maps inside each other go deeper than 100 levels\n");
  EXPECT_EQ(problems_of(std::string(100, '[') + std::string(100, ']')), "");
  EXPECT_NE(problems_of(std::string(200'000, '[')).find("go deeper than 100 levels"), std::string::npos);
  EXPECT_EQ(problems_of("abcdef", {.bytes_max = 5}), "f: error: the file is larger than 5 bytes\n");
}

TEST(Yaml, ReadsSeveralDocumentsWhenAsked) {
  Problems problems;
  const auto documents = parse_yaml_documents("a: 1\n---\nb: 2\n---\n- 3\n", "f", problems);
  ASSERT_TRUE(documents.has_value()) << problems.text();
  ASSERT_EQ(documents->size(), 3u);
  EXPECT_EQ(shown((*documents)[1]), "{b: 2}");
  EXPECT_EQ((*documents)[2].items()[0].place().text(), "f:5:3");
}

TEST(Yaml, PrintsWhatReadsBackTheSame) {
  const char* const cases[] = {
      "a: x\nb: [1, 'null', \"x: y\", [], {}, ~]\nc:\n  d: |\n    .x\n      | .y\n",
      "a: |\n  x\n\n   y\n\nb: |-\n  z\nc: |+\n  k\n\n\nd: |2\n    lead\ne: \"t\\tn\\n'q'\"\n",
      "- - 1\n  - \"...\"\n- 'null': '<<'\n  \"a b\": 'it''s'\n",
      "text",
  };
  for (const std::string text : cases) {
    const Node node = parsed(text);
    EXPECT_EQ(shown(parsed(print_yaml(node))), shown(node)) << print_yaml(node);
  }
}

TEST(Problems, AreSortedByPlaceAndSaidOnce) {
  Problems problems;
  problems.error({"b", 1, 1}, "in b");
  problems.warning({"a", 10, 2}, "late");
  problems.error({"a", 2, 5}, "second column");
  problems.error({"a", 2, 1}, "first column");
  problems.error({"a", 2, 1}, "another");
  problems.error({"a", 2, 1}, "first column");
  problems.error({}, "nowhere");
  EXPECT_EQ(problems.text(),
            "error: nowhere\na:2:1: error: first column\na:2:1: error: another\na:2:5: error: second column\n"
            "a:10:2: warning: late\nb:1:1: error: in b\n");
  EXPECT_EQ(problems.error_count(), 6u);
  EXPECT_EQ(problems.first_error().message, "nowhere");
  Problems warned;
  warned.warning({"a", 1, 1}, "only a warning");
  EXPECT_TRUE(warned.ok());
  EXPECT_FALSE(warned.empty());
}

}  // namespace
}  // namespace tieline::spec
