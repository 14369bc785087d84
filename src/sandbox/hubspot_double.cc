// HubSpot: contacts, deals and the associations between them. Bodies and errors follow HubSpot's public API
// specification (CRM objects v3, associations v4); it must never take what that specification refuses.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/text.h"
#include "sandbox/double.h"
#include "sandbox/hubspot_objects.h"

namespace tieline::sandbox {
namespace {

constexpr std::size_t kBatchMax = 100;
constexpr std::size_t kListMax = 100, kSearchMax = 200, kSearchedMax = 10'000;
constexpr std::string_view kCorrelation = "00000000-0000-4000-8000-000000000000";

using Object = HubspotObject;
using Names = std::vector<std::string>;

struct Kind {
  std::string_view type;    // as the associations API numbers it
  std::string_view plural;  // as paths and the state name it
  std::string_view singular;
  std::string_view unique;  // the property by which an object may be found and that two cannot share; or empty
  std::array<std::string_view, 5> by_default;  // properties of an answer that asks for none
};
constexpr std::array<Kind, 4> kKinds{
    {{"0-1", "contacts", "contact", "email", {"email", "firstname", "lastname", "", ""}},
     {"0-3", "deals", "deal", "shopify_order_id", {"amount", "closedate", "dealname", "dealstage", "pipeline"}},
     {"0-2", "companies", "company", "", {"domain", "name", "", "", ""}},
     {"0-8", "line_items", "line_item", "", {"amount", "hs_product_id", "quantity", "", ""}}}};
const Kind* kind_of(std::string_view name) {
  for (const Kind& kind : kKinds) {
    if (name == kind.type || name == kind.plural || name == kind.singular) return &kind;
  }
  return nullptr;
}

Reply error(int status, std::string_view category, std::string_view message) {
  json::Builder out;
  out.begin_object().key("status").string("error").key("message").string(message);
  out.key("correlationId").string(kCorrelation).key("category").string(category);
  return json_reply(status, out.end_object().finish());
}
Reply invalid(std::string_view message) { return error(400, "VALIDATION_ERROR", message); }
Reply not_found() { return error(404, "OBJECT_NOT_FOUND", "Object not found. objectId are usually numeric."); }

void put_properties(json::Builder& out, const Object& object, const Names* only) {
  out.key("properties").begin_object();
  for (const auto& [name, value] : object.properties) {
    const bool always = name == "hs_object_id" || name == "createdate" || name.ends_with("lastmodifieddate");
    if (only == nullptr || always || std::ranges::find(*only, name) != only->end()) out.key(name).string(value);
  }
  out.end_object();
}

// All members of an object in an answer, inside an open object; `only` those properties.
void put_members(json::Builder& out, const Object& object, const Names* only) {
  out.key("id").string(object.id);
  put_properties(out, object, only);
  out.key("createdAt").string(object.created).key("updatedAt").string(object.updated).key("archived").boolean(false);
}

Names asked_for(const Kind& kind, const Call& call) {
  Names names;
  for (const auto& [key, value] : call.query) {
    if (key != "properties") continue;
    for (const std::string_view name : split(value, ',')) names.emplace_back(name);
  }
  for (const std::string_view name : kind.by_default) names.emplace_back(name);
  return names;
}

struct Link {
  const Kind* from;
  std::string from_id;
  const Kind* to;
  std::string to_id;
  auto operator<=>(const Link&) const = default;
};

class HubspotDouble final : public Double {
 public:
  HubspotDouble(DoubleOptions options, Clock& clock) : Double("hubspot", std::move(options), clock) {
    route("GET", "/account-info/v3/details", [](const Call&) { return account(); });
    serve_objects("POST", "/crm/v3/objects/{type}/search", &HubspotDouble::search);
    serve_objects("POST", "/crm/v3/objects/{type}/batch/upsert", &HubspotDouble::upsert);
    serve_objects("POST", "/crm/v3/objects/{type}/batch/read", &HubspotDouble::read);
    serve_objects("POST", "/crm/v3/objects/{type}", &HubspotDouble::create);
    serve_objects("GET", "/crm/v3/objects/{type}", &HubspotDouble::list);
    serve_objects("GET", "/crm/v3/objects/{type}/{id}", &HubspotDouble::get);
    serve_objects("PATCH", "/crm/v3/objects/{type}/{id}", &HubspotDouble::update);
    route("PUT", "/crm/v4/objects/{from}/{from_id}/associations/default/{to}/{to_id}",
          [this](const Call& call) { return associate(call); });
  }

  void add_contact(std::string_view email, std::string_view first, std::string_view last) {
    Object& object = add(kKinds[0]);
    object.updated = object.properties["lastmodifieddate"] = object.created;
    object.properties["email"] = to_lower(email);
    object.properties["firstname"] = first;
    object.properties["lastname"] = last;
  }

 protected:
  Reply trouble(Trouble what, const Over& over) const override {
    switch (what) {
      case Trouble::kUnauthorized:
        return error(401, "INVALID_AUTHENTICATION",
                     "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can "
                     "find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview");
      case Trouble::kRateLimited: return limited(over);
      case Trouble::kNoSuchPath: return error(404, "OBJECT_NOT_FOUND", "Unable to find resource");
      case Trouble::kBadBody: return invalid("Invalid input JSON on line 1, column 1");
      case Trouble::kUnavailable: return {.status = 503, .headers = {}, .body = "upstream connect error"};
    }
    return {};
  }

  // Search answers carry no rate headers.
  void tell(const Limit& limit, double used, Reply& reply) const override {
    if (limit.name == "search") return;
    const bool daily = limit.name == "daily";
    const std::string name = daily ? "X-HubSpot-RateLimit-Daily" : "X-HubSpot-RateLimit-Max";
    const std::string left = daily ? "X-HubSpot-RateLimit-Daily-Remaining" : "X-HubSpot-RateLimit-Remaining";
    reply.headers.emplace_back(name, std::to_string(static_cast<std::int64_t>(limit.count)));
    reply.headers.emplace_back(left, std::to_string(static_cast<std::int64_t>(limit.count - used)));
    if (!daily)
      reply.headers.emplace_back("X-HubSpot-RateLimit-Interval-Milliseconds",
                                 std::to_string(limit.window.count() / 1000));
  }

  void put_state(json::Builder& out) const override {
    for (const Kind& kind : kKinds) {
      out.key(kind.plural).begin_array();
      const auto objects = objects_.find(kind.type);
      if (objects != objects_.end()) {
        for (const auto& [id, object] : objects->second) {
          out.begin_object();
          put_members(out, object, nullptr);
          out.end_object();
        }
      }
      out.end_array();
    }
    out.key("associations").begin_array();
    for (const Link& link : links_)
      out.string(std::string(link.from->plural) + "/" + link.from_id + " " + std::string(link.to->plural) + "/" +
                 link.to_id);
    out.end_array();
  }

 private:
  using Method = Reply (HubspotDouble::*)(const Kind&, const Call&);
  void serve_objects(std::string method, std::string_view pattern, Method handler) {
    route(std::move(method), pattern, [this, handler](const Call& call) {
      const Kind* kind = kind_of(call.path[0]);
      if (kind == nullptr) return invalid("Unable to infer object type from: " + call.path[0]);
      return (this->*handler)(*kind, call);
    });
  }

  static Reply account() {
    json::Builder out;
    out.begin_object().key("portalId").integer(1).key("accountType").string("DEVELOPER_TEST");
    out.key("timeZone").string("Europe/Berlin").key("companyCurrency").string("EUR");
    out.key("additionalCurrencies").begin_array().end_array().key("utcOffset").string("+01:00");
    out.key("utcOffsetMilliseconds").integer(3'600'000).key("uiDomain").string("app.hubspot.com");
    return json_reply(200, out.key("dataHostingLocation").string("eu1").end_object().finish());
  }

  static Reply limited(const Over& over) {
    const std::string_view name = over.limit == nullptr ? "burst" : std::string_view(over.limit->name);
    const std::string policy = name == "daily" ? "DAILY" : name == "search" ? "SECONDLY" : "TEN_SECONDLY_ROLLING";
    json::Builder out;
    out.begin_object().key("status").string("error").key("message").string("You have reached your " + to_lower(policy) +
                                                                           " limit.");
    out.key("errorType").string("RATE_LIMIT").key("category").string("RATE_LIMITS").key("policyName").string(policy);
    Reply reply = json_reply(429, out.key("correlationId").string(kCorrelation).end_object().finish());
    const std::int64_t window_ms = over.limit == nullptr ? 10'000 : over.limit->window.count() / 1000;
    if (name != "search")
      reply.headers.emplace_back("X-HubSpot-RateLimit-Interval-Milliseconds", std::to_string(window_ms));
    return reply;
  }

  // Null when `properties` may be kept, else the refusal: nothing but scalars, and no unique value of another object.
  std::optional<Reply> refuse(const Kind& kind, json::Value properties, const Object* self) {
    if (!properties.is_object()) return invalid("properties is required");
    for (const auto [name, value] : properties.members()) {
      if (value.is_object() || value.is_array())
        return invalid("Invalid input JSON: property \"" + std::string(name) + "\" is not a text");
    }
    const std::string unique = hubspot_text(properties[kind.unique]);
    const Object* other = unique.empty() ? nullptr : find(kind, kind.unique, unique);
    if (other == nullptr || other == self) return std::nullopt;
    if (kind.plural == "contacts") return error(409, "CONFLICT", "Contact already exists. Existing ID: " + other->id);
    return invalid("Property values were not valid: " + std::string(kind.unique) + " \"" + unique +
                   "\" is already the value of " + other->id);
  }

  void apply(const Kind& kind, Object& object, json::Value properties) {
    for (const auto [name, value] : properties.members()) {
      const std::string text = hubspot_text(value);
      object.properties[std::string(name)] = name == "email" ? to_lower(text) : text;
    }
    object.updated = format_time(clock().now());
    object.properties[kind.plural == "contacts" ? "lastmodifieddate" : "hs_lastmodifieddate"] = object.updated;
  }

  Object& add(const Kind& kind) {
    const std::string id = next_id();
    Object& object = objects_[kind.type][id];
    object.id = id;
    object.created = format_time(clock().now());
    object.properties["hs_object_id"] = id;
    object.properties["createdate"] = object.created;
    return object;
  }

  Object* find(const Kind& kind, std::string_view property, std::string_view value) {
    for (auto& [id, object] : objects_[kind.type]) {
      if (has_property(object, property.empty() ? "hs_object_id" : property, value)) return &object;
    }
    return nullptr;
  }

  Reply search(const Kind& kind, const Call& call) {
    const json::Value body = call.body.root();
    for (const char* required : {"filterGroups", "properties", "sorts", "limit", "after"}) {
      if (!body.has(required)) return invalid("Invalid input JSON: missing " + std::string(required));
    }
    const std::size_t limit = hubspot_number(body["limit"].number_text(), 0),
                      after = hubspot_number(hubspot_text(body["after"]), 0);
    if (limit < 1 || limit > kSearchMax) return invalid("limit must be between 1 and 200");
    if (after + limit > kSearchedMax) return invalid("a search gives its first 10,000 results");
    Names properties;
    for (const json::Value name : body["properties"].elements()) properties.push_back(hubspot_text(name));
    const auto found = hubspot_search(objects_[kind.type], body);
    if (!found) return invalid(found.error().message);
    const std::size_t end = std::min(after + limit, found->size());
    json::Builder out;
    out.begin_object().key("total").integer(static_cast<std::int64_t>(found->size())).key("results").begin_array();
    for (std::size_t i = after; i < end; ++i) put_object(out, *(*found)[i], &properties);
    out.end_array();
    if (end < found->size()) put_next(out, std::to_string(end));
    return json_reply(200, out.end_object().finish());
  }

  static void put_object(json::Builder& out, const Object& object, const Names* only) {
    out.begin_object();
    put_members(out, object, only);
    out.end_object();
  }

  static void put_next(json::Builder& out, std::string_view after) {
    out.key("paging").begin_object().key("next").begin_object().key("after").string(after).end_object().end_object();
  }

  // In the order of their ids; a page begins behind the last one of the page before.
  Reply list(const Kind& kind, const Call& call) {
    const std::size_t limit = hubspot_number(call.query_value("limit"), call.query_value("limit").empty() ? 10 : 0);
    if (limit < 1 || limit > kListMax) return invalid("limit must be between 1 and 100");
    const Names properties = asked_for(kind, call);
    const HubspotObjects& objects = objects_[kind.type];
    const bool archived = call.query_value("archived") == "true";  // this double archives nothing
    auto next = archived ? objects.end() : objects.upper_bound(std::string(call.query_value("after")));
    json::Builder out;
    out.begin_object().key("results").begin_array();
    std::string last;
    for (std::size_t i = 0; i < limit && next != objects.end(); ++i, ++next) {
      put_object(out, next->second, &properties);
      last = next->first;
    }
    out.end_array();
    if (next != objects.end()) put_next(out, last);
    return json_reply(200, out.end_object().finish());
  }

  Reply upsert(const Kind& kind, const Call& call) {
    const json::Value inputs = call.body.root()["inputs"];
    if (!inputs.is_array()) return invalid("inputs is required");
    if (inputs.size() > kBatchMax) return invalid("a batch holds at most 100 inputs");
    for (const json::Value input : inputs.elements()) {
      const std::string_view property = input["idProperty"].as_string(), value = input["id"].as_string();
      if (property.empty() || value.empty()) return invalid("inputs need idProperty and id");
      if (const auto no = refuse(kind, input["properties"], find(kind, property, value))) return *no;
    }
    const std::string started = format_time(clock().now());
    json::Builder out;
    out.begin_object().key("status").string("COMPLETE").key("results").begin_array();
    for (const json::Value input : inputs.elements()) {
      const std::string property(input["idProperty"].as_string()), value(input["id"].as_string());
      Object* object = find(kind, property, value);
      const bool fresh = object == nullptr;
      if (fresh) {
        object = &add(kind);
        object->properties[property] = property == "email" ? to_lower(value) : value;
      }
      apply(kind, *object, input["properties"]);
      out.begin_object();
      put_members(out, *object, nullptr);
      out.key("new").boolean(fresh).end_object();
    }
    out.end_array().key("startedAt").string(started).key("completedAt").string(format_time(clock().now()));
    return json_reply(200, out.end_object().finish());
  }

  // What is not there is an error beside the others' results.
  Reply read(const Kind& kind, const Call& call) {
    const json::Value body = call.body.root(), inputs = body["inputs"];
    for (const char* required : {"inputs", "properties", "propertiesWithHistory"}) {
      if (!body[required].is_array()) return invalid("Invalid input JSON: missing " + std::string(required));
    }
    if (inputs.size() > kBatchMax) return invalid("a batch holds at most 100 inputs");
    Names properties, gone;
    for (const json::Value name : body["properties"].elements()) properties.push_back(hubspot_text(name));
    const std::string now = format_time(clock().now());
    json::Builder out;
    out.begin_object().key("status").string("COMPLETE").key("results").begin_array();
    for (const json::Value input : inputs.elements()) {
      const std::string id = hubspot_text(input["id"]);
      const Object* object = find(kind, body["idProperty"].as_string(), id);
      if (object == nullptr) gone.push_back(id);
      if (object == nullptr) continue;
      out.begin_object();
      put_members(out, *object, &properties);
      out.end_object();
    }
    out.end_array().key("startedAt").string(now).key("completedAt").string(now);
    if (!gone.empty()) {
      out.key("numErrors").integer(1).key("errors").begin_array().begin_object().key("status").string("error");
      out.key("category").string("OBJECT_NOT_FOUND").key("message").string("Could not get some objects");
      out.key("context").begin_object().key("ids").begin_array();
      for (const std::string& id : gone) out.string(id);
      out.end_array().end_object().end_object().end_array();
    }
    return json_reply(gone.empty() ? 200 : 207, out.end_object().finish());
  }

  Reply create(const Kind& kind, const Call& call) {
    const json::Value body = call.body.root();
    if (const auto no = refuse(kind, body["properties"], nullptr)) return *no;
    if (!body["associations"].is_array()) return invalid("associations is required");
    for (const json::Value association : body["associations"].elements()) {
      if (find(kKinds[0], "", hubspot_text(association["to"]["id"])) == nullptr)
        return invalid("No contact with ID " + hubspot_text(association["to"]["id"]) + " exists");
    }
    Object& object = add(kind);
    apply(kind, object, body["properties"]);
    for (const json::Value association : body["associations"].elements())
      tie({&kind, object.id, &kKinds[0], hubspot_text(association["to"]["id"])});
    return answer(201, object, nullptr);
  }

  Reply get(const Kind& kind, const Call& call) {
    const Object* object = find(kind, call.query_value("idProperty"), call.path[1]);
    if (object == nullptr) return not_found();
    const Names properties = asked_for(kind, call);
    json::Builder out;
    out.begin_object();
    put_members(out, *object, &properties);
    put_links(out, kind, *object, call);
    return json_reply(200, out.end_object().finish());
  }

  Reply update(const Kind& kind, const Call& call) {
    Object* object = find(kind, call.query_value("idProperty"), call.path[1]);
    if (object == nullptr) return not_found();
    if (const auto no = refuse(kind, call.body.root()["properties"], object)) return *no;
    apply(kind, *object, call.body.root()["properties"]);
    return answer(200, *object, nullptr);
  }

  static Reply answer(int status, const Object& object, const Names* only) {
    json::Builder out;
    out.begin_object();
    put_members(out, object, only);
    return json_reply(status, out.end_object().finish());
  }

  // The associated objects that `associations` asks for, by the names it asks with.
  void put_links(json::Builder& out, const Kind& kind, const Object& object, const Call& call) const {
    Names wanted;
    for (const auto& [key, value] : call.query) {
      if (key != "associations") continue;
      for (const std::string_view name : split(value, ',')) wanted.emplace_back(name);
    }
    json::Builder each;
    each.begin_object();
    bool any = false;
    for (const std::string& name : wanted) {
      const Kind* to = kind_of(name);
      std::vector<std::string> ids;
      for (const Link& link : links_) {
        if (link.from == &kind && link.from_id == object.id && link.to == to) ids.push_back(link.to_id);
      }
      if (ids.empty()) continue;  // HubSpot leaves out what there is none of
      any = true;
      each.key(name).begin_object().key("results").begin_array();
      for (const std::string& id : ids) {
        each.begin_object().key("id").string(id).key("type").string(std::string(kind.singular) + "_to_" +
                                                                    std::string(to->singular));
        each.end_object();
      }
      each.end_array().end_object();
    }
    const json::Document links = each.end_object().finish();
    if (any) out.key("associations").copy(links.root());
  }

  void tie(const Link& link) {
    links_.insert(link);
    links_.insert({link.to, link.to_id, link.from, link.from_id});
  }

  Reply associate(const Call& call) {
    const Kind *from = kind_of(call.path[0]), *to = kind_of(call.path[2]);
    if (from == nullptr || to == nullptr) return invalid("Unable to infer object type");
    if (find(*from, "", call.path[1]) == nullptr || find(*to, "", call.path[3]) == nullptr)
      return error(404, "OBJECT_NOT_FOUND", "One or more objects were not found.");
    const Link link{from, call.path[1], to, call.path[3]};
    tie(link);
    const std::string now = format_time(clock().now());
    json::Builder out;
    out.begin_object().key("status").string("COMPLETE").key("results").begin_array();
    put_association(out, link);
    put_association(out, {link.to, link.to_id, link.from, link.from_id});
    out.end_array().key("startedAt").string(now).key("completedAt").string(now);
    return json_reply(200, out.end_object().finish());
  }

  static std::int64_t association_type(const Link& link) {
    const std::string_view from = link.from->plural, to = link.to->plural;
    if (from == "deals") return to == "contacts" ? 3 : to == "companies" ? 341 : 19;
    return from == "contacts" ? 4 : from == "companies" ? 342 : 20;
  }

  static void put_association(json::Builder& out, const Link& link) {
    out.begin_object().key("from").begin_object().key("id").string(link.from_id).end_object();
    out.key("to").begin_object().key("id").string(link.to_id).end_object();
    out.key("associationSpec").begin_object().key("associationCategory").string("HUBSPOT_DEFINED");
    out.key("associationTypeId").integer(association_type(link)).end_object().end_object();
  }

  std::map<std::string_view, HubspotObjects> objects_;  // by type
  std::set<Link> links_;                                // both ways
};

}  // namespace

std::unique_ptr<Double> make_hubspot_double(DoubleOptions options, Clock& clock) {
  return std::make_unique<HubspotDouble>(std::move(options), clock);
}

void add_hubspot_contact(Double& hubspot, std::string_view email, std::string_view first, std::string_view last) {
  auto* self = dynamic_cast<HubspotDouble*>(&hubspot);
  CHECK(self != nullptr);
  self->add_contact(email, first, last);
}

}  // namespace tieline::sandbox
