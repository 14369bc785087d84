#include "connect/text_template.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tieline::connect {
namespace {

constexpr std::array<std::string_view, 7> kReservedFilters{"odata", "soql", "form", "lower", "dash", "crc32", "md5"};

bool is_name(std::string_view name) {
  return !name.empty() &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-*") ==
             std::string_view::npos;
}

Result<TextTemplate::Part> placeholder(std::string_view inside, std::size_t column) {
  const Place place{"", 1, static_cast<std::uint32_t>(column)};
  const auto pieces = split(inside, '|');
  TextTemplate::Part part{std::string(trim(pieces[0])), true, TextTemplate::Filter::kNone, column};
  if (!is_name(part.text))
    return failure(Code::kInvalid, "`{" + std::string(inside) + "}` is not a placeholder; write {{ for a brace", place);
  if (part.text.starts_with("kept."))
    return failure(Code::kUnsupported, "`{" + part.text + "}` is not available in this version", place);
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    const std::string filter(trim(pieces[i]));
    const bool reserved = filter == "sorted" ||
                          std::find(kReservedFilters.begin(), kReservedFilters.end(), filter) != kReservedFilters.end();
    if (reserved)
      return failure(Code::kUnsupported, "the filter `" + filter + "` is not available in this version", place);
    if (filter != "path" && filter != "raw") {
      const std::array<std::string, 2> known{"path", "raw"};
      return failure(Code::kInvalid, "unknown filter `" + filter + "`" + did_you_mean(filter, known), place);
    }
    part.filter = filter == "path" ? TextTemplate::Filter::kPath : TextTemplate::Filter::kRaw;
  }
  return part;
}

Result<std::string> path_part(const std::string& name, std::string_view value) {
  if (value.empty() || value == "." || value == "..")
    return failure(Code::kInvalid, "`" + name + "` must not be empty, . or .. where it is part of a path");
  return percent_encode(value);
}

Result<std::string> escaped(const TextTemplate::Part& part, Spot spot, std::string value) {
  switch (spot) {
    case Spot::kPath: {
      if (part.filter != TextTemplate::Filter::kPath) return path_part(part.text, value);
      std::string out;
      std::string_view rest = value;
      if (rest.starts_with('/')) {
        out = "/";
        rest.remove_prefix(1);
      }
      bool first = true;
      for (const std::string_view piece : split(rest, '/')) {
        if (piece == "." || piece == "..")
          return failure(Code::kInvalid, "`" + part.text + "` must not have a part . or ..");
        if (!first) out += '/';
        out += percent_encode(piece);
        first = false;
      }
      return out;
    }
    case Spot::kBase:
      if (part.filter == TextTemplate::Filter::kRaw) return value;
      if (value.empty() || percent_encode(value) != value)
        return failure(Code::kInvalid, "`" + part.text + "` may hold only letters, digits and - . _ ~ in an address");
      return value;
    case Spot::kHeader:
      if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
        return failure(Code::kInvalid, "`" + part.text + "` must not hold a line end or NUL");
      return value;
    case Spot::kRaw: return value;
  }
  return value;
}

}  // namespace

Result<TextTemplate> TextTemplate::parse(std::string_view text) {
  TextTemplate out;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) out.parts_.push_back({std::move(literal), false, Filter::kNone, 1});
    literal.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const Place place{"", 1, static_cast<std::uint32_t>(i + 1)};
    const bool doubled = i + 1 < text.size() && text[i + 1] == text[i];
    if (text[i] == '}') {
      if (!doubled) return failure(Code::kInvalid, "a } without its {; write }} for a brace", place);
      literal += text[i++];
    } else if (text[i] == '{' && doubled) {
      literal += text[i++];
    } else if (text[i] == '{') {
      const std::size_t end = text.find('}', i);
      if (end == text.npos) return failure(Code::kInvalid, "a { without its }; write {{ for a brace", place);
      flush();
      TRY(Part part, placeholder(text.substr(i + 1, end - i - 1), i + 1));
      out.parts_.push_back(std::move(part));
      i = end;
    } else {
      literal += text[i];
    }
  }
  flush();
  return out;
}

bool TextTemplate::has(std::string_view name) const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [&](const Part& part) { return part.placeholder && part.text == name; });
}

bool TextTemplate::literal() const {
  return std::none_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.placeholder; });
}

Result<std::optional<std::string>> TextTemplate::expand(Spot spot, const Lookup& lookup) const {
  std::string out;
  for (const Part& part : parts_) {
    if (!part.placeholder) {
      out += part.text;
      continue;
    }
    auto value = lookup(part.text);
    if (!value) return std::optional<std::string>();
    TRY(const std::string text, escaped(part, spot, std::move(*value)));
    out += text;
  }
  return std::optional(std::move(out));
}

}  // namespace tieline::connect
