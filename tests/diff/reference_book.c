/* Lists of orders, and the life of an order: accepted, in the book, out of it. */
#include "tests/diff/reference_state.h"

#include <stdlib.h>

void ref_list_insert(ref_list_t *list, uint32_t idx, ref_order_t *order)
{
  if (list->cnt == list->cap)
  {
    list->cap = list->cap * 2 + 64;
    list->at = realloc(list->at, list->cap * sizeof(ref_order_t *));
    WCX_CHECK(list->at != NULL, "out of memory: %u", list->cap);
  }
  memmove(list->at + idx + 1, list->at + idx, (list->cnt - idx) * sizeof(ref_order_t *));
  list->at[idx] = order;
  list->cnt++;
}

void ref_list_remove(ref_list_t *list, const ref_order_t *order)
{
  uint32_t idx = 0;
  while (idx < list->cnt && list->at[idx] != order)
    idx++;
  WCX_CHECK(idx < list->cnt, "order %llu is not in the list", (unsigned long long)order->id);
  memmove(list->at + idx, list->at + idx + 1, (list->cnt - idx - 1) * sizeof(ref_order_t *));
  list->cnt--;
}

bool ref_is_unseen_now(const ref_t *ref, const ref_order_t *order)
{
  uint8_t status = ref->instruments[order->instrument].status;
  if (order->ord_type != WCX_ORD_TYPE_LIMIT)
    return false;
  return (order->tif == WCX_TIME_IN_FORCE_AT_THE_OPENING && status != WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION) ||
         (order->tif == WCX_TIME_IN_FORCE_AT_THE_CLOSE && status != WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION);
}

bool ref_crosses(ref_t *ref, const ref_order_t *order, int64_t price)
{
  const ref_list_t *other = ref_side(ref, order, true);
  return other->cnt > 0 && ref_meets(order->side, price, other->at[0]->price);
}

/* Prices at which orders other than `but` stand. */
static uint32_t levels_in_use(const ref_t *ref, const ref_order_t *but)
{
  uint32_t levels = 0;
  for (uint32_t i = 0; i < ref->instrument_cnt; i++)
    for (uint8_t side = REF_BUY; side <= REF_SELL; side++)
    {
      const ref_list_t *book = &ref->instruments[i].book[side];
      const ref_order_t *before = NULL;
      for (uint32_t k = 0; k < book->cnt; k++)
      {
        if (book->at[k] == but)
          continue;
        levels += before == NULL || before->price != book->at[k]->price;
        before = book->at[k];
      }
    }
  return levels;
}

bool ref_level_room(const ref_t *ref, const ref_order_t *order, int64_t price, const ref_order_t *but)
{
  const ref_list_t *book = &ref->instruments[order->instrument].book[order->side];
  for (uint32_t i = 0; i < book->cnt; i++)
    if (book->at[i]->price == price && book->at[i] != but)
      return true;
  return levels_in_use(ref, but) < ref->capacity.max_levels;
}

/* Do two stops wait at the same price, so to speak? */
static bool same_stop_level(const ref_order_t *a, const ref_order_t *b)
{
  return a->instrument == b->instrument && a->side == b->side && a->stop_px == b->stop_px;
}

/* Waiting stops have as many levels of their own: one for each instrument, side and StopPx that others than `but` use. */
bool ref_stop_level_room(const ref_t *ref, const ref_order_t *stop, const ref_order_t *but)
{
  uint32_t levels = 0;
  for (uint32_t i = 0; i < ref->live.cnt; i++)
  {
    const ref_order_t *order = ref->live.at[i];
    if (order->place != REF_WAITING || order == but)
      continue;
    if (same_stop_level(order, stop))
      return true;
    bool first = true;
    for (uint32_t k = 0; k < i && first; k++)
      first = ref->live.at[k]->place != REF_WAITING || ref->live.at[k] == but || !same_stop_level(ref->live.at[k], order);
    levels += first;
  }
  return levels < ref->capacity.max_levels;
}

ref_order_t *ref_accept(ref_t *ref, const ref_order_t *candidate)
{
  ref_order_t *order = ref->spare.cnt > 0 ? ref->spare.at[--ref->spare.cnt] : malloc(sizeof(*order));
  WCX_CHECK(order != NULL, "out of memory: %zu", sizeof(*order));
  *order = *candidate;
  order->id = ref->next_order_id++;
  order->public_id = order->id;
  order->leaves = order->qty;
  order->place = REF_NOWHERE;
  order->own = true;
  if (order->ord_type != WCX_ORD_TYPE_MARKET && order->expires_ns != 0)
  {
    order->armed = ref->next_armed++;
    if (order->expires_ns < ref->soonest_ns)
      ref->soonest_ns = order->expires_ns;
  }
  ref_list_insert(&ref->live, ref->live.cnt, order);
  ref_hold(ref, order);
  return order;
}

/* Whether `a`, already there, stands before the newcomer `b`. */
static bool stands_before(const ref_order_t *a, const ref_order_t *b)
{
  if (a->price != b->price)
    return b->side == REF_BUY ? a->price > b->price : a->price < b->price;
  return !ref_hidden(a) || ref_hidden(b);
}

void ref_book_insert(ref_t *ref, ref_order_t *order)
{
  ref_list_t *book = ref_side(ref, order, false);
  uint32_t idx = 0;
  while (idx < book->cnt && stands_before(book->at[idx], order))
    idx++;
  ref_list_insert(book, idx, order);
  order->place = REF_BOOK;
  order->own = false;
  if (ref_hidden(order))
    order->shown = 0;
  else if (order->display_qty != 0 && order->display_qty < order->leaves)
    order->shown = order->display_qty;
  else
    order->shown = order->leaves;
}

bool ref_rest(ref_t *ref, ref_order_t *order)
{
  if (!ref_level_room(ref, order, order->price, NULL))
  {
    ref_cancel_remainder(ref, order, WCX_CANCEL_REASON_SYSTEM);
    return false;
  }
  ref_book_insert(ref, order);
  if (order->shown > 0)
    ref_say_add(ref, order);
  return true;
}

void ref_remove(ref_t *ref, ref_order_t *order, bool tell)
{
  if (order->place == REF_BOOK)
  {
    ref_list_remove(ref_side(ref, order, false), order);
    if (tell && order->shown > 0)
      ref_say_delete(ref, order);
  }
  if (order->place == REF_WAITING)
    ref_list_remove(&ref->instruments[order->instrument].waiting, order);
  order->leaves = 0;
  ref_hold(ref, order);
  ref_list_remove(&ref->live, order);
  order->place = REF_GONE;
  ref_list_insert(&ref->spare, ref->spare.cnt, order);
}

void ref_cancel(ref_t *ref, ref_order_t *order, ref_cancel_t how)
{
  ref_say_cancel(ref, order, how);
  ref_remove(ref, order, true);
}

void ref_cancel_unsolicited(ref_t *ref, ref_order_t *order, uint8_t reason)
{
  ref_cancel(ref, order, (ref_cancel_t){reason, WCX_U64_NULL, WCX_U64_NULL, REF_NOBODY});
}

void ref_cancel_remainder(ref_t *ref, ref_order_t *order, uint8_t reason)
{
  ref_cancel(ref, order, (ref_cancel_t){reason, WCX_U64_NULL, order->own ? ref->hdr->receive_ns : WCX_U64_NULL, REF_NOBODY});
}
