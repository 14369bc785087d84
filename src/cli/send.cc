// `tieline send`: posts a payload to a running Tieline, signed as the vendor would sign it.
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>

#include "async/clock.h"
#include "async/task_group.h"
#include "auth/hash.h"
#include "base/text.h"
#include "cli/client.h"
#include "connect/catalog.h"
#include "http/http_transport.h"
#include "workspace/connect_catalog.h"
#include "workspace/load.h"

namespace tieline::cli {
namespace {

struct Sending {
  InboundRequest request;  // as the vendor calls the public address
  std::string connection;
  std::string to;  // where it really goes
};

constexpr Duration kStartPatience = std::chrono::seconds(10);

// The connection to send as: the one named, or the only one that takes webhooks; of several the only one that a flow
// waits for.
Result<std::shared_ptr<const connect::VendorWebhook>> webhook_of(const workspace::Workspace& workspace,
                                                                 const std::string& name) {
  std::vector<std::string> names;
  std::shared_ptr<const WebhookSource> found;
  for (const auto& connection : workspace.connections) {
    auto webhook = connection->webhook();
    if (!webhook) continue;
    names.push_back(connection->info().name);
    if (name == names.back() || name.empty()) found = std::move(webhook);
  }
  if (name.empty() && names.size() > 1) {
    std::set<std::string> waited_for;
    for (const FlowPtr& flow : workspace.flows) {
      for (const WebhookTrigger& trigger : flow->triggers) waited_for.insert(trigger.connection);
    }
    if (waited_for.size() == 1 && workspace.connection(*waited_for.begin()) != nullptr)
      return webhook_of(workspace, *waited_for.begin());
    if (!waited_for.empty()) names.assign(waited_for.begin(), waited_for.end());
    return failure(Code::kConflict,
                   "several connections take webhooks (" + join(names, ", ") + "): say --connection NAME");
  }
  if (!found && name.empty())
    return failure(Code::kNotFound, "no connection takes webhooks: `secrets:` in connections/NAME.yaml verifies them");
  if (!found)
    return failure(Code::kNotFound, "no connection \"" + name + "\" takes webhooks" + did_you_mean(name, names));
  return std::dynamic_pointer_cast<const connect::VendorWebhook>(std::move(found));
}

// What a header would say, and this vendor's do not, would be lost without a word.
Result<void> check_said(const Arguments& arguments, const connect::VendorWebhook& webhook) {
  const auto headers = webhook.said_in_headers();
  const std::string of = "does nothing here: of " + webhook.connection() + " no header says the ";
  if (!arguments.text("type").empty() && headers.type.empty())
    return failure(Code::kConflict, "--type " + of + "event's type; write it into FILE, where the vendor has it");
  if (!arguments.text("id").empty() && headers.id.empty())
    return failure(Code::kConflict, "--id " + of + "delivery's id; write it into FILE, if the vendor has one there");
  return {};
}

// A server that was started a moment ago may still be opening its store.
Result<Client> running_server(const Arguments& arguments, Clock& clock) {
  TRY(Client client, Client::open(arguments));
  if (client.online()) return client;
  std::fputs("no server runs yet: waits for one\n", stderr);
  asio::io_context loop(1);
  TaskGroup tasks(loop.get_executor());
  constexpr auto kLook = [](Clock* with, const Arguments* what, Client* out) -> asio::awaitable<void> {
    const Deadline deadline = with->deadline_in(kStartPatience);
    while (!out->online() && with->instant() < deadline.at) {
      co_await with->sleep_until(with->instant() + std::chrono::milliseconds(50));
      if (auto again = Client::open(*what)) *out = std::move(*again);
    }
  };
  tasks.spawn(kLook(&clock, &arguments, &client));
  loop.run();
  return client;
}

// Why the server did not take it, which its answer keeps from strangers; empty where it cannot be asked.
std::string reason_of_refusal(const Arguments& arguments, const std::string& connection) {
  const auto client = Client::open(arguments);
  const auto status = client ? client->status() : Result<json::Document>(failure(client.error()));
  if (!status) return {};
  std::string last, out;
  for (const json::Value one : status->root()["refused"].elements()) {
    const std::string at(one["last"].as_string());
    if (one["connection"].as_string() != connection || at < last) continue;
    last = at;
    out = std::string(one["reason"].as_string()) + ": " + std::string(one["message"].as_string());
  }
  return out;
}

Result<Sending> prepare(const Arguments& arguments) {
  const std::string directory = arguments.text("workspace"), file = arguments.text("FILE");
  std::ifstream in(file, std::ios::binary);
  if (!in) return failure(Code::kNotFound, "cannot read \"" + file + "\"");
  auto body = std::make_shared<const std::string>(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());

  TRY(const workspace::Files files, workspace::read_files(directory));
  const connect::Catalog connectors;
  const workspace::ConnectCatalog catalog(connectors);
  const workspace::Loaded loaded = workspace::load(files, catalog, workspace::system_secrets(directory));
  if (!loaded.workspace) return failure(Code::kInvalid, loaded.problems.text());
  TRY(const auto webhook, webhook_of(*loaded.workspace, arguments.text("connection")));
  TRY_VOID(check_said(arguments, *webhook));

  const std::unique_ptr<Clock> clock = make_system_clock();
  std::string to = arguments.text("to");
  if (to.empty()) {
    TRY(const Client client, running_server(arguments, *clock));
    TRY(to, client.hooks_address());
  }
  const std::string path = "/hooks/" + webhook->connection();
  const std::string public_url = loaded.workspace->settings.public_url;
  const std::string id = arguments.text("id").empty() ? auth::random_id() : arguments.text("id");
  TRY(InboundRequest request, webhook->sign_as_vendor({.type = arguments.text("type"),
                                                       .body = std::move(body),
                                                       .now = clock->now(),
                                                       .id = id,
                                                       .url = (public_url.empty() ? to : public_url) + path}));
  return Sending{std::move(request), webhook->connection(), to + path};
}

int run_send(const Arguments& arguments) {
  auto sending = prepare(arguments);
  if (!sending) {
    const Error& error = sending.error();
    if (error.code != Code::kInvalid) return report(error, error.code == Code::kConflict ? kUsage : kFailed);
    if (!error.message.ends_with('\n')) return report(error, kConfig);
    std::fputs(error.message.c_str(), stderr);  // the workspace's problems, a line each
    return kConfig;
  }
  asio::io_context loop(1);
  const std::unique_ptr<Clock> clock = make_system_clock();
  http::HttpTransport transport(loop.get_executor(), *clock);
  TaskGroup tasks(loop.get_executor());
  Exchange exchange;
  Request request{
      .method = "POST", .url = sending->to, .headers = sending->request.headers, .body = *sending->request.body};
  request.private_addresses = true;
  constexpr auto kSend = [](http::HttpTransport* through, Request what, Exchange* out) -> asio::awaitable<void> {
    *out = co_await through->send(std::move(what), Deadline::never());
  };
  tasks.spawn(kSend(&transport, std::move(request), &exchange));
  loop.run();
  if (exchange.phase != Phase::kAnswered) return report(exchange.error);
  std::printf("%d %s\n", exchange.response.status, exchange.response.body.c_str());
  if (exchange.response.status < 300) return kOk;
  if (arguments.text("to").empty()) {
    const std::string reason = reason_of_refusal(arguments, sending->connection);
    if (!reason.empty())
      std::fprintf(stderr, "the server refused it: %s\nall refusals: tieline events --refused\n", reason.c_str());
  }
  return kFailed;
}

}  // namespace

Command send_command() {
  return {
      .name = "send",
      .summary = "posts a payload to a running Tieline, signed as the vendor would",
      .description =
          "Signs FILE with the connection's webhook secret, as its vendor does, and posts it to the running server: a "
          "way to try a flow without the vendor. It waits some seconds for a server that is just starting.",
      .positionals = {{"FILE", "the payload"}},
      .options = {{"--connection", "NAME", "as whom; not needed where flows wait for one connection only"},
                  {"--type", "TYPE", "the event's type, where the vendor says it in a header (Shopify: orders/create)"},
                  {"--id", "ID", "the delivery's id, where the vendor says it in a header; a new one without it"},
                  {"--to", "URL", "the server's address; found by itself when it runs on this machine"},
                  {"-w,--workspace", "DIR", "the workspace", "."}},
      .examples = {"tieline send --type orders/create order.json",
                   "tieline send --connection shopify --type orders/create order.json"},
      .run = run_send};
}

}  // namespace tieline::cli
