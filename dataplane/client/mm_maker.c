/* The strategies. A market maker: quotes around a wandering middle, hits what others quote, cancels and moves its own. A random sender: the same requests
   at any price, as many live orders as fit. */
#include "dataplane/client/mm.h"
#include "dataplane/client/orders.h"
#include "engine/base/check.h"

#include <stdlib.h>

#define QUOTE_MASK (WCX_CLIENT_REQUEST_MAX - 1)

void wcx_maker_init(wcx_maker_t *maker, wcx_mm_t *mm, uint32_t quote_max)
{
  maker->mm = mm;
  maker->quote_max = quote_max;
  maker->quotes = calloc(quote_max, sizeof(*maker->quotes));
  maker->free_quotes = calloc(quote_max, sizeof(*maker->free_quotes));
  maker->live = calloc(quote_max, sizeof(*maker->live));
  maker->quote_of = calloc(WCX_CLIENT_REQUEST_MAX, sizeof(*maker->quote_of));
  if (maker->quotes == NULL || maker->free_quotes == NULL || maker->live == NULL || maker->quote_of == NULL)
    WCX_DIE("no memory for %u quotes", quote_max);
  for (uint32_t i = 0; i < quote_max; i++)
    maker->free_quotes[maker->free_cnt++] = i;
}

/* --- the life of a quote ---------------------------------------------------------------------------- */

static uint32_t quote_idx(const wcx_maker_t *maker, uint64_t cl_ord_id)
{
  uint32_t idx = maker->quote_of[cl_ord_id & QUOTE_MASK];
  if (idx < maker->quote_max && maker->quotes[idx].cl_ord_id == cl_ord_id && maker->quotes[idx].state != WCX_MM_FREE)
    return idx;
  return WCX_MM_NO_QUOTE;
}

static void leave_state(wcx_maker_t *maker, wcx_mm_quote_t *quote)
{
  if (quote->state == WCX_MM_LIVE)
  {
    uint32_t last = maker->live[--maker->live_cnt];
    maker->live[quote->live_idx] = last;
    maker->quotes[last].live_idx = quote->live_idx;
  }
  maker->again_cnt -= quote->state == WCX_MM_SEND_AGAIN;
}

static void set_state(wcx_maker_t *maker, uint32_t idx, enum wcx_mm_quote_state state)
{
  wcx_mm_quote_t *quote = &maker->quotes[idx];
  if (quote->state == state)
    return;
  leave_state(maker, quote);
  quote->state = (uint8_t)state;
  if (state == WCX_MM_LIVE)
  {
    quote->live_idx = maker->live_cnt;
    maker->live[maker->live_cnt++] = idx;
  }
  maker->again_cnt += state == WCX_MM_SEND_AGAIN;
  if (state == WCX_MM_FREE)
    maker->free_quotes[maker->free_cnt++] = idx;
}

/* --- sending ---------------------------------------------------------------------------------------- */

static void note_sent(wcx_maker_t *maker, uint64_t cl_ord_id, uint32_t idx)
{
  maker->quote_of[cl_ord_id & QUOTE_MASK] = idx;
  uint64_t *fate = wcx_mm_number(&maker->fates, cl_ord_id);
  if (fate != NULL)
    *fate = WCX_CLIENT_UNDECIDED;
}

static bool send_new(wcx_maker_t *maker, uint32_t idx, uint32_t security_id, uint8_t side, int64_t price, int64_t qty, uint8_t time_in_force)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t id = wcx_client_session_next_id(&maker->session);
  wcx_new_order_single_t order = wcx_client_limit_order(id, maker->session.config.session_id, security_id, side, price, qty, time_in_force);
  if (!wcx_client_session_request(&maker->session, maker->mm->now_ns, message, wcx_client_put_new(message, &order), idx))
    return false;
  note_sent(maker, id, idx);
  if (idx != WCX_MM_NO_QUOTE)
  {
    set_state(maker, idx, WCX_MM_NEW_SENT);
    maker->quotes[idx].cl_ord_id = id;
    maker->quotes[idx].price = price;
    maker->quotes[idx].qty = qty;
    maker->quotes[idx].security_id = security_id;
    maker->quotes[idx].side = side;
  }
  return true;
}

static bool send_cancel(wcx_maker_t *maker, uint32_t idx)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t id = wcx_client_session_next_id(&maker->session);
  const wcx_mm_quote_t *quote = &maker->quotes[idx];
  if (!wcx_client_session_request(&maker->session, maker->mm->now_ns, message, wcx_client_put_cancel(message, id, quote->cl_ord_id, quote->security_id), idx))
    return false;
  note_sent(maker, id, WCX_MM_NO_QUOTE);
  set_state(maker, idx, WCX_MM_CANCEL_SENT);
  return true;
}

static bool send_replace(wcx_maker_t *maker, uint32_t idx, int64_t price, int64_t qty)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t id = wcx_client_session_next_id(&maker->session);
  const wcx_mm_quote_t *quote = &maker->quotes[idx];
  if (!wcx_client_session_request(&maker->session, maker->mm->now_ns, message, wcx_client_put_replace(message, id, quote->cl_ord_id, quote->security_id, price, qty), idx))
    return false;
  note_sent(maker, id, idx);
  set_state(maker, idx, WCX_MM_REPLACE_SENT);
  return true;
}

/* --- deciding what to send -------------------------------------------------------------------------- */

static int64_t increment_of(const wcx_client_instrument_t *instrument)
{
  return instrument->defined && instrument->definition.min_price_increment > 0 ? instrument->definition.min_price_increment : 1;
}

static int64_t lots(wcx_mm_t *mm, const wcx_client_instrument_t *instrument, uint64_t max)
{
  int64_t lot = instrument->defined && instrument->definition.round_lot > 0 ? instrument->definition.round_lot : 1;
  return lot * (int64_t)(1 + wcx_mm_roll(mm, max));
}

/* The middle wanders by an increment now and then; both makers see the same one. */
static int64_t wander(wcx_mm_t *mm, uint32_t instrument)
{
  uint32_t at = instrument % (sizeof(mm->mids) / sizeof(mm->mids[0]));
  if (mm->mids[at] == 0)
    mm->mids[at] = 100000 * ((int64_t)at + 1);
  uint64_t move = wcx_mm_roll(mm, 64);
  if (move < 2)
    mm->mids[at] += move == 0 ? 1 : -1;
  if (mm->mids[at] < 1000)
    mm->mids[at] = 1000;
  return mm->mids[at];
}

static bool hit(wcx_maker_t *maker, const wcx_client_instrument_t *instrument, uint8_t side)
{
  int64_t price, qty;
  if (!wcx_client_books_best(instrument, side == WCX_SIDE_BUY ? WCX_SIDE_SELL : WCX_SIDE_BUY, &price, &qty))
    return false;
  return send_new(maker, WCX_MM_NO_QUOTE, instrument->security_id, side, price, qty < 2000 ? qty : lots(maker->mm, instrument, 2000), WCX_TIME_IN_FORCE_IOC);
}

static bool quote_new(wcx_maker_t *maker, const wcx_client_instrument_t *instrument, uint8_t side, int64_t price, uint64_t qty_max)
{
  if (maker->free_cnt == 0)
    return false;
  uint32_t idx = maker->free_quotes[--maker->free_cnt];
  if (send_new(maker, idx, instrument->security_id, side, price, lots(maker->mm, instrument, qty_max), WCX_TIME_IN_FORCE_GTC))
    return true;
  maker->free_quotes[maker->free_cnt++] = idx;
  return false;
}

static bool change_one(wcx_maker_t *maker, bool cancel, int64_t price_of_buy, int64_t price_of_sell, int64_t qty)
{
  if (maker->live_cnt == 0)
    return false;
  uint32_t idx = maker->live[wcx_mm_roll(maker->mm, maker->live_cnt)];
  const wcx_mm_quote_t *quote = &maker->quotes[idx];
  return cancel ? send_cancel(maker, idx) : send_replace(maker, idx, quote->side == WCX_SIDE_BUY ? price_of_buy : price_of_sell, qty);
}

static bool make_market(wcx_maker_t *maker)
{
  wcx_mm_t *mm = maker->mm;
  uint32_t at = (uint32_t)wcx_mm_roll(mm, mm->books.instrument_cnt);
  const wcx_client_instrument_t *instrument = &mm->books.instruments[at];
  if (instrument->status != WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE)
    return false;
  int64_t increment = increment_of(instrument);
  int64_t away = increment * (int64_t)(1 + wcx_mm_roll(mm, 12));
  int64_t mid = wander(mm, at) * increment;
  uint8_t side = (uint8_t)(WCX_SIDE_BUY + wcx_mm_roll(mm, 2));
  uint64_t what = wcx_mm_roll(mm, 100);
  if (what < 20 && hit(maker, instrument, side))
    return true;
  if (what < 60 && quote_new(maker, instrument, side, side == WCX_SIDE_BUY ? mid - away : mid + away, 5000))
    return true;
  return change_one(maker, what < 85 || maker->free_cnt == 0, mid - away, mid + away, lots(mm, instrument, 5000)) ||
         quote_new(maker, instrument, side, side == WCX_SIDE_BUY ? mid - away : mid + away, 5000);
}

/* Around 50,000 the sides overlap a little; now and then a price is far off the market, rarely far across it. */
static int64_t any_price(wcx_mm_t *mm, uint8_t side)
{
  uint64_t what = wcx_mm_roll(mm, 1000);
  bool low = (side == WCX_SIDE_BUY) != (what == 0);
  if (what < 20)
    return (int64_t)(low ? 1 + wcx_mm_roll(mm, 50000) : 50500 + wcx_mm_roll(mm, 100000000));
  return (int64_t)((low ? 50000 : 50150) + wcx_mm_roll(mm, 240));
}

static bool send_anything(wcx_maker_t *maker)
{
  static const uint8_t times[] = {WCX_TIME_IN_FORCE_GTC, WCX_TIME_IN_FORCE_GTC, WCX_TIME_IN_FORCE_GTC, WCX_TIME_IN_FORCE_GTC, WCX_TIME_IN_FORCE_IOC, WCX_TIME_IN_FORCE_FOK};
  wcx_mm_t *mm = maker->mm;
  const wcx_client_instrument_t *instrument = &mm->books.instruments[wcx_mm_roll(mm, mm->books.instrument_cnt)];
  int64_t increment = increment_of(instrument);
  uint8_t side = (uint8_t)(WCX_SIDE_BUY + wcx_mm_roll(mm, 2));
  int64_t price = increment * any_price(mm, side);
  uint64_t what = wcx_mm_roll(mm, 100);
  uint8_t time_in_force = times[wcx_mm_roll(mm, sizeof(times))];
  if (what < 55 && time_in_force != WCX_TIME_IN_FORCE_GTC)
    return send_new(maker, WCX_MM_NO_QUOTE, instrument->security_id, side, price, lots(mm, instrument, 1000), time_in_force);
  if (what < 55 && quote_new(maker, instrument, side, price, 1000))
    return true;
  return change_one(maker, what < 75 || maker->free_cnt == 0, increment * any_price(mm, WCX_SIDE_BUY), increment * any_price(mm, WCX_SIDE_SELL), lots(mm, instrument, 1000)) ||
         quote_new(maker, instrument, side, price, 1000);
}

static void send_again(wcx_maker_t *maker)
{
  for (uint32_t i = 0; i < maker->quote_max && maker->again_cnt != 0; i++)
  {
    const wcx_mm_quote_t *quote = &maker->quotes[i];
    if (quote->state == WCX_MM_SEND_AGAIN && !send_new(maker, i, quote->security_id, quote->side, quote->price, quote->qty, WCX_TIME_IN_FORCE_GTC))
      return;
  }
}

void wcx_maker_step(wcx_maker_t *maker, uint64_t elapsed_ns)
{
  wcx_mm_t *mm = maker->mm;
  const wcx_mm_options_t *options = mm->options;
  double burst = options->window;
  maker->tokens += options->rate * (double)elapsed_ns / 1e9;
  if (maker->tokens > burst)
    maker->tokens = burst;
  if (mm->stopping || maker->session.state != WCX_CLIENT_READY || mm->books.instrument_cnt == 0)
    return;
  if (maker->again_cnt != 0)
    send_again(maker);
  for (uint32_t tries = 0; maker->tokens >= 1 && tries < options->window && maker->session.undecided_cnt < options->window; tries++)
  {
    if (options->random_orders != 0 && mm->pending_random == 0)
      break;
    if (!(options->random_orders != 0 ? send_anything(maker) : make_market(maker)))
      continue;
    maker->tokens -= 1;
    mm->pending_random -= options->random_orders != 0;
  }
}

/* --- answers ---------------------------------------------------------------------------------------- */

void wcx_maker_decided(wcx_maker_t *maker, const wcx_client_request_t *request, const void *message, size_t sz)
{
  uint64_t *fate = wcx_mm_number(&maker->fates, request->cl_ord_id);
  if (fate != NULL)
    *fate = request->fate;
  uint16_t answer = message != NULL ? wcx_client_message_template(message, sz) : 0;
  maker->mm->reject_cnt += answer == WCX_TEMPLATE_EXECUTION_REPORT_REJECT || answer == WCX_TEMPLATE_ORDER_CANCEL_REJECT;
  uint32_t idx = request->tag;
  if (idx == WCX_MM_NO_QUOTE)
    return;
  wcx_mm_quote_t *quote = &maker->quotes[idx];
  if (request->template_id == WCX_TEMPLATE_NEW_ORDER_SINGLE)
  {
    if (quote->cl_ord_id != request->cl_ord_id || quote->state != WCX_MM_NEW_SENT)
      return;
    if (answer == WCX_TEMPLATE_EXECUTION_REPORT_NEW)
      set_state(maker, idx, WCX_MM_LIVE);
    else
      set_state(maker, idx, request->fate == WCX_CLIENT_NOT_APPLIED && !maker->mm->stopping ? WCX_MM_SEND_AGAIN : WCX_MM_FREE);
  }
  else if (answer != WCX_TEMPLATE_EXECUTION_REPORT_CANCEL && answer != WCX_TEMPLATE_EXECUTION_REPORT_REPLACE &&
           (quote->state == WCX_MM_CANCEL_SENT || quote->state == WCX_MM_REPLACE_SENT))
    set_state(maker, idx, WCX_MM_LIVE); /* refused or never arrived: the order is as it was */
}

static void on_trade(wcx_maker_t *maker, const void *message, size_t sz)
{
  wcx_execution_report_trade_t report;
  wcx_client_message_block(&report, sizeof(report), message, sz);
  uint64_t *seen = wcx_mm_number(&maker->mm->trade_ids, report.trd_match_id);
  if (seen != NULL && *seen == 0)
  {
    *seen = 1;
    maker->mm->trade_cnt++;
  }
  uint32_t idx = quote_idx(maker, report.cl_ord_id);
  if (idx != WCX_MM_NO_QUOTE && report.leaves_qty == 0)
    set_state(maker, idx, WCX_MM_FREE);
}

void wcx_maker_message(wcx_maker_t *maker, const void *message, size_t sz)
{
  switch (wcx_client_message_template(message, sz))
  {
  case WCX_TEMPLATE_EXECUTION_REPORT_TRADE:
    on_trade(maker, message, sz);
    break;
  case WCX_TEMPLATE_EXECUTION_REPORT_CANCEL:
  {
    wcx_execution_report_cancel_t report;
    wcx_client_message_block(&report, sizeof(report), message, sz);
    uint32_t idx = quote_idx(maker, report.cl_ord_id);
    if (idx != WCX_MM_NO_QUOTE)
      set_state(maker, idx, WCX_MM_FREE);
    break;
  }
  case WCX_TEMPLATE_EXECUTION_REPORT_REPLACE:
  {
    wcx_execution_report_replace_t report;
    wcx_client_message_block(&report, sizeof(report), message, sz);
    uint32_t idx = quote_idx(maker, report.orig_cl_ord_id);
    if (idx == WCX_MM_NO_QUOTE)
      break;
    maker->quotes[idx].cl_ord_id = report.cl_ord_id;
    maker->quotes[idx].price = report.price;
    maker->quotes[idx].qty = report.order_qty;
    maker->quote_of[report.cl_ord_id & QUOTE_MASK] = idx;
    set_state(maker, idx, WCX_MM_LIVE);
    break;
  }
  default:
    break;
  }
}
