/* What an account may risk: balances of checked accounts, limits of accounts and KYC tiers, fees. RULES.md sections 5 and 10.

   Every order of an account with balances or limits (wcx_account_t.risk != 0) carries WCX_ORDER_F_RISK. From acceptance to its end something is held for it: a
   function of its side, the price it is held at and what is left of it, so nothing needs to be stored with the order. Orders of other accounts come here for
   the commission only.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Units:      amounts at the asset's exponent; products in 128 bits, what does not fit an int64 is a reject.
   Invariants: held = sum over open orders; sum of balances and fees of an asset = adjustments - what came from and went to unlimited accounts (balance.h: supply).
   Bounds:     O(1); at most two balances are looked up for a checked account, and two more where it has limits.
   Pinned by:  tests/unit/test_risk.c, tests/unit/test_risk_limits.c, tests/property/test_risk_invariants.c, tests/golden/balance*.play, tests/golden/fees*.play, tests/golden/limits*.play. */
#ifndef WCX_ENGINE_RISK_H
#define WCX_ENGINE_RISK_H

#include "engine/match.h"

/* The price of an order that nothing bounds: one that sweeps where the execution band has no upper end. */
#define WCX_HELD_PX_NONE 0

/* What an order that sweeps is held at: the upper end of its execution band. */
static inline int64_t wcx_risk_collar(int64_t band_high)
{
  return band_high != INT64_MAX ? band_high : WCX_HELD_PX_NONE;
}

/* price x qty x 10^scale at the quote asset's exponent, rounded down or up. It fits: terms.c refused what does not. */
int64_t wcx_risk_notional(const wcx_instrument_t *instrument, int64_t price, int64_t qty, bool up);

/* The same for what nobody has refused: rounded up, 0 for WCX_HELD_PX_NONE, 2^63 for all that does not fit an amount. */
uint64_t wcx_risk_open_notional(const wcx_instrument_t *instrument, int64_t price, int64_t qty);

/* qty at the base asset's exponent: 2^63 for all that does not fit an amount. Exact where checked accounts may trade, else rounded up. */
uint64_t wcx_risk_base(const wcx_instrument_t *instrument, int64_t qty);

/* What is held for `leaves` of a checked account's order, of its quote asset for a buy, of its base asset for a sell. */
wcx_u128_t wcx_risk_held(const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves);

/* Commission of a fill of this notional; 0 without fees, below 0 for a rebate. `taker`: the taker's rate. */
int64_t wcx_risk_commission(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, bool taker, int64_t notional);

/* A commission of any account that is not 0 goes to the fees of the quote asset. wcx_match_reduce does this for the order it reduces. */
void wcx_risk_collect(wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, int64_t commission);

/* The price a live order that does not take is held at. */
int64_t wcx_risk_held_px(const wcx_engine_t *engine, uint32_t slot);

/* May the account have this order? *limit: what ER_Reject names. */
enum wcx_reject wcx_risk_check(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t qty,
                               uint64_t *limit);

/* May it be changed so? order_qty: the new total, leaves_then: what is then left. */
enum wcx_reject wcx_risk_check_replace(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px_now,
                                       int64_t leaves_now, int64_t held_px_then, int64_t order_qty, int64_t leaves_then);

/* A new order is accepted; one ends with `leaves` left; one changes. */
void wcx_risk_hold(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves);
void wcx_risk_release(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves);
void wcx_risk_change(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t px_now, int64_t leaves_now, int64_t px_then,
                     int64_t leaves_then);

/* A fill of an order that had leaves_before. fill->notional is set. The commission has been, or will be, collected. */
void wcx_risk_fill(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves_before, const wcx_fill_t *fill,
                   int64_t commission);

/* One side of a trade is broken: what it brought and cost a checked account goes back, of any account the commission leaves the fees. px x qty fits an amount. */
void wcx_risk_break(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t px, int64_t qty, int64_t commission);

/* Abort unless everything held and counted is what the live orders say, and money is conserved. O(records x orders): tests. */
void wcx_risk_verify(const wcx_engine_t *engine);

#endif
