#include "steps/call_target.h"

namespace tieline::steps {

Result<CallRequest> Target::make_request(const RunContext& context, const Place& place) const {
  TRY(json::Document args, with.evaluate(context.input(), context.variables(), "with"));
  if (!args.root().is_object()) {
    return failure(Code::kInvalid,
                   "`with` gave " + std::string(json::kind_name(args.root().kind())) + ", a call takes an object",
                   place);
  }
  CallRequest request;
  request.action = action;
  request.args = std::move(args);
  request.on = &on;
  request.retry = retry ? &*retry : nullptr;
  request.timeout = timeout;
  return request;
}

std::optional<Target> CallTarget::compile_target(FlowBuilder& builder, bool whole) const {
  std::optional<ActionInfo> info;
  if (!path.value.empty()) info = builder.resolve(path);
  // A misspelled `with` is one mistake: its arguments are not missing, too.
  if (info && (whole || with.kind == spec::Data::Kind::kMap)) builder.check_arguments(with, *info, path);
  std::optional<Template> arguments =
      with.kind == spec::Data::Kind::kNull ? std::optional(Template::map({})) : builder.compile_arguments(with);
  if (!info || !arguments) return std::nullopt;
  return Target{.action = std::move(info->action),
                .with = std::move(*arguments),
                .on = on.rules(),
                .retry = retry,
                .timeout = timeout};
}

}  // namespace tieline::steps
