// The mapping language beside libjq, in one run: a Shopify order becomes a HubSpot deal, parse, run and print.
// Times are the process's own (user and system), so that a busy machine does not blur them; compare in one run only.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

extern "C" {
#include <jq.h>
}

#include "json/program.h"
#include "json/value.h"

namespace tieline {
namespace {

// About 1.5 KB, as Shopify sends orders; its numbers fit doubles, since libjq alters all others.
std::string order() {
  std::string text =
      R"({"id":5678901234567,"admin_graphql_api_id":"gid://shopify/Order/5678901234567","app_id":580111,)"
      R"("browser_ip":"203.0.113.7","cancel_reason":null,"cancelled_at":null,"confirmed":true,"currency":"EUR",)"
      R"("contact_email":"ada.almond@example.com","created_at":"2026-11-23T10:00:00+01:00",)"
      R"("current_subtotal_price":"195.00","current_total_price":"199.95","current_total_tax":"31.92",)"
      R"("email":"ada.almond@example.com","financial_status":"paid","fulfillment_status":null,"name":"#1042",)"
      R"("note":"Please ring twice \u2014 the bell is quiet","number":42,"order_number":1042,"phone":null,)"
      R"("processed_at":"2026-11-23T10:00:00+01:00","source_name":"web","subtotal_price":"195.00",)"
      R"("tags":"wholesale, eu",)"
      R"("test":false,"total_discounts":"0.00","total_price":"199.95","updated_at":"2026-11-23T10:00:05+01:00",)"
      R"("customer":{"id":7012345678901,"email":"ada.almond@example.com","first_name":"Ada","last_name":"Almond",)"
      R"("state":"enabled","verified_email":true,"currency":"EUR"},)"
      R"("billing_address":{"first_name":"Ada","last_name":"Almond","address1":"1 Exchange Square","city":"Hamburg",)"
      R"("zip":"20095","country":"Germany","country_code":"DE","phone":null},"line_items":[)";
  for (int i = 0; i < 2; ++i) {
    text += std::string(i == 0 ? "" : ",") + R"({"id":1234567890)" + std::to_string(123 + i) +
            R"(,"title":"Copper patch cord, 2 m","sku":"TL-CORD-2","quantity":)" + std::to_string(i + 1) +
            R"(,"price":"12.90","taxable":true,"total_discount":"0.00","variant_id":4455667788990})";
  }
  return text + "]}";
}

// The fastest of several rounds, in microseconds for each.
template <class F>
double fastest(int count, F&& once) {
  double best = 1e9;
  for (int round = 0; round < 7; ++round) {
    const std::clock_t start = std::clock();
    for (int i = 0; i < count; ++i) once();
    best = std::min(best, static_cast<double>(std::clock() - start) * 1e6 / CLOCKS_PER_SEC / count);
  }
  return best;
}

struct Times {
  double compile = 0;
  double run = 0;
  double whole = 0;  // parse, run, print
  std::string printed;
};

// This program's own parser, machine and printer.
Times ours(const std::string& source, const std::string& input, int count) {
  Times times;
  const auto program = json::compile(source, {}, {});
  if (!program) {
    std::fprintf(stderr, "%s\n", program.error().text().c_str());
    std::exit(1);
  }
  times.compile = fastest(std::max(1, count / 100), [&] { (void)json::compile(source, {}, {}); });
  const auto document = json::parse(input);
  times.run = fastest(count, [&] { (void)(*program)->run(*document, {}, {}); });
  times.whole = fastest(count, [&] {
    const auto parsed = json::parse(input);
    const auto outputs = (*program)->run(*parsed, {}, {});
    times.printed.clear();
    if (outputs) {
      for (const json::Document& output : *outputs) json::print_to(times.printed, output.root());
    }
  });
  return times;
}

// libjq in process, by its own means: jv_parse, jq_next, jv_dump.
Times theirs(const std::string& source, const std::string& input, int count) {
  Times times;
  times.compile = fastest(std::max(1, count / 1000), [&] {
    jq_state* state = jq_init();
    jq_compile(state, source.c_str());
    jq_teardown(&state);
  });
  jq_state* state = jq_init();
  if (jq_compile(state, source.c_str()) == 0) std::exit(1);
  const jv document = jv_parse(input.c_str());
  const auto run = [&](jv value, std::string* printed) {
    jq_start(state, value, 0);
    for (jv output = jq_next(state); jv_is_valid(output); output = jq_next(state)) {
      if (printed == nullptr) {
        jv_free(output);
        continue;
      }
      const jv text = jv_dump_string(output, 0);
      printed->append(jv_string_value(text));
      jv_free(text);
    }
  };
  times.run = fastest(count, [&] { run(jv_copy(document), nullptr); });
  times.whole = fastest(count, [&] {
    times.printed.clear();
    run(jv_parse_sized(input.data(), static_cast<int>(input.size())), &times.printed);
  });
  jv_free(document);
  jq_teardown(&state);
  return times;
}

void compare(const char* name, const std::string& source, const std::string& input, int count) {
  const Times a = ours(source, input, count);
  const Times b = theirs(source, input, std::max(1, count / 10));
  const bool same = json::equal(json::parse(a.printed)->root(), json::parse(b.printed)->root());
  std::printf("%-14s %10.1f %10.0f %9.2f %9.2f %9.2f %9.2f %8.1f x%s\n", name, a.compile, b.compile, a.run, b.run,
              a.whole, b.whole, b.whole / a.whole, same ? "" : "  (results differ)");
}

}  // namespace
}  // namespace tieline

int main() {
  using namespace tieline;
  const std::string input = order();
  std::printf("order of %zu bytes; microseconds\n", input.size());
  std::printf("%-14s %10s %10s %9s %9s %9s %9s %10s\n", "program", "compile", "libjq", "run", "libjq", "whole", "libjq",
              "times");
  const std::string deal = R"jq({shopify_order_id: .admin_graphql_api_id, dealname: "Order \(.order_number)", )jq"
                           R"jq(amount: .current_total_price, )jq"
                           R"(pipeline: "default", dealstage: "closedwon", closedate: .created_at})";
  compare("order to deal", deal, input, 20000);
  compare(".email", ".email", input, 20000);
  compare("fallbacks", R"jq((.email // .contact_email // .customer.email // "" | ascii_downcase))jq", input, 20000);
  compare("line items",
          R"jq([.line_items[] | {sku, total: (.quantity * (.price | tonumber)), name: "\(.title) x\(.quantity)"}])jq",
          input, 20000);
  compare("select, map",
          R"jq([.line_items[] | select(.quantity > 1) | .sku], (.line_items | map(.quantity) | add) | tojson)jq", input,
          20000);
  std::string items = "[";
  for (int i = 0; i < 10000; ++i) {
    items += std::string(i == 0 ? "" : ",") + R"({"k":"category )" + std::to_string(i * 7919 % 97) + R"(","v":)" +
             std::to_string(i) + "}";
  }
  items += "]";
  compare("group_by 10k", "group_by(.k) | map({k: .[0].k, v: (map(.v) | add)})", items, 20);
  compare("reduce 10k", "reduce .[] as $x ({}; .[$x.k] += $x.v)", items, 20);
  compare("by id 10k", "INDEX(.v)", items, 3);
  return 0;
}
