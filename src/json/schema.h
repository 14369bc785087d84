// JSON Schema 2020-12 (json-schema.org/draft/2020-12/json-schema-core, …-validation): compiled once, then asked of
// documents as they stand in memory. It must never fetch anything: a schema sees only the documents it is handed.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"

namespace tieline::json {

// What of a document does not fit, and where.
struct SchemaFault {
  // JSON pointer into the document: "/lines/3/qty"; empty: the document itself. Long names and long pointers are cut.
  std::string instance;
  std::string schema;   // the keyword that says so: "schemas/order.json#/$defs/line/properties/qty/minimum"
  std::string message;  // "must be at least 1, is 0"; of the document's: names and numbers, no text

  std::string text() const;  // "/lines/3/qty: must be at least 1, is 0"
};

struct SchemaLimits {
  std::size_t faults_max = 20;
  std::size_t depth_max = 1'000;       // schemas within schemas, through references
  std::size_t steps_max = 10'000'000;  // schemas and elements looked at
};

// Compiled; immutable: may be asked by any number of threads at a time.
class Schema {
 public:
  virtual ~Schema() = default;
  // What does not fit, at most faults_max of it; empty when all fits. A document that takes more steps or is nested
  // more deeply than the limits say has a fault that says so.
  virtual std::vector<SchemaFault> check(Value document, const SchemaLimits& limits = {}) const = 0;
  // The same answer without the reasons, sooner.
  virtual bool fits(Value document, const SchemaLimits& limits = {}) const = 0;
};

// What is wrong with a schema itself.
struct SchemaProblem {
  bool warning = false;  // it means something, though probably not what was meant
  std::string uri;       // of the document, as SchemaOptions has it or as it was asked for
  std::string pointer;   // of the value, or of the member whose name is wrong
  std::string message;
};

struct SchemaOptions {
  std::string uri;  // where the schema is from: what relative references are resolved against
  // `format` is an annotation unless this asks for it, or the schema's metaschema does (format-assertion).
  bool assert_formats = false;
  // The document that a reference names, by its absolute URI without a fragment; nothing where there is none. Asked
  // once for each. The metaschemas of 2020-12 are known without it. One that is null stands for a document that is
  // there and cannot be read: who asks gets no schema, and no other problem for it.
  std::function<std::optional<Document>(const std::string& uri)> documents = {};
};

// Null when a problem is an error. Understood: all vocabularies of 2020-12 (core, applicator, unevaluated, validation,
// format, content, meta-data), embedded resources, $dynamicRef, and metaschemas of one's own with $vocabulary.
// `pattern` is ECMA-262 with the flag u. Asserted formats: date-time date time duration email idn-email hostname ipv4
// ipv6 uri uri-reference iri iri-reference uri-template uuid json-pointer relative-json-pointer regex; idn-hostname is
// checked as far as its length. Numbers are compared exactly at any size.
std::shared_ptr<const Schema> compile_schema(const Document& schema, const SchemaOptions& options,
                                             std::vector<SchemaProblem>& problems);

// RFC 3986 §5: `reference` as seen from `base`; without a base, as it stands.
std::string resolve_uri(std::string_view base, std::string_view reference);

}  // namespace tieline::json
