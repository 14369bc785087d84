// Actions that take several items: what one answer says of each of them, and what a manifest may not say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connect/test_support.h"

namespace tieline::connect {
namespace {

using testing::HasSubstr;

std::string manifest(const std::string& each, const std::string& more = "repeatable: true",
                     const std::string& rows = "{ type: array }") {
  return R"(connector: warehouse
title: Warehouse
category: generic
base_url: https://warehouse.example.com
resources:
  customers:
    actions:
      upsert:
        post: /customers
        args: { key: array, rows: )" +
         rows + R"( }
        body: .
        )" +
         more + "\n        each: " + each + "\n";
}

ActionPtr action(const std::string& each, const std::string& more = "repeatable: true") {
  spec::Problems problems;
  const auto connector = Connector::load(manifest(each, more), "connectors/warehouse.yaml", problems);
  EXPECT_TRUE(problems.empty()) << problems.text();
  ConnectionSettings settings;
  settings.name = "warehouse";
  auto connection = connector->bind(settings);
  EXPECT_TRUE(connection.has_value()) << connection.error().text();
  return (*connection)->action("customers", "upsert");
}

std::string problem_of(const std::string& text) {
  spec::Problems problems;
  Connector::load(text, "connectors/warehouse.yaml", problems);
  return problems.text();
}

// "delivered {"id":1} | validation: no such key"
std::string judged(const ActionPtr& action, const std::string& answer, const std::string& items) {
  std::string out;
  const json::Document list = doc(items);
  for (const Verdict& one : action->judge_items(answered(200, answer), list.root())) {
    if (!out.empty()) out += " | ";
    out += std::string(category_name(one.category));
    out += one.category == Category::kDelivered ? " " + json::print(one.result.root()) : ": " + one.message;
  }
  return out;
}

TEST(Each, AnswersInTheItemsOrder) {
  const ActionPtr upsert = action("{ of: rows, max: 50, items: .results, ok: .ok, error: .why, result: .id }");
  EXPECT_EQ(upsert->items_arg(), "rows");
  EXPECT_EQ(upsert->items_max(), 50u);
  EXPECT_EQ(judged(upsert, R"({"results":[{"ok":true,"id":7},{"ok":false,"why":"no such key"}]})", "[1,2]"),
            "delivered 7 | validation: no such key");
  // Without a word of what was wrong the answer itself is shown.
  EXPECT_EQ(judged(upsert, R"({"results":[{"ok":false,"code":9}]})", "[1]"), R"(validation: {"ok":false,"code":9})");
}

TEST(Each, AStatusSaysWhatBecameOfTheItem) {
  const ActionPtr upsert = action("{ of: rows, status: .status, error: .why }");
  const auto of = [&](const std::string& status) {
    return judged(upsert, R"([{"status":)" + status + R"(,"why":"w"}])", "[1]");
  };
  EXPECT_EQ(of("201"), R"(delivered {"status":201,"why":"w"})");
  EXPECT_EQ(of(R"("204")"), R"(delivered {"status":"204","why":"w"})");
  EXPECT_EQ(of("409"), "conflict: w");
  EXPECT_EQ(of("422"), "validation: w");
  EXPECT_EQ(of("503"), "transient: w");
  EXPECT_EQ(of("429"), "transient: w");  // of one item: the budget of the others is not shut for it
  EXPECT_EQ(of("401"), "permanent: w");  // nor is the connection held for new credentials
  EXPECT_EQ(of(R"("what")"), "validation: w");
  EXPECT_EQ(of("null"), "validation: w");
}

TEST(Each, AnswersMayBeFoundByAName) {
  const ActionPtr upsert = action(
      "{ of: rows, items: .done + .failed, match: { item: .sku, answer: .ref }, ok: .error == null, error: .error }");
  EXPECT_EQ(judged(upsert, R"({"done":[{"ref":"b"}],"failed":[{"ref":"a","error":"sold out"}]})",
                   R"([{"sku":"a"},{"sku":"b"},{"sku":"c"},{}])"),
            R"(validation: sold out | delivered {"ref":"b"} | transient: the answer says nothing of this item | )"
            "transient: the answer says nothing of this item");
}

TEST(Each, ItemsOfOneNameHaveTheirOwnAnswersOrTheSame) {
  const ActionPtr upsert = action("{ of: rows, match: { item: .id, answer: .id }, status: .status, error: .why }");
  const std::string twice = R"([{"id":7},{"id":7}])";
  EXPECT_EQ(judged(upsert, R"([{"id":7,"status":200},{"id":7,"status":422,"why":"again"}])", twice),
            R"(delivered {"id":7,"status":200} | validation: again)");
  EXPECT_EQ(judged(upsert, R"([{"id":7,"status":422,"why":"no"}])", twice), "validation: no | validation: no");
  EXPECT_EQ(judged(upsert, R"([{"id":7,"status":200},{"id":7,"status":200}])", R"([{"id":7},{"id":7},{"id":7}])"),
            R"(delivered {"id":7,"status":200} | delivered {"id":7,"status":200} | )"
            "transient: the answer says nothing of this item");
}

TEST(Each, WhatIsNotSaidIsUnknownWhereItMayNotBeRepeated) {
  const std::string each = "{ of: rows, items: .results, ok: .ok }";
  EXPECT_EQ(judged(action(each), R"({"results":[{"ok":true}]})", "[1,2]"),
            "transient: the answer has not as many items as the request | "
            "transient: the answer has not as many items as the request");
  EXPECT_EQ(judged(action(each, "repeatable: false"), R"({"results":[{"ok":true}]})", "[1,2]"),
            "unknown: the answer has not as many items as the request | "
            "unknown: the answer has not as many items as the request");
  EXPECT_THAT(judged(action(each, "repeatable: false"), "{}", "[1]"),
              HasSubstr("unknown: the answer does not say what became of each item"));
}

TEST(Each, ManifestsSayWhatIsMissing) {
  EXPECT_THAT(problem_of(manifest("{ of: rows }")), HasSubstr("13:15: error: `ok` or `status` is needed"));
  EXPECT_THAT(problem_of(manifest("{ of: row, ok: . }")), HasSubstr("`row` is none of the action's args"));
  EXPECT_THAT(problem_of(manifest("{ of: rows, ok: . }", "repeatable: true", "{ type: array, required: true }")),
              HasSubstr("`rows` must be of type array and not required"));
  EXPECT_THAT(problem_of(manifest("{ of: rows, ok: . }", "safe: true")),
              HasSubstr("`each` is for actions that do more than read"));
  EXPECT_THAT(problem_of(manifest("{ of: rows, ok: . }", "idempotency: { into: header.Key, keep_for: 1d }")),
              HasSubstr("`each` cannot be with `idempotency`"));
  EXPECT_THAT(problem_of(manifest("{ of: rows, ok: . }", "result: .id")),
              HasSubstr("`each` says what a call gives: `result`, `returns` and `paginate` go"));
}

}  // namespace
}  // namespace tieline::connect
