#include "engine/terms.h"

#include "engine/auction.h"

/* Of an instrument that is not ready to trade. */
static wcx_verdict_t check_status(const wcx_instrument_t *instrument, const wcx_terms_t *terms)
{
  bool stop = terms->ord_type == WCX_ORD_TYPE_STOP || terms->ord_type == WCX_ORD_TYPE_STOP_LIMIT;
  switch (instrument->status)
  {
  case WCX_SECURITY_TRADING_STATUS_POST_ONLY_MODE:
    return stop || wcx_terms_may_rest(terms) ? WCX_ACCEPT : wcx_refuse(WCX_REJECT_POST_ONLY);
  case WCX_SECURITY_TRADING_STATUS_PRE_OPEN:
  case WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION:
  case WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION:
  case WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION:
    return stop || wcx_terms_may_rest(terms) ? WCX_ACCEPT : wcx_refuse(WCX_REJECT_HALTED);
  case WCX_SECURITY_TRADING_STATUS_CANCEL_ONLY:
    return wcx_refuse(WCX_REJECT_CANCEL_ONLY);
  case WCX_SECURITY_TRADING_STATUS_POST_CLOSE:
    return wcx_refuse(WCX_REJECT_CLOSED);
  default:
    return wcx_refuse(WCX_REJECT_HALTED);
  }
}

static wcx_verdict_t check_account(const wcx_account_t *account, uint8_t side)
{
  if (account->definition.status == WCX_ACCOUNT_STATUS_CLOSE_ONLY)
    return side == WCX_SIDE_BUY ? wcx_refuse(WCX_REJECT_ACCOUNT_CLOSE_ONLY) : WCX_ACCEPT;
  return wcx_refuse(WCX_REJECT_ACCOUNT_SUSPENDED);
}

wcx_verdict_t wcx_check_standing(const wcx_session_t *session, const wcx_account_t *account, const wcx_instrument_t *instrument, const wcx_terms_t *terms)
{
  if (__builtin_expect((session->lock | account->lock) != 0, 0))
    return wcx_refuse(WCX_REJECT_KILL_SWITCH);
  if (__builtin_expect(account->definition.status != WCX_ACCOUNT_STATUS_ACTIVE, 0))
  {
    wcx_verdict_t verdict = check_account(account, terms->side);
    if (verdict.reject != WCX_REJECT_NONE)
      return verdict;
  }
  if (__builtin_expect(instrument->status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE, 1))
    return WCX_ACCEPT;
  return check_status(instrument, terms);
}

static wcx_verdict_t check_qty(const wcx_instrument_t *instrument, int64_t qty)
{
  uint64_t rest;
  if (qty <= 0)
    return wcx_refuse(WCX_REJECT_QTY);
  if (instrument->definition.max_trade_vol != 0 && qty > instrument->definition.max_trade_vol)
    return wcx_refuse_limit(WCX_REJECT_QTY_MAX, instrument->definition.max_trade_vol);
  if (qty < instrument->definition.min_trade_vol)
    return wcx_refuse_limit(WCX_REJECT_QTY_MIN, instrument->definition.min_trade_vol);
  wcx_divide(&instrument->lot, (uint64_t)qty, &rest);
  if (rest != 0)
    return wcx_refuse_limit(WCX_REJECT_QTY_LOT, (int64_t)instrument->lot.divisor);
  return WCX_ACCEPT;
}

static wcx_verdict_t check_price(const wcx_instrument_t *instrument, int64_t price, uint64_t *px_idx)
{
  uint64_t rest;
  if (price <= 0) /* null is below zero */
    return wcx_refuse(WCX_REJECT_PRICE);
  *px_idx = wcx_divide(&instrument->increment, (uint64_t)price, &rest);
  if (rest != 0)
    return wcx_refuse_limit(WCX_REJECT_PRICE_INCREMENT, (int64_t)instrument->increment.divisor);
  if (price < instrument->px_low)
    return wcx_refuse_limit(WCX_REJECT_PRICE_BAND, instrument->px_low);
  if (price > instrument->px_high)
    return wcx_refuse_limit(WCX_REJECT_PRICE_BAND, instrument->px_high);
  return WCX_ACCEPT;
}

static wcx_verdict_t check_notional(const wcx_instrument_t *instrument, int64_t price, int64_t qty)
{
  wcx_u128_t product = (wcx_u128_t)(uint64_t)price * (uint64_t)qty;
  if (product > instrument->product_overflow)
    return wcx_refuse(WCX_REJECT_NOTIONAL_OVERFLOW);
  if (product < instrument->product_min)
    return wcx_refuse_limit(WCX_REJECT_NOTIONAL_MIN, instrument->definition.min_notional);
  if (product > instrument->product_max)
    return wcx_refuse_limit(WCX_REJECT_NOTIONAL_MAX, instrument->definition.max_notional);
  return WCX_ACCEPT;
}

/* A post-only order that meets the other side: refused, or moved one increment away from it when it asks for that and its terms allow it there. */
static wcx_verdict_t check_post_only(const wcx_engine_t *engine, const wcx_instrument_t *instrument, wcx_terms_t *terms)
{
  uint32_t best = instrument->side[2 - terms->side].best;
  if (best == 0 || !wcx_book_crosses(terms->side, terms->price, engine->ladders.levels[best].price))
    return WCX_ACCEPT;
  int64_t best_px = engine->ladders.levels[best].price;
  int64_t increment = (int64_t)instrument->increment.divisor;
  if ((terms->exec_inst & WCX_EXEC_INST_POST_ONLY_REPRICE) == 0 || (terms->side == WCX_SIDE_SELL && best_px > INT64_MAX - increment))
    return wcx_refuse(WCX_REJECT_POST_ONLY);
  terms->price = terms->side == WCX_SIDE_BUY ? best_px - increment : best_px + increment;
  bool fine = check_price(instrument, terms->price, &terms->px_idx).reject == WCX_REJECT_NONE && check_notional(instrument, terms->price, terms->qty).reject == WCX_REJECT_NONE;
  return fine ? WCX_ACCEPT : wcx_refuse(WCX_REJECT_POST_ONLY);
}

wcx_verdict_t wcx_check_terms(const wcx_engine_t *engine, const wcx_instrument_t *instrument, wcx_terms_t *terms)
{
  bool priced = !wcx_match_sweeps(terms->ord_type);
  wcx_verdict_t verdict = priced ? check_price(instrument, terms->price, &terms->px_idx) : WCX_ACCEPT;
  if (verdict.reject == WCX_REJECT_NONE)
    verdict = check_qty(instrument, terms->qty);
  if (verdict.reject == WCX_REJECT_NONE && priced)
    verdict = check_notional(instrument, terms->price, terms->qty);
  bool post_only_mode = instrument->status == WCX_SECURITY_TRADING_STATUS_POST_ONLY_MODE;
  bool matching = post_only_mode || instrument->status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE;
  if (__builtin_expect(((terms->exec_inst & WCX_POST_ONLY) != 0 || post_only_mode) && matching && !terms->waits && verdict.reject == WCX_REJECT_NONE, 0))
    verdict = check_post_only(engine, instrument, terms);
  return verdict;
}
