/* Flow files: a day of orders as fixed records, so that anyone can replay it against any engine.

   A file is nothing but records, little-endian, 32 bytes each. An id names an order for its whole life; moves keep it.

   Owner:      the caller; the records are malloc'ed by wcx_flow_load or wcx_profile_generate, given back by wcx_flow_free.
   Units:      px: whole increments, 1..2^31 - 1; qty: lots of 1.
   Result:     wcx_flow_load: 0, or -1 and a text that names the file, the record (from 0) and the value.
   Invariants: of a loaded flow: ops 0..2, sides 0..1, ids of new orders rise, cancels and moves name an id that has been new, owners of new orders 1..1000.
   Pinned by:  tests/unit/test_flow.c. */
#ifndef WCX_BENCH_FLOW_H
#define WCX_BENCH_FLOW_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum wcx_flow_op
{
  WCX_FLOW_NEW = 0,
  WCX_FLOW_CANCEL = 1,
  WCX_FLOW_MOVE = 2, /* to a new price */
};

#define WCX_FLOW_F_IOC 0x01u
#define WCX_FLOW_OWNER_MAX 1000u

typedef struct wcx_flow_record
{
  uint8_t op;    /* enum wcx_flow_op */
  uint8_t side;  /* 0 buy, 1 sell */
  uint8_t flags; /* WCX_FLOW_F_* */
  uint8_t zero;
  uint32_t qty; /* new: all of it; cancel, move: what is left */
  uint64_t id;
  int64_t px;
  uint64_t aux; /* low 32 bits: owner; high 32 bits: old price */
} wcx_flow_record_t;
static_assert(sizeof(wcx_flow_record_t) == 32, "flow record");
static_assert(offsetof(wcx_flow_record_t, qty) == 4, "flow record: qty");
static_assert(offsetof(wcx_flow_record_t, id) == 8, "flow record: id");
static_assert(offsetof(wcx_flow_record_t, px) == 16, "flow record: px");
static_assert(offsetof(wcx_flow_record_t, aux) == 24, "flow record: aux");

typedef struct wcx_flow
{
  wcx_flow_record_t *records;
  uint64_t cnt;
  uint64_t id_max;
  uint64_t new_cnt;
  uint64_t live_max; /* upper bound: ids that have been new and not canceled, at any one time */
  int64_t px_min;
  int64_t px_max;
} wcx_flow_t;

/* Check the records and fill in what follows from them. 0, or -1 and a text in `error`. */
int wcx_flow_survey(wcx_flow_t *flow, char *error, size_t error_sz) __attribute__((warn_unused_result));

int wcx_flow_load(wcx_flow_t *flow, const char *path, char *error, size_t error_sz) __attribute__((warn_unused_result));
int wcx_flow_save(const wcx_flow_t *flow, const char *path) __attribute__((warn_unused_result)); /* 0, or -1 with errno */
void wcx_flow_free(wcx_flow_t *flow);

/* The hash over all trades in order; maker and taker are ids of the flow. */
#define WCX_TRADE_HASH_START UINT64_C(0x243F6A8885A308D3)

static inline uint64_t wcx_trade_hash(uint64_t hash, uint64_t maker, uint64_t taker, int64_t px, uint64_t qty)
{
  uint64_t x = maker * UINT64_C(0x9E3779B97F4A7C15) + taker * UINT64_C(0xC2B2AE3D27D4EB4F) + (uint64_t)px * UINT64_C(0x165667B19E3779F9) + qty;
  return ((hash << 23 | hash >> 41) ^ x) * UINT64_C(0xD6E8FEB86659FD93);
}

#endif
