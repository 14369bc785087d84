// What tests of readings stand on: a vendor in memory, a resource of it, the flow that reads it and the one that is
// told.
#pragma once

#include <map>

#include "engine/engine_fixture.h"

namespace tieline::engine {

// The things that the vendor has.
struct Thing {
  Time updated;
  int state = 0;
  bool gone = false;  // as it tells of it, where it does
};
struct Vendor {
  std::map<int, Thing> things;
  std::size_t page_size = 3;
  std::vector<std::string> asked;  // "all", "changes 2026-…"; of first pages only
  std::size_t answered = 0;
  int refuse = 0;  // status, where it is not 0

  void put(int id, Time now) {
    Thing& thing = things[id];
    thing.updated = now;
    ++thing.state;
    thing.gone = false;
  }
  static std::string record(int id, const Thing& thing) {
    return R"({"id":)" + std::to_string(id) + R"(,"at":")" + format_time(thing.updated) + R"(","state":)" +
           std::to_string(thing.state) + (thing.gone ? R"(,"gone":true})" : "}");
  }
  // {"things":[…],"next":"4"}: by id, or by when they changed; from a place on.
  Exchange answer(const Request& request) {
    if (refuse != 0) return status(refuse);
    ++answered;
    const auto body = json::parse(request.body);
    const bool changes = body->root()["since"].is_string();
    const std::size_t mark = request.url.find('?');
    const bool first = mark == std::string::npos && !body->root().has("from");
    const std::string place = body->root().has("from") ? std::string(body->root()["from"].as_string())
                                                       : request.url.substr(std::min(mark, request.url.size() - 1) + 1);
    const std::size_t from = first ? 0 : std::stoul(place);
    if (first) asked.push_back(changes ? "changes " + std::string(body->root()["since"].as_string()) : "all");
    std::vector<std::pair<int, Thing>> found;
    for (const auto& [id, thing] : things) {
      if (!changes || thing.updated >= *parse_time(body->root()["since"].as_string())) found.emplace_back(id, thing);
    }
    if (changes)
      std::stable_sort(found.begin(), found.end(),
                       [](const auto& a, const auto& b) { return a.second.updated < b.second.updated; });
    std::string out = R"({"things":[)";
    for (std::size_t i = from; i < std::min(found.size(), from + page_size); ++i)
      out += (i > from ? "," : "") + record(found[i].first, found[i].second);
    out += "]";
    if (from + page_size < found.size()) out += R"(,"next":")" + std::to_string(from + page_size) + '"';
    return status(200, {}, out + "}");
  }
};

class ListAction final : public Action {
 public:
  enum class Pages : std::uint8_t { kNone, kAddress, kBody };
  ListAction(std::string name, Pages pages) : pages_(pages) {
    name_ = "api.things." + std::move(name);
    connection_ = "api";
    safety_ = Safety::kSafe;
    buckets_ = {TestAction::kBucket};
  }
  Result<Request> render(const json::Document& args, const CallIdentity&) const override {
    Request request;
    request.method = "POST";
    request.url = "https://api.example/things";
    request.body = json::print(args.root());
    return request;
  }
  Verdict judge(const Exchange& exchange, Time) const override {
    Verdict verdict;
    verdict.category = classify(exchange, safety_);
    if (verdict.category != Category::kDelivered) return verdict;
    const auto body = json::parse(exchange.response.body);
    verdict.result = body->part(body->root()["things"]);
    verdict.empty = verdict.result.root().size() == 0;
    return verdict;
  }
  Result<std::optional<Request>> next_page(const Request& request, const Exchange& exchange) const override {
    const auto body = json::parse(exchange.response.body);
    if (pages_ == Pages::kNone || !body->root().has("next")) return std::optional<Request>();
    Request next = request;
    const std::string from(body->root()["next"].as_string());
    if (pages_ == Pages::kAddress) {
      next.url = "https://api.example/things?" + from;
    } else {
      const auto before = json::parse(request.body);
      json::Builder out;
      out.begin_object();
      if (before->root().has("since")) out.key("since").copy(before->root()["since"]);
      out.key("from").string(from);
      next.body = json::print(out.end_object().finish().root());
    }
    return std::optional(std::move(next));
  }
  Result<Request> render_find(const json::Document&, const CallIdentity&) const override { return Request{}; }
  Verdict judge_find(const Exchange&, Time) const override { return {}; }

 private:
  const Pages pages_;
};

struct Traits {
  bool changes = true, in_order = false;
  ListAction::Pages pages = ListAction::Pages::kAddress;  // of changes
  Deletions deletions = Deletions::kNone;
};

class Things final : public SyncSource {
 public:
  explicit Things(Traits traits) {
    name_ = "api.things";
    resource_ = "things";
    all_ = std::make_shared<ListAction>("list", ListAction::Pages::kAddress);
    if (traits.changes) changes_ = std::make_shared<ListAction>("changed", traits.pages);
    overlap_ = 10s;
    in_order_ = traits.in_order;
    pages_changes_ = traits.pages != ListAction::Pages::kNone;
    deletions_ = traits.deletions;
  }
  Result<json::Document> all_arguments() const override { return json::Builder().begin_object().end_object().finish(); }
  Result<json::Document> changes_arguments(Time since) const override {
    json::Builder out;
    out.begin_object().key("since").string(format_time(since));
    return out.end_object().finish();
  }
  Result<Facts> facts(const json::Document& record) const override {
    if (!record.root()["id"].is_number()) return failure(Code::kInvalid, "it has no id");
    Facts out;
    out.id = json::print(record.root()["id"]);
    out.number = true;
    TRY(out.updated, parse_time(record.root()["at"].as_string()));
    out.version = json::print(record.root()["state"]);
    out.deleted = record.root()["gone"].truthy();
    return out;
  }
};

class ReadStep final : public Step {
 public:
  explicit ReadStep(Traits traits) : request_{std::make_shared<Things>(traits), "f"} { kind_ = "read"; }
  asio::awaitable<StepResult> run(RunContext& context) const override { return context.read(request_); }

 private:
  SyncRequest request_;
};

class One final : public json::Program {
 public:
  One() : Program("1") {}
  Result<std::vector<json::Document>> run(const json::Document&, std::span<const json::Document>,
                                          const json::RunLimits&) const override {
    return std::vector<json::Document>{json::make_integer(1)};
  }
};

inline const std::string kReader = "syncs/f/api.things";

class EngineSyncTest : public EngineTest {
 protected:
  // The flow that is told, and the one that reads for it: every minute, and all of it at noon.
  std::vector<FlowPtr> flows(Traits traits = {}) {
    auto told = flow({step("sink")});
    told->triggers.clear();
    told->syncs = {{"api.things"}};
    auto reader = flow({std::make_shared<ReadStep>(traits)});
    reader->name = kReader;
    reader->hash = "reader";
    reader->triggers.clear();
    reader->reads = reader->manual = true;
    reader->key = std::make_shared<One>();
    ScheduleTrigger often{Schedule::every(60s, 0s)};
    often.type = kReadChanges;
    often.at_once = true;
    ScheduleTrigger noon{*Schedule::parse("0 12 * * *", "UTC")};
    noon.type = kReadAll;
    reader->schedules = {often, noon};
    transport_.answer = [this](const Request& request) {
      return request.url.find("/things") == std::string::npos ? status(200) : vendor_.answer(request);
    };
    return {told, reader};
  }
  // What the flow was told, in order: "snapshot 3/1", with id and state.
  std::vector<std::string> told() {
    Result<std::vector<EventPtr>> all;
    await(keep(store_->read(Position(0), ReadLimits{.count = 100'000}), &all));
    std::vector<std::string> out;
    for (const EventPtr& event : *all) {
      if (event->source != "sync/f/api.things") continue;
      const auto data = json::parse(event->data);
      EXPECT_EQ(event->subject, json::print(data->root()["id"]));
      EXPECT_EQ(event->type, "things." + std::string(op_name(event->op)));
      out.push_back(std::string(op_name(event->op)) + ' ' + event->subject +
                    (data->root().has("state") ? '/' + json::print(data->root()["state"]) : std::string()));
    }
    return out;
  }
  std::vector<std::string> told_since(std::size_t before) {
    std::vector<std::string> all = told();
    return {all.begin() + static_cast<std::ptrdiff_t>(before), all.end()};
  }
  // What somebody knows who was told all of it, and that nothing was told twice.
  void expect_known() {
    std::map<std::string, std::string> known;
    std::map<std::string, int> times;
    for (const std::string& one : told()) {
      EXPECT_EQ(++times[one], 1) << one;
      const std::string what = one.substr(one.find(' ') + 1);
      const std::string id = what.substr(0, what.find('/'));
      if (one.starts_with("deleted")) {
        EXPECT_EQ(known.erase(id), 1u) << one;
      } else {
        known[id] = what;
      }
    }
    std::map<std::string, std::string> wanted;
    for (const auto& [id, thing] : vendor_.things)
      wanted[std::to_string(id)] = std::to_string(id) + '/' + std::to_string(thing.state);
    EXPECT_EQ(known, wanted);
  }
  void put(int id) { vendor_.put(id, clock_.now()); }
  // By hand.
  Position start_reader(const std::string& data) {
    Result<EventPtr> event;
    await(keep(engine_->start_flow(kReader, "", *json::parse(data)), &event));
    advance(1s);
    return event ? (*event)->position : Position(0);
  }
  std::vector<RunStatus> ended(RunState state) {
    Result<std::vector<RunStatus>> found;
    RunQuery query;
    query.flow = FlowId(2);
    query.states = {state};
    query.count = 10'000;
    await(keep(store_->runs(std::move(query)), &found));
    return *found;
  }

  Vendor vendor_;
};
using Told = std::vector<std::string>;

}  // namespace tieline::engine
