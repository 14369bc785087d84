#include "admin/links.h"

#include "admin/test_support.h"

namespace tieline::admin {
namespace {

class LinksTest : public AdminTest {
 protected:
  std::string set(const std::string& order) {
    const auto answer = await(set_links(*store, *json::parse(order), clock.now()));
    return answer ? json::print(answer->root()) : answer.error().message;
  }
  std::string remove(const std::string& order) {
    const auto answer = await(remove_link(*store, *json::parse(order), clock.now()));
    return answer ? json::print(answer->root()["removed"]["ids"]) : answer.error().message;
  }
  std::string get(const std::string& system, const std::string& id) {
    const auto answer = await(get_link(*store, system, id));
    return answer ? json::print(answer->root()["ids"]) : answer.error().message;
  }
  json::Document list(LinkFilter filter) { return *await(list_links(*store, std::move(filter))); }
};

TEST_F(LinksTest, AreWrittenReadAndTakenAway) {
  EXPECT_EQ(set(R"({"links": [{"a.b": "1", "c.d": 2}, {"a.b": "3", "c.d": "4"}], "by": "anna"})"),
            R"({"written":2,"known":0,"refused":[]})");
  EXPECT_EQ(set(R"({"links": [{"a.b": "1", "c.d": "2"}]})"), R"({"written":0,"known":1,"refused":[]})");
  EXPECT_EQ(get("c.d", "2"), R"({"a.b":"1","c.d":2})");
  EXPECT_EQ(get("c.d", "9"), "nothing is linked to c.d 9");
  const json::Document all = list({});
  ASSERT_EQ(all.root()["links"].size(), 2u);
  EXPECT_EQ(all.root()["links"].at(0)["by"].as_string(), "anna");
  EXPECT_FALSE(all.root().has("next"));
  EXPECT_EQ(list({.system = "c.d"}).root()["links"].size(), 2u);
  EXPECT_EQ(list({.system = "c"}).root()["links"].size(), 0u);
  EXPECT_EQ(remove(R"({"system": "c.d", "id": "2"})"), R"({"a.b":"1","c.d":2})");
  EXPECT_EQ(get("a.b", "1"), "nothing is linked to a.b 1");
  EXPECT_EQ(remove(R"({"system": "c.d", "id": "2"})"), "nothing is linked to c.d 2");
}

TEST_F(LinksTest, EachStandsForItself) {
  const std::string said = set(R"({"links": [{"a.b": "1", "c.d": "2"}, {"a.b": "1", "c.d": "3"}, {"a.b": "5"}]})");
  EXPECT_EQ(said.find(R"({"written":1,"known":0,"refused":[{"ids":{"a.b":"1","c.d":"3"},"error":"a.b 1 is linked)"),
            0u);
  EXPECT_NE(said.find("a link joins ids of two or more systems"), std::string::npos);
  EXPECT_EQ(set(R"({"links": [{"a.b": "1", "c.d": "3"}], "replace": true})"),
            R"({"written":1,"known":0,"refused":[]})");
  EXPECT_EQ(get("c.d", "2"), "nothing is linked to c.d 2");
  EXPECT_EQ(set("{}").find("say {\"links\""), 0u);
}

TEST_F(LinksTest, AreListedPageByPage) {
  for (int i = 0; i < 5; ++i)
    set(R"({"links": [{"a.b": ")" + std::to_string(i) + R"(", "c.d": ")" + std::to_string(i) + R"("}]})");
  std::string after;
  std::size_t count = 0;
  for (int pages = 0; pages < 5; ++pages) {
    const json::Document page = list({.system = "", .after = after, .count = 2});
    count += page.root()["links"].size();
    after = std::string(page.root()["next"].as_string());
    if (after.empty()) break;
  }
  EXPECT_EQ(count, 5u);
}

}  // namespace
}  // namespace tieline::admin
