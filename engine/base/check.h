/* Two of the four kinds of failure: check (our own bug) and die (set-up). Rejects live in engine/reject.def, error codes are return values.

   WCX_CHECK stays in release builds: the journal makes an abort safe, carrying on with broken state is not.
   WCX_DIE is for set-up only: it says what failed, and what to do about it. Neither returns. */
#ifndef WCX_BASE_CHECK_H
#define WCX_BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

/* Print one line "wcx: check failed: file:line: (expression) message" to stderr and abort. printf format: name the values. */
_Noreturn void wcx_check_failed(const char *file, int line, const char *expr, const char *fmt, ...) __attribute__((format(printf, 4, 5), cold));

/* Print one line "wcx: error: message" to stderr and exit(1). */
_Noreturn void wcx_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));

#define WCX_CHECK(expr, ...)                                                                                                                                                       \
  do                                                                                                                                                                               \
  {                                                                                                                                                                                \
    if (__builtin_expect(!(expr), 0))                                                                                                                                              \
      wcx_check_failed(__FILE__, __LINE__, #expr, __VA_ARGS__);                                                                                                                    \
  } while (0)

#define WCX_DIE(...) wcx_die(__VA_ARGS__)

#endif
