// The table of links for people: who is who across systems, and how that came to be. Reading works in the server and
// offline alike; writing is for whoever holds the table's turn (engine::Engine::table_turn).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/journal.h"
#include "core/links.h"
#include "json/value.h"

namespace tieline::admin {

inline constexpr std::size_t kLinksMax = 1'000;  // in one answer or one order

struct LinkFilter {
  std::string system;  // empty: all
  std::string after;   // what the answer before called `next`
  std::size_t count = 100;
};

// {"links": [{"ids": {SYSTEM: ID, …}, "at", "by"}], "next"}: each group once; with a system, by its ids there. `next`
// is absent at the end.
Async<json::Document> list_links(StateStore& state, LinkFilter filter);

// {"ids", "at", "by"}. kNotFound.
Async<json::Document> get_link(StateStore& state, std::string system, std::string id);

// `order` is {"links": [{SYSTEM: ID, …}, …], "replace": false, "by": "anna"}; gives {"written": 1, "known": 0,
// "refused": [{"ids", "error"}]}, in which each link stands for itself. kInvalid for an order of another form. Durable
// on return; what is written of one link and not of the other is made whole by the same order.
Async<json::Document> set_links(StateStore& state, json::Document order, Time now);

// `order` is {"system", "id", "by"}; gives {"removed": {"ids", …}}. kNotFound.
Async<json::Document> remove_link(StateStore& state, json::Document order, Time now);

}  // namespace tieline::admin
