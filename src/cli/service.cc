#include "cli/service.h"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <random>

#include "async/sync.h"
#include "async/task_group.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/ingress.h"
#include "cli/secret_key.h"
#include "cli/store_work.h"
#include "connect/catalog.h"
#include "http/http_transport.h"
#include "http/server.h"
#include "store/sqlite_store.h"
#include "workspace/compile.h"
#include "workspace/connect_catalog.h"
#include "workspace/load.h"

namespace tieline::cli {
namespace {

// Passes what the engine tells on to several observers.
class Observers final : public engine::EngineObserver {
 public:
  void add(engine::EngineObserver* observer) { observers_.push_back(observer); }
  void attempt_ended(const engine::AttemptInfo& attempt) override {
    for (auto* observer : observers_) observer->attempt_ended(attempt);
  }
  void run_ended(const engine::RunInfo& run) override {
    for (auto* observer : observers_) observer->run_ended(run);
  }
  void run_waits(const engine::RunInfo& run) override {
    for (auto* observer : observers_) observer->run_waits(run);
  }
  void authorization_changed(std::string_view connection, bool needed) override {
    for (auto* observer : observers_) observer->authorization_changed(connection, needed);
  }
  void incident_changed(std::string_view connection, const engine::Incident& incident) override {
    for (auto* observer : observers_) observer->incident_changed(connection, incident);
  }

 private:
  std::vector<engine::EngineObserver*> observers_;
};

// The same of what the door tells.
class DoorObservers final : public engine::DoorObserver {
 public:
  void add(engine::DoorObserver* observer) { observers_.push_back(observer); }
  void received(std::string_view connection, std::size_t events, std::size_t duplicates, Duration took) override {
    for (auto* observer : observers_) observer->received(connection, events, duplicates, took);
  }
  void refused(std::string_view connection, std::string_view reason) override {
    for (auto* observer : observers_) observer->refused(connection, reason);
  }

 private:
  std::vector<engine::DoorObserver*> observers_;
};

// The connection's health call, "shop.get" of its connector; null where it has none.
ActionPtr health_action(const workspace::BoundConnection& connection) {
  const ConnectionInfo info = connection.info();
  if (info.health_action.empty()) return nullptr;
  // CONNECTION.RESOURCE.ACTION
  const std::string call = info.health_action.substr(info.name.size() + 1);
  const std::size_t dot = call.find('.');
  return connection.action(call.substr(0, dot), call.substr(dot + 1));
}

engine::EngineConfig engine_config(const workspace::Workspace& workspace) {
  engine::EngineConfig config;
  config.flows = workspace.flows;
  for (const auto& connection : workspace.connections) {
    ConnectionInfo& info = config.connections.emplace_back(connection->info());
    info.health = health_action(*connection);
  }
  return config;
}

engine::DoorSources door_sources(const workspace::Workspace& workspace) {
  engine::DoorSources sources;
  for (const auto& connection : workspace.connections) {
    if (auto webhook = connection->webhook()) sources.emplace(connection->info().name, std::move(webhook));
  }
  return sources;
}

http::ServerOptions server_options(const workspace::Address& address, const workspace::Settings& settings) {
  http::ServerOptions options;
  options.address = address.host;
  options.port = address.port;
  options.limits.body_bytes_max = static_cast<std::size_t>(settings.limits.body.bytes);
  options.limits.header_bytes_max = static_cast<std::size_t>(settings.limits.headers.bytes);
  options.header_timeout = settings.limits.request;
  options.body_timeout = settings.limits.request;
  return options;
}

engine::DoorOptions door_options(const workspace::Settings& settings) {
  engine::DoorOptions options{.public_url = settings.public_url, .ack_within = settings.ack_within};
  options.depth_max = static_cast<std::size_t>(settings.limits.depth);
  return options;
}

// What of the settings differs and is only looked at by a start.
std::vector<std::string> settings_of_next_start(const workspace::Settings& a, const workspace::Settings& b) {
  std::vector<std::string> names;
  const auto note = [&](const char* name, bool differs) {
    if (differs) names.emplace_back(std::string("`") + name + "`");
  };
  note("listen", !(a.listen.hooks == b.listen.hooks && a.listen.admin == b.listen.admin));
  const auto clocks = [](const workspace::StoreSettings& s) {
    return std::array{s.payloads(), s.history(), s.dedupe(), s.once(), s.index()};
  };
  note("store", a.store.url != b.store.url || clocks(a.store) != clocks(b.store) ||
                    a.store.max.bytes != b.store.max.bytes || a.store.reserve.bytes != b.store.reserve.bytes);
  note("limits.body", a.limits.body.bytes != b.limits.body.bytes);
  note("limits.headers", a.limits.headers.bytes != b.limits.headers.bytes);
  note("limits.request", a.limits.request != b.limits.request);
  return names;
}

// A listener on every address is reached on this machine by loopback.
std::string reachable(const std::string& host, std::uint16_t port) {
  const std::string name = host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host;
  return "http://" + (name.find(':') == std::string::npos ? name : "[" + name + "]") + ":" + std::to_string(port);
}

}  // namespace

std::string store_directory_of(const std::string& workspace_directory, std::string_view store_url_directory) {
  const std::filesystem::path path(store_url_directory);
  return (path.is_absolute() ? path : std::filesystem::path(workspace_directory) / path).lexically_normal().string();
}

struct Service::Impl {
  Impl(asio::any_io_executor service_executor, Clock& service_clock, ServiceOptions service_options)
      : executor(std::move(service_executor)), clock(service_clock), options(std::move(service_options)) {
    observers.add(&metrics);
    observers.add(&operator_log);
    door_observers.add(&metrics);
    door_observers.add(&operator_log);
  }

  asio::any_io_executor executor;
  Clock& clock;
  ServiceOptions options;
  connect::Catalog connectors;
  std::optional<workspace::ConnectCatalog> catalog;
  workspace::FlowArchive archive;
  std::shared_ptr<const workspace::Workspace> workspace, started_with;
  std::unique_ptr<store::SqliteStore> store;
  std::unique_ptr<store::ShardStore> shard;
  std::unique_ptr<Transport> transport;
  admin::Metrics metrics;
  OperatorLog operator_log{[this](LogLevel level, std::string_view text) { log(level, text); }};
  Observers observers;
  DoorObservers door_observers;
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<Ingress> ingress;
  std::unique_ptr<admin::Health> health;
  std::unique_ptr<StoreWork> store_work;
  std::unique_ptr<admin::Api> api;
  std::unique_ptr<http::HttpServer> admin_server;
  std::unique_ptr<const SecretSource> secrets;
  std::string store_directory, hooks_address, admin_address;
  bool stopping = false;
  bool reloading = false;  // one at a time, and none while it stops
  Signal reload_ended;

  void log(LogLevel level, std::string_view text) const {
    if (options.log) options.log(level, text);
  }

  // Every problem, with its file as the operator finds it. (What flows are compiled from has short names: a run must
  // find its flow again, however the directory was called when it began.)
  std::string problems_text(const spec::Problems& problems) const {
    const std::string prefix =
        options.directory == "." ? "" : options.directory + (options.directory.ends_with('/') ? "" : "/");
    std::string out;
    for (spec::Problem problem : problems.sorted()) {
      if (!problem.error.place.file.empty()) problem.error.place.file.insert(0, prefix);
      out += problem.text() + "\n";
    }
    return out;
  }

  // Reads and checks the workspace; its warnings go to the log.
  Result<std::shared_ptr<const workspace::Workspace>> load() {
    TRY(const workspace::Files files, options.files());
    workspace::Loaded loaded = workspace::load(files, *catalog, options.secrets);
    if (!loaded.problems.empty() && loaded.workspace) log(LogLevel::kWarning, problems_text(loaded.problems));
    if (!loaded.workspace) return failure(Code::kInvalid, problems_text(loaded.problems));
    return loaded.workspace;
  }

  void use(std::shared_ptr<const workspace::Workspace> loaded) {
    workspace = std::move(loaded);
    archive.use(workspace->actions, workspace->flows);
    ingress->door().configure(door_sources(*workspace));
    ingress->door().set_options(door_options(workspace->settings));
    health->reset();
  }

  Result<void> open_store(const workspace::StoreSettings& settings) {
    store_directory = store_directory_of(options.directory, settings.directory());
    store::StoreOptions opened = store_options(settings, store_directory);
    opened.accept_loss = options.accept_loss;
    opened.report = [this](std::string_view line) { log(LogLevel::kWarning, line); };
    TRY(store, store::SqliteStore::open(std::move(opened), clock));
    TRY(secrets, open_secret_key(store_directory, options.accept_loss));
    shard = store->shard(executor);
    return {};
  }

  admin::Metrics::StoreNumbers store_numbers() const {
    const store::StoreStats stats = store->stats();
    const auto n = [](std::uint64_t value) { return static_cast<double>(value); };
    return {{"events", n(stats.events)},
            {"records", n(stats.records)},
            {"segments", n(stats.segments)},
            {"bytes", n(stats.bytes)},
            {"last_position", n(stats.last_position)},
            {"oldest_position", n(stats.oldest_position)},
            {"unfolded_segments", n(stats.unfolded_segments)},
            {"queue", n(stats.queue)},
            {"commits", n(stats.commits)},
            {"dedupe_entries", n(stats.dedupe_entries)},
            {"corrupt", n(stats.corrupt_events + stats.corrupt_records)},
            {"disk_free_bytes", n(stats.disk_free)},
            {"disk_low", stats.disk_low ? 1.0 : 0.0},
            {"refusing", stats.refusing ? 1.0 : 0.0}};
  }

  asio::awaitable<std::optional<Verdict>> check_health(std::string name, Deadline deadline) {
    const workspace::BoundConnection* connection = workspace->connection(name);
    if (connection == nullptr) co_return std::nullopt;
    ActionPtr action = health_action(*connection);
    if (action == nullptr) co_return std::nullopt;
    co_return co_await engine->probe(std::move(action), deadline);
  }

  void make_parts() {
    std::random_device chance;
    engine::EngineDeps deps{.executor = executor,
                            .clock = clock,
                            .seed = (std::uint64_t{chance()} << 32) | chance(),
                            .log = *shard,
                            .journal = *shard,
                            .state = *shard,
                            .transport = *transport,
                            .flow_source = archive,
                            .observer = &observers,
                            .secrets = secrets.get()};
    engine::EngineLimits limits;
    limits.once_keep = workspace->settings.store.once();
    limits.index_keep = workspace->settings.store.index();
    engine = std::make_unique<engine::Engine>(std::move(deps), limits);
    ingress = std::make_unique<Ingress>(
        IngressOptions{.door = door_options(workspace->settings), .drop_events = options.drop_events}, *store, clock,
        door_observers);
    store_work = std::make_unique<StoreWork>(executor, *store);
    health = std::make_unique<admin::Health>(executor, clock, [this](std::string name, Deadline deadline) {
      return check_health(std::move(name), deadline);
    });
    api = std::make_unique<admin::Api>(admin::ApiDeps{
        .clock = clock,
        .ports = {*shard, *shard, *shard},
        .engine = *engine,
        .door = ingress->door(),
        .metrics = metrics,
        .health = *health,
        .reload = [this] { return reload(); },
        .connections = [this] { return connection_names(); },
        .flows = [this] { return workspace->flows; },
        .store_numbers = [this] { return store_numbers(); },
        .store_verify = [this] { return store_work->verify(); },
        .store_compact = [this] { return store_work->compact(); },
        .store_backup = [this](std::string to) { return store_work->backup(std::move(to)); },
        .store_refuses =
            [this] {
              const store::StoreStats stats = store->stats();
              return stats.refusing ? stats.refusing->message : std::string();
            },
    });
  }

  std::vector<std::string> connection_names() const {
    std::vector<std::string> names;
    for (const auto& connection : workspace->connections) names.push_back(connection->info().name);
    return names;
  }

  Result<void> listen() {
    const workspace::Settings& settings = workspace->settings;
    const auto to_api = [this](InboundRequest request) { return api->handle(std::move(request)); };
    TRY(admin_server,
        http::HttpServer::listen(executor, server_options(settings.listen.admin, settings), to_api, clock));
    TRY_VOID(ingress->start(server_options(settings.listen.hooks, settings)));
    hooks_address = reachable(settings.listen.hooks.host, ingress->port());
    admin_address = reachable(settings.listen.admin.host, admin_server->port());
    return {};
  }

  // So that commands find the running server, whichever ports it got.
  void announce() const {
    json::Builder out;
    out.begin_object().key("hooks").string(hooks_address).key("admin").string(admin_address);
    out.key("pid").integer(getpid()).end_object();
    std::ofstream(store_directory + "/" + std::string(kServerFile)) << json::print(out.finish().root()) << "\n";
  }

  Async<void> start() {
    catalog.emplace(connectors);
    CO_TRY(workspace, load());
    started_with = workspace;
    CO_TRY_VOID(open_store(workspace->settings.store));
    transport = std::make_unique<http::HttpTransport>(executor, clock);
    make_parts();
    use(workspace);
    auto started = co_await engine->start(engine_config(*workspace));
    if (!started) {
      engine.reset();  // nothing to drain, and what it waits for would only fail once more
      co_return failure(std::move(started.error()));
    }
    CO_TRY_VOID(listen());
    announce();
    api->set_ready(true);
    co_return Result<void>();
  }

  Async<std::string> reload() {
    while (reloading) co_await reload_ended.wait();
    if (stopping) co_return failure(Code::kUnavailable, "Tieline is stopping: the next start loads the workspace");
    reloading = true;
    auto reloaded = co_await reload_now();
    if (!reloaded)
      log(LogLevel::kError, "not reloaded, the running configuration goes on:\n" + reloaded.error().message);
    reloading = false;
    reload_ended.notify_all();
    co_return reloaded;
  }

  Async<std::string> reload_now() {
    auto loaded = load();
    if (!loaded) co_return failure(std::move(loaded.error()));
    const workspace::Settings& after = (*loaded)->settings;
    // Runs that resume look their flow up in the archive, so it must know the new ones first.
    archive.use((*loaded)->actions, (*loaded)->flows);
    auto swapped = co_await engine->reload(engine_config(**loaded));
    if (!swapped) {
      archive.use(workspace->actions, workspace->flows);
      co_return failure(std::move(swapped.error()));
    }
    std::string message = "reloaded: " + counted((*loaded)->written_flows(), "flow", "flows") + ", " +
                          counted((*loaded)->connections.size(), "connection", "connections");
    const std::vector<std::string> later = settings_of_next_start(started_with->settings, after);
    if (!later.empty()) message += "; what is new in " + join(later, ", ") + " takes effect at the next start";
    use(std::move(*loaded));
    log(LogLevel::kInfo, message);
    co_return message;
  }

  asio::awaitable<void> stop() {
    if (api) api->set_ready(false, "stopping");
    stopping = true;
    while (reloading) co_await reload_ended.wait();
    const Duration within = workspace ? workspace->settings.drain : Duration(0);
    const Deadline deadline = clock.deadline_in(within);
    // Side by side: a sender that takes its time must not take it from the calls under way.
    TaskGroup closing(executor);
    if (ingress) closing.spawn(ingress->stop(deadline));
    if (engine) {
      const auto drained = co_await engine->drain(deadline);
      if (!drained) log(LogLevel::kError, drained.error().message);
    }
    co_await closing.drain();
    if (health) co_await health->stop();
    if (admin_server) co_await admin_server->stop(deadline);
    if (!store_directory.empty()) {
      std::error_code gone;
      if (admin_server) std::filesystem::remove(store_directory + "/" + std::string(kServerFile), gone);
    }
    store_work.reset();
    engine.reset();
    if (shard) co_await shard->stop();
    transport.reset();
    shard.reset();
    store.reset();
  }
};

Service::Service(asio::any_io_executor executor, Clock& clock, ServiceOptions options)
    : impl_(std::make_unique<Impl>(std::move(executor), clock, std::move(options))) {}
Service::~Service() = default;

Duration Service::drain() const { return impl_->workspace ? impl_->workspace->settings.drain : Duration(0); }
Async<void> Service::start() { return impl_->start(); }
Async<std::string> Service::reload() { return impl_->reload(); }
asio::awaitable<void> Service::stop() { return impl_->stop(); }
std::string Service::hooks_address() const { return impl_->hooks_address; }
std::string Service::admin_address() const { return impl_->admin_address; }
std::string Service::store_directory() const { return impl_->store_directory; }
admin::Ports Service::ports() { return {*impl_->shard, *impl_->shard, *impl_->shard}; }
engine::Engine& Service::engine() { return *impl_->engine; }
engine::DoorCounts Service::door_counts() const { return impl_->ingress->door().counts(); }
std::shared_ptr<const WebhookSource> Service::webhook(std::string_view connection) const {
  const workspace::BoundConnection* bound = impl_->workspace->connection(connection);
  return bound == nullptr ? nullptr : bound->webhook();
}
void Service::observe(engine::EngineObserver* observer) { impl_->observers.add(observer); }

}  // namespace tieline::cli
