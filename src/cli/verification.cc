#include "cli/verification.h"

#include <boost/asio/post.hpp>
#include <optional>
#include <utility>

#include "async/waiter.h"

namespace tieline::cli {

json::Document verify_document(const store::VerifyReport& report) {
  json::Builder out;
  const auto number = [&](const char* name, std::uint64_t value) {
    out.key(name).integer(static_cast<std::int64_t>(value));
  };
  out.begin_object();
  number("segments", report.segments);
  number("events", report.events);
  number("records", report.records);
  number("corrupt", report.corrupt_events + report.corrupt_records + report.corrupt_segments);
  out.key("places").begin_array();
  for (const std::string& place : report.places) out.string(place);
  return out.end_array().end_object().finish();
}

// Outlives a caller that is cancelled.
struct Verification::Work {
  std::optional<Result<store::VerifyReport>> report;
  Waiter done;
};

Verification::Verification(asio::any_io_executor executor, const store::SqliteStore& store)
    : executor_(std::move(executor)), store_(store) {}

Verification::~Verification() {
  given_up_ = true;
  if (thread_.joinable()) thread_.join();
}

Async<json::Document> Verification::run() {
  if (work_ != nullptr && !work_->report) {
    co_return failure(Code::kUnavailable, "the store is being verified already; ask again when that has ended");
  }
  if (thread_.joinable()) thread_.join();
  const auto work = std::make_shared<Work>();
  work_ = work;
  thread_ = std::thread([this, work, executor = executor_] {
    auto report = store_.verify(&given_up_);
    asio::post(executor, [work, report = std::move(report)]() mutable {
      work->report = std::move(report);
      work->done.wake();
    });
  });
  co_await work->done.wait();
  if (!*work->report) co_return failure(work->report->error());
  co_return verify_document(**work->report);
}

}  // namespace tieline::cli
