/* A text as a JSON string: quotes and backslashes escaped, control characters as \u00xx, bytes above 127 as they are.

   Owner:      the caller.
   Pinned by:  tests/unit/test_preflight.c. */
#ifndef WCX_BENCH_JSON_TEXT_H
#define WCX_BENCH_JSON_TEXT_H

#include <stdio.h>

static inline void wcx_json_text(FILE *file, const char *text)
{
  fputc('"', file);
  for (; *text != 0; text++)
  {
    if ((unsigned char)*text < 0x20)
      fprintf(file, "\\u%04x", (unsigned)*text);
    else if (*text == '"' || *text == '\\')
      fprintf(file, "\\%c", *text);
    else
      fputc(*text, file);
  }
  fputc('"', file);
}

#endif
