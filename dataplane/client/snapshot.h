/* The snapshot channel at its receiver: lines A and B arbitrated, books collected whole, their check values verified. No sockets: bytes in, books out.

   Session strings are "N" shard(3) YYMMDD; a book is valid at a number of the feed session with the same digits. Nothing can be asked for again: a hole that
   the other line does not fill within the grace time tears the book that was being collected, and its next cycle brings it anew.

   Owner:      one thread.
   Memory:     allocated by init, grows with the deepest book, freed by free. A book given to on_book lives until it returns.
   Units:      monotonic ns, passed in.
   Invariants: on_book sees whole books only: as many orders as SnapshotStart promised, without a hole, CRC32C as SnapshotEnd says.
   Pinned by:  tests/unit/test_client_join.c, tests/unit/test_loop_join.c. */
#ifndef WCX_CLIENT_SNAPSHOT_H
#define WCX_CLIENT_SNAPSHOT_H

#include "dataplane/client/feed.h"

typedef struct wcx_client_snapshot_config
{
  uint16_t shard;
  void *ctx;
  void (*on_book)(void *ctx, const char feed_session[10], const wcx_snapshot_start_t *start, const wcx_snapshot_order_t *orders);
  /* A cycle has ended. whole: every book of it was given to on_book. */
  void (*on_cycle)(void *ctx, const char feed_session[10], bool whole);
} wcx_client_snapshot_config_t;

typedef struct wcx_client_snapshot
{
  wcx_client_snapshot_config_t config;
  wcx_client_stream_t stream;
  char session[10];
  bool joined;
  bool collecting;
  wcx_snapshot_start_t start; /* of the book being collected */
  wcx_snapshot_order_t *orders;
  uint32_t order_cnt, order_max;
  uint32_t crc;
  uint32_t cycle_book_cnt; /* given since the cycle began */

  uint64_t first_cnt[2]; /* messages by the line whose copy came first */
  uint64_t book_cnt;
  uint64_t cycle_cnt;
  uint64_t torn_cnt; /* books not collected whole */
  uint64_t bad_checksum_cnt;
  uint64_t bad_datagram_cnt;
  uint64_t foreign_cnt; /* of another shard or an older day */
} wcx_client_snapshot_t;

void wcx_client_snapshot_init(wcx_client_snapshot_t *snapshot, const wcx_client_snapshot_config_t *config);
void wcx_client_snapshot_free(wcx_client_snapshot_t *snapshot);

/* line: WCX_CLIENT_LINE_A or WCX_CLIENT_LINE_B. */
void wcx_client_snapshot_datagram(wcx_client_snapshot_t *snapshot, uint64_t now_ns, enum wcx_client_line line, const void *datagram, size_t sz);

/* Timers: holes that no line filled. */
void wcx_client_snapshot_step(wcx_client_snapshot_t *snapshot, uint64_t now_ns);

#endif
