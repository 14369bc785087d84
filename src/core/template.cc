#include "core/template.h"

#include <algorithm>

#include "base/check.h"

namespace tieline {
namespace {

// Makes `path` one member or element longer for as long as it lives.
class PathPart {
 public:
  PathPart(std::string& path, std::string_view part) : path_(path), before_(path.size()) {
    if (!path_.empty()) path_ += '.';
    path_ += part;
  }
  ~PathPart() { path_.resize(before_); }
  PathPart(const PathPart&) = delete;
  PathPart& operator=(const PathPart&) = delete;

 private:
  std::string& path_;
  std::size_t before_;
};

bool all_literal(const std::vector<Template>& items) {
  return std::all_of(items.begin(), items.end(), [](const Template& item) { return item.is_literal(); });
}

}  // namespace

Template Template::literal(json::Document value) {
  Template out;
  out.literal_ = std::move(value);
  return out;
}

Template Template::program(std::shared_ptr<const json::Program> program) {
  CHECK(program != nullptr);
  Template out;
  out.kind_ = Kind::kProgram;
  out.program_ = std::move(program);
  return out;
}

Template Template::list(std::vector<Template> items) {
  const bool constant = all_literal(items);
  Template out;
  out.kind_ = Kind::kList;
  out.items_ = std::move(items);
  return constant ? out.folded() : out;
}

Template Template::map(std::vector<std::pair<std::string, Template>> members) {
  Template out;
  out.kind_ = Kind::kMap;
  for (auto& [key, value] : members) {
    out.keys_.push_back(std::move(key));
    out.items_.push_back(std::move(value));
  }
  return all_literal(out.items_) ? out.folded() : out;
}

bool Template::is_literal() const { return kind_ == Kind::kLiteral; }

Template Template::folded() const {
  const auto value = evaluate(json::Document(), {});
  CHECK(value.has_value());
  return literal(*value);
}

Result<json::Document> Template::evaluate(const json::Document& input, std::span<const json::Document> variables,
                                          std::string_view name) const {
  if (kind_ == Kind::kLiteral) return literal_;
  if (kind_ == Kind::kProgram) {
    auto value = program_->run_one(input, variables);
    if (!value && !name.empty()) return failure(std::move(value.error()).in(name));
    return value;
  }
  json::Builder out;
  std::string path(name);
  TRY_VOID(evaluate_into(out, input, variables, path));
  return out.finish();
}

Result<void> Template::evaluate_into(json::Builder& out, const json::Document& input,
                                     std::span<const json::Document> variables, std::string& path) const {
  switch (kind_) {
    case Kind::kLiteral: out.share(literal_); return {};
    case Kind::kProgram: {
      auto put = program_->run_into(out, input, variables);
      if (!put) return failure(path.empty() ? std::move(put.error()) : std::move(put.error()).in(path));
      return {};
    }
    case Kind::kList:
      out.begin_array();
      for (std::size_t i = 0; i < items_.size(); ++i) {
        const PathPart part(path, std::to_string(i));
        TRY_VOID(items_[i].evaluate_into(out, input, variables, path));
      }
      out.end_array();
      return {};
    case Kind::kMap:
      out.begin_object();
      for (std::size_t i = 0; i < items_.size(); ++i) {
        const PathPart part(path, keys_[i]);
        out.key(keys_[i]);
        TRY_VOID(items_[i].evaluate_into(out, input, variables, path));
      }
      out.end_object();
      return {};
  }
  return {};
}

}  // namespace tieline
