/* A session's orders stand one behind the other in its list and anywhere in memory. They are taken in blocks, of which three are under way: of one the orders are
   gathered from the list, of one their ClOrdIDs and neighbours are looked up, of one they go. Each step of the loop does one order of each, so that lines are asked of
   memory evenly: a block at once waits for more of them than a processor can ask for (measured: a third slower). */
#include "engine/purge.h"

#include "engine/plain_book.h"
#include "engine/report.h"
#include "engine/say_row.h"

/* --- memory, asked ahead -------------------------------------------------------------------------------------------------------------------- */

#define BLOCK 16u

typedef struct block
{
  uint32_t slot[BLOCK]; /* 0: the list has ended */
  uint32_t home[BLOCK]; /* in the index, of its ClOrdID; of a quote: meaningless */
} block_t;

typedef struct pipe
{
  block_t *far;
  block_t *near;
  block_t *hand;
  uint32_t behind;  /* what is gathered next */
  uint32_t session; /* index */
  wcx_index_t index;
  block_t blocks[3];
} pipe_t;

/* These do little but prefetch: always inline, for gcc leaves out calls of pure functions. */
WCX_HOT void gather(const wcx_pool_t *pool, pipe_t *pipe, block_t *block, uint32_t i)
{
  const uint32_t slot = pipe->behind;
  block->slot[i] = slot;
  __builtin_prefetch(&pool->orders[slot], 1);
  if (slot != 0) /* nobody's links lead anywhere */
    pipe->behind = pool->links[slot].next;
}

WCX_HOT void look_up(const wcx_engine_t *engine, const pipe_t *pipe, block_t *block, uint32_t i)
{
  const wcx_order_t *orders = engine->pool.orders;
  const wcx_order_t *order = &orders[block->slot[i]];
  const uint32_t home = wcx_index_home(&pipe->index, pipe->session, order->cl_ord_id);
  block->home[i] = home;
  wcx_index_fetch(&pipe->index, home);
  if (order->level != WCX_LEVEL_UNSEEN)
    __builtin_prefetch(&engine->ladders.levels[order->level], 1);
  __builtin_prefetch(&orders[order->next], 1);
  __builtin_prefetch(&orders[order->prev], 1);
}

/* Who does not stand at home is in the second table. */
WCX_HOT void fetch_spilled(const wcx_index_t *index, const block_t *block)
{
  for (uint32_t i = 0; i < BLOCK; i++)
  {
    const uint32_t home = block->home[i];
    if (index->entries[home & index->mask] != wcx_index_entry(home, block->slot[i]))
      __builtin_prefetch(&index->spill[wcx_index_spill_home(index, home)], 1);
  }
}

WCX_HOT void start_pipe(const wcx_engine_t *engine, const wcx_session_t *session, pipe_t *pipe)
{
  pipe->hand = &pipe->blocks[0];
  pipe->near = &pipe->blocks[1];
  pipe->far = &pipe->blocks[2];
  pipe->behind = session->order_head;
  pipe->session = (uint32_t)(session - engine->sessions);
  pipe->index = engine->index;
  for (uint32_t i = 0; i < BLOCK; i++)
    gather(&engine->pool, pipe, pipe->hand, i);
  for (uint32_t i = 0; i < BLOCK; i++)
  {
    gather(&engine->pool, pipe, pipe->near, i);
    look_up(engine, pipe, pipe->hand, i);
  }
}

WCX_HOT void turn_pipe(pipe_t *pipe)
{
  block_t *done = pipe->hand;
  pipe->hand = pipe->near;
  pipe->near = pipe->far;
  pipe->far = done;
}

/* --- which orders --------------------------------------------------------------------------------------------------------------------------- */

/* The filter as bits of an order's word of the owner (plain_book.h). */
typedef struct sieve
{
  uint64_t mask;
  uint64_t wanted;
  uint16_t mmp_group; /* 0: with and without */
} sieve_t;

static sieve_t sieve_of(const wcx_purge_filter_t *filter)
{
  const bool account = filter->account != WCX_PURGE_ANY;
  const bool instrument = filter->instrument != WCX_PURGE_ANY;
  return (sieve_t){.mask = wcx_plain_owner_word(account ? UINT32_MAX : 0, instrument ? UINT16_MAX : 0, filter->side != 0 ? UINT8_MAX : 0, 0),
                   .wanted = wcx_plain_owner_word(account ? filter->account : 0, instrument ? (uint16_t)filter->instrument : 0, filter->side, 0),
                   .mmp_group = filter->mmp_group};
}

WCX_HOT bool goes(const wcx_engine_t *engine, const sieve_t *sieve, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  if ((wcx_digest_load64((const uint8_t *)order + offsetof(wcx_order_t, account)) & sieve->mask) != sieve->wanted)
    return false;
  if (__builtin_expect(sieve->mmp_group == 0, 1))
    return true;
  return (order->flags & WCX_ORDER_F_EXTRA) != 0 && engine->pool.extras[slot].mmp_group == sieve->mmp_group;
}

WCX_HOT bool is_plain(const wcx_order_t *order, const wcx_instrument_t *instrument)
{
  return (order->flags & ~WCX_ORDER_F_COD) == 0 && (instrument->flags & WCX_INSTRUMENT_F_PLAIN) != 0;
}

/* --- plain orders --------------------------------------------------------------------------------------------------------------------------- */

/* ER_Cancels of plain orders, one behind the other: the feed is told of all of them by one note. Handed over as a whole, never by address: so it is kept in registers. */
typedef struct run
{
  wcx_say_row_t row;
  wcx_say_head_t head; /* to the session */
  wcx_say_head_t copy; /* to another that asked */
  uint64_t exec_id;    /* last */
  uint64_t from;       /* position of the first */
  uint64_t cnt;        /* orders; 0: none begun */
} run_t;

static_assert(WCX_CANCELED_SZ % 64 == 0, "a whole turn of the digest's lanes");

static wcx_say_head_t canceled_head(const wcx_engine_t *engine, const wcx_session_t *to)
{
  return wcx_say_head_of(engine, WCX_STREAM_SESSION, to->session_id, to->next_server_seq, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, sizeof(wcx_execution_report_cancel_t));
}

static __attribute__((noinline)) run_t begin_run(wcx_engine_t *engine, const wcx_session_t *session, const wcx_session_t *also)
{
  run_t run = {.row = wcx_say_row_begin(engine), .head = canceled_head(engine, session), .exec_id = engine->exec_id};
  if (also != NULL)
    run.copy = canceled_head(engine, also);
  wcx_say_row_next(engine->out, &run.row, WCX_CANCELED_SZ);
  run.from = engine->out->write_pos;
  return run;
}

static __attribute__((noinline)) void end_run(wcx_engine_t *engine, run_t run, wcx_session_t *session, wcx_session_t *also)
{
  if (run.cnt == 0)
    return;
  wcx_say_row_end(engine, &run.row);
  wcx_note_canceled(engine, run.from, run.cnt, also != NULL ? 2 : 1);
  engine->exec_id = run.exec_id;
  session->next_server_seq = run.head.number;
  if (also != NULL)
    also->next_server_seq = run.copy.number;
}

/* `copied`: what was said is said again, to the other session under its own number. */
WCX_HOT void say_canceled(wcx_outlog_t *out, run_t *run, const wcx_order_t *order, uint32_t security_id, uint64_t small, const wcx_purge_cause_t *cause, bool copied)
{
  wcx_say_row_next(out, &run->row, WCX_CANCELED_SZ);
  const uint8_t *said = run->row.say.at;
  wcx_say_head(&run->row.say, &run->head);
  wcx_say_canceled_body(&run->row.say, order, ++run->exec_id, security_id, small, cause->request_cl_ord_id, cause->receive_ns);
  run->cnt++;
  if (!copied)
    return;
  wcx_say_row_next(out, &run->row, WCX_CANCELED_SZ);
  wcx_say_head(&run->row.say, &run->copy);
  for (uint32_t off = 48; off < WCX_CANCELED_SZ; off += 16)
    wcx_say_whole(&run->row.say, off, wcx_out_digest_load(said + off));
  run->row.say.at += WCX_CANCELED_SZ;
}

WCX_HOT void take_away(wcx_engine_t *engine, wcx_session_t *session, wcx_instrument_t *instrument, wcx_order_t *order, uint32_t slot, uint32_t home)
{
  wcx_index_take(&engine->index, wcx_index_at(&engine->index, home, slot));
  wcx_plain_remove(engine, session, instrument, order, slot);
}

/* --- the purge ------------------------------------------------------------------------------------------------------------------------------ */

/* Nobody leaves the list but the order in hand: what was gathered of those behind it stays true. */
WCX_HOT uint32_t purge_list(wcx_engine_t *engine, wcx_session_t *session, sieve_t sieve, wcx_purge_cause_t cause, bool copied)
{
  wcx_session_t *also = copied ? cause.requester : NULL;
  const uint64_t small = wcx_say_canceled_small(session, cause.reason);
  pipe_t pipe;
  uint32_t cnt = 0;
  run_t run = {0};
  start_pipe(engine, session, &pipe);
  for (; pipe.hand->slot[0] != 0; turn_pipe(&pipe))
  {
    fetch_spilled(&pipe.index, pipe.hand);
    for (uint32_t i = 0; i < BLOCK; i++)
    {
      gather(&engine->pool, &pipe, pipe.far, i);
      look_up(engine, &pipe, pipe.near, i);
      const uint32_t slot = pipe.hand->slot[i];
      if (slot == 0)
        break;
      wcx_order_t *order = &engine->pool.orders[slot];
      if (!goes(engine, &sieve, slot))
        continue;
      cnt++;
      wcx_instrument_t *instrument = &engine->instruments[order->instrument];
      if (__builtin_expect(is_plain(order, instrument), 1))
      {
        if (__builtin_expect(run.cnt == 0, 0))
          run = begin_run(engine, session, also);
        say_canceled(engine->out, &run, order, instrument->security_id, small, &cause, copied);
        take_away(engine, session, instrument, order, slot, pipe.hand->home[i]);
        continue;
      }
      end_run(engine, run, session, also);
      run.cnt = 0;
      wcx_cancel(engine, slot, cause.reason, cause.request_cl_ord_id, cause.requester);
    }
  }
  end_run(engine, run, session, also);
  return cnt;
}

static uint32_t purge_session(wcx_engine_t *engine, wcx_session_t *session, const sieve_t *sieve, const wcx_purge_cause_t *cause)
{
  const bool copied = cause->requester != NULL && cause->requester != session;
  const uint32_t cnt = copied ? purge_list(engine, session, *sieve, *cause, true) : purge_list(engine, session, *sieve, *cause, false);
  if (cnt != 0)
    wcx_session_touch(engine, session);
  return cnt;
}

uint32_t wcx_purge(wcx_engine_t *engine, const wcx_purge_filter_t *filter, const wcx_purge_cause_t *cause)
{
  const sieve_t sieve = sieve_of(filter);
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < engine->session_cnt; i++)
  {
    wcx_session_t *session = &engine->sessions[i];
    if ((filter->session == WCX_PURGE_ANY || filter->session == i) && (filter->account == WCX_PURGE_ANY || wcx_session_entitled(session, filter->account)))
      cnt += purge_session(engine, session, &sieve, cause);
  }
  return cnt;
}
