/* Counting the inputs that end a process (dataplane/poison.h): children that really end. */
#include "dataplane/poison.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "build/test-poison-XXXXXX";
static wcx_poison_t poison;
static char err[256];

static int set_up(void **state)
{
  (void)state;
  memcpy(path + strlen(path) - 6, "XXXXXX", 6);
  int fd = mkstemp(path);
  close(fd);
  return fd < 0;
}

static int tear_down(void **state)
{
  (void)state;
  return unlink(path);
}

/* A process that replays up to `seq` and ends there by `number`; 0: that comes through. Returns its wait status. */
static int replay(uint64_t seq, int number)
{
  pid_t pid = fork();
  if (pid == 0)
  {
    if (!wcx_poison_open(&poison, path, err, sizeof(err)))
      _exit(99);
    for (uint64_t i = 1; i < seq; i++)
    {
      wcx_poison_note(&poison, i);
      wcx_poison_note(&poison, 0);
    }
    if (wcx_poison_quarantined(&poison, seq))
      _exit(42);
    wcx_poison_note(&poison, seq);
    if (number != 0)
      raise(number);
    wcx_poison_close(&poison);
    _exit(0);
  }
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return status;
}

static bool is_quarantined(uint64_t seq)
{
  int status = replay(seq, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

static void two_ends_at_one_input(void **state)
{
  (void)state;
  int faults[] = {SIGABRT, SIGSEGV};
  for (uint32_t i = 0; i < 2; i++)
  {
    assert_false(is_quarantined(7));
    int status = replay(7, faults[i]);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == faults[i]); /* it ends as it would have */
  }
  assert_true(is_quarantined(7));
  assert_false(is_quarantined(6));
  assert_false(is_quarantined(8));
}

/* Each of the signals by which a program that goes wrong ends. */
static void every_fault_counts(void **state)
{
  (void)state;
  static const int faults[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  for (uint32_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
  {
    for (uint32_t end = 0; end < 2; end++)
    {
      assert_false(is_quarantined(10 + i));
      int status = replay(10 + i, faults[i]);
      assert_true(WIFSIGNALED(status) && WTERMSIG(status) == faults[i]);
    }
    assert_true(is_quarantined(10 + i));
  }
}

/* A file that something else has left there counts nothing. */
static void a_foreign_page_counts_nothing(void **state)
{
  (void)state;
  replay(7, SIGABRT);
  replay(7, SIGABRT);
  assert_true(wcx_poison_open(&poison, path, err, sizeof(err)));
  assert_true(wcx_poison_quarantined(&poison, 7));
  poison.page->magic ^= 1;
  wcx_poison_close(&poison);
  assert_true(wcx_poison_open(&poison, path, err, sizeof(err)));
  assert_false(wcx_poison_quarantined(&poison, 7));
  wcx_poison_close(&poison);
}

static void ends_at_two_inputs_are_no_pattern(void **state)
{
  (void)state;
  replay(7, SIGABRT);
  replay(8, SIGABRT);
  assert_false(is_quarantined(7));
  assert_false(is_quarantined(8));
}

static void kills_say_nothing(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 3; i++)
    replay(7, SIGKILL);
  for (uint32_t i = 0; i < 3; i++)
    replay(7, SIGTERM);
  assert_false(is_quarantined(7));
}

static void another_program_counts_anew(void **state)
{
  (void)state;
  replay(7, SIGABRT);
  replay(7, SIGABRT);
  assert_true(wcx_poison_open(&poison, path, err, sizeof(err)));
  assert_true(wcx_poison_quarantined(&poison, 7));
  poison.build.lo ^= 1;
  assert_false(wcx_poison_quarantined(&poison, 7));
  wcx_poison_note(&poison, 7);
  wcx_poison_record(&poison);
  assert_false(wcx_poison_quarantined(&poison, 7)); /* its first */
  wcx_poison_note(&poison, 7);
  wcx_poison_record(&poison);
  assert_true(wcx_poison_quarantined(&poison, 7));
  wcx_poison_close(&poison);
}

static void faults_outside_of_replay_say_nothing(void **state)
{
  (void)state;
  assert_true(wcx_poison_open(&poison, path, err, sizeof(err)));
  wcx_poison_record(&poison);
  assert_int_equal(poison.page->seq, 0);
  wcx_poison_close(&poison);
  wcx_poison_record(&poison); /* no page any more */
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(two_ends_at_one_input, set_up, tear_down),
      cmocka_unit_test_setup_teardown(every_fault_counts, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_foreign_page_counts_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(ends_at_two_inputs_are_no_pattern, set_up, tear_down),
      cmocka_unit_test_setup_teardown(kills_say_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(another_program_counts_anew, set_up, tear_down),
      cmocka_unit_test_setup_teardown(faults_outside_of_replay_say_nothing, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
