/* Definitions that concern balances, limits and fees: AssetDefinition [401], BalanceAdjustment [403], LimitUpdate [404], FeeTierDefinition [416], and what the definitions of
   accounts and instruments mean for them. RULES.md section 10.

   Owner:      the engine's thread.
   Result:     *_error: why it would be refused at this state, or NULL; the text names the value. The others apply what has no error.
   Bounds:     O(1), but for: an exponent that changes (instruments), limits of a tier (accounts), and an account that gets its first limit, or one in another asset:
               its live orders are counted then.
   Pinned by:  tests/unit/test_risk.c, tests/unit/test_risk_limits.c, tests/golden/balance*.play, tests/golden/limits*.play. */
#ifndef WCX_ENGINE_RISK_DEFINE_H
#define WCX_ENGINE_RISK_DEFINE_H

#include "engine/state.h"

const char *wcx_asset_error(const wcx_engine_t *engine, const wcx_asset_definition_t *def);
void wcx_asset_define(wcx_engine_t *engine, const wcx_asset_definition_t *def);

const char *wcx_adjustment_error(const wcx_engine_t *engine, const wcx_balance_adjustment_t *adjustment);
void wcx_adjust(wcx_engine_t *engine, const wcx_balance_adjustment_t *adjustment);

const char *wcx_limit_error(const wcx_engine_t *engine, const wcx_limit_update_t *update);
void wcx_limit_update(wcx_engine_t *engine, const wcx_limit_update_t *update);

const char *wcx_fee_tier_error(const wcx_fee_tier_definition_t *def);
void wcx_fee_tier_define(wcx_engine_t *engine, const wcx_fee_tier_definition_t *def);

/* Room for the records that the account's tier makes it have. And: the account has its new definition. */
const char *wcx_risk_account_error(const wcx_engine_t *engine, const wcx_account_definition_t *def);
void wcx_risk_account_defined(wcx_engine_t *engine, wcx_account_t *account);

/* Fee rates, and room for its assets. And: the instrument has its new definition. */
const char *wcx_risk_instrument_error(const wcx_engine_t *engine, const wcx_security_definition_t *def);
void wcx_risk_instrument_defined(wcx_engine_t *engine, wcx_instrument_t *instrument);

/* Would less room still hold what there is? */
const char *wcx_risk_capacity_error(const wcx_engine_t *engine, const wcx_capacity_t *capacity);

#endif
