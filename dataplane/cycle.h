/* Snapshot cycles: every so often the displayed orders of every book, for those who join late or lost too much, on two multicast groups of their own.

       wait -> copy: a batch of books, between two inputs, at seq N -> N is released -> send, paced over turns -> copy ... -> EndOfCycle -> wait

   What is said: per instrument SnapshotStart (LastMsgSeqNumProcessed: the number of the feed the book is valid at; TransactTime: the stamp of input N), its
   SnapshotOrders as wcx_engine_snapshot_at orders them, SnapshotEnd (CRC32C over the 40-byte SnapshotOrder blocks in order); after the last instrument EndOfCycle.
   Both sides carry the same packets.

   Session: "N" shard(3) YYMMDD, of the day at N as the feed has it: LastMsgSeqNumProcessed counts in "M" with the same digits. It is not recoverable: a
   re-request is answered BadSession. Numbers rise by one a message and begin at (epoch << 40) + 1, so that a data plane that starts again repeats none; whoever
   sees a number he did not expect throws away what he was collecting. SnapshotID and CycleID count from 1 in each run of the data plane.

   The gate: a book is copied from the engine as it is, ahead of the release. Its packets depend on input N and are not made before N is released.

   Owner:      the loop.
   Memory:     `orders_max` blocks of 40 bytes, given at start.
   Units:      monotonic ns.
   Bounds:     copying: a batch is WCX_CYCLE_BOOKS_MAX books, and no book is begun after WCX_CYCLE_COPY_MAX orders of a turn; but one book is copied whole, in
               one turn, because it must be of one seq: a book of n orders stops the loop once a cycle for the time it takes to read them, 1.7 ms for 100,000
               (wcx-bench snapshot; bench/FIGURES.md). A book with more than `orders_max` displayed orders is left out of the cycle, does not
               count in EndOfCycle.TotNumSecurities, and counts in snapshot_too_deep: lower snapshot_orders_max where that pause is worse than no snapshot.
               Sending: WCX_CYCLE_PACKETS_MAX packets a turn on each side, as the pace allows, and only while half of the egress queue is free: answers and
               the feed go first.
   Pinned by:  tests/unit/test_loop_cycle.c, tests/unit/test_loop_join.c. */
#ifndef WCX_DATAPLANE_CYCLE_H
#define WCX_DATAPLANE_CYCLE_H

#include "dataplane/ending.h"
#include "dataplane/limit.h"
#include "engine/engine.h"

#define WCX_CYCLE_BOOKS_MAX 64u
#define WCX_CYCLE_COPY_MAX 1024u
#define WCX_CYCLE_PACKETS_MAX 2u
#define WCX_CYCLE_EPOCH_SHIFT 40u

enum wcx_cycle_phase
{
  WCX_CYCLE_OFF = 1,
  WCX_CYCLE_WAIT = 2, /* for the next cycle */
  WCX_CYCLE_COPY = 3, /* the next batch */
  WCX_CYCLE_SEND = 4, /* the batch, once its input is released */
};

typedef struct wcx_cycle
{
  const wcx_engine_t *engine;
  wcx_egress_t *egress;
  wcx_stats_t *stats;
  wcx_peer_t groups[2];
  uint16_t from_port;
  uint8_t phase; /* enum wcx_cycle_phase */
  uint8_t last;  /* the batch ends the cycle */
  uint32_t orders_max;
  uint64_t interval_ns;
  uint64_t heartbeat_ns;
  uint64_t next_ns; /* of the next cycle */
  uint64_t last_tx_ns;
  wcx_rate_t pace;
  wcx_bucket_t paced;

  /* the stream */
  char session[WCX_MOLD_SESSION_SZ]; /* all NUL before the first packet */
  uint8_t ended;                     /* EndOfCycle is said */
  uint8_t pad[5];
  uint64_t first_number; /* of a session */
  uint64_t next_number;
  wcx_ending_t ending;
  uint64_t cycle_id;
  uint32_t snapshot_id;
  uint32_t said_cnt; /* books said in this cycle */

  /* the batch */
  char batch_session[WCX_MOLD_SESSION_SZ];
  uint8_t pad2[6];
  uint64_t batch_seq;
  uint32_t next_idx; /* first instrument that is not copied */
  uint32_t book_cnt;
  uint32_t book_idx;  /* of the batch, being sent; book_cnt: all are */
  uint32_t block_idx; /* of that book: 0 start, 1.. orders, TotNumOrders + 1 end */
  uint32_t order_off; /* of that book's first order in `orders` */
  uint32_t crc;
  wcx_snapshot_order_t *orders;
  wcx_snapshot_start_t starts[WCX_CYCLE_BOOKS_MAX];
} wcx_cycle_t;

/* The loop begins to receive: the first cycle begins. */
void wcx_cycle_start(wcx_cycle_t *cycle, uint64_t epoch, uint64_t mono_ns);

/* Its part of a turn, between two inputs. Returns the packets queued and books copied. */
uint32_t wcx_cycle_step(wcx_cycle_t *cycle, uint64_t release_seq, uint64_t mono_ns);

#endif
