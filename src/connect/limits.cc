#include <algorithm>

#include "connect/binding.h"

namespace tieline::connect {
namespace {

template <class X>
std::optional<X> chosen(const std::optional<Chosen<X>>& choice, const Binding& binding) {
  if (!choice) return std::nullopt;
  if (choice->fixed) return choice->fixed;
  const auto value = binding.variable(choice->by);
  for (const auto& [name, one] : choice->values) {
    if (value && *value == name) return one;
  }
  return std::nullopt;
}

// Nothing when this connection is not limited by it.
std::optional<Bucket> bucket_of(const LimitPlan& limit, const Binding& binding) {
  Bucket bucket;
  bucket.name = limit.spec.name;
  bucket.shared = limit.spec.shared_with == SharedWith::kOutside;
  if (limit.spec.zone) bucket.zone = json::find_zone(limit.spec.zone->value).value_or(nullptr);
  if (limit.spec.concurrent) {
    const auto concurrent = chosen(limit.spec.concurrent, binding);
    if (!concurrent || *concurrent == 0) return std::nullopt;
    bucket.concurrent = *concurrent;
    return bucket;
  }
  if (limit.spec.rate) {
    const auto rate = chosen(limit.spec.rate, binding);
    if (!rate) return std::nullopt;
    bucket.count = static_cast<double>(rate->count);
    bucket.window = rate->per;
    bucket.kind = limit.spec.window == Window::kFixed ? Bucket::Kind::kFixed : Bucket::Kind::kRolling;
    return bucket;
  }
  const auto restore = chosen(limit.spec.restore, binding);
  if (!restore) return std::nullopt;
  // A bucket of `count` that fills again in `window`: its size over what comes back.
  const double per_second = static_cast<double>(restore->count) * 1e6 / static_cast<double>(restore->per.count());
  const auto burst = chosen(limit.spec.burst, binding);
  bucket.kind = Bucket::Kind::kRestore;
  bucket.count = burst ? static_cast<double>(*burst) : per_second;
  bucket.window = Duration(static_cast<std::int64_t>(bucket.count / per_second * 1e6));
  return bucket;
}

Bucket own_bucket(std::string name, const BudgetOverride& override) {
  Bucket bucket;
  bucket.name = std::move(name);
  if (override.rate) {
    bucket.count = static_cast<double>(override.rate->count);
    bucket.window = override.rate->per;
  }
  bucket.concurrent = override.concurrent.value_or(0);
  return bucket;
}

bool spends_limit(const ActionPlan& action, const ConnectorPlan& plan, std::string_view bucket) {
  return std::any_of(action.limits.begin(), action.limits.end(),
                     [&](std::size_t index) { return plan.limits[index].spec.name == bucket; });
}

}  // namespace

void bind_limits(Binding& binding, const ConnectionSettings& settings) {
  const ConnectorPlan& plan = *binding.plan;
  for (const auto& action : plan.actions) binding.spends.emplace_back(action.get(), std::vector<BoundSpend>());
  for (std::size_t i = 0; i < plan.limits.size(); ++i) {
    const LimitPlan& limit = plan.limits[i];
    std::optional<Bucket> bucket = bucket_of(limit, binding);
    if (!bucket || !settings.vendor_limits) continue;
    double points = limit.spec.unit == Unit::kPoints && limit.spec.estimate > 0 ? limit.spec.estimate : 1;
    // A call that costs more than the bucket holds waits for a full one.
    if (bucket->count > 0) points = std::min(points, bucket->count);
    bucket->count /= points;
    if (!limit.per_method) binding.info.buckets.push_back(*bucket);
    for (auto& [action, spends] : binding.spends) {
      if (std::find(action->limits.begin(), action->limits.end(), i) == action->limits.end()) continue;
      Bucket own = *bucket;
      if (limit.per_method) {
        own.name += ":" + action->full_name();
        binding.info.buckets.push_back(own);
      }
      spends.push_back({own.name, limit.per_args, points, &limit});
    }
  }
  for (const BudgetOverride& override : settings.budget) {
    Bucket bucket = own_bucket(override.bucket.empty() ? "budget" : override.bucket + ".budget", override);
    for (auto& [action, spends] : binding.spends) {
      if (!override.bucket.empty() && !spends_limit(*action, plan, override.bucket)) continue;
      spends.push_back({bucket.name, {}, 1, nullptr});
    }
    for (const LimitPlan& limit : plan.limits) {
      if (limit.spec.name == override.bucket && limit.spec.unit == Unit::kPoints && bucket.count > 0)
        bucket.count = std::max(1.0, bucket.count / std::max(1.0, limit.spec.estimate));
    }
    binding.info.buckets.push_back(std::move(bucket));
  }
}

}  // namespace tieline::connect
