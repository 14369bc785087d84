#include "sandbox/orders.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "json/value.h"

namespace tieline::sandbox {
namespace {

TEST(Orders, TheSameSeedGivesTheSameOrders) {
  const auto once = sample_orders(50, {.seed = 7}), again = sample_orders(50, {.seed = 7});
  const auto other = sample_orders(50, {.seed = 8});
  for (std::size_t i = 0; i < once.size(); ++i) EXPECT_EQ(once[i].body, again[i].body);
  EXPECT_NE(once[3].body, other[3].body);
}

TEST(Orders, TheMixHasTestOrdersStrangersAndOrdersWithoutEmail) {
  const OrderMix mix{.test_every = 10, .no_email_every = 20, .stranger_every = 25};
  std::set<std::string> known, ids, hooks;
  for (const SampleContact& contact : sample_contacts(mix)) known.insert(contact.email);
  EXPECT_EQ(known.size(), mix.customers);
  int tests = 0, without = 0, strangers = 0;
  for (const SampleOrder& order : sample_orders(100, mix)) {
    const auto body = json::parse(order.body);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->root()["test"].as_bool(), order.test);
    EXPECT_EQ(body->root()["email"].as_string(), order.email);
    EXPECT_EQ(body->root()["order_number"].as_int64(), order.number);
    ids.insert(std::string(body->root()["id"].number_text()));
    hooks.insert(order.webhook_id);
    tests += order.test;
    without += order.email.empty();
    strangers += !order.email.empty() && !known.contains(order.email);
    EXPECT_TRUE(order.email.empty() || order.email.ends_with("@example.com")) << order.email;
    EXPECT_GT(order.body.size(), 1000u);
  }
  EXPECT_EQ(ids.size(), 100u);
  EXPECT_EQ(hooks.size(), 100u);
  EXPECT_EQ(tests, 10);
  EXPECT_EQ(without, 5);
  EXPECT_EQ(strangers, 3) << "4 less the one without e-mail";
}

// Every member that `ours` has must be one of the vendor's, of the same kind where the vendor's is not null.
void expect_known(json::Value ours, json::Value vendors, const std::string& where) {
  for (const auto [key, value] : ours.members()) {
    const std::string path = where + "." + std::string(key);
    ASSERT_TRUE(vendors.has(key)) << path << " is not in the vendor's sample";
    const json::Value theirs = vendors[key];
    EXPECT_TRUE(theirs.is_null() || value.is_null() || value.kind() == theirs.kind()) << path;
    if (value.is_object()) expect_known(value, theirs, path);
    if (value.is_array() && value.size() > 0 && theirs.size() > 0)
      expect_known(value.at(0), theirs.at(0), path + "[0]");
  }
}

TEST(Orders, HaveOnlyMembersThatTheVendorsSampleHas) {
  const std::string file = "../shared/vendor-specs/shopify/samples/webhook-orders-create.json";
  std::ifstream in(file);
  if (!in) GTEST_SKIP() << file << " is not there";
  const auto vendors = json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
  ASSERT_TRUE(vendors);
  for (const SampleOrder& order : sample_orders(40)) {
    const auto ours = json::parse(order.body);
    ASSERT_TRUE(ours);
    expect_known(ours->root(), vendors->root(), "order");
  }
  // What flows and the manifest read.
  const auto ours = json::parse(sample_orders(1).front().body);
  for (const char* read : {"id", "admin_graphql_api_id", "order_number", "email", "contact_email", "customer",
                           "current_total_price", "created_at", "updated_at", "test", "line_items"})
    EXPECT_TRUE(ours->root().has(read)) << read;
}

}  // namespace
}  // namespace tieline::sandbox
