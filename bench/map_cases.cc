#include "map_cases.h"

namespace tieline::bench {
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

// In no order: 97 keys, and as many different values as items.
std::string items(int count) {
  std::string text = "[";
  for (int i = 0; i < count; ++i) {
    text += std::string(i == 0 ? "" : ",") + R"({"k":"category )" + std::to_string(i * 7919 % 97) + R"(","v":)" +
            std::to_string(i * 7919L % count) + "}";
  }
  return text + "]";
}

// One member of 64 KB, a piece over and over.
std::string long_text(std::string_view piece) {
  std::string text = R"({"body":")";
  while (text.size() < (64u << 10)) text += piece;
  return text + "\"}";
}

}  // namespace

const std::vector<MapCase>& map_cases() {
  static const std::string small = order(), many = items(10000), some = items(1000);
  static const std::string clean = long_text("The quick brown fox jumps over the lazy dog, and then it sleeps. ");
  static const std::string escaped =
      long_text(R"(The quick brown fox\njumps over the \"lazy\" dog, and then\tit sleeps. )");
  static const std::string foreign = long_text("Größe: 12 × 8, geprüft für Köln; 東京都千代田区丸の内一丁目。 ");
  static const std::vector<MapCase> cases = {
      {"order to deal",
       R"jq({shopify_order_id: .admin_graphql_api_id, dealname: "Order \(.order_number)", )jq"
       R"jq(amount: .current_total_price, pipeline: "default", dealstage: "closedwon", closedate: .created_at})jq",
       "", &small, 12},
      {".email", ".email", "", &small, 12},
      {"fallbacks", R"jq(.email // .contact_email // .customer.email // "" | ascii_downcase)jq", "", &small, 12},
      {"line items",
       R"jq([.line_items[] | {sku, total: (.quantity * (.price | tonumber)), name: "\(.title) x\(.quantity)"}])jq", "",
       &small, 8},
      {"select, map", "[.line_items[] | select(.quantity > 1) | .sku], (.line_items | map(.quantity) | add) | tojson",
       "", &small, 8},
      {"interpolation",
       R"jq("\(.name): \(.customer.first_name) \(.customer.last_name), \(.total_price) \(.currency), )jq"
       R"jq(\(.line_items | length) lines, \(.billing_address.city)")jq",
       "", &small, 8},
      {"regex",
       R"jq((.created_at | sub("T.*$"; "")), (.name | test("^#[0-9]+$")), (.note | gsub("[aeiou]"; "_")), )jq"
       R"jq((.contact_email | capture("@(?<host>.+)$") | .host))jq",
       "", &small, 8},
      {"deep update",
       R"jq(.customer.email |= ascii_downcase | .line_items[].price |= tonumber | .billing_address.zip = "20096" | )jq"
       R"jq(.line_items[0].quantity += 1 | del(.note))jq",
       "", &small, 8},
      {"with_entries", R"jq(.customer | with_entries(select(.value != null) | .key |= "customer_" + .))jq", "", &small,
       8},
      {"money", R"jq((.total_price | decimal), (.order_number | from_minor("EUR")))jq",
       "(.total_price | tonumber), (.order_number / 100)", &small, 8},
      {"json in json", "tojson | fromjson | .customer | tojson", "", &small, 5},
      {"clean text", ".body + \"!\"", "", &clean, 8},
      {"escaped text", ".body + \"!\"", "", &escaped, 5},
      {"foreign text", ".body + \"!\"", "", &foreign, 5},
      {"group_by 10k", "group_by(.k) | map({k: .[0].k, v: (map(.v) | add)})", "", &many, 3},
      {"sort_by 10k", "sort_by(.v) | map(.v)", "", &many, 3},
      {"unique_by 10k", "unique_by(.k) | map(.k)", "", &many, 3},
      {"reduce 10k", "reduce .[] as $x ({}; .[\"\\($x.k) \\($x.v)\"] = $x.v)", "", &many, 3},
      {"totals 10k", "reduce .[] as $x ({}; .[$x.k] += $x.v)", "", &many, 3},
      {"join 10k",
       R"jq((map(.k) | join(",") | length), (map([.v]) | add | length), (map({(.k): .v}) | add | length))jq", "", &many,
       3},
      {"paths 1k", "[paths] | length", "", &some, 3},
      {"by id 1k", "INDEX(.v)", "", &some, 3},
  };
  return cases;
}

}  // namespace tieline::bench
