#include "cli/store_work.h"

#include <gtest/gtest.h>

namespace tieline::cli {
namespace {

// A command that opens the store itself once took another reserve for the workspace's, and let go of history for it.
TEST(StoreOptions, AreAllOfTheWorkspace) {
  workspace::StoreSettings settings;
  settings.keep = std::chrono::hours(1);
  settings.keep_payloads = std::chrono::hours(2);
  settings.keep_history = std::chrono::hours(3);
  settings.keep_dedupe = std::chrono::hours(4);
  settings.max.bytes = 5;
  settings.reserve.bytes = 6;
  const store::StoreOptions options = store_options(settings, "somewhere");
  EXPECT_EQ(options.directory, "somewhere");
  EXPECT_EQ(options.keep_payloads, std::chrono::hours(2));
  EXPECT_EQ(options.keep, std::chrono::hours(3));
  EXPECT_EQ(options.dedupe_window, std::chrono::hours(4));
  EXPECT_EQ(options.bytes_max, 5u);
  EXPECT_EQ(options.headroom_bytes, 6u);
  EXPECT_EQ(options.beside, (std::vector<std::string>{"secrets.key"}));
  EXPECT_FALSE(options.read_only);
}

}  // namespace
}  // namespace tieline::cli
