// What the store's tests share: a shard's loop, simulated time, and short ways to make events and records.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "async/manual_clock.h"
#include "store/memory_store.h"
#include "store/sqlite_store.h"

namespace tieline::store {

inline const Time kStart = from_unix_us(1'700'000'000'000'000);

// A shard's thread, as a test drives it.
class Loop {
 public:
  asio::any_io_executor executor() { return io_.get_executor(); }

  // Runs until `task` has ended.
  template <class T>
  T run(asio::awaitable<T> task) {
    std::optional<T> value;
    std::exception_ptr thrown;
    bool done = false;
    asio::co_spawn(io_, std::move(task), [&](std::exception_ptr error, T result) {
      thrown = error;
      value = std::move(result);
      done = true;
    });
    turn_until(done);
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*value);
  }
  void run(asio::awaitable<void> task) {
    bool done = false;
    asio::co_spawn(io_, std::move(task), [&](const std::exception_ptr&) { done = true; });
    turn_until(done);
  }
  // Starts it; what it came to appears in the returned place.
  template <class T>
  std::shared_ptr<std::optional<T>> start(asio::awaitable<T> task) {
    auto place = std::make_shared<std::optional<T>>();
    asio::co_spawn(io_, std::move(task),
                   [place](const std::exception_ptr&, T result) { place->emplace(std::move(result)); });
    return place;
  }
  // Runs what is ready now.
  void turn() {
    io_.restart();
    while (io_.poll() > 0) {
    }
  }
  void turn_until(const bool& done) {
    io_.restart();
    while (!done) io_.run_one();
  }
  template <class T>
  T& wait(const std::shared_ptr<std::optional<T>>& place) {
    io_.restart();
    while (!place->has_value()) io_.run_one();
    return **place;
  }

 private:
  asio::io_context io_;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tieline-store-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// A store on disk in a directory of its own, opened and closed as often as a test likes.
class DiskStoreTest : public ::testing::Test {
 protected:
  DiskStoreTest() {
    options_.directory = directory_.path() / "data";
    options_.headroom_bytes = 0;
    options_.report = [this](std::string_view line) { reported_ += std::string(line) + "\n"; };
  }
  ~DiskStoreTest() override { close(); }

  Result<void> try_open() {
    TRY(store_, SqliteStore::open(options_, clock_));
    shard_ = store_->shard(loop_.executor());
    return {};
  }
  void open() {
    const auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().text();
  }
  void close() {
    if (shard_) loop_.run(shard_->stop());
    shard_.reset();
    store_.reset();
  }
  template <class T>
  T run(asio::awaitable<T> task) {
    return loop_.run(std::move(task));
  }

  TemporaryDirectory directory_;
  Loop loop_;
  ManualClock clock_{kStart};
  StoreOptions options_;
  std::string reported_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<ShardStore> shard_;
};

inline NewEvent make_event(std::string id, std::string source = "shopify", std::size_t data_bytes = 0) {
  NewEvent event;
  event.source = std::move(source);
  event.id = std::move(id);
  event.type = "orders/create";
  event.subject = "order-" + event.id;
  event.op = Op::kCreated;
  event.time = kStart - std::chrono::seconds(3);
  event.received = kStart;
  std::string data = "{\"id\":\"" + event.id + "\",\"note\":\"";
  data += std::string(data_bytes, 'x') + "\"}";
  event.data = std::make_shared<const std::string>(std::move(data));
  return event;
}

inline std::vector<NewEvent> make_events(const std::vector<std::string>& ids) {
  std::vector<NewEvent> events;
  for (const std::string& id : ids) events.push_back(make_event(id));
  return events;
}

inline Record make_record(FlowId flow, std::uint64_t event, std::uint32_t number,
                          RecordKind kind = RecordKind::kOutcome) {
  Record record;
  record.run = {flow, Position(event)};
  record.number = number;
  record.kind = kind;
  record.step = 2;
  record.attempt = 1;
  record.at = kStart + std::chrono::seconds(number);
  record.body = "record " + std::to_string(number);
  return record;
}

inline Record make_state(FlowId flow, std::uint64_t event, std::uint32_t number, RunState state) {
  Record record = make_record(flow, event, number, RecordKind::kState);
  record.state = state;
  return record;
}

inline std::vector<std::string> ids_of(const std::vector<EventPtr>& events) {
  std::vector<std::string> ids;
  for (const EventPtr& event : events) ids.push_back(event->id);
  return ids;
}

// A store of small segments, with events that runs have worked on.
class WorkedStoreTest : public DiskStoreTest {
 protected:
  WorkedStoreTest() {
    options_.segment_bytes = 4096;
    options_.tail_bytes = 4096;
  }
  void reopen() {
    close();
    open();
  }
  // `count` events "first", "first+1", … in one commit each.
  void fill(int first, int count) {
    for (int i = first; i < first + count; ++i) {
      std::vector<NewEvent> one{make_event(std::to_string(i), "shopify", 400)};
      one[0].received = clock_.now();
      ASSERT_TRUE(run(shard_->append(one, Deadline::never())));
    }
  }
  FlowId open_flow(const std::string& name) { return *run(shard_->open_flow(name, Position(0))); }
  void journal(Record record) { ASSERT_TRUE(run(shard_->append(std::move(record), Sync::kWait))); }
  std::vector<std::string> all_ids() {
    std::vector<std::string> ids;
    std::uint64_t after = 0;
    while (true) {
      const auto events = run(shard_->read(Position(after), ReadLimits{16, 1u << 20}));
      EXPECT_TRUE(events) << events.error().text();
      if (!events || events->empty()) return ids;
      for (const EventPtr& event : *events) ids.push_back(event->id);
      after = events->back()->position.value;
    }
  }
  // Everything of the fold that can be asked for, as text.
  std::string picture() {
    std::ostringstream out;
    const auto flows = run(shard_->flows());
    for (const auto& [id, name] : *flows) {
      const auto counts = run(shard_->counts(id));
      const auto cursor = run(shard_->cursor(id));
      out << name << ' ' << id.value << " floor " << cursor->floor.value << " settled " << cursor->settled.size()
          << " delivered " << counts->delivered << " held " << counts->held << " dead " << counts->dead << " retrying "
          << counts->retrying << " parked " << counts->parked << " waiting " << counts->waiting << '\n';
    }
    RunQuery all;
    all.count = 10'000;
    const auto found = run(shard_->runs(all));
    for (const RunStatus& s : *found) {
      out << s.run.flow.value << '/' << s.run.event.value << ' ' << run_state_name(s.state) << ' ' << s.records << ' '
          << to_unix_us(s.changed) << ' ' << s.lane << ' ' << s.summary << ':';
      const auto records = run(shard_->read(s.run));
      for (const Record& r : *records) out << ' ' << r.number << '=' << r.body;
      out << '\n';
    }
    const auto entries = run(shard_->scan("index", "", "", 10'000));
    for (const Entry& e : *entries) out << e.key << '=' << e.value << '@' << e.revision << '\n';
    return out.str();
  }
  // Events with a run each: most delivered, every tenth held, every seventh dead, every thirteenth waiting, with
  // entries.
  FlowId work(int count) {
    const FlowId flow = open_flow("orders");
    fill(1, count);
    for (int i = 1; i <= count; ++i) {
      const auto event = static_cast<std::uint64_t>(i);
      Record first = make_record(flow, event, 1);
      first.puts.push_back({"index", "order/" + std::to_string(i), std::to_string(i)});
      journal(std::move(first));
      Record second = make_state(flow, event, 2,
                                 i % 10 == 0   ? RunState::kHeld
                                 : i % 7 == 0  ? RunState::kDead
                                 : i % 13 == 0 ? RunState::kWaiting
                                               : RunState::kDelivered);
      second.lane = event * 3;
      second.summary = second.state == RunState::kDelivered ? "" : "why " + std::to_string(i);
      journal(std::move(second));
    }
    return flow;
  }
  std::filesystem::path file(const std::string& name) const { return options_.directory / name; }
  std::vector<std::filesystem::path> files_like(const std::string& prefix) const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(prefix) && name.ends_with(".db")) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  // Changes one byte of the file where `text` stands in it; false when it does not.
  static bool flip(const std::filesystem::path& path, const std::string& text) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto at = bytes.find(text);
    if (at == std::string::npos) return false;
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(bytes[at] ^ 1));
    return file.good();
  }
};

}  // namespace tieline::store
