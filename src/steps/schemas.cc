#include "steps/schemas.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "spec/literal.h"

namespace tieline::steps {
namespace {

constexpr std::string_view kFile = "file:", kFolder = "schemas/";
constexpr std::size_t kFilesShown = 8;

std::string unescaped(std::string_view part) {
  std::string out;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const bool escape = part[i] == '~' && i + 1 < part.size();
    out += !escape ? part[i] : part[i + 1] == '1' ? '/' : '~';
    if (escape) ++i;
  }
  return out;
}

// Where a JSON pointer leads to in a tree, as far as it goes.
Place place_of(const spec::Node& root, std::string_view pointer) {
  const spec::Node* at = &root;
  Place place = root.place();
  if (pointer.empty()) return place;
  for (const std::string_view part : split(pointer.substr(1), '/')) {
    const std::string name = unescaped(part);
    const spec::Node* next = nullptr;
    for (const spec::Entry& entry : at->entries()) {
      if (entry.key != name) continue;
      next = &entry.value;
      place = entry.key_place;
    }
    if (at->is_list()) {
      const std::size_t index = name.find_first_not_of("0123456789") == std::string::npos && name.size() < 9
                                    ? static_cast<std::size_t>(std::atoi(name.c_str()))
                                    : at->items().size();
      if (index < at->items().size()) {
        next = &at->items()[index];
        place = next->place();
      }
    }
    if (next == nullptr) return place;
    at = next;
  }
  return place;
}

}  // namespace

const Schemas::File* Schemas::load(const std::string& path) {
  if (const auto known = files_.find(path); known != files_.end()) return &known->second;
  if (texts_ == nullptr) return nullptr;
  const auto text = texts_->find(path);
  if (text == texts_->end()) return nullptr;
  File& file = files_[path];
  const std::string shown = prefix_ + path;
  if (path.ends_with(".json")) {
    auto document = json::parse(text->second);
    if (document) {
      file.document = std::move(*document);
    } else {
      Place place = document.error().place;
      place.file = shown;
      file.problems.error(std::move(place), document.error().message);
    }
  } else if (const auto node = spec::parse_yaml(text->second, shown, file.problems)) {
    file.document = spec::literal_document(*node);
  }
  if (file.problems.ok() && file.document.root().is_null())
    file.problems.error({shown, 1, 1}, "a schema is a map, true or false, not null");
  return &file;
}

json::Document Schemas::named(const std::string& uri, const std::string& path, spec::Problems& problems) {
  used_.insert(path);
  paths_[uri] = path;
  File& file = files_.at(path);
  if (!std::exchange(file.told, true)) problems.add(file.problems);
  return file.document;
}

// By its path, or by the `$id` that it gives itself.
std::optional<json::Document> Schemas::find(const std::string& uri, spec::Problems& problems) {
  std::string path = uri.starts_with(kFile) ? uri.substr(kFile.size()) : uri;
  path.erase(0, std::min(path.find_first_not_of('/'), path.size()));
  if (load(path) != nullptr) return named(uri, path, problems);
  if (texts_ == nullptr) return std::nullopt;
  for (const auto& [name, text] : *texts_) {
    if (text.find(uri) == std::string::npos) continue;
    std::string_view id = load(name)->document.root()["$id"].as_string();
    if (id.ends_with('#')) id.remove_suffix(1);
    if (id == uri) return named(uri, name, problems);
  }
  return std::nullopt;
}

std::string Schemas::no_such_schema(const std::string& written) const {
  if (!written.starts_with(kFile)) {
    const bool path = texts_ != nullptr && texts_->contains(written);
    return "\"" + written + "\" is no schema: write `file:" + (path ? written : "schemas/NAME.json") +
           "`, or the schema as a map";
  }
  const std::string path = written.substr(kFile.size());
  std::vector<std::string> known;
  for (const auto& [name, text] : texts_ != nullptr ? *texts_ : SchemaTexts()) known.push_back(name);
  const std::string message = "there is no file " + path, hint = did_you_mean(path, known);
  if (!hint.empty()) return message + hint;
  if (known.empty()) return message + "; schemas/ is empty";
  for (std::string& name : known) name.erase(0, name.starts_with(kFolder) ? kFolder.size() : 0);
  const std::size_t more = known.size() - std::min(known.size(), kFilesShown);
  known.resize(known.size() - more);
  return message + "; schemas/ has " + join(known, ", ") + (more == 0 ? "" : " and " + std::to_string(more) + " more");
}

std::shared_ptr<const json::Schema> Schemas::compile(const spec::Node& written, bool assert_formats,
                                                     spec::Problems& problems) {
  json::SchemaOptions options{.assert_formats = assert_formats};
  options.documents = [&](const std::string& uri) { return find(uri, problems); };
  json::Document document;
  const std::size_t before = problems.error_count();
  if (written.is_scalar()) {
    const std::string path = written.text().starts_with(kFile) ? written.text().substr(kFile.size()) : "";
    const auto found = path.empty() ? std::nullopt : find(written.text(), problems);
    if (!found) problems.error(written.place(), no_such_schema(written.text()));
    if (!found || found->root().is_null()) return nullptr;
    document = *found;
    options.uri = path;
    paths_[path] = path;
  } else {
    document = spec::literal_document(written);
  }
  std::vector<json::SchemaProblem> found;
  auto schema = json::compile_schema(document, options, found);
  std::map<std::string, spec::Node> trees;  // of the files that something is wrong in
  for (const json::SchemaProblem& problem : found) {
    Place place = written.place();
    if (problem.uri.empty()) {
      place = place_of(written, problem.pointer);
    } else if (const auto known = paths_.find(problem.uri); known != paths_.end()) {
      const std::string& path = known->second;
      if (!trees.contains(path)) {
        spec::Problems ignored;  // what is wrong as YAML may be right as JSON
        trees[path] = spec::parse_yaml(texts_->at(path), prefix_ + path, ignored).value_or(spec::Node());
      }
      place = place_of(trees[path], problem.pointer);
      if (!place.known()) place = {prefix_ + path, 1, 1};
    }
    if (problem.warning) {
      problems.warning(place, problem.message);
    } else {
      problems.error(place, problem.message);
    }
  }
  return problems.error_count() == before ? schema : nullptr;
}

SchemaTexts Schemas::used() const {
  SchemaTexts out;
  for (const std::string& path : used_) out[path] = texts_->at(path);
  return out;
}

}  // namespace tieline::steps
