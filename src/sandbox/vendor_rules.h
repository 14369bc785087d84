// What a double takes from a vendor's manifest: where credentials stand, what is limited, which paths there are. It
// must never read answers from it: what a double answers comes from the vendor's own documents.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tieline::connect {
struct Manifest;
}

namespace tieline::sandbox {

// A header that carries a credential: `before`, the secret, `after`; `basic` says that the secret stands in base64.
struct CredentialHeader {
  std::string name;
  std::string before, after;
  bool basic = false;
};

// A bucket as the vendor counts it (docs/manifests.md §7).
struct Limit {
  enum class Kind : std::uint8_t { kRolling, kFixed, kRestore, kConcurrent };
  enum class Applies : std::uint8_t { kRest, kNamed, kEvery };
  std::string name;
  Kind kind = Kind::kRolling;
  double count = 0;    // in each window; kRestore: the bucket's size; kConcurrent: in flight
  Duration window{0};  // kRestore: in which an empty bucket fills up
  Applies applies = Applies::kRest;
  bool points = false;  // counts what a request costs, not requests
  bool per_method = false;
  std::vector<std::string> per_args;  // names of args with a counter for each value
};

struct KnownAction {
  std::string name;                  // "contacts.search"
  std::string method;                // "POST"
  std::vector<std::string> path;     // segments below the base address, placeholders as "{id}"
  std::vector<std::string> buckets;  // that it names
};

struct VendorRules {
  std::vector<CredentialHeader> credentials;  // any of them; empty: the vendor asks for none
  std::vector<Limit> limits;
  std::vector<KnownAction> actions;
  std::vector<std::string> base_path;  // of the manifest's base_url: {"admin", "api", "{version}"}
};

// `variables` as a connection gives them; what is missing has the manifest's default. Never fails: a manifest that was
// read is sound, and a bucket that the variables switch off is left out.
VendorRules rules_of(const connect::Manifest& manifest, const std::map<std::string, std::string>& variables = {});
// The same of a manifest's text. Errors are those of the manifest, and kInvalid for a variable that it does not have or
// a value that it does not list.
Result<VendorRules> parse_rules(std::string manifest, std::string file,
                                const std::map<std::string, std::string>& variables = {});

// The same of the manifest that the program carries inside itself. kNotFound when it has none of that name.
Result<VendorRules> embedded_rules(std::string_view vendor, const std::map<std::string, std::string>& variables = {});

// The segments between the slashes; a "{placeholder}" matches any segment that is not empty.
std::vector<std::string> segments_of(std::string_view path);
bool is_placeholder(std::string_view segment);

}  // namespace tieline::sandbox
