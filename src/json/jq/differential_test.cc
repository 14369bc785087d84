// Generated programs on generated documents, beside libjq 1.6 in process and gojq as a command: what all compute must
// be the same. Where they differ from jq 1.8, generator.cc lists it with the reason, and the generator does not go.
#include <gtest/gtest.h>

#include <unistd.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include "json/jq/generator.h"
#include "json/jq/program.h"
#include "json/libjq_program.h"

namespace tieline::json::jq {
namespace {

constexpr std::size_t kOutputsMax = 500;
constexpr RunLimits kLimits{.outputs_max = kOutputsMax, .steps_max = 200'000};
constexpr int kDocuments = 6;

// All outputs, or the way it failed: messages are worded anew since 1.6.
struct Outcome {
  enum class Kind : std::uint8_t { kGave, kFailed, kTooMuch };
  Kind kind = Kind::kGave;
  std::vector<Document> values;

  std::string text() const {
    if (kind != Kind::kGave) return kind == Kind::kFailed ? "fails" : "takes too much";
    std::string out = "gives";
    for (const Document& value : values) out += ' ' + print(value.root());
    return out;
  }
  bool same(const Outcome& other) const {
    if (kind != other.kind || values.size() != other.values.size()) return false;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!equal(values[i].root(), other.values[i].root())) return false;
    }
    return true;
  }
};

Outcome outcome(const Program& program, const Document& input) {
  auto outputs = program.run(input, {}, kLimits);
  if (outputs) return {.values = std::move(*outputs)};
  const bool too_much =
      outputs.error().code == Code::kTooLarge || outputs.error().message.find("steps") != std::string::npos;
  return {.kind = too_much ? Outcome::Kind::kTooMuch : Outcome::Kind::kFailed, .values = {}};
}

// One outcome for each document; none when it does not compile.
using Outcomes = std::optional<std::vector<Outcome>>;

Outcomes ours(const std::string& source, const std::vector<Document>& documents) {
  const auto program = compile_native(source, {}, {});
  if (!program) return std::nullopt;
  std::vector<Outcome> out;
  for (const Document& document : documents) out.push_back(outcome(**program, document));
  return out;
}

Outcomes libjq(const std::string& source, const std::vector<Document>& documents) {
  const auto program = compile_libjq(source, {}, {});
  if (!program) return std::nullopt;
  std::vector<Outcome> out;
  for (const Document& document : documents) out.push_back(outcome(**program, document));
  return out;
}

// One process for a program: it gives a line for each document.
class Gojq {
 public:
  Gojq() : folder_(std::filesystem::temp_directory_path() / ("tieline-gojq-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~Gojq() { std::filesystem::remove_all(folder_); }
  Gojq(const Gojq&) = delete;
  Gojq& operator=(const Gojq&) = delete;

  Outcomes run(const std::string& source, const std::vector<Document>& documents) const {
    std::ofstream(folder_ / "program") << "def order: .; def run: (" << source << "); try {v: [limit("
                                       << kOutputsMax + 1 << "; run)]} catch {}";
    {
      std::ofstream inputs(folder_ / "inputs");
      for (const Document& document : documents) inputs << print(document.root()) << '\n';
    }
    const std::string command =
        "cd '" + folder_.string() + "' && timeout 20 gojq -c -f program inputs > outputs 2> errors";
    const int status = std::system(command.c_str());
    if (WEXITSTATUS(status) == 3) return std::nullopt;
    std::vector<Outcome> out;
    std::ifstream lines(folder_ / "outputs");
    for (std::string line; std::getline(lines, line);) out.push_back(read(line));
    // What it did not come to in its time.
    while (out.size() < documents.size()) out.push_back({.kind = Outcome::Kind::kTooMuch, .values = {}});
    return out;
  }

 private:
  static Outcome read(const std::string& line) {
    const auto answer = parse(line, {.depth_max = 4096});
    if (!answer) return {.kind = Outcome::Kind::kTooMuch, .values = {}};
    const Value values = answer->root()["v"];
    if (!values.is_array()) return {.kind = Outcome::Kind::kFailed, .values = {}};
    if (values.size() > kOutputsMax) return {.kind = Outcome::Kind::kTooMuch, .values = {}};
    Outcome out;
    for (const Value value : values.elements()) out.values.push_back(answer->part(value));
    return out;
  }

  std::filesystem::path folder_;
};

std::uint64_t asked_for(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

constexpr std::size_t kDifferencesShown = 20;
#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t kSlower = 10;
#else
constexpr std::uint64_t kSlower = 1;
#endif

// Compares so many programs; `prefix` stands before ours.
template <class Theirs>
void compare(Oracle oracle, std::uint64_t programs, const std::string& prefix, const Theirs& theirs) {
  const std::uint64_t first = asked_for("TIELINE_FUZZ_SEED", 1);
  const std::uint64_t count = asked_for("TIELINE_FUZZ_PROGRAMS", programs / kSlower);
  std::size_t compared = 0, failed = 0, too_much = 0, different = 0;
  for (std::uint64_t seed = first; seed < first + count && different < kDifferencesShown; ++seed) {
    Generator generator(oracle, seed);
    const std::string source = generator.program();
    std::vector<Document> documents;
    for (int i = 0; i < kDocuments; ++i) {
      auto document = parse(generator.document());
      ASSERT_TRUE(document);
      documents.push_back(std::move(*document));
    }
    const Outcomes a = ours(prefix + source, documents), b = theirs(source, documents);
    if (a.has_value() != b.has_value()) {
      ++different;
      ADD_FAILURE() << "seed " << seed << ": " << source << "\n  compiles " << (a ? "here" : "there") << " only";
    }
    if (!a || !b) continue;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      const Outcome &here = (*a)[i], &there = (*b)[i];
      if (here.kind == Outcome::Kind::kTooMuch || there.kind == Outcome::Kind::kTooMuch) {
        ++too_much;
        continue;
      }
      ++compared;
      if (here.kind == Outcome::Kind::kFailed) ++failed;
      if (here.same(there)) continue;
      ++different;
      ADD_FAILURE() << "seed " << seed << ": " << source << "\n  input " << print(documents[i].root()) << "\n  ours  "
                    << here.text() << "\n  there " << there.text();
      break;
    }
  }
  std::cout << compared << " runs compared (" << failed << " of them fail), " << too_much << " were too much\n";
  EXPECT_LT(failed * 2, compared) << "most of what is generated does nothing but fail";
}

TEST(Differential, GeneratedProgramsDoAsLibjqDoes) { compare(kLibjq, 800, "", libjq); }

TEST(Differential, GeneratedProgramsDoAsGojqDoes) {
  if (std::system("command -v gojq > /dev/null") != 0) GTEST_SKIP() << "no gojq here";
  const Gojq gojq;
  compare(
      kGojq, 200, "def order: walk(if type == \"object\" then to_entries | sort_by(.key) | from_entries else . end); ",
      [&](const std::string& source, const std::vector<Document>& documents) { return gojq.run(source, documents); });
}

TEST(Differential, EveryListedDifferenceHasItsReason) {
  std::set<std::string_view> parts;
  for (const OracleDifference& one : oracle_differences()) {
    EXPECT_TRUE(parts.insert(one.part).second) << one.part << " is listed twice";
    EXPECT_FALSE(one.reason.empty()) << one.part;
  }
}

}  // namespace
}  // namespace tieline::json::jq
