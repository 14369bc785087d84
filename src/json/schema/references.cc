// Documents, the resources in them, and what a reference leads to (Core §8, §9).
#include <algorithm>
#include <array>

#include "base/embedded.h"
#include "base/text.h"
#include "json/schema/compiler.h"

namespace tieline::json {

std::span<const EmbeddedFile> embedded_files();

namespace {

struct Uri {
  std::string_view scheme, authority, path, query, fragment;
  bool has_scheme = false, has_authority = false, has_query = false, has_fragment = false;
};

Uri parts_of(std::string_view text) {
  Uri uri;
  const std::size_t hash = text.find('#');
  if (hash != std::string_view::npos) {
    uri.has_fragment = true;
    uri.fragment = text.substr(hash + 1);
    text = text.substr(0, hash);
  }
  const std::size_t question = text.find('?');
  if (question != std::string_view::npos) {
    uri.has_query = true;
    uri.query = text.substr(question + 1);
    text = text.substr(0, question);
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon > 0 && text.substr(0, colon).find('/') == std::string_view::npos) {
    uri.has_scheme = true;
    uri.scheme = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  if (text.starts_with("//")) {
    uri.has_authority = true;
    const std::size_t slash = std::min(text.find('/', 2), text.size());
    uri.authority = text.substr(2, slash - 2);
    text.remove_prefix(slash);
  }
  uri.path = text;
  return uri;
}

// RFC 3986 §5.2.4.
std::string without_dots(std::string_view path) {
  std::vector<std::string_view> kept;
  const bool rooted = path.starts_with('/');
  const auto parts = split(rooted ? path.substr(1) : path, '/');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    if (parts[i] == "..") {
      if (!kept.empty()) kept.pop_back();
      if (last) kept.emplace_back();
    } else if (parts[i] == ".") {
      if (last) kept.emplace_back();
    } else {
      kept.push_back(parts[i]);
    }
  }
  std::string out = rooted ? "/" : "";
  for (std::size_t i = 0; i < kept.size(); ++i) out += (i == 0 ? "" : "/") + std::string(kept[i]);
  return out;
}

std::string_view without_fragment(std::string_view uri) { return uri.substr(0, uri.find('#')); }

const Document* metaschema(std::string_view uri) {
  static const std::map<std::string, Document, std::less<>> all = [] {
    std::map<std::string, Document, std::less<>> made;
    for (const EmbeddedFile& file : embedded_files()) {
      auto document = parse(std::string(file.text));
      if (document) made.emplace((*document).root()["$id"].as_string(), std::move(*document));
    }
    return made;
  }();
  const auto found = all.find(uri);
  return found == all.end() ? nullptr : &found->second;
}

}  // namespace

std::string resolve_uri(std::string_view base, std::string_view reference) {
  const Uri r = parts_of(reference), b = parts_of(base);
  Uri out = r;
  std::string path(r.path);
  if (r.has_scheme) {
    path = r.scheme == "urn" || r.scheme == "tag" ? path : without_dots(path);
  } else {
    out.scheme = b.scheme;
    out.has_scheme = b.has_scheme;
    if (r.has_authority) {
      path = without_dots(path);
    } else {
      out.authority = b.authority;
      out.has_authority = b.has_authority;
      if (r.path.empty()) {
        path = b.path;
        if (!r.has_query) {
          out.query = b.query;
          out.has_query = b.has_query;
        }
      } else if (r.path.starts_with('/')) {
        path = without_dots(path);
      } else {
        const std::size_t slash = b.path.rfind('/');
        const std::string before = b.has_authority && b.path.empty() ? "/"
                                   : slash == std::string_view::npos ? ""
                                                                     : std::string(b.path.substr(0, slash + 1));
        path = without_dots(before + path);
      }
    }
  }
  std::string text;
  if (out.has_scheme) text += std::string(out.scheme) + ':';
  if (out.has_authority) text += "//" + std::string(out.authority);
  text += path;
  if (out.has_query) text += '?' + std::string(out.query);
  if (r.has_fragment) text += '#' + std::string(r.fragment);
  return text;
}

namespace schema {
namespace {

constexpr std::string_view kDialect = "https://json-schema.org/draft/2020-12/schema";
constexpr std::string_view kVocabulary = "https://json-schema.org/draft/2020-12/vocab/";

}  // namespace

std::string escape_pointer(std::string_view part) {
  std::string out;
  for (const char c : part) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

// False after reporting.
bool Compiler::add_document(const Document& document, const std::string& uri) {
  const std::size_t errors = problems_.size();
  compiled_->documents.push_back(document);
  uris_.push_back(uri);
  const std::size_t number = uris_.size() - 1;
  begin_resource(document.root(), std::string(without_fragment(uri)), number, "", {});
  return problems_.size() == errors;
}

// Its own `$id`, where it has one, is what it is called besides.
std::size_t Compiler::begin_resource(Value root, std::string uri, std::size_t document, std::string pointer,
                                     Vocabularies inherited) {
  const std::size_t number = drafts_.size();
  compiled_->resources.push_back(std::make_unique<Resource>());
  Draft draft;
  draft.resource = compiled_->resources.back().get();
  draft.root = root;
  draft.document = document;
  draft.pointer = pointer;
  drafts_.push_back(draft);
  // Where it was found is a name of it only where it is a whole document.
  if (pointer.empty()) by_uri_.emplace(uri, number);
  const Value id = root["$id"];
  if (id.is_string()) {
    const std::string absolute = resolve_uri(uri, id.as_string());
    if (const std::size_t hash = absolute.find('#'); hash != std::string::npos && hash + 1 != absolute.size())
      problem(document, pointer + "/$id", "`$id` has no fragment: write `$anchor` for a name inside");
    uri = std::string(without_fragment(absolute));
    const auto [at, added] = by_uri_.emplace(uri, number);
    if (!added && at->second != number && drafts_[at->second].document == document)
      problem(document, pointer + "/$id", "two schemas have the `$id` " + uri);
  }
  drafts_[number].resource->uri = uri;
  drafts_[number].vocabularies = vocabularies_of(root, document, pointer, inherited);
  places_[root.node()] = {number, pointer};
  index_below(root, number, pointer);
  return number;
}

Vocabularies Compiler::vocabularies_of(Value root, std::size_t document, const std::string& pointer,
                                       const Vocabularies& inherited) {
  const Value dialect = root["$schema"];
  if (!dialect.is_string()) return inherited;
  std::string_view uri = dialect.as_string();
  if (uri.ends_with('#')) uri.remove_suffix(1);
  if (uri == kDialect) return {};
  if (uri.find("json-schema.org/draft") != std::string_view::npos && metaschema(uri) == nullptr) {
    problem(document, pointer + "/$schema",
            "only JSON Schema 2020-12 is read: write \"" + std::string(kDialect) + "\" and what it asks for");
    return inherited;
  }
  const std::optional<Document> custom = ask(std::string(uri));
  if (!custom) {
    problem(document, pointer + "/$schema", "there is no metaschema " + std::string(uri) + " among the schemas");
    return inherited;
  }
  const Value listed = custom->root()["$vocabulary"];
  if (!listed.is_object()) return {};
  Vocabularies out{.applicator = false, .unevaluated = false, .validation = false, .format_assertion = false};
  for (const auto [name, required] : listed.members()) {
    const std::string_view last = name.starts_with(kVocabulary) ? name.substr(kVocabulary.size()) : "";
    if (last == "applicator") {
      out.applicator = true;
    } else if (last == "unevaluated") {
      out.unevaluated = true;
    } else if (last == "validation") {
      out.validation = true;
    } else if (last == "format-assertion") {
      out.format_assertion = true;
    } else if (last != "core" && last != "format-annotation" && last != "content" && last != "meta-data" &&
               required.as_bool()) {
      problem(document, pointer + "/$schema", "needs the vocabulary " + std::string(name) + ", which is not known");
    }
  }
  return out;
}

void Compiler::index(Value value, std::size_t draft, std::string pointer) {
  if (!value.is_object() || places_.size() >= kSchemasMax) {
    places_[value.node()] = {draft, std::move(pointer)};
    return;
  }
  if (value["$id"].is_string()) {
    begin_resource(value, drafts_[draft].resource->uri, drafts_[draft].document, std::move(pointer),
                   drafts_[draft].vocabularies);
    return;
  }
  places_[value.node()] = {draft, pointer};
  index_below(value, draft, pointer);
}

void Compiler::index_below(Value value, std::size_t draft, const std::string& pointer) {
  for (const char* const keyword : {"$anchor", "$dynamicAnchor"}) {
    const Value anchor = value[keyword];
    if (!anchor.is_string()) continue;
    const std::string name(anchor.as_string());
    if (!drafts_[draft].anchors.emplace(name, value).second && keyword == std::string_view("$anchor"))
      problem(drafts_[draft].document, pointer + "/" + keyword, "two schemas have the anchor \"" + name + "\"");
    if (keyword == std::string_view("$dynamicAnchor")) drafts_[draft].dynamic.insert(name);
  }
  for (const auto [key, member] : value.members()) {
    const Holds holds = keyword_holds(key).value_or(Holds::kOther);
    const std::string below = pointer + "/" + escape_pointer(key);
    if (holds == Holds::kSchema && (member.is_object() || member.kind() == Kind::kBool)) index(member, draft, below);
    if (holds == Holds::kSchemas) {
      for (std::size_t i = 0; i < member.elements().size(); ++i)
        index(member.at(i), draft, below + "/" + std::to_string(i));
    }
    if (holds == Holds::kSchemaMap) {
      for (const auto [name, schema] : member.members()) index(schema, draft, below + "/" + escape_pointer(name));
    }
  }
}

std::optional<Document> Compiler::ask(const std::string& uri) {
  if (const Document* known = metaschema(uri); known != nullptr) return *known;
  if (!options_.documents) return std::nullopt;
  std::optional<Document> document = options_.documents(uri);
  unreadable_ = unreadable_ || (document && document->root().is_null());
  return document;
}

std::optional<std::size_t> Compiler::find_resource(const std::string& uri) {
  if (const auto known = by_uri_.find(uri); known != by_uri_.end()) return known->second;
  if (const auto asked = asked_.find(uri); asked != asked_.end()) return asked->second;
  std::optional<std::size_t>& out = asked_[uri];
  const std::optional<Document> document = ask(uri);
  if (!document) return std::nullopt;
  add_document(*document, uri);
  const auto added = by_uri_.find(uri);
  if (added != by_uri_.end()) out = added->second;
  return out;
}

// Through a pointer below the resource; what is met on the way with a `$id` is a resource of its own.
std::optional<Compiler::Target> Compiler::at_pointer(std::size_t draft, std::string_view pointer) {
  Target target{drafts_[draft].root, draft, {}};
  std::string at;
  for (const std::string_view part : split(pointer.substr(1), '/')) {
    std::string below = "/" + std::string(part);
    const Value next = find_pointer(target.value, below);
    const bool there = !next.is_null();
    if (!there) return std::nullopt;
    target.value = next;
    at += below;
    const auto known = places_.find(next.node());
    if (known != places_.end()) target.draft = known->second.draft;
  }
  if (!places_.contains(target.value.node()) && (target.value.is_object() || target.value.kind() == Kind::kBool))
    index(target.value, target.draft, drafts_[draft].pointer + at);
  if (const auto known = places_.find(target.value.node()); known != places_.end()) target.draft = known->second.draft;
  return target;
}

std::optional<Compiler::Target> Compiler::find_target(std::size_t from, std::string_view reference,
                                                      const std::string& pointer, std::string_view keyword) {
  const std::size_t document = drafts_[from].document;
  const std::string at = pointer + "/" + std::string(keyword);
  const std::string absolute = resolve_uri(drafts_[from].resource->uri, reference);
  const std::string uri(without_fragment(absolute));
  const std::size_t hash = absolute.find('#');
  const auto fragment = percent_decode(hash == std::string::npos ? "" : std::string_view(absolute).substr(hash + 1));
  std::optional<std::size_t> resource = from;
  if (uri != drafts_[from].resource->uri) resource = find_resource(uri);
  if (!resource) {
    problem(document, at, "there is no schema " + uri + ": references lead to the workspace's schemas/ only");
    return std::nullopt;
  }
  std::optional<Target> target;
  if (drafts_[*resource].root.is_null()) return std::nullopt;  // it cannot be read
  if (fragment && fragment->empty()) {
    target = Target{drafts_[*resource].root, *resource, {}};
  } else if (fragment && fragment->front() == '/') {
    target = at_pointer(*resource, *fragment);
  } else if (fragment) {
    const auto anchor = drafts_[*resource].anchors.find(*fragment);
    if (anchor != drafts_[*resource].anchors.end()) {
      target = Target{anchor->second, *resource, {}};
      if (drafts_[*resource].dynamic.contains(*fragment)) target->dynamic_anchor = *fragment;
    }
  }
  if (!target || (!target->value.is_object() && target->value.kind() != Kind::kBool)) {
    problem(document, at, "`" + std::string(reference) + "` leads to no schema");
    return std::nullopt;
  }
  return target;
}

}  // namespace schema
}  // namespace tieline::json
