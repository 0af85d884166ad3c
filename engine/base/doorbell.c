#include "engine/base/doorbell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool wcx_doorbell_ring(wcx_doorbell_t *bell)
{
  atomic_thread_fence(memory_order_seq_cst); /* pairs with the store in wcx_doorbell_prepare */
  if (atomic_load_explicit(&bell->asleep, memory_order_relaxed) == 0)
    return false;
  if (atomic_exchange_explicit(&bell->asleep, 0, memory_order_acq_rel) == 0)
    return false;
  atomic_fetch_add_explicit(&bell->wake_cnt, 1, memory_order_relaxed);
  syscall(SYS_futex, &bell->asleep, FUTEX_WAKE, 1, NULL, NULL, 0);
  return true;
}

void wcx_doorbell_prepare(wcx_doorbell_t *bell)
{
  atomic_fetch_add_explicit(&bell->sleep_cnt, 1, memory_order_relaxed);
  atomic_store_explicit(&bell->asleep, 1, memory_order_seq_cst); /* pairs with the fence in wcx_doorbell_ring */
  atomic_thread_fence(memory_order_seq_cst);
}

void wcx_doorbell_cancel(wcx_doorbell_t *bell)
{
  atomic_store_explicit(&bell->asleep, 0, memory_order_release);
}

void wcx_doorbell_wait(wcx_doorbell_t *bell, uint64_t timeout_ns)
{
  struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000u), .tv_nsec = (long)(timeout_ns % 1000000000u)};
  syscall(SYS_futex, &bell->asleep, FUTEX_WAIT, 1, &timeout, NULL, 0);
  atomic_store_explicit(&bell->asleep, 0, memory_order_release);
}
