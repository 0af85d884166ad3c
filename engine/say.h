/* Texts that name what is wrong with a definition or a command: for whoever asks before it journals one.

   Owner:      any thread; the text lives until the same thread says the next one in the same file.
   Bounds:     191 characters; longer ones are cut.
   Pinned by:  tests/unit/test_engine_define.c, tests/unit/test_auction.c. */
#ifndef WCX_ENGINE_SAY_H
#define WCX_ENGINE_SAY_H

#include <stdarg.h>
#include <stdio.h>

static inline __attribute__((format(printf, 1, 2))) const char *wcx_say(const char *fmt, ...)
{
  static _Thread_local char text[192];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof(text), fmt, args);
  va_end(args);
  return text;
}

#endif
