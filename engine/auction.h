/* Trading statuses, auctions, bands and the volatility interruption. RULES.md sections 7 to 9.

        command, schedule                       PreOpen, OpeningAuction, VolatilityAuction, ClosingAuction: orders gather, the book may cross
     any -----------------> any status          ReadyToTrade: continuous                     PostOnlyMode: orders gather, none crosses
     ReadyToTrade --dynamic range left--> Paused --PauseNanos--> VolatilityAuction --AuctionNanos--> ReadyToTrade
     becoming ReadyToTrade, PostOnlyMode or PostClose uncrosses the book

   Owner:      the engine's thread, inside wcx_engine_apply.
   Result:     SecurityStatus, PriceBand and the fills' messages are noted; AuctionUpdates are said last.
   Bounds:     those of uncross.h; the orders of an auction one step each when it begins and when it ends.
   Pinned by:  tests/unit/test_auction.c, tests/golden/auction*.play, tests/golden/status*.play, tests/golden/band*.play, tests/golden/volatility*.play. */
#ifndef WCX_ENGINE_AUCTION_H
#define WCX_ENGINE_AUCTION_H

#include "engine/state.h"

/* Whether orders gather in this status for an uncross whose price the feed is told. */
static inline bool wcx_auction_indicates(uint8_t status)
{
  return status == WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION || status == WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION || status == WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION;
}

/* Whether becoming this status trades what crosses in the book. */
static inline bool wcx_auction_uncrosses(uint8_t status)
{
  return status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE || status == WCX_SECURITY_TRADING_STATUS_POST_ONLY_MODE || status == WCX_SECURITY_TRADING_STATUS_POST_CLOSE;
}

#define WCX_TOLD_NOTHING UINT8_MAX /* told_side of an instrument whose auction the feed has not been told of, or that is in none */

/* An instrument without orders got its definition, a new one or another one: its status is the definition's. Its hash is renewed by the caller. */
void wcx_auction_defined(wcx_engine_t *engine, wcx_instrument_t *instrument);

/* A SecurityStatus command. */
const char *wcx_auction_status_error(const wcx_engine_t *engine, const wcx_security_status_t *status);
void wcx_auction_set_status(wcx_engine_t *engine, const wcx_security_status_t *status);

/* The scheduled change of an instrument's status is due; its deadline is disarmed. */
void wcx_auction_resume_due(wcx_engine_t *engine, wcx_instrument_t *instrument);

/* Continuous trading has left the dynamic range. */
void wcx_auction_interrupt(wcx_engine_t *engine, wcx_instrument_t *instrument);

/* A PriceBand command, a VolatilityRule. */
const char *wcx_auction_band_error(const wcx_engine_t *engine, const wcx_price_band_t *band);
void wcx_auction_set_band(wcx_engine_t *engine, const wcx_price_band_t *band);
const char *wcx_auction_rule_error(const wcx_engine_t *engine, const wcx_volatility_rule_t *rule);
void wcx_auction_set_rule(wcx_engine_t *engine, const wcx_volatility_rule_t *rule);

/* The end of an input: AuctionUpdates of what was touched, where they differ from what was told last. An auction that began has been told nothing. */
void wcx_auction_updates(wcx_engine_t *engine);

#endif
