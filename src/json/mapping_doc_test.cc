// docs/mapping.md: every example is run, every function of the language stands in it, and it names none that is not.
//
// A block ```jq holds examples with empty lines between them: `# input: JSON` or `# $name: JSON` before the program,
// `# => JSON` for each output or `# error: MESSAGE` behind it. A table with the columns `example` and `gives` holds an
// example a row; its outputs are the code spans of `gives`. Without an input an example runs on docs/order.json.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "base/text.h"
#include "json/program.h"

namespace tieline::json {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Example {
  std::size_t line = 0;
  std::string program;
  std::string input;
  std::vector<std::string> names, values;
  std::vector<std::string> gives;  // printed outputs, or one "error: …"
};

struct Page {
  std::vector<Example> examples;
  std::map<std::string, std::size_t> functions;  // name/arity, and where
  std::map<std::string, std::size_t> refused;
  std::vector<std::string> problems;
};

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The cells of a table's row; `\|` is a `|` inside one.
std::vector<std::string> cells_of(std::string_view row) {
  std::vector<std::string> cells(1);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] == '\\' && i + 1 < row.size() && row[i + 1] == '|') {
      cells.back() += row[++i];
    } else if (row[i] == '|') {
      cells.emplace_back();
    } else {
      cells.back() += row[i];
    }
  }
  for (std::string& cell : cells) cell = std::string(trim(cell));
  cells.erase(cells.begin());  // what stands before the first |
  if (!cells.empty() && cells.back().empty()) cells.pop_back();
  return cells;
}

// What stands between ` and `, or between `` and ``.
std::vector<std::string> code_spans(std::string_view cell) {
  std::vector<std::string> spans;
  for (std::size_t at = cell.find('`'); at != std::string_view::npos; at = cell.find('`', at)) {
    const std::string_view fence = cell.substr(at, cell.substr(at).starts_with("``") ? 2 : 1);
    const std::size_t end = cell.find(fence, at + fence.size());
    if (end == std::string_view::npos) break;
    const std::string_view inside = cell.substr(at + fence.size(), end - at - fence.size());
    spans.emplace_back(fence.size() == 2 ? trim(inside) : inside);
    at = end + fence.size();
  }
  return spans;
}

// "limit(n; f)" is limit/2.
std::string with_arity(std::string_view call) {
  const std::size_t open = call.find('(');
  const auto arity = open == std::string_view::npos ? 0 : 1 + std::count(call.begin(), call.end(), ';');
  return std::string(call.substr(0, open)) + '/' + std::to_string(arity);
}

bool uses(std::string_view program, std::string_view name) {
  const auto part = [](char c) { return (std::isalnum(static_cast<unsigned char>(c)) != 0) || c == '_'; };
  for (std::size_t at = program.find(name); at != std::string_view::npos; at = program.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    if ((at == 0 || !part(program[at - 1])) && (end == program.size() || !part(program[end]))) return true;
  }
  return false;
}

class Reader {
 public:
  Page read(std::string_view text) {
    for (const std::string_view line : split(text, '\n')) {
      ++number_;
      if (line.starts_with("```")) {
        finish_example();
        fence_ = fence_.empty() ? std::string(line) : std::string();
        header_.clear();
      } else if (fence_ == "```jq") {
        example_line(line);
      } else if (fence_.empty() && line.starts_with('|')) {
        row(cells_of(line));
      } else {
        header_.clear();
      }
    }
    finish_example();
    return std::move(page_);
  }

 private:
  void problem(std::string what) { page_.problems.push_back(std::to_string(number_) + ": " + std::move(what)); }

  void finish_example() {
    if (!now_.program.empty() && now_.gives.empty()) problem("an example that does not say what it gives");
    if (!now_.program.empty()) page_.examples.push_back(std::move(now_));
    now_ = {};
  }

  void example_line(std::string_view line) {
    const auto rest_of = [&](std::string_view start) { return std::string(trim(line.substr(start.size()))); };
    if (trim(line).empty()) {
      finish_example();
    } else if (line.starts_with("# input:")) {
      now_.input = rest_of("# input:");
    } else if (line.starts_with("# $")) {
      const std::size_t colon = line.find(':');
      now_.names.emplace_back(line.substr(3, colon - 3));
      now_.values.push_back(rest_of(line.substr(0, colon + 1)));
    } else if (line.starts_with("# => ")) {
      now_.gives.push_back(rest_of("# => "));
    } else if (line.starts_with("# error: ")) {
      now_.gives.push_back(std::string(line.substr(2)));
    } else {
      if (now_.program.empty()) now_.line = number_;
      now_.program += std::string(line) + '\n';
    }
  }

  void row(const std::vector<std::string>& cells) {
    if (header_.empty()) {
      header_ = cells;
      return;
    }
    if (cells.front().starts_with("---")) return;
    std::map<std::string, std::string> by_name;
    for (std::size_t i = 0; i < cells.size() && i < header_.size(); ++i) by_name[header_[i]] = cells[i];
    if (header_.front() == "refused") {
      for (const std::string& name : code_spans(cells.front())) page_.refused[name] = number_;
    }
    if (!by_name.contains("example") || !by_name.contains("gives")) return;
    if (cells.size() != header_.size()) problem("a row of " + std::to_string(cells.size()) + " cells");
    const std::vector<std::string> program = code_spans(by_name["example"]);
    if (program.size() != 1) return problem("a row without its one example");
    if (header_.front() == "function") {
      for (const std::string& call : code_spans(cells.front())) {
        if (!page_.functions.emplace(with_arity(call), number_).second) problem(call + " stands here twice");
        if (!uses(program.front(), call.substr(0, call.find('(')))) problem(call + " is not in its example");
      }
    }
    page_.examples.push_back({number_, program.front(), "", {}, {}, code_spans(by_name["gives"])});
  }

  Page page_;
  Example now_;
  std::string fence_;
  std::vector<std::string> header_;
  std::size_t number_ = 0;
};

// Its outputs, or "error: …".
std::vector<std::string> ran(const Example& example, const Document& order) {
  const auto program = compile(example.program, example.names);
  if (!program) return {"error: " + program.error().message};
  std::vector<Document> values;
  for (const std::string& value : example.values) values.push_back(parse(value).value());
  auto outputs = (*program)->run(example.input.empty() ? order : parse(example.input).value(), values);
  if (!outputs) return {"error: " + outputs.error().message};
  std::vector<std::string> printed;
  for (const Document& output : *outputs) printed.push_back(print(output.root()));
  return printed;
}

std::set<std::string> functions_of_the_language() {
  std::set<std::string> names;
  const auto program = compile("builtins[]", {});
  const std::vector<Document> listed = (*program)->run({}, {}).value();
  for (const Document& name : listed) names.insert(std::string(name.root().as_string()));
  return names;
}

// Each as "LINE: what is wrong".
std::vector<std::string> wrong_examples(const Page& page) {
  const Document order = parse(file_text("docs/order.json")).value();
  std::vector<std::string> problems = page.problems;
  for (const Example& example : page.examples) {
    const std::vector<std::string> gave = ran(example, order);
    if (gave == example.gives) continue;
    problems.push_back(std::to_string(example.line) + ": " + std::string(trim(example.program)) + " gives " +
                       join(gave, " ") + " instead of " + join(example.gives, " "));
  }
  for (const auto& [name, line] : page.refused) {
    const auto program = compile(name, {});
    const std::string start = '`' + name + "` is not available in a program";
    if (program || !program.error().message.starts_with(start)) {
      problems.push_back(std::to_string(line) + ": " + name + " is not refused");
    }
  }
  return problems;
}

std::vector<std::string> wrong_functions(const Page& page, const std::set<std::string>& functions) {
  std::vector<std::string> problems;
  for (const std::string& name : functions) {
    if (!page.functions.contains(name)) problems.push_back(name + " is not documented");
  }
  for (const auto& [name, line] : page.functions) {
    if (!functions.contains(name)) problems.push_back(std::to_string(line) + ": there is no function " + name);
  }
  return problems;
}

TEST(MappingPage, ExamplesGiveWhatTheySay) {
  const Page page = Reader().read(file_text("docs/mapping.md"));
  EXPECT_THAT(wrong_examples(page), IsEmpty());
  EXPECT_GT(page.examples.size(), 200u);
}

TEST(MappingPage, HasEveryFunctionAndNoOther) {
  EXPECT_THAT(wrong_functions(Reader().read(file_text("docs/mapping.md")), functions_of_the_language()), IsEmpty());
}

TEST(MappingPage, AWrongPageIsFound) {
  const Page page = Reader().read(
      "```jq\n1 + 1\n# => 3\n\n# input: {\"a\": 5}\n# $b: 6\n.a, $b\n# => 5\n# => 6\n\n.email.x\n# error: nothing\n\n"
      "12\n```\n"
      "| function | meaning | example | gives |\n| --- | --- | --- | --- |\n"
      "| `length` | the size | `[1] \\| length` | `1` |\n"
      "| `keys`, `nope(a; b)` | | `{a: 1} \\| keys` | `[\"b\"]` |\n"
      "\n| refused | why |\n| --- | --- |\n| `input`, `length` | |\n");
  EXPECT_THAT(wrong_examples(page),
              ElementsAre("15: an example that does not say what it gives", "19: nope(a; b) is not in its example",
                          "2: 1 + 1 gives 2 instead of 3",
                          "11: .email.x gives error: the program failed: Cannot index string with string (\"x\") "
                          "instead of error: nothing",
                          "14: 12 gives 12 instead of ", "19: {a: 1} | keys gives [\"a\"] instead of [\"b\"]",
                          "23: length is not refused"));
  EXPECT_THAT(wrong_functions(page, {"length/0", "keys/0", "sort/0"}),
              ElementsAre("sort/0 is not documented", "19: there is no function nope/2"));
}

}  // namespace
}  // namespace tieline::json
