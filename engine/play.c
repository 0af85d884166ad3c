/* wcx-play: the engine as a command. Reads inputs as JSON lines, applies each to a fresh engine, prints what the engine says (engine/json.h).

   Three lines are no inputs:
   - {"Book":{"SecurityID":1}} prints a book;
   - {"Balances":{"Account":7}} answers {"Balances":{"Account":7,"Assets":[{"Asset":"USDT","Available":1,"Held":2},...]}}: what a checked account has, assets in order of
     definition, without those of which it has nothing;
   - {"Snapshot":{}} saves the engine, loads what was saved into other memory, of other sizes and with another hash key, goes on with that engine, and prints
     {"Snapshot":{"Bytes":n,"Seq":s}}. Nothing that is said afterwards depends on it.

   Owner:    one thread, one engine, no journal, no network, no root.
   Result:   exit status 0; 1 when a line was bad (each prints an Error line and changes nothing); 2 for a wrong command line. */
#include "engine/base/check.h"
#include "engine/engine.h"
#include "engine/json.h"
#include "engine/snapshot.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PLAY_SHARD 1u
#define PLAY_ACCOUNTS 64u /* defined from the start */
#define PLAY_TEXT_SZ 32768u
#define PLAY_AUCTION_NS 1000000000u /* of a volatility rule that does not say */

static const wcx_engine_limits_t limits = {
    .shard = PLAY_SHARD,
    .orders_max = 1u << 19,
    .levels_max = 1u << 17,
    .instruments_max = 1024,
    .accounts_max = 65536,
    .sessions_max = 4096,
    .hash_key = 0x77637870, /* no one to defend against: a run must be repeatable */
};

typedef struct play
{
  wcx_engine_t *engine; /* begins its memory */
  wcx_engine_limits_t sizes;
  wcx_outlog_t log;
  bool show_feed;
  bool show_digest;
  bool verify;
  bool any_error;
  uint64_t line;
} play_t;

typedef struct input
{
  const wcx_sbe_msg_t *msg;
  wcx_record_hdr_t hdr;
  uint8_t body[WCX_RECORD_BODY_SZ_MAX];
  bool present[WCX_JSON_FIELDS_MAX];
  wcx_json_extra_t extra;
} input_t;

/* --- printing ------------------------------------------------------------------------------------------------------------------------- */

static void print_escaped(const char *text, size_t len)
{
  for (size_t i = 0; i < len; i++)
  {
    uint8_t c = (uint8_t)text[i];
    if (c == '"' || c == '\\')
      printf("\\%c", c);
    else if (c < 0x20 || c >= 0x7f)
      printf("\\u%04x", c);
    else
      putchar(c);
  }
}

static void print_error(play_t *play, const char *text)
{
  play->any_error = true;
  printf("{\"Error\":{\"Line\":%llu,\"Text\":\"", (unsigned long long)play->line);
  print_escaped(text, strlen(text));
  puts("\"}}");
}

/* Print the outputs since the last call; `quiet` leaves out those of definitions that nobody asked for. */
static void print_outputs(play_t *play, bool quiet)
{
  char text[PLAY_TEXT_SZ];
  wcx_outlog_t *log = &play->log;
  while ((log->sent_pos = wcx_outlog_settle(log, log->sent_pos, log->write_pos)) < log->write_pos)
  {
    wcx_out_entry_t *entry = wcx_outlog_at(log, log->sent_pos);
    if (!quiet && (entry->stream != WCX_STREAM_FEED || play->show_feed))
    {
      WCX_CHECK(wcx_json_message(text, sizeof(text), wcx_out_message(entry), entry->len) > 0, "output of %u bytes does not fit", entry->len);
      puts(text);
    }
    log->sent_pos += entry->entry_sz;
  }
}

static bool print_level(void *ctx, int64_t price, int64_t displayed_qty, uint32_t order_cnt)
{
  bool *first = ctx;
  printf("%s[%lld,%lld,%u]", *first ? "" : ",", (long long)price, (long long)displayed_qty, order_cnt);
  *first = false;
  return true;
}

static bool ignore_level(void *ctx, int64_t price, int64_t displayed_qty, uint32_t order_cnt)
{
  (void)ctx, (void)price, (void)displayed_qty, (void)order_cnt;
  return false;
}

static void print_book(play_t *play, uint32_t security_id)
{
  if (!wcx_engine_book(play->engine, security_id, WCX_SIDE_BUY, ignore_level, NULL))
  {
    char text[80];
    snprintf(text, sizeof(text), "no instrument has SecurityID %u", security_id);
    print_error(play, text);
    return;
  }
  bool first = true;
  printf("{\"Book\":{\"SecurityID\":%u,\"Bids\":[", security_id);
  wcx_engine_book(play->engine, security_id, WCX_SIDE_BUY, print_level, &first);
  printf("],\"Asks\":[");
  first = true;
  wcx_engine_book(play->engine, security_id, WCX_SIDE_SELL, print_level, &first);
  puts("]}}");
}

static void print_balances(play_t *play, uint32_t account)
{
  wcx_asset_view_t asset;
  wcx_balance_view_t balance;
  const char *comma = "";
  printf("{\"Balances\":{\"Account\":%u,\"Assets\":[", account);
  for (uint32_t i = 0; wcx_engine_asset_at(play->engine, i, &asset); i++)
    if (wcx_engine_balance(play->engine, account, asset.asset, &balance) && (balance.available != 0 || balance.held != 0))
    {
      printf("%s{\"Asset\":\"", comma);
      print_escaped(asset.asset, strnlen(asset.asset, sizeof(asset.asset)));
      printf("\",\"Available\":%lld,\"Held\":%lld}", (long long)balance.available, (long long)balance.held);
      comma = ",";
    }
  puts("]}}");
}

static void print_digest(const play_t *play)
{
  wcx_digest_t out = wcx_engine_output_digest(play->engine);
  wcx_digest_t state = wcx_engine_state_digest(play->engine);
  printf("{\"Digest\":{\"Seq\":%llu,\"Output\":\"%016llx%016llx\",\"State\":\"%016llx%016llx\"}}\n", (unsigned long long)wcx_engine_applied_seq(play->engine),
         (unsigned long long)out.hi, (unsigned long long)out.lo, (unsigned long long)state.hi, (unsigned long long)state.lo);
}

/* --- applying ------------------------------------------------------------------------------------------------------------------------- */

static void *map_memory(uint64_t sz)
{
  void *mem = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mem == MAP_FAILED)
    WCX_DIE("cannot get %llu bytes of memory: %s", (unsigned long long)sz, strerror(errno));
  madvise(mem, sz, MADV_HUGEPAGE); /* only makes the start faster */
  return mem;
}

/* Everything is printed after each input, so the log is empty here and may be replaced by a larger one. */
static void make_room(play_t *play, uint64_t bound)
{
  if (wcx_outlog_room(&play->log) >= bound)
    return;
  uint64_t cap = play->log.cap;
  while (cap < bound + 4096)
    cap *= 2;
  munmap(play->log.base, play->log.cap);
  wcx_outlog_init(&play->log, map_memory(cap), cap);
}

static void check_engine(const wcx_engine_t *engine)
{
  wcx_engine_verify(engine);
  wcx_digest_t kept = wcx_engine_state_digest(engine);
  wcx_digest_t full = wcx_engine_state_digest_full(engine);
  WCX_CHECK(kept.lo == full.lo && kept.hi == full.hi, "state digest at seq %llu", (unsigned long long)wcx_engine_applied_seq(engine));
}

static void apply(play_t *play, input_t *input, bool quiet)
{
  make_room(play, wcx_engine_output_bound(play->engine, &input->hdr, input->body));
  wcx_engine_apply(play->engine, &input->hdr, input->body, &play->log);
  if (play->verify)
    check_engine(play->engine);
  print_outputs(play, quiet);
}

/* A definition that exists without having been asked for: silent, and at the time of the input before, so that it takes no stamp. */
static void define(play_t *play, uint16_t template_id, const void *body, uint16_t body_sz)
{
  input_t input = {.msg = wcx_sbe_find(template_id)};
  memcpy(input.body, body, body_sz);
  input.hdr = (wcx_record_hdr_t){.format = WCX_RECORD_FORMAT,
                                 .template_id = template_id,
                                 .flags = WCX_RECORD_F_GENESIS,
                                 .shard = PLAY_SHARD,
                                 .seq = wcx_engine_applied_seq(play->engine) + 1,
                                 .stamp_ns = wcx_engine_last_stamp_ns(play->engine),
                                 .body_sz = body_sz};
  const char *error = wcx_engine_definition_error(play->engine, &input.hdr, input.body);
  WCX_CHECK(error == NULL, "default %s: %s", input.msg->name, error);
  apply(play, &input, true);
}

static const wcx_security_definition_t default_instrument = {
    .security_id = 1,
    .security_trading_status = WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE,
    .symbol = "BTC/USDT                ",
    .base_asset = "BTC     ",
    .quote_asset = "USDT    ",
    .min_price_increment = 1,
    .round_lot = 1,
    .low_limit_price = WCX_I64_NULL,
    .high_limit_price = WCX_I64_NULL,
    .market_segment_id = PLAY_SHARD,
};

static void define_defaults(play_t *play)
{
  define(play, WCX_TEMPLATE_SECURITY_DEFINITION, &default_instrument, sizeof(default_instrument));
  for (uint32_t account = 1; account <= PLAY_ACCOUNTS; account++)
  {
    wcx_account_definition_t definition = {.account = account, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
    define(play, WCX_TEMPLATE_ACCOUNT_DEFINITION, &definition, sizeof(definition));
  }
}

/* Other sizes than before, never less than at the start, and another key. */
static void change_sizes(wcx_engine_limits_t *sizes)
{
  uint32_t more = sizes->orders_max == limits.orders_max ? 999 : 0;
  sizes->orders_max = limits.orders_max + more;
  sizes->levels_max = limits.levels_max + more;
  sizes->instruments_max = limits.instruments_max + more;
  sizes->accounts_max = limits.accounts_max + more;
  sizes->sessions_max = limits.sessions_max + more;
  sizes->hash_key = sizes->hash_key * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static void go_through_snapshot(play_t *play)
{
  char error[256];
  uint64_t snapshot_sz = wcx_engine_snapshot_sz(play->engine);
  void *snapshot = map_memory(snapshot_sz);
  WCX_CHECK(wcx_engine_snapshot_save(play->engine, snapshot, snapshot_sz) == snapshot_sz, "snapshot of %llu bytes", (unsigned long long)snapshot_sz);
  munmap(play->engine, wcx_engine_footprint(&play->sizes));
  change_sizes(&play->sizes);
  size_t sz = wcx_engine_footprint(&play->sizes);
  play->engine = wcx_engine_snapshot_load(map_memory(sz), sz, &play->sizes, snapshot, snapshot_sz, error, sizeof(error));
  WCX_CHECK(play->engine != NULL, "own snapshot: %s", error);
  munmap(snapshot, snapshot_sz);
  if (play->verify)
    check_engine(play->engine);
  printf("{\"Snapshot\":{\"Bytes\":%llu,\"Seq\":%llu}}\n", (unsigned long long)snapshot_sz, (unsigned long long)wcx_engine_applied_seq(play->engine));
}

/* --- from a line to a record ---------------------------------------------------------------------------------------------------------- */

static const wcx_sbe_field_t *field_of(const input_t *input, const char *name, bool *given)
{
  for (uint32_t i = 0; i < input->msg->field_cnt; i++)
    if (strcmp(input->msg->fields[i].name, name) == 0)
    {
      *given = input->present[i];
      return &input->msg->fields[i];
    }
  return NULL;
}

/* What an omitted field is instead of 0, in every message that has it. Optional fields stay null. */
static void fill_omitted(input_t *input, const char *name, uint64_t value)
{
  bool given;
  const wcx_sbe_field_t *field = field_of(input, name, &given);
  if (field != NULL && !given && !field->optional)
    memcpy(input->body + field->off, &value, field->sz);
}

static void fill_omitted_definition(input_t *input)
{
  for (uint32_t i = 0; i < input->msg->field_cnt; i++)
  {
    const wcx_sbe_field_t *field = &input->msg->fields[i];
    if (!input->present[i])
      memcpy(input->body + field->off, (const uint8_t *)&default_instrument + field->off, field->sz);
  }
}

static void fill_omitted_sets(input_t *input)
{
  wcx_group_size_t group;
  uint8_t *at = input->body + input->msg->block_length;
  uint32_t first_instrument = 1;
  memcpy(&group, at, sizeof(group));
  at += sizeof(group);
  for (uint32_t i = 0; i < group.num_in_group; i++, at += group.block_length)
    for (uint32_t k = 0; k < input->msg->group_field_cnt; k++)
      if (strcmp(input->msg->group_fields[k].name, "SecurityID") == 0 && (input->extra.group_present[i] >> k & 1) == 0)
        memcpy(at + input->msg->group_fields[k].off, &first_instrument, sizeof(first_instrument));
}

static void fill_omitted_account(input_t *input)
{
  bool given = false;
  const wcx_sbe_field_t *field = field_of(input, "Account", &given);
  uint32_t account = 1;
  if (field != NULL && !given)
    memcpy(input->body + field->off, &account, sizeof(account));
}

static void fill_defaults(input_t *input)
{
  switch (input->msg->template_id)
  {
  case WCX_TEMPLATE_SECURITY_DEFINITION:
    fill_omitted_definition(input);
    return;
  case WCX_TEMPLATE_NEW_ORDER_SINGLE:
    fill_omitted(input, "OrdType", WCX_ORD_TYPE_LIMIT);
    fill_omitted(input, "TimeInForce", WCX_TIME_IN_FORCE_GTC);
    break;
  case WCX_TEMPLATE_MASS_QUOTE:
    fill_omitted_sets(input);
    break;
  case WCX_TEMPLATE_ACCOUNT_DEFINITION:
    fill_omitted(input, "Credit", WCX_CREDIT_UNLIMITED);
    fill_omitted(input, "Status", WCX_ACCOUNT_STATUS_ACTIVE);
    break;
  case WCX_TEMPLATE_SECURITY_STATUS:
    fill_omitted(input, "SecurityTradingStatus", WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE);
    break;
  case WCX_TEMPLATE_VOLATILITY_RULE:
    fill_omitted(input, "AuctionNanos", PLAY_AUCTION_NS);
    break;
  case WCX_TEMPLATE_TRADE_BREAK_COMMAND:
    fill_omitted(input, "BuyAccount", 1);
    fill_omitted(input, "SellAccount", 1);
    fill_omitted(input, "BuySessionID", 1);
    fill_omitted(input, "SellSessionID", 1);
    fill_omitted(input, "Reason", WCX_BREAK_REASON_ERRONEOUS);
    break;
  case WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST: /* null is meant where an account is only a filter */
    if (input->body[offsetof(wcx_order_mass_cancel_request_t, mass_cancel_request_type)] == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT)
      fill_omitted_account(input);
    break;
  default:
    break;
  }
  fill_omitted(input, "Account", 1);
  fill_omitted(input, "SecurityID", 1);
}

/* Whether the message is a request that a client sends: it has a ClOrdID of a session, or a QuoteID in its place. */
static bool is_request(uint16_t template_id)
{
  return template_id >= WCX_TEMPLATE_NEW_ORDER_SINGLE && template_id <= WCX_TEMPLATE_MMP_CONFIG_REQUEST;
}

/* NULL when the engine takes this message, else why not. */
static const char *not_taken(const input_t *input)
{
  switch (input->msg->template_id)
  {
  case WCX_TEMPLATE_NEW_ORDER_SINGLE:
  case WCX_TEMPLATE_ORDER_CANCEL_REQUEST:
  case WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST:
  case WCX_TEMPLATE_SECURITY_DEFINITION:
  case WCX_TEMPLATE_SECURITY_STATUS:
  case WCX_TEMPLATE_PRICE_BAND:
  case WCX_TEMPLATE_VOLATILITY_RULE:
  case WCX_TEMPLATE_TRADE_BREAK_COMMAND:
  case WCX_TEMPLATE_SESSION_DEFINITION:
  case WCX_TEMPLATE_SESSION_OPENED:
  case WCX_TEMPLATE_SESSION_CLOSED:
  case WCX_TEMPLATE_SESSION_REFUSED:
  case WCX_TEMPLATE_TICK:
  case WCX_TEMPLATE_DAY_ROLL:
  case WCX_TEMPLATE_CAPACITY:
  case WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST:
  case WCX_TEMPLATE_UNLOCK_TRADING_REQUEST:
  case WCX_TEMPLATE_MASS_QUOTE:
  case WCX_TEMPLATE_MMP_RESET_REQUEST:
  case WCX_TEMPLATE_MMP_CONFIG_REQUEST:
  case WCX_TEMPLATE_KILL_SWITCH:
  case WCX_TEMPLATE_ACCOUNT_DEFINITION:
  case WCX_TEMPLATE_ASSET_DEFINITION:
  case WCX_TEMPLATE_BALANCE_ADJUSTMENT:
  case WCX_TEMPLATE_LIMIT_UPDATE:
  case WCX_TEMPLATE_FEE_TIER_DEFINITION:
  case WCX_TEMPLATE_SESSION_ENTITLEMENT:
  case WCX_TEMPLATE_INSTRUMENT_GROUP:
    return NULL;
  default:
    return "this message is not an input of the engine";
  }
}

/* The session that an input names, defined on first use and entitled to every account. Returns NULL or what is wrong. */
static const char *need_session(play_t *play, uint32_t session_id, wcx_session_view_t *view)
{
  if (session_id == 0 || session_id > 999999999u)
    return "SessionID is outside 1..999999999";
  if (wcx_engine_session(play->engine, session_id, view))
    return NULL;
  if (wcx_engine_session_at(play->engine, limits.sessions_max - 1, view))
    return "there is no room for another session";
  wcx_session_definition_t definition = {.session_id = session_id, .account = UINT32_MAX};
  define(play, WCX_TEMPLATE_SESSION_DEFINITION, &definition, sizeof(definition));
  WCX_CHECK(wcx_engine_session(play->engine, session_id, view), "session %u was not defined", session_id);
  return NULL;
}

static bool of_session(uint16_t template_id)
{
  return is_request(template_id) || template_id == WCX_TEMPLATE_SESSION_OPENED || template_id == WCX_TEMPLATE_SESSION_CLOSED || template_id == WCX_TEMPLATE_SESSION_REFUSED;
}

/* Previous + 1, or the input's own TransactTime when that is later; a message that carries its time is told the outcome. */
static uint64_t stamp_of(const play_t *play, input_t *input)
{
  uint64_t stamp = wcx_engine_last_stamp_ns(play->engine) + 1;
  uint64_t own = input->extra.has_transact_time ? input->extra.transact_time : 0;
  bool given;
  const wcx_sbe_field_t *field = field_of(input, "TransactTime", &given);
  if (field != NULL)
    memcpy(&own, input->body + field->off, sizeof(own));
  if (own > stamp)
    stamp = own;
  if (field != NULL)
    memcpy(input->body + field->off, &stamp, sizeof(stamp));
  return stamp;
}

static uint32_t account_of(const input_t *input)
{
  bool given;
  uint32_t account = 0;
  const wcx_sbe_field_t *field = field_of(input, "Account", &given);
  if (field != NULL)
    memcpy(&account, input->body + field->off, sizeof(account));
  return account;
}

/* What the engine would take for damage: the data plane never journals it, a line may hold it. */
static const char *refused_by_engine(const play_t *play, const input_t *input)
{
  switch (input->hdr.template_id)
  {
  case WCX_TEMPLATE_SESSION_OPENED:
    if (input->body[offsetof(wcx_session_opened_t, key_slot)] > 1)
      return "KeySlot is 0 or 1";
    return input->body[offsetof(wcx_session_opened_t, transport)] > 2 ? "Transport is 1 or 2" : NULL;
  case WCX_TEMPLATE_SESSION_CLOSED:
    if (input->body[offsetof(wcx_session_closed_t, cancel_orders)] > 2)
      return "CancelOrders is 0, 1 or 2";
    return input->body[offsetof(wcx_session_closed_t, transport)] > 2 ? "Transport is 1 or 2" : NULL;
  case WCX_TEMPLATE_SESSION_REFUSED:
    return input->body[offsetof(wcx_session_refused_t, key_slot)] > 1 ? "KeySlot is 0 or 1" : NULL;
  case WCX_TEMPLATE_TICK:
    return NULL;
  default:
    return is_request(input->hdr.template_id) ? NULL : wcx_engine_definition_error(play->engine, &input->hdr, input->body);
  }
}

/* Complete the input and its record header. Returns NULL or what is wrong. */
static const char *complete(play_t *play, input_t *input, uint16_t body_sz)
{
  uint16_t template_id = input->msg->template_id;
  fill_defaults(input);
  const char *error = not_taken(input);
  if (error != NULL)
    return error;
  uint16_t tag = wcx_sbe_bad_field(input->msg, input->body);
  for (uint32_t i = 0; tag != 0 && i < input->msg->field_cnt; i++)
    if (input->msg->fields[i].tag == tag)
    {
      static char text[96];
      snprintf(text, sizeof(text), "%s is %s", input->msg->fields[i].name, input->present[i] ? "outside the schema" : "missing");
      return text;
    }
  wcx_session_view_t session = {0};
  if (of_session(template_id))
  {
    error = need_session(play, input->extra.has_session_id ? input->extra.session_id : 1, &session);
    if (error != NULL)
      return error;
  }
  if (is_request(template_id))
    fill_omitted(input, template_id == WCX_TEMPLATE_MASS_QUOTE ? "QuoteID" : "ClOrdID", session.last_cl_ord_id + 1);
  if (wcx_engine_last_stamp_ns(play->engine) == UINT64_MAX)
    return "time has come to its end";
  uint64_t stamp = stamp_of(play, input);
  input->hdr = (wcx_record_hdr_t){.format = WCX_RECORD_FORMAT,
                                  .template_id = template_id,
                                  .shard = PLAY_SHARD,
                                  .session_id = session.session_id,
                                  .seq = wcx_engine_applied_seq(play->engine) + 1,
                                  .stamp_ns = stamp,
                                  .receive_ns = is_request(template_id) ? stamp : 0,
                                  .client_seq = is_request(template_id) ? session.next_client_seq : 0,
                                  .account = account_of(input),
                                  .body_sz = body_sz};
  return refused_by_engine(play, input);
}

static void play_line(play_t *play, const char *line, size_t len)
{
  static input_t input;
  char err[256];
  uint16_t body_sz;
  const char *error = wcx_json_parse(line, len, &input.msg, input.body, &body_sz, input.present, &input.extra, err, sizeof(err));
  if (error == NULL && input.extra.book)
  {
    print_book(play, input.extra.book_security_id);
    return;
  }
  if (error == NULL && input.extra.balances)
  {
    print_balances(play, input.extra.balances_account);
    return;
  }
  if (error == NULL && input.extra.snapshot)
  {
    go_through_snapshot(play);
    return;
  }
  if (error == NULL)
    error = complete(play, &input, body_sz);
  if (error != NULL)
    print_error(play, error);
  else
    apply(play, &input, false);
}

static bool blank(const char *line, size_t len)
{
  for (size_t i = 0; i < len; i++)
    if (strchr(" \t\r\n", line[i]) == NULL || line[i] == 0)
      return false;
  return true;
}

static void play_file(play_t *play, FILE *file)
{
  struct stat st;
  bool answer_at_once = fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode);
  char *line = NULL;
  size_t cap = 0;
  ssize_t len;
  while ((len = getline(&line, &cap, file)) >= 0)
  {
    play->line++;
    if (!blank(line, (size_t)len))
      play_line(play, line, (size_t)len);
    if (answer_at_once)
      fflush(stdout);
  }
  if (ferror(file))
    WCX_DIE("cannot read the input: %s", strerror(errno));
  free(line);
}

/* --- command line --------------------------------------------------------------------------------------------------------------------- */

typedef struct options
{
  play_t *play;
  const char *path;
} options_t;

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
  options_t *options = state->input;
  switch (key)
  {
  case 'm':
    options->play->show_feed = true;
    return 0;
  case 'd':
    options->play->show_digest = true;
    return 0;
  case 'v':
    options->play->verify = true;
    return 0;
  case ARGP_KEY_ARG:
    if (state->arg_num > 0)
      argp_error(state, "one FILE at most");
    options->path = arg;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

int main(int argc, char **argv)
{
  static const struct argp_option rows[] = {{"md", 'm', NULL, 0, "print the market-data messages too", 0},
                                            {"digest", 'd', NULL, 0, "end with a Digest line: seq, output digest, state digest", 0},
                                            {"verify", 'v', NULL, 0, "check every invariant of the state after every input (slow)", 0},
                                            {0}};
  static const struct argp argp = {.options = rows,
                                   .parser = parse_option,
                                   .args_doc = "[FILE]",
                                   .doc = "Apply the inputs in FILE (or standard input), one JSON message a line, to a fresh matching engine and print its messages.\v"
                                          "A bad line prints {\"Error\":{\"Line\":n,\"Text\":\"...\"}} and changes nothing; the exit status is then 1."};
  play_t play = {0};
  options_t options = {.play = &play};
  argp_err_exit_status = 2;
  argp_parse(&argp, argc, argv, 0, NULL, &options);

  FILE *file = stdin;
  if (options.path != NULL && strcmp(options.path, "-") != 0)
    file = fopen(options.path, "re");
  if (file == NULL)
    WCX_DIE("cannot open %s: %s", options.path, strerror(errno));
  play.sizes = limits;
  size_t sz = wcx_engine_footprint(&play.sizes);
  play.engine = wcx_engine_new(map_memory(sz), sz, &play.sizes);
  wcx_outlog_init(&play.log, map_memory(1u << 20), 1u << 20);
  define_defaults(&play);
  play_file(&play, file);
  if (play.show_digest)
    print_digest(&play);
  if (fflush(stdout) != 0)
    WCX_DIE("cannot write the output: %s", strerror(errno));
  return play.any_error ? 1 : 0;
}
