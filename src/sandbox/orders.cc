#include "sandbox/orders.h"

#include <array>
#include <cstdio>

#include "base/bytes.h"
#include "base/text.h"
#include "json/value.h"

namespace tieline::sandbox {
namespace {

constexpr std::array<const char*, 16> kFirstNames{"Ada",    "Grace",   "Edsger", "Barbara", "Alan",    "Radia",
                                                  "Donald", "Frances", "Tony",   "Hedy",    "Niklaus", "Karen",
                                                  "Dennis", "Joan",    "Ken",    "Jean"};
constexpr std::array<const char*, 16> kLastNames{"Almond", "Birch",  "Cedar",    "Dogwood", "Elm", "Fir",
                                                 "Ginkgo", "Hazel",  "Ironwood", "Juniper", "Koa", "Larch",
                                                 "Maple",  "Nutmeg", "Oak",      "Pine"};
struct Product {
  const char* title;
  const char* sku;
  std::int64_t cents;
};
constexpr std::array<Product, 6> kProducts{{{"Copper patch cord, 2 m", "TL-CORD-2", 1290},
                                            {"Relay rack, 19 inch", "TL-RACK-19", 34900},
                                            {"Line tester", "TL-TEST-1", 8450},
                                            {"Switchboard lamp (10)", "TL-LAMP-10", 1999},
                                            {"Jack field, 24 way", "TL-JACK-24", 15675},
                                            {"Headset", "TL-HEAD-3", 5900}}};

SampleContact person(std::size_t index) {
  const char* first = kFirstNames[index % kFirstNames.size()];
  const char* last = kLastNames[index / kFirstNames.size() % kLastNames.size()];
  const std::string suffix = index >= kFirstNames.size() * kLastNames.size() ? std::to_string(index) : "";
  return {to_lower(first) + "." + to_lower(last) + suffix + "@example.com", first, last};
}

std::string money(std::int64_t cents) {
  std::array<char, 32> out;
  const int n = std::snprintf(out.data(), out.size(), "%lld.%02d", static_cast<long long>(cents / 100),
                              static_cast<int>(cents % 100));
  return std::string(out.data(), static_cast<std::size_t>(n));
}

bool every(std::size_t index, std::uint32_t n) { return n != 0 && index % n == n - 1; }

void put_person(json::Builder& out, std::int64_t customer_id, const SampleContact& who, bool with_email) {
  out.begin_object().key("id").integer(customer_id);
  with_email ? out.key("email").string(who.email) : out.key("email").null();
  out.key("first_name").string(who.first_name).key("last_name").string(who.last_name);
  out.key("state").string("enabled").key("verified_email").boolean(true).key("currency").string("EUR");
  out.key("admin_graphql_api_id").string("gid://shopify/Customer/" + std::to_string(customer_id)).end_object();
}

void put_address(json::Builder& out, const SampleContact& who) {
  out.begin_object().key("first_name").string(who.first_name).key("last_name").string(who.last_name);
  out.key("address1").string("1 Exchange Square").key("city").string("Hamburg").key("zip").string("20095");
  out.key("country").string("Germany").key("country_code").string("DE").key("phone").null().end_object();
}

std::int64_t put_lines(json::Builder& out, Prng& prng, std::int64_t order_id) {
  std::int64_t total = 0;
  out.begin_array();
  const std::uint64_t lines = 1 + prng.below(2);
  for (std::uint64_t i = 0; i < lines; ++i) {
    const Product& product = kProducts[prng.below(kProducts.size())];
    const auto quantity = static_cast<std::int64_t>(1 + prng.below(3));
    total += product.cents * quantity;
    out.begin_object().key("id").integer(order_id * 10 + static_cast<std::int64_t>(i));
    out.key("title").string(product.title);
    out.key("sku").string(product.sku).key("quantity").integer(quantity).key("price").string(money(product.cents));
    out.key("vendor").string("Exchange Supplies").key("taxable").boolean(true).key("grams").integer(250);
    out.key("requires_shipping").boolean(true).end_object();
  }
  out.end_array();
  return total;
}

}  // namespace

std::vector<SampleContact> sample_contacts(const OrderMix& mix) {
  std::vector<SampleContact> contacts;
  for (std::size_t i = 0; i < mix.customers; ++i) contacts.push_back(person(i));
  return contacts;
}

std::vector<SampleOrder> sample_orders(std::size_t count, const OrderMix& mix) {
  std::vector<SampleOrder> orders;
  Prng prng(mix.seed);
  for (std::size_t i = 0; i < count; ++i) {
    SampleOrder order;
    order.number = 1001 + static_cast<std::int64_t>(i);
    order.test = every(i, mix.test_every);
    const bool with_email = !every(i, mix.no_email_every), stranger = every(i, mix.stranger_every);
    const std::size_t customer = stranger ? mix.customers + i : prng.below(mix.customers);
    const SampleContact who = person(customer);
    if (with_email) order.email = who.email;
    const std::int64_t id = 5'600'000'000'000 + order.number;
    const std::string created = format_time(mix.first + static_cast<int>(i) * std::chrono::seconds(90));

    json::Builder out;
    out.begin_object().key("id").integer(id);
    out.key("admin_graphql_api_id").string("gid://shopify/Order/" + std::to_string(id));
    out.key("order_number").integer(order.number).key("name").string("#" + std::to_string(order.number));
    with_email ? out.key("email").string(who.email) : out.key("email").null();
    out.key("contact_email").null().key("created_at").string(created).key("updated_at").string(created);
    out.key("test").boolean(order.test).key("currency").string("EUR").key("financial_status").string("paid");
    out.key("source_name").string("web").key("tags").string("").key("buyer_accepts_marketing").boolean(false);
    out.key("line_items");
    const std::int64_t total = put_lines(out, prng, id);
    out.key("current_total_price").string(money(total)).key("total_price").string(money(total));
    out.key("customer");
    put_person(out, 6'000'000 + static_cast<std::int64_t>(customer), who, with_email);
    out.key("billing_address");
    put_address(out, who);
    out.key("shipping_address");
    put_address(out, who);
    order.body = json::print(out.end_object().finish().root());
    order.webhook_id = to_hex(std::to_string(mix.seed)) + "-" + std::to_string(order.number);
    orders.push_back(std::move(order));
  }
  return orders;
}

}  // namespace tieline::sandbox
