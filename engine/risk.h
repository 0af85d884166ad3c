/* What an account may risk: balances of checked accounts, limits of accounts and KYC tiers, fees. RULES.md sections 5 and 10.

   Every order of an account with balances or limits (wcx_account_t.risk != 0) carries WCX_ORDER_F_RISK. From acceptance to its end something is held for it: a
   function of its side, the price it is held at and what is left of it, so nothing needs to be stored with the order. Orders of other accounts come here for
   the commission only.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Units:      amounts at the asset's exponent; products in 128 bits, what does not fit an int64 is a reject.
   Invariants: held = sum over open orders; sum of balances and fees of an asset = adjustments - what came from and went to unlimited accounts.
   Pinned by:  tests/unit/test_risk.c, tests/golden/balance*.play, tests/diff. */
#ifndef WCX_ENGINE_RISK_H
#define WCX_ENGINE_RISK_H

#include "engine/match.h"

/* price x qty x 10^scale at the quote asset's exponent, rounded down or up. It fits: terms.c refused what does not. */
int64_t wcx_risk_notional(const wcx_instrument_t *instrument, int64_t price, int64_t qty, bool up);

/* Commission of a fill of this notional; 0 without fees. `taker`: the taker's rate. */
int64_t wcx_risk_commission(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, bool taker, int64_t notional);

/* The price a live order that does not take is held at. */
int64_t wcx_risk_held_px(const wcx_engine_t *engine, uint32_t slot);

/* May the account have this order? held_px INT64_MAX: a buy that nothing bounds. *limit: what ER_Reject names. */
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

/* A fill of an order that had leaves_before. fill->notional is set. */
void wcx_risk_fill(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves_before, const wcx_fill_t *fill,
                   int64_t commission);

/* One side of a fill is undone: what it gave and took goes back, its commission leaves the fees. */
void wcx_risk_break(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t px, int64_t qty, int64_t commission);

#endif
