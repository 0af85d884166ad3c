#include "tests/sim/judge.h"

#include "engine/base/crc32c.h"
#include "engine/shm/journal_walk.h"
#include "tests/diff/compare.h"

#include <stdlib.h>

#define ORDERS_MAX 256u

typedef struct judge
{
  wcx_world_t *world;
  pair_t pair; /* the replaying engine and the reference */
  ref_out_list_t said;
  bool differs; /* what the two say: after the first difference nothing more can be compared */
  bool genesis_over;
  uint64_t feed_next;
} judge_t;

static void begin(judge_t *judge, wcx_world_t *world)
{
  wcx_engine_limits_t limits = wcx_world_limits(world);
  *judge = (judge_t){.world = world, .pair = {.limits = limits, .log_mem = world->replay_log}};
  judge->pair.engine = wcx_engine_new(world->replay_mem, world->replay_sz, &limits);
  judge->pair.ref = ref_new(&limits);
}

static void end(judge_t *judge)
{
  ref_free(judge->pair.ref);
  ref_out_free(&judge->said);
  free(judge->pair.ids.engine_of);
  free(judge->pair.ids.taken);
}

/* The book as a snapshot would show it at this message of the feed, if one did. */
static void judge_book(judge_t *judge)
{
  uint64_t next = wcx_engine_feed_next_number(judge->pair.engine);
  if (next == judge->feed_next)
    return;
  judge->feed_next = next;
  wcx_oracle_t *oracle = &judge->world->oracle;
  if (!wcx_oracle_knows(oracle, WCX_STREAM_SNAPSHOT, judge->pair.limits.shard, next - 1))
    return;
  wcx_snapshot_start_t start;
  static wcx_snapshot_order_t orders[ORDERS_MAX];
  if (!wcx_engine_snapshot_at(judge->pair.engine, 0, &start, orders, ORDERS_MAX))
    return;
  uint32_t crc = wcx_crc32c(0, orders, start.tot_num_orders * sizeof(orders[0]));
  wcx_oracle_replayed(oracle, WCX_STREAM_SNAPSHOT, judge->pair.limits.shard, next - 1, &crc, sizeof(crc));
}

/* A request that was said to be not applied is not in the journal. */
static void judge_promise(judge_t *judge, const wcx_record_hdr_t *hdr, const uint8_t *body)
{
  if (hdr->template_id < WCX_TEMPLATE_NEW_ORDER_SINGLE || hdr->template_id > WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST)
    return;
  uint64_t id;
  memcpy(&id, body, sizeof(id));
  const uint64_t *not_applied = judge->world->not_applied[hdr->session_id - 1];
  judge->world->oracle.divergences += id > 0 && id < WCX_WORLD_REQUESTS_MAX && (not_applied[id / 64] >> id % 64 & 1) != 0;
}

static void judge_record(judge_t *judge, const wcx_record_hdr_t *hdr, const uint8_t *body)
{
  pair_t *pair = &judge->pair;
  wcx_oracle_t *oracle = &judge->world->oracle;
  wcx_oracle_journaled(oracle, hdr, body);
  judge_promise(judge, hdr, body);
  bool genesis = (hdr->flags & WCX_RECORD_F_GENESIS) != 0;
  oracle->divergences += genesis && judge->genesis_over; /* the journal wins once it has one */
  judge->genesis_over = judge->genesis_over || !genesis;
  judge->said.cnt = judge->said.sz = 0;
  if (!judge->differs)
    ref_apply(pair->ref, hdr, body, &judge->said);
  if (!pair_apply(pair, hdr, body, &judge->said) && !judge->differs)
  {
    judge->differs = true;
    oracle->divergences++;
    if (judge->world->trace)
      printf("seq %llu: engine and reference differ: %s\n", (unsigned long long)hdr->seq, pair->why);
  }
  for (uint64_t at = wcx_outlog_settle(&pair->log, 0, pair->log.write_pos); at < pair->log.write_pos; at = wcx_outlog_settle(&pair->log, at, pair->log.write_pos))
  {
    wcx_out_entry_t *entry = wcx_outlog_at(&pair->log, at);
    if (entry->number != 0)
      wcx_oracle_replayed(oracle, entry->stream, entry->stream_id, entry->number, wcx_out_message(entry), entry->len);
    at += entry->entry_sz;
  }
  judge_book(judge);
}

static bool digests_equal(const wcx_engine_t *live, const wcx_engine_t *again)
{
  wcx_digest_t live_output = wcx_engine_output_digest(live);
  wcx_digest_t again_output = wcx_engine_output_digest(again);
  wcx_digest_t live_state = wcx_engine_state_digest(live);
  wcx_digest_t again_state = wcx_engine_state_digest_full(again);
  bool equal = live_output.lo == again_output.lo && live_output.hi == again_output.hi && live_state.lo == again_state.lo && live_state.hi == again_state.hi;
  return equal && wcx_engine_applied_seq(live) == wcx_engine_applied_seq(again);
}

void wcx_judge(wcx_world_t *world)
{
  judge_t judge;
  wcx_oracle_t *oracle = &world->oracle;
  begin(&judge, world);
  char err[512];
  wcx_journal_walk_t walk;
  WCX_CHECK(wcx_journal_walk_open(&walk, world->dir, err, sizeof(err)) == WCX_JOURNAL_OPEN_OK, "%s", err);
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  int more;
  while ((more = wcx_journal_walk_next(&walk, &epoch, &hdr, &body)) > 0)
    judge_record(&judge, &hdr, body);
  WCX_CHECK(more == 0, "%s", walk.text);
  wcx_journal_walk_close(&walk);
  wcx_oracle_finish(oracle);
  oracle->divergences += !digests_equal(wcx_loop_engine(world->loop), judge.pair.engine);
  if (world->trace)
    printf("turn %llu judged: %llu inputs, %llu messages told, lost %llu phantom %llu duplicated %llu divergences %llu, digest %016llx\n", (unsigned long long)world->turn,
           (unsigned long long)wcx_engine_applied_seq(judge.pair.engine), (unsigned long long)oracle->told_cnt, (unsigned long long)oracle->lost,
           (unsigned long long)oracle->phantom, (unsigned long long)oracle->duplicated, (unsigned long long)oracle->divergences,
           (unsigned long long)wcx_engine_output_digest(judge.pair.engine).lo);
  end(&judge);
}
