// How commands ask what happened: of the running server through its admin port, else of the store itself, read-only. A
// command must give the same answer either way.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "admin/causes.h"
#include "admin/links.h"
#include "admin/queries.h"
#include "base/result.h"
#include "cli/command.h"
#include "json/value.h"
#include "store/sqlite_store.h"

namespace tieline::cli {

// Where a server writes its addresses while it runs: a file in the store's directory.
inline constexpr std::string_view kServerFile = "server.json";

// The options every asking command has.
std::vector<Option> client_options();

class Client {
 public:
  // The workspace of --workspace (or the --admin address). kInvalid when its tieline.yaml does not load.
  static Result<Client> open(const Arguments& arguments);

  // Answers from the server when one runs, else from the store.
  Result<json::Document> runs(const admin::RunFilter& filter) const;
  Result<json::Document> describe(const std::string& id) const;
  Result<json::Document> causes(const admin::CauseFilter& filter) const;
  Result<json::Document> find(const std::string& what, std::size_t count) const;
  Result<json::Document> incidents() const;
  Result<json::Document> links(const admin::LinkFilter& filter) const;
  Result<json::Document> link(const std::string& system, const std::string& id) const;
  // What the running server says of itself. kUnavailable when none runs: nothing of it is stored.
  Result<json::Document> status() const;
  Result<json::Document> jobs() const;
  Result<json::Document> store_numbers() const;
  Result<json::Document> store_verify(const std::string& backup) const;  // empty: the workspace's own store
  Result<json::Document> store_compact() const;
  // `to` as the caller sees it; the running server must see the same.
  Result<json::Document> store_backup(const std::string& to) const;
  // kUnavailable while a server runs.
  Result<json::Document> store_repair() const;

  // Only a running server can do it: kUnavailable with what to do when none runs.
  Result<json::Document> post(const std::string& path, const json::Document& body,
                              Duration within = std::chrono::seconds(30)) const;

  bool online() const { return admin_.has_value(); }  // a server runs
  const std::string& store_directory() const { return store_directory_; }
  // The running server's hooks address, "http://127.0.0.1:8080". kUnavailable when none runs.
  Result<std::string> hooks_address() const;

 private:
  Result<json::Document> get(const std::string& path) const;
  Result<store::StoreOptions> opening() const;

  std::optional<std::string> admin_, hooks_;  // addresses of the running server
  std::string directory_, store_directory_;
  std::vector<std::string> sources_;
};

}  // namespace tieline::cli
