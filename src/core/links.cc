#include "core/links.h"

#include <algorithm>

#include "base/text.h"

namespace tieline {
namespace {

std::string text_of(json::Value id) { return std::string(id.is_string() ? id.as_string() : id.number_text()); }

std::string named(const LinkId& id) { return id.system + " " + truncated(id.text(), 100); }

KeyPut put_of(const LinkId& id, const LinkGroup& group, Time until) {
  KeyPut put;
  put.bucket = std::string(kLinkBucket);
  put.key = id.key();
  put.value = write_link(group);
  put.until = until;
  return put;
}

bool same_ids(const LinkGroup& a, const LinkGroup& b) {
  return a.ids.size() == b.ids.size() &&
         std::ranges::equal(a.ids, b.ids, [](const LinkId& x, const LinkId& y) { return x.key() == y.key(); });
}

// Entries of a group as it is, and tombstones of those that it lost.
std::vector<KeyPut> puts_of(const LinkGroup& group, std::span<const LinkId> lost, const LinkOrder& order) {
  std::vector<KeyPut> puts;
  for (const LinkId& id : group.ids) puts.push_back(put_of(id, group, Time::max()));
  for (const LinkId& id : lost) puts.push_back(put_of(id, {.ids = {}, .at = order.at, .by = order.by}, order.at));
  return puts;
}

}  // namespace

std::string LinkId::text() const { return text_of(id.root()); }
std::string LinkId::key() const { return system + '\n' + text(); }

bool is_link_system(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  const auto fits = [&](char c) { return letter(c) || c == '.' || c == '_' || c == '-'; };
  return !name.empty() && name.size() <= kLinkNameBytesMax && letter(name.front()) && letter(name.back()) &&
         std::ranges::all_of(name, fits);
}

Result<LinkId> make_link_id(std::string system, const json::Document& id) {
  const json::Value value = id.root();
  if (!is_link_system(system)) {
    return failure(Code::kInvalid, "\"" + truncated(system, kLinkNameBytesMax) +
                                       "\" is no name of a system: write CONNECTION.RESOURCE");
  }
  if (!value.is_number() && (!value.is_string() || value.size() == 0)) {
    return failure(Code::kInvalid, "the id of " + system + " is " +
                                       (value.is_string() ? "empty" : std::string(json::kind_name(value.kind()))) +
                                       ": an id is text or a number");
  }
  if (text_of(value).size() > kLinkIdBytesMax)
    return failure(Code::kTooLarge, "the id of " + system + " is longer than 512 bytes");
  return LinkId{std::move(system), value.is_string() ? json::make_string(value.as_string()) : id};
}

std::pair<std::string_view, std::string_view> split_link_key(std::string_view key) {
  const std::size_t line = std::min(key.find('\n'), key.size());
  return {key.substr(0, line), line < key.size() ? key.substr(line + 1) : std::string_view()};
}

const LinkId* LinkGroup::find(std::string_view system) const {
  const auto found = std::ranges::find(ids, system, &LinkId::system);
  return found == ids.end() ? nullptr : &*found;
}

Bytes write_link(const LinkGroup& group) {
  json::Builder out;
  out.begin_object().key("ids").begin_object();
  for (const LinkId& id : group.ids) out.key(id.system).copy(id.id.root());
  out.end_object().key("at").integer(to_unix_us(group.at)).key("by").string(group.by).end_object();
  return json::print(out.finish().root());
}

Result<std::optional<LinkGroup>> read_link(const std::optional<Bytes>& entry) {
  if (!entry) return std::optional<LinkGroup>();
  const auto document = json::parse(*entry);
  if (!document || !document->root()["ids"].is_object())
    return failure(Code::kCorrupt, "an entry of the link table does not decode");
  LinkGroup group;
  for (const auto [system, id] : document->root()["ids"].members())
    group.ids.push_back({std::string(system), document->part(id)});
  if (group.ids.empty()) return std::optional<LinkGroup>();
  group.at = from_unix_us(document->root()["at"].as_int64().value_or(0));
  group.by = std::string(document->root()["by"].as_string());
  return std::optional<LinkGroup>(std::move(group));
}

Result<LinkChange> join_links(std::span<const LinkId> ids, std::span<const std::optional<Bytes>> entries,
                              const LinkOrder& order) {
  LinkChange change;
  std::vector<LinkId>& all = change.group.ids;
  all.assign(ids.begin(), ids.end());
  std::vector<LinkId> lost;
  bool as_it_is = true;
  std::vector<LinkGroup> groups;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    TRY(std::optional<LinkGroup> group, read_link(entries[i]));
    // An entry that does not name its own id was left by a write that was cut short: it says nothing.
    if (group && (group->find(ids[i].system) == nullptr || group->find(ids[i].system)->text() != ids[i].text()))
      group.reset();
    as_it_is = as_it_is && group;
    if (!group) continue;
    for (const LinkId& other : group->ids) {
      const LinkId* const known = change.group.find(other.system);
      if (known == nullptr) {
        all.push_back(other);
      } else if (known->text() != other.text()) {
        if (!order.replace) {
          return failure(Code::kConflict, named(ids[i]) + " is linked to " + named(other) + ", not to " +
                                              named(*known) +
                                              ": one id of a system stands for one of another; `replace: true` puts "
                                              "the new one in its place");
        }
        lost.push_back(other);
      }
    }
    groups.push_back(std::move(*group));
  }
  if (all.size() > kLinkSystemsMax)
    return failure(Code::kFull,
                   named(ids[0]) + " would be linked to more than " + std::to_string(kLinkSystemsMax) + " systems");
  std::ranges::sort(all, {}, &LinkId::system);
  change.group.at = order.at;
  change.group.by = order.by;
  as_it_is =
      as_it_is && std::ranges::all_of(groups, [&](const LinkGroup& group) { return same_ids(group, change.group); });
  if (as_it_is) {
    change.group = groups.front();
  } else {
    change.puts = puts_of(change.group, lost, order);
  }
  return change;
}

LinkChange part_link(const LinkId& id, const LinkGroup& group, const LinkOrder& order) {
  LinkChange change;
  std::vector<LinkId> lost;
  for (const LinkId& other : group.ids) {
    if (other.system != id.system) change.group.ids.push_back(other);
  }
  if (change.group.ids.size() < 2) lost = std::exchange(change.group.ids, {});
  // The id itself last: until it is gone, the same can be asked for again.
  lost.push_back(id);
  change.group.at = order.at;
  change.group.by = order.by;
  change.puts = puts_of(change.group, lost, order);
  return change;
}

}  // namespace tieline
