/* What must hold of the reference after every input, so that it can be run alone. */
#include "tests/diff/reference_state.h"

static void check_side(const ref_instrument_t *instrument, uint8_t side)
{
  const ref_list_t *book = &instrument->book[side];
  for (uint32_t i = 0; i < book->cnt; i++)
  {
    const ref_order_t *order = book->at[i];
    WCX_CHECK(order->place == REF_BOOK && order->side == side && order->leaves > 0 && order->leaves == order->qty - order->cum, "order %llu: leaves %lld of %lld",
              (unsigned long long)order->id, (long long)order->leaves, (long long)order->qty);
    WCX_CHECK(ref_hidden(order) ? order->shown == 0 : order->shown > 0 && order->shown <= order->leaves, "order %llu shows %lld of %lld", (unsigned long long)order->id,
              (long long)order->shown, (long long)order->leaves);
    if (i == 0)
      continue;
    const ref_order_t *better = book->at[i - 1];
    WCX_CHECK(side == REF_BUY ? better->price >= order->price : better->price <= order->price, "side %u is not sorted", side);
    WCX_CHECK(better->price != order->price || !ref_hidden(better) || ref_hidden(order), "a displayed order behind a hidden one at %lld", (long long)order->price);
  }
}

void ref_check(const ref_t *ref)
{
  uint32_t placed = 0;
  for (uint32_t i = 0; i < ref->instrument_cnt; i++)
  {
    const ref_instrument_t *instrument = &ref->instruments[i];
    check_side(instrument, REF_BUY);
    check_side(instrument, REF_SELL);
    const ref_list_t *buys = &instrument->book[REF_BUY];
    const ref_list_t *sells = &instrument->book[REF_SELL];
    bool uncrossed = instrument->status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE || instrument->status == WCX_SECURITY_TRADING_STATUS_POST_ONLY_MODE;
    WCX_CHECK(!uncrossed || buys->cnt == 0 || sells->cnt == 0 || buys->at[0]->price < sells->at[0]->price, "crossed: %lld over %lld", (long long)buys->at[0]->price,
              (long long)sells->at[0]->price);
    placed += buys->cnt + sells->cnt + instrument->waiting.cnt;
  }
  for (uint32_t i = 0; i < ref->live.cnt; i++)
  {
    const ref_order_t *order = ref->live.at[i];
    WCX_CHECK(order->place == REF_BOOK || order->place == REF_WAITING || order->place == REF_UNSEEN, "order %llu is nowhere", (unsigned long long)order->id);
    WCX_CHECK(order->expires_ns == 0 || order->expires_ns > ref->now, "order %llu outlived its time", (unsigned long long)order->id);
    placed += order->place == REF_UNSEEN;
  }
  WCX_CHECK(placed == ref->live.cnt, "%u orders placed, %u live", placed, ref->live.cnt);
}
