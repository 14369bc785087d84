#include "store/threads.h"

#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tieline::store {
namespace {

constexpr int kNice = 10;
constexpr unsigned long long kSliceNs = 100'000;  // the least that Linux gives

}  // namespace

void yield_to_others() {
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);  // Linux: of this thread alone
}

void wake_promptly() {
  // Since Linux 6.12 a thread that asks for short slices may interrupt one with longer ones; before, this says nothing.
  sched_attr wanted{};
  wanted.size = sizeof wanted;
  wanted.sched_nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
  wanted.sched_runtime = kSliceNs;
  (void)::syscall(SYS_sched_setattr, 0, &wanted, 0U);
}

}  // namespace tieline::store
