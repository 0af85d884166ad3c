#include "engine/base/check.h"

#include <stdarg.h>

void wcx_check_failed(const char *file, int line, const char *expr, const char *fmt, ...)
{
  fprintf(stderr, "wcx: check failed: %s:%d: (%s) ", file, line, expr);
  va_list args;
  va_start(args, fmt);
  vfprintf(stderr, fmt, args);
  va_end(args);
  fputc('\n', stderr);
  abort();
}

void wcx_die(const char *fmt, ...)
{
  fputs("wcx: error: ", stderr);
  va_list args;
  va_start(args, fmt);
  vfprintf(stderr, fmt, args);
  va_end(args);
  fputc('\n', stderr);
  exit(1);
}
