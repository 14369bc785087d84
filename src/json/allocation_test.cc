// What a run takes from the system, counted: this program's own malloc stands before the C library's.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "json/program.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {
thread_local std::size_t allocations = 0;
}

extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);

void* malloc(std::size_t bytes) {
  ++allocations;
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  ++allocations;
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) {
  ++allocations;
  return __libc_realloc(memory, bytes);
}
}

namespace tieline::json {
namespace {

constexpr std::string_view kOrder =
    R"({"admin_graphql_api_id":"gid://shopify/Order/1","order_number":1042,"current_total_price":"199.95",)"
    R"("created_at":"2026-11-23T10:00:00+01:00","email":null,"contact_email":"ada.almond@example.com",)"
    R"("customer":{"first_name":"Ada","last_name":"Almond"},"line_items":[{"sku":"TL-1","quantity":1,"price":"1.50"},)"
    R"({"sku":"TL-2","quantity":2,"price":"12.90"}]})";

// A list of one document, and that document's memory.
constexpr std::size_t kResult = 2;

std::size_t allocations_of(std::string_view source, const std::vector<std::string>& names = {},
                           const std::vector<Document>& variables = {}) {
  const auto program = compile(source, names);
  const auto order = parse(std::string(kOrder));
  EXPECT_TRUE(program && order) << source;
  if (!program || !order) return 0;
  (void)(*program)->run(*order, variables, {});  // what a thread makes once
  const std::size_t before = allocations;
  const auto outputs = (*program)->run(*order, variables, {});
  const std::size_t made = allocations - before;
  EXPECT_TRUE(outputs) << source;
  return made;
}

TEST(Allocations, ACommonMappingMakesItsResultOnly) {
  EXPECT_EQ(allocations_of(R"jq({shopify_order_id: .admin_graphql_api_id, dealname: "Order \(.order_number)", )jq"
                           R"jq(amount: .current_total_price, pipeline: "default", dealstage: "closedwon", )jq"
                           R"jq(closedate: .created_at})jq"),
            kResult);
  EXPECT_EQ(allocations_of(".email"), kResult);
  EXPECT_EQ(allocations_of("."), kResult);
}

TEST(Allocations, NeitherDoFallbacksListsAndBindings) {
  for (const std::string_view source : {
           ".email // .contact_email // \"\" | ascii_downcase",
           R"jq([.line_items[] | {sku, total: (.quantity * (.price | tonumber)), name: "\(.sku) x\(.quantity)"}])jq",
           ".line_items | map(select(.quantity > 1)) | length",
           ".customer as {first_name: $f, last_name: $l} | if $f == null then $l else $f + \" \" + $l end",
           "reduce .line_items[] as $i (0; . + $i.quantity)",
           "def full: \"\\(.first_name) \\(.last_name)\"; .customer | full",
           ".customer.first_name |= ascii_upcase | .order_number += 1",
           ".created_at[:10], (.line_items | any(.quantity > 1))",
       }) {
    EXPECT_LE(allocations_of(source), source.find("[:10]") == source.npos ? kResult : 2 * kResult) << source;
  }
  EXPECT_EQ(allocations_of("{id: $id, deal: .order_number}", {"id"}, {make_integer(7)}), kResult);
}

TEST(Allocations, ATextThatGoesIntoADocumentMakesNone) {
  const auto text = compile(R"jq("Order \(.order_number)")jq", {});
  const auto order = parse(std::string(kOrder));
  ASSERT_TRUE(text && order);
  std::size_t made = 0;
  for (int round = 0; round < 2; ++round) {  // the first one makes the thread's spare memory
    Builder out;
    out.begin_array().string("the list's own memory");
    const std::size_t before = allocations;
    for (int i = 0; i < 5; ++i) ASSERT_TRUE((*text)->run_into(out, *order, {}));
    made = allocations - before;
    EXPECT_EQ(out.end_array().finish().root().at(5).as_string(), "Order 1042");
  }
  EXPECT_EQ(made, 0u);
}

TEST(Allocations, AreCounted) {
  // More than a run has room for without asking: the count can be wrong in no other way.
  EXPECT_GT(allocations_of("[range(10000)] | length"), kResult);
}

}  // namespace
}  // namespace tieline::json

#endif
