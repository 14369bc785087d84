#include "connect/manifest_tables.h"

namespace tieline {

const spec::Names<Deletions>& describe(const Deletions*) {
  static const spec::Names<Deletions> names{
      {Deletions::kTombstones, "tombstones", "the vendor gives what is gone once more, and `deleted` holds for it"},
      {Deletions::kFullDiff, "full_diff", "a reading of all records does not give what is gone any more"},
      {Deletions::kNone, "none", "what is gone is not noticed"}};
  return names;
}

}  // namespace tieline

namespace tieline::connect {

const spec::Table<ReadingSpec>& describe(const ReadingSpec*) {
  static const auto table =
      spec::Table<ReadingSpec>("reading", "The call that gives records, page by page")
          .field("call", &ReadingSpec::call,
                 {.doc = "An action of the resource, or RESOURCE.ACTION; a safe one that returns a list",
                  .example = "list",
                  .required = true})
          .field("with", &ReadingSpec::with, {.doc = "Its args", .text_is_program = true})
          .shorthand("call");
  return table;
}

const spec::Names<ChangesOrder>& describe(const ChangesOrder*) {
  static const spec::Names<ChangesOrder> names{
      {ChangesOrder::kUpdated, "updated", "what changed first comes first, as `updated` says"},
      {ChangesOrder::kNone, "none"}};
  return names;
}

const spec::Table<SyncSpec>& describe(const SyncSpec*) {
  static const auto table =
      spec::Table<SyncSpec>("sync", "How the resource is read again and again")
          .field("all", &SyncSpec::all, {.doc = "The call that gives all records", .required = true})
          .field("changes", &SyncSpec::changes,
                 {.doc = "The call that gives what changed since a time; its `with` sees {since, since_ms}",
                  .fallback = "none: every reading is one of all records"})
          .field("overlap", &SyncSpec::overlap,
                 {.doc = "How far before the last change that was seen a reading of changes begins", .max = "7d"})
          .field("order", &SyncSpec::order, {.doc = "The order in which changes come"})
          .field("deletions", &SyncSpec::deletions, {.doc = "How a record that is gone is noticed"})
          .reserved("bulk", "All records as one file")
          .check([](const SyncSpec& spec, const spec::Node& node, spec::Problems& problems) {
            if (spec.changes) return;
            for (const char* name : {"overlap", "order"}) {
              if (const spec::Node* given = node.find(name))
                problems.error(given->place(), "`" + std::string(name) + "` is about `changes`, which is not there");
            }
          });
  return table;
}

namespace {

void check_resource(const ResourceSpec& spec, const spec::Node& node, spec::Problems& problems) {
  if (!spec.sync) return;
  const spec::Node& sync = *node.find("sync");
  const auto place_of = [&](const char* name) {
    const spec::Node* found = sync.find(name);
    return found != nullptr ? found->place() : sync.place();
  };
  if (!spec.id) problems.error(sync.place(), "`sync` needs the resource's `id`: which record is which");
  if (spec.sync->changes && !spec.updated)
    problems.error(place_of("changes"), "`changes` needs the resource's `updated`: the next reading begins there");
  if (spec.sync->deletions == Deletions::kTombstones && !spec.deleted)
    problems.error(place_of("deletions"),
                   "`deletions: tombstones` needs the resource's `deleted`: whether a record is one");
}

}  // namespace

const spec::Table<ResourceSpec>& describe(const ResourceSpec*) {
  static const auto table =
      spec::Table<ResourceSpec>("resource", "One kind of thing the vendor has")
          .field("actions", &ResourceSpec::actions, {.doc = "What can be done with it"})
          .field("id", &ResourceSpec::id, {.doc = "Over a record: which one it is", .example = ".id"})
          .field("updated", &ResourceSpec::updated,
                 {.doc = "Over a record: when it changed last, as ISO 8601 text or seconds or milliseconds since 1970",
                  .example = ".updatedAt"})
          .field("version", &ResourceSpec::version,
                 {.doc = "Over a record: something that is another for each state of it",
                  .fallback = "what `updated` gives, else a hash of the record"})
          .field("deleted", &ResourceSpec::deleted, {.doc = "Over a record: whether it only says that it is gone"})
          .field("sync", &ResourceSpec::sync, {.doc = "How it is read again and again"})
          .reserved("key", "The names that tie records of several systems together")
          .reserved("dates", "Odd dates made ISO once")
          .check(check_resource);
  return table;
}

}  // namespace tieline::connect
