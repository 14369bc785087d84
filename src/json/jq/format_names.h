// The names that stand behind `@`; private to src/json.
// Every Format must have one.
#pragma once

#include <array>
#include <string_view>

#include "json/jq/code.h"

namespace tieline::json::jq {

struct FormatName {
  std::string_view name;
  Format format;
};
inline constexpr std::array kFormats = {
    FormatName{"text", Format::kText},     FormatName{"json", Format::kJson},
    FormatName{"html", Format::kHtml},     FormatName{"uri", Format::kUri},
    FormatName{"urid", Format::kUrid},     FormatName{"csv", Format::kCsv},
    FormatName{"tsv", Format::kTsv},       FormatName{"sh", Format::kSh},
    FormatName{"base64", Format::kBase64}, FormatName{"base64d", Format::kBase64d},
    FormatName{"base32", Format::kBase32}, FormatName{"base32d", Format::kBase32d},
};

}  // namespace tieline::json::jq
