#include "dataplane/start.h"
#include "dataplane/restore.h"

#define REPLAY_PER_STEP 4096u
#define ALL_ACCOUNTS UINT32_MAX

/* --- genesis: the n-th record of an empty journal ---------------------------------------------------------------------------------------------- */

typedef struct genesis_item
{
  uint16_t template_id;
  uint16_t body_sz;
  union
  {
    wcx_capacity_t capacity;
    wcx_account_definition_t account;
    wcx_session_definition_t session;
    wcx_security_definition_t instrument;
    wcx_session_entitlement_t entitlement;
    wcx_instrument_group_t group;
  } body;
} genesis_item_t;

/* An account belongs to the shard of the sessions that trade for it; one that nobody trades for, to the first shard. */
static bool account_is_ours(const wcx_params_t *params, const wcx_params_shard_t *shard, uint32_t account)
{
  bool named = false;
  for (uint32_t i = 0; i < params->session_cnt; i++)
  {
    const wcx_params_session_t *session = &params->sessions[i];
    bool names = session->account == account || session->account == ALL_ACCOUNTS;
    if (names && session->shard == shard->shard)
      return true;
    named = named || names;
  }
  return !named && shard->shard == params->shards[0].shard;
}

static wcx_session_entitlement_t entitlement_of(const wcx_params_session_t *session)
{
  return (wcx_session_entitlement_t){.session_id = session->session_id, .instrument_groups = session->instrument_groups, .ord_types = (uint16_t)session->ord_types};
}

/* Behind the definitions, in the same order: what is not as it is at first. False behind the last. */
static bool restriction_at(const wcx_params_t *params, const wcx_params_shard_t *shard, uint32_t left, genesis_item_t *item)
{
  for (uint32_t i = 0; i < params->session_cnt; i++)
  {
    const wcx_params_session_t *session = &params->sessions[i];
    if (session->shard != shard->shard || (session->instrument_groups == 0 && session->ord_types == 0) || left-- != 0)
      continue;
    item->template_id = WCX_TEMPLATE_SESSION_ENTITLEMENT;
    item->body_sz = sizeof(item->body.entitlement);
    item->body.entitlement = entitlement_of(session);
    return true;
  }
  for (uint32_t i = 0; i < params->instrument_cnt; i++)
  {
    if (params->instruments[i].market_segment_id != shard->shard || params->instrument_group[i] == 0 || left-- != 0)
      continue;
    item->template_id = WCX_TEMPLATE_INSTRUMENT_GROUP;
    item->body_sz = sizeof(item->body.group);
    item->body.group = (wcx_instrument_group_t){.security_id = params->instruments[i].security_id, .group = params->instrument_group[i]};
    return true;
  }
  return false;
}

/* Item 0 is Capacity, item 1 the DayRoll, then accounts, sessions and instruments of this shard, then restrictions. False behind the last. */
static bool genesis_at(const wcx_start_t *start, uint32_t idx, genesis_item_t *item)
{
  const wcx_params_t *params = start->params;
  const wcx_params_shard_t *shard = start->shard;
  memset(item, 0, sizeof(*item));
  if (idx == 0)
  {
    item->template_id = WCX_TEMPLATE_CAPACITY;
    item->body_sz = sizeof(item->body.capacity);
    item->body.capacity = (wcx_capacity_t){.max_orders = shard->orders_max,
                                           .max_instruments = shard->instruments_max,
                                           .max_accounts = shard->accounts_max,
                                           .max_sessions = shard->sessions_max,
                                           .max_levels = shard->levels_max};
    return true;
  }
  if (idx == 1)
  {
    item->template_id = WCX_TEMPLATE_DAY_ROLL;
    return true;
  }
  uint32_t left = idx - 2;
  for (uint32_t i = 0; i < params->account_cnt; i++)
    if (account_is_ours(params, shard, params->accounts[i].account) && left-- == 0)
    {
      item->template_id = WCX_TEMPLATE_ACCOUNT_DEFINITION;
      item->body_sz = sizeof(item->body.account);
      item->body.account = params->accounts[i];
      return true;
    }
  for (uint32_t i = 0; i < params->session_cnt; i++)
    if (params->sessions[i].shard == shard->shard && left-- == 0)
    {
      item->template_id = WCX_TEMPLATE_SESSION_DEFINITION;
      item->body_sz = sizeof(item->body.session);
      item->body.session = (wcx_session_definition_t){.session_id = params->sessions[i].session_id, .account = params->sessions[i].account};
      return true;
    }
  for (uint32_t i = 0; i < params->instrument_cnt; i++)
    if (params->instruments[i].market_segment_id == shard->shard && left-- == 0)
    {
      item->template_id = WCX_TEMPLATE_SECURITY_DEFINITION;
      item->body_sz = sizeof(item->body.instrument);
      item->body.instrument = params->instruments[i];
      return true;
    }
  return restriction_at(params, shard, left, item);
}

/* What the configuration does not restrict, the journal must not restrict either. */
static const char *restriction_differs(const wcx_start_t *start, const genesis_item_t *item)
{
  const wcx_params_t *params = start->params;
  const wcx_engine_t *engine = start->input->engine;
  for (uint32_t i = 0; item->template_id == WCX_TEMPLATE_SESSION_DEFINITION && i < params->session_cnt; i++)
  {
    wcx_session_entitlement_t wanted = entitlement_of(&params->sessions[i]);
    if (wanted.session_id == item->body.session.session_id)
      return wcx_engine_genesis_differs(engine, WCX_TEMPLATE_SESSION_ENTITLEMENT, &wanted);
  }
  for (uint32_t i = 0; item->template_id == WCX_TEMPLATE_SECURITY_DEFINITION && i < params->instrument_cnt; i++)
  {
    wcx_instrument_group_t wanted = {.security_id = params->instruments[i].security_id, .group = params->instrument_group[i]};
    if (wanted.security_id == item->body.instrument.security_id)
      return wcx_engine_genesis_differs(engine, WCX_TEMPLATE_INSTRUMENT_GROUP, &wanted);
  }
  return NULL;
}

static void check_genesis(const wcx_start_t *start, const genesis_item_t *item)
{
  const char *differs = item->template_id == WCX_TEMPLATE_DAY_ROLL ? NULL : wcx_engine_genesis_differs(start->input->engine, item->template_id, &item->body);
  if (differs == NULL && start->genesis_seq < start->cut_seq) /* a genesis that was cut short has restrictions to come */
    differs = restriction_differs(start, item);
  if (differs != NULL)
    WCX_DIE("shard %u: the configuration differs from the journal: %s. The journal wins: put the old value back into the configuration (wcxctl instrument list and "
            "session list show what the journal holds), or start with an empty state directory. Journaling a change with wcxctl is not built yet",
            start->shard->shard, differs);
}

static uint32_t step_genesis(wcx_start_t *start)
{
  genesis_item_t item;
  uint32_t done = 0;
  for (; genesis_at(start, start->genesis_next, &item); start->genesis_next++, done++)
  {
    bool whole = start->genesis_seq < start->cut_seq; /* something else follows it in the journal */
    if (whole || start->genesis_next < start->cut_seq)
    {
      check_genesis(start, &item);
      continue;
    }
    if (item.template_id == WCX_TEMPLATE_DAY_ROLL)
    {
      if (!wcx_start_day(start->input, start->feed, WCX_RECORD_F_GENESIS))
        return done;
      continue;
    }
    wcx_record_hdr_t hdr = {.template_id = item.template_id, .body_sz = item.body_sz};
    const char *error = wcx_engine_definition_error(start->input->engine, &hdr, &item.body);
    if (error != NULL)
      WCX_DIE("shard %u: the configuration cannot be journaled: %s. Correct it and start again", start->shard->shard, error);
    uint32_t session_id = item.template_id == WCX_TEMPLATE_SESSION_DEFINITION ? item.body.session.session_id : 0;
    if (wcx_input_internal(start->input, item.template_id, session_id, WCX_RECORD_F_GENESIS, &item.body, item.body_sz) == 0)
      return done;
  }
  start->phase = WCX_START_DAY;
  return done + 1;
}

/* --- the day ----------------------------------------------------------------------------------------------------------------------------------- */

uint32_t wcx_start_date_of(uint64_t utc_ns)
{
  /* days since 0000-03-01 in eras of 400 years; years begin in March, so that the leap day is the last */
  uint64_t days = utc_ns / UINT64_C(86400000000000) + 719468;
  uint64_t era = days / 146097;
  uint64_t day_of_era = days % 146097;
  uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  uint64_t month = (5 * day_of_year + 2) / 153;
  uint64_t day = day_of_year - (153 * month + 2) / 5 + 1;
  month = month < 10 ? month + 3 : month - 9;
  uint64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return (uint32_t)(year * 10000 + month * 100 + day);
}

bool wcx_start_day(wcx_input_t *input, wcx_feed_t *feed, uint16_t flags)
{
  wcx_day_roll_t roll = {.trade_date = wcx_start_date_of(input->utc_ns)};
  if (roll.trade_date <= wcx_engine_trade_date(input->engine))
    return true;
  uint64_t seq = wcx_input_internal(input, WCX_TEMPLATE_DAY_ROLL, 0, flags, &roll, sizeof(roll));
  if (seq == 0)
    return false;
  wcx_feed_roll(feed, input->engine, seq);
  return true;
}

/* --- epoch -------------------------------------------------------------------------------------------------------------------------- */

static uint32_t step_ask(wcx_start_t *start)
{
  wcx_region_shard_t *shm = start->input->shm;
  wcx_feed_roll(start->feed, start->input->engine, 0);
  if (!start->input->journaled)
  {
    start->phase = WCX_START_GENESIS;
    return 1;
  }
  start->asked = atomic_load_explicit(&shm->handshake.asked, memory_order_relaxed) + 1;
  atomic_store_explicit(&shm->handshake.asked, start->asked, memory_order_release); /* pairs with the worker's acquire */
  (void)wcx_doorbell_ring(&shm->jring.bell);
  atomic_store_explicit(&shm->dataplane.phase, WCX_DATAPLANE_WAITING_JOURNAL, memory_order_relaxed);
  start->phase = WCX_START_WAIT;
  return 1;
}

static uint32_t step_wait(wcx_start_t *start)
{
  wcx_region_shard_t *shm = start->input->shm;
  if (atomic_load_explicit(&shm->handshake.answered, memory_order_acquire) != start->asked) /* pairs with the worker's release */
  {
    (void)wcx_doorbell_ring(&shm->jring.bell);
    return 0;
  }
  start->epoch = atomic_load_explicit(&shm->handshake.granted_epoch, memory_order_relaxed);
  start->cut_seq = atomic_load_explicit(&shm->handshake.cut_seq, memory_order_relaxed);
  atomic_store_explicit(&shm->dataplane.phase, WCX_DATAPLANE_REPLAYING, memory_order_relaxed);
  if (!wcx_journal_dir(start->journal_dir, sizeof(start->journal_dir), start->params->state_dir, start->shard->shard) ||
      !wcx_snapshot_dir(start->snapshot_dir, sizeof(start->snapshot_dir), start->params->state_dir, start->shard->shard))
    WCX_DIE("the path of the state directory is too long: %s", start->params->state_dir);
  start->resume = (wcx_resume_t){.snapshot_dir = start->snapshot_dir,
                                 .journal_dir = start->journal_dir,
                                 .limits = &start->limits,
                                 .engine_mem = start->engine_mem,
                                 .engine_sz = start->engine_sz,
                                 .walk_buf = start->walk_buf,
                                 .last_seq = start->cut_seq,
                                 .epoch = start->epoch};
  start->phase = WCX_START_LOAD;
  return 1;
}

/* --- snapshot and replay ----------------------------------------------------------------------------------------------------------------------- */

static void say_refused(const wcx_start_t *start)
{
  fprintf(stderr, "wcx-dataplane: alarm: shard %u: snapshot %llu cannot be used, trying the next older: %s\n", start->shard->shard, (unsigned long long)start->resume.seq,
          start->resume.text);
}

/* An input that has ended this program twice is applied no more. One that was signed away comes as a Tick. */
static void check_quarantine(wcx_start_t *start, const wcx_record_hdr_t *hdr, const uint8_t *body)
{
  if ((hdr->flags & WCX_RECORD_F_OVERRIDDEN) != 0 || !wcx_poison_quarantined(&start->poison, hdr->seq))
    return;
  wcx_digest_t hash = wcx_journal_record_hash(hdr, body);
  wcx_region_quarantine_t *words = &start->input->shm->quarantine;
  atomic_store_explicit(&words->hash_lo, hash.lo, memory_order_relaxed);
  atomic_store_explicit(&words->hash_hi, hash.hi, memory_order_relaxed);
  atomic_store_explicit(&words->seq, hdr->seq, memory_order_release); /* pairs with the api's acquire */
  WCX_DIE(
      "shard %u: quarantine: input seq %llu hash %016llx%016llx (template %u, session %u) has ended this program %u times while it was replayed. Start another build, or have two "
      "operators sign it away (wcxctl quarantine sign, wcxctl quarantine override) and start again",
      start->shard->shard, (unsigned long long)hdr->seq, (unsigned long long)hash.hi, (unsigned long long)hash.lo, hdr->template_id, hdr->session_id, WCX_POISON_TRIES);
}

/* Overrides count only when wcx-controld has found both signatures of each. */
static void check_overrides(const wcx_start_t *start)
{
  const wcx_region_quarantine_t *words = &start->input->shm->quarantine;
  uint64_t lo = atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&words->overrides_lo, memory_order_acquire); /* pairs with wcx-controld's release */
  uint64_t hi = atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&words->overrides_hi, memory_order_relaxed);
  const wcx_journal_overrides_t *overrides = &start->walk.overrides;
  if (overrides->cnt != 0 && (overrides->digest.lo != lo || overrides->digest.hi != hi))
    WCX_DIE("shard %u: %s/" WCX_JOURNAL_OVERRIDES_NAME " holds %u overrides whose signatures wcx-controld has not found good (see its log): start again when it has",
            start->shard->shard, start->journal_dir, overrides->cnt);
}

static void watch_faults(wcx_start_t *start)
{
  char path[560];
  char err[640];
  snprintf(path, sizeof(path), "%s/" WCX_POISON_NAME, start->journal_dir);
  if (!wcx_poison_open(&start->poison, path, err, sizeof(err)))
    fprintf(stderr, "wcx-dataplane: alarm: shard %u: faults of replayed inputs are not counted: %s\n", start->shard->shard, err);
}

static void begin_replay(wcx_start_t *start)
{
  check_overrides(start);
  if (start->watch_faults)
    watch_faults(start);
  start->phase = WCX_START_REPLAY;
}

static void use_snapshot(wcx_start_t *start)
{
  wcx_input_t *input = start->input;
  const wcx_snapshot_file_t *hdr = &start->resume.hdr;
  WCX_CHECK(start->resume.engine == input->engine, "the engine has moved");
  const char *why = wcx_restore_window(start->gate, hdr, start->resume.streams, start->resume.window);
  if (why != NULL)
  {
    wcx_resume_refuse(&start->resume, &start->walk, why);
    say_refused(start);
    return;
  }
  input->applied_seq = start->snapshot_seq = hdr->seq;
  input->last_stamp_ns = hdr->stamp_ns;
  start->genesis_seq = hdr->genesis_seq;
  wcx_resume_done(&start->resume);
  begin_replay(start);
}

static uint32_t step_load(wcx_start_t *start)
{
  switch (wcx_resume_next(&start->resume, &start->walk))
  {
  case WCX_RESUME_LOADED:
    use_snapshot(start);
    break;
  case WCX_RESUME_REFUSED:
    if (start->resume.beyond)
      WCX_DIE("shard %u: snapshot %llu in %s goes further than the journal, which ends at seq %llu: acknowledged inputs are missing. Restore the journal from where they are "
              "(archive, newest backup), or move the snapshots away",
              start->shard->shard, (unsigned long long)start->resume.seq, start->snapshot_dir, (unsigned long long)start->cut_seq);
    say_refused(start);
    break;
  case WCX_RESUME_NONE:
    if (!wcx_resume_first(&start->resume, &start->walk))
      WCX_DIE("shard %u: the journal in %s cannot be replayed although its worker has granted epoch %llu: %s", start->shard->shard, start->journal_dir,
              (unsigned long long)start->epoch, start->resume.text);
    begin_replay(start);
    break;
  }
  return 1;
}

static void replay_one(wcx_start_t *start, const wcx_record_hdr_t *hdr, const uint8_t *body)
{
  wcx_input_t *input = start->input;
  check_quarantine(start, hdr, body);
  wcx_poison_note(&start->poison, hdr->seq);
  wcx_engine_apply(input->engine, hdr, body, input->log);
  wcx_poison_note(&start->poison, 0);
  input->applied_seq = hdr->seq;
  input->last_stamp_ns = hdr->stamp_ns;
  if (hdr->template_id == WCX_TEMPLATE_DAY_ROLL)
    wcx_feed_roll(start->feed, input->engine, hdr->seq);
  if ((hdr->flags & WCX_RECORD_F_GENESIS) != 0 && start->genesis_seq + 1 == hdr->seq)
    start->genesis_seq = hdr->seq;
  wcx_gate_skip(start->gate, hdr->seq);
}

static uint32_t step_replay(wcx_start_t *start)
{
  wcx_input_t *input = start->input;
  uint32_t ahead = 0;
  for (uint32_t i = 0; i < REPLAY_PER_STEP && input->applied_seq < start->cut_seq; i++)
  {
    uint64_t epoch;
    wcx_record_hdr_t hdr;
    const uint8_t *body;
    wcx_resume_ahead(input->engine, &start->walk, &ahead);
    int got = wcx_journal_walk_next(&start->walk, &epoch, &hdr, &body);
    if (got < 0)
      WCX_DIE("shard %u: replay stopped after seq %llu of %llu: %s", start->shard->shard, (unsigned long long)input->applied_seq, (unsigned long long)start->cut_seq,
              start->walk.text);
    if (got == 0)
      WCX_DIE("shard %u: the journal ends at seq %llu, but its worker has promised %llu: run wcxctl journal verify", start->shard->shard, (unsigned long long)input->applied_seq,
              (unsigned long long)start->cut_seq);
    replay_one(start, &hdr, body);
  }
  if (input->applied_seq < start->cut_seq)
    return REPLAY_PER_STEP;
  wcx_poison_close(&start->poison);
  atomic_store_explicit(&input->shm->quarantine.seq, 0, memory_order_relaxed);
  wcx_journal_walk_close(&start->walk);
  wcx_jring_producer_init(&input->ring, &input->shm->jring, start->end_pos, start->cut_seq);
  input->release_seq = start->cut_seq;
  start->phase = WCX_START_GENESIS;
  return 1;
}

/* --- sessions ---------------------------------------------------------------------------------------------------------------------------------- */

static uint32_t step_close(wcx_start_t *start)
{
  wcx_session_view_t view;
  for (; wcx_engine_session_at(start->input->engine, start->close_next, &view); start->close_next++)
  {
    for (uint8_t transport = WCX_TRANSPORT_TCP; transport <= WCX_TRANSPORT_UDP; transport++)
    {
      if ((view.open & 1u << transport) == 0)
        continue;
      wcx_session_closed_t closed = {.uuid = view.uuid, .reason = WCX_SESSION_CLOSE_REASON_RESTART, .transport = transport, .cancel_orders = 2};
      if (wcx_input_internal(start->input, WCX_TEMPLATE_SESSION_CLOSED, view.session_id, 0, &closed, sizeof(closed)) == 0)
        return 0; /* what is closed by then is not open when it is tried again */
      wcx_stat_add(&start->input->shm->stats.sessions_closed, 1);
    }
  }
  start->phase = WCX_START_DONE;
  return 1;
}

uint32_t wcx_start_step(wcx_start_t *start)
{
  switch (start->phase)
  {
  case WCX_START_ASK:
    return step_ask(start);
  case WCX_START_WAIT:
    return step_wait(start);
  case WCX_START_LOAD:
    return step_load(start);
  case WCX_START_REPLAY:
    return step_replay(start);
  case WCX_START_GENESIS:
    return step_genesis(start);
  case WCX_START_DAY:
    if (!wcx_start_day(start->input, start->feed, 0))
      return 0;
    start->phase = WCX_START_CLOSE;
    return 1;
  case WCX_START_CLOSE:
    return step_close(start);
  default:
    return 0;
  }
}

const char *wcx_start_waiting_for(const wcx_start_t *start)
{
  switch (start->phase)
  {
  case WCX_START_ASK:
  case WCX_START_WAIT:
    return "the journal worker to grant an epoch (is wcx-journal running?)";
  case WCX_START_LOAD:
  case WCX_START_REPLAY:
    return "the replay of the journal";
  case WCX_START_DONE:
    return "nothing";
  default:
    return "the journal worker to make the first inputs durable";
  }
}
