// A whole Tieline in one object: store, engine and admin port on one thread, the door on its own. `run`, `demo` and the
// tests differ in what they put around it only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "admin/api.h"
#include "async/async.h"
#include "async/clock.h"
#include "cli/operator_log.h"
#include "workspace/files.h"
#include "workspace/secrets.h"

namespace tieline::cli {

struct ServiceOptions {
  std::string directory;                            // the workspace; relative store paths are below it
  std::function<Result<workspace::Files>()> files;  // what to load, now and at each reload
  workspace::SecretSources secrets;
  Log log;                   // for the operator; called on the store's threads, too
  bool drop_events = false;  // verify and dedupe, keep nothing: what `make bench` compares with
  bool accept_loss = false;  // see store::StoreOptions
};

// One thread only: that of its executor. Await stop() before destroying it.
class Service {
 public:
  Service(asio::any_io_executor executor, Clock& clock, ServiceOptions options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Loads, opens the store, resumes what was left, listens. kInvalid with every problem of the workspace, a line each.
  Async<void> start();
  // Loads again and swaps; on an error nothing changes. Gives a sentence for the operator.
  Async<std::string> reload();
  // Refuses new webhooks, lets calls under way end within `drain:` of the workspace, makes everything durable.
  asio::awaitable<void> stop();

  // Valid after start().
  std::string hooks_address() const;  // "http://127.0.0.1:8080"
  std::string admin_address() const;
  std::string store_directory() const;
  Duration drain() const;  // how long stop() may take for calls under way
  admin::Ports ports();
  engine::Engine& engine();
  engine::DoorCounts door_counts() const;
  // The connection's, or null.
  std::shared_ptr<const WebhookSource> webhook(std::string_view connection) const;
  // Watches attempts and runs besides the metrics. Set before start(); must outlive the service.
  void observe(engine::EngineObserver* observer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The workspace's store directory as a path: below `workspace_directory` unless it is absolute.
std::string store_directory_of(const std::string& workspace_directory, std::string_view store_url_directory);

}  // namespace tieline::cli
