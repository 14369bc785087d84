// A resource of a connector that is read again and again, bound to a connection. It must never read a clock or send
// anything, and no record may become an event without a name that tells it from all others.
#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"
#include "connect/binding.h"
#include "connect/encode.h"
#include "connect/vendor_time.h"

namespace tieline::connect {
namespace {

constexpr std::size_t kIdMax = 512;
constexpr std::size_t kVersionMax = 128;  // a longer one is kept as its hash
constexpr std::size_t kShownMax = 60;

std::string hash_text(std::string_view text) {
  Bytes bytes;
  put_u64(bytes, hash64(text));
  return to_hex(bytes);
}

std::string hash_of(json::Value value) { return hash_text(json::print(value)); }

std::string shown(json::Value value) { return truncated(json::print(value), kShownMax); }

json::Document nothing_given() {
  json::Builder out;
  out.begin_object().end_object();
  return out.finish();
}

class BoundSync final : public SyncSource {
 public:
  BoundSync(std::shared_ptr<const Binding> binding, const ResourcePlan* plan)
      : binding_(std::move(binding)), plan_(*plan), sync_(*plan->sync) {
    resource_ = plan_.name;
    name_ = binding_->name + "." + plan_.name;
    all_ = make_action(binding_, sync_.all.target, NoList::kUnreadable);
    if (sync_.changes) {
      changes_ = make_action(binding_, sync_.changes->target, NoList::kUnreadable);
      pages_changes_ = sync_.changes->target->page.has_value();
    }
    overlap_ = sync_.overlap;
    in_order_ = sync_.in_order;
    deletions_ = sync_.deletions;
  }

  Result<json::Document> all_arguments() const override { return arguments(sync_.all, nothing_given(), "sync.all"); }
  Result<json::Document> changes_arguments(Time since) const override {
    CHECK(sync_.changes);
    json::Builder input;
    input.begin_object().key("since").string(format_time(since));
    input.key("since_ms").integer(std::chrono::floor<std::chrono::milliseconds>(since).time_since_epoch().count());
    return arguments(*sync_.changes, input.end_object().finish(), "sync.changes");
  }
  Result<Facts> facts(const json::Document& record) const override;

 private:
  Scope scope() const {
    Scope out;
    out.variables = &binding_->variables;
    return out;
  }
  Result<json::Document> arguments(const ReadingPlan& reading, const json::Document& input, const char* name) const;
  // Null where the manifest has no such program.
  Result<json::Document> read(const ManifestProgramPtr& program, const json::Document& record, const char* name) const;
  Result<void> read_id(const json::Document& record, Facts& facts) const;
  Result<std::string> version_of(const json::Document& record, const std::optional<Time>& updated) const;

  std::shared_ptr<const Binding> binding_;
  const ResourcePlan& plan_;
  const SyncPlan& sync_;
};

Result<json::Document> BoundSync::arguments(const ReadingPlan& reading, const json::Document& input,
                                            const char* name) const {
  if (!reading.with) return nothing_given();
  auto out = reading.with->evaluate(input, scope(), binding_->variable_lookup(), std::string(name) + ".with");
  if (!out) return failure(std::move(out.error()).in(name_));
  if (out->root().is_null()) return nothing_given();
  if (!out->root().is_object())
    return failure(Code::kInvalid, name_ + ": " + name + ".with must give an object, gave " + shown(out->root()));
  return std::move(*out);
}

Result<json::Document> BoundSync::read(const ManifestProgramPtr& program, const json::Document& record,
                                       const char* name) const {
  if (program == nullptr) return json::Document();
  auto out = program->read(record, scope());
  if (!out) return failure(std::move(out.error()).in(name));
  return *out ? std::move(**out) : json::Document();
}

Result<void> BoundSync::read_id(const json::Document& record, Facts& facts) const {
  TRY(const json::Document value, read(plan_.id, record, "`id`"));
  const json::Value root = value.root();
  if (!root.is_string() && !root.is_number())
    return failure(Code::kInvalid, "`id` must give a text or number, gave " + shown(root));
  facts.id = *scalar_text(root);
  facts.number = root.is_number();
  if (facts.id.empty()) return failure(Code::kInvalid, "`id` gave an empty text");
  if (facts.id.size() > kIdMax)
    return failure(Code::kInvalid, "`id` gave " + std::to_string(facts.id.size()) + " bytes, of which " +
                                       std::to_string(kIdMax) + " are allowed: " + shown(root));
  return {};
}

Result<std::string> BoundSync::version_of(const json::Document& record, const std::optional<Time>& updated) const {
  TRY(const json::Document value, read(plan_.version, record, "`version`"));
  if (value.root().is_array() || value.root().is_object()) return hash_of(value.root());
  std::string text = scalar_text(value.root()).value_or("");
  if (text.empty()) return updated ? format_time(*updated) : hash_of(record.root());
  return text.size() <= kVersionMax ? text : hash_text(text);
}

Result<SyncSource::Facts> BoundSync::facts(const json::Document& record) const {
  Facts out;
  auto id = read_id(record, out);
  if (!id) return failure(std::move(id.error()).in(name_ + ": a record"));
  const auto of_this = [&](Error error) {
    return failure(std::move(error).in(name_ + ": the record " + truncated(out.id, kShownMax)));
  };
  const auto updated = read(plan_.updated, record, "`updated`");
  if (!updated) return of_this(updated.error());
  out.updated = vendor_time(updated->root());
  if (!out.updated && !updated->root().is_null())
    return of_this(Error{Code::kInvalid, "`updated` must give a time, gave " + shown(updated->root())});
  auto version = version_of(record, out.updated);
  if (!version) return of_this(std::move(version.error()));
  out.version = std::move(*version);
  const auto deleted = read(plan_.deleted, record, "`deleted`");
  if (!deleted) return of_this(deleted.error());
  out.deleted = deleted->root().truthy();
  return out;
}

}  // namespace

SyncSourcePtr make_sync(std::shared_ptr<const Binding> binding, const ResourcePlan* plan) {
  CHECK(plan->sync);
  return std::make_shared<const BoundSync>(std::move(binding), plan);
}

}  // namespace tieline::connect
