/* The log of the control plane: one JSON object a line on stderr, for people and for shippers.

       {"Time":"2026-11-23T20:07:00.123Z","Level":"info","Process":"wcx-controld","Event":"worker started","Text":"wcx-journal, pid 4711"}

   Owner:   any thread of a process; a line is one write(2), so that lines of several processes do not mix.
   Bounds:  the text is cut at 599 bytes, and at 698 with its escapes, so that a line is always whole JSON and fits one write. Never in a poll loop; never a secret.
   Pinned by: tests/unit/test_log.c. */
#ifndef WCX_CONTROL_LOG_H
#define WCX_CONTROL_LOG_H

/* Name of this process in every line; a static string. */
void wcx_log_name(const char *process);

void wcx_log_info(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wcx_log_alarm(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
