// The mapping language beside libjq in process, in one run: compile, run, and the whole of parse, run and print.
// It must never compare times of different runs, nor of programs that do not give the same values.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

extern "C" {
#include <jq.h>
}

#include "json/program.h"
#include "json/value.h"
#include "map_cases.h"

namespace tieline::bench {
namespace {

constexpr int kRounds = 7;
constexpr double kSliceMicros = 20'000;  // what one measurement of one side takes

// The process's own time, user and system, so that a busy machine does not blur it; in microseconds.
double now() { return static_cast<double>(std::clock()) * 1e6 / CLOCKS_PER_SEC; }

template <class F>
double each(std::size_t count, F&& once) {
  const double start = now();
  for (std::size_t i = 0; i < count; ++i) once();
  return (now() - start) / static_cast<double>(count);
}

// The fastest of several rounds for each side, the sides by turns so that a slow moment hits both.
struct Pair {
  double ours = 1e12;
  double theirs = 1e12;
};
template <class A, class B>
Pair fastest(A&& ours, B&& theirs) {
  Pair best;
  const auto count = [](double once) { return static_cast<std::size_t>(std::clamp(kSliceMicros / once, 1.0, 1e5)); };
  const std::size_t a = count(each(3, ours)), b = count(each(1, theirs));
  for (int round = 0; round < kRounds; ++round) {
    best.ours = std::min(best.ours, each(a, ours));
    best.theirs = std::min(best.theirs, each(b, theirs));
  }
  return best;
}

// libjq by its own means: jv_parse, jq_next, jv_dump.
class Theirs {
 public:
  explicit Theirs(const std::string& source) : state_(jq_init()) {
    if (jq_compile(state_, source.c_str()) == 0) std::exit(1);
  }
  ~Theirs() { jq_teardown(&state_); }
  Theirs(const Theirs&) = delete;
  Theirs& operator=(const Theirs&) = delete;

  void run(jv value, std::string* printed) {
    jq_start(state_, value, 0);
    for (jv output = jq_next(state_); jv_is_valid(output); output = jq_next(state_)) {
      if (printed == nullptr) {
        jv_free(output);
        continue;
      }
      const jv text = jv_dump_string(output, 0);
      printed->append(jv_string_value(text));
      printed->push_back('\n');
      jv_free(text);
    }
  }

 private:
  jq_state* state_;
};

void run_ours(const json::Program& program, const std::string& input, std::string& printed) {
  const auto parsed = json::parse(input);
  const auto outputs = program.run(*parsed, {}, {});
  if (!outputs) return;
  for (const json::Document& output : *outputs) {
    json::print_to(printed, output.root());
    printed.push_back('\n');
  }
}

// By value, line by line: the order of keys and the way to write a number may differ.
bool same(const std::string& a, const std::string& b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    const std::size_t to = a.find('\n', i), end = b.find('\n', j);
    const auto x = json::parse(a.substr(i, to - i)), y = json::parse(b.substr(j, end - j));
    if (!x || !y || !json::equal(x->root(), y->root())) return false;
    i = to + 1;
    j = end + 1;
  }
  return !a.empty() && i == a.size() && j == b.size();
}

struct Measured {
  const MapCase* of = nullptr;
  Pair compile, run, whole;
  bool same = false;

  double times() const { return whole.theirs / whole.ours; }
  bool passed() const { return same && times() >= of->gate; }
};

Measured measure(const MapCase& c) {
  Measured m{.of = &c};
  const std::string& input = *c.input;
  const std::string source(c.source), their_source(c.theirs.empty() ? c.source : c.theirs);
  const auto program = json::compile(source, {}, {});
  if (!program) {
    std::fprintf(stderr, "%s: %s\n", source.c_str(), program.error().text().c_str());
    std::exit(1);
  }
  Theirs theirs(their_source);
  std::string ours_printed, theirs_printed;
  const auto bytes = static_cast<int>(input.size());
  run_ours(**program, input, ours_printed);
  theirs.run(jv_parse_sized(input.data(), bytes), &theirs_printed);
  m.same = same(ours_printed, theirs_printed);
  m.compile = fastest([&] { (void)json::compile(source, {}, {}); }, [&] { Theirs again(their_source); });
  const auto document = json::parse(input);
  const jv their_document = jv_parse_sized(input.data(), bytes);
  m.run =
      fastest([&] { (void)(*program)->run(*document, {}, {}); }, [&] { theirs.run(jv_copy(their_document), nullptr); });
  jv_free(their_document);
  m.whole = fastest(
      [&] {
        ours_printed.clear();
        run_ours(**program, input, ours_printed);
      },
      [&] {
        theirs_printed.clear();
        theirs.run(jv_parse_sized(input.data(), bytes), &theirs_printed);
      });
  return m;
}

void print(const Measured& m) {
  const char* const verdict = !m.same ? "  DIFFERS" : !m.passed() ? "  BELOW" : "";
  std::printf("%-14s %8.1f %8.0f %10.2f %10.2f %10.2f %10.2f %8.1f x %6.0f x%s\n", std::string(m.of->name).c_str(),
              m.compile.ours, m.compile.theirs, m.run.ours, m.run.theirs, m.whole.ours, m.whole.theirs, m.times(),
              m.of->gate, verdict);
  std::fflush(stdout);
}

bool write_json(const char* path, const std::vector<Measured>& all) {
  json::Builder b;
  const auto pair = [&](std::string_view name, const Pair& p) {
    b.key(name).begin_object().key("ours").real(p.ours).key("libjq").real(p.theirs).end_object();
  };
  b.begin_object().key("unit").string("microseconds of processor time").key("cases").begin_array();
  for (const Measured& m : all) {
    b.begin_object().key("name").string(m.of->name).key("program").string(m.of->source);
    b.key("input_bytes").integer(static_cast<std::int64_t>(m.of->input->size()));
    pair("compile", m.compile);
    pair("run", m.run);
    pair("whole", m.whole);
    b.key("times").real(m.times()).key("gate").real(m.of->gate).key("same").boolean(m.same);
    b.key("passed").boolean(m.passed()).end_object();
  }
  b.end_array().end_object();
  std::ofstream file(path);
  file << json::print(b.finish().root(), json::PrintStyle{}) << '\n';
  return file.good();
}

}  // namespace
}  // namespace tieline::bench

int main(int argc, char** argv) {
  using namespace tieline::bench;
  const char* json_path = nullptr;
  std::vector<std::string> only;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--json" && i + 1 < argc) {
      json_path = argv[++i];
    } else if (argument == "--only" && i + 1 < argc) {
      only.emplace_back(argv[++i]);
    } else {
      std::fprintf(stderr, "usage: map_bench [--only CASE]... [--json FILE]\n");
      return 2;
    }
  }
  std::printf(
      "microseconds; each second column is libjq, the last one the gate\n%-14s %8s %8s %10s %10s %10s %10s %10s\n",
      "program", "compile", "", "run", "", "whole", "", "times");
  std::vector<Measured> all;
  for (const MapCase& c : map_cases()) {
    if (!only.empty() && std::find(only.begin(), only.end(), c.name) == only.end()) continue;
    all.push_back(measure(c));
    print(all.back());
  }
  if (json_path != nullptr && !write_json(json_path, all)) {
    std::fprintf(stderr, "map_bench: %s cannot be written\n", json_path);
    return 1;
  }
  const bool well = !all.empty() && std::all_of(all.begin(), all.end(), [](const Measured& m) { return m.passed(); });
  std::printf("%s\n", well ? "all gates pass" : "a gate fails");
  return well ? 0 : 1;
}
