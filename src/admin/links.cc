#include "admin/links.h"

#include <algorithm>

#include "admin/api_reply.h"
#include "base/text.h"

namespace tieline::admin {
namespace {

void put_group(json::Builder& out, const LinkGroup& group) {
  out.key("ids").begin_object();
  for (const LinkId& id : group.ids) out.key(id.system).copy(id.id.root());
  out.end_object().key("at").string(format_time(group.at)).key("by").string(group.by);
}

Async<std::optional<Entry>> read_entry(StateStore& state, std::string key) {
  return state.get(std::string(kLinkBucket), std::move(key));
}

Async<void> write_entry(StateStore& state, KeyPut put) {
  std::string key = put.key;
  CO_TRY(auto present, co_await read_entry(state, std::move(key)));
  const auto group = read_link(put.value);
  const bool gone = group && !group->has_value();
  if (gone && !present) co_return Result<void>();
  if (gone) {
    auto erased = co_await state.erase(std::move(put.bucket), std::move(put.key), present->revision);
    co_return erased;
  }
  if (!present) {
    CO_TRY_VOID(co_await state.create(std::move(put.bucket), std::move(put.key), std::move(put.value)));
    co_return Result<void>();
  }
  const std::uint64_t revision = present->revision;
  CO_TRY_VOID(co_await state.update(std::move(put.bucket), std::move(put.key), std::move(put.value), revision));
  co_return Result<void>();
}

Async<void> write_entries(StateStore& state, std::vector<KeyPut> puts) {
  for (const KeyPut& put : puts) {
    KeyPut one = put;
    CO_TRY_VOID(co_await write_entry(state, std::move(one)));
  }
  co_return Result<void>();
}

Result<std::vector<LinkId>> ids_of(const json::Document& order, json::Value link) {
  std::vector<LinkId> ids;
  for (const auto [system, id] : link.members()) {
    TRY(LinkId made, make_link_id(std::string(system), order.part(id)));
    ids.push_back(std::move(made));
  }
  if (ids.size() < 2) return failure(Code::kInvalid, "a link joins ids of two or more systems");
  return ids;
}

// True when something was written.
Async<bool> set_link(StateStore& state, std::vector<LinkId> ids, LinkOrder order) {
  std::vector<std::optional<Bytes>> entries;
  for (const LinkId& id : ids) {
    std::string key = id.key();
    CO_TRY(auto entry, co_await read_entry(state, std::move(key)));
    entries.push_back(entry ? std::optional(entry->value) : std::nullopt);
  }
  CO_TRY(LinkChange change, join_links(ids, entries, order));
  const bool written = !change.puts.empty();
  CO_TRY_VOID(co_await write_entries(state, std::move(change.puts)));
  co_return written;
}

}  // namespace

Async<json::Document> list_links(StateStore& state, LinkFilter filter) {
  json::Builder out;
  out.begin_object().key("links").begin_array();
  const std::string prefix = filter.system.empty() ? "" : filter.system + "\n";
  const std::size_t count = std::clamp<std::size_t>(filter.count, 1, kLinksMax);
  std::size_t shown = 0;
  bool more = true;
  std::string after = filter.after;
  while (more && shown < count) {
    std::string bucket(kLinkBucket), from = after, begin = prefix;
    CO_TRY(const std::vector<Entry> entries,
           co_await state.scan(std::move(bucket), std::move(begin), std::move(from), kLinksMax));
    more = entries.size() == kLinksMax;
    for (const Entry& entry : entries) {
      if (shown == count) {
        more = true;
        break;
      }
      after = entry.key;
      CO_TRY(const auto group, read_link(entry.value));
      // Of all, each group stands where its first id does.
      if (!group || (filter.system.empty() && group->ids.front().key() != entry.key)) continue;
      out.begin_object();
      put_group(out, *group);
      out.end_object();
      ++shown;
    }
  }
  out.end_array();
  if (more) out.key("next").string(after);
  co_return out.end_object().finish();
}

Async<json::Document> get_link(StateStore& state, std::string system, std::string id) {
  std::string key = system + "\n" + id;
  CO_TRY(const auto entry, co_await read_entry(state, std::move(key)));
  CO_TRY(const auto group, read_link(entry ? std::optional(entry->value) : std::nullopt));
  if (!group) co_return failure(Code::kNotFound, "nothing is linked to " + system + " " + truncated(id, 100));
  json::Builder out;
  out.begin_object();
  put_group(out, *group);
  co_return out.end_object().finish();
}

Async<json::Document> set_links(StateStore& state, json::Document order, Time now) {
  const json::Value root = order.root(), links = root["links"];
  if (!links.is_array() || links.size() > kLinksMax) {
    co_return failure(Code::kInvalid,
                      "say {\"links\": [{\"hubspot.company\": \"77\", \"netsuite.customer\": \"881\"}]}, at most 1000");
  }
  const LinkOrder how{.replace = root["replace"].as_bool(), .at = now, .by = by_of(root)};
  std::int64_t written = 0, known = 0;
  json::Builder refused;
  refused.begin_array();
  for (const json::Value link : links.elements()) {
    auto ids = ids_of(order, link);
    Result<bool> done = false;
    if (ids) {
      std::vector<LinkId> given = std::move(*ids);
      LinkOrder with = how;
      done = co_await set_link(state, std::move(given), std::move(with));
    } else {
      done = failure(std::move(ids.error()));
    }
    if (done) {
      ++(*done ? written : known);
      continue;
    }
    const Code code = done.error().code;
    if (code != Code::kInvalid && code != Code::kConflict && code != Code::kFull && code != Code::kTooLarge)
      co_return failure(std::move(done.error()));
    refused.begin_object().key("ids").copy(link).key("error").string(done.error().message).end_object();
  }
  json::Builder out;
  out.begin_object().key("written").integer(written).key("known").integer(known).key("refused");
  out.copy(refused.end_array().finish().root());
  co_return out.end_object().finish();
}

Async<json::Document> remove_link(StateStore& state, json::Document order, Time now) {
  const json::Value root = order.root();
  CO_TRY(const LinkId id, make_link_id(std::string(root["system"].as_string()), order.part(root["id"])));
  std::string key = id.key();
  CO_TRY(const auto entry, co_await read_entry(state, std::move(key)));
  CO_TRY(const auto group, read_link(entry ? std::optional(entry->value) : std::nullopt));
  if (!group) co_return failure(Code::kNotFound, "nothing is linked to " + id.system + " " + truncated(id.text(), 100));
  LinkChange change = part_link(id, *group, {.replace = false, .at = now, .by = by_of(root)});
  CO_TRY_VOID(co_await write_entries(state, std::move(change.puts)));
  json::Builder out;
  out.begin_object().key("removed").begin_object();
  put_group(out, *group);
  co_return out.end_object().end_object().finish();
}

}  // namespace tieline::admin
