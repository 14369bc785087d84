#include "connect/data_plan.h"

#include "connect/args.h"
#include "spec/literal.h"

namespace tieline::connect {

Place place_within(const Place& at, const Place& inside) {
  Place out = at;
  if (inside.column > 1 && out.column > 0) out.column += inside.column - 1;
  return out;
}

DataPlan DataPlan::compile(const spec::Data& data, const How& how, spec::Problems& problems) {
  DataPlan out;
  out.place_ = data.node.content_place();
  switch (data.kind) {
    case spec::Data::Kind::kProgram: {
      out.kind_ = Kind::kProgram;
      auto program = ManifestProgram::compile(data.program, how.sees, how.at);
      if (!program) {
        problems.error(std::move(program.error()));
      } else {
        out.program_ = std::move(*program);
      }
      break;
    }
    case spec::Data::Kind::kList:
    case spec::Data::Kind::kMap:
      out.kind_ = data.kind == spec::Data::Kind::kList ? Kind::kList : Kind::kMap;
      for (const spec::Data& item : data.items) out.items_.push_back(compile(item, how, problems));
      for (const auto& [key, value] : data.entries) {
        out.keys_.push_back(key);
        out.items_.push_back(compile(value, how, problems));
      }
      break;
    case spec::Data::Kind::kText:
      if (how.leaves == Leaves::kTemplates) {
        auto text = TextTemplate::parse(data.text);
        if (!text) {
          text.error().place = place_within(out.place_, text.error().place);
          problems.error(std::move(text.error()));
        } else {
          out.kind_ = Kind::kTemplate;
          out.text_ = std::move(*text);
        }
        break;
      }
      [[fallthrough]];
    default: out.literal_ = spec::literal_document(data);
  }
  return out;
}

Result<json::Document> DataPlan::evaluate(const json::Document& input, const Scope& scope,
                                          const TextTemplate::Lookup& lookup, const std::string& name) const {
  if (kind_ == Kind::kLiteral) return literal_;
  if (kind_ == Kind::kProgram) {
    auto out = program_->run(input, scope);
    if (!out) return failure(std::move(out.error()).in(name));
    return *out ? std::move(**out) : json::Document();
  }
  json::Builder out;
  TRY_VOID(build(out, input, scope, lookup, name));
  return out.finish();
}

Result<void> DataPlan::build(json::Builder& out, const json::Document& input, const Scope& scope,
                             const TextTemplate::Lookup& lookup, const std::string& name) const {
  switch (kind_) {
    case Kind::kLiteral:
    case Kind::kProgram: {
      TRY(const json::Document value, evaluate(input, scope, lookup, name));
      out.copy(value.root());
      break;
    }
    case Kind::kTemplate: {
      auto text = text_.expand(Spot::kRaw, lookup);
      if (!text) return failure(std::move(text.error()).in(name));
      if (*text) {
        out.string(**text);
      } else {
        out.null();
      }
      break;
    }
    case Kind::kList:
      out.begin_array();
      for (std::size_t i = 0; i < items_.size(); ++i)
        TRY_VOID(items_[i].build(out, input, scope, lookup, name + "[" + std::to_string(i) + "]"));
      out.end_array();
      break;
    case Kind::kMap:
      out.begin_object();
      for (std::size_t i = 0; i < items_.size(); ++i) {
        out.key(keys_[i]);
        TRY_VOID(items_[i].build(out, input, scope, lookup, name + "." + keys_[i]));
      }
      out.end_object();
      break;
  }
  return {};
}

void DataPlan::each_template(const std::function<void(const TextTemplate&, const Place&)>& visit) const {
  if (kind_ == Kind::kTemplate) visit(text_, place_);
  for (const DataPlan& item : items_) item.each_template(visit);
}

}  // namespace tieline::connect
