// From documents to a Compiled: finds every schema and its resource, resolves references, reads keywords. Used once.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "json/schema/model.h"

namespace tieline::json::schema {

// Which keywords mean something (Core §4.3.3).
struct Vocabularies {
  bool applicator = true, unevaluated = true, validation = true, format_assertion = false;
};

class Compiler {
 public:
  Compiler(const SchemaOptions& options, std::vector<SchemaProblem>& problems)
      : options_(options), problems_(problems), compiled_(std::make_shared<Compiled>()) {}
  std::shared_ptr<const Schema> run(const Document& schema);

 private:
  static constexpr std::size_t kSchemasMax = 50'000;

  // A resource while it is compiled.
  struct Draft {
    Resource* resource = nullptr;
    Value root;
    std::size_t document = 0;
    std::string pointer;  // of its root in the document
    Vocabularies vocabularies;
    std::map<std::string, Value, std::less<>> anchors;
    std::set<std::string, std::less<>> dynamic;
  };
  // Where a schema stands.
  struct Place {
    std::size_t draft = 0;
    std::string pointer;  // in the document
  };
  struct Target {
    Value value;
    std::size_t draft = 0;
    std::string dynamic_anchor;
  };

  // Documents and references (references.cc).
  bool add_document(const Document& document, const std::string& uri);
  void index(Value value, std::size_t draft, std::string pointer);
  void index_below(Value value, std::size_t draft, const std::string& pointer);
  std::size_t begin_resource(Value root, std::string uri, std::size_t document, std::string pointer,
                             Vocabularies inherited);
  Vocabularies vocabularies_of(Value root, std::size_t document, const std::string& pointer,
                               const Vocabularies& inherited);
  std::optional<Document> ask(const std::string& uri);
  std::optional<std::size_t> find_resource(const std::string& uri);
  std::optional<Target> find_target(std::size_t from, std::string_view reference, const std::string& pointer,
                                    std::string_view keyword);
  std::optional<Target> at_pointer(std::size_t draft, std::string_view pointer);

  // Keywords (keywords.cc).
  const Check* compile(Value value, std::size_t draft, const std::string& pointer);
  void read_core(Check& check, Value value);
  void read_applicators(Check& check, Value value);
  void read_objects(Check& check, Value value);
  void read_validation(Check& check, Value value);
  void read_types(Check& check, Value value);
  void warn_of_names(Value value);
  const Check* sub(Value value, std::string_view keyword);
  std::vector<const Check*> subs(Value value, std::string_view keyword);
  std::optional<Bound> bound(Value value, std::string_view keyword);
  std::optional<std::size_t> count(Value value, std::string_view keyword);
  std::vector<std::string_view> names(Value value, const std::string& keyword);
  std::optional<Pattern> pattern(std::string_view source, const std::string& keyword);

  void problem(std::size_t document, std::string pointer, std::string message, bool warning = false) {
    problems_.push_back({warning, uris_[document], std::move(pointer), std::move(message)});
  }
  // Of the schema that is being read.
  void wrong(std::string_view keyword, std::string message, bool warning = false) {
    const std::string below = keyword.empty() ? "" : "/" + std::string(keyword);
    problem(drafts_[here_->draft].document, here_->pointer + below, std::move(message), warning);
  }

  const SchemaOptions& options_;
  std::vector<SchemaProblem>& problems_;
  std::shared_ptr<Compiled> compiled_;
  std::vector<std::string> uris_;  // of the documents
  std::vector<Draft> drafts_;
  std::map<std::string, std::size_t, std::less<>> by_uri_;
  std::map<std::string, std::optional<std::size_t>, std::less<>> asked_;
  std::unordered_map<const json::Node*, Place> places_;
  std::unordered_map<const json::Node*, Check*> checks_;
  std::vector<std::pair<Check*, Value>> pending_;  // made, not read
  const Place* here_ = nullptr;
  bool unreadable_ = false;  // a document that was asked for
};

// What a keyword of 2020-12 holds: schemas, or something else.
enum class Holds : std::uint8_t { kOther, kSchema, kSchemas, kSchemaMap };
// Nothing for a name that is no keyword.
std::optional<Holds> keyword_holds(std::string_view name);
std::vector<std::string> keyword_names();
std::string escape_pointer(std::string_view part);

}  // namespace tieline::json::schema
