// Steps that work on durable tables, and secrets that no journal may hold.
#include "base/bytes.h"
#include "engine/engine_fixture.h"
#include "engine/record.h"

namespace tieline::engine {
namespace {

using EngineTablesTest = EngineTest;

// Works on the table "t": reads `key`, binds what stands there, and writes what it is told to. Waits where told so.
class TestTable final : public Step {
 public:
  TestTable(std::string key, std::string writes, std::optional<TableWait> wait = {})
      : key_(std::move(key)), writes_(std::move(writes)), wait_(std::move(wait)) {
    kind_ = "table";
  }
  asio::awaitable<StepResult> run(RunContext& context) const override {
    TableWork work;
    work.what = "table " + key_;
    work.bucket = "t";
    work.keys = {key_};
    work.decide = [this](const std::vector<std::optional<Bytes>>& entries, Time, const std::string& by) {
      ++decided;
      TableDecision out;
      if (!entries[0] && wait_) {
        out.wait = wait_;
        return out;
      }
      out.value = entries[0] ? json::make_string(*entries[0]) : json::Document();
      out.words = "by " + by;
      if (!writes_.empty()) out.puts.push_back({"t", key_, writes_});
      return out;
    };
    auto result = co_await context.table(std::move(work));
    if (result.step.kind == StepResult::Kind::kNext) context.bind(kFixedSlots, result.value);
    co_return std::move(result.step);
  }
  mutable int decided = 0;

 private:
  std::string key_, writes_;
  std::optional<TableWait> wait_;
};

// Calls with what the table step bound, or with a secret made before it.
class TestSecretCall final : public Step {
 public:
  explicit TestSecretCall(std::string around = "") : around_(std::move(around)) { kind_ = "call"; }
  asio::awaitable<StepResult> run(RunContext& context) const override {
    const auto bits = context.derive("p", 6);
    if (!bits) co_return StepResult::fail(bits.error());
    const json::Document handle = context.conceal("p", "[secret p 00]", "pw-" + to_hex(*bits));
    json::Builder args;
    args.begin_object().key("password").string(around_ + std::string(handle.root().as_string())).end_object();
    CallRequest request;
    request.action = std::make_shared<TestAction>("users", ActionSpec{Safety::kUnsafe, false, true, 1, Duration(0)});
    request.args = args.finish();
    auto result = co_await context.call(std::move(request));
    if (result.step.kind == StepResult::Kind::kNext) context.bind(kFixedSlots, result.value);
    co_return std::move(result.step);
  }

 private:
  std::string around_;
};

class TestSecrets final : public SecretSource {
 public:
  Bytes derive(std::string_view name, std::size_t count) const override {
    Bytes out;
    for (std::uint64_t i = 0; out.size() < count; ++i) put_u64(out, hash64(name, i));
    out.resize(count);
    return out;
  }
};

TEST_F(EngineTablesTest, ATablesAnswerStandsForTheRunWhateverItSaysLater) {
  transport_.script = {status(503)};
  const auto table = std::make_shared<TestTable>("k", "");
  const auto write = std::make_shared<TestTable>("k", "mine");
  start({flow({table, write, step("a")})});
  const Position event = post("{}");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kRetrying);
  crash();
  advance(200s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(table->decided, 1);
  EXPECT_EQ(write->decided, 1);
  Result<std::optional<Entry>> entry;
  await(keep(store_->get("t", "k"), &entry));
  ASSERT_TRUE(entry->has_value());
  EXPECT_EQ((*entry)->value, "mine");
}

TEST_F(EngineTablesTest, WaitsForATablesEntryDurablyAndBurnsNoTry) {
  const auto table = std::make_shared<TestTable>("k", "", TableWait{600s, 3600s, "nothing is linked yet"});
  start({flow({table, step("a")})});
  const Position event = post("{}");
  EXPECT_EQ(state(event), RunState::kRetrying);
  EXPECT_EQ(run_of(event)->summary, "nothing is linked yet");
  crash();
  advance(601s);
  EXPECT_EQ(state(event), RunState::kRetrying);
  Result<std::uint64_t> made;
  await(keep(store_->create("t", "k", "there"), &made));
  transport_.script = {status(503), status(503)};  // of three tries
  advance(1300s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 3u);
}

TEST_F(EngineTablesTest, StopsWaitingForATablesEntryAfterItsTime) {
  const auto table = std::make_shared<TestTable>("k", "", TableWait{600s, 3600s, "nothing is linked yet"});
  start({flow({table, step("a")})});
  const Position event = post("{}");
  advance(1800s);
  crash();
  advance(1700s);
  EXPECT_EQ(state(event), RunState::kRetrying);
  advance(800s);
  EXPECT_EQ(state(event), RunState::kDead);
  EXPECT_EQ(run_of(event)->summary, "validation: nothing is linked yet; looked for 1h");
  EXPECT_LE(records(event).size(), 10u);
}

TEST_F(EngineTablesTest, SendsASecretAgainAndKeepsItNowhere) {
  const TestSecrets secrets;
  secrets_ = &secrets;
  transport_.script = {lost()};
  start({flow({std::make_shared<TestSecretCall>()})});
  const Position event = post("{}");
  crash();
  advance(200s);
  ASSERT_EQ(state(event), RunState::kDelivered);
  ASSERT_EQ(transport_.sent.size(), 2u);
  const std::string secret(json::parse(transport_.sent[0].body)->root()["password"].as_string());
  EXPECT_EQ(secret.find("pw-"), 0u);
  EXPECT_EQ(transport_.sent[0].body, transport_.sent[1].body);
  EXPECT_EQ(find_header(transport_.sent[0].headers, "X-Key"), find_header(transport_.sent[1].headers, "X-Key"));
  for (const Record& record : records(event)) EXPECT_EQ(record.body.find(secret), std::string::npos) << record.body;
}

TEST_F(EngineTablesTest, KeepsASecretThatTheVendorEchoes) {
  const TestSecrets secrets;
  secrets_ = &secrets;
  const std::string secret = "pw-" + to_hex(secrets.derive("f\nshop\ne1\n0\np", 6));
  transport_.script = {status(200, {}, "{\"password\":\"" + secret + "\"}")};
  start({flow({std::make_shared<TestSecretCall>()})});
  const Position event = post("{}");
  advance(1s);
  ASSERT_EQ(state(event), RunState::kDelivered);
  EXPECT_NE(transport_.sent[0].body.find(secret), std::string::npos);
  for (const Record& record : records(event)) EXPECT_EQ(record.body.find(secret), std::string::npos) << record.body;
}

TEST_F(EngineTablesTest, SendsNoPartOfASecretsHandle) {
  const TestSecrets secrets;
  secrets_ = &secrets;
  start({flow({std::make_shared<TestSecretCall>("my ")})});
  const Position event = post("{}");
  EXPECT_EQ(state(event), RunState::kDead);
  EXPECT_EQ(run_of(event)->summary,
            "validation: api.users: with.password: `$p` is a secret, and can be passed only as a whole value");
  EXPECT_TRUE(transport_.sent.empty());
}

TEST_F(EngineTablesTest, MakesNoSecretWithoutAKey) {
  start({flow({std::make_shared<TestSecretCall>()})});
  EXPECT_EQ(state(post("{}")), RunState::kDead);
}

}  // namespace
}  // namespace tieline::engine
