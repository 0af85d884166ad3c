/* HDR histograms as a log that other tools read (`.hlog`, HdrHistogram log format 1.3, V2 encoding): one line an interval, and the way back.

       line:    [Tag=TAG,]start,length,max,base64( envelope )           seconds since the epoch of the header, seconds, ms
       envelope: u32 0x1c849314, u32 size, zlib( histogram )            big endian
       histogram: u32 0x1c849313, u32 payload size, u32 0, u32 digits, u64 lowest, u64 highest, f64 1.0, payload
       payload: per slot, up to the slot of the maximum, ZigZag LEB128 of its count (9 bytes at most, the ninth whole); a run of n > 1 empty slots: of -n

   Owner:      the caller; a log belongs to one thread.
   Memory:     one buffer of the log's, 768 KiB, from open to close.
   Units:      ns in the histograms.
   Result:     open and close: 0, or -1 with errno. Errors between are kept and told by close. decode: false when the text is not a histogram of
               this shape (hdr.h), which is then in an undefined state.
   Bounds:     tags: ASCII without comma and white space, up to 63.
   Pinned by:  tests/unit/test_hdr.c, tests/bench/test_hdr_log.py (read by hdr-histogram-js). */
#ifndef WCX_BENCH_HDR_LOG_H
#define WCX_BENCH_HDR_LOG_H

#include "bench/hdr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct wcx_hdr_log
{
  FILE *file;
  uint64_t base_ns; /* UTC: what times of intervals count from */
  char *text;
} wcx_hdr_log_t;

/* Start a log file; base_ns: UTC. comment: a line about what is in it, or NULL. */
int wcx_hdr_log_open(wcx_hdr_log_t *log, const char *path, uint64_t base_ns, const char *comment) __attribute__((warn_unused_result));

/* An interval: from_ns, to_ns: UTC, from base_ns on. tag: NULL, or what tells several histograms of one time apart. */
void wcx_hdr_log_interval(wcx_hdr_log_t *log, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hdr_t *hdr);

int wcx_hdr_log_close(wcx_hdr_log_t *log) __attribute__((warn_unused_result));

/* An interval that is read; tag: NULL, or lives as long as the call. */
typedef void wcx_hdr_log_part_t(void *ctx, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hdr_t *hdr);

/* Each interval of a log in the order of its lines. 0, or -1 with errno: EINVAL when a line holds no histogram of this shape. */
int wcx_hdr_log_read(const char *path, wcx_hdr_log_part_t *part, void *ctx) __attribute__((warn_unused_result));

#define WCX_HDR_TEXT_SZ (768u * 1024u) /* room for the text of any histogram */

/* The base64 of a histogram; text has WCX_HDR_TEXT_SZ bytes. Returns its length. */
size_t wcx_hdr_encode(const wcx_hdr_t *hdr, char *text);

/* The other way. min, max and sum are those of the slots, as exact as these. */
bool wcx_hdr_decode(const char *text, size_t text_sz, wcx_hdr_t *hdr) __attribute__((warn_unused_result));

#endif
