// The admin port: health, metrics, and what the CLI asks of a running server. Loopback by default; it must never show a
// secret, and it refuses what a web page in the operator's browser could send.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/health.h"
#include "admin/metrics.h"
#include "admin/queries.h"
#include "core/webhook.h"
#include "engine/door.h"
#include "engine/engine.h"

namespace tieline::admin {

struct ApiDeps {
  Clock& clock;
  Ports ports;
  engine::Engine& engine;
  engine::Door& door;
  Metrics& metrics;
  Health& health;
  // Loads the workspace again. An error changes nothing; its message holds every problem, a line each.
  std::function<Async<std::string>()> reload;
  std::function<std::vector<std::string>()> connections;  // names, for event ids
  std::function<std::vector<FlowPtr>()> flows;            // as they are now
  std::function<Metrics::StoreNumbers()> store_numbers;
  std::function<Async<json::Document>()> store_verify;
  std::function<Async<json::Document>()> store_compact;
  std::function<Async<json::Document>(std::string directory)> store_backup;
  std::function<std::string()> store_refuses = {};  // why it takes no writes now; empty: it does
};

// One thread only: the shard's.
class Api {
 public:
  explicit Api(ApiDeps deps) : deps_(std::move(deps)) {}
  // Until set, /readyz answers 503 with the reason.
  void set_ready(bool ready, std::string reason = {});

  asio::awaitable<Reply> handle(InboundRequest request);

 private:
  struct Query {
    std::vector<std::pair<std::string, std::string>> values;
    std::string operator[](std::string_view name) const {
      for (const auto& [key, value] : values) {
        if (key == name) return value;
      }
      return {};
    }
    // kInvalid with "did you mean" when a name is not one of `known`.
    Result<void> only(const std::vector<std::string>& known) const;
  };
  asio::awaitable<Reply> get(const std::string& path, Query query);
  asio::awaitable<Reply> post(const std::string& path, Query query, json::Document body);
  asio::awaitable<Reply> runs(Query query);
  asio::awaitable<Reply> settle(std::string run, json::Document body);
  // Many runs at once (api_jobs.cc).
  asio::awaitable<Reply> causes(RunState state, Query query);
  asio::awaitable<Reply> find_all(Query query);
  asio::awaitable<Reply> jobs();
  asio::awaitable<Reply> start_job(json::Document body);
  asio::awaitable<Reply> stop_job(std::string id);
  asio::awaitable<Reply> edit(std::string run, json::Document body);
  Async<json::Document> do_at_once(engine::Job job);
  asio::awaitable<Reply> links(std::string path, Query query);
  asio::awaitable<Reply> change_links(bool remove, json::Document body);
  Ports ports() const;
  Reply ready() const;
  Reply status() const;
  Reply store() const;

  ApiDeps deps_;
  bool ready_ = false;
  std::string not_ready_ = "starting";
};

}  // namespace tieline::admin
