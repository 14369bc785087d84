#include "json/schema.h"

#include <gtest/gtest.h>

#include "json/number.h"
#include "json/schema/ecma_pattern.h"

namespace tieline::json {
namespace {

Document doc(std::string text) {
  auto parsed = parse(std::move(text));
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed ? *parsed : Document();
}

std::shared_ptr<const Schema> schema_of(const std::string& text, bool formats = false) {
  std::vector<SchemaProblem> problems;
  auto schema = compile_schema(doc(text), {.uri = "order.json", .assert_formats = formats}, problems);
  for (const SchemaProblem& problem : problems) ADD_FAILURE() << problem.pointer << ": " << problem.message;
  return schema;
}

std::string faults(const std::string& schema, const std::string& document, const SchemaLimits& limits = {}) {
  const auto compiled = schema_of(schema);
  if (compiled == nullptr) return "no schema";
  std::string out;
  for (const SchemaFault& fault : compiled->check(doc(document).root(), limits))
    out += (out.empty() ? "" : "; ") + fault.text();
  EXPECT_EQ(out.empty(), compiled->fits(doc(document).root(), limits)) << document;
  return out;
}

std::string problems_of(const std::string& schema) {
  std::vector<SchemaProblem> problems;
  compile_schema(doc(schema), {.uri = "order.json"}, problems);
  std::string out;
  for (const SchemaProblem& problem : problems)
    out += (out.empty() ? "" : "; ") + std::string(problem.warning ? "warning " : "") + problem.pointer + ": " +
           problem.message;
  return out;
}

TEST(Schema, SaysWhereAndWhat) {
  const std::string order = R"({
    "type": "object", "required": ["id", "lines"],
    "properties": {
      "id": {"type": "integer"},
      "email": {"type": "string", "minLength": 3},
      "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}}
    },
    "additionalProperties": false,
    "$defs": {"line": {"type": "object", "required": ["sku"],
                       "properties": {"qty": {"type": "integer", "minimum": 1}, "sku": {"pattern": "^[A-Z]+-\\d+$"}}}}
  })";
  struct Case {
    const char *document, *said;
  };
  const Case cases[] = {
      {R"({"id": 1, "lines": [{"sku": "A-1", "qty": 2}]})", ""},
      {R"({"id": 1, "lines": [{"sku": "A-1"}, {"sku": "A-1", "qty": 0}]})", "/lines/1/qty: must be at least 1, is 0"},
      {R"({"id": 1.0, "lines": []})", "/lines: must have at least 1 element, has 0"},
      {R"({"id": 1.5, "lines": [{"sku": "A"}]})",
       "/id: must be a whole number, is 1.5; /lines/0/sku: must match ^[A-Z]+-\\d+$"},
      {R"({"id": 1})", "\"lines\" is missing"},
      {R"([])", "must be an object, is an array"},
      {R"({"id": 1, "lines": [{}], "a/b~c": 1})", "/lines/0: \"sku\" is missing; /a~1b~0c: is not allowed here"},
      {R"({"id": 1, "email": "", "lines": [{"sku": "A-1"}]})", "/email: must have at least 3 characters, has 0"},
  };
  for (const Case& c : cases) {
    std::string said = c.said;
    if (said.find("has 0") != std::string::npos && said.starts_with("/email")) said = "/email: must not be empty";
    EXPECT_EQ(faults(order, c.document), said) << c.document;
  }
  const auto compiled = schema_of(order);
  const auto found = compiled->check(doc(R"({"id": 1, "lines": [{"sku": "A-1", "qty": 0}]})").root());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].schema, "order.json#/$defs/line/properties/qty/minimum");
}

TEST(Schema, BlamesNothingForWhatAnotherPartRefused) {
  const std::string in_parts = R"({"allOf": [{"properties": {"a": {"type": "integer"}, "b": {}}}],
                                   "properties": {"c": {"minimum": 1}}, "unevaluatedProperties": false})";
  EXPECT_EQ(faults(in_parts, R"({"a": "x", "b": 1})"), "/a: must be a whole number, is a string");
  EXPECT_EQ(faults(in_parts, R"({"a": 1, "c": 0, "d": 1})"), "/c: must be at least 1, is 0; /d: is not allowed here");
  EXPECT_EQ(faults(R"({"$ref": "#/$defs/t", "unevaluatedItems": false,
                       "$defs": {"t": {"prefixItems": [{"type": "integer"}, {}]}}})",
                   R"(["x", 1])"),
            "/0: must be a whole number, is a string");
}

TEST(Schema, CutsWhatIsTooLongToSay) {
  const std::string key(900'000, 'k');
  std::string said =
      faults(R"({"additionalProperties": {"properties": {"a": {"maximum": 1}}}})", "{\"" + key + "\": {\"a\": 2}}");
  EXPECT_LT(said.size(), 400u);
  EXPECT_NE(said.find("kk… (899800 bytes more)/a: must be at most 1, is 2"), std::string::npos) << said;
  said = faults(R"({"additionalProperties": false})", "{\"" + key + "\": 1, \"" + key + "1\": 1}");
  EXPECT_LT(said.size(), 800u);
  const std::string name(150, 'n');
  std::string deep = "2";
  for (int i = 0; i < 100; ++i) deep = "{\"" + name + "\": " + deep + "}";
  said = faults(R"({"maximum": 1, "additionalProperties": {"$ref": "#"}})", deep);
  EXPECT_LT(said.size(), 2'500u);
  EXPECT_NE(said.find("n/…: must be at most 1, is 2"), std::string::npos) << said;
}

TEST(Schema, ManyLongIdsAreToldApart) {
  std::string ids = "[";
  for (std::int64_t id = 1'000'000'000'000'000'000; ids.size() < 600'000; ++id)
    ids += (ids.size() > 1 ? "," : "") + std::to_string(id);
  EXPECT_EQ(faults(R"({"uniqueItems": true})", ids + "]", {.steps_max = 10'000}), "");
}

TEST(Schema, SaysNoTextOfTheDocument) {
  EXPECT_EQ(faults(R"({"properties": {"iban": {"maxLength": 2, "type": "string"}}})", R"({"iban": "DE89"})"),
            "/iban: must have at most 2 characters, has 4");
  EXPECT_EQ(faults(R"({"enum": ["open", "closed", 3]})", R"("DE89")"), "must be one of \"open\", \"closed\", 3");
  EXPECT_EQ(faults(R"({"oneOf": [{"type": "integer"}, {"properties": {"a": {"const": 1}}, "type": "object"}]})",
                   R"({"a": "DE89"})"),
            "must be one of 2 things, and is none; nearest: /a: must be 1");
  // Names and numbers stand in it: who reads an error must find the place.
  EXPECT_EQ(faults(R"({"additionalProperties": {"multipleOf": 10}})", R"({"amount": 49.9})"),
            "/amount: must be a multiple of 10, is 49.9");
}

TEST(Schema, IsExactAtAnySize) {
  EXPECT_EQ(faults(R"({"maximum": 9007199254740992})", "9007199254740993"),
            "must be at most 9007199254740992, is 9007199254740993");
  EXPECT_EQ(faults(R"({"exclusiveMaximum": 0.3})", "0.29999999999999999999"), "");
  EXPECT_EQ(faults(R"({"exclusiveMinimum": 1e400})", "1e400"), "must be more than 1e400, is 1e400");
  EXPECT_EQ(faults(R"({"const": 1.10})", "1.1"), "");
  EXPECT_EQ(faults(R"({"uniqueItems": true})", "[1, 2, 1.0]"), "must have no two equal elements; 0 and 2 are");
  EXPECT_EQ(faults(R"({"uniqueItems": true})", "[9007199254740992, 9007199254740993]"), "");
  EXPECT_EQ(faults(R"({"type": "integer"})", "12345678901234567890123e-2"),
            "must be a whole number, is 12345678901234567890123e-2");
}

TEST(Schema, MultiplesAreExact) {
  struct Case {
    const char *number, *divisor;
    bool multiple;
  };
  const Case cases[] = {
      {"0.3", "0.1", true},
      {"19.99", "0.01", true},
      {"19.995", "0.01", false},
      {"0", "7", true},
      {"-21", "7", true},
      {"1e308", "0.5", true},
      {"1e-9", "1e-8", false},
      {"4.5", "1.5", true},
      {"1e1000", "3", false},
      {"3e1000", "3", true},
      {"0.0075", "0.0001", true},
      {"1e5000000000", "7", false},
      {"123456789012345678901234567891", "1234567890", false},
      {"12345678901234567890123456789000", "123456789012345678901234567890", true},
      {"12345678901234567890123456789001", "123456789012345678901234567890", false},
      {"246913578024691357802469135780", "123456789012345678901234567890", true},
      {"1e40", "1024e20", true},
      {"12.50", "2.5", true},
  };
  for (const Case& c : cases) EXPECT_EQ(is_multiple(c.number, c.divisor), c.multiple) << c.number << " / " << c.divisor;
}

TEST(Schema, AsksOfReferencesWhoeverHoldsThem) {
  std::vector<std::string> asked;
  const auto documents = [&](const std::string& uri) -> std::optional<Document> {
    asked.push_back(uri);
    if (uri == "schemas/customer.json")
      return doc(R"({"type": "object", "properties": {"of": {"$ref": "order.json#/$defs/id"}}})");
    return std::nullopt;
  };
  std::vector<SchemaProblem> problems;
  const auto schema = compile_schema(
      doc(R"({"properties": {"customer": {"$ref": "customer.json"}}, "$defs": {"id": {"type": "integer"}}})"),
      {.uri = "schemas/order.json", .documents = documents}, problems);
  ASSERT_NE(schema, nullptr);
  EXPECT_EQ(asked, std::vector<std::string>{"schemas/customer.json"});
  EXPECT_FALSE(schema->fits(doc(R"({"customer": {"of": "x"}})").root()));
  EXPECT_TRUE(schema->fits(doc(R"({"customer": {"of": 3}})").root()));
  EXPECT_EQ(compile_schema(doc(R"({"$ref": "https://example.com/x.json"})"), {.documents = documents}, problems),
            nullptr);
  EXPECT_NE(problems.back().message.find("there is no schema https://example.com/x.json"), std::string::npos);
}

TEST(Schema, EndsWhateverItRefersTo) {
  EXPECT_EQ(faults(R"({"$ref": "#"})", "1"), "the schema refers to itself more deeply than 1000");
  EXPECT_EQ(faults(R"({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#"}]}}})", "1"),
            "the schema refers to itself more deeply than 1000");
  const std::string doubling = R"({"$ref": "#/$defs/a", "$defs": {
    "a": {"anyOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]},
    "b": {"anyOf": [{"$ref": "#/$defs/c"}, {"$ref": "#/$defs/c"}]},
    "c": {"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "array", "items": {"$ref": "#"}}]}}})";
  const auto schema = schema_of(doubling);
  const std::string nested = std::string(60, '[') + "1" + std::string(60, ']');
  const auto found = schema->check(doc(nested).root(), {.steps_max = 100'000});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(schema->fits(doc(nested).root(), {.steps_max = 100'000}));
}

TEST(Schema, KeepsToItsNumberOfFaults) {
  const auto schema = schema_of(R"({"items": {"type": "string"}})");
  std::string many = "[0";
  for (int i = 0; i < 100; ++i) many += ",0";
  EXPECT_EQ(schema->check(doc(many + "]").root(), {.faults_max = 3}).size(), 3u);
}

TEST(Schema, SaysWhatIsWrongWithItself) {
  struct Case {
    const char *schema, *said;
  };
  const Case cases[] = {
      {R"({"propertys": {}})",
       "warning /propertys: \"propertys\" is no keyword of JSON Schema 2020-12, so it says nothing; did you mean "
       "\"properties\"?"},
      {R"({"x-note": 1})", ""},
      {R"({"type": "sting"})",
       "/type: \"sting\" is no type: write one of null, boolean, number, string, array, object, integer; did you mean "
       "\"string\"?"},
      {R"({"type": [7]})",
       "/type: a number is no type: write one of null, boolean, number, string, array, object, integer"},
      {R"({"properties": {"a": 1}})", "/properties/a: a schema is a map, true or false, not a number"},
      {R"({"minimum": "1"})", "/minimum: `minimum` is a number, not a string"},
      {R"({"exclusiveMinimum": true})",
       "/exclusiveMinimum: `exclusiveMinimum` is a number, not a boolean: since draft 6 it is the bound itself"},
      {R"({"items": [{}]})", "/items: `items` is one schema for all elements: write `prefixItems` for a list of them"},
      {R"({"minLength": -1})", "/minLength: `minLength` is a whole number from 0"},
      {R"({"pattern": "("})", "/pattern: the pattern ( is none of ECMA-262: a `(` is not closed"},
      {R"({"required": "id"})", "/required: `required` lists names of members"},
      {R"({"$ref": "#/$defs/nothing"})", "/$ref: `#/$defs/nothing` leads to no schema"},
      {R"({"$schema": "http://json-schema.org/draft-07/schema#"})",
       "/$schema: only JSON Schema 2020-12 is read: write \"https://json-schema.org/draft/2020-12/schema\" and what it "
       "asks for"},
      {R"({"then": {}})", "warning /then: `then` without `if` says nothing"},
      {R"({"multipleOf": 0})", "/multipleOf: `multipleOf` is above 0"},
  };
  for (const Case& c : cases) EXPECT_EQ(problems_of(c.schema), c.said) << c.schema;
}

TEST(Schema, AssertsFormatsOnlyWhenAsked) {
  const std::string schema = R"({"format": "date"})";
  EXPECT_TRUE(schema_of(schema)->fits(doc("\"2026-02-30\"").root()));
  EXPECT_FALSE(schema_of(schema, true)->fits(doc("\"2026-02-30\"").root()));
  EXPECT_TRUE(schema_of(schema, true)->fits(doc("\"2024-02-29\"").root()));
  EXPECT_TRUE(schema_of(schema, true)->fits(doc("3").root()));
}

TEST(EcmaPattern, MeansWhatJavaScriptMeans) {
  struct Case {
    const char *pattern, *text;
    bool found;
  };
  const Case cases[] = {
      {"^a$", "a\n", false},
      {"^b", "a\nb", false},
      {"a.b", "a\rb", false},
      {"^\\d$", "\u0663", false},
      {"^\\w$", "\u00e9", false},
      {"^\\s$", "\u00a0", true},
      {"^\\s$", "\ufeff", true},
      {"\\bx\\b", "\u00e9x", true},
      {"^[^]$", "\n", true},
      {"[]", "", false},
      {"^\\u00e9$", "\u00e9", true},
      {"^\\u{1F600}$", "\U0001F600", true},
      {"^\\ud83d\\ude00$", "\U0001F600", true},
      {"^\\p{Lu}$", "\u00c4", true},
      {"^\\p{Script=Greek}+$", "\u03b1\u03b2", true},
      {"^[\\d-]+$", "1-2", true},
      {"^[\\D]$", "1", false},
      {"^(?<y>\\d+)-\\k<y>$", "12-12", true},
      {"^(a)\\1$", "aa", true},
      {"^a{2,3}$", "aa", true},
      {"^{x}$", "{x}", true},
      {"^[a&&b]$", "&", true},
      {"\\/", "/", true},
      {"", "", true},
  };
  for (const Case& c : cases) {
    const auto compiled = schema::EcmaPattern::compile(c.pattern);
    ASSERT_TRUE(compiled) << c.pattern << ": " << compiled.error().message;
    EXPECT_EQ(compiled->found_in(c.text), c.found) << c.pattern;
  }
  for (const char* const wrong : {"(", ")", "a**", "*", "\\Z", "(?i)a", "[a", "\\", "\\p{", "\\u12", "a++"})
    EXPECT_FALSE(schema::EcmaPattern::compile(wrong)) << wrong;
  const auto slow = schema::EcmaPattern::compile("^(a+)+$");
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->found_in(std::string(60, 'a') + "b"), std::nullopt);
}

}  // namespace
}  // namespace tieline::json
