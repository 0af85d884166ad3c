/* Mass quotes and protection groups on top of engine_fixture.h: build them, send them, read the ack.

   A quote_t is the bytes of one MassQuote; sets are added to it. Requests take the session's next ClOrdID. */
#ifndef WCX_TESTS_QUOTE_FIXTURE_H
#define WCX_TESTS_QUOTE_FIXTURE_H

#include "engine/quote.h"
#include "tests/unit/engine_fixture.h"

#define MANY_SETS 40u

typedef struct quote
{
  wcx_mass_quote_t block;
  wcx_group_size_t group;
  wcx_mass_quote_quote_sets_t sets[MANY_SETS];
} quote_t;

static inline quote_t a_quote(const world_t *w, uint32_t session_id, uint16_t mmp_group)
{
  return (quote_t){.block = {.quote_id = w->cl_ord_id[session_id] + 1, .account = session_id, .mmp_group = mmp_group}, .group = {.block_length = WCX_QUOTE_SET_SZ}};
}

/* A size of 0 leaves the side out. */
static inline wcx_mass_quote_quote_sets_t *add_set(quote_t *quote, uint32_t entry_id, int64_t bid_px, int64_t bid_size, int64_t offer_px, int64_t offer_size)
{
  wcx_mass_quote_quote_sets_t *set = &quote->sets[quote->group.num_in_group++];
  *set = (wcx_mass_quote_quote_sets_t){.bid_px = bid_px, .offer_px = offer_px, .bid_size = bid_size, .offer_size = offer_size, .security_id = 1, .quote_entry_id = entry_id};
  return set;
}

/* The bytes of it as a record's body; returns how many. */
static inline uint16_t quote_body(const quote_t *quote, uint8_t *body)
{
  size_t sets_sz = quote->group.num_in_group * WCX_QUOTE_SET_SZ;
  memcpy(body, &quote->block, sizeof(quote->block));
  memcpy(body + sizeof(quote->block), &quote->group, sizeof(quote->group));
  memcpy(body + WCX_QUOTE_SETS_OFF, quote->sets, sets_sz);
  return (uint16_t)(WCX_QUOTE_SETS_OFF + sets_sz);
}

static inline void send_quote(world_t *w, uint32_t session_id, const quote_t *quote)
{
  uint8_t body[sizeof(quote_t)];
  if (quote->block.quote_id > w->cl_ord_id[session_id])
    w->cl_ord_id[session_id] = quote->block.quote_id;
  world_apply(w, WCX_TEMPLATE_MASS_QUOTE, session_id, ++w->client_seq[session_id], body, quote_body(quote, body));
}

/* One set, entry 0, of session n for account n. */
static inline void quote(world_t *w, uint32_t session_id, uint16_t mmp_group, int64_t bid_px, int64_t bid_size, int64_t offer_px, int64_t offer_size)
{
  quote_t one = a_quote(w, session_id, mmp_group);
  add_set(&one, 0, bid_px, bid_size, offer_px, offer_size);
  send_quote(w, session_id, &one);
}

/* Set k of the ack that is the i-th output. */
static inline wcx_mass_quote_ack_quote_sets_t said_set(const world_t *w, uint32_t i, uint32_t k)
{
  wcx_group_size_t group;
  wcx_mass_quote_ack_quote_sets_t set;
  assert_int_equal(w->said[i].template_id, WCX_TEMPLATE_MASS_QUOTE_ACK);
  const uint8_t *at = w->said[i].block + sizeof(wcx_mass_quote_ack_t);
  memcpy(&group, at, sizeof(group));
  assert_int_equal(group.block_length, sizeof(set));
  assert_true(k < group.num_in_group);
  memcpy(&set, at + sizeof(group) + k * sizeof(set), sizeof(set));
  return set;
}

static inline void expect_ack(const world_t *w, uint32_t i, uint8_t status, uint8_t reason, uint32_t set_cnt)
{
  wcx_group_size_t group;
  assert_int_equal(w->said[i].template_id, WCX_TEMPLATE_MASS_QUOTE_ACK);
  assert_int_equal(SAID(w, i, wcx_mass_quote_ack_t).quote_status, status);
  assert_int_equal(SAID(w, i, wcx_mass_quote_ack_t).quote_reject_reason, reason);
  memcpy(&group, w->said[i].block + sizeof(wcx_mass_quote_ack_t), sizeof(group));
  assert_int_equal(group.num_in_group, set_cnt);
}

static inline wcx_mmp_config_request_t a_group(uint16_t mmp_group, uint64_t window_ns, uint32_t max_cnt)
{
  return (wcx_mmp_config_request_t){.max_qty = WCX_I64_NULL, .max_notional_window = WCX_I64_NULL, .window_nanos = window_ns, .max_count = max_cnt, .mmp_group = mmp_group};
}

static inline void configure(world_t *w, uint32_t session_id, wcx_mmp_config_request_t request)
{
  request.cl_ord_id = ++w->cl_ord_id[session_id];
  world_apply(w, WCX_TEMPLATE_MMP_CONFIG_REQUEST, session_id, ++w->client_seq[session_id], &request, sizeof(request));
}

static inline void reset_group(world_t *w, uint32_t session_id, uint16_t mmp_group)
{
  wcx_mmp_reset_request_t request = {.cl_ord_id = ++w->cl_ord_id[session_id], .mmp_group = mmp_group};
  world_apply(w, WCX_TEMPLATE_MMP_RESET_REQUEST, session_id, ++w->client_seq[session_id], &request, sizeof(request));
}

/* An order of session n that counts for a group. */
static inline uint64_t protected_order(world_t *w, uint32_t session_id, uint16_t mmp_group, uint8_t side, int64_t price, int64_t qty)
{
  wcx_new_order_single_t request = an_order(w->cl_ord_id[session_id] + 1, session_id, side, price, qty);
  request.mmp_group = mmp_group;
  request.exec_inst = WCX_EXEC_INST_MMP;
  send_order(w, session_id, &request);
  return request.cl_ord_id;
}

#endif
