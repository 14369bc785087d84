#include <gmock/gmock.h>

#include "cli/demo.h"

namespace tieline::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

DemoReport report() {
  DemoReport out{.sent = 200, .received = 200, .delivered = 190, .skipped = 10, .deals = 190, .tied_deals = 190};
  out.wanted = 200;
  return out;
}

TEST(DemoReport, AddsUpOrSaysSo) {
  EXPECT_THAT(report().text(), HasSubstr("nothing is missing"));
  DemoReport lost = report();
  lost.deals = 189;
  EXPECT_THAT(lost.text(), HasSubstr("error: the numbers do not add up"));
}

TEST(DemoReport, WhoInterruptsItIsNotToldOfAnError) {
  DemoReport stopped = report();
  stopped.sent = 944, stopped.wanted = 20'000, stopped.pending = 13, stopped.interrupted = true;
  EXPECT_THAT(stopped.text(), HasSubstr("interrupted after 944 of 20000 orders"));
  EXPECT_THAT(stopped.text(), Not(HasSubstr("error")));
}

}  // namespace
}  // namespace tieline::cli
