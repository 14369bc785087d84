// What makes two failures the same cause.
#include <gtest/gtest.h>

#include "base/text.h"
#include "engine/cause.h"

namespace tieline::engine {
namespace {

TEST(Cause, IsTheSameWhereOnlyValuesDiffer) {
  const auto message = [](std::string_view summary) { return cause_of("f", summary).message; };
  EXPECT_EQ(cause_of("f", "permanent: api.get: contact 17 not found").category, "permanent");
  EXPECT_EQ(message("permanent: api.get: contact 17 not found"), "api.get: contact # not found");
  EXPECT_EQ(message("validation: h.v3.get: \"a b\" isn't `x`, 1.10 or ann@example.com"),
            "h.v3.get: # isn't `x`, # or #");
  EXPECT_EQ(message("validation: a.b: status 422"), "a.b: status 422");
  EXPECT_EQ(message("transient: a.b: HTTP 503: oops 7"), "a.b: HTTP 503: oops #");
  EXPECT_EQ(message("x: unknown argument `nope`"), "unknown argument `nope`");
  EXPECT_EQ(message(R"(x: must be one of a, b, is "ann \"x\" 1", or so)"), "must be one of a, b, is #, or so");
  EXPECT_EQ(message(R"(x: is "ends in a backslash\\" here)"), "is # here");
  EXPECT_EQ(message("x: is " + truncated("\"" + std::string(300, 'a'), 60)), "is #… (# bytes more)");
  EXPECT_EQ(message("x: a pipe of 5\" length"), "a pipe of #\" length");
  EXPECT_EQ(message("x: 7c9e6679-7425-40de-944b-e07fc1f90ae7/gid://shop/1"), "#/gid://shop/#");
  EXPECT_NE(cause_of("f", "x: y").id, cause_of("g", "x: y").id);
  EXPECT_EQ(message("no colon 5"), "no colon #");
}

}  // namespace
}  // namespace tieline::engine
