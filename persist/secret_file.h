/* A short file that says how to connect, password included: read whole, refused when others may read it, wiped by whoever has used it.

   Owner:     any thread.
   Memory:    the caller's buffer.
   Result:    0; -EPERM when others than the owner and its group may read it; -EFBIG when it does not fit; -EINVAL when it is empty; -errno.
   Pinned by: tests/e2e/test_sinks.py. */
#ifndef WCX_PERSIST_SECRET_FILE_H
#define WCX_PERSIST_SECRET_FILE_H

#include <stddef.h>

#define WCX_SECRET_FILE_SZ 4096u

/* Ends with a NUL; blanks and newlines at its end are taken off. */
int wcx_secret_file_read(const char *path, char text[WCX_SECRET_FILE_SZ]) __attribute__((warn_unused_result));

/* What a failure of the above means, for people. */
const char *wcx_secret_file_why(int result);

#endif
