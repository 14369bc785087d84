// The port between engine and connectors for a resource that is read again and again: which calls give its records, and
// what a record says of itself. Pure: only the engine decides when to read, spends budget and sends.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/connector.h"

namespace tieline {

// How a record that is gone is noticed.
enum class Deletions : std::uint8_t {
  kNone,        // not at all
  kTombstones,  // it comes once more, and says so
  kFullDiff,    // a reading of all records does not give it any more
};

class SyncSource {
 public:
  virtual ~SyncSource() = default;

  // Constant after construction.
  const std::string& name() const { return name_; }          // "hubspot.contacts"
  const std::string& resource() const { return resource_; }  // "contacts"
  // A safe action that gives a list of all records, page by page.
  const ActionPtr& all() const { return all_; }
  // … of those that changed since a time. Null: there is none, and every reading is one of all.
  const ActionPtr& changes() const { return changes_; }
  // How far before the last change that was seen a reading of changes begins: what vendors show late is not lost.
  Duration overlap() const { return overlap_; }
  // Changes come in the order in which they happened: a reading may begin anew at the last one that it was given.
  bool in_order() const { return in_order_; }
  // `changes` says itself where its next page is. Else it gives one, and whether there is more only the next shows.
  bool pages_changes() const { return pages_changes_; }
  Deletions deletions() const { return deletions_; }

  // What `all` and `changes` are called with: objects. kInvalid when a program of the manifest fails.
  virtual Result<json::Document> all_arguments() const = 0;
  virtual Result<json::Document> changes_arguments(Time since) const = 0;

  struct Facts {
    std::string id;               // not empty
    std::optional<Time> updated;  // when it changed last, as the vendor says
    std::string version;          // another one for each state of the record; never empty
    bool deleted = false;
    bool number = false;  // the id is one, as it was written
  };
  // kInvalid when the record has no id, or a program fails.
  virtual Result<Facts> facts(const json::Document& record) const = 0;

 protected:
  std::string name_, resource_;
  ActionPtr all_, changes_;
  Duration overlap_{300'000'000};
  bool in_order_ = false, pages_changes_ = true;
  Deletions deletions_ = Deletions::kNone;
};
using SyncSourcePtr = std::shared_ptr<const SyncSource>;

}  // namespace tieline
