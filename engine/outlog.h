/* The output log: every message the engine (or the gate's owner) says, in order, in one byte ring.

   It is the egress FIFO and the retained window in one: the engine appends, the gate walks from `sent_pos` while an entry's input is released,
   and what lies behind stays readable for re-requests until the ring comes round.

        0 ........ oldest ........ sent_pos ........ write_pos
                     |  retained    |  held at gate    |  room

   An entry is a 32-byte header, then `len` bytes of message (8-byte SBE header, root block, groups: what goes on the wire), padded to 16. An entry never
   wraps; the bytes left over before the end of the ring are a SKIP entry.

   Owner:       one thread (the shard's loop, a replica, wcx-play). No other thread reads it.
   Bounds:      cap is a power of two, 64 KiB..2^40. Positions are 64-bit and never wrap in practice.
   Room:        the caller reserves before the input is applied: wcx_outlog_room >= wcx_engine_output_bound. Appending without room is a check
                failure; entries in [sent_pos, write_pos) are never overwritten.
   Invariants:  input_seq never falls along the log; numbers of one stream rise by 1 from entry to entry.
   Pinned by:   tests/unit/test_outlog.c. */
#ifndef WCX_ENGINE_OUTLOG_H
#define WCX_ENGINE_OUTLOG_H

#include "engine/base/check.h"
#include "engine/sbe.h"

#include <stdbool.h>
#include <string.h>

enum wcx_stream
{
  WCX_STREAM_SESSION = 1,     /* sequenced stream of a session; stream_id = SessionID */
  WCX_STREAM_FEED = 2,        /* incremental feed; stream_id = shard */
  WCX_STREAM_UNSEQUENCED = 3, /* to a session, gated but not numbered; stream_id = SessionID, tag = whom to answer */
  WCX_STREAM_SKIP = 255,
};

typedef struct wcx_out_entry
{
  uint32_t entry_sz; /* header, message and padding: distance to the next entry */
  uint16_t len;      /* bytes of the message */
  uint8_t stream;    /* enum wcx_stream */
  uint8_t flags;
  uint32_t stream_id;
  uint32_t tag;       /* UNSEQUENCED: the data plane's peer handle, or 0 = the session's live binding */
  uint64_t number;    /* of the stream, from 1; 0 when unsequenced */
  uint64_t input_seq; /* the newest input this message depends on: what the gate compares */
} wcx_out_entry_t;
static_assert(sizeof(wcx_out_entry_t) == 32, "entry header");

typedef struct wcx_outlog
{
  uint8_t *base; /* cap bytes, 16-aligned */
  uint64_t cap;
  uint64_t write_pos;
  uint64_t sent_pos; /* moved by the gate's owner only */
} wcx_outlog_t;

static inline void wcx_outlog_init(wcx_outlog_t *log, void *mem, uint64_t cap)
{
  WCX_CHECK(cap >= 65536 && (cap & (cap - 1)) == 0, "output log capacity %llu", (unsigned long long)cap);
  *log = (wcx_outlog_t){.base = mem, .cap = cap};
}

static inline uint32_t wcx_outlog_entry_sz(uint32_t len)
{
  return (uint32_t)sizeof(wcx_out_entry_t) + ((len + 15u) & ~15u);
}

/* Bytes that may be appended, less what a skip at the end may cost. */
static inline uint64_t wcx_outlog_room(const wcx_outlog_t *log)
{
  uint64_t used = log->write_pos - log->sent_pos;
  uint64_t skip_max = 2048;
  return log->cap - used > skip_max ? log->cap - used - skip_max : 0;
}

static inline wcx_out_entry_t *wcx_outlog_at(const wcx_outlog_t *log, uint64_t pos)
{
  return (wcx_out_entry_t *)(void *)(log->base + (pos & (log->cap - 1)));
}

static inline uint8_t *wcx_out_message(wcx_out_entry_t *entry)
{
  return (uint8_t *)(entry + 1);
}

/* Room for an entry of `sz` bytes (wcx_outlog_entry_sz) whose header and message the caller writes, all of them. The entry counts as written at once: finish
   it before anyone walks the log. */
static inline wcx_out_entry_t *wcx_outlog_reserve(wcx_outlog_t *log, uint32_t sz)
{
  uint64_t to_end = log->cap - (log->write_pos & (log->cap - 1));
  if (__builtin_expect(to_end < sz, 0))
  {
    /* positions are multiples of 16 and the ring's end may leave as little as 16 bytes: a SKIP shows in entry_sz and stream alone */
    wcx_out_entry_t *skip = wcx_outlog_at(log, log->write_pos);
    memset(skip, 0, 8);
    skip->entry_sz = (uint32_t)to_end;
    skip->stream = WCX_STREAM_SKIP;
    log->write_pos += to_end;
  }
  WCX_CHECK(log->write_pos + sz - log->sent_pos <= log->cap, "output log overrun: write %llu sent %llu cap %llu", (unsigned long long)log->write_pos,
            (unsigned long long)log->sent_pos, (unsigned long long)log->cap);
  wcx_out_entry_t *entry = wcx_outlog_at(log, log->write_pos);
  log->write_pos += sz;
  return entry;
}

/* Append an entry for a message of `len` bytes (<= 1400) and return it with entry_sz and len set, all else zero; the caller fills the message
   and the rest. */
static inline wcx_out_entry_t *wcx_outlog_append(wcx_outlog_t *log, uint32_t len)
{
  uint32_t sz = wcx_outlog_entry_sz(len);
  wcx_out_entry_t *entry = wcx_outlog_reserve(log, sz);
  *entry = (wcx_out_entry_t){.entry_sz = sz, .len = (uint16_t)len};
  return entry;
}

/* Position of the next entry that is not a SKIP, or `end`. */
static inline uint64_t wcx_outlog_settle(const wcx_outlog_t *log, uint64_t pos, uint64_t end)
{
  while (pos < end && wcx_outlog_at(log, pos)->stream == WCX_STREAM_SKIP)
    pos += wcx_outlog_at(log, pos)->entry_sz;
  return pos;
}

/* Whether an entry that once stood at `pos` is still there. */
static inline bool wcx_outlog_retained(const wcx_outlog_t *log, uint64_t pos)
{
  return pos < log->write_pos && log->write_pos - pos <= log->cap;
}

#endif
