/* A data plane without a network: attaches to the region of a running wcx-controld, takes an epoch, and commits inputs that the engine understands.

       journal_load REGION RECORDS [RECORDS_PER_SECOND [KEEP_SEGMENT]]

   Prints {"Cut":seq,"Committed":seq,"Released":seq} when everything is released; 3 when the release stands still for 20 s. An empty journal gets a genesis of its own.
   KEEP_SEGMENT: says in the place of the replica that no snapshot needs the segments below. */
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/sbe.h"
#include "engine/shm/region_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GENESIS_CNT 4u
#define SESSION 1u
#define STALL_NS UINT64_C(20000000000)

static wcx_region_shard_t *shared;
static wcx_jring_producer_t producer;
static uint32_t shard;

static void pause_ns(long ns)
{
  struct timespec pause = {.tv_nsec = ns};
  nanosleep(&pause, NULL);
}

static uint64_t release_seq(void)
{
  return wcx_release_seq(atomic_load(&shared->release.release_word));
}

static void wait_for(const char *what, bool (*there)(uint64_t), uint64_t wanted)
{
  uint64_t from_ns = wcx_env_mono_ns();
  uint64_t seen = release_seq();
  while (!there(wanted))
  {
    pause_ns(100000);
    if (release_seq() != seen)
      from_ns = wcx_env_mono_ns();
    seen = release_seq();
    if (wcx_env_mono_ns() - from_ns > STALL_NS)
    {
      fprintf(stderr, "journal_load: waited in vain for %s: released %" PRIu64 ", committed %" PRIu64 "\n", what, seen, producer.next_seq - 1);
      exit(3);
    }
  }
}

static bool answered(uint64_t asked)
{
  return atomic_load(&shared->handshake.answered) == asked;
}

static bool room(uint64_t slots)
{
  return wcx_jring_room(&producer, release_seq()) >= slots;
}

static bool released(uint64_t seq)
{
  return release_seq() >= seq;
}

static void commit(uint16_t template_id, uint16_t flags, uint32_t session_id, uint64_t client_seq, const void *body, uint16_t body_sz)
{
  wait_for("room in the ring", room, WCX_JRING_RECORD_SLOTS_MAX);
  static uint64_t stamp_ns;
  uint64_t utc_ns = wcx_env_utc_ns();
  stamp_ns = utc_ns > stamp_ns ? utc_ns : stamp_ns + 1;
  wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT,
                          .template_id = template_id,
                          .flags = flags,
                          .shard = (uint16_t)shard,
                          .session_id = session_id,
                          .seq = producer.next_seq,
                          .stamp_ns = stamp_ns,
                          .receive_ns = client_seq != 0 ? stamp_ns - 1 : 0,
                          .client_seq = client_seq,
                          .body_sz = body_sz};
  wcx_jring_commit(&producer, &hdr, body);
}

static void genesis(void)
{
  wcx_capacity_t capacity = {.max_orders = 65536, .max_levels = 4096, .max_instruments = 8, .max_accounts = 8, .max_sessions = 8};
  commit(WCX_TEMPLATE_CAPACITY, WCX_RECORD_F_GENESIS, 0, 0, &capacity, sizeof(capacity));
  wcx_account_definition_t account = {.account = 1, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
  commit(WCX_TEMPLATE_ACCOUNT_DEFINITION, WCX_RECORD_F_GENESIS, 0, 0, &account, sizeof(account));
  wcx_session_definition_t session = {.session_id = SESSION, .account = 1};
  commit(WCX_TEMPLATE_SESSION_DEFINITION, WCX_RECORD_F_GENESIS, SESSION, 0, &session, sizeof(session));
  wcx_security_definition_t instrument = {.security_id = 1,
                                          .security_trading_status = WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE,
                                          .symbol = "BTC-USDT",
                                          .base_asset = "BTC",
                                          .quote_asset = "USDT",
                                          .min_price_increment = 1,
                                          .round_lot = 1,
                                          .low_limit_price = WCX_I64_NULL,
                                          .high_limit_price = WCX_I64_NULL,
                                          .market_segment_id = (uint16_t)shard};
  commit(WCX_TEMPLATE_SECURITY_DEFINITION, WCX_RECORD_F_GENESIS, 0, 0, &instrument, sizeof(instrument));
}

static void order(void)
{
  uint64_t n = producer.next_seq - GENESIS_CNT;
  uint64_t dice = n * UINT64_C(0x9E3779B97F4A7C15) >> 40;
  wcx_new_order_single_t order = {.cl_ord_id = n,
                                  .price = 1000 + (int64_t)(dice % 64),
                                  .order_qty = 1 + (int64_t)(dice % 7),
                                  .display_qty = WCX_I64_NULL,
                                  .min_qty = WCX_I64_NULL,
                                  .stop_px = WCX_I64_NULL,
                                  .expire_time = WCX_U64_NULL,
                                  .security_id = 1,
                                  .account = 1,
                                  .side = dice & 64 ? WCX_SIDE_BUY : WCX_SIDE_SELL,
                                  .ord_type = WCX_ORD_TYPE_LIMIT,
                                  .time_in_force = dice & 1 ? WCX_TIME_IN_FORCE_IOC : WCX_TIME_IN_FORCE_GTC};
  commit(WCX_TEMPLATE_NEW_ORDER_SINGLE, 0, SESSION, n, &order, sizeof(order));
}

static uint64_t take_epoch(uint32_t slot_max)
{
  uint64_t asked = atomic_fetch_add(&shared->handshake.asked, 1) + 1;
  wcx_doorbell_ring(&shared->jring.bell);
  wait_for("an epoch", answered, asked);
  uint64_t cut_seq = atomic_load(&shared->handshake.cut_seq);
  uint64_t *end_pos = calloc(slot_max, sizeof(*end_pos));
  WCX_CHECK(end_pos != NULL, "memory");
  wcx_jring_producer_init(&producer, &shared->jring, end_pos, cut_seq);
  return cut_seq;
}

int main(int argc, char **argv)
{
  if (argc < 3 || argc > 5)
    WCX_DIE("usage: journal_load REGION RECORDS [RECORDS_PER_SECOND [KEEP_SEGMENT]]");
  uint64_t records = strtoull(argv[2], NULL, 10);
  uint64_t rate = argc >= 4 ? strtoull(argv[3], NULL, 10) : 0;
  wcx_region_file_t file;
  char err[512];
  if (wcx_region_open(&file, argv[1], true, err, sizeof(err)) != WCX_REGION_OK)
    WCX_DIE("%s", err);
  if (!wcx_region_lock(&file, WCX_REGION_LOCK_DATAPLANE))
    WCX_DIE("a data plane runs on %s", argv[1]);
  shared = wcx_region_shard(file.region, 0);
  shard = file.region->params.shards[0].shard;
  if (argc == 5)
    atomic_store(&shared->replica.keep_segment, strtoull(argv[4], NULL, 10));
  uint64_t cut_seq = take_epoch(file.region->params.shards[0].jring_slot_max);
  if (cut_seq < GENESIS_CNT)
    genesis();
  uint64_t from_ns = wcx_env_mono_ns();
  for (uint64_t i = 0; i < records; i++)
  {
    order();
    if (i % 32 == 31)
      wcx_doorbell_ring(&shared->jring.bell);
    while (rate != 0 && (wcx_env_mono_ns() - from_ns) * rate / 1000000000u < i)
    {
      wcx_doorbell_ring(&shared->jring.bell);
      pause_ns(100000);
    }
  }
  wcx_doorbell_ring(&shared->jring.bell);
  wait_for("the release", released, producer.next_seq - 1);
  printf("{\"Cut\":%" PRIu64 ",\"Committed\":%" PRIu64 ",\"Released\":%" PRIu64 "}\n", cut_seq, producer.next_seq - 1, release_seq());
  wcx_region_close(&file);
  return 0;
}
