/* The store of wcx-sink-redis: a Redis that stands alone (of a cluster, one master). Keys of shard 1, all with one hash tag:

       {wcx:1}:mark              journal_id, epoch, seq, stamp_ns; from_seq: what lies before is not in the stream
       {wcx:1}:top:<SecurityID>  bid_px, bid_qty, bid_cnt, ask_px, ask_qty, ask_cnt of the best levels; empty where there is none; seq
       {wcx:1}:last:<SecurityID> px, qty, aggressor_side, trd_match_id, stamp_ns, seq of the last trade in the stream
       {wcx:1}:trades            a stream, an entry a trade: id <seq>-<ord>, the newest TRADES_KEPT or a few more

   A batch is one script, so data and mark move together. A script that is cut short by an error leaves what it has done: entries of the same id are the same trade,
   everything else is written whole again. */
#include "persist/secret_file.h"
#include "persist/store.h"

#include "engine/base/check.h"
#include "engine/shm/region.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TRADES_KEPT "100000"
#define TOP_ARGS 7u
#define ARG_SZ 24u /* a number, or seq-ord */
#define CONNECT_S 5
#define ANSWER_S 10

const char wcx_store_process[] = "wcx-sink-redis";
const uint32_t wcx_store_kind = WCX_SINK_REDIS;
const bool wcx_store_rebuilds = true;

/* KEYS: the mark. ARGV: prefix of the other keys, journal_id, seq before, seq after, epoch, stamp_ns, entries kept, tops; 7 a top, 7 a trade. */
static const char commit_script[] = "local mark = redis.call('HMGET', KEYS[1], 'journal_id', 'seq', 'epoch')\n"
                                    "if mark[1] ~= ARGV[2] or mark[2] ~= ARGV[3] or tonumber(mark[3]) > tonumber(ARGV[5]) then return 0 end\n"
                                    "local at, last = 9, {}\n"
                                    "for i = 1, tonumber(ARGV[8]) do\n"
                                    "  redis.call('HSET', ARGV[1] .. 'top:' .. ARGV[at], 'bid_px', ARGV[at + 1], 'bid_qty', ARGV[at + 2], 'bid_cnt', ARGV[at + 3],\n"
                                    "    'ask_px', ARGV[at + 4], 'ask_qty', ARGV[at + 5], 'ask_cnt', ARGV[at + 6], 'seq', ARGV[4])\n"
                                    "  at = at + 7\n"
                                    "end\n"
                                    "while at < #ARGV do\n"
                                    "  local added = redis.pcall('XADD', ARGV[1] .. 'trades', 'MAXLEN', '~', ARGV[7], ARGV[at], 'security_id', ARGV[at + 1], 'px', ARGV[at + 2],\n"
                                    "    'qty', ARGV[at + 3], 'aggressor_side', ARGV[at + 4], 'trd_match_id', ARGV[at + 5], 'stamp_ns', ARGV[at + 6])\n"
                                    "  if type(added) == 'table' and added.err and not string.find(added.err, 'equal or smaller', 1, true) then return added end\n"
                                    "  last[ARGV[at + 1]] = at\n"
                                    "  at = at + 7\n"
                                    "end\n"
                                    "for security, i in pairs(last) do\n"
                                    "  redis.call('HSET', ARGV[1] .. 'last:' .. security, 'px', ARGV[i + 2], 'qty', ARGV[i + 3], 'aggressor_side', ARGV[i + 4],\n"
                                    "    'trd_match_id', ARGV[i + 5], 'stamp_ns', ARGV[i + 6], 'seq', string.match(ARGV[i], '^%d+'))\n"
                                    "end\n"
                                    "redis.call('HSET', KEYS[1], 'seq', ARGV[4], 'epoch', ARGV[5], 'stamp_ns', ARGV[6])\n"
                                    "return 1\n";

/* Begun anew, when the mark is still the one that was seen. ARGV: prefix, journal_id and seq seen ('' and '': none), journal_id, seq, epoch, SecurityIDs. */
static const char begin_script[] = "local mark = redis.call('HMGET', KEYS[1], 'journal_id', 'seq')\n"
                                   "if (mark[1] or '') ~= ARGV[2] or (mark[2] or '') ~= ARGV[3] then return 0 end\n"
                                   "redis.call('DEL', KEYS[1], ARGV[1] .. 'trades')\n"
                                   "for i = 7, #ARGV do redis.call('DEL', ARGV[1] .. 'top:' .. ARGV[i], ARGV[1] .. 'last:' .. ARGV[i]) end\n"
                                   "redis.call('HSET', KEYS[1], 'journal_id', ARGV[4], 'seq', ARGV[5], 'from_seq', ARGV[5], 'epoch', ARGV[6], 'stamp_ns', '0')\n"
                                   "return 1\n";

typedef struct top
{
  int64_t px[2], qty[2]; /* bid, ask */
  uint32_t cnt[2];       /* 0: no level */
} top_t;

typedef struct args
{
  char (*texts)[ARG_SZ];
  size_t cnt, cap;
} args_t;

struct wcx_store
{
  const char *file;
  char prefix[24], mark_key[32];
  redisContext *conn;
  char commit_sha[48], begin_sha[48];
  char seen_id[40], seen_seq[24]; /* of the mark when it was read; "": there was none */
  top_t *tops;                    /* as sent, by index of the instrument */
  uint32_t top_cnt, top_cap;
  args_t trades;
  uint64_t last_stamp_ns;
  uint64_t rows;
  char text[WCX_STORE_TEXT_SZ];
};

/* --- commands ----------------------------------------------------------------------------------------------- */

static __attribute__((format(printf, 2, 3))) int fail(wcx_store_t *store, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(store->text, sizeof(store->text), fmt, args);
  va_end(args);
  wcx_store_drop(store);
  return WCX_STORE_FAILED;
}

/* The answer, which the caller frees; NULL when the connection or the command has failed: then it is dropped. `what` is all that is said of it. */
static redisReply *command(wcx_store_t *store, const char *what, int argc, const char **argv)
{
  redisReply *reply = redisCommandArgv(store->conn, argc, argv, NULL);
  if (reply == NULL)
    (void)fail(store, "%s: %s", what, store->conn->errstr);
  else if (reply->type == REDIS_REPLY_ERROR)
  {
    (void)fail(store, "%s: %.300s", what, reply->str);
    freeReplyObject(reply);
    reply = NULL;
  }
  return reply;
}

static bool done(wcx_store_t *store, const char *what, int argc, const char **argv)
{
  redisReply *reply = command(store, what, argc, argv);
  if (reply != NULL)
    freeReplyObject(reply);
  return reply != NULL;
}

static char *arg(args_t *args)
{
  if (args->cnt == args->cap)
  {
    args->cap = args->cap == 0 ? 1024 : args->cap * 2;
    args->texts = realloc(args->texts, args->cap * sizeof(args->texts[0]));
    WCX_CHECK(args->texts != NULL, "no memory for %zu arguments", args->cap);
  }
  return args->texts[args->cnt++];
}

static void arg_i64(args_t *args, int64_t value)
{
  snprintf(arg(args), ARG_SZ, "%" PRId64, value);
}

static void arg_u64(args_t *args, uint64_t value)
{
  snprintf(arg(args), ARG_SZ, "%" PRIu64, value);
}

static void print_id(char text[40], const uint8_t id[16])
{
  for (int i = 0; i < 16; i++)
    snprintf(text + (size_t)i * 2, 3, "%02x", id[i]);
}

/* --- connection ------------------------------------------------------------------------------------------------ */

wcx_store_t *wcx_store_new(const char *file, uint32_t shard)
{
  wcx_store_t *store = calloc(1, sizeof(*store));
  if (store == NULL)
    return NULL;
  store->file = file;
  snprintf(store->prefix, sizeof(store->prefix), "{wcx:%u}:", shard);
  snprintf(store->mark_key, sizeof(store->mark_key), "%smark", store->prefix);
  return store;
}

static void clear(wcx_store_t *store)
{
  store->trades.cnt = 0;
  store->rows = 0;
}

void wcx_store_drop(wcx_store_t *store)
{
  clear(store);
  store->top_cnt = 0; /* what it has is not known: the next batch sends all */
  if (store->conn != NULL)
    redisFree(store->conn);
  store->conn = NULL;
}

void wcx_store_free(wcx_store_t *store)
{
  wcx_store_drop(store);
  free(store->trades.texts);
  free(store->tops);
  free(store);
}

const char *wcx_store_text(const wcx_store_t *store)
{
  return store->text;
}

uint64_t wcx_store_rows(const wcx_store_t *store)
{
  return store->rows;
}

/* "socket=PATH" or "host=NAME port=N", and "user=NAME password=TEXT"; blanks or newlines between them. */
typedef struct where
{
  const char *socket, *host, *user, *password;
  int port;
} where_t;

static bool parse_where(char *text, where_t *where)
{
  char *save = NULL;
  *where = (where_t){.port = 6379};
  for (char *word = strtok_r(text, " \n", &save); word != NULL; word = strtok_r(NULL, " \n", &save))
  {
    char *value = strchr(word, '=');
    if (value == NULL)
      return false;
    *value++ = '\0';
    if (strcmp(word, "socket") == 0)
      where->socket = value;
    else if (strcmp(word, "host") == 0)
      where->host = value;
    else if (strcmp(word, "port") == 0)
      where->port = atoi(value);
    else if (strcmp(word, "user") == 0)
      where->user = value;
    else if (strcmp(word, "password") == 0)
      where->password = value;
    else
      return false;
  }
  return (where->socket != NULL) != (where->host != NULL) && where->port > 0 && where->port < 65536;
}

static bool load_script(wcx_store_t *store, const char *script, char sha[48])
{
  redisReply *reply = command(store, "SCRIPT LOAD", 3, (const char *[]){"SCRIPT", "LOAD", script});
  if (reply == NULL)
    return false;
  snprintf(sha, 48, "%.40s", reply->type == REDIS_REPLY_STRING ? reply->str : "");
  freeReplyObject(reply);
  return true;
}

static bool log_in(wcx_store_t *store, const where_t *where)
{
  if (where->password == NULL)
    return true;
  if (where->user == NULL)
    return done(store, "AUTH", 2, (const char *[]){"AUTH", where->password});
  return done(store, "AUTH", 3, (const char *[]){"AUTH", where->user, where->password});
}

static int connect_to(wcx_store_t *store, const where_t *where)
{
  struct timeval timeout = {.tv_sec = CONNECT_S};
  store->conn = where->socket != NULL ? redisConnectUnixWithTimeout(where->socket, timeout) : redisConnectWithTimeout(where->host, where->port, timeout);
  if (store->conn == NULL)
    return fail(store, "no memory");
  if (store->conn->err != 0)
    return fail(store, "%.200s: %.200s", where->socket != NULL ? where->socket : where->host, store->conn->errstr);
  timeout.tv_sec = ANSWER_S;
  (void)redisSetTimeout(store->conn, timeout);
  if (where->host != NULL)
    (void)redisEnableKeepAlive(store->conn);
  return log_in(store, where) && load_script(store, commit_script, store->commit_sha) && load_script(store, begin_script, store->begin_sha) ? WCX_STORE_DONE : WCX_STORE_FAILED;
}

static int connect_now(wcx_store_t *store)
{
  if (store->conn != NULL && store->conn->err == 0)
    return WCX_STORE_DONE;
  wcx_store_drop(store);
  char text[WCX_SECRET_FILE_SZ];
  where_t where;
  int result = wcx_secret_file_read(store->file, text);
  if (result != 0)
    return fail(store, "%.200s: %s", store->file, wcx_secret_file_why(result));
  result = parse_where(text, &where) ? connect_to(store, &where)
                                     : fail(store, "%.200s: it says socket=PATH, or host=NAME and port=N; and password=TEXT, user=NAME where they are needed", store->file);
  explicit_bzero(text, sizeof(text));
  return result;
}

/* --- mark ------------------------------------------------------------------------------------------------------- */

static bool parse_id(const char *text, uint8_t id[16])
{
  if (strlen(text) != 32)
    return false;
  for (int i = 0; i < 16; i++)
  {
    unsigned byte;
    if (sscanf(text + (size_t)i * 2, "%2x", &byte) != 1)
      return false;
    id[i] = (uint8_t)byte;
  }
  return true;
}

static bool is_text(const redisReply *reply)
{
  return reply->type == REDIS_REPLY_STRING;
}

int wcx_store_mark(wcx_store_t *store, wcx_store_mark_t *mark)
{
  if (connect_now(store) != WCX_STORE_DONE)
    return WCX_STORE_FAILED;
  store->top_cnt = 0;
  redisReply *reply = command(store, "HMGET", 5, (const char *[]){"HMGET", store->mark_key, "journal_id", "seq", "epoch"});
  if (reply == NULL)
    return WCX_STORE_FAILED;
  WCX_CHECK(reply->type == REDIS_REPLY_ARRAY && reply->elements == 3, "HMGET answers with one value a field");
  bool any = is_text(reply->element[0]) && is_text(reply->element[1]);
  snprintf(store->seen_id, sizeof(store->seen_id), "%.39s", any ? reply->element[0]->str : "");
  snprintf(store->seen_seq, sizeof(store->seen_seq), "%.23s", any ? reply->element[1]->str : "");
  bool good = any && is_text(reply->element[2]) && parse_id(store->seen_id, mark->journal_id);
  if (good)
  {
    mark->seq = strtoull(store->seen_seq, NULL, 10);
    mark->epoch = strtoull(reply->element[2]->str, NULL, 10);
  }
  freeReplyObject(reply);
  return good ? WCX_STORE_DONE : WCX_STORE_STALE;
}

/* 1 or 0 of a script, FAILED. */
static int eval(wcx_store_t *store, const char *sha, const char *const *heads, size_t head_cnt, const args_t *tops, const args_t *trades)
{
  size_t argc = 4 + head_cnt + tops->cnt + trades->cnt;
  const char **argv = malloc(argc * sizeof(argv[0]));
  WCX_CHECK(argv != NULL, "no memory for %zu arguments", argc);
  size_t at = 0;
  argv[at++] = "EVALSHA";
  argv[at++] = sha;
  argv[at++] = "1";
  argv[at++] = store->mark_key;
  for (size_t i = 0; i < head_cnt; i++)
    argv[at++] = heads[i];
  for (size_t i = 0; i < tops->cnt; i++)
    argv[at++] = tops->texts[i];
  for (size_t i = 0; i < trades->cnt; i++)
    argv[at++] = trades->texts[i];
  redisReply *reply = command(store, "EVALSHA", (int)argc, argv);
  free(argv);
  if (reply == NULL)
    return WCX_STORE_FAILED;
  int result = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1 ? WCX_STORE_DONE : WCX_STORE_STALE;
  freeReplyObject(reply);
  return result;
}

int wcx_store_begin(wcx_store_t *store, const wcx_store_mark_t *mark, const wcx_engine_t *engine)
{
  char id[40] = "", seq[24], epoch[24];
  print_id(id, mark->journal_id);
  snprintf(seq, sizeof(seq), "%" PRIu64, mark->seq);
  snprintf(epoch, sizeof(epoch), "%" PRIu64, mark->epoch);
  args_t ids = {0};
  args_t none = {0};
  wcx_security_definition_t definition;
  for (uint32_t idx = 0; wcx_engine_instrument_at(engine, idx, &definition); idx++)
    arg_u64(&ids, definition.security_id);
  const char *const heads[] = {store->prefix, store->seen_id, store->seen_seq, id, seq, epoch};
  int result = eval(store, store->begin_sha, heads, sizeof(heads) / sizeof(heads[0]), &ids, &none);
  free(ids.texts);
  return result == WCX_STORE_FAILED ? WCX_STORE_FAILED : WCX_STORE_DONE; /* another one was faster: its mark is read next */
}

/* --- batch --------------------------------------------------------------------------------------------------------- */

static void add_trade(wcx_store_t *store, const wcx_record_hdr_t *hdr, uint32_t ord, const wcx_order_executed_t *fill)
{
  args_t *args = &store->trades;
  snprintf(arg(args), ARG_SZ, "%" PRIu64 "-%u", hdr->seq, ord);
  arg_u64(args, fill->security_id);
  arg_i64(args, fill->last_px);
  arg_i64(args, fill->last_qty);
  arg_u64(args, fill->aggressor_side);
  arg_u64(args, fill->trd_match_id);
  arg_u64(args, hdr->stamp_ns);
  store->rows++;
}

/* Every fill once, as in persist/pg_rows.c: an uncross says one for each displayed side. */
void wcx_store_add(wcx_store_t *store, const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, const wcx_outlog_t *log)
{
  (void)engine;
  (void)body;
  store->last_stamp_ns = hdr->stamp_ns;
  uint32_t ord = 0;
  uint64_t last_match = 0;
  for (uint64_t pos = wcx_outlog_settle(log, 0, log->write_pos); pos < log->write_pos; pos = wcx_outlog_settle(log, pos, log->write_pos), ord++)
  {
    const wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    pos += entry->entry_sz;
    if (entry->stream != WCX_STREAM_FEED)
      continue;
    wcx_message_header_t header;
    memcpy(&header, entry + 1, sizeof(header));
    const uint8_t *block = (const uint8_t *)(entry + 1) + sizeof(header);
    wcx_order_executed_t fill = {0};
    if (header.template_id == WCX_TEMPLATE_ORDER_EXECUTED)
      memcpy(&fill, block, sizeof(fill));
    else if (header.template_id == WCX_TEMPLATE_TRADE)
    {
      wcx_trade_t trade;
      memcpy(&trade, block, sizeof(trade));
      fill = (wcx_order_executed_t){
          .last_qty = trade.last_qty, .trd_match_id = trade.trd_match_id, .last_px = trade.last_px, .security_id = trade.security_id, .aggressor_side = trade.aggressor_side};
    }
    if (fill.trd_match_id != 0 && fill.trd_match_id != last_match)
      add_trade(store, hdr, ord, &fill);
    last_match = fill.trd_match_id != 0 ? fill.trd_match_id : last_match;
  }
}

typedef struct best
{
  top_t *top;
  uint32_t side;
} best_t;

static bool visit_best(void *ctx, int64_t price, int64_t displayed_qty, uint32_t order_cnt)
{
  best_t *best = ctx;
  best->top->px[best->side] = price;
  best->top->qty[best->side] = displayed_qty;
  best->top->cnt[best->side] = order_cnt;
  return order_cnt == 0; /* a level of hidden orders alone is passed over */
}

static void add_top(args_t *args, uint32_t security_id, const top_t *top)
{
  arg_u64(args, security_id);
  for (uint32_t side = 0; side < 2; side++)
  {
    if (top->cnt[side] == 0)
    {
      arg(args)[0] = '\0';
      arg(args)[0] = '\0';
    }
    else
    {
      arg_i64(args, top->px[side]);
      arg_i64(args, top->qty[side]);
    }
    arg_u64(args, top->cnt[side]);
  }
}

/* Those that differ from what was sent last. */
static void add_tops(wcx_store_t *store, const wcx_engine_t *engine, args_t *args)
{
  wcx_security_definition_t definition;
  for (uint32_t idx = 0; wcx_engine_instrument_at(engine, idx, &definition); idx++)
  {
    if (idx >= store->top_cap)
    {
      store->top_cap = store->top_cap == 0 ? 64 : store->top_cap * 2;
      store->tops = realloc(store->tops, store->top_cap * sizeof(store->tops[0]));
      WCX_CHECK(store->tops != NULL, "no memory for %u instruments", store->top_cap);
    }
    top_t top = {.cnt = {0}};
    for (uint32_t side = 0; side < 2; side++)
    {
      best_t best = {.top = &top, .side = side};
      (void)wcx_engine_book(engine, definition.security_id, side == 0 ? WCX_SIDE_BUY : WCX_SIDE_SELL, visit_best, &best);
    }
    bool known = idx < store->top_cnt;
    if (!known || memcmp(&store->tops[idx], &top, sizeof(top)) != 0)
      add_top(args, definition.security_id, &top);
    store->tops[idx] = top;
    store->top_cnt = known ? store->top_cnt : idx + 1;
  }
}

int wcx_store_commit(wcx_store_t *store, wcx_store_mark_t *mark, const wcx_store_mark_t *to, const wcx_engine_t *engine)
{
  char id[40] = "", from[24], seq[24], epoch[24], stamp[24], cnt[24];
  args_t tops = {0};
  add_tops(store, engine, &tops);
  print_id(id, mark->journal_id);
  snprintf(from, sizeof(from), "%" PRIu64, mark->seq);
  snprintf(seq, sizeof(seq), "%" PRIu64, to->seq);
  snprintf(epoch, sizeof(epoch), "%" PRIu64, to->epoch);
  snprintf(stamp, sizeof(stamp), "%" PRIu64, store->last_stamp_ns);
  snprintf(cnt, sizeof(cnt), "%zu", tops.cnt / TOP_ARGS);
  const char *const heads[] = {store->prefix, id, from, seq, epoch, stamp, TRADES_KEPT, cnt};
  int result = eval(store, store->commit_sha, heads, sizeof(heads) / sizeof(heads[0]), &tops, &store->trades);
  free(tops.texts);
  clear(store);
  if (result == WCX_STORE_DONE)
    *mark = *to;
  return result;
}

/* What it loses is begun anew. */
int wcx_store_settled(wcx_store_t *store, const wcx_store_mark_t *mark, uint64_t *seq)
{
  (void)store;
  *seq = mark->seq;
  return WCX_STORE_DONE;
}
