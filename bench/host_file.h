/* What /proc and /sys say, below a root that tests may make: a file's first line, the line that begins with a word, lists of CPUs ("0-2,5").

   Owner:      the caller.
   Result:     false: there is no such file or line. Texts are cut at their room and have no newline.
   Pinned by:  tests/unit/test_preflight.c. */
#ifndef WCX_BENCH_HOST_FILE_H
#define WCX_BENCH_HOST_FILE_H

#include <stdbool.h>
#include <stddef.h>

bool wcx_host_line(const char *root, const char *path, char *text, size_t text_sz);

/* Blanks before the word are skipped; the text is what follows it. */
bool wcx_host_line_of(const char *root, const char *path, const char *word, char *text, size_t text_sz);

bool wcx_host_list_has(const char *list, int number);

#endif
