#include "dataplane/client/book.h"

#include "dataplane/client/packet.h"
#include "engine/base/check.h"

#include <stdlib.h>

static void *grow(void *old, uint32_t *max, size_t item_sz)
{
  *max = *max == 0 ? 64 : *max * 2;
  void *mem = realloc(old, *max * item_sz);
  if (mem == NULL)
    WCX_DIE("no memory for a book of %u entries", *max);
  return mem;
}

/* --- orders by id ----------------------------------------------------------------------------------- */

static uint32_t hash_of(uint64_t id)
{
  id ^= id >> 31;
  id *= 0x9E3779B97F4A7C15u;
  return (uint32_t)(id >> 32);
}

static void table_put(wcx_client_books_t *books, uint32_t order_idx)
{
  uint32_t at = hash_of(books->orders[order_idx].order_id) & (books->table_sz - 1);
  while (books->table[at] != 0)
    at = (at + 1) & (books->table_sz - 1);
  books->table[at] = order_idx + 1;
}

static void table_resize(wcx_client_books_t *books)
{
  free(books->table);
  books->table_sz = books->table_sz == 0 ? 1024 : books->table_sz * 2;
  books->table = calloc(books->table_sz, sizeof(*books->table));
  if (books->table == NULL)
    WCX_DIE("no memory for %u order ids", books->table_sz);
  for (uint32_t i = 0; i < books->order_cnt; i++)
    if (books->orders[i].order_id != 0)
      table_put(books, i);
}

static uint32_t table_at(const wcx_client_books_t *books, uint64_t order_id)
{
  uint32_t at = hash_of(order_id) & (books->table_sz - 1);
  while (books->table[at] != 0 && books->orders[books->table[at] - 1].order_id != order_id)
    at = (at + 1) & (books->table_sz - 1);
  return at;
}

/* Take the entry at `at` out and close the chain behind it. */
static void table_remove(wcx_client_books_t *books, uint32_t at)
{
  uint32_t mask = books->table_sz - 1;
  uint32_t empty = at;
  books->table[empty] = 0;
  for (uint32_t next = (at + 1) & mask; books->table[next] != 0; next = (next + 1) & mask)
  {
    uint32_t home = hash_of(books->orders[books->table[next] - 1].order_id) & mask;
    if (((next - home) & mask) < ((next - empty) & mask))
      continue;
    books->table[empty] = books->table[next];
    books->table[next] = 0;
    empty = next;
  }
}

/* --- levels ----------------------------------------------------------------------------------------- */

/* Position of `price`, or where it belongs; worst first. */
static uint32_t level_position(const wcx_client_ladder_t *ladder, uint8_t side, int64_t price, bool *found)
{
  uint32_t low = 0;
  uint32_t high = ladder->cnt;
  while (low < high)
  {
    uint32_t mid = (low + high) / 2;
    int64_t at = ladder->levels[mid].price;
    if (side == WCX_SIDE_BUY ? at < price : at > price)
      low = mid + 1;
    else
      high = mid;
  }
  *found = low < ladder->cnt && ladder->levels[low].price == price;
  return low;
}

static wcx_client_ladder_t *ladder_of(wcx_client_books_t *books, uint32_t instrument_idx, uint8_t side)
{
  return &books->instruments[instrument_idx].sides[side == WCX_SIDE_SELL];
}

static void level_append(wcx_client_books_t *books, uint32_t order_idx)
{
  wcx_client_order_t *order = &books->orders[order_idx];
  wcx_client_ladder_t *ladder = ladder_of(books, order->instrument_idx, order->side);
  bool found;
  uint32_t at = level_position(ladder, order->side, order->price, &found);
  if (!found)
  {
    if (ladder->cnt == ladder->max)
      ladder->levels = grow(ladder->levels, &ladder->max, sizeof(*ladder->levels));
    memmove(&ladder->levels[at + 1], &ladder->levels[at], (ladder->cnt - at) * sizeof(*ladder->levels));
    ladder->levels[at] = (wcx_client_level_t){.price = order->price};
    ladder->cnt++;
  }
  wcx_client_level_t *level = &ladder->levels[at];
  order->prev = level->tail;
  order->next = 0;
  if (level->tail != 0)
    books->orders[level->tail - 1].next = order_idx + 1;
  else
    level->head = order_idx + 1;
  level->tail = order_idx + 1;
  level->qty += order->qty;
  level->order_cnt++;
}

static void level_remove(wcx_client_books_t *books, uint32_t order_idx)
{
  wcx_client_order_t *order = &books->orders[order_idx];
  wcx_client_ladder_t *ladder = ladder_of(books, order->instrument_idx, order->side);
  bool found;
  uint32_t at = level_position(ladder, order->side, order->price, &found);
  WCX_CHECK(found, "order %llu has no level", (unsigned long long)order->order_id);
  wcx_client_level_t *level = &ladder->levels[at];
  if (order->prev != 0)
    books->orders[order->prev - 1].next = order->next;
  else
    level->head = order->next;
  if (order->next != 0)
    books->orders[order->next - 1].prev = order->prev;
  else
    level->tail = order->prev;
  level->qty -= order->qty;
  if (--level->order_cnt == 0)
  {
    ladder->cnt--;
    memmove(&ladder->levels[at], &ladder->levels[at + 1], (ladder->cnt - at) * sizeof(*ladder->levels));
  }
}

/* --- instruments and orders ------------------------------------------------------------------------- */

void wcx_client_books_init(wcx_client_books_t *books)
{
  memset(books, 0, sizeof(*books));
  table_resize(books);
}

void wcx_client_books_free(wcx_client_books_t *books)
{
  for (uint32_t i = 0; i < books->instrument_cnt; i++)
  {
    free(books->instruments[i].sides[0].levels);
    free(books->instruments[i].sides[1].levels);
  }
  free(books->instruments);
  free(books->orders);
  free(books->table);
  memset(books, 0, sizeof(*books));
}

uint32_t wcx_client_books_idx(wcx_client_books_t *books, uint32_t security_id)
{
  for (uint32_t i = 0; i < books->instrument_cnt; i++)
    if (books->instruments[i].security_id == security_id)
      return i;
  if (books->instrument_cnt == books->instrument_max)
    books->instruments = grow(books->instruments, &books->instrument_max, sizeof(*books->instruments));
  books->instruments[books->instrument_cnt] = (wcx_client_instrument_t){.security_id = security_id, .last_px = WCX_I64_NULL};
  return books->instrument_cnt++;
}

const wcx_client_instrument_t *wcx_client_books_find(const wcx_client_books_t *books, uint32_t security_id)
{
  for (uint32_t i = 0; i < books->instrument_cnt; i++)
    if (books->instruments[i].security_id == security_id)
      return &books->instruments[i];
  return NULL;
}

static bool add_order(wcx_client_books_t *books, uint64_t order_id, uint32_t instrument, uint8_t side, int64_t price, int64_t qty)
{
  if (order_id == 0 || qty <= 0 || (side != WCX_SIDE_BUY && side != WCX_SIDE_SELL) || books->table[table_at(books, order_id)] != 0)
    return false;
  uint32_t idx;
  if (books->free_head != 0)
  {
    idx = books->free_head - 1;
    books->free_head = books->orders[idx].next;
  }
  else
  {
    if (books->order_cnt == books->order_max)
      books->orders = grow(books->orders, &books->order_max, sizeof(*books->orders));
    idx = books->order_cnt++;
  }
  books->orders[idx] = (wcx_client_order_t){.order_id = order_id, .price = price, .qty = qty, .instrument_idx = instrument, .side = side};
  books->live_cnt++;
  if (books->live_cnt * 2 > books->table_sz)
    table_resize(books); /* puts this one in, too */
  else
    table_put(books, idx);
  level_append(books, idx);
  return true;
}

static void remove_order(wcx_client_books_t *books, uint32_t at)
{
  uint32_t idx = books->table[at] - 1;
  level_remove(books, idx);
  table_remove(books, at);
  books->orders[idx].order_id = 0;
  books->orders[idx].next = books->free_head;
  books->free_head = idx + 1;
  books->live_cnt--;
}

static void set_qty(wcx_client_books_t *books, uint32_t at, int64_t qty)
{
  wcx_client_order_t *order = &books->orders[books->table[at] - 1];
  if (qty == 0)
  {
    remove_order(books, at);
    return;
  }
  wcx_client_ladder_t *ladder = ladder_of(books, order->instrument_idx, order->side);
  bool found;
  uint32_t level = level_position(ladder, order->side, order->price, &found);
  ladder->levels[level].qty += qty - order->qty;
  order->qty = qty;
}

/* The table position of an order the message may speak of; false when there is none or it is another instrument's. */
static bool locate(const wcx_client_books_t *books, uint64_t order_id, uint32_t security_id, uint32_t *at)
{
  *at = table_at(books, order_id);
  return order_id != 0 && books->table[*at] != 0 && books->instruments[books->orders[books->table[*at] - 1].instrument_idx].security_id == security_id;
}

static void clear_side(wcx_client_books_t *books, uint32_t instrument, uint8_t side)
{
  wcx_client_ladder_t *ladder = ladder_of(books, instrument, side);
  while (ladder->cnt != 0)
    remove_order(books, table_at(books, books->orders[ladder->levels[ladder->cnt - 1].head - 1].order_id));
}

static void on_definition(wcx_client_books_t *books, const void *message, size_t sz)
{
  wcx_security_definition_t definition;
  wcx_client_message_block(&definition, sizeof(definition), message, sz);
  uint32_t idx = wcx_client_books_idx(books, definition.security_id); /* may move the array: before it is read */
  wcx_client_instrument_t *instrument = &books->instruments[idx];
  instrument->definition = definition;
  instrument->defined = true;
  instrument->status = definition.security_trading_status;
}

static bool on_executed(wcx_client_books_t *books, const void *message, size_t sz)
{
  wcx_order_executed_t executed;
  uint32_t at;
  wcx_client_message_block(&executed, sizeof(executed), message, sz);
  if (!locate(books, executed.order_id, executed.security_id, &at))
    return false;
  wcx_client_order_t *order = &books->orders[books->table[at] - 1];
  wcx_client_instrument_t *instrument = &books->instruments[order->instrument_idx];
  if (executed.last_qty <= 0 || executed.last_qty > order->qty)
    return false;
  instrument->last_px = executed.last_px;
  instrument->trade_cnt++;
  set_qty(books, at, order->qty - executed.last_qty);
  return true;
}

static bool on_reduce(wcx_client_books_t *books, const void *message, size_t sz)
{
  wcx_reduce_order_t reduce;
  uint32_t at;
  wcx_client_message_block(&reduce, sizeof(reduce), message, sz);
  if (!locate(books, reduce.order_id, reduce.security_id, &at) || reduce.leaves_qty < 0 || reduce.leaves_qty > books->orders[books->table[at] - 1].qty)
    return false;
  set_qty(books, at, reduce.leaves_qty);
  return true;
}

static bool on_delete(wcx_client_books_t *books, const void *message, size_t sz)
{
  wcx_delete_order_t gone;
  uint32_t at;
  wcx_client_message_block(&gone, sizeof(gone), message, sz);
  if (!locate(books, gone.order_id, gone.security_id, &at))
    return false;
  remove_order(books, at);
  return true;
}

static bool on_replace(wcx_client_books_t *books, const void *message, size_t sz)
{
  wcx_replace_order_t replace;
  uint32_t at;
  wcx_client_message_block(&replace, sizeof(replace), message, sz);
  if (!locate(books, replace.order_id, replace.security_id, &at))
    return false;
  remove_order(books, at);
  return add_order(books, replace.new_order_id, wcx_client_books_idx(books, replace.security_id), replace.side, replace.price, replace.display_qty);
}

static void on_clear(wcx_client_books_t *books, const void *message, size_t sz)
{
  wcx_clear_book_t clear;
  wcx_client_message_block(&clear, sizeof(clear), message, sz);
  for (uint32_t i = 0; i < books->instrument_cnt; i++)
    if (clear.security_id == WCX_U32_NULL || books->instruments[i].security_id == clear.security_id)
    {
      clear_side(books, i, WCX_SIDE_BUY);
      clear_side(books, i, WCX_SIDE_SELL);
    }
}

uint32_t wcx_client_books_security(const void *message, size_t sz)
{
  static const uint8_t offs[] = {
      [0] = offsetof(wcx_security_definition_t, security_id),
      [WCX_TEMPLATE_SECURITY_STATUS - WCX_TEMPLATE_SECURITY_DEFINITION] = offsetof(wcx_security_status_t, security_id),
      [WCX_TEMPLATE_ADD_ORDER - WCX_TEMPLATE_SECURITY_DEFINITION] = offsetof(wcx_add_order_t, security_id),
      [WCX_TEMPLATE_ORDER_EXECUTED - WCX_TEMPLATE_SECURITY_DEFINITION] = offsetof(wcx_order_executed_t, security_id),
      [WCX_TEMPLATE_REDUCE_ORDER - WCX_TEMPLATE_SECURITY_DEFINITION] = offsetof(wcx_reduce_order_t, security_id),
      [WCX_TEMPLATE_DELETE_ORDER - WCX_TEMPLATE_SECURITY_DEFINITION] = offsetof(wcx_delete_order_t, security_id),
      [WCX_TEMPLATE_REPLACE_ORDER - WCX_TEMPLATE_SECURITY_DEFINITION] = offsetof(wcx_replace_order_t, security_id),
      [WCX_TEMPLATE_TRADE - WCX_TEMPLATE_SECURITY_DEFINITION] = offsetof(wcx_trade_t, security_id),
      [WCX_TEMPLATE_TRADE_BREAK - WCX_TEMPLATE_SECURITY_DEFINITION] = offsetof(wcx_trade_break_t, security_id),
      [WCX_TEMPLATE_AUCTION_UPDATE - WCX_TEMPLATE_SECURITY_DEFINITION] = offsetof(wcx_auction_update_t, security_id),
      [WCX_TEMPLATE_PRICE_BAND - WCX_TEMPLATE_SECURITY_DEFINITION] = offsetof(wcx_price_band_t, security_id),
      [WCX_TEMPLATE_CLEAR_BOOK - WCX_TEMPLATE_SECURITY_DEFINITION] = offsetof(wcx_clear_book_t, security_id),
  };
  uint32_t at = wcx_client_message_template(message, sz) - (uint32_t)WCX_TEMPLATE_SECURITY_DEFINITION;
  if (at >= sizeof(offs))
    return 0;
  uint8_t block[64];
  uint32_t security_id;
  wcx_client_message_block(block, sizeof(block), message, sz);
  memcpy(&security_id, block + offs[at], sizeof(security_id));
  return security_id;
}

void wcx_client_books_clear(wcx_client_books_t *books, uint32_t security_id)
{
  uint32_t idx = wcx_client_books_idx(books, security_id);
  clear_side(books, idx, WCX_SIDE_BUY);
  clear_side(books, idx, WCX_SIDE_SELL);
}

bool wcx_client_books_load(wcx_client_books_t *books, const wcx_snapshot_start_t *start, const wcx_snapshot_order_t *orders)
{
  uint32_t idx = wcx_client_books_idx(books, start->security_id);
  wcx_client_books_clear(books, start->security_id);
  books->instruments[idx].status = start->security_trading_status;
  books->instruments[idx].last_px = start->last_px;
  bool fine = true;
  for (uint32_t i = 0; i < start->tot_num_orders; i++)
    fine &= orders[i].security_id == start->security_id && add_order(books, orders[i].order_id, idx, orders[i].side, orders[i].price, orders[i].display_qty);
  books->contradiction_cnt += !fine;
  if (!fine)
    wcx_client_books_clear(books, start->security_id);
  return fine;
}

bool wcx_client_books_apply(wcx_client_books_t *books, const void *message, size_t sz)
{
  bool fine = true;
  switch (wcx_client_message_template(message, sz))
  {
  case WCX_TEMPLATE_SECURITY_DEFINITION:
    on_definition(books, message, sz);
    break;
  case WCX_TEMPLATE_SECURITY_STATUS:
  {
    wcx_security_status_t status;
    wcx_client_message_block(&status, sizeof(status), message, sz);
    uint32_t idx = wcx_client_books_idx(books, status.security_id); /* as above */
    books->instruments[idx].status = status.security_trading_status;
    break;
  }
  case WCX_TEMPLATE_ADD_ORDER:
  {
    wcx_add_order_t add;
    wcx_client_message_block(&add, sizeof(add), message, sz);
    fine = add_order(books, add.order_id, wcx_client_books_idx(books, add.security_id), add.side, add.price, add.display_qty);
    break;
  }
  case WCX_TEMPLATE_ORDER_EXECUTED:
    fine = on_executed(books, message, sz);
    break;
  case WCX_TEMPLATE_REDUCE_ORDER:
    fine = on_reduce(books, message, sz);
    break;
  case WCX_TEMPLATE_DELETE_ORDER:
    fine = on_delete(books, message, sz);
    break;
  case WCX_TEMPLATE_REPLACE_ORDER:
    fine = on_replace(books, message, sz);
    break;
  case WCX_TEMPLATE_CLEAR_BOOK:
    on_clear(books, message, sz);
    break;
  default:
    break;
  }
  books->contradiction_cnt += !fine;
  return fine;
}

bool wcx_client_books_best(const wcx_client_instrument_t *instrument, uint8_t side, int64_t *price, int64_t *qty)
{
  const wcx_client_ladder_t *ladder = &instrument->sides[side == WCX_SIDE_SELL];
  if (ladder->cnt == 0)
    return false;
  *price = ladder->levels[ladder->cnt - 1].price;
  *qty = ladder->levels[ladder->cnt - 1].qty;
  return true;
}

static void print_side(const wcx_client_ladder_t *ladder, const char *name, FILE *file)
{
  fprintf(file, "\"%s\":[", name);
  for (uint32_t i = ladder->cnt; i-- > 0;)
    fprintf(file, "[%lld,%lld,%u]%s", (long long)ladder->levels[i].price, (long long)ladder->levels[i].qty, ladder->levels[i].order_cnt, i > 0 ? "," : "");
  fputc(']', file);
}

void wcx_client_books_print(const wcx_client_instrument_t *instrument, FILE *file)
{
  fprintf(file, "{\"Book\":{\"SecurityID\":%u,", instrument->security_id);
  print_side(&instrument->sides[0], "Bids", file);
  fputc(',', file);
  print_side(&instrument->sides[1], "Asks", file);
  fputs("}}\n", file);
}

static bool verify_side(const wcx_client_books_t *books, uint32_t instrument, uint8_t side, uint32_t *order_cnt)
{
  const wcx_client_ladder_t *ladder = &books->instruments[instrument].sides[side == WCX_SIDE_SELL];
  for (uint32_t i = 0; i < ladder->cnt; i++)
  {
    const wcx_client_level_t *level = &ladder->levels[i];
    if (i > 0 && (side == WCX_SIDE_BUY ? level->price <= level[-1].price : level->price >= level[-1].price))
      return false;
    int64_t qty = 0;
    uint32_t cnt = 0;
    for (uint32_t at = level->head; at != 0; at = books->orders[at - 1].next, cnt++)
    {
      const wcx_client_order_t *order = &books->orders[at - 1];
      if (order->price != level->price || order->side != side || order->instrument_idx != instrument || order->qty <= 0)
        return false;
      if (books->table[table_at(books, order->order_id)] != at)
        return false;
      qty += order->qty;
    }
    if (qty != level->qty || cnt != level->order_cnt || cnt == 0)
      return false;
    *order_cnt += cnt;
  }
  return true;
}

bool wcx_client_books_verify(const wcx_client_books_t *books)
{
  uint32_t order_cnt = 0;
  for (uint32_t i = 0; i < books->instrument_cnt; i++)
    if (!verify_side(books, i, WCX_SIDE_BUY, &order_cnt) || !verify_side(books, i, WCX_SIDE_SELL, &order_cnt))
      return false;
  return order_cnt == books->live_cnt;
}
