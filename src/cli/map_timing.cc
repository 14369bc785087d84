#include "cli/map_timing.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>

#include "base/text.h"
#include "cli/map_input.h"
#include "json/stream.h"

namespace tieline::cli {
namespace {

using std::chrono::duration;
using std::chrono::steady_clock;

// What is done with each document; each kind does what those before it do, too.
enum class Work : std::uint8_t { kParse, kRun, kPrint };
constexpr std::array kWorks = {Work::kParse, Work::kRun, Work::kPrint};
constexpr double kRoundSeconds = 0.02;
constexpr duration<double> kAll{1.0};

// The process's own, which a busy machine does not blur.
double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

class Bench {
 public:
  Bench(const BenchedMap& map, const std::string& text) : map_(map), text_(text), reader_(kInputLimits) {}

  // Works on all documents `passes` times and counts them.
  Result<std::size_t> work(Work kind, std::size_t passes) {
    std::size_t documents = 0;
    const json::Program::Take take = [&](const json::Output& output) { return kind != Work::kPrint || print(output); };
    for (; passes != 0; --passes) {
      // The text in blocks, as from a file, and white space between this time and the next one.
      for (std::string_view left = text_; !left.empty();) {
        const std::string_view part = left.substr(0, json::StreamReader::kBlockBytes / 2);
        left.remove_prefix(part.size());
        reader_.append(part);
        if (left.empty()) reader_.append("\n");
        for (;;) {
          TRY(const auto document, reader_.next());
          if (!document) break;
          ++documents;
          if (kind != Work::kParse) TRY_VOID(map_.program.each(*document, map_.variables, map_.limits, take));
          if (failed_) return failure(*failed_);
        }
      }
    }
    return documents;
  }

  std::size_t printed_bytes() const { return printed_bytes_; }

 private:
  bool print(const json::Output& output) {
    printed_.clear();
    auto well = output.print_to(printed_, map_.style);
    if (!well) failed_ = std::move(well.error());
    printed_bytes_ += printed_.size();
    return well.has_value();
  }

  const BenchedMap& map_;
  const std::string& text_;
  json::StreamReader reader_;
  std::string printed_;
  std::size_t printed_bytes_ = 0;
  std::optional<Error> failed_;
};

void print_table(const std::array<double, 3>& seconds, std::size_t documents, double input_bytes,
                 double printed_bytes) {
  const auto count = static_cast<double>(documents);
  std::printf("%s %s of %.0f bytes, %.0f bytes printed for each\n", with_commas(documents).c_str(),
              documents == 1 ? "document" : "documents", input_bytes / count, printed_bytes / count);
  std::printf("%-6s %12s %14s %10s\n", "", "us/document", "documents/s", "MB/s");
  const auto line = [&](const char* name, double spent) {
    spent = std::max(spent, 1e-12);
    std::printf("%-6s %12.3f %14s %10.1f\n", name, spent * 1e6 / count,
                with_commas(static_cast<std::size_t>(count / spent)).c_str(), input_bytes / spent / 1e6);
  };
  line("parse", seconds[0]);
  line("run", seconds[1] - seconds[0]);
  line("print", seconds[2] - seconds[1]);
  line("whole", seconds[2]);
}

}  // namespace

Result<void> bench_map(const BenchedMap& map, const std::vector<std::string>& files) {
  std::string text;
  for (const std::string& file : files.empty() ? std::vector<std::string>{"-"} : files) {
    TRY(const std::string part, read_file(file));
    text += part + "\n";
  }
  Bench bench(map, text);
  TRY(const std::size_t documents, bench.work(Work::kPrint, 1));
  const auto printed_bytes = static_cast<double>(bench.printed_bytes());
  if (documents == 0) return failure(Code::kNotFound, "there is no document to work on");
  std::array<double, kWorks.size()> best{};
  std::size_t passes = 1;
  const auto begin = steady_clock::now();
  do {
    for (std::size_t i = 0; i < kWorks.size(); ++i) {
      const double start = processor_seconds();
      TRY_VOID(bench.work(kWorks[i], passes));
      const double spent = processor_seconds() - start;
      const double each = spent / static_cast<double>(passes);
      best[i] = best[i] == 0 ? each : std::min(best[i], each);
      if (i + 1 == kWorks.size() && spent < kRoundSeconds) {
        passes *= 2;
        best = {};
      }
    }
  } while (best[0] == 0 || steady_clock::now() - begin < kAll);
  print_table(best, documents, static_cast<double>(text.size()), printed_bytes);
  return {};
}

}  // namespace tieline::cli
