// The official JSON-Schema-Test-Suite, as PyPI's `jsonschema` carries it (scripts/setup puts it into build/corpora).
// What differs is listed here with its reason; the list must be exact in both directions.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "json/schema.h"

namespace tieline::json {
namespace {
namespace fs = std::filesystem;

const std::string kFolder = "build/corpora/json-schema/";

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// How many tests of a file (or of a group of it) differ, and why.
const std::map<std::string, std::size_t>& known_differences() {
  static const std::map<std::string, std::size_t> known{
      {"dependencies-compatibility.json", 14},  // a keyword of draft 7: warned of, with what 2020-12 has instead
      {"cross-draft.json", 1},                  // schemas of other drafts are refused
      {"ecmascript-regex.json", 1},             // the metaschema's formats are annotations
      {"idn-hostname.json", 28},                // the tables of IDNA are not here: only its length is checked
  };
  return known;
}

std::optional<Document> remote(const std::string& uri) {
  constexpr std::string_view kHost = "http://localhost:1234/";
  if (!uri.starts_with(kHost)) return std::nullopt;
  const fs::path path = kFolder + "remotes/" + uri.substr(kHost.size());
  if (!fs::is_regular_file(path)) return std::nullopt;
  auto document = parse(read(path));
  return document ? std::optional(*document) : std::nullopt;
}

struct Tally {
  std::size_t passed = 0, total = 0;
  std::map<std::string, std::size_t> failed;  // by file
};

void run_file(const fs::path& path, bool formats, Tally& tally) {
  const auto groups = parse(read(path));
  ASSERT_TRUE(groups) << path;
  for (const Value group : groups->root().elements()) {
    const std::string name = path.filename().string() + ": " + std::string(group["description"].as_string());
    std::vector<SchemaProblem> problems;
    const auto schema = compile_schema(groups->part(group["schema"]),
                                       {.uri = "test:", .assert_formats = formats, .documents = remote}, problems);
    for (const Value test : group["tests"].elements()) {
      ++tally.total;
      const std::string full = name + ": " + std::string(test["description"].as_string());
      const bool expected = test["valid"].as_bool();
      const bool fits = schema != nullptr && schema->fits(test["data"]);
      const bool checked = schema != nullptr && schema->check(test["data"]).empty();
      if (schema != nullptr && fits == expected && checked == expected) {
        ++tally.passed;
        continue;
      }
      ++tally.failed[path.filename().string()];
      if (!known_differences().contains(path.filename().string())) {
        std::cout << "differs: " << full << "\n";
        for (const SchemaProblem& problem : problems) {
          if (!problem.warning) std::cout << "  " << problem.pointer << ": " << problem.message << "\n";
        }
      }
    }
  }
}

TEST(SchemaSuite, OfTheSpecificationPasses) {
  const fs::path folder = kFolder + "tests/draft2020-12";
  if (!fs::is_directory(folder)) GTEST_SKIP() << "no " << folder << ": scripts/setup gets it";
  Tally required, optional, formats;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) run_file(entry.path(), false, required);
  }
  for (const auto& entry : fs::directory_iterator(folder / "optional")) {
    if (entry.is_regular_file()) run_file(entry.path(), false, optional);
  }
  for (const auto& entry : fs::directory_iterator(folder / "optional" / "format"))
    run_file(entry.path(), true, formats);
  std::cout << "JSON-Schema-Test-Suite draft2020-12: required " << required.passed << " of " << required.total
            << ", optional " << optional.passed << " of " << optional.total << ", formats " << formats.passed << " of "
            << formats.total << "\n";
  std::map<std::string, std::size_t> failed = required.failed;
  failed.insert(optional.failed.begin(), optional.failed.end());
  failed.insert(formats.failed.begin(), formats.failed.end());
  EXPECT_EQ(failed, known_differences());
}

}  // namespace
}  // namespace tieline::json
