#include "core/links.h"

#include <gtest/gtest.h>

#include <map>

namespace tieline {
namespace {

LinkId id(std::string system, std::string_view text) {
  return *make_link_id(std::move(system), json::make_string(text));
}

// A table in memory.
struct Table {
  std::map<std::string, Bytes> entries;

  std::optional<Bytes> at(const LinkId& id) const {
    const auto found = entries.find(id.key());
    return found == entries.end() ? std::nullopt : std::optional(found->second);
  }
  void write(const std::vector<KeyPut>& puts) {
    for (const KeyPut& put : puts) entries[put.key] = put.value;
  }
  // "ok", "same", or the error.
  std::string link(const std::vector<LinkId>& ids, bool replace = false) {
    std::vector<std::optional<Bytes>> read;
    for (const LinkId& one : ids) read.push_back(at(one));
    const auto change = join_links(ids, read, {.replace = replace, .at = Time(), .by = "test"});
    if (!change) return change.error().message;
    write(change->puts);
    return change->puts.empty() ? "same" : "ok";
  }
  std::string group_of(const LinkId& one) const {
    const auto group = read_link(at(one));
    if (!group) return group.error().message;
    if (!*group) return "-";
    std::string out;
    for (const LinkId& member : (*group)->ids) out += (out.empty() ? "" : " ") + member.system + "=" + member.text();
    return out;
  }
};

TEST(Links, JoinGroupsAndRepeatsChangeNothing) {
  Table table;
  EXPECT_EQ(table.link({id("a", "1"), id("b", "2")}), "ok");
  EXPECT_EQ(table.link({id("b", "2"), id("a", "1")}), "same");
  EXPECT_EQ(table.link({id("c", "3"), id("d", "4")}), "ok");
  EXPECT_EQ(table.link({id("b", "2"), id("d", "4")}), "ok");
  for (const auto& one : {id("a", "1"), id("b", "2"), id("c", "3"), id("d", "4")})
    EXPECT_EQ(table.group_of(one), "a=1 b=2 c=3 d=4");
}

TEST(Links, NameBothSidesOfAContradiction) {
  Table table;
  table.link({id("a", "1"), id("b", "2")});
  EXPECT_EQ(table.link({id("a", "1"), id("b", "9")}).find("a 1 is linked to b 2, not to b 9"), 0u);
  EXPECT_EQ(table.link({id("a", "5"), id("b", "2")}).find("b 2 is linked to a 1, not to a 5"), 0u);
  EXPECT_EQ(table.group_of(id("b", "9")), "-");
}

TEST(Links, ReplaceTakesThePlaceOfWhatItContradicts) {
  Table table;
  table.link({id("a", "1"), id("b", "2"), id("c", "3")});
  table.link({id("a", "7"), id("b", "9")});
  EXPECT_EQ(table.link({id("a", "1"), id("b", "9")}, true), "ok");
  EXPECT_EQ(table.group_of(id("a", "1")), "a=1 b=9 c=3");
  EXPECT_EQ(table.group_of(id("b", "9")), "a=1 b=9 c=3");
  EXPECT_EQ(table.group_of(id("c", "3")), "a=1 b=9 c=3");
  EXPECT_EQ(table.group_of(id("b", "2")), "-");
  EXPECT_EQ(table.group_of(id("a", "7")), "-");
  EXPECT_EQ(table.link({id("a", "1"), id("b", "9")}, true), "same");
}

TEST(Links, ArePartedAndAGroupOfOneIsNone) {
  Table table;
  table.link({id("a", "1"), id("b", "2"), id("c", "3")});
  const auto part = [&](const LinkId& one) {
    table.write(part_link(one, **read_link(table.at(one)), {.replace = false, .at = Time(), .by = "test"}).puts);
  };
  part(id("b", "2"));
  EXPECT_EQ(table.group_of(id("a", "1")), "a=1 c=3");
  EXPECT_EQ(table.group_of(id("b", "2")), "-");
  part(id("c", "3"));
  EXPECT_EQ(table.group_of(id("a", "1")), "-");
}

TEST(Links, KeepAnIdAsItWasWritten) {
  const LinkId number = *make_link_id("a", *json::parse("12345678901234567890"));
  EXPECT_EQ(number.text(), "12345678901234567890");
  EXPECT_EQ(number.key(), id("a", "12345678901234567890").key());
  EXPECT_FALSE(make_link_id("a", json::make_string("")));
  EXPECT_FALSE(make_link_id("a", json::make_bool(true)));
  EXPECT_FALSE(make_link_id("a b", json::make_string("1")));
  EXPECT_FALSE(make_link_id("a", json::make_string(std::string(513, 'x'))));
}

TEST(Links, HaveABound) {
  std::vector<LinkId> many;
  for (int i = 0; i < 17; ++i) many.push_back(id("s" + std::to_string(i), "1"));
  EXPECT_NE(Table().link(many).find("more than 16 systems"), std::string::npos);
}

}  // namespace
}  // namespace tieline
