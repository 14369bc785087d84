// Shopify: reads of the shop, of orders and customers in pages, and GraphQL as far as its cost and its refusals.
// Bodies follow the Admin API's documentation; it must never serve a page that Shopify would refuse.
#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "base/text.h"
#include "sandbox/double.h"
#include "sandbox/form.h"
#include "sandbox/orders.h"

namespace tieline::sandbox {
namespace {

constexpr std::size_t kOrders = 300;
constexpr std::string_view kShopGid = "gid://shopify/Shop/1";
constexpr double kMutationPoints = 10;

Reply error(int status, std::string_view message) {
  json::Builder out;
  return json_reply(status, out.begin_object().key("errors").string(message).end_object().finish());
}

std::size_t number(std::string_view text, std::size_t otherwise) {
  std::size_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

// A page of a list: where it begins, and what was asked for on the first page.
struct Page {
  std::size_t first = 0, limit = 50;
  std::string status, created_at_min, updated_at_min, fields;
};

// `page_info` is opaque to the client.
std::string page_info(const Page& page) {
  return to_hex("first=" + std::to_string(page.first) + "&status=" + page.status + "&created_at_min=" +
                percent_encode(page.created_at_min) + "&updated_at_min=" + percent_encode(page.updated_at_min));
}

Result<Page> read_page(const Call& call) {
  Page page;
  std::vector<std::pair<std::string, std::string>> query = call.query;
  if (const std::string_view info = call.query_value("page_info"); !info.empty()) {
    for (const auto& [name, value] : call.query) {
      if (name != "page_info" && name != "limit" && name != "fields")
        return failure(Code::kInvalid, name + " cannot be passed with page_info");
    }
    const auto text = from_hex(info);
    if (!text) return failure(Code::kInvalid, "Invalid value for page_info");
    for (auto& pair : parse_form(*text)) query.push_back(std::move(pair));
  }
  for (const auto& [name, value] : query) {
    if (name == "first") page.first = number(value, 0);
    if (name == "limit") page.limit = number(value, 0);
    if (name == "status") page.status = value;
    if (name == "fields") page.fields = value;
    if (name != "created_at_min" && name != "updated_at_min") continue;
    if (!value.empty() && !parse_time(value)) return failure(Code::kInvalid, "Invalid value for " + name);
    (name == "created_at_min" ? page.created_at_min : page.updated_at_min) = value;
  }
  if (page.limit < 1 || page.limit > 250) return failure(Code::kInvalid, "limit must be between 1 and 250");
  return page;
}

bool not_before(json::Value time, const std::string& least) {
  const auto bound = parse_time(least), at = parse_time(time.as_string());
  return !bound || (at && *at >= *bound);
}

bool wanted(const Page& page, json::Value thing) {
  const bool open = page.status != "closed" && page.status != "cancelled";  // all orders here are open
  return open && not_before(thing["created_at"], page.created_at_min) &&
         not_before(thing["updated_at"], page.updated_at_min);
}

void put_thing(json::Builder& out, json::Value thing, const std::string& fields) {
  if (fields.empty()) {
    out.copy(thing);
    return;
  }
  out.begin_object();
  for (const std::string_view name : split(fields, ',')) {
    if (thing.has(trim(name))) out.key(trim(name)).copy(thing[trim(name)]);
  }
  out.end_object();
}

// The first field of an operation: "shop" of "query { shop { name } }".
std::string_view first_field(std::string_view query) {
  constexpr std::string_view kName = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  const std::size_t open = query.find('{');
  if (open == std::string_view::npos) return {};
  const std::size_t begin = query.find_first_of(kName, open);
  if (begin == std::string_view::npos) return {};
  return query.substr(begin, std::min(query.find_first_not_of(kName, begin), query.size()) - begin);
}

class ShopifyDouble final : public Double {
 public:
  ShopifyDouble(DoubleOptions options, Clock& clock) : Double("shopify", std::move(options), clock) {
    for (const SampleOrder& order : sample_orders(kOrders)) {
      if (auto document = json::parse(order.body)) orders_.push_back(std::move(*document));
    }
    std::ranges::reverse(orders_);  // newest first, as Shopify lists them
    for (const json::Document& order : orders_) add_customer(order);
    route("GET", "/shop.json", [](const Call&) {
      json::Builder out;
      out.begin_object().key("shop").begin_object().key("id").integer(1).key("name").string("Double");
      out.key("email").string("shop@example.com").key("currency").string("EUR").key("plan_name").string("basic");
      out.key("myshopify_domain").string("double.myshopify.com").key("iana_timezone").string("Europe/Berlin");
      return json_reply(200, out.end_object().end_object().finish());
    });
    route("GET", "/orders.json", [this](const Call& call) { return list(call, orders_, "orders"); });
    route("GET", "/customers.json", [this](const Call& call) { return list(call, customers_, "customers"); });
    route("GET", "/orders/{id}.json", [this](const Call& call) { return get(call.path[0], "order"); });
    route("GET", "/customers/{id}.json", [this](const Call& call) { return get(call.path[0], "customer"); });
    route("POST", "/graphql.json", [](const Call& call) { return graphql(call.body.root()); });
  }

 protected:
  Reply trouble(Trouble what, const Over& over) const override {
    switch (what) {
      case Trouble::kUnauthorized:
        return error(401, "[API] Invalid API key or access token (unrecognized login or wrong password)");
      case Trouble::kRateLimited: {
        if (over.limit != nullptr && over.limit->points) return throttled(over);
        Reply reply = error(
            429, "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service.");
        reply.headers.emplace_back("Retry-After", "2.0");
        return reply;
      }
      case Trouble::kNoSuchPath: return error(404, "Not Found");
      case Trouble::kBadBody: return error(400, "Bad Request");
      case Trouble::kUnavailable: return {.status = 503, .headers = {}, .body = "Service Unavailable"};
    }
    return {};
  }

  double points(const Call& call) const override {
    return trim(call.body.root()["query"].as_string()).starts_with("mutation") ? kMutationPoints : 1;
  }

  void tell(const Limit& limit, double used, Reply& reply) const override {
    if (!limit.points) {
      reply.headers.emplace_back("X-Shopify-Shop-Api-Call-Limit", std::to_string(static_cast<int>(used + 0.999)) + "/" +
                                                                      std::to_string(static_cast<int>(limit.count)));
      return;
    }
    const auto body = json::parse(reply.body);
    if (!body || !body->root().is_object()) return;
    json::Builder out;
    out.begin_object();
    for (const auto [key, value] : body->root().members()) out.key(key).copy(value);
    put_cost(out, limit, 1, limit.count - used);
    reply.body = json::print(out.end_object().finish().root());
  }

  void put_state(json::Builder& out) const override {
    out.key("orders").integer(static_cast<std::int64_t>(orders_.size()));
  }

 private:
  static void put_cost(json::Builder& out, const Limit& limit, double cost, double left) {
    out.key("extensions").begin_object().key("cost").begin_object().key("requestedQueryCost").real(cost);
    out.key("actualQueryCost").real(cost).key("throttleStatus").begin_object();
    out.key("maximumAvailable").real(limit.count).key("currentlyAvailable").real(std::max(0.0, left));
    out.key("restoreRate").real(limit.count * 1e6 / static_cast<double>(limit.window.count()));
    out.end_object().end_object().end_object();
  }

  static void put_error(json::Builder& out, std::string_view message, std::string_view code) {
    out.key("errors").begin_array().begin_object().key("message").string(message);
    out.key("extensions").begin_object().key("code").string(code).end_object().end_object().end_array();
  }

  // A refusal in a 200: it cost nothing, and the missing points follow from the wait.
  static Reply throttled(const Over& over) {
    const double rate = over.limit->count * 1e6 / static_cast<double>(over.limit->window.count());
    const double lacking = static_cast<double>(over.wait.count()) / 1e6 * rate;
    json::Builder out;
    out.begin_object();
    put_error(out, "Throttled", "THROTTLED");
    put_cost(out, *over.limit, std::max(1.0, lacking), std::max(1.0, lacking) - lacking);
    return json_reply(200, out.end_object().finish());
  }

  // Knows the field `shop`; all else is refused as Shopify refuses a field that its schema does not have.
  static Reply graphql(json::Value body) {
    const std::string_view query = trim(body["query"].as_string()), field = first_field(query);
    const bool mutation = query.starts_with("mutation");
    json::Builder out;
    out.begin_object();
    if (!mutation && field == "shop") {
      out.key("data").begin_object().key("shop").begin_object().key("id").string(kShopGid).key("name").string("Double");
      out.key("myshopifyDomain").string("double.myshopify.com").end_object().end_object();
    } else {
      put_error(out,
                "Field '" + std::string(field) + "' doesn't exist on type '" + (mutation ? "Mutation" : "QueryRoot") +
                    "' (this double knows the field shop only)",
                "undefinedField");
    }
    return json_reply(200, out.end_object().finish());
  }

  // Of an order; changed when he ordered last.
  void add_customer(const json::Document& order) {
    const json::Value customer = order.root()["customer"], times = order.root();
    const auto is_there = [&](const json::Document& other) {
      return other.root()["id"].number_text() == customer["id"].number_text();
    };
    if (!customer.is_object() || std::ranges::any_of(customers_, is_there)) return;
    json::Builder out;
    out.begin_object();
    for (const auto [name, value] : customer.members()) out.key(name).copy(value);
    for (const char* time : {"created_at", "updated_at"}) {
      if (!customer.has(time)) out.key(time).copy(times[time]);
    }
    customers_.push_back(out.end_object().finish());
  }

  Reply list(const Call& call, const std::vector<json::Document>& things, std::string_view name) {
    const auto page = read_page(call);
    if (!page) return error(400, page.error().message);
    std::vector<json::Value> fitting;
    for (const json::Document& thing : things) {
      if (wanted(*page, thing.root())) fitting.push_back(thing.root());
    }
    json::Builder out;
    out.begin_object().key(name).begin_array();
    const std::size_t end = std::min(page->first + page->limit, fitting.size());
    for (std::size_t i = page->first; i < end; ++i) put_thing(out, fitting[i], page->fields);
    Reply reply = json_reply(200, out.end_array().end_object().finish());
    if (end < fitting.size()) {
      Page next = *page;
      next.first = end;
      const std::string host(find_header(call.request->headers, "Host"));
      reply.headers.emplace_back("Link", "<http://" + host + call.base + "/" + std::string(name) +
                                             ".json?limit=" + std::to_string(page->limit) +
                                             "&page_info=" + page_info(next) + ">; rel=\"next\"");
    }
    return reply;
  }

  Reply get(const std::string& id, std::string_view kind) {
    for (const json::Document& order : orders_) {
      const json::Value found = kind == "order" ? order.root() : order.root()["customer"];
      if (found["id"].number_text() != id) continue;
      json::Builder out;
      return json_reply(200, out.begin_object().key(kind).copy(found).end_object().finish());
    }
    return error(404, "Not Found");
  }

  std::vector<json::Document> orders_, customers_;
};

}  // namespace

std::unique_ptr<Double> make_shopify_double(DoubleOptions options, Clock& clock) {
  return std::make_unique<ShopifyDouble>(std::move(options), clock);
}

}  // namespace tieline::sandbox
