// `sim --seeds N --first S` runs N lives, `sim --seed S --trace --run FLOW/EVENT` shows one. Exit 1 and the seed when a
// promise is broken.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "sim/simulation.h"

int main(int argc, char** argv) {
  tieline::sim::Options options;
  std::uint64_t first = 1, seeds = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const bool has_value = i + 1 < argc;
    if (name == "--trace") {
      options.trace = true;
    } else if (name == "--run" && has_value) {
      options.run = argv[++i];
    } else if (name == "--seeds" && has_value) {
      seeds = std::strtoull(argv[++i], nullptr, 10);
    } else if ((name == "--first" || name == "--seed") && has_value) {
      first = std::strtoull(argv[++i], nullptr, 10);
    } else {
      std::fprintf(stderr, "usage: sim [--seeds N] [--first S] | --seed S [--trace] [--run FLOW/EVENT]\n");
      return 2;
    }
  }
  tieline::sim::Report total;
  int failed = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    options.seed = seed;
    const tieline::sim::Report report = tieline::sim::simulate(options);
    for (const std::string& violation : report.violations)
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), violation.c_str());
    if (!report.violations.empty()) std::fflush(stdout);
    failed += report.violations.empty() ? 0 : 1;
    total += report;
  }
  std::printf(
      "%llu seeds, %d failed: %zu events acknowledged; runs: %zu delivered, %zu stale, %zu skipped, %zu cancelled, %zu "
      "dead; %zu crashes, %zu "
      "reloads, %zu replays of all that was dead, "
      "%zu lost answers, %zu lost before their effect, %zu settled by hand, %zu approvals answered, %zu brakes "
      "released, %zu unburnt in outages, %zu requests of several runs; %zu steps\n",
      static_cast<unsigned long long>(seeds), failed, total.acknowledged, total.delivered, total.stale, total.skipped,
      total.cancelled, total.dead, total.crashes, total.reloads, total.replays, total.lost_answers, total.failed_before,
      total.settled_by_hand, total.approvals, total.releases, total.in_outage, total.together, total.steps);
  return failed == 0 ? 0 : 1;
}
