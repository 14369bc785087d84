// A vendor's whole answer, as the programs of a manifest see it, and what it comes to (docs/manifests.md §8); private
// to this folder. It must never take a refusal for a success because a program could not read it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "connect/binding.h"
#include "core/category.h"

namespace tieline::connect {

class Answer {
 public:
  // `exchange` and `binding` must outlive it.
  Answer(const Exchange& exchange, const Binding& binding);

  const Exchange& exchange() const { return exchange_; }
  const json::Document& body() const { return body_; }
  const Scope& scope() const { return scope_; }
  bool broken() const { return broken_; }  // it says JSON and is none
  // {status, headers, body}
  const json::Document& whole() const;

 private:
  const Exchange& exchange_;
  json::Document body_;
  bool broken_ = false;
  Scope scope_;
  mutable std::optional<json::Document> whole_;
};

// Category, code, message, wait and bucket; kDelivered carries no result yet. `now` dates a Retry-After.
Verdict judge_answer(const Answer& answer, const Binding& binding, Safety safety, Time now);
// What an exchange without a whole answer comes to.
Verdict judge_failure(const Exchange& exchange, const Binding& binding, Safety safety);

// What a delivered answer says of each of the request's items, in their order.
std::vector<Verdict> judge_each(const Answer& answer, const EachPlan& each, const Binding& binding, Safety safety,
                                json::Value items);

}  // namespace tieline::connect
