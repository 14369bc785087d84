// `tieline demo`: 200 signed Shopify orders become HubSpot deals, with doubles of both vendors, through the real door,
// the real store and the real HTTP client. It must not pretend: what it prints was counted.
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "async/sync.h"
#include "async/task_group.h"
#include "auth/hash.h"
#include "base/check.h"
#include "base/embedded.h"
#include "cli/command.h"
#include "cli/demo.h"
#include "cli/service.h"
#include "connect/catalog.h"
#include "http/http_transport.h"
#include "sandbox/double.h"
#include "sandbox/double_server.h"
#include "sandbox/orders.h"

namespace tieline::cli {

std::span<const EmbeddedFile> embedded_files();  // examples/orders-to-deals

namespace {

constexpr std::size_t kSenders = 8;                       // orders under way at once
constexpr std::size_t kSendAgainEvery = 20;               // Shopify sends again what it thinks was lost: one in so many
constexpr Duration kPatience = std::chrono::seconds(60);  // without progress

struct DemoOptions {
  std::size_t events = 200;
  std::string report_file;
  bool keep = false;
  bool limits = false;  // HubSpot's own, on both sides
};

// What the double enforces: the manifest's limits for the tier that the demo's connection names.
Result<sandbox::VendorRules> hubspot_rules() {
  for (const EmbeddedFile& file : connect::embedded_files()) {
    if (file.path.ends_with("hubspot.yaml"))
      return sandbox::parse_rules(std::string(file.text), std::string(file.path), {{"tier", "enterprise"}});
  }
  return failure(Code::kNotFound, "the program carries no connector hubspot");
}

Result<std::string> make_directory() {
  std::string path = (std::filesystem::temp_directory_path() / "tieline-demo-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) return failure(Code::kInternal, "cannot make a directory in " + path);
  return path;
}

// How a person calls this program from here.
std::string program_path() {
  std::error_code failed;
  const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return "tieline";
  const std::filesystem::path below = path.lexically_proximate(std::filesystem::current_path(failed));
  return failed || below.empty() || below.begin()->string() == ".." ? path.string() : below.string();
}

struct Doubles {
  std::string hubspot, shopify;  // addresses
};

// The example's flow as it is; connections and addresses that lead to the doubles; secrets of this one demo.
Result<void> write_workspace(const std::string& directory, const Doubles& doubles, const std::string& token,
                             bool limits) {
  const auto write = [&](const std::string& name, std::string_view text) {
    const std::filesystem::path path = std::filesystem::path(directory) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  };
  write("secrets/hubspot-token", token);
  write("secrets/shopify-client-secret", auth::random_id());
  write("secrets/shopify-token", auth::random_id());
  write("tieline.yaml",
        "listen: { hooks: \"127.0.0.1:0\", admin: \"127.0.0.1:0\" }\nstore: { url: \"sqlite:data\" }\n"
        "zone: Europe/Berlin\n");
  write("connections/shopify.yaml",
        "connector: shopify\nvariables: { shop: demo }\nauth: { access_token: { token: file:secrets/shopify-token } }\n"
        "secrets: { client_secret: file:secrets/shopify-client-secret }\nbase_url: " +
            doubles.shopify + "   # the double\nprivate_addresses: true\nlimits: none\n");
  write("connections/hubspot.yaml",
        "connector: hubspot\nvariables: { tier: enterprise }\n"
        "auth: { private_app: { token: file:secrets/hubspot-token } }\nbase_url: " +
            doubles.hubspot + "   # the double; HubSpot itself without this line\nprivate_addresses: true\n" +
            (limits ? "" : "limits: none                          # the double has none\n"));
  for (const EmbeddedFile& file : embedded_files()) {
    if (file.path.starts_with("flows/")) write(std::string(file.path), file.text);
  }
  std::error_code failed;
  std::filesystem::permissions(std::filesystem::path(directory) / "secrets", std::filesystem::perms::owner_all, failed);
  return {};
}

class Demo {
 public:
  explicit Demo(DemoOptions options)
      : options_(std::move(options)),
        clock_(make_system_clock()),
        tasks_(loop_.get_executor()),
        signals_(loop_, SIGINT, SIGTERM),
        live_(isatty(STDOUT_FILENO) == 1) {}

  int run() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) interrupt();
    });
    tasks_.spawn(main());
    loop_.run();
    return exit_code_;
  }

 private:
  void interrupt() {
    interrupted_ = true;
    changed_.notify_all();
  }

  asio::awaitable<void> main() {
    const auto played = co_await play();
    if (!played) {
      std::fputs((played.error().text() + "\n").c_str(), stderr);
      exit_code_ = kFailed;
    }
    if (service_) co_await service_->stop();
    service_.reset();
    for (auto* server : {&double_server_, &shop_server_}) {
      if (*server) co_await (*server)->stop(clock_->deadline_in(std::chrono::seconds(1)));
    }
    sender_.reset();
    signals_.cancel();
  }

  Async<void> play() {
    CO_TRY_VOID(co_await set_up());
    if (!options_.limits) std::puts("without HubSpot's rate limits; `tieline demo --limits` keeps them");
    std::printf("sending %zu signed orders to %s/hooks/shopify\n", options_.events, service_->hooks_address().c_str());
    const Instant began = clock_->instant();
    next_progress_ = began;
    CO_TRY_VOID(co_await send_all());
    co_await wait_for_the_end();
    CO_TRY_VOID(co_await finish(clock_->instant() - began));
    if (options_.keep && !interrupted_) {
      std::puts("\n  goes on running; stop it with Ctrl-C");
      while (!interrupted_) co_await changed_.wait();
    }
    co_return Result<void>();
  }

  Async<void> set_up() {
    CO_TRY(directory_, make_directory());
    const std::string token = auth::random_id();
    CO_TRY(sandbox::VendorRules rules, hubspot_rules());
    if (!options_.limits) rules.limits.clear();
    auto hubspot = sandbox::make_hubspot_double({.rules = std::move(rules), .credential = token}, *clock_);
    for (const sandbox::SampleContact& contact : sandbox::sample_contacts())
      sandbox::add_hubspot_contact(*hubspot, contact.email, contact.first_name, contact.last_name);
    CO_TRY(double_server_, sandbox::DoubleServer::start(loop_.get_executor(), std::move(hubspot), *clock_));
    CO_TRY(sandbox::VendorRules shop_rules, sandbox::embedded_rules("shopify"));
    shop_rules.limits.clear();
    auto shop = sandbox::make_double("shopify", {.rules = std::move(shop_rules)}, *clock_);
    CO_TRY(shop_server_, sandbox::DoubleServer::start(loop_.get_executor(), std::move(shop), *clock_));
    const Doubles doubles{double_server_->url(), shop_server_->url()};
    CO_TRY_VOID(write_workspace(directory_, doubles, token, options_.limits));

    ServiceOptions service_options{.directory = directory_,
                                   .files = [this] { return workspace::read_files(directory_); },
                                   .secrets = workspace::system_secrets(directory_),
                                   .log =
                                       [this](LogLevel level, std::string_view text) {
                                         if (level == LogLevel::kInfo) return;
                                         std::fputs(log_lines(clock_->now(), level, text).c_str(), stderr);
                                       }};
    service_ = std::make_unique<Service>(loop_.get_executor(), *clock_, std::move(service_options));
    service_->observe(&tally_);
    CO_TRY_VOID(co_await service_->start());
    sender_ = std::make_unique<http::HttpTransport>(loop_.get_executor(), *clock_);
    shopify_ = std::dynamic_pointer_cast<const connect::VendorWebhook>(service_->webhook("shopify"));
    CHECK(shopify_ != nullptr);
    co_return Result<void>();
  }

  // One order, signed as Shopify signs; the same again is a duplicate.
  Async<void> send(std::size_t index) {
    const sandbox::SampleOrder& order = orders_[index];
    connect::SendAs payload{.type = "orders/create",
                            .body = std::make_shared<const std::string>(order.body),
                            .now = clock_->now(),
                            .id = order.webhook_id,
                            .url = service_->hooks_address() + "/hooks/shopify"};
    auto signed_request = shopify_->sign_as_vendor(payload);
    if (!signed_request) co_return failure(std::move(signed_request.error()));
    Request request{.method = "POST", .url = payload.url, .headers = signed_request->headers, .body = order.body};
    request.private_addresses = true;
    const Deadline deadline = clock_->deadline_in(kPatience);
    const Exchange exchange = co_await sender_->send(std::move(request), deadline);
    if (exchange.phase != Phase::kAnswered) co_return failure(Error(exchange.error).in("the door did not answer"));
    if (exchange.response.status != 200)
      co_return failure(Code::kInternal, "the door answered " + std::to_string(exchange.response.status) +
                                             " to order " + std::to_string(order.number) + ": " +
                                             exchange.response.body);
    co_return Result<void>();
  }

  asio::awaitable<void> send_some() {
    while (next_order_ < orders_.size() && !send_error_ && !interrupted_) {
      const std::size_t index = next_order_++;
      auto sent = co_await send(index);
      if (sent && index % kSendAgainEvery == kSendAgainEvery - 1) sent = co_await send(index);
      if (!sent) send_error_ = std::move(sent.error());
      progress(false);
    }
    --senders_;
    changed_.notify_all();
  }

  Async<void> send_all() {
    orders_ = sandbox::sample_orders(options_.events);
    senders_ = kSenders;
    for (std::size_t i = 0; i < kSenders; ++i) tasks_.spawn(send_some());
    while (senders_ != 0) co_await changed_.wait();
    if (send_error_) co_return failure(std::move(*send_error_));
    co_return Result<void>();
  }

  asio::awaitable<void> wait_for_the_end() {
    Deadline deadline = clock_->deadline_in(kPatience);
    std::uint64_t ended = tally_.ended();
    while (tally_.ended() < service_->door_counts().received && !interrupted_ && clock_->instant() < deadline.at) {
      progress(false);
      if (tally_.ended() != ended) deadline = clock_->deadline_in(kPatience);
      ended = tally_.ended();
      const Deadline soon = clock_->deadline_in(std::chrono::milliseconds(20));
      co_await changed_.wait(*clock_, soon);
    }
    progress(true);
  }

  // A line that rewrites itself on a terminal, a plain one a second elsewhere.
  void progress(bool last) {
    const Instant now = clock_->instant();
    if (!last && now < next_progress_) return;
    next_progress_ = now + (live_ ? Duration(50'000) : Duration(1'000'000));
    const auto received = static_cast<unsigned long long>(service_->door_counts().received);
    std::printf("%s  received %llu  delivered %llu  skipped %llu%s", live_ ? "\r" : "", received,
                static_cast<unsigned long long>(tally_.delivered), static_cast<unsigned long long>(tally_.skipped),
                live_ && !last ? "" : "\n");
    std::fflush(stdout);
  }

  Async<void> finish(Duration took) {
    DemoReport report{.sent = interrupted_ ? next_order_ : orders_.size()};
    report.wanted = orders_.size();
    report.interrupted = interrupted_;
    const engine::DoorCounts counts = service_->door_counts();
    report.received = counts.received;
    report.duplicates = counts.duplicates;
    report.delivered = tally_.delivered;
    report.skipped = tally_.skipped;
    report.stale = tally_.stale;
    report.dead = tally_.dead;
    for (const engine::FlowSnapshot& flow : service_->engine().snapshot().flows) report.held += flow.held;
    const std::uint64_t known = tally_.ended() + report.held;
    report.pending = report.received > known ? report.received - known : 0;
    report.reasons = tally_.reasons;
    report.p50_ms = tally_.latency_ms(50);
    report.p99_ms = tally_.latency_ms(99);
    report.seconds = static_cast<double>(took.count()) / 1e6;
    report.workspace = directory_;
    count_deals(report);
    std::fputs(report.text().c_str(), stdout);
    print_next_steps();
    exit_code_ = report.complete() && !report.interrupted ? kOk : kFailed;
    if (!options_.report_file.empty()) {
      std::ofstream out(options_.report_file);
      out << json::print(report.document().root()) << "\n";
      if (!out.flush()) co_return failure(Code::kInternal, "cannot write the report to " + options_.report_file);
    }
    co_return Result<void>();
  }

  void count_deals(DemoReport& report) const {
    const json::Document state = double_server_->vendor().state();
    report.deals = state.root()["deals"].size();
    for (const json::Value deal : state.root()["deals"].elements()) {
      const std::string from = "deals/" + std::string(deal["id"].as_string()) + " contacts/";
      for (const json::Value tie : state.root()["associations"].elements()) {
        if (!tie.as_string().starts_with(from)) continue;
        ++report.tied_deals;
        break;
      }
    }
  }

  void print_next_steps() const {
    const std::string program = program_path();
    const auto line = [&](const std::string& arguments) {
      std::printf("    %s %s\n", program.c_str(), arguments.c_str());
    };
    std::printf("\n  everything is in %s\n", directory_.c_str());
    if (options_.keep) {
      std::printf("  webhooks      %s/hooks/shopify\n  admin port    %s\n", service_->hooks_address().c_str(),
                  service_->admin_address().c_str());
      std::printf("  HubSpot is    %s\n  Shopify is    %s\n", double_server_->url().c_str(),
                  shop_server_->url().c_str());
    }
    std::puts("  try next:");
    line("events -w " + directory_ + " --status skipped");
    line("show   -w " + directory_ + " orders-to-deals/1");
    line("check  " + directory_);
    if (!options_.keep) line("demo --keep     goes on running, with the doubles");
  }

  DemoOptions options_;
  asio::io_context loop_{1};
  std::unique_ptr<Clock> clock_;
  TaskGroup tasks_;
  asio::signal_set signals_;
  Signal changed_;
  bool live_, interrupted_ = false;
  Instant next_progress_{};
  std::string directory_;
  std::unique_ptr<sandbox::DoubleServer> double_server_, shop_server_;
  DemoTally tally_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<http::HttpTransport> sender_;
  std::shared_ptr<const connect::VendorWebhook> shopify_;
  std::vector<sandbox::SampleOrder> orders_;
  std::size_t next_order_ = 0, senders_ = 0;
  std::optional<Error> send_error_;
  int exit_code_ = kFailed;
};

int run_demo(const Arguments& arguments) {
  DemoOptions options{
      .report_file = arguments.text("report"), .keep = arguments.flag("keep"), .limits = arguments.flag("limits")};
  options.events = std::strtoull(arguments.text("events").c_str(), nullptr, 10);
  if (options.events == 0 || options.events > 100'000)
    return report({Code::kInvalid, "--events takes a number from 1 to 100000", {}}, kUsage);
  return Demo(std::move(options)).run();
}

}  // namespace

Command demo_command() {
  return {
      .name = "demo",
      .summary = "turns 200 signed Shopify orders into HubSpot deals, here and now",
      .description =
          "Starts doubles of HubSpot and Shopify and a Tieline with the workspace of examples/orders-to-deals, sends "
          "it orders as "
          "Shopify would (signed, some of them twice), and reports what became of each. Nothing leaves this machine. "
          "Exits 0 only if nothing is missing.",
      .positionals = {},
      .options = {{"--events", "N", "how many orders", "200"},
                  {"--report", "FILE", "write the report as JSON, too"},
                  {"--limits", "",
                   "keep HubSpot's real limits, enforced by the double: 5 searches a second, so 200 orders take 40 s"},
                  {"--keep", "", "go on running until Ctrl-C"}},
      .examples = {"tieline demo", "tieline demo --events 5000 --report report.json"},
      .run = run_demo};
}

}  // namespace tieline::cli
