/* Seeded random inputs for the differential test: a small exchange that a profile drives into one corner of the rules or another.

   The generator asks the reference what is live, so that most cancels and replaces hit something and the number of live orders stays bounded; OrderIDs in
   what it makes are the reference's. The first records of a flow define the world: 3 instruments, 9 sessions, 8 accounts.

   Owner:       one thread per flow.
   Result:      a flow is a function of (profile, seed) and of what the reference answered; no clock.
   Bounds:      live orders stay below FLOW_LIVE_MAX plus what one input can add. */
#ifndef WCX_TESTS_DIFF_FLOW_H
#define WCX_TESTS_DIFF_FLOW_H

#include "tests/diff/reference.h"

#define FLOW_LIVE_MAX 150u
#define FLOW_SESSIONS 9u
#define FLOW_ACCOUNTS 8u
#define FLOW_INSTRUMENTS 3u
#define FLOW_TRADES 32u

/* How often each kind of input is made, relative to the others. */
typedef struct flow_weights
{
  uint16_t new_order, cancel, replace, mass_cancel, unlock;
  uint16_t quote, mmp_config, mmp_reset;
  uint16_t status, band, rule;
  uint16_t account, limit, balance, fee_tier, kill, trade_break;
  uint16_t session, tick, day_roll, redefine, entitle;
} flow_weights_t;

/* How often an order has a trait, in percent. */
typedef struct flow_traits
{
  uint8_t market, to_limit, stop, stop_limit;
  uint8_t ioc, fok, day, gtd, opening, closing;
  uint8_t post_only, reprice, hidden, iceberg, all_or_none, disconnect, mmp;
  uint8_t min_qty, prevention;
  uint8_t invalid; /* of all requests: one field is made wrong */
} flow_traits_t;

typedef struct flow_profile
{
  const char *name;
  const char *what;
  flow_weights_t weights;
  flow_traits_t traits;
  int64_t center_px;
  int64_t half_range_px;
  int64_t qty_max;
  uint32_t live_target; /* more new orders below, more cancels above */
  uint16_t jump;        /* per mille of stamps that jump to a deadline or far ahead */
  uint8_t checked;      /* accounts 1..checked are held to balances */
  bool exponents;       /* amounts that round, and fees */
  bool mismatch;        /* an asset whose exponent does not fit its instrument */
  bool limits;          /* volume, notional and band limits on instrument 2 */
  bool cascades;        /* stops that come while nothing trades are due as soon as it does */
  uint32_t levels_max;  /* a Capacity that is met; 0: one that is not */
} flow_profile_t;

/* The first flow_turn_cnt of them take turns, seed by seed; those behind run when they are named, so that a new one changes no seed's flow. */
extern const flow_profile_t flow_profiles[];
extern const uint32_t flow_turn_cnt;
extern const uint32_t flow_profile_cnt;

typedef struct flow_trade
{
  wcx_execution_report_trade_t buy;
  wcx_execution_report_trade_t sell;
} flow_trade_t;

typedef struct flow
{
  const flow_profile_t *profile;
  const ref_t *ref;
  uint64_t random;
  uint64_t stamp_ns;
  uint32_t set_up; /* definitions made so far */
  bool set_up_done;
  uint32_t trade_date;
  uint64_t client_seq[FLOW_SESSIONS + 1];
  uint64_t uuid[FLOW_SESSIONS + 1];     /* last used */
  uint64_t bound[FLOW_SESSIONS + 1][3]; /* by transport: UUID of the binding, 0: none */
  uint64_t reference[FLOW_ACCOUNTS + 1];
  flow_trade_t trades[FLOW_TRADES]; /* a ring */
  uint64_t trade_cnt;
  wcx_execution_report_trade_t half; /* the first report of a fill whose second was not seen yet */
} flow_t;

void flow_init(flow_t *flow, const flow_profile_t *profile, uint64_t seed, const ref_t *ref);

/* The next record; hdr->seq is left to the caller. `body` has room for WCX_RECORD_BODY_SZ_MAX bytes. */
void flow_next(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);

/* Let the flow see what the reference said, so that it can break trades. */
void flow_observe(flow_t *flow, const ref_out_list_t *out);

/* NULL when there is no profile of that name. */
const flow_profile_t *flow_profile_find(const char *name);

#endif
