// `tieline link`: the table of who is who across systems, for people: listed and asked offline too, changed and filled
// from a CSV file through the running server.
#include <cstdio>

#include "base/text.h"
#include "cli/client.h"
#include "json/program.h"

namespace tieline::cli {
namespace {

constexpr std::size_t kRowsAtOnce = 500;

std::string shown(json::Value value) { return value.is_string() ? std::string(value.as_string()) : json::print(value); }

void print_group(json::Value group) {
  std::string line;
  for (const auto [system, id] : group["ids"].members())
    line += (line.empty() ? "" : "  =  ") + std::string(system) + " " + shown(id);
  std::printf("%s   (%s, by %s)\n", line.c_str(), shown(group["at"]).c_str(), shown(group["by"]).c_str());
}

int wrong(std::string message) { return report({Code::kInvalid, std::move(message), {}}, kUsage); }

// "netsuite.customer=881": the system and the id. Nothing after reporting.
std::optional<std::pair<std::string, std::string>> split_pair(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    wrong("\"" + text + "\" is no SYSTEM=ID, such as netsuite.customer=881");
    return std::nullopt;
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

int list(const Client& client, const Arguments& arguments) {
  admin::LinkFilter filter{.system = arguments.text("system"), .after = {}, .count = admin::kLinksMax};
  while (true) {
    const auto answer = client.links(filter);
    if (!answer) return report(answer.error());
    for (const json::Value group : answer->root()["links"].elements()) {
      if (arguments.flag("json")) {
        std::puts(json::print(group).c_str());
      } else {
        print_group(group);
      }
    }
    if (!answer->root().has("next")) return kOk;
    filter.after = std::string(answer->root()["next"].as_string());
  }
}

int get(const Client& client, const Arguments& arguments) {
  const auto words = arguments.all("SYSTEM=ID");
  if (words.size() != 1) return wrong("`link get` takes one SYSTEM=ID");
  const auto pair = split_pair(words[0]);
  if (!pair) return kUsage;
  const auto answer = client.link(pair->first, pair->second);
  if (!answer) return report(answer.error());
  if (arguments.flag("json")) {
    std::puts(json::print(answer->root()).c_str());
  } else {
    print_group(answer->root());
  }
  return kOk;
}

// What the server refused, a line each; kFailed if there was anything.
int refusals(json::Value answer) {
  for (const json::Value one : answer["refused"].elements())
    std::fprintf(stderr, "error: %s: %s\n", json::print(one["ids"]).c_str(), shown(one["error"]).c_str());
  return answer["refused"].size() == 0 ? kOk : kFailed;
}

int set(const Client& client, const Arguments& arguments) {
  json::Builder order;
  order.begin_object().key("links").begin_array().begin_object();
  for (const std::string& word : {arguments.text("SYSTEM=ID"), arguments.text("OTHER=ID")}) {
    const auto pair = split_pair(word);
    if (!pair) return kUsage;
    order.key(pair->first).string(pair->second);
  }
  order.end_object().end_array().key("replace").boolean(arguments.flag("replace"));
  order.key("by").string(decided_by(arguments.text("by"))).end_object();
  const auto answer = client.post("/api/links", order.finish());
  if (!answer) return report(answer.error());
  if (const int failed = refusals(answer->root()); failed != kOk) return failed;
  std::puts(answer->root()["written"].as_int64() == 1 ? "linked" : "they were linked already");
  return kOk;
}

int remove(const Client& client, const Arguments& arguments) {
  const auto words = arguments.all("SYSTEM=ID");
  if (words.size() != 1) return wrong("`link remove` takes one SYSTEM=ID");
  const auto pair = split_pair(words[0]);
  if (!pair) return kUsage;
  json::Builder order;
  order.begin_object().key("system").string(pair->first).key("id").string(pair->second);
  order.key("by").string(decided_by(arguments.text("by"))).end_object();
  const auto answer = client.post("/api/links/remove", order.finish());
  if (!answer) return report(answer.error());
  std::printf("removed from: ");
  print_group(answer->root()["removed"]);
  return kOk;
}

// The rows of a CSV file, as lists of texts.
Result<json::Document> read_rows(const std::string& file) {
  TRY(const std::string text, read_text(file));
  TRY(const auto program, json::compile("parse_csv({header: false})", {}));
  return program->run_one(json::make_string(text), {});
}

int import(const Client& client, const Arguments& arguments) {
  const auto words = arguments.all("SYSTEM=ID");
  const std::string from = arguments.text("from"), to = arguments.text("to");
  if (words.size() != 1 || from.empty() || to.empty())
    return wrong("`link import` takes a CSV file, --from SYSTEM and --to SYSTEM");
  auto rows = read_rows(words[0]);
  if (!rows) return report(rows.error());
  const json::Value all = rows->root();
  std::size_t from_column = 0, to_column = 1, first = 0;
  for (std::size_t i = 0; i < all.at(0).size(); ++i) {
    if (all.at(0).at(i).as_string() == from) from_column = i, ++first;
    if (all.at(0).at(i).as_string() == to) to_column = i, ++first;
  }
  if (first == 1) return wrong("the first line names only one of " + from + " and " + to);
  first = first > 0 || arguments.flag("header") ? 1 : 0;
  std::int64_t written = 0, known = 0;
  int status = kOk;
  for (std::size_t at = first; at < all.size();) {
    json::Builder order;
    order.begin_object().key("links").begin_array();
    for (std::size_t i = 0; i < kRowsAtOnce && at < all.size(); ++i, ++at) {
      order.begin_object().key(from).copy(all.at(at).at(from_column)).key(to).copy(all.at(at).at(to_column));
      order.end_object();
    }
    order.end_array().key("replace").boolean(arguments.flag("replace"));
    order.key("by").string(decided_by(arguments.text("by"))).end_object();
    const auto answer = client.post("/api/links", order.finish(), std::chrono::minutes(5));
    if (!answer) return report(answer.error());
    written += answer->root()["written"].as_int64().value_or(0);
    known += answer->root()["known"].as_int64().value_or(0);
    status = std::max(status, refusals(answer->root()));
  }
  std::printf("%lld linked, %lld known already\n", static_cast<long long>(written), static_cast<long long>(known));
  return status;
}

int run_link(const Arguments& arguments) {
  static const std::vector<std::string> known{"list", "get", "set", "remove", "import"};
  const std::string action = arguments.text("ACTION");
  const auto found = std::find(known.begin(), known.end(), action);
  if (found == known.end())
    return wrong("link takes " + join(known, ", ") + ", not \"" + action + "\"" + did_you_mean(action, known));
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  constexpr int (*kActions[])(const Client&, const Arguments&) = {list, get, set, remove, import};
  return kActions[found - known.begin()](*client, arguments);
}

}  // namespace

Command link_command() {
  std::vector<Option> options{{"--system", "SYSTEM", "with list: only those that have an id there"},
                              {"--from", "SYSTEM", "with import: what the first ids are of"},
                              {"--to", "SYSTEM", "with import: what the second ids are of"},
                              {"--header", "", "with import: the first line holds no ids"},
                              {"--replace", "", "put the new link in the place of one that it contradicts"},
                              {"--by", "NAME", "who says so, for whoever asks later; else the user of this shell"},
                              {"--json", "", "print JSON"}};
  for (const Option& option : client_options()) options.push_back(option);
  return {
      .name = "link",
      .summary = "shows and changes who is who across systems",
      .description =
          "The table that the steps `lookup` and `link` read and write. list and get work without a server; set, "
          "remove and import ask the one that runs. import reads a CSV file of two columns, or of those that its "
          "first line calls by the systems' names; each row stands for itself, and a repeat changes nothing.",
      .positionals = {{"ACTION", "list, get, set, remove or import", false, "list"},
                      {"SYSTEM=ID", "ids, as in hubspot.company=77; with import: the file", false},
                      {"OTHER=ID", "with set: the id in the other system", false}},
      .options = std::move(options),
      .examples = {"tieline link get hubspot.company=77", "tieline link set hubspot.company=77 netsuite.customer=881",
                   "tieline link import customers.csv --from hubspot.company --to netsuite.customer"},
      .run = run_link};
}

}  // namespace tieline::cli
