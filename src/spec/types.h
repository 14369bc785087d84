// The values that only configuration has: sizes, rates, programs, data with programs in it, references to secrets.
// A SecretRef must never hold a secret itself, only where it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "spec/yaml.h"

namespace tieline::spec {

// A number of bytes.
struct Size {
  std::int64_t bytes = 0;
  friend auto operator<=>(const Size&, const Size&) = default;
};
// "512B", "64KB", "20GB" (powers of 1000), "4KiB", "4MiB" (powers of 1024), up to TB and TiB; "0". kInvalid otherwise.
Result<Size> parse_size(std::string_view text);
std::string format_size(Size size);  // the shortest exact form that parse_size reads

// So many per so long.
struct Rate {
  std::int64_t count = 0;
  Duration per = std::chrono::seconds(1);
  friend bool operator==(const Rate&, const Rate&) = default;
};
// "90/10s", "100/s" (per one second), "100000/24h": both parts at least 1. kInvalid otherwise.
Result<Rate> parse_rate(std::string_view text);
std::string format_rate(Rate rate);

// A logic field: always a program. A leading `=` is allowed and is not part of the source.
//   json::compile(program.source, names, Place{"", 1, 1}) … failure → program.located(std::move(error))
struct ProgramText {
  std::string source;
  Node node;             // the scalar it stands in
  std::size_t skip = 0;  // bytes of node.text() before `source`

  bool empty() const { return source.empty(); }
  Place place() const { return in_file(1, 1); }
  // The place in the workspace file of line:column (from 1) of `source`.
  Place in_file(std::uint32_t line, std::uint32_t column) const;
  // An error whose place is inside `source` (from json::compile with Place{"", 1, 1}), moved to the file.
  Error located(Error error) const;
};

// A data field: a tree whose leaves are literals or programs.
struct Data {
  struct Entry;
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kText, kProgram, kList, kMap };
  Kind kind = Kind::kNull;
  // "true" or "false"; a JSON number as written; the text. Unquoted true, false, null and JSON numbers are typed, all
  // else is text (so 007, 1_000, .5, yes and 2026-11-23 are text).
  std::string text;
  ProgramText program;  // of kProgram
  std::vector<Data> items;
  std::vector<Entry> entries;  // in order
  Node node;

  bool has_programs() const;  // here or below
  const Data* find(std::string_view key) const;
};
struct Data::Entry {
  std::string key;
  Data value;
};

// Where a secret is kept: `secret:NAME` (the vault), `env:NAME`, `file:PATH`.
struct SecretRef {
  enum class Kind : std::uint8_t { kVault, kEnv, kFile };
  Kind kind = Kind::kVault;
  std::string name;
  Place place;

  std::string text() const;  // "secret:hubspot/token"
  bool empty() const { return name.empty(); }
};
// kInvalid for anything that is not a reference; the message never repeats `text`.
Result<SecretRef> parse_secret_ref(std::string_view text);

// A map with any keys, in the order they were written.
template <class X>
using Map = std::vector<std::pair<std::string, X>>;

// Any value, with the place it was written at: for what can only be checked later (a name that must resolve).
template <class X>
struct At {
  X value{};
  Place place;
};

}  // namespace tieline::spec
