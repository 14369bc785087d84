// A data field, compiled: literals and programs leaf by leaf (FLOWS.md §1). Evaluating builds one document.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json/program.h"
#include "json/value.h"

namespace tieline {

class Template {
 public:
  // A literal, a program, a list or a map of templates. A map's null-valued leaves stay (null is data).
  static Template literal(json::Document value);
  static Template program(std::shared_ptr<const json::Program> program);
  static Template list(std::vector<Template> items);
  static Template map(std::vector<std::pair<std::string, Template>> members);

  // kInvalid with the failing leaf's path below `name` ("with.amount: …") in the message.
  Result<json::Document> evaluate(const json::Document& input, std::span<const json::Document> variables,
                                  std::string_view name = {}) const;
  // No program in it, however deep: evaluating it depends on nothing.
  bool is_literal() const;

 private:
  enum class Kind : std::uint8_t { kLiteral, kProgram, kList, kMap };
  Result<void> evaluate_into(json::Builder& out, const json::Document& input, std::span<const json::Document> variables,
                             std::string& path) const;
  Template folded() const;
  Kind kind_ = Kind::kLiteral;
  json::Document literal_;
  std::shared_ptr<const json::Program> program_;
  std::vector<Template> items_;
  std::vector<std::string> keys_;  // of a map, beside items_
};

}  // namespace tieline
