/* What the control API answers (control/api.h): why it is not ready, metrics of each shard, requests to the replica and about the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/api.h"
#include "engine/base/env.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct fixture
{
  wcx_region_file_t file;
  char path[64];
} fixture_t;

static int set_up(void **state)
{
  static fixture_t fixture;
  wcx_params_t *params = calloc(1, sizeof(*params));
  assert_non_null(params);
  params->magic = WCX_PARAMS_MAGIC;
  params->version = WCX_PARAMS_VERSION;
  params->sz = sizeof(*params);
  params->durability = WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH;
  params->shard_cnt = 2;
  params->shards[0].shard = 3;
  params->shards[0].jring_slot_max = 64;
  params->shards[1].shard = 7;
  params->shards[1].jring_slot_max = 64;
  strcpy(params->state_dir, "/somewhere/state");
  snprintf(fixture.path, sizeof(fixture.path), "/tmp/wcx-test-api-%d", getpid());
  char err[512];
  if (!wcx_region_create(&fixture.file, fixture.path, params, err, sizeof(err)))
    fail_msg("%s", err);
  free(params);
  *state = &fixture;
  return 0;
}

static int tear_down(void **state)
{
  fixture_t *fixture = *state;
  wcx_region_close(&fixture->file);
  unlink(fixture->path);
  return 0;
}

/* What a living process looks like: its byte is locked through another open of the file. */
static int live(const fixture_t *fixture, uint32_t role)
{
  int fd = open(fixture->path, O_RDWR | O_CLOEXEC);
  assert_true(fd >= 0);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = role, .l_len = 1};
  assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
  return fd;
}

static json_t *ask(const fixture_t *fixture, const char *request)
{
  char *text = wcx_api_answer(&fixture->file, request);
  assert_int_equal(text[strlen(text) - 1], '\n');
  assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
  json_t *answer = json_loads(text, 0, NULL);
  assert_non_null(answer);
  free(text);
  return answer;
}

static void says_why_it_is_not_ready(void **state)
{
  fixture_t *fixture = *state;
  static const struct
  {
    uint32_t role;
    const char *missing;
  } order[] = {{WCX_REGION_LOCK_CONTROLD, "wcx-controld"},
               {WCX_REGION_LOCK_DATAPLANE, "wcx-dataplane"},
               {WCX_REGION_LOCK_AUTH, "wcx-auth"},
               {WCX_REGION_LOCK_JOURNAL, "wcx-journal-0"},
               {WCX_REGION_LOCK_JOURNAL + 1, "wcx-journal-1"}};
  int fds[5];
  for (uint32_t i = 0; i < 5; i++)
  {
    const char *text = wcx_api_not_ready(&fixture->file);
    assert_non_null(text);
    assert_memory_equal(text, order[i].missing, strlen(order[i].missing));
    fds[i] = live(fixture, order[i].role);
  }
  assert_string_equal(wcx_api_not_ready(&fixture->file), "the data plane is not serving yet");
  for (uint32_t i = 0; i < 2; i++)
  {
    wcx_region_shard_t *shard = wcx_region_shard(fixture->file.region, i);
    atomic_store(&shard->dataplane.phase, WCX_DATAPLANE_SERVING);
    atomic_store(&shard->dataplane.loop_ns, wcx_env_mono_ns());
  }
  assert_null(wcx_api_not_ready(&fixture->file));
  atomic_store(&wcx_region_shard(fixture->file.region, 1)->journal.halted, 1);
  assert_non_null(strstr(wcx_api_not_ready(&fixture->file), "halted"));
  atomic_store(&wcx_region_shard(fixture->file.region, 1)->journal.halted, 0);
  atomic_store(&wcx_region_shard(fixture->file.region, 1)->dataplane.loop_ns, 1);
  assert_non_null(strstr(wcx_api_not_ready(&fixture->file), "does not turn"));
  for (uint32_t i = 0; i < 5; i++)
    close(fds[i]);
  assert_non_null(wcx_api_not_ready(&fixture->file));
}

static void shows_the_words_of_each_shard(void **state)
{
  fixture_t *fixture = *state;
  wcx_region_shard_t *shard = wcx_region_shard(fixture->file.region, 1);
  atomic_store(&shard->release.release_word, wcx_release_pack(0x12345, 41));
  atomic_store(&shard->release.epoch, 0x12345);
  atomic_store(&shard->release.flushed_seq, 42);
  atomic_store(&shard->dataplane.applied_seq, 43);
  atomic_store(&shard->dataplane.phase, WCX_DATAPLANE_REPLAYING);
  json_t *answer = ask(fixture, "{\"Status\":{}}");
  json_t *status = json_object_get(answer, "Status");
  assert_true(json_is_false(json_object_get(status, "Ready")));
  assert_string_equal(json_string_value(json_object_get(status, "Durability")), "D1");
  assert_string_equal(json_string_value(json_object_get(status, "StateDir")), "/somewhere/state");
  assert_int_equal(json_array_size(json_object_get(status, "Shards")), 2);
  json_t *seventh = json_array_get(json_object_get(status, "Shards"), 1);
  assert_int_equal(json_integer_value(json_object_get(seventh, "Shard")), 7);
  assert_int_equal(json_integer_value(json_object_get(seventh, "ReleaseSeq")), 41);
  assert_int_equal(json_integer_value(json_object_get(seventh, "FlushedSeq")), 42);
  assert_int_equal(json_integer_value(json_object_get(seventh, "AppliedSeq")), 43);
  assert_int_equal(json_integer_value(json_object_get(seventh, "Epoch")), 0x12345);
  assert_string_equal(json_string_value(json_object_get(seventh, "Phase")), "Replaying");
  json_decref(answer);
}

static void asks_the_replica_for_a_snapshot(void **state)
{
  fixture_t *fixture = *state;
  wcx_region_replica_t *replica = &wcx_region_shard(fixture->file.region, 1)->replica;
  static const char request[] = "{\"SnapshotTake\":{\"Shard\":7}}";
  json_t *answer = ask(fixture, request);
  assert_non_null(strstr(json_string_value(json_object_get(json_object_get(answer, "Error"), "Text")), "not running"));
  json_decref(answer);
  assert_int_equal(atomic_load(&replica->take_asked), 0);
  int fd = live(fixture, WCX_REGION_LOCK_REPLICA + 1);
  for (uint64_t i = 1; i <= 2; i++)
  {
    answer = ask(fixture, request);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(answer, "SnapshotAsked"), "Asked")), i);
    json_decref(answer);
    assert_int_equal(atomic_load(&replica->take_asked), i);
  }
  atomic_store(&replica->halted, 1);
  answer = ask(fixture, request);
  assert_non_null(strstr(json_string_value(json_object_get(json_object_get(answer, "Error"), "Text")), "halted"));
  json_decref(answer);
  answer = ask(fixture, "{\"SnapshotTake\":{\"Shard\":8}}");
  assert_non_null(strstr(json_string_value(json_object_get(json_object_get(answer, "Error"), "Text")), "no such shard"));
  json_decref(answer);
  assert_int_equal(atomic_load(&replica->take_asked), 2);
  assert_int_equal(atomic_load(&wcx_region_shard(fixture->file.region, 0)->replica.take_asked), 0);
  close(fd);
}

static void confirms_a_jump_of_the_clock(void **state)
{
  fixture_t *fixture = *state;
  wcx_region_clock_t *clock = &wcx_region_shard(fixture->file.region, 1)->clock;
  static const char second[] = "{\"ClockConfirm\":{\"Shard\":7,\"Jump\":2}}";
  static const char first[] = "{\"ClockConfirm\":{\"Shard\":7,\"Jump\":1}}";
  atomic_store(&clock->jumps, 2);
  const char *const refused[] = {second, first, "{\"ClockConfirm\":{\"Shard\":8,\"Jump\":2}}", "{\"ClockConfirm\":{\"Shard\":7}}"};
  for (uint32_t i = 0; i < 4; i++) /* nothing is held back; another one is */
  {
    json_t *answer = ask(fixture, refused[i]);
    assert_non_null(json_object_get(answer, "Error"));
    json_decref(answer);
    assert_int_equal(atomic_load(&clock->confirmed), 0);
    atomic_store(&clock->ahead_ns, 3600000000000);
  }
  json_t *answer = ask(fixture, second);
  assert_int_equal(json_integer_value(json_object_get(json_object_get(answer, "ClockConfirmed"), "Jump")), 2);
  json_decref(answer);
  assert_int_equal(atomic_load(&clock->confirmed), 2);
}

static void answers_anything_with_one_line(void **state)
{
  fixture_t *fixture = *state;
  static const char *const requests[] = {"",
                                         "x",
                                         "{}",
                                         "[]",
                                         "null",
                                         "{\"Status\":1}",
                                         "{\"Status\":{},\"More\":{}}",
                                         "{\"Halt\":{}}",
                                         "{\"SnapshotTake\":{}}",
                                         "{\"SnapshotTake\":{\"Shard\":\"7\"}}",
                                         "{\"Status\":{}",
                                         "{\"A\":1,\"A\":2}"};
  for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
  {
    json_t *answer = ask(fixture, requests[i]);
    if (json_object_get(json_object_get(answer, "Error"), "Text") == NULL)
      fail_msg("'%s' was not refused", requests[i]);
    json_decref(answer);
  }
}

static void counts_refusals_by_reason(void **state)
{
  fixture_t *fixture = *state;
  for (enum wcx_reject reject = WCX_REJECT_NONE + 1; reject < WCX_REJECT_CNT; reject++)
    atomic_store(&wcx_region_shard(fixture->file.region, 1)->rejects.cnt[reject], 100 + reject);
  char *text = wcx_api_metrics(&fixture->file);
  assert_non_null(strstr(text, "# TYPE wcx_rejects_total counter\nwcx_rejects_total{shard=\"3\",reason=\"DUPLICATE_CL_ORD_ID\"} 0\n"));
  for (enum wcx_reject reject = WCX_REJECT_NONE + 1; reject < WCX_REJECT_CNT; reject++)
  {
    char line[128];
    snprintf(line, sizeof(line), "wcx_rejects_total{shard=\"7\",reason=\"%s\"} %d\n", wcx_reject_name(reject), 100 + (int)reject);
    assert_non_null(strstr(text, line));
  }
  assert_null(strstr(text, "\"NONE\""));
  free(text);
}

static void counts_every_row_of_the_table(void **state)
{
  fixture_t *fixture = *state;
  uint64_t value = 1000;
#define WCX_STAT(name, help) atomic_store(&wcx_region_shard(fixture->file.region, 0)->stats.name, value++);
#include "engine/shm/stats.def"
#undef WCX_STAT
  char *text = wcx_api_metrics(&fixture->file);
  value = 1000;
  char line[600];
#define WCX_STAT(name, help)                                                                                                                                                       \
  snprintf(line, sizeof(line), "# HELP wcx_%s_total %s\n# TYPE wcx_%s_total counter\nwcx_%s_total{shard=\"3\"} %llu\nwcx_%s_total{shard=\"7\"} 0\n", #name, help, #name, #name,    \
           (unsigned long long)value++, #name);                                                                                                                                    \
  if (strstr(text, line) == NULL)                                                                                                                                                  \
    fail_msg("not in the metrics: %s", line);
#include "engine/shm/stats.def"
#undef WCX_STAT
#define WCX_STAGE(name, help)                                                                                                                                                      \
  snprintf(line, sizeof(line), "wcx_stage_ns_bucket{shard=\"7\",stage=\"%s\",le=\"+Inf\"} 0\nwcx_stage_ns_sum{shard=\"7\",stage=\"%s\"} 0\n", #name, #name);                       \
  assert_non_null(strstr(text, line));
#include "engine/shm/stages.def"
#undef WCX_STAGE
  assert_non_null(strstr(text, "wcx_process_up{process=\"wcx-api\"} 1\n"));
  assert_non_null(strstr(text, "wcx_ready 0\n"));
  assert_int_equal(text[strlen(text) - 1], '\n');
  free(text);
}

/* Every step of `le`, in order, and what it counts of these values. */
static void check_steps(const char *text, const uint64_t *values, size_t cnt)
{
  const char *at = text;
  uint32_t steps = 0;
  for (uint64_t le = 31; le < UINT64_C(1) << 35; le = 2 * le + 1, steps++)
  {
    char line[128];
    unsigned seen = 0;
    for (size_t i = 0; i < cnt; i++)
      seen += values[i] <= le;
    snprintf(line, sizeof(line), "wcx_stage_ns_bucket{shard=\"3\",stage=\"apply\",le=\"%llu\"} %u\n", (unsigned long long)le, seen);
    const char *found = strstr(at, line);
    if (found == NULL)
      fail_msg("not in the metrics, or not in its place: %s", line);
    at = found;
  }
  assert_int_equal(steps, 31);
}

static void shows_how_long_stages_take(void **state)
{
  fixture_t *fixture = *state;
  static const uint64_t values[] = {0, 31, 32, 63, 64, 1000, 1023, 1024, 1000000, UINT64_C(1) << 40};
  size_t cnt = sizeof(values) / sizeof(values[0]);
  wcx_stage_hist_t *hist = &wcx_region_shard(fixture->file.region, 0)->stages.hists[WCX_STAGE_apply];
  uint64_t sum = 0;
  for (size_t i = 0; i < cnt; i++)
  {
    wcx_stage_record(hist, values[i]);
    sum += values[i];
  }
  char *text = wcx_api_metrics(&fixture->file);
  check_steps(text, values, cnt);
  char line[256];
  snprintf(
      line, sizeof(line),
      "wcx_stage_ns_bucket{shard=\"3\",stage=\"apply\",le=\"+Inf\"} 10\nwcx_stage_ns_sum{shard=\"3\",stage=\"apply\"} %llu\nwcx_stage_ns_count{shard=\"3\",stage=\"apply\"} 10\n",
      (unsigned long long)sum);
  assert_non_null(strstr(text, line));
  assert_non_null(strstr(text, "# TYPE wcx_stage_ns histogram\n"));
  free(text);

  json_t *answer = ask(fixture, "{\"Stages\":{}}");
  const json_t *shards = json_object_get(json_object_get(answer, "Stages"), "Shards");
  assert_int_equal(json_array_size(shards), 2);
  assert_int_equal(json_integer_value(json_object_get(json_array_get(shards, 1), "Shard")), 7);
  const json_t *rows = json_object_get(json_array_get(shards, 0), "Stages");
  assert_int_equal(json_array_size(rows), WCX_STAGE_CNT);
  const json_t *row = json_array_get(rows, WCX_STAGE_apply);
  static const struct
  {
    const char *key;
    uint64_t value;
  } wanted[] = {{"Count", 10}, {"P50Ns", 67}, {"P99Ns", UINT64_C(1) << 40}, {"MaxNs", UINT64_C(1) << 40}};
  assert_string_equal(json_string_value(json_object_get(row, "Stage")), "apply");
  for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
    assert_int_equal(json_integer_value(json_object_get(row, wanted[i].key)), wanted[i].value);
  assert_int_equal(json_integer_value(json_object_get(row, "MeanNs")), sum / 10);
  assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, WCX_STAGE_rx), "Count")), 0);
  assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, WCX_STAGE_rx), "P99Ns")), 0);
  json_decref(answer);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(says_why_it_is_not_ready, set_up, tear_down),     cmocka_unit_test_setup_teardown(shows_the_words_of_each_shard, set_up, tear_down),
      cmocka_unit_test_setup_teardown(shows_how_long_stages_take, set_up, tear_down),   cmocka_unit_test_setup_teardown(asks_the_replica_for_a_snapshot, set_up, tear_down),
      cmocka_unit_test_setup_teardown(confirms_a_jump_of_the_clock, set_up, tear_down), cmocka_unit_test_setup_teardown(answers_anything_with_one_line, set_up, tear_down),
      cmocka_unit_test_setup_teardown(counts_refusals_by_reason, set_up, tear_down),    cmocka_unit_test_setup_teardown(counts_every_row_of_the_table, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
