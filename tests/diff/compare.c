/* Ids are renamed, everything else is compared as bytes. */
#include "tests/diff/compare.h"

#include "engine/base/check.h"
#include "engine/json.h"
#include "engine/outlog.h"
#include "engine/sbe_meta.h"
#include "engine/snapshot.h"

#include <stdlib.h>
#include <string.h>

#define LOG_SZ (1u << 25)
#define UNKNOWN_ID 0xf000000000000000u

static const wcx_engine_limits_t limits = {.shard = 1, .orders_max = 1000, .levels_max = 500, .instruments_max = 8, .accounts_max = 32, .sessions_max = 16, .hash_key = 0x5eed};

void pair_init(pair_t *pair)
{
  memset(pair, 0, sizeof(*pair));
  size_t sz = wcx_engine_footprint(&limits);
  pair->mem = aligned_alloc(64, (sz + 63) & ~(size_t)63);
  pair->log_mem = aligned_alloc(64, LOG_SZ);
  WCX_CHECK(sz > 0 && pair->mem != NULL && pair->log_mem != NULL, "engine memory: %zu", sz);
  pair->limits = limits;
  pair->engine = wcx_engine_new(pair->mem, sz, &limits);
  wcx_outlog_init(&pair->log, pair->log_mem, LOG_SZ);
  pair->ref = ref_new(&limits);
}

void pair_free(pair_t *pair)
{
  ref_free(pair->ref);
  free(pair->mem);
  free(pair->log_mem);
  free(pair->ids.engine_of);
  free(pair->ids.taken);
}

void pair_go_through_snapshot(pair_t *pair)
{
  char error[256];
  uint64_t snapshot_sz = wcx_engine_snapshot_sz(pair->engine);
  uint8_t *snapshot = malloc(snapshot_sz);
  WCX_CHECK(snapshot != NULL && wcx_engine_snapshot_save(pair->engine, snapshot, snapshot_sz) == snapshot_sz, "snapshot of %llu bytes", (unsigned long long)snapshot_sz);
  free(pair->mem);
  uint32_t more = pair->limits.orders_max == limits.orders_max ? 111 : 0;
  pair->limits.orders_max = limits.orders_max + more;
  pair->limits.levels_max = limits.levels_max + more;
  pair->limits.instruments_max = limits.instruments_max + more;
  pair->limits.accounts_max = limits.accounts_max + more;
  pair->limits.sessions_max = limits.sessions_max + more;
  pair->limits.hash_key = pair->limits.hash_key * UINT64_C(0x9e3779b97f4a7c15) + 1;
  size_t sz = wcx_engine_footprint(&pair->limits);
  pair->mem = aligned_alloc(64, (sz + 63) & ~(size_t)63);
  WCX_CHECK(pair->mem != NULL, "engine memory: %zu", sz);
  pair->engine = wcx_engine_snapshot_load(pair->mem, sz, &pair->limits, snapshot, snapshot_sz, error, sizeof(error));
  WCX_CHECK(pair->engine != NULL, "own snapshot: %s", error);
  free(snapshot);
}

/* --- ids ------------------------------------------------------------------------------------------------------------------------------- */

static uint64_t engine_of(const id_map_t *ids, uint64_t ref_id)
{
  return ref_id < ids->engine_of_cap ? ids->engine_of[ref_id] : 0;
}

/* False when it was there already. */
static bool take(uint64_t *taken, uint64_t cap, uint64_t engine_id)
{
  uint64_t at = (engine_id * 0x9e3779b97f4a7c15u) >> 20 & (cap - 1);
  for (; taken[at] != 0; at = (at + 1) & (cap - 1))
    if (taken[at] == engine_id)
      return false;
  taken[at] = engine_id;
  return true;
}

static void grow_taken(id_map_t *ids)
{
  uint64_t cap = ids->taken_cap == 0 ? 1024 : ids->taken_cap * 2;
  uint64_t *more = calloc(cap, sizeof(*more));
  WCX_CHECK(more != NULL, "out of memory: %llu ids", (unsigned long long)cap);
  for (uint64_t i = 0; i < ids->taken_cap; i++)
    if (ids->taken[i] != 0)
      take(more, cap, ids->taken[i]);
  free(ids->taken);
  ids->taken = more;
  ids->taken_cap = cap;
}

static void grow_engine_of(id_map_t *ids, uint64_t ref_id)
{
  uint64_t cap = (ref_id + 1) * 2;
  ids->engine_of = realloc(ids->engine_of, cap * sizeof(uint64_t));
  WCX_CHECK(ids->engine_of != NULL, "out of memory: %llu ids", (unsigned long long)cap);
  memset(ids->engine_of + ids->engine_of_cap, 0, (cap - ids->engine_of_cap) * sizeof(uint64_t));
  ids->engine_of_cap = cap;
}

/* Whether the two ids are one, by what was said before or from now on. */
static bool same_id(id_map_t *ids, uint64_t engine_id, uint64_t ref_id)
{
  if (ref_id == WCX_U64_NULL || engine_id == WCX_U64_NULL)
    return ref_id == engine_id;
  if (ref_id >= ids->engine_of_cap)
    grow_engine_of(ids, ref_id);
  if (ids->engine_of[ref_id] != 0)
    return ids->engine_of[ref_id] == engine_id;
  if (ids->taken_cnt * 2 >= ids->taken_cap)
    grow_taken(ids);
  if (engine_id == 0 || !take(ids->taken, ids->taken_cap, engine_id))
    return false;
  ids->taken_cnt++;
  ids->engine_of[ref_id] = engine_id;
  return true;
}

/* For reading a difference only: a search. */
static uint64_t ref_id_of(const id_map_t *ids, uint64_t engine_id)
{
  for (uint64_t i = 0; i < ids->engine_of_cap; i++)
    if (ids->engine_of[i] == engine_id && engine_id != 0)
      return i;
  return engine_id;
}

/* --- where ids stand in a message ------------------------------------------------------------------------------------------------------ */

typedef struct id_places
{
  bool known;
  uint8_t cnt;
  uint8_t group_cnt;
  uint16_t off[4];
  uint16_t group_off[4];
} id_places_t;

static bool is_id(const wcx_sbe_field_t *field)
{
  static const char *const names[] = {"OrderID", "SecondaryOrderID", "BidOrderID", "OfferOrderID", "NewOrderID", "BuyOrderID", "SellOrderID"};
  for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (strcmp(field->name, names[i]) == 0)
      return true;
  return false;
}

static const id_places_t *places_of(uint16_t template_id)
{
  static _Thread_local id_places_t all[WCX_SBE_TEMPLATE_MAX + 1];
  WCX_CHECK(template_id <= WCX_SBE_TEMPLATE_MAX && wcx_sbe_find(template_id) != NULL, "template %u", template_id);
  id_places_t *places = &all[template_id];
  if (places->known)
    return places;
  const wcx_sbe_msg_t *msg = wcx_sbe_find(template_id);
  for (uint32_t i = 0; i < msg->field_cnt; i++)
    if (is_id(&msg->fields[i]))
      places->off[places->cnt++] = msg->fields[i].off;
  for (uint32_t i = 0; i < msg->group_field_cnt; i++)
    if (is_id(&msg->group_fields[i]))
      places->group_off[places->group_cnt++] = msg->group_fields[i].off;
  places->known = true;
  return places;
}

/* Offsets of all ids of a block with its group, from the block on; `offs` has room for 2 x 33 + 4. */
static uint32_t id_offsets(uint16_t template_id, const uint8_t *block, uint32_t sz, uint32_t *offs)
{
  const id_places_t *places = places_of(template_id);
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < places->cnt; i++)
    offs[cnt++] = places->off[i];
  if (places->group_cnt == 0)
    return cnt;
  uint32_t at = wcx_sbe_find(template_id)->block_length;
  wcx_group_size_t size;
  memcpy(&size, block + at, sizeof(size));
  at += (uint32_t)sizeof(size);
  for (uint32_t n = 0; n < size.num_in_group && n < 33 && at + size.block_length <= sz; n++, at += size.block_length)
    for (uint32_t i = 0; i < places->group_cnt; i++)
      offs[cnt++] = at + places->group_off[i];
  return cnt;
}

static uint64_t load64(const uint8_t *at)
{
  uint64_t value;
  memcpy(&value, at, sizeof(value));
  return value;
}

void pair_translate(const pair_t *pair, uint16_t template_id, const uint8_t *body, uint16_t body_sz, uint8_t *to)
{
  uint32_t offs[70];
  uint32_t cnt = id_offsets(template_id, body, body_sz, offs);
  memcpy(to, body, body_sz);
  for (uint32_t i = 0; i < cnt; i++)
  {
    uint64_t ref_id = load64(body + offs[i]);
    uint64_t engine_id = ref_id == WCX_U64_NULL || ref_id == 0 ? ref_id : engine_of(&pair->ids, ref_id);
    if (engine_id == 0 && ref_id != 0)
      engine_id = UNKNOWN_ID | ref_id;
    memcpy(to + offs[i], &engine_id, sizeof(engine_id));
  }
}

/* --- messages -------------------------------------------------------------------------------------------------------------------------- */

/* Equal but for ids, and the ids agree. */
static bool same_message(pair_t *pair, const uint8_t *engine_msg, const uint8_t *ref_msg, uint32_t len)
{
  uint32_t offs[70];
  uint8_t copy[1500];
  wcx_message_header_t header;
  memcpy(&header, ref_msg, sizeof(header));
  if (len > sizeof(copy) || memcmp(engine_msg, ref_msg, sizeof(header)) != 0)
    return false;
  memcpy(copy, engine_msg, len);
  uint32_t cnt = id_offsets(header.template_id, ref_msg + 8, len - 8, offs);
  for (uint32_t i = 0; i < cnt; i++)
  {
    uint64_t ref_id = load64(ref_msg + 8 + offs[i]);
    if (!same_id(&pair->ids, load64(engine_msg + 8 + offs[i]), ref_id))
      return false;
    memcpy(copy + 8 + offs[i], &ref_id, sizeof(ref_id));
  }
  return memcmp(copy, ref_msg, len) == 0;
}

static bool same_output(pair_t *pair, uint64_t seq, const ref_out_list_t *said)
{
  uint64_t pos = wcx_outlog_settle(&pair->log, 0, pair->log.write_pos);
  uint32_t i = 0;
  for (; pos < pair->log.write_pos && i < said->cnt; i++)
  {
    wcx_out_entry_t *entry = wcx_outlog_at(&pair->log, pos);
    const ref_out_t *want = &said->at[i];
    bool same = entry->stream == want->stream && entry->stream_id == want->stream_id && entry->tag == want->tag && entry->number == want->number && entry->len == want->len &&
                entry->input_seq == seq && same_message(pair, wcx_out_message(entry), said->bytes + want->off, want->len);
    if (!same)
    {
      snprintf(pair->why, sizeof(pair->why), "message %u differs", i + 1);
      return false;
    }
    pos = wcx_outlog_settle(&pair->log, pos + entry->entry_sz, pair->log.write_pos);
  }
  if (pos >= pair->log.write_pos && i == said->cnt)
    return true;
  snprintf(pair->why, sizeof(pair->why), pos < pair->log.write_pos ? "the engine says more than %u messages" : "the engine says %u messages only", i);
  return false;
}

void pair_count(pair_t *pair, const ref_out_list_t *said)
{
  for (uint32_t i = 0; i < said->cnt; i++)
  {
    const uint8_t *block = said->bytes + said->at[i].off + sizeof(wcx_message_header_t);
    wcx_message_header_t header;
    wcx_execution_report_reject_t reject;
    memcpy(&header, block - sizeof(header), sizeof(header));
    pair->seen.messages[header.template_id % SEEN_MAX]++;
    if (header.template_id == WCX_TEMPLATE_EXECUTION_REPORT_CANCEL)
      pair->seen.cancels[block[offsetof(wcx_execution_report_cancel_t, cancel_reason)]]++;
    if (header.template_id == WCX_TEMPLATE_ORDER_CANCEL_REJECT)
      pair->seen.cxl_rejects[block[offsetof(wcx_order_cancel_reject_t, cxl_rej_reason)]]++;
    if (header.template_id != WCX_TEMPLATE_EXECUTION_REPORT_REJECT)
      continue;
    memcpy(&reject, block, sizeof(reject));
    pair->seen.rejects[reject.ord_rej_reason % SEEN_MAX]++;
  }
}

bool pair_apply(pair_t *pair, const wcx_record_hdr_t *hdr, const uint8_t *translated, const ref_out_list_t *said)
{
  /* from the start again, so that a log with room for the largest input stays in the cache */
  wcx_outlog_init(&pair->log, pair->log_mem, LOG_SZ);
  uint64_t bound = wcx_engine_output_bound(pair->engine, hdr, translated);
  WCX_CHECK(bound <= wcx_outlog_room(&pair->log), "bound %llu", (unsigned long long)bound);
  wcx_engine_apply(pair->engine, hdr, translated, &pair->log);
  pair_count(pair, said);
  if (!same_output(pair, hdr->seq, said))
    return false;
  uint64_t used = 0;
  for (uint64_t pos = wcx_outlog_settle(&pair->log, 0, pair->log.write_pos); pos < pair->log.write_pos;
       pos = wcx_outlog_settle(&pair->log, pos + wcx_outlog_at(&pair->log, pos)->entry_sz, pair->log.write_pos))
    used += wcx_outlog_at(&pair->log, pos)->entry_sz;
  if (used <= bound)
    return true;
  snprintf(pair->why, sizeof(pair->why), "the engine used %llu bytes of output, its bound said %llu", (unsigned long long)used, (unsigned long long)bound);
  return false;
}

/* --- states ---------------------------------------------------------------------------------------------------------------------------- */

#define RESTING_MAX 2048u

typedef struct resting
{
  uint32_t cnt;
  uint64_t id[RESTING_MAX];
  int64_t price[RESTING_MAX];
  int64_t qty[RESTING_MAX];
} resting_t;

static bool collect(void *ctx, uint64_t order_id, int64_t price, int64_t displayed_qty)
{
  resting_t *resting = ctx;
  WCX_CHECK(resting->cnt < RESTING_MAX, "more than %u orders on a side", RESTING_MAX);
  resting->id[resting->cnt] = order_id;
  resting->price[resting->cnt] = price;
  resting->qty[resting->cnt++] = displayed_qty;
  return true;
}

typedef struct levels
{
  const resting_t *orders;
  uint32_t at; /* next order to account for */
  bool same;
} levels_t;

/* A level of the engine must be the sum of the next orders of the reference. Levels with hidden orders only may be shown as empty or not at all. */
static bool compare_level(void *ctx, int64_t price, int64_t displayed_qty, uint32_t order_cnt)
{
  levels_t *levels = ctx;
  int64_t qty = 0;
  uint32_t cnt = 0;
  for (; levels->at < levels->orders->cnt && levels->orders->price[levels->at] == price; levels->at++, cnt++)
    qty += levels->orders->qty[levels->at];
  levels->same = qty == displayed_qty && cnt == order_cnt;
  return levels->same;
}

static bool same_book(pair_t *pair, uint32_t security_id, uint8_t side)
{
  static _Thread_local resting_t engine, reference;
  engine.cnt = 0;
  reference.cnt = 0;
  bool known = ref_book_orders(pair->ref, security_id, side, collect, &reference);
  if (known != wcx_engine_book_orders(pair->engine, security_id, side, collect, &engine))
    return false;
  if (engine.cnt != reference.cnt)
    return false;
  for (uint32_t i = 0; i < engine.cnt; i++)
    if (engine.price[i] != reference.price[i] || engine.qty[i] != reference.qty[i] || !same_id(&pair->ids, engine.id[i], reference.id[i]))
      return false;
  levels_t levels = {.orders = &reference, .same = true};
  wcx_engine_book(pair->engine, security_id, side, compare_level, &levels);
  return levels.same && levels.at == reference.cnt;
}

static void print_session(char *buf, size_t sz, const wcx_session_view_t *v)
{
  snprintf(buf, sz, "account %u client %llu server %llu ClOrdID %llu orders %u open %u cod %u", v->account, (unsigned long long)v->next_client_seq,
           (unsigned long long)v->next_server_seq, (unsigned long long)v->last_cl_ord_id, v->open_orders, v->open, v->cod);
}

static bool same_session(pair_t *pair, uint32_t session_id)
{
  wcx_session_view_t views[2] = {0};
  char texts[2][120];
  bool engine = wcx_engine_session(pair->engine, session_id, &views[0]);
  bool reference = ref_session(pair->ref, session_id, &views[1]);
  print_session(texts[0], sizeof(texts[0]), &views[0]);
  print_session(texts[1], sizeof(texts[1]), &views[1]);
  snprintf(pair->why, sizeof(pair->why), "session %u: engine %s; reference %s", session_id, texts[0], texts[1]);
  return engine == reference && strcmp(texts[0], texts[1]) == 0;
}

/* What Checked accounts may spend, of each asset an instrument names. */
static bool same_balances(pair_t *pair)
{
  wcx_security_definition_t def;
  wcx_account_definition_t account;
  for (uint32_t a = 0; wcx_engine_account_at(pair->engine, a, &account); a++)
    for (uint32_t i = 0; wcx_engine_instrument_at(pair->engine, i, &def); i++)
      for (uint32_t base = 0; base < 2; base++)
      {
        const char *asset = base ? def.base_asset : def.quote_asset;
        int64_t reference;
        if (!ref_available(pair->ref, account.account, asset, &reference))
          continue;
        wcx_balance_view_t view = {0};
        (void)wcx_engine_balance(pair->engine, account.account, asset, &view); /* none yet: nothing available */
        snprintf(pair->why, sizeof(pair->why), "account %u, %.8s available: engine %lld, reference %lld", account.account, asset, (long long)view.available, (long long)reference);
        if (view.available != reference)
          return false;
      }
  return true;
}

bool pair_same_state(pair_t *pair)
{
  wcx_engine_verify(pair->engine);
  wcx_digest_t kept = wcx_engine_state_digest(pair->engine);
  wcx_digest_t full = wcx_engine_state_digest_full(pair->engine);
  snprintf(pair->why, sizeof(pair->why), "the state digest kept is not the one computed");
  if (kept.lo != full.lo || kept.hi != full.hi)
    return false;
  snprintf(pair->why, sizeof(pair->why), "live orders: engine %u, reference %u", wcx_engine_orders_live(pair->engine), ref_live_cnt(pair->ref));
  if (wcx_engine_orders_live(pair->engine) != ref_live_cnt(pair->ref))
    return false;
  snprintf(pair->why, sizeof(pair->why), "the next number of the feed differs");
  if (wcx_engine_feed_next_number(pair->engine) != ref_feed_next_number(pair->ref))
    return false;
  for (uint32_t security_id = 1; security_id <= limits.instruments_max; security_id++)
    for (uint8_t side = WCX_SIDE_BUY; side <= WCX_SIDE_SELL; side++)
    {
      snprintf(pair->why, sizeof(pair->why), "the %s side of the book of instrument %u differs", side == WCX_SIDE_BUY ? "buy" : "sell", security_id);
      if (!same_book(pair, security_id, side))
        return false;
    }
  for (uint32_t session_id = 1; session_id <= limits.sessions_max; session_id++)
    if (!same_session(pair, session_id))
      return false;
  if (!same_balances(pair))
    return false;
  pair->why[0] = '\0';
  return true;
}

/* --- for people ------------------------------------------------------------------------------------------------------------------------ */

static void print_message(uint8_t stream, uint32_t stream_id, uint32_t tag, uint64_t number, const uint8_t *message, uint32_t len, FILE *to)
{
  static _Thread_local char line[16384];
  if (wcx_json_message(line, sizeof(line), message, len) < 0)
    snprintf(line, sizeof(line), "(%u bytes)", len);
  const char *where = stream == WCX_STREAM_FEED ? "feed" : stream == WCX_STREAM_SESSION ? "session" : "unsequenced to";
  fprintf(to, "  %s %u no. %llu", where, stream_id, (unsigned long long)number);
  if (tag != 0)
    fprintf(to, " tag %u", tag);
  fprintf(to, ": %s\n", line);
}

void pair_print_engine(const pair_t *pair, FILE *to)
{
  for (uint64_t pos = wcx_outlog_settle(&pair->log, 0, pair->log.write_pos); pos < pair->log.write_pos;)
  {
    wcx_out_entry_t *entry = wcx_outlog_at(&pair->log, pos);
    uint8_t copy[1500] = {0};
    uint32_t offs[70];
    wcx_message_header_t header;
    memcpy(copy, wcx_out_message(entry), entry->len);
    memcpy(&header, copy, sizeof(header));
    uint32_t cnt = id_offsets(header.template_id, copy + 8, entry->len - 8u, offs);
    for (uint32_t i = 0; i < cnt; i++)
    {
      uint64_t id = ref_id_of(&pair->ids, load64(copy + 8 + offs[i]));
      memcpy(copy + 8 + offs[i], &id, sizeof(id));
    }
    print_message(entry->stream, entry->stream_id, entry->tag, entry->number, copy, entry->len, to);
    pos = wcx_outlog_settle(&pair->log, pos + entry->entry_sz, pair->log.write_pos);
  }
}

void pair_print_reference(const ref_out_list_t *said, FILE *to)
{
  for (uint32_t i = 0; i < said->cnt; i++)
    print_message(said->at[i].stream, said->at[i].stream_id, said->at[i].tag, said->at[i].number, said->bytes + said->at[i].off, said->at[i].len, to);
}
