// Links: the durable table of who is who across systems (Shopify 881 = HubSpot 77), as groups of ids with one id a
// system. What is stored where, and what a new link makes of it; nothing here reads or writes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/journal.h"
#include "json/value.h"

namespace tieline {

inline constexpr std::string_view kLinkBucket = "link";
inline constexpr std::size_t kLinkSystemsMax = 16;     // in one group
inline constexpr std::size_t kLinkIdBytesMax = 512;    // of one id
inline constexpr std::size_t kLinkNameBytesMax = 128;  // of a system's name

// "netsuite.customer" and the id there: text or a number, which stays as it was written. 77 and "77" are one id.
struct LinkId {
  std::string system;
  json::Document id;

  std::string text() const;  // of the id
  std::string key() const;   // in the bucket
};

// A-Z, a-z, 0-9, and . _ - between them.
bool is_link_system(std::string_view name);
// kInvalid unless the id is a text that is not empty, or a number.
Result<LinkId> make_link_id(std::string system, const json::Document& id);
// "CONNECTION.RESOURCE" of a key, and the id's text.
std::pair<std::string_view, std::string_view> split_link_key(std::string_view key);

// Ids that mean the same thing.
struct LinkGroup {
  std::vector<LinkId> ids;  // by system
  Time at;                  // when it became what it is
  std::string by;           // "orders-to-deals/42", "anna"

  const LinkId* find(std::string_view system) const;
};

// What an entry of the bucket holds. Nothing where there is none, or where the link was taken away. kCorrupt.
Result<std::optional<LinkGroup>> read_link(const std::optional<Bytes>& entry);
Bytes write_link(const LinkGroup& group);

struct LinkChange {
  LinkGroup group;           // as it is then
  std::vector<KeyPut> puts;  // empty: it is so already
};
// Joins `ids` (at least two, of different systems), whose stored entries are `entries`, and whoever is linked to them.
// kConflict, with both, when two ids of one system would meet; with `replace` the ids given win, and what they displace
// is linked to nothing any more. kFull beyond kLinkSystemsMax.
struct LinkOrder {
  bool replace = false;
  Time at;
  std::string by;
};
Result<LinkChange> join_links(std::span<const LinkId> ids, std::span<const std::optional<Bytes>> entries,
                              const LinkOrder& order);
// Takes the id out of its group; a group of one is none.
LinkChange part_link(const LinkId& id, const LinkGroup& group, const LinkOrder& order);

}  // namespace tieline
