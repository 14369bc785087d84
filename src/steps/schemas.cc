#include "steps/schemas.h"

#include <algorithm>

#include "base/text.h"
#include "spec/table.h"

namespace tieline::steps {
namespace {

constexpr std::string_view kFile = "file:";

void write(json::Builder& out, const spec::Data& data) {
  using Kind = spec::Data::Kind;
  switch (data.kind) {
    case Kind::kNull: out.null(); return;
    case Kind::kBool: out.boolean(data.text == "true"); return;
    case Kind::kNumber: out.number(data.text); return;
    case Kind::kText:
    case Kind::kProgram: out.string(data.node.text()); return;
    case Kind::kList:
      out.begin_array();
      for (const spec::Data& item : data.items) write(out, item);
      out.end_array();
      return;
    case Kind::kMap:
      out.begin_object();
      for (const auto& [key, value] : data.entries) {
        out.key(key);
        write(out, value);
      }
      out.end_object();
      return;
  }
}

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

json::Document literal_document(const spec::Node& node) {
  spec::Problems ignored;  // of texts that are programs elsewhere
  spec::Context context{ignored};
  spec::Data data;
  spec::read_data(context, node, data);
  json::Builder out;
  write(out, data);
  return out.finish();
}

const Schemas::File* Schemas::load(const std::string& path, spec::Problems& problems) {
  if (const auto known = files_.find(path); known != files_.end()) return &known->second;
  if (texts_ == nullptr) return nullptr;
  const auto text = texts_->find(path);
  if (text == texts_->end()) return nullptr;
  File& file = files_[path];
  const std::string shown = prefix_ + path;
  if (path.ends_with(".json")) {
    auto document = json::parse(text->second);
    if (document) {
      file = {std::move(*document), true};
    } else {
      Place place = document.error().place;
      place.file = shown;
      problems.error(std::move(place), document.error().message);
    }
    return &file;
  }
  if (const auto node = spec::parse_yaml(text->second, shown, problems)) file = {literal_document(*node), true};
  return &file;
}

// By its path, or by the `$id` that it gives itself.
std::optional<json::Document> Schemas::find(const std::string& uri, spec::Problems& problems) {
  std::string path = uri.starts_with(kFile) ? uri.substr(kFile.size()) : uri;
  path.erase(0, std::min(path.find_first_not_of('/'), path.size()));
  if (const File* file = load(path, problems); file != nullptr) {
    used_.insert(path);
    paths_[uri] = path;
    return file->good ? std::optional(file->document) : std::nullopt;
  }
  if (texts_ == nullptr) return std::nullopt;
  for (const auto& [name, text] : *texts_) {
    if (text.find(uri) == std::string::npos) continue;
    spec::Problems ignored;  // of a file that may not be meant
    const File* const file = load(name, ignored);
    if (file == nullptr || !file->good) continue;
    std::string_view id = file->document.root()["$id"].as_string();
    if (id.ends_with('#')) id.remove_suffix(1);
    if (id != uri) continue;
    used_.insert(name);
    paths_[uri] = name;
    return file->document;
  }
  return std::nullopt;
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
    if (!found) {
      std::vector<std::string> known;
      for (const auto& [name, text] : texts_ != nullptr ? *texts_ : SchemaTexts()) known.push_back("file:" + name);
      if (problems.error_count() == before) {
        const std::string hint = did_you_mean(written.text(), known);
        problems.error(written.place(),
                       "there is no schema " + written.text() +
                           (hint.empty() ? ": write `file:schemas/NAME.json`, or the schema as a map" : hint));
      }
      return nullptr;
    }
    document = *found;
    options.uri = path;
    paths_[path] = path;
  } else {
    document = literal_document(written);
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
