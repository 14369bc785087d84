// Ids of different things that share a representation and must never be mixed up.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace tieline {

// `Tag` only names the kind. No implicit conversion either way; 0 is never a valid id unless its alias says so.
template <class Tag, class Rep>
struct StrongId {
  Rep value{};
  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep v) : value(v) {}
  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;
};

}  // namespace tieline

template <class Tag, class Rep>
struct std::hash<tieline::StrongId<Tag, Rep>> {
  std::size_t operator()(const tieline::StrongId<Tag, Rep>& id) const noexcept { return std::hash<Rep>{}(id.value); }
};
