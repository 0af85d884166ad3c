/* What the reference holds, and what its files ask of each other. Included by reference*.c only.

   reference.c          inputs, deadlines, definitions, sessions
   reference_say.c      every message it can say
   reference_book.c     lists of orders, books, the life of an order
   reference_match.c    matching, prevention, remainders, stops
   reference_auction.c  trading status, uncross, indicative prices, volatility
   reference_request.c  new, cancel, replace: the checks
   reference_mass.c     mass cancel, locks, kill switch
   reference_risk.c     money: notional, commission, balances, limits, trade breaks
   reference_quote.c    mass quotes, market-maker protection */
#ifndef WCX_TESTS_DIFF_REFERENCE_STATE_H
#define WCX_TESTS_DIFF_REFERENCE_STATE_H

#include "engine/base/check.h"
#include "engine/base/int128.h"
#include "engine/sbe.h"
#include "tests/diff/reference.h"

#include <string.h>

#define REF_BUY WCX_SIDE_BUY
#define REF_SELL WCX_SIDE_SELL
#define REF_NOBODY UINT32_MAX
#define REF_ASSETS_MAX 16u
#define REF_DAY_NS 86400000000000u
#define REF_STOPS_PER_INPUT 64u
#define REF_REFRESHES_PER_INPUT 1024u
#define REF_MMP_ENTRIES 64u
#define REF_BROKEN_MAX 1024u
#define REF_TRADING_GROUPS 64u
#define REF_ORD_TYPES 8u /* 1..6 are names */

enum ref_place
{
  REF_GONE = 0,
  REF_NOWHERE = 1, /* a taker in hand */
  REF_BOOK = 2,
  REF_WAITING = 3, /* a stop */
  REF_UNSEEN = 4,  /* before its auction */
};

typedef struct ref_order
{
  uint64_t id;
  uint64_t public_id;
  uint64_t cl_ord_id;
  int64_t price; /* of Limit and StopLimit, else 0 */
  int64_t stop_px;
  int64_t qty;
  int64_t cum;
  int64_t leaves;
  int64_t display_qty; /* 0: plain */
  int64_t shown;       /* displayed part while in the book; 0 when hidden */
  int64_t min_qty;     /* 0: none */
  int64_t held;        /* of the base (sell) or quote (buy) asset, Checked accounts only */
  wcx_i128_t collar;   /* of a sweeping order at entry */
  uint64_t stop_seniority;
  uint64_t expires_ns; /* 0: never */
  uint64_t armed;
  uint32_t session; /* indices */
  uint32_t account;
  uint32_t instrument;
  uint32_t smp_id;
  uint32_t quote_entry_id;
  uint16_t exec_inst;
  uint16_t mmp_group;
  uint8_t side;
  uint8_t ord_type; /* Limit once a MarketToLimit rests or a StopLimit is triggered */
  uint8_t tif;
  uint8_t smp_inst;
  uint8_t place; /* enum ref_place */
  bool quote;
  bool own; /* in hand, and by its own request: what is left of it is canceled with the request's ReceiveTime */
} ref_order_t;

typedef struct ref_list
{
  ref_order_t **at;
  uint32_t cnt;
  uint32_t cap;
} ref_list_t;

/* Prices a fill may have; REF_FAR where there is no bound. */
typedef struct ref_band
{
  wcx_i128_t low;
  wcx_i128_t high;
} ref_band_t;
#define REF_FAR ((wcx_i128_t)1 << 120)

typedef struct ref_indication
{
  int64_t price; /* WCX_I64_NULL: none */
  int64_t paired;
  int64_t imbalance;
  uint8_t side;
} ref_indication_t;

typedef struct ref_instrument
{
  wcx_security_definition_t def;
  ref_list_t book[3]; /* by side, best first */
  ref_list_t waiting; /* stops */
  uint32_t base;      /* indices of assets */
  uint32_t quote;
  uint8_t status;
  uint64_t resume_ns; /* 0: nothing scheduled */
  uint64_t resume_armed;
  bool resume_to_auction; /* Paused by volatility */
  int64_t low;            /* present band */
  int64_t high;
  int64_t last_px;      /* 0: no trade yet */
  int64_t reference_px; /* 0: none */
  wcx_volatility_rule_t rule;
  ref_indication_t told;
  bool told_any; /* since the auction began */
  uint8_t group; /* of instruments, for what sessions may trade */
} ref_instrument_t;

typedef struct ref_asset
{
  char name[8];
  int8_t exponent;
  bool final;
} ref_asset_t;

typedef struct ref_balance
{
  wcx_i128_t available;       /* fills may take it beyond any single amount */
  uint64_t highest_reference; /* 0: none seen */
  uint64_t seen;              /* bit n: highest - n */
} ref_balance_t;

typedef struct ref_asset_limits
{
  int64_t max_order_notional;
  int64_t max_open_notional;
  int64_t max_position;
} ref_asset_limits_t;

typedef struct ref_account
{
  wcx_account_definition_t def;
  bool locked_by_client;
  bool locked_by_operations;
  int64_t max_order_qty;
  uint32_t max_open_orders;
  ref_balance_t balance[REF_ASSETS_MAX];
  ref_asset_limits_t limits[REF_ASSETS_MAX];
} ref_account_t;

typedef struct ref_session
{
  uint32_t id;
  uint32_t account; /* number, or WCX_U32_NULL: every account */
  uint64_t next_client_seq;
  uint64_t next_server_seq;
  uint64_t last_cl_ord_id;
  uint64_t uuid[3]; /* by transport: of the binding that is open there, 0: none */
  bool cod;
  bool locked;
  uint32_t cod_window_ms;
  uint64_t cod_ns; /* 0: not armed */
  uint64_t cod_armed;
  bool some_groups; /* it may trade those of in_group only */
  bool in_group[REF_TRADING_GROUPS];
  bool some_types; /* it may enter those of of_type only */
  bool of_type[REF_ORD_TYPES];
} ref_session_t;

typedef struct ref_mmp_entry
{
  uint64_t stamp_ns;
  uint64_t count;
  wcx_i128_t qty;
  wcx_i128_t notional;
} ref_mmp_entry_t;

typedef struct ref_group
{
  uint32_t session;
  uint16_t group;
  wcx_mmp_config_request_t config;
  bool frozen;
  uint64_t frozen_until; /* WCX_U64_NULL: until reset */
  ref_mmp_entry_t entries[REF_MMP_ENTRIES];
  uint32_t entry_cnt;
} ref_group_t;

struct ref
{
  wcx_capacity_t capacity;
  uint32_t shard;
  /* the input being applied */
  uint64_t now;
  const wcx_record_hdr_t *hdr;
  uint32_t session; /* index, or REF_NOBODY */
  uint32_t stops_left;
  ref_out_list_t *out;
  ref_out_t *publics; /* public messages of this input, appended at its end */
  uint32_t public_cnt;
  uint32_t public_cap;
  /* counters */
  uint64_t next_order_id;
  uint64_t next_exec_id;
  uint32_t refreshes; /* in this input */
  uint64_t last_match_id;
  uint64_t last_event_id;
  uint64_t next_armed;
  uint64_t next_seniority;
  uint64_t feed_number;
  uint64_t soonest_ns; /* no deadline is earlier */
  /* who and what */
  ref_instrument_t *instruments;
  uint32_t instrument_cnt;
  ref_account_t *accounts;
  uint32_t account_cnt;
  ref_session_t *sessions;
  uint32_t session_cnt;
  ref_asset_t assets[REF_ASSETS_MAX];
  uint32_t asset_cnt;
  ref_asset_limits_t tier_limits[8][REF_ASSETS_MAX];
  wcx_fee_tier_definition_t fee_tiers[256];
  bool fee_tier_defined[256];
  ref_group_t *groups;
  uint32_t group_cnt;
  uint64_t broken[REF_BROKEN_MAX]; /* TrdMatchIDs, a ring */
  uint64_t broken_cnt;
  ref_list_t live;   /* in order of acceptance */
  ref_list_t spare;  /* records to use again */
  ref_list_t picked; /* scratch: orders that one input cancels */
};

/* --- reference_book.c ------------------------------------------------------------------------------------------------------------------ */

void ref_list_insert(ref_list_t *list, uint32_t idx, ref_order_t *order);
void ref_list_remove(ref_list_t *list, const ref_order_t *order);

static inline ref_list_t *ref_side(ref_t *ref, const ref_order_t *order, bool other)
{
  return &ref->instruments[order->instrument].book[other ? 3 - order->side : order->side];
}

static inline bool ref_is_stop(const ref_order_t *order)
{
  return order->ord_type == WCX_ORD_TYPE_STOP || order->ord_type == WCX_ORD_TYPE_STOP_LIMIT;
}

/* Takes whatever price the book has: Market, MarketToLimit before it rests, Stop. */
static inline bool ref_sweeps(const ref_order_t *order)
{
  return order->ord_type == WCX_ORD_TYPE_MARKET || order->ord_type == WCX_ORD_TYPE_MARKET_TO_LIMIT || order->ord_type == WCX_ORD_TYPE_STOP;
}

static inline bool ref_hidden(const ref_order_t *order)
{
  return (order->exec_inst & WCX_EXEC_INST_HIDDEN) != 0;
}

static inline bool ref_post_only(const ref_order_t *order)
{
  return (order->exec_inst & (WCX_EXEC_INST_POST_ONLY | WCX_EXEC_INST_POST_ONLY_REPRICE)) != 0;
}

/* A Limit order keeps what it does not trade unless its TimeInForce says otherwise. */
static inline bool ref_may_rest(const ref_order_t *order)
{
  return order->tif != WCX_TIME_IN_FORCE_IOC && order->tif != WCX_TIME_IN_FORCE_FOK;
}

/* Whether a price is good enough for an order of a side to meet it. */
static inline bool ref_meets(uint8_t side, int64_t limit, int64_t price)
{
  return side == REF_BUY ? price <= limit : price >= limit;
}

/* AtTheOpening or AtTheClose, and its auction is not on. */
bool ref_is_unseen_now(const ref_t *ref, const ref_order_t *order);
/* The best opposite price, if it would be met at `price`. */
bool ref_crosses(ref_t *ref, const ref_order_t *order, int64_t price);
/* Room in the shard for the level the order would rest at, once `but` (or NULL) is out of the book. */
bool ref_stop_level_room(const ref_t *ref, const ref_order_t *stop, const ref_order_t *but);
bool ref_level_room(const ref_t *ref, const ref_order_t *order, int64_t price, const ref_order_t *but);

ref_order_t *ref_accept(ref_t *ref, const ref_order_t *candidate);
/* Into the book at the end of its level with its displayed part; no message. */
void ref_book_insert(ref_t *ref, ref_order_t *order);
/* Into the book and onto the feed. False, and canceled with System, when there is no level for it. */
bool ref_rest(ref_t *ref, ref_order_t *order);
/* Out of wherever it is, with the money it held; a DeleteOrder if it was on the feed and `tell`. */
void ref_remove(ref_t *ref, ref_order_t *order, bool tell);

typedef struct ref_cancel
{
  uint8_t reason;
  uint64_t request_cl_ord_id; /* WCX_U64_NULL: unsolicited */
  uint64_t receive_ns;        /* WCX_U64_NULL: unsolicited */
  uint32_t other_session;     /* index of a second one to tell, or REF_NOBODY */
} ref_cancel_t;
void ref_cancel(ref_t *ref, ref_order_t *order, ref_cancel_t how);
/* Nobody asked for it. */
void ref_cancel_unsolicited(ref_t *ref, ref_order_t *order, uint8_t reason);
/* What is left of a taker. */
void ref_cancel_remainder(ref_t *ref, ref_order_t *order, uint8_t reason);

/* --- reference_say.c ------------------------------------------------------------------------------------------------------------------- */

/* Offset of the message in ref->out->bytes. */
uint32_t ref_say_session(ref_t *ref, uint32_t session, uint16_t template_id, const void *block, uint32_t sz);
uint32_t ref_say_feed(ref_t *ref, uint16_t template_id, const void *block, uint32_t sz);
void ref_say_unsequenced(ref_t *ref, uint32_t session, uint32_t tag, uint16_t template_id, const void *block, uint32_t sz);
void ref_say_finish(ref_t *ref);

uint8_t ref_ord_status(const ref_order_t *order);
void ref_say_new(ref_t *ref, const ref_order_t *order, const wcx_new_order_single_t *request);
void ref_say_cancel(ref_t *ref, const ref_order_t *order, ref_cancel_t how);
void ref_say_restated(ref_t *ref, const ref_order_t *order, uint8_t reason, int64_t price, int64_t prevented);
void ref_say_add(ref_t *ref, const ref_order_t *order);
void ref_say_delete(ref_t *ref, const ref_order_t *order);
void ref_say_reduce(ref_t *ref, const ref_order_t *order);
void ref_say_replaced(ref_t *ref, const ref_order_t *order);
void ref_say_business_reject(ref_t *ref, uint64_t cl_ord_id, uint8_t reason);
void ref_say_mmp(ref_t *ref, const ref_group_t *group, uint8_t event, uint64_t level);

/* --- reference_match.c ----------------------------------------------------------------------------------------------------------------- */

/* Put an accepted (or replaced) order where it belongs: waiting, unseen, into the match, or into the book. */
void ref_place_order(ref_t *ref, ref_order_t *order);
/* at_entry: FOK and MinQty are looked at. */
void ref_aggress(ref_t *ref, ref_order_t *taker, bool at_entry);
bool ref_stop_triggered(const ref_t *ref, const ref_order_t *order);
void ref_trigger_stops(ref_t *ref);

/* One fill: reports, money, feed, refreshes, protection. What is filled or canceled by protection is REF_GONE afterwards. */
typedef struct ref_fill
{
  ref_order_t *first; /* reported first: the maker, the buyer in an uncross */
  ref_order_t *second;
  int64_t price;
  int64_t qty;
  uint64_t event_id;
  bool auction;
} ref_fill_t;
typedef struct ref_fill_result
{
  uint32_t executed[2]; /* offsets of the OrderExecuted said */
  uint32_t executed_cnt;
  uint32_t refreshes;
} ref_fill_result_t;
ref_fill_result_t ref_trade(ref_t *ref, const ref_fill_t *fill);
/* Set bit 1 of OrderExecuted.Flags in what the last fill said. */
void ref_mark_last_fill(ref_t *ref, const ref_fill_result_t *fill);

/* --- reference_auction.c --------------------------------------------------------------------------------------------------------------- */

ref_band_t ref_present_band(const ref_instrument_t *instrument);
ref_band_t ref_execution_band(const ref_instrument_t *instrument);
bool ref_is_auction(uint8_t status);
void ref_status_command(ref_t *ref, const wcx_security_status_t *command);
void ref_status_due(ref_t *ref, ref_instrument_t *instrument);
void ref_pause(ref_t *ref, ref_instrument_t *instrument);
void ref_auction_updates(ref_t *ref);

/* --- reference_risk.c ------------------------------------------------------------------------------------------------------------------ */

wcx_i128_t ref_div_floor(wcx_i128_t a, wcx_i128_t b);
wcx_i128_t ref_div_ceil(wcx_i128_t a, wcx_i128_t b);
/* Price x quantity at the amount's exponent. False: no int64. */
bool ref_notional(const ref_instrument_t *instrument, wcx_i128_t price, int64_t qty, bool up, int64_t *amount);
int64_t ref_commission(const ref_t *ref, const ref_order_t *order, int64_t notional, bool maker);
bool ref_checked(const ref_t *ref, const ref_order_t *order);
/* Hold what the order's leaves need from now on. */
void ref_hold(ref_t *ref, ref_order_t *order);
/* A fill's money; afterwards the order holds what the rest needs. */
void ref_settle(ref_t *ref, ref_order_t *order, int64_t notional, int64_t qty, int64_t commission);

typedef struct ref_verdict
{
  uint16_t reason; /* enum wcx_ord_rej_reason, 0: fine */
  uint64_t limit;
} ref_verdict_t;
#define REF_FINE ((ref_verdict_t){0, WCX_U64_NULL})
/* Section 10 for a new order (old NULL) or an order as a replace would make it. Sets the candidate's collar. */
ref_verdict_t ref_judge_money(ref_t *ref, ref_order_t *candidate, const ref_order_t *old);
void ref_set_collar(const ref_t *ref, ref_order_t *candidate);

void ref_asset_definition(ref_t *ref, const wcx_asset_definition_t *def);
uint32_t ref_asset_of(ref_t *ref, const char name[8], int8_t exponent);
uint32_t ref_asset_find(const ref_t *ref, const char name[8]);
void ref_balance_adjustment(ref_t *ref, const wcx_balance_adjustment_t *adjustment);
void ref_limit_update(ref_t *ref, const wcx_limit_update_t *update);
void ref_trade_break(ref_t *ref, const wcx_trade_break_command_t *command);

/* --- reference_request.c --------------------------------------------------------------------------------------------------------------- */

uint32_t ref_instrument_find(const ref_t *ref, uint32_t security_id);
uint32_t ref_account_find(const ref_t *ref, uint32_t account);
uint32_t ref_session_find(const ref_t *ref, uint32_t session_id);
bool ref_entitled(const ref_t *ref, uint32_t session, uint32_t account_number);
/* What its SessionEntitlement lets it trade and enter. */
bool ref_granted_instrument(const ref_t *ref, uint32_t session, uint32_t instrument);
bool ref_granted_type(const ref_t *ref, uint32_t session, uint8_t ord_type);
bool ref_locked(const ref_t *ref, uint32_t session, uint32_t account);
/* Whether the number rises; it is consumed if so. */
bool ref_cl_ord_id_rises(ref_t *ref, uint64_t cl_ord_id);
/* Checks 6 and 8 to 16 of section 2; old: the order a replace is about, or NULL. May reprice the candidate. */
ref_verdict_t ref_judge(ref_t *ref, ref_order_t *candidate, const ref_order_t *old);
void ref_new_order(ref_t *ref, const wcx_new_order_single_t *request);
void ref_cancel_request(ref_t *ref, const wcx_order_cancel_request_t *request);
void ref_replace_request(ref_t *ref, const wcx_order_cancel_replace_request_t *request);

/* --- reference_mass.c ------------------------------------------------------------------------------------------------------------------ */

void ref_mass_cancel(ref_t *ref, const wcx_order_mass_cancel_request_t *request);
void ref_unlock(ref_t *ref, const wcx_unlock_trading_request_t *request);
void ref_kill_switch(ref_t *ref, const wcx_kill_switch_t *command);
void ref_disconnect(ref_t *ref, uint32_t session);

/* --- reference_quote.c ----------------------------------------------------------------------------------------------------------------- */

ref_group_t *ref_group_find(ref_t *ref, uint32_t session, uint16_t group);
bool ref_frozen(const ref_t *ref, const ref_group_t *group);
/* Whether fills of the order count for its group, and its group's trigger cancels it. */
bool ref_protected(const ref_order_t *order);
/* Count a fill; cancel the group's orders if that is what a limit says, an order in hand last. */
void ref_mmp_count(ref_t *ref, const ref_order_t *filled, int64_t qty, int64_t notional);
void ref_mmp_freeze(ref_t *ref, ref_group_t *group);
void ref_mass_quote(ref_t *ref, const uint8_t *body);
void ref_mmp_reset(ref_t *ref, const wcx_mmp_reset_request_t *request);
void ref_mmp_config(ref_t *ref, const wcx_mmp_config_request_t *request);

#endif
