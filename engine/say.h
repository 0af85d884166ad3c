/* What is wrong with a definition, as a text that names the value.

   Owner:      any thread.
   Result:     the text lives until the same thread's next call from the same file.
   Pinned by:  tests/unit/test_engine_define.c. */
#ifndef WCX_ENGINE_SAY_H
#define WCX_ENGINE_SAY_H

#include <stdarg.h>
#include <stdio.h>

static inline __attribute__((format(printf, 1, 2))) const char *say(const char *fmt, ...)
{
  static _Thread_local char text[192];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof(text), fmt, args);
  va_end(args);
  return text;
}

#endif
