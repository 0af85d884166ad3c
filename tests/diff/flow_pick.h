/* What the two halves of the generator share: chance, headers, and the inputs of operations. Included by flow*.c only. */
#ifndef WCX_TESTS_DIFF_FLOW_PICK_H
#define WCX_TESTS_DIFF_FLOW_PICK_H

#include "tests/diff/flow.h"

#include <string.h>

static inline uint64_t flow_random(flow_t *flow)
{
  uint64_t z = (flow->random += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* 0 .. n - 1; n >= 1. */
static inline uint64_t flow_below(flow_t *flow, uint64_t n)
{
  return flow_random(flow) % n;
}

static inline bool flow_one_in(flow_t *flow, uint64_t n)
{
  return flow_below(flow, n) == 0;
}

static inline bool flow_percent(flow_t *flow, uint8_t percent)
{
  return percent != 0 && flow_below(flow, 100) < percent;
}

/* The header of a client's request: the next of its sequence, or behind a gap. */
static inline void flow_client(flow_t *flow, wcx_record_hdr_t *hdr, uint16_t template_id, uint32_t session_id, uint32_t account)
{
  flow->client_seq[session_id] += flow_one_in(flow, 300) ? 3 : 1;
  hdr->template_id = template_id;
  hdr->session_id = session_id;
  hdr->stamp_ns = flow->stamp_ns;
  hdr->receive_ns = flow->stamp_ns - 1 - flow_below(flow, 3);
  hdr->client_seq = flow->client_seq[session_id];
  hdr->account = account;
}

static inline void flow_internal(flow_t *flow, wcx_record_hdr_t *hdr, uint16_t template_id, uint32_t session_id, uint32_t account)
{
  hdr->template_id = template_id;
  hdr->session_id = session_id;
  hdr->stamp_ns = flow->stamp_ns;
  hdr->account = account;
}

/* Append a block to the body. */
static inline void flow_body(wcx_record_hdr_t *hdr, uint8_t *body, const void *block, size_t sz)
{
  memcpy(body + hdr->body_sz, block, sz);
  hdr->body_sz = (uint16_t)(hdr->body_sz + sz);
}

/* --- flow_operate.c -------------------------------------------------------------------------------------------------------------------- */

/* The next definition of the world; false when it is complete. */
bool flow_make_set_up(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_status(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_band(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_rule(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_account(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_limit(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_balance(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_fee_tier(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_trade_break(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_session(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_tick(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_day_roll(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_entitlement(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
void flow_make_redefinition(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);

#endif
