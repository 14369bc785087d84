#include "cli/client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "admin/find.h"
#include "admin/incidents.h"
#include "async/clock.h"
#include "async/task_group.h"
#include "base/text.h"
#include "cli/secret_key.h"
#include "cli/service.h"
#include "cli/store_work.h"
#include "connect/catalog.h"
#include "http/http_transport.h"
#include "spec/yaml.h"
#include "store/sqlite_store.h"
#include "workspace/connect_catalog.h"
#include "workspace/load.h"
#include "workspace/settings.h"

namespace tieline::cli {
namespace {

constexpr Duration kVerifyWithin = std::chrono::hours(1);  // a large store is read whole

// Runs one coroutine on a loop of its own, to its end.
template <class T>
Result<T> run_here(const std::function<Async<T>(asio::any_io_executor)>& make) {
  asio::io_context loop(1);
  std::optional<Result<T>> result;
  TaskGroup tasks(loop.get_executor());
  // A coroutine lambda captures nothing: its parameters live in its frame.
  constexpr auto kRun = [](Async<T> task, std::optional<Result<T>>* out) -> asio::awaitable<void> {
    *out = co_await std::move(task);
  };
  tasks.spawn(kRun(make(loop.get_executor()), &result));
  loop.run();
  return std::move(*result);
}

Async<json::Document> exchange(asio::any_io_executor executor, Clock* clock, Request request) {
  http::HttpTransport transport(executor, *clock);
  const Deadline deadline = clock->deadline_in(request.timeout);
  const Exchange answer = co_await transport.send(std::move(request), deadline);
  if (answer.phase != Phase::kAnswered)
    co_return failure(std::move(Error(answer.error)).in("the running server does not answer"));
  auto body = json::parse(answer.response.body);
  if (!body) co_return failure(Code::kInternal, "the admin port answered something that is not JSON");
  if (answer.response.status < 400) co_return std::move(*body);
  const Code code = answer.response.status == 400 || answer.response.status == 422 ? Code::kInvalid
                    : answer.response.status == 404                                ? Code::kNotFound
                                                                                   : Code::kUnavailable;
  co_return failure(code, std::string(body->root()["error"].as_string()));
}

Error no_store(const std::string& directory) {
  return {Code::kNotFound,
          "there is no store at " + directory +
              ": nothing ran here yet (a server that began before `store.url` was changed keeps its old store)",
          {}};
}

Error no_server() { return {Code::kUnavailable, "no server runs on this workspace; start it with `tieline run`", {}}; }

// The workspace's flows, by which is known what the store has still to be worked on. Reading a store needs no secret,
// so none is asked for. Empty when the workspace does not load.
class OfflineFlows {
 public:
  explicit OfflineFlows(const std::string& directory) : catalog_(connectors_) {
    const auto files = workspace::read_files(directory);
    if (!files) return;
    // Of the form that some must have: Standard Webhooks.
    static constexpr const char* kAny = "whsec_MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw";
    const workspace::SecretSources any{
        .environment = [](const std::string&) { return std::optional<std::string>(kAny); },
        .file = [](const std::string&) { return Result<std::string>(kAny); }};
    loaded_ = workspace::load(*files, catalog_, any).workspace;
  }
  std::vector<FlowPtr> flows() const { return loaded_ == nullptr ? std::vector<FlowPtr>{} : loaded_->flows; }

 private:
  connect::Catalog connectors_;
  workspace::ConnectCatalog catalog_;
  std::shared_ptr<const workspace::Workspace> loaded_;
};

// Opens the store read-only and asks it.
template <class Ask>
Result<json::Document> ask_store(const std::string& workspace, const std::string& directory, Ask ask) {
  if (!std::filesystem::exists(directory)) return failure(no_store(directory));
  const OfflineFlows offline(workspace);
  const std::unique_ptr<Clock> clock = make_system_clock();
  TRY(auto store, store::SqliteStore::open({.directory = directory, .read_only = true}, *clock));
  return run_here<json::Document>([&](asio::any_io_executor executor) -> Async<json::Document> {
    constexpr auto kAsk = [](std::unique_ptr<store::ShardStore> shard, std::vector<FlowPtr> flows,
                             Ask question) -> Async<json::Document> {
      const admin::Ports ports{*shard, *shard, *shard, std::move(flows)};
      auto answer = co_await question(ports);
      co_await shard->stop();
      co_return answer;
    };
    return kAsk(store->shard(executor), offline.flows(), ask);
  });
}

Result<workspace::Settings> read_settings(const std::string& directory) {
  const std::string file = (std::filesystem::path(directory) / "tieline.yaml").lexically_normal().string();
  std::ifstream in(file, std::ios::binary);
  if (!in)
    return failure(Code::kNotFound,
                   "there is no workspace in \"" + directory + "\" (no tieline.yaml); use --workspace DIR");
  spec::Problems problems;
  const auto node = spec::parse_yaml(std::string(std::istreambuf_iterator<char>(in), {}), file, problems);
  auto settings = node ? spec::parse<workspace::Settings>(*node, problems) : std::nullopt;
  if (!problems.ok() || !settings) return failure(problems.first_error());
  return std::move(*settings);
}

}  // namespace

std::vector<Option> client_options() {
  return {{"-w,--workspace", "DIR", "the workspace whose server or store to ask", "."}};
}

Result<Client> Client::open(const Arguments& arguments) {
  Client client;
  const std::string directory = arguments.text("workspace");
  TRY(const workspace::Settings settings, read_settings(directory));
  client.directory_ = directory;
  client.store_directory_ = store_directory_of(directory, settings.store.directory());
  std::error_code unreadable;  // a workspace without connections has no sources
  std::filesystem::directory_iterator entries(std::filesystem::path(directory) / "connections", unreadable);
  for (; !unreadable && entries != std::filesystem::directory_iterator(); entries.increment(unreadable)) {
    if (entries->path().extension() == ".yaml") client.sources_.push_back(entries->path().stem().string());
  }
  std::ifstream in(client.store_directory_ + "/" + std::string(kServerFile));
  if (!in) return client;
  const auto addresses = json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
  if (!addresses) return client;
  client.admin_ = std::string(addresses->root()["admin"].as_string());
  client.hooks_ = std::string(addresses->root()["hooks"].as_string());
  // The file outlives a server that was killed: whoever does not answer is not there.
  if (!client.get("/api/store")) client.admin_.reset();
  return client;
}

Result<json::Document> Client::get(const std::string& path) const {
  const std::unique_ptr<Clock> clock = make_system_clock();
  Request request{.method = "GET", .url = *admin_ + path, .private_addresses = true};
  return run_here<json::Document>(
      [&](asio::any_io_executor executor) { return exchange(executor, clock.get(), request); });
}

Result<json::Document> Client::post(const std::string& path, const json::Document& body, Duration within) const {
  if (!online()) return failure(no_server());
  const std::unique_ptr<Clock> clock = make_system_clock();
  Request request{.method = "POST", .url = *admin_ + path, .timeout = within, .private_addresses = true};
  request.headers = {{"Content-Type", "application/json"}, {"X-Tieline", "1"}};
  request.body = json::print(body.root());
  return run_here<json::Document>(
      [&](asio::any_io_executor executor) { return exchange(executor, clock.get(), request); });
}

Result<json::Document> Client::runs(const admin::RunFilter& filter) const {
  if (!online())
    return ask_store(directory_, store_directory_,
                     [filter](admin::Ports ports) { return admin::list_runs(ports, filter); });
  std::string path = "/api/runs?count=" + std::to_string(filter.count);
  for (const auto& [name, value] : {std::pair{"flow", filter.flow}, {"state", filter.state}, {"key", filter.key}}) {
    if (!value.empty()) path += "&" + std::string(name) + "=" + percent_encode(value);
  }
  if (filter.after) path += "&after=" + std::to_string(filter.after->value);
  if (filter.since) path += "&since=" + percent_encode(format_time(*filter.since));
  return get(path);
}

Result<json::Document> Client::describe(const std::string& id) const {
  if (online()) return get("/api/events/" + percent_encode(id));
  return ask_store(directory_, store_directory_,
                   [id, sources = sources_](admin::Ports ports) { return admin::describe(ports, id, sources); });
}

Result<json::Document> Client::causes(const admin::CauseFilter& filter) const {
  if (!online())
    return ask_store(directory_, store_directory_,
                     [filter](admin::Ports ports) { return admin::list_causes(ports, filter); });
  std::string path = filter.state == RunState::kDead ? "/api/dead" : "/api/held";
  const auto add = [&](const char* name, const std::string& value) {
    path += (path.find('?') == std::string::npos ? "?" : "&") + std::string(name) + "=" + percent_encode(value);
  };
  for (const auto& [name, value] : {std::pair{"flow", filter.flow},
                                    {"group", filter.group},
                                    {"category", filter.category},
                                    {"text", filter.text},
                                    {"connection", filter.connection}}) {
    if (!value.empty()) add(name, value);
  }
  if (filter.since != Time::min()) add("since", format_time(filter.since));
  if (filter.until != Time::max()) add("until", format_time(filter.until));
  return get(path);
}

Result<json::Document> Client::find(const std::string& what, std::size_t count) const {
  if (online()) return get("/api/find?value=" + percent_encode(what) + "&count=" + std::to_string(count));
  return ask_store(directory_, store_directory_, [what, count, sources = sources_](admin::Ports ports) {
    return admin::find(ports, what, sources, count);
  });
}

Result<json::Document> Client::jobs() const {
  if (!online()) return failure(no_server());
  return get("/api/jobs");
}

Result<json::Document> Client::incidents() const {
  if (online()) return get("/api/incidents");
  return ask_store(directory_, store_directory_, [](admin::Ports ports) { return admin::list_incidents(ports); });
}

Result<json::Document> Client::links(const admin::LinkFilter& filter) const {
  if (online())
    return get("/api/links?count=" + std::to_string(filter.count) + "&system=" + percent_encode(filter.system) +
               "&after=" + percent_encode(filter.after));
  return ask_store(directory_, store_directory_,
                   [filter](admin::Ports ports) { return admin::list_links(ports.state, filter); });
}

Result<json::Document> Client::link(const std::string& system, const std::string& id) const {
  if (online()) return get("/api/links/" + percent_encode(system) + "/" + percent_encode(id));
  return ask_store(directory_, store_directory_,
                   [system, id](admin::Ports ports) { return admin::get_link(ports.state, system, id); });
}

Result<std::string> Client::hooks_address() const {
  if (!online()) return failure(no_server());
  return *hooks_;
}

Result<json::Document> Client::status() const {
  if (!online()) return failure(no_server());
  return get("/api/status");
}

Result<json::Document> Client::store_numbers() const {
  if (online()) return get("/api/store");
  if (!std::filesystem::exists(store_directory_)) return failure(no_store(store_directory_));
  const std::unique_ptr<Clock> clock = make_system_clock();
  TRY(const auto store, store::SqliteStore::open({.directory = store_directory_, .read_only = true}, *clock));
  const store::StoreStats stats = store->stats();
  json::Builder out;
  out.begin_object();
  for (const auto& [name, value] : {std::pair{"events", stats.events},
                                    {"records", stats.records},
                                    {"segments", stats.segments},
                                    {"bytes", stats.bytes},
                                    {"last_position", stats.last_position},
                                    {"oldest_position", stats.oldest_position},
                                    {"unfolded_segments", stats.unfolded_segments},
                                    {"corrupt", stats.corrupt_events + stats.corrupt_records}})
    out.key(name).integer(static_cast<std::int64_t>(value));
  return out.end_object().finish();
}

Result<json::Document> Client::store_verify(const std::string& backup) const {
  if (backup.empty() && online()) return post("/api/store/verify", json::Document(), kVerifyWithin);
  const std::string& directory = backup.empty() ? store_directory_ : backup;
  if (!backup.empty() && !std::filesystem::exists(backup))
    return failure(Code::kNotFound, "there is no directory " + backup);
  if (!std::filesystem::exists(directory)) return failure(no_store(directory));
  const std::unique_ptr<Clock> clock = make_system_clock();
  TRY(const auto store, store::SqliteStore::open({.directory = directory, .read_only = true}, *clock));
  TRY(const store::VerifyReport report, store->verify());
  return verify_document(report);
}

// As a server of the workspace would open it.
Result<store::StoreOptions> Client::opening() const {
  if (!std::filesystem::exists(store_directory_)) return failure(no_store(store_directory_));
  TRY(const workspace::Settings settings, read_settings(directory_));
  return store_options(settings.store, store_directory_);
}

Result<json::Document> Client::store_compact() const {
  if (online()) return post("/api/store/compact", json::Document(), kVerifyWithin);
  TRY(store::StoreOptions options, opening());
  options.report = [](std::string_view line) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
  };
  const std::unique_ptr<Clock> clock = make_system_clock();
  TRY(const auto store, store::SqliteStore::open(std::move(options), *clock));
  return compact_store(*store);
}

Result<json::Document> Client::store_backup(const std::string& to) const {
  const std::string directory = std::filesystem::absolute(to).lexically_normal().string();
  if (online()) {
    json::Builder body;
    body.begin_object().key("directory").string(directory).end_object();
    return post("/api/store/backup", body.finish(), kVerifyWithin);
  }
  TRY(store::StoreOptions options, opening());
  options.read_only = true;
  const std::unique_ptr<Clock> clock = make_system_clock();
  TRY(const auto store, store::SqliteStore::open(options, *clock));
  TRY(const store::BackupReport report, store->backup(directory));
  return backup_document(directory, report);
}

Result<json::Document> Client::store_repair() const {
  if (online())
    return failure(Code::kUnavailable, "a server runs on this store: stop it, then repair, then start it again");
  TRY(const store::StoreOptions options, opening());
  const std::unique_ptr<Clock> clock = make_system_clock();
  TRY(const store::RepairReport report, store::SqliteStore::repair(options, *clock));
  return repair_document(report);
}

}  // namespace tieline::cli
