// connections/NAME.yaml: one account of a connector, as it was written. Names in it are only checked against the
// connector later (check_connection); a secret is only ever a reference here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "spec/table.h"
#include "workspace/catalog.h"

namespace tieline::workspace {

// A value of an auth method: a reference, or, for what is no secret (a user's name), a literal.
struct AuthValue {
  spec::SecretRef reference;  // empty for a literal
  std::string literal;
  Place place;
};

struct BucketOverride {
  std::optional<spec::Rate> rate;
  std::optional<std::uint32_t> concurrent;
};
const spec::Table<BucketOverride>& describe(const BucketOverride*);

struct BudgetFile : BucketOverride {
  spec::Map<BucketOverride> buckets;
};
const spec::Table<BudgetFile>& describe(const BudgetFile*);

enum class VerifyWebhooks : std::uint8_t { kSignature, kNone };
const spec::Names<VerifyWebhooks>& describe(const VerifyWebhooks*);

// Whose limits hold besides the connection's own budget.
enum class HeldLimits : std::uint8_t { kConnector, kNone };
const spec::Names<HeldLimits>& describe(const HeldLimits*);

struct ConnectionFile {
  std::string name;  // from the file's name
  spec::At<std::string> connector;
  spec::Map<spec::At<std::string>> variables;
  spec::Map<spec::Map<AuthValue>> auth;
  spec::Map<spec::SecretRef> secrets;
  VerifyWebhooks verify = VerifyWebhooks::kSignature;
  BudgetFile budget;
  HeldLimits limits = HeldLimits::kConnector;
  std::optional<std::string> base_url;
  bool private_addresses = false;
  spec::Node node;
};
const spec::Table<ConnectionFile>& describe(const ConnectionFile*);

// Compares the file with its connector and resolves its secrets. Nothing after reporting.
std::optional<ConnectionSettings> check_connection(const ConnectionFile& file, const ConnectorInfo& connector,
                                                   const SecretSources& secrets, spec::Problems& problems);

}  // namespace tieline::workspace

// Shown, documented and redacted as a reference to a secret, since that is what it nearly always is.
template <>
struct tieline::spec::Type<tieline::workspace::AuthValue> {
  static Shape shape() { return Type<SecretRef>::shape(); }
  static bool read(Context& context, const Node& node, workspace::AuthValue& out);
  static std::string print(const workspace::AuthValue& value) { return Type<SecretRef>::print(value.reference); }
};
