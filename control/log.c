#include "control/log.h"

#include "engine/base/env.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *process_name = "wcx";

void wcx_log_name(const char *process)
{
  process_name = process;
}

/* Escape for a JSON string; control characters become spaces, they have no business in a log line. */
static void escape(char *to, size_t to_sz, const char *from)
{
  size_t at = 0;
  for (; *from != '\0' && at + 3 < to_sz; from++)
  {
    if (*from == '"' || *from == '\\')
      to[at++] = '\\';
    to[at++] = (unsigned char)*from < 32 ? ' ' : *from;
  }
  to[at] = '\0';
}

static void write_line(const char *level, const char *event, const char *fmt, va_list args)
{
  char text[600];
  char escaped[700];
  char line[1000];
  char stamp[32];
  vsnprintf(text, sizeof(text), fmt, args);
  escape(escaped, sizeof(escaped), text);
  uint64_t now_ns = wcx_env_utc_ns();
  time_t seconds = (time_t)(now_ns / 1000000000u);
  struct tm tm;
  gmtime_r(&seconds, &tm);
  strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
  int len = snprintf(line, sizeof(line), "{\"Time\":\"%s.%03uZ\",\"Level\":\"%s\",\"Process\":\"%s\",\"Event\":\"%s\",\"Text\":\"%s\"}\n", stamp,
                     (unsigned)(now_ns / 1000000u % 1000u), level, process_name, event, escaped);
  if (len < 0)
    return;
  size_t sz = (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
  ssize_t written = write(STDERR_FILENO, line, sz);
  (void)written; /* nowhere to complain */
}

void wcx_log_info(const char *event, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  write_line("info", event, fmt, args);
  va_end(args);
}

void wcx_log_alarm(const char *event, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  write_line("alarm", event, fmt, args);
  va_end(args);
}
