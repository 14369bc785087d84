#include "spec/types.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace tieline::spec {
namespace {

struct SizeUnit {
  std::string_view name;
  std::int64_t bytes;
};
constexpr std::array<SizeUnit, 9> kSizeUnits{{{"TiB", 1LL << 40},
                                              {"TB", 1'000'000'000'000},
                                              {"GiB", 1LL << 30},
                                              {"GB", 1'000'000'000},
                                              {"MiB", 1LL << 20},
                                              {"MB", 1'000'000},
                                              {"KiB", 1LL << 10},
                                              {"KB", 1'000},
                                              {"B", 1}}};

// A whole number at the front of `text`, which is then cut off it.
bool take_number(std::string_view& text, std::int64_t& out) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

struct Scheme {
  std::string_view prefix;
  SecretRef::Kind kind;
};
constexpr std::array<Scheme, 3> kSchemes{
    {{"secret:", SecretRef::Kind::kVault}, {"env:", SecretRef::Kind::kEnv}, {"file:", SecretRef::Kind::kFile}}};

}  // namespace

Result<Size> parse_size(std::string_view text) {
  std::string_view unit = text;
  std::int64_t count = 0;
  if (take_number(unit, count)) {
    if (count == 0 && unit.empty()) return Size{0};
    for (const SizeUnit& known : kSizeUnits) {
      if (unit == known.name && count <= std::numeric_limits<std::int64_t>::max() / known.bytes)
        return Size{count * known.bytes};
    }
  }
  return failure(Code::kInvalid, "\"" + std::string(text) + "\" is not a size like 512B, 64KB, 20GB or 4MiB");
}

std::string format_size(Size size) {
  if (size.bytes == 0) return "0";
  std::string best;
  for (const SizeUnit& unit : kSizeUnits) {
    if (size.bytes % unit.bytes != 0) continue;
    const std::string form = std::to_string(size.bytes / unit.bytes) + std::string(unit.name);
    if (best.empty() || form.size() < best.size()) best = form;
  }
  return best;
}

Result<Rate> parse_rate(std::string_view text) {
  std::string_view rest = text;
  Rate rate;
  if (take_number(rest, rate.count) && rate.count > 0 && rest.starts_with('/')) {
    rest.remove_prefix(1);
    const bool bare_unit = !rest.empty() && (rest[0] < '0' || rest[0] > '9');
    if (const auto per = parse_duration(bare_unit ? "1" + std::string(rest) : std::string(rest));
        per && per->count() > 0) {
      rate.per = *per;
      return rate;
    }
  }
  return failure(Code::kInvalid, "\"" + std::string(text) + "\" is not a rate like 90/10s, 100/s or 100000/24h");
}

std::string format_rate(Rate rate) {
  std::string per = format_duration(rate.per);
  if (per.size() > 1 && per[0] == '1' && (per[1] < '0' || per[1] > '9')) per.erase(0, 1);
  return std::to_string(rate.count) + "/" + per;
}

Place ProgramText::in_file(std::uint32_t line, std::uint32_t column) const {
  if (column == 0) column = 1;
  return node.place_in(line, line <= 1 ? column + static_cast<std::uint32_t>(skip) : column);
}

Error ProgramText::located(Error error) const {
  error.place = in_file(std::max(error.place.line, 1u), error.place.column);
  return error;
}

bool Data::has_programs() const {
  if (kind == Kind::kProgram) return true;
  return std::any_of(items.begin(), items.end(), [](const Data& item) { return item.has_programs(); }) ||
         std::any_of(entries.begin(), entries.end(), [](const auto& entry) { return entry.value.has_programs(); });
}

const Data* Data::find(std::string_view key) const {
  const auto at = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.key == key; });
  return at == entries.end() ? nullptr : &at->value;
}

std::string SecretRef::text() const {
  for (const Scheme& scheme : kSchemes) {
    if (scheme.kind == kind) return std::string(scheme.prefix) + name;
  }
  return name;
}

Result<SecretRef> parse_secret_ref(std::string_view text) {
  for (const Scheme& scheme : kSchemes) {
    if (text.starts_with(scheme.prefix) && text.size() > scheme.prefix.size())
      return SecretRef{scheme.kind, std::string(text.substr(scheme.prefix.size())), {}};
  }
  return failure(
      Code::kInvalid,
      "a secret must not stand here itself; give a reference: secret:NAME (the vault), env:NAME or file:PATH");
}

}  // namespace tieline::spec
