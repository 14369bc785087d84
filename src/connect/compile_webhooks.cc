#include <algorithm>
#include <array>

#include "auth/hash.h"
#include "connect/compiler.h"

namespace tieline::connect {
namespace {

// What a scheme's text may name beside variables.
const std::array<std::string, 5> kSigned{"body", "method", "url", "timestamp", "header.X"};

void check_literals(Compiler& compiler, const SchemePlan& plan) {
  const SchemeSpec& spec = plan.spec;
  if (spec.hmac && plan.hmac.literal() && !auth::hash_from_name(spec.hmac->value))
    compiler.problems.error(spec.hmac->place, "expected sha1, sha256 or sha512, found \"" + spec.hmac->value + "\"");
  if (spec.hmac && plan.encoding.literal() && !auth::encoding_from_name(spec.encoding.value))
    compiler.problems.error(spec.encoding.place, "expected hex or base64, found \"" + spec.encoding.value + "\"");
  if (plan.over.has("timestamp") && !spec.timestamp)
    compiler.problems.error(spec.over->place, "`{timestamp}` needs the scheme's `timestamp`");
}

}  // namespace

void compile_webhooks(Compiler& compiler) {
  const auto& spec = compiler.plan.manifest.webhooks;
  if (!spec) return;
  WebhookPlan plan;
  plan.decode = spec->decode;
  if (spec->verify.empty()) compiler.problems.error(spec->place, "`verify` needs at least one scheme");
  for (const SchemeSpec& scheme : spec->verify) {
    SchemePlan one{scheme, {}, {}, {}, {}, {}, {}, {}};
    if (scheme.hmac) one.hmac = compiler.text(*scheme.hmac);
    one.encoding = compiler.text(scheme.encoding);
    one.header = compiler.text(scheme.header);
    one.prefix = compiler.text(scheme.prefix);
    if (scheme.token) one.token = compiler.text(*scheme.token);
    if (scheme.timestamp && scheme.timestamp->header) one.timestamp_header = compiler.text(*scheme.timestamp->header);
    one.over = scheme.over ? compiler.text(*scheme.over, kSigned) : *TextTemplate::parse("{body}");
    check_literals(compiler, one);
    for (const std::string& key : scheme.keys) {
      if (std::find(plan.keys.begin(), plan.keys.end(), key) == plan.keys.end()) plan.keys.push_back(key);
    }
    plan.schemes.push_back(std::move(one));
  }
  if (spec->handshake) {
    plan.handshake_when = compiler.program(spec->handshake->when, Sees::kWebhook);
    plan.handshake_status = spec->handshake->reply.status;
    if (spec->handshake->reply.json)
      plan.handshake_json = DataPlan::compile(*spec->handshake->reply.json,
                                              {Sees::kWebhook, Leaves::kLiteral, compiler.at}, compiler.problems);
  }
  plan.split = compiler.program(spec->split, Sees::kWebhook);
  plan.id = compiler.program(spec->event.id, Sees::kWebhook);
  plan.type = compiler.program(spec->event.type, Sees::kWebhook);
  plan.time = compiler.program(spec->event.time, Sees::kWebhook);
  plan.subject = compiler.program(spec->event.subject, Sees::kWebhook);
  plan.op = compiler.program(spec->event.op, Sees::kWebhook);
  compiler.plan.webhooks = std::move(plan);
}

}  // namespace tieline::connect
