/* Whatever is said, a line of the log is whole JSON (control/log.h). */
#include "control/log.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What one call writes to stderr, read as JSON; its bytes in *sz. */
static json_t *said(const char *text, size_t *sz)
{
  static char line[8192];
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  int kept = dup(STDERR_FILENO);
  assert_true(kept >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
  wcx_log_alarm("test", "%s", text);
  assert_true(dup2(kept, STDERR_FILENO) >= 0);
  close(kept);
  close(ends[1]);
  ssize_t got = read(ends[0], line, sizeof(line));
  close(ends[0]);
  assert_true(got > 1 && got < (ssize_t)sizeof(line));
  *sz = (size_t)got;
  assert_int_equal(line[got - 1], '\n');
  assert_null(memchr(line, '\n', *sz - 1));
  json_t *json = json_loadb(line, *sz, JSON_REJECT_DUPLICATES, NULL);
  if (json == NULL)
    fail_msg("no JSON: %.*s", (int)got, line);
  return json;
}

static void a_line_names_who_says_what(void **state)
{
  (void)state;
  size_t sz;
  wcx_log_name("wcx-test");
  json_t *json = said("as it is", &sz);
  assert_string_equal(json_string_value(json_object_get(json, "Level")), "alarm");
  assert_string_equal(json_string_value(json_object_get(json, "Process")), "wcx-test");
  assert_string_equal(json_string_value(json_object_get(json, "Event")), "test");
  assert_string_equal(json_string_value(json_object_get(json, "Text")), "as it is");
  assert_int_equal(strlen(json_string_value(json_object_get(json, "Time"))), strlen("2026-11-23T20:07:00.123Z"));
  json_decref(json);
}

static void what_would_break_it_is_escaped(void **state)
{
  (void)state;
  size_t sz;
  json_t *json = said("a \"name\", a \\ and\ntwo\tlines\x01", &sz);
  assert_string_equal(json_string_value(json_object_get(json, "Text")), "a \"name\", a \\ and two lines ");
  json_decref(json);
}

/* Cut at every length at which an escape could be cut in two. */
static void what_is_too_long_is_cut(void **state)
{
  (void)state;
  for (size_t len = 580; len < 640; len++)
    for (uint32_t quoted = 0; quoted < 2; quoted++)
    {
      char text[640];
      size_t sz;
      memset(text, quoted == 1 ? '"' : 'x', len);
      text[len] = '\0';
      json_t *json = said(text, &sz);
      size_t told = strlen(json_string_value(json_object_get(json, "Text")));
      assert_int_equal(told, quoted == 1 ? 349 : len < 599 ? len : 599);
      assert_true(sz < 1000);
      json_decref(json);
    }
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_line_names_who_says_what), cmocka_unit_test(what_would_break_it_is_escaped), cmocka_unit_test(what_is_too_long_is_cut)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
