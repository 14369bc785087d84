// The store's lifecycle beside insert-only, in one run, on the machine's clock and disk. It must never compare numbers
// of different runs.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "async/task_group.h"
#include "base/check.h"
#include "store/sqlite_store.h"

namespace tieline {
namespace {

constexpr std::size_t kEventBytes = 1650;
constexpr std::size_t kOutcomeBytes = 220;

struct Phase {
  store::ShardStore* store = nullptr;
  Clock* clock = nullptr;
  FlowId flow;
  bool lifecycle = false;
  Instant until;
  std::uint64_t prefix = 0;  // makes ids of different phases differ
  std::uint64_t next = 0, done = 0;
  std::size_t running = 0;
};

NewEvent order(const Phase& phase, std::uint64_t n) {
  NewEvent event;
  event.source = "shopify";
  event.id = std::to_string(phase.prefix) + "-" + std::to_string(n);
  event.type = "orders/create";
  event.subject = "order/" + std::to_string(n);
  event.op = Op::kCreated;
  event.received = phase.clock->now();
  event.time = event.received;
  // Digits that differ from order to order, so that compressing is not free.
  std::string data = "{\"id\":" + std::to_string(n) + ",\"lines\":[";
  std::uint64_t state = n * 0x9E3779B97F4A7C15u + 1;
  while (data.size() + 40 < kEventBytes) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    data += "{\"sku\":\"SKU-" + std::to_string(state % 10'000'000) + "\",\"quantity\":1,\"price\":\"19.90\"},";
  }
  data.back() = ']';
  data += "}";
  event.data = std::make_shared<const std::string>(std::move(data));
  return event;
}

Record outcome(FlowId flow, Position event, std::uint32_t number, Time at) {
  Record record;
  record.run = {flow, event};
  record.number = number;
  record.kind = RecordKind::kOutcome;
  record.step = static_cast<std::uint16_t>(number);
  record.attempt = 1;
  record.at = at;
  record.body.assign(kOutcomeBytes, static_cast<char>('a' + number));
  return record;
}

asio::awaitable<void> slot(Phase& phase) {
  store::ShardStore& store = *phase.store;
  while (phase.clock->instant() < phase.until) {
    std::vector<NewEvent> batch(1);
    batch[0] = order(phase, phase.next++);
    const std::string id = batch[0].id;
    const auto appended = co_await store.append(std::move(batch), Deadline::never());
    CHECK(appended.has_value());
    if (phase.lifecycle) {
      const Position at = appended->front().at;
      const Time now = phase.clock->now();
      Record first = outcome(phase.flow, at, 1, now);
      const auto one = co_await store.append(std::move(first), Sync::kWait);
      CHECK(one.has_value());
      Record second = outcome(phase.flow, at, 2, now);
      second.puts.push_back({"once", "hubspot.deals.create/" + id, "{\"id\":\"991\"}", now + std::chrono::days(90)});
      const auto two = co_await store.append(std::move(second), Sync::kWithNext);
      CHECK(two.has_value());
      Record last = outcome(phase.flow, at, 3, now);
      last.kind = RecordKind::kState;
      last.state = RunState::kDelivered;
      last.body.clear();
      last.puts.push_back({"index", "order/" + id, {}, Time::max()});
      last.puts.push_back({"index", "email/" + id + "@example.com", {}, Time::max()});
      const auto three = co_await store.append(std::move(last), Sync::kWait);
      CHECK(three.has_value());
    }
    ++phase.done;
  }
  --phase.running;
}

struct Rates {
  double insert = 0, lifecycle = 0;
  double commits_per_lifecycle = 0;
  double insert_cpu_us = 0,
         lifecycle_cpu_us = 0;  // of all threads, folding included: says more than rates where others run
};

// One store, phases in turns so that a slow moment of the disk meets both.
Rates measure(Clock& clock, std::size_t slots, double seconds, const std::filesystem::path& directory) {
  std::filesystem::remove_all(directory);
  store::StoreOptions options;
  options.directory = directory;
  options.headroom_bytes = 0;
  options.bytes_max = 4ull << 30;
  auto opened = store::SqliteStore::open(options, clock);
  CHECK(opened.has_value());
  asio::io_context loop(1);
  auto shard = (*opened)->shard(loop.get_executor());
  FlowId flow;
  std::uint64_t prefix = 0;
  constexpr int kTurns = 8;
  double spent[2] = {0, 0}, cpu[2] = {0, 0};
  std::uint64_t done[2] = {0, 0};
  std::uint64_t commits = 0;
  const auto setup = [](store::ShardStore& store, FlowId& out) -> asio::awaitable<void> {
    const auto opened_flow = co_await store.open_flow("orders", Position(0));
    CHECK(opened_flow.has_value());
    out = *opened_flow;
  };
  asio::co_spawn(loop, setup(*shard, flow), [](const std::exception_ptr&) {});
  loop.run();
  for (int turn = 0; turn < kTurns; ++turn) {
    for (const bool lifecycle : {false, true}) {
      // What the phase before left in the background is not this one's cost …
      CHECK((*opened)->maintain().has_value());
      const auto before = (*opened)->stats().commits;
      Phase phase{shard.get(), &clock, flow, lifecycle, {}, ++prefix, 0, 0, slots};
      const Instant start = clock.instant();
      const std::clock_t cpu_start = std::clock();
      phase.until = start + Duration(static_cast<std::int64_t>(seconds * 1e6 / kTurns));
      for (std::size_t i = 0; i < slots; ++i) asio::co_spawn(loop, slot(phase), [](const std::exception_ptr&) {});
      loop.restart();
      loop.run();
      CHECK((*opened)->maintain().has_value());  // … its own is
      CHECK(phase.running == 0);
      spent[lifecycle] += static_cast<double>((clock.instant() - start).count()) / 1e6;
      cpu[lifecycle] += static_cast<double>(std::clock() - cpu_start) * 1e6 / CLOCKS_PER_SEC;
      done[lifecycle] += phase.done;
      if (lifecycle) commits += (*opened)->stats().commits - before;
    }
  }
  asio::co_spawn(loop, shard->stop(), [](const std::exception_ptr&) {});
  loop.restart();
  loop.run();
  shard.reset();
  opened->reset();
  std::filesystem::remove_all(directory);
  return {static_cast<double>(done[0]) / spent[0], static_cast<double>(done[1]) / spent[1],
          static_cast<double>(commits) / static_cast<double>(done[1]), cpu[0] / static_cast<double>(done[0]),
          cpu[1] / static_cast<double>(done[1])};
}

}  // namespace
}  // namespace tieline

int main(int argc, char** argv) {
  double seconds = 5;
  std::filesystem::path directory = std::filesystem::temp_directory_path() / "tieline-store-bench";
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string_view(argv[i]) == "--seconds") seconds = std::atof(argv[i + 1]);
    if (std::string_view(argv[i]) == "--directory") directory = argv[i + 1];
  }
  const auto clock = tieline::make_system_clock();
  const auto narrow = tieline::measure(*clock, 64, seconds, directory);
  const auto wide = tieline::measure(*clock, 192, seconds, directory);
  std::printf("{\"lifecycle_per_s\":%.0f,\"insert_per_s\":%.0f,\"ratio\":%.3f", narrow.lifecycle, narrow.insert,
              narrow.lifecycle / narrow.insert);
  for (const auto& [slots, rates] : {std::pair(64, narrow), std::pair(192, wide)}) {
    std::printf(
        ",\"slots_%d\":{\"lifecycle_per_s\":%.0f,\"insert_per_s\":%.0f,\"ratio\":%.3f,\"lifecycle_cpu_us\":%.1f,"
        "\"insert_cpu_us\":%.1f,\"commits_per_lifecycle\":%.4f}",
        slots, rates.lifecycle, rates.insert, rates.lifecycle / rates.insert, rates.lifecycle_cpu_us,
        rates.insert_cpu_us, rates.commits_per_lifecycle);
  }
  std::printf("}\n");
  return 0;
}
