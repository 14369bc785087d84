#include "sandbox/vendor_rules.h"

#include <gmock/gmock.h>

#include "base/text.h"
#include "sandbox/double_fixture.h"

namespace tieline::sandbox {
namespace {

const Limit* named(const VendorRules& rules, std::string_view name) {
  for (const Limit& limit : rules.limits) {
    if (limit.name == name) return &limit;
  }
  return nullptr;
}

TEST(VendorRules, CredentialsStandWhereEachMethodOfTheManifestPutsThem) {
  const struct {
    const char* vendor;
    std::vector<std::string> expected;
  } cases[] = {
      {"hubspot", {"Authorization: Bearer *", "Authorization: Bearer *"}},
      {"slack", {"Authorization: Bearer *"}},
      {"stripe", {"Authorization: Bearer *", "Authorization: Basic *:"}},
      {"shopify", {"X-Shopify-Access-Token: *"}},
  };
  for (const auto& one : cases) {
    std::vector<std::string> found;
    for (const CredentialHeader& header : manifest_rules(one.vendor).credentials)
      found.push_back(header.name + ": " + (header.basic ? "Basic " : "") + header.before + "*" + header.after);
    EXPECT_EQ(found, one.expected) << one.vendor;
  }
}

TEST(VendorRules, LimitsAreTheManifestsAndFollowTheVariables) {
  const VendorRules free = manifest_rules("hubspot"), addon = manifest_rules("hubspot", {{"tier", "addon"}});
  ASSERT_NE(named(free, "burst"), nullptr);
  EXPECT_EQ(named(free, "burst")->count, 100);
  EXPECT_EQ(named(addon, "burst")->count, 250);
  EXPECT_EQ(named(free, "burst")->window, 10s);
  EXPECT_EQ(named(free, "search")->applies, Limit::Applies::kNamed);
  EXPECT_EQ(named(free, "daily")->applies, Limit::Applies::kEvery);
  EXPECT_EQ(named(manifest_rules("hubspot", {{"tier", "oauth_app"}}), "daily"), nullptr)
      << "a value that is not listed: this bucket does not limit";

  const VendorRules shopify = manifest_rules("shopify", {{"plan", "advanced"}});
  EXPECT_EQ(named(shopify, "rest")->kind, Limit::Kind::kRestore);
  EXPECT_EQ(named(shopify, "rest")->count, 40);
  EXPECT_EQ(named(shopify, "rest")->window, 10s) << "4 a second fill 40";
  EXPECT_TRUE(named(shopify, "graphql")->points);
  EXPECT_THAT(named(manifest_rules("slack"), "post")->per_args, testing::ElementsAre("channel"));
  EXPECT_TRUE(named(manifest_rules("slack"), "tier4")->per_method);
}

TEST(VendorRules, TheProgramCarriesTheManifestOfEachDouble) {
  for (const std::string& vendor : doubled_vendors()) {
    const auto rules = embedded_rules(vendor);
    ASSERT_TRUE(rules) << rules.error().text();
    EXPECT_EQ(rules->actions.size(), manifest_rules(vendor).actions.size()) << vendor;
  }
  EXPECT_EQ(embedded_rules("unicorn").error().code, Code::kNotFound);
}

TEST(VendorRules, ABrokenManifestIsAnErrorWithItsPlace) {
  const auto rules = parse_rules("connector: x\nnonsense: 1\n", "x.yaml");
  ASSERT_FALSE(rules);
  EXPECT_THAT(rules.error().text(), testing::StartsWith("x.yaml:"));
}

// A path of the action with something in place of each placeholder.
std::string sample_path(const KnownAction& action) {
  std::string path;
  for (const std::string& segment : action.path)
    path += "/" + (is_placeholder(segment) ? "7" + segment.substr(segment.find('}') + 1) : segment);
  return path;
}

class EveryAction : public DoubleTest, public testing::WithParamInterface<std::string> {};

TEST_P(EveryAction, IsServedWithAndWithoutTheBasePath) {
  use(GetParam());
  const VendorRules rules = manifest_rules(GetParam());
  ASSERT_FALSE(rules.actions.empty());
  std::string base;
  for (const std::string& segment : rules.base_path) base += "/" + (is_placeholder(segment) ? "2026-07" : segment);
  for (const KnownAction& action : rules.actions) {
    for (const std::string& prefix : {std::string(), base}) {
      clock.advance(24h);
      ask(action.method, prefix + sample_path(action), GetParam() == "stripe" ? "" : "{}");
      EXPECT_EQ(count("unexpected"), 0u) << action.name << " " << state("unexpected");
    }
  }
  EXPECT_EQ(state("limited"), "0");
  EXPECT_EQ(state("unauthorized"), "0");
  ask("GET", "/no/such/path");
  EXPECT_EQ(state("unexpected"), "[\"GET /no/such/path\"]") << "the check above can fail";
}

INSTANTIATE_TEST_SUITE_P(Doubles, EveryAction, testing::ValuesIn(doubled_vendors()),
                         [](const auto& vendor) { return vendor.param; });

TEST(EmbeddedRules, AVariableThatTheVendorDoesNotHaveIsAMistake) {
  EXPECT_TRUE(embedded_rules("hubspot", {{"tier", "free"}}));
  const auto value = embedded_rules("hubspot", {{"tier", "fre"}}), name = embedded_rules("hubspot", {{"teir", "free"}});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, Code::kInvalid);
  EXPECT_NE(value.error().message.find("did you mean \"free\"?"), std::string::npos) << value.error().message;
  ASSERT_FALSE(name);
  EXPECT_NE(name.error().message.find("did you mean \"tier\"?"), std::string::npos) << name.error().message;
}

}  // namespace
}  // namespace tieline::sandbox
