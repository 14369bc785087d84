#include "store/threads.h"

#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tieline::store {
namespace {

constexpr int kNice = 10;
constexpr unsigned kOtherPolicy = 0;              // SCHED_OTHER; its header and sched_attr's do not go together
constexpr unsigned long long kSliceNs = 100'000;  // the least that Linux gives

}  // namespace

void yield_to_others() {
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);  // Linux: of this thread alone
}

void wake_promptly() {
  // Since Linux 6.12 a thread that asks for short slices may interrupt one with longer ones; before, this says nothing.
  sched_attr wanted{};
  if (::syscall(SYS_sched_getattr, 0, &wanted, sizeof wanted, 0U) != 0) return;
  if (wanted.sched_policy != kOtherPolicy) return;  // the operator's own choice
  wanted.sched_runtime = kSliceNs;
  (void)::syscall(SYS_sched_setattr, 0, &wanted, 0U);
}

}  // namespace tieline::store
