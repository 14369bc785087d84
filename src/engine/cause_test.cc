// What makes two failures the same cause.
#include <gtest/gtest.h>

#include "engine/cause.h"

namespace tieline::engine {
namespace {

TEST(Cause, IsTheSameWhereOnlyValuesDiffer) {
  const auto message = [](std::string_view summary) { return cause_of("f", summary).message; };
  EXPECT_EQ(cause_of("f", "permanent: api.get: contact 17 not found").category, "permanent");
  EXPECT_EQ(message("permanent: api.get: contact 17 not found"), "api.get: contact # not found");
  EXPECT_EQ(message("validation: h.v3.get: \"a b\" isn't `x`, 1.10 or ann@example.com"), "h.v3.get: # isn't #, # or #");
  EXPECT_EQ(message("validation: a.b: status 422"), "a.b: status 422");
  EXPECT_EQ(message("x: 7c9e6679-7425-40de-944b-e07fc1f90ae7/gid://shop/1"), "#/gid://shop/#");
  EXPECT_NE(cause_of("f", "x: y").id, cause_of("g", "x: y").id);
  EXPECT_EQ(message("no colon 5"), "no colon #");
}

}  // namespace
}  // namespace tieline::engine
