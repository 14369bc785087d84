// The door on its own thread, asked over HTTP: what another thread sees of it, and that it ends.
#include "cli/ingress.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <optional>

#include "async/task_group.h"
#include "http/http_transport.h"

namespace tieline::cli {
namespace {

class OneEvent final : public WebhookSource {
 public:
  const std::string& connection() const override { return name_; }
  tl::expected<Reception, Refusal> receive(const InboundRequest& request) const override {
    NewEvent event;
    event.source = name_;
    event.id = *request.body;
    event.type = "order";
    event.time = event.received = request.received;
    event.data = std::make_shared<const std::string>("{}");
    Reception out;
    out.events.push_back(std::move(event));
    out.reply.status = 200;
    return out;
  }

 private:
  std::string name_ = "shop";
};

class IngressTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "tieline-ingress-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    store::StoreOptions options;
    options.directory = directory_;
    auto opened = store::SqliteStore::open(std::move(options), *clock_);
    ASSERT_TRUE(opened.has_value()) << opened.error().text();
    store_ = std::move(*opened);
    ingress_ = std::make_unique<Ingress>(IngressOptions{}, *store_, *clock_, observer_);
  }
  void TearDown() override {
    run(ingress_->stop(Deadline::never()));
    ingress_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  void run(asio::awaitable<void> task) {
    TaskGroup tasks(loop_.get_executor());
    tasks.spawn(std::move(task));
    loop_.restart();
    loop_.run();
  }
  int post(const std::string& path, const std::string& body) {
    std::optional<int> status;
    http::HttpTransport transport(loop_.get_executor(), *clock_);
    Request request;
    request.method = "POST";
    request.url = "http://127.0.0.1:" + std::to_string(ingress_->port()) + path;
    request.body = body;
    request.private_addresses = true;
    run(send(transport, std::move(request), &status));
    return status.value_or(0);
  }
  static asio::awaitable<void> send(Transport& transport, Request request, std::optional<int>* status) {
    const Deadline never = Deadline::never();
    const Exchange exchange = co_await transport.send(std::move(request), never);
    if (exchange.phase == Phase::kAnswered) *status = exchange.response.status;
  }

  std::unique_ptr<Clock> clock_ = make_system_clock();
  asio::io_context loop_{1};
  std::filesystem::path directory_;
  engine::DoorObserver observer_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<Ingress> ingress_;
};

TEST_F(IngressTest, TakesWebhooksInOnAThreadOfItsOwn) {
  ingress_->door().configure({{"shop", std::make_shared<OneEvent>()}});
  ASSERT_TRUE(ingress_->start({}).has_value());
  EXPECT_EQ(post("/hooks/shop", "1"), 200);
  EXPECT_EQ(post("/hooks/shop", "1"), 200);
  EXPECT_EQ(post("/hooks/other", "1"), 404);
  const engine::DoorCounts counts = ingress_->door().counts();
  EXPECT_EQ(counts.received, 1u);
  EXPECT_EQ(counts.duplicates, 1u);
  EXPECT_EQ(counts.refused, 1u);
  EXPECT_EQ(store_->stats().events, 1u);  // another handle's event is in the one log

  ingress_->door().configure({});  // while it runs
  EXPECT_EQ(post("/hooks/shop", "2"), 404);
  ASSERT_EQ(ingress_->door().refusals().size(), 1u);
  EXPECT_EQ(ingress_->door().refusals()[0].count, 2u);
}

TEST_F(IngressTest, KeepsItsCountsWhenItHasStopped) {
  ingress_->door().configure({{"shop", std::make_shared<OneEvent>()}});
  ASSERT_TRUE(ingress_->start({}).has_value());
  EXPECT_EQ(post("/hooks/shop", "1"), 200);
  run(ingress_->stop(Deadline::never()));
  EXPECT_EQ(ingress_->door().counts().received, 1u);
}

TEST_F(IngressTest, EndsWithoutHavingStarted) { EXPECT_EQ(ingress_->door().counts().received, 0u); }

}  // namespace
}  // namespace tieline::cli
