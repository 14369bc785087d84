#include <algorithm>

#include "base/text.h"
#include "connect/compiler.h"

namespace tieline::connect {
namespace {

bool is_action_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !name.empty() && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || c == '_' || (c >= '0' && c <= '9'); });
}

std::vector<std::string> arg_names(const ArgsPlan& args) {
  std::vector<std::string> names;
  for (const ArgPlan& arg : args.named) names.push_back(arg.name);
  if (args.others) names.emplace_back("*");
  return names;
}

std::optional<DataPlan> compile_data(Compiler& compiler, const std::optional<spec::Data>& data, Leaves leaves,
                                     const ArgsPlan& args) {
  if (!data) return std::nullopt;
  DataPlan plan = DataPlan::compile(*data, {Sees::kVariables, leaves, compiler.at}, compiler.problems);
  const std::vector<std::string> names = arg_names(args);
  plan.each_template([&](const TextTemplate& text, const Place& place) { compiler.check_names(text, place, names); });
  return plan;
}

// The connector's and the action's own, key by key; a style of its own replaces the connector's.
PaginateSpec merged(const std::optional<PaginateSpec>& base, const std::optional<ActionPaginate>& own) {
  PaginateSpec out = base.value_or(PaginateSpec{});
  if (!own) return out;
  if (own->own.cursor) out.link.reset();
  if (own->own.link) out.cursor.reset(), out.from.reset();
  const auto over = [](auto& into, const auto& from) {
    if (from) into = from;
  };
  over(out.cursor, own->own.cursor);
  over(out.from, own->own.from);
  over(out.link, own->own.link);
  over(out.items, own->own.items);
  over(out.more, own->own.more);
  over(out.limit, own->own.limit);
  over(out.size, own->own.size);
  if (own->own.place.known()) out.place = own->own.place;
  return out;
}

std::string query_name(Compiler& compiler, const std::optional<Text>& where) {
  if (!where) return {};
  if (where->value.starts_with("query.") && where->value.size() > 6) return where->value.substr(6);
  if (where->value.starts_with("body.")) {
    compiler.problems.error(where->place, "`" + where->value + "` is not available in this version",
                            Code::kUnsupported);
  } else {
    compiler.problems.error(where->place, "expected query.NAME, found \"" + where->value + "\"");
  }
  return {};
}

// "body.query.cursor": query, cursor.
std::vector<std::string> body_path(Compiler& compiler, const Text& where) {
  std::vector<std::string> path;
  for (const std::string_view name : split(std::string_view(where.value).substr(5), '.')) path.emplace_back(name);
  if (std::ranges::any_of(path, [](const std::string& name) { return name.empty(); }))
    compiler.problems.error(where.place, "expected body.NAME or body.NAME.NAME, found \"" + where.value + "\"");
  return path;
}

std::optional<PagePlan> compile_page(Compiler& compiler, const ActionSpec& spec, Returns returns) {
  const bool off = spec.paginate && spec.paginate->off;
  if (returns != Returns::kList || off || (!compiler.plan.manifest.paginate && !spec.paginate)) return std::nullopt;
  const PaginateSpec all = merged(compiler.plan.manifest.paginate, spec.paginate);
  if (all.cursor.has_value() == all.link.has_value())
    compiler.problems.error(all.place, "exactly one of cursor, link is needed");
  if (all.cursor.has_value() != all.from.has_value()) compiler.problems.error(all.place, "`cursor` needs `from`");
  if (all.limit.has_value() != all.size.has_value()) compiler.problems.error(all.place, "`limit` needs `size`");
  PagePlan page;
  if (all.cursor && all.cursor->value.starts_with("body.")) {
    page.body_cursor = body_path(compiler, *all.cursor);
    if (!spec.body)
      compiler.problems.error(all.place, "the cursor goes into the body, and the action has none: write `body`");
  } else {
    page.cursor = query_name(compiler, all.cursor);
  }
  page.limit = query_name(compiler, all.limit);
  page.size = all.size.value_or(0);
  page.link = all.link.value_or("");
  page.from = compiler.program(all.from, Sees::kAnswer);
  page.items = compiler.program(all.items, Sees::kAnswer);
  page.more = compiler.program(all.more, Sees::kAnswer);
  return page;
}

void check_headers(Compiler& compiler, const ActionSpec& spec) {
  if (!spec.headers) return;
  for (const auto& [name, value] : spec.headers->entries) {
    for (const std::string_view own : {"host", "content-length", "transfer-encoding", "connection", "authorization"}) {
      if (equals_ignore_case(name, own))
        compiler.problems.error(value.node.place(), "the header `" + name + "` is the program's own");
    }
  }
}

// Every arg that the path uses is required.
void require_path_args(Compiler& compiler, ActionPlan& plan, const ActionSpec& spec) {
  for (const TextTemplate::Part& part : plan.path.parts()) {
    if (!part.placeholder || compiler.plan.is_variable(part.text)) continue;
    const auto arg = std::find_if(plan.args.named.begin(), plan.args.named.end(),
                                  [&](const ArgPlan& one) { return one.name == part.text; });
    if (arg != plan.args.named.end()) {
      arg->required = true;
    } else if (plan.args.others) {
      plan.args.named.push_back(*plan.args.others);
      plan.args.named.back().name = part.text;
      plan.args.named.back().required = true;
    }
  }
  for (const TextTemplate::Part& part : plan.path.parts()) {
    if (!part.placeholder && part.text.find_first_of("?# ") != std::string::npos)
      compiler.problems.error(spec.path().place, "a path holds no ?, # or space; use `query`");
  }
}

void compile_result(Compiler& compiler, ActionPlan& plan, const ActionSpec& spec) {
  if (!spec.result) return;
  if (spec.result->whole) plan.result = compiler.program(spec.result->whole, Sees::kAnswer);
  for (const auto& [key, text] : spec.result->keys)
    plan.results.emplace_back(key, compiler.program(std::optional(text), Sees::kAnswer));
}

void compile_each(Compiler& compiler, ActionPlan& plan, const ActionSpec& spec) {
  if (!spec.each) return;
  const EachSpec& each = *spec.each;
  const ArgPlan* arg = plan.args.find(each.of.value);
  if (arg == nullptr) {
    compiler.problems.error(each.of.place, "`" + each.of.value + "` is none of the action's args" +
                                               did_you_mean(each.of.value, arg_names(plan.args)));
  } else if (arg->type != ArgType::kArray || arg->required) {
    compiler.problems.error(each.of.place, "`" + each.of.value +
                                               "` must be of type array and not required: a call that leaves it out "
                                               "gives the one item that its flow works on");
  }
  if (plan.safety == Safety::kSafe) compiler.problems.error(each.place, "`each` is for actions that do more than read");
  if (spec.idempotency)
    compiler.problems.error(each.place,
                            "`each` cannot be with `idempotency`: a key is that of one request, and an item is tried "
                            "again together with others");
  if (spec.result || spec.returns || spec.paginate)
    compiler.problems.error(each.place, "`each` says what a call gives: `result`, `returns` and `paginate` go");
  EachPlan out;
  out.arg = each.of.value;
  out.max = each.max;
  out.items = compiler.program(each.items, Sees::kAnswer);
  out.ok = compiler.program(each.ok, Sees::kAnswer);
  out.status = compiler.program(each.status, Sees::kAnswer);
  out.error = compiler.program(each.error, Sees::kAnswer);
  out.result = compiler.program(each.result, Sees::kAnswer);
  if (each.match) {
    out.item_name = compiler.program(std::optional(each.match->item), Sees::kVariables);
    out.answer_name = compiler.program(std::optional(each.match->answer), Sees::kAnswer);
  }
  plan.each = std::move(out);
}

void compile_buckets(Compiler& compiler, ActionPlan& plan, const ActionSpec& spec) {
  std::vector<std::string> known;
  for (const LimitPlan& limit : compiler.plan.limits) known.push_back(limit.spec.name);
  for (const Text& name : spec.bucket) {
    if (std::find(known.begin(), known.end(), name.value) == known.end())
      compiler.problems.error(name.place,
                              "there is no bucket `" + name.value + "` in limits" + did_you_mean(name.value, known));
  }
  for (std::size_t i = 0; i < compiler.plan.limits.size(); ++i) {
    const LimitSpec& limit = compiler.plan.limits[i].spec;
    const bool named =
        std::any_of(spec.bucket.begin(), spec.bucket.end(), [&](const Text& name) { return name.value == limit.name; });
    const bool applies = limit.applies == Applies::kEvery || (limit.applies == Applies::kRest && spec.bucket.empty());
    if (!named && !applies) continue;
    plan.limits.push_back(i);
    for (const std::string& arg : compiler.plan.limits[i].per_args) {
      if (plan.args.find(arg) == nullptr && !plan.args.others)
        compiler.problems.error(
            spec.place, "bucket `" + limit.name + "` counts by the arg `" + arg + "`, which is not one of this action");
    }
  }
}

Safety safety_of(const ActionSpec& spec) {
  if (spec.safe.value_or(spec.get.has_value())) return Safety::kSafe;
  return spec.repeatable.value_or(spec.put.has_value() || spec.remove.has_value()) ? Safety::kRepeatable
                                                                                   : Safety::kUnsafe;
}

std::unique_ptr<ActionPlan> compile_action(Compiler& compiler, const std::string& resource, const std::string& name,
                                           const ActionSpec& spec) {
  auto plan = std::make_unique<ActionPlan>();
  plan->resource = resource;
  plan->action = name;
  plan->method = spec.method();
  plan->safety = safety_of(spec);
  plan->args = plan_args(spec.args, compiler.problems);
  for (const auto& [arg, arg_spec] : spec.args) {
    if (compiler.plan.is_variable(arg))
      compiler.problems.error(arg_spec.place, "an arg may not have the name of the variable `" + arg + "`");
  }
  plan->path = compiler.text(spec.path(), arg_names(plan->args));
  require_path_args(compiler, *plan, spec);
  plan->query = compile_data(compiler, spec.query, Leaves::kTemplates, plan->args);
  plan->headers = compile_data(compiler, spec.headers, Leaves::kTemplates, plan->args);
  plan->body = compile_data(compiler, spec.body, Leaves::kLiteral, plan->args);
  plan->form = compile_data(compiler, spec.form, Leaves::kLiteral, plan->args);
  check_headers(compiler, spec);
  compile_result(compiler, *plan, spec);
  const bool own_pages = spec.paginate && !spec.paginate->off;
  plan->returns = spec.returns.value_or(own_pages ? Returns::kList : Returns::kOne);
  plan->page = compile_page(compiler, spec, plan->returns);
  if (spec.idempotency) {
    if (plan->safety != Safety::kUnsafe)
      compiler.problems.error(spec.idempotency->into.place,
                              "`idempotency` is for actions that are neither safe nor repeatable");
    if (spec.idempotency->into.value.starts_with("header."))
      plan->idempotency_header = spec.idempotency->into.value.substr(7);
    plan->idempotency_max = std::min<std::size_t>(spec.idempotency->max, 64);
    plan->idempotency_keep = spec.idempotency->keep_for;
  }
  plan->settle = spec.settle;
  compile_each(compiler, *plan, spec);
  compile_buckets(compiler, *plan, spec);
  return plan;
}

// Once all actions are known.
void compile_find(Compiler& compiler, ActionPlan& plan, const FindSpec& spec) {
  FindPlan find;
  find.condition = compiler.program(spec.condition, Sees::kVariables);
  find.result = compiler.program(spec.result, Sees::kVariables);
  find.with = compile_data(compiler, spec.with, Leaves::kLiteral, plan.args);
  find.target = compiler.action_named(spec.call);
  if (find.target != nullptr && find.target->safety != Safety::kSafe)
    compiler.problems.error(spec.call.place, "`" + spec.call.value + "` is not safe: looking must change nothing");
  if (plan.safety != Safety::kUnsafe)
    compiler.problems.error(spec.call.place, "`find` is for actions that are neither safe nor repeatable");
  plan.find = std::move(find);
}

}  // namespace

void compile_limits(Compiler& compiler) {
  for (const LimitSpec& spec : compiler.plan.manifest.limits) {
    LimitPlan limit{spec, false, {}, {}, {}};
    for (const Text& per : spec.per) {
      if (per.value == "method") limit.per_method = true;
      if (per.value.starts_with("arg.")) limit.per_args.push_back(per.value.substr(4));
    }
    limit.actual = compiler.program(spec.actual, Sees::kAnswer);
    limit.observe = compiler.program(spec.observe, Sees::kAnswer);
    const auto check_variable = [&](const std::string& by, const Place& place) {
      if (!by.empty() && !compiler.plan.is_variable(by))
        compiler.problems.error(place, "`by` must name a variable, found \"" + by + "\"");
    };
    if (spec.rate) check_variable(spec.rate->by, spec.rate->place);
    if (spec.restore) check_variable(spec.restore->by, spec.restore->place);
    if (spec.burst) check_variable(spec.burst->by, spec.burst->place);
    if (spec.concurrent) check_variable(spec.concurrent->by, spec.concurrent->place);
    for (const LimitPlan& other : compiler.plan.limits) {
      if (other.spec.name == spec.name)
        compiler.problems.error(spec.place, "two buckets are named `" + spec.name + "`");
    }
    compiler.plan.limits.push_back(std::move(limit));
  }
}

void compile_actions(Compiler& compiler) {
  for (const auto& [resource, spec] : compiler.plan.manifest.resources) {
    for (const auto& [name, action] : spec.actions) {
      if (!is_action_name(name) || !is_action_name(resource))
        compiler.problems.error(action.place, "`" + resource + "." + name + "`: a name is letters, digits and _");
      compiler.plan.actions.push_back(compile_action(compiler, resource, name, action));
    }
  }
  for (const auto& [resource, spec] : compiler.plan.manifest.resources) {
    for (const auto& [name, action] : spec.actions) {
      if (!action.find) continue;
      const auto plan = std::find_if(compiler.plan.actions.begin(), compiler.plan.actions.end(),
                                     [&](const auto& one) { return one->resource == resource && one->action == name; });
      compile_find(compiler, **plan, *action.find);
    }
  }
}

}  // namespace tieline::connect
