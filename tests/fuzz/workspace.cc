// Any text as a file of a workspace (the first byte says which one): it loads, or everything that is wrong with it
// stands at a place inside of it; a tree that was read comes back from its own text.
#include "workspace/load.h"

#include "base/text.h"
#include "spec/redact.h"
#include "target.h"

namespace tieline::fuzz {
namespace {

class NoConnectors final : public workspace::ConnectorCatalog {
 public:
  std::vector<std::string> connectors() const override { return {"hubspot", "shopify"}; }
  const workspace::ConnectorInfo* find(std::string_view) const override { return nullptr; }
  std::shared_ptr<const workspace::ConnectorInfo> load(std::string, const std::string& file,
                                                       spec::Problems& problems) const override {
    problems.error(Place{file, 1, 1}, "no connectors here");
    return nullptr;
  }
};

bool same(const spec::Node& a, const spec::Node& b) {
  if (a.kind() != b.kind() || a.text() != b.text() || a.items().size() != b.items().size() ||
      a.entries().size() != b.entries().size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.items().size(); ++i) {
    if (!same(a.items()[i], b.items()[i])) return false;
  }
  for (std::size_t i = 0; i < a.entries().size(); ++i) {
    if (a.entries()[i].key != b.entries()[i].key || !same(a.entries()[i].value, b.entries()[i].value)) return false;
  }
  return true;
}

void prints_and_reads_back(const std::string& text) {
  spec::Problems problems;
  const auto node = spec::parse_yaml(text, "a.yaml", problems);
  CHECK(node.has_value() == problems.ok());
  if (!node) return;
  spec::Problems none;
  const auto again = spec::parse_yaml(spec::print_yaml(*node), "b.yaml", none);
  CHECK(again.has_value() && same(*node, *again));
}

}  // namespace

void run(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::string text(bytes.substr(1));
  prints_and_reads_back(text);
  workspace::Files files{.texts = {{"tieline.yaml", ""}}, .prefix = ""};
  const std::string name = bytes.front() == 't'   ? "tieline.yaml"
                           : bytes.front() == 'c' ? "connections/shopify.yaml"
                                                  : "flows/orders.yaml";
  files.texts[name] = text;
  const workspace::SecretSources secrets{
      .environment = [](const std::string&) { return std::optional<std::string>("value"); },
      .file = [](const std::string&) { return Result<std::string>("value"); }};
  const workspace::Loaded loaded = workspace::load(files, NoConnectors(), secrets);
  CHECK((loaded.workspace != nullptr) == loaded.problems.ok());
  const auto lines = split(text, '\n');
  for (const spec::Problem& problem : loaded.problems.sorted()) {
    const Place& place = problem.error.place;
    CHECK(!problem.error.message.empty());
    if (place.file != name) continue;
    CHECK(place.line >= 1 && place.line <= lines.size() + 1);
    CHECK(place.column >= 1 && (place.line > lines.size() || place.column <= lines[place.line - 1].size() + 2));
  }
}

}  // namespace tieline::fuzz
