/* A million orders through the loop, snapshot cycles beside them: no allocation, no system call but the doorbell's, and that at most once for each sleep of the worker. */
#include "tests/unit/loop_fixture.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORDERS 1000000u
#define PER_TURN 16u

/* Every allocation of our own code comes by here (linked with --wrap). */
static uint64_t allocations;

void *__real_malloc(size_t sz);
void *__real_calloc(size_t cnt, size_t sz);
void *__real_realloc(void *old, size_t sz);
void *__real_aligned_alloc(size_t alignment, size_t sz);
void __real_free(void *mem);
void *__wrap_malloc(size_t sz);
void *__wrap_calloc(size_t cnt, size_t sz);
void *__wrap_realloc(void *old, size_t sz);
void *__wrap_aligned_alloc(size_t alignment, size_t sz);
void __wrap_free(void *mem);

void *__wrap_malloc(size_t sz)
{
  allocations++;
  return __real_malloc(sz);
}

void *__wrap_calloc(size_t cnt, size_t sz)
{
  allocations++;
  return __real_calloc(cnt, sz);
}

void *__wrap_realloc(void *old, size_t sz)
{
  allocations++;
  return __real_realloc(old, sz);
}

void *__wrap_aligned_alloc(size_t alignment, size_t sz)
{
  allocations++;
  return __real_aligned_alloc(alignment, sz);
}

void __wrap_free(void *mem)
{
  allocations++;
  __real_free(mem);
}

/* From here on only futex (the doorbell) and the end of the process pass; anything else kills. */
static bool shut_the_door(void)
{
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum outcome
{
  FINE = 0,
  NO_SECCOMP = 2,
  ALLOCATED = 3,
  WOKE_TOO_OFTEN = 4,
  NOT_ALL_SEQUENCED = 5,
  NEVER_WOKE = 6,
  NO_CYCLES = 7,
};

static void cycling(wcx_params_t *params)
{
  params->snapshot_cycle_ms = 10;
}

static int run_orders(void)
{
  static world_t w;
  world_new(&w, cycling);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  w.forget = true;
  wcx_doorbell_t *bell = &w.shm->jring.bell;
  uint64_t slept_before = atomic_load(&bell->sleep_cnt);
  uint64_t woken_before = atomic_load(&bell->wake_cnt);
  uint64_t sequenced_before = atomic_load(&w.shm->stats.requests_sequenced);
#ifndef __SANITIZE_ADDRESS__ /* whose run-time library makes calls of its own */
  if (!shut_the_door())
    return NO_SECCOMP;
#endif
  allocations = 0;
  for (uint32_t i = 0; i < ORDERS / PER_TURN; i++)
  {
    for (uint32_t n = 0; n < PER_TURN; n++)
    {
      client_send_order(&w, &client, 1, n % 2 ? WCX_SIDE_BUY : WCX_SIDE_SELL, 100, 5, WCX_TIME_IN_FORCE_GTC);
    }
    if (i % 3 == 0) /* the worker says that it sleeps */
    {
      atomic_fetch_add(&bell->sleep_cnt, 1);
      atomic_store(&bell->asleep, 1);
    }
    world_turns(&w, 2);
    world_drain(&w);
  }
  uint64_t slept = atomic_load(&bell->sleep_cnt) - slept_before;
  uint64_t woken = atomic_load(&bell->wake_cnt) - woken_before;
  if (allocations != 0)
    return ALLOCATED;
  if (woken > slept)
    return WOKE_TOO_OFTEN;
  if (woken == 0)
    return NEVER_WOKE;
  if (atomic_load(&w.shm->stats.snapshot_cycles) < 100)
    return NO_CYCLES;
  return atomic_load(&w.shm->stats.requests_sequenced) - sequenced_before == ORDERS ? FINE : NOT_ALL_SEQUENCED;
}

static int status_of(int (*fn)(void))
{
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
    _exit(fn());
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return status;
}

static void test_a_million_orders(void **state)
{
  (void)state;
  int status = status_of(run_orders);
  assert_false(WIFSIGNALED(status)); /* SIGSYS: a system call of our own */
  assert_int_equal(WEXITSTATUS(status), FINE);
}

static int make_a_call(void)
{
  if (!shut_the_door())
    return NO_SECCOMP;
  return getppid() > 0 ? FINE : NO_SECCOMP;
}

static void test_the_counters_are_alive(void **state)
{
  (void)state;
  int status = status_of(make_a_call);
  assert_true(WIFSIGNALED(status));
  assert_int_equal(WTERMSIG(status), SIGSYS);
  uint64_t before = allocations;
  client_t *on_heap = malloc(sizeof(*on_heap));
  assert_non_null(on_heap);
  free(on_heap);
  assert_int_equal(allocations, before + 2);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_counters_are_alive), cmocka_unit_test(test_a_million_orders)};
  return cmocka_run_group_tests_name("loop_calls", tests, NULL, NULL);
}
