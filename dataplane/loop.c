#include "dataplane/loop.h"
#include "dataplane/ahead.h"
#include "dataplane/clock.h"
#include "dataplane/cycle.h"
#include "dataplane/rerequest.h"
#include "dataplane/sequencer.h"
#include "dataplane/start.h"
#include "engine/base/check.h"
#include "engine/limits.h"

#define DAY_NS UINT64_C(86400000000000)
#define BINDINGS_PER_TURN 64u
#define EGRESS_FLUSH_AT 64u
#define EARLY_FRAMES_MAX 4u /* answers of a quiet turn leave before its market data is finished; a busy one gives the port everything in one call */
#define REJECTS_EVERY_TURNS 1024u
#define SESSIONS_SPARE 16u /* sessions beyond the configured ones that keep messages for re-requests */

struct wcx_loop
{
  wcx_port_t *port;
  wcx_region_shard_t *shm;
  wcx_stats_t *stats;
  const wcx_params_t *params;
  uint64_t mono_ns;
  uint64_t next_day_ns;
  uint32_t frame_cnt; /* received and not handled yet: [frame_idx, frame_cnt) */
  uint32_t frame_idx;
  uint32_t scan_idx; /* next used binding to look at */
  uint8_t rx_drained;
  uint8_t serving;
  uint8_t rejects_due; /* inputs since the counts of refusals were shown */
  uint8_t pad;
  wcx_frame_t frames[WCX_PORT_BURST_MAX];
  wcx_ahead_t ahead;
  wcx_outlog_t log;
  wcx_clock_t clock;
  wcx_input_t input;
  wcx_sessions_t sessions;
  wcx_egress_t egress;
  wcx_feed_t feed;
  wcx_signon_t signon;
  wcx_links_t links;
  wcx_drop_copy_t drop;
  wcx_gate_t gate;
  wcx_sequencer_t sequencer;
  wcx_rerequest_t rerequest;
  wcx_cycle_t cycle;
  wcx_start_t start;
};

/* --- frames in ------------------------------------------------------------------------------------------------------------------------------- */

static void count_drop(wcx_stats_t *stats, enum wcx_net_verdict verdict)
{
  switch (verdict)
  {
  case WCX_NET_DROP_IP:
    wcx_stat_add(&stats->rx_drop_ip, 1);
    break;
  case WCX_NET_DROP_IP_FRAGMENT:
    wcx_stat_add(&stats->rx_drop_ip_fragment, 1);
    break;
  case WCX_NET_DROP_IP_OPTION:
    wcx_stat_add(&stats->rx_drop_ip_option, 1);
    break;
  case WCX_NET_DROP_IP_CHECKSUM:
    wcx_stat_add(&stats->rx_drop_ip_checksum, 1);
    break;
  case WCX_NET_DROP_UDP_LENGTH:
    wcx_stat_add(&stats->rx_drop_udp_length, 1);
    break;
  case WCX_NET_DROP_UDP_CHECKSUM:
    wcx_stat_add(&stats->rx_drop_udp_checksum, 1);
    break;
  default:
    wcx_stat_add(&stats->rx_drop_ethernet, 1);
    break;
  }
}

/* A datagram on the order port. False: keep it, there is no room now. */
static bool receive_order(wcx_loop_t *loop, const wcx_datagram_t *datagram)
{
  wcx_mold_t mold;
  if (!wcx_mold_parse(datagram->payload, datagram->len, &mold))
  {
    wcx_stat_add(&loop->stats->rx_drop_framing, 1);
    return true;
  }
  if (!wcx_mold_no_session(&mold))
    return wcx_sequencer_receive(&loop->sequencer, datagram, &mold, loop->mono_ns);
  wcx_signon_receive(&loop->signon, datagram, &mold, loop->mono_ns);
  return true;
}

/* One frame of the burst. False: keep it. Otherwise it is freed or on its way out. */
static bool receive_frame(wcx_loop_t *loop, uint32_t idx)
{
  wcx_frame_t *frame = &loop->frames[idx];
  wcx_datagram_t *datagram = &loop->ahead.datagrams[idx];
  enum wcx_net_verdict verdict = idx < loop->ahead.parsed_cnt ? loop->ahead.verdicts[idx] : wcx_net_parse(&loop->egress.net, frame->data, frame->len, datagram);
  if (verdict == WCX_NET_UDP && datagram->to_port == loop->params->order_udp_port)
  {
    if (!receive_order(loop, datagram))
      return false;
    wcx_stat_add(&loop->stats->rx_orders, 1);
  }
  else if (verdict == WCX_NET_UDP && datagram->to_port == loop->params->rerequest_udp_port)
    wcx_rerequest_receive(&loop->rerequest, datagram, loop->mono_ns);
  else if (verdict == WCX_NET_TCP && loop->links.tcp != NULL)
  {
    wcx_stat_add(&loop->stats->rx_tcp, 1);
    wcx_tcp_receive(loop->links.tcp, datagram);
    wcx_trace_segment(&loop->input.trace);
  }
  else if (verdict == WCX_NET_UDP || verdict == WCX_NET_TCP)
    wcx_stat_add(&loop->stats->rx_drop_port, 1);
  else if (verdict == WCX_NET_ARP_REQUEST)
  {
    frame->len = wcx_net_arp_reply(&loop->egress.net, frame->data);
    wcx_stat_add(&loop->stats->rx_arp, 1);
    if (wcx_egress_frame(&loop->egress, frame))
      return true;
  }
  else
    count_drop(loop->stats, verdict);
  wcx_port_free(loop->port, frame);
  return true;
}

/* --- release and frames out -------------------------------------------------------------------------------------------------------------------- */

static void read_release(wcx_loop_t *loop)
{
  if (!loop->input.journaled)
  {
    loop->input.release_seq = loop->input.applied_seq;
    return;
  }
  if (!wcx_loop_replayed(loop))
    return;                                                                                     /* the epoch is not ours yet, or nothing of it is written */
  uint64_t word = atomic_load_explicit(&loop->shm->release.release_word, memory_order_acquire); /* pairs with the worker's release after its flush */
  WCX_CHECK(wcx_release_epoch16(word) == (uint16_t)loop->start.epoch, "release word %016llx is not of epoch %llu: another data plane has taken over", (unsigned long long)word,
            (unsigned long long)loop->start.epoch);
  uint64_t seq = wcx_release_seq(word);
  WCX_CHECK(seq >= loop->input.release_seq && seq <= loop->input.applied_seq, "release word says %llu; it said %llu and %llu is applied", (unsigned long long)seq,
            (unsigned long long)loop->input.release_seq, (unsigned long long)loop->input.applied_seq);
  loop->input.release_seq = seq;
}

static uint32_t transmit(wcx_loop_t *loop)
{
  uint32_t sent = 0;
  if (loop->egress.cnt > 0)
  {
    read_release(loop); /* the epoch is checked for each burst that leaves */
    sent = wcx_egress_flush(&loop->egress, loop->input.release_seq);
  }
  if (loop->egress.cnt == 0)
    wcx_trace_sent(&loop->input.trace, loop->mono_ns);
  return sent;
}

static uint32_t run_gate(wcx_loop_t *loop, uint32_t *passed)
{
  *passed = wcx_gate_run(&loop->gate, loop->input.release_seq, loop->mono_ns);
  wcx_trace_passed(&loop->input.trace, loop->gate.passed_seq);
  uint32_t sent = loop->egress.cnt <= EARLY_FRAMES_MAX ? transmit(loop) : 0;
  wcx_gate_publish(&loop->gate, loop->mono_ns);
  return *passed + sent;
}

static uint32_t poll_port(wcx_loop_t *loop)
{
  if (loop->frame_idx == loop->frame_cnt)
  {
    loop->frame_idx = 0;
    wcx_trace_poll(&loop->input.trace, loop->mono_ns);
    loop->frame_cnt = wcx_port_rx(loop->port, loop->frames, WCX_PORT_BURST_MAX);
    if (loop->frame_cnt > 0)
      wcx_trace_burst(&loop->input.trace, loop->frame_cnt);
    wcx_ahead_burst(&loop->ahead, loop->input.engine, loop->frames, loop->frame_cnt);
    loop->rx_drained = loop->frame_cnt < WCX_PORT_BURST_MAX;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < loop->frame_cnt; i++)
      bytes += loop->frames[i].len;
    wcx_stat_add(&loop->stats->rx_frames, loop->frame_cnt);
    wcx_stat_add(&loop->stats->rx_bytes, bytes);
  }
  uint32_t from = loop->frame_idx;
  for (; loop->frame_idx < loop->frame_cnt; loop->frame_idx++)
  {
    if (loop->frame_idx == loop->ahead.looked_cnt)
      wcx_ahead_look(&loop->ahead, loop->input.engine, &loop->sessions, &loop->egress.net, loop->params->order_udp_port, loop->frames, loop->frame_cnt);
    bool followed = loop->frame_idx == loop->input.trace.pick;
    if (followed)
      wcx_trace_frame(&loop->input.trace);
    bool taken = receive_frame(loop, loop->frame_idx);
    if (followed)
      wcx_trace_settle(&loop->input.trace);
    if (!taken)
    {
      wcx_stat_add(&loop->stats->backpressure_turns, 1);
      break;
    }
    if (loop->egress.cnt >= EGRESS_FLUSH_AT)
      (void)transmit(loop);
  }
  return loop->frame_idx - from;
}

/* --- housekeeping ------------------------------------------------------------------------------------------------------------------------------ */

/* Inputs that time makes due. False: one is due and has no room, so nothing may be sequenced before it. */
static bool time_inputs(wcx_loop_t *loop, uint32_t *work)
{
  wcx_input_t *input = &loop->input;
  if (input->utc_ns >= loop->next_day_ns)
  {
    if (!wcx_start_day(input, &loop->feed, 0))
      return false;
    loop->next_day_ns = (input->utc_ns / DAY_NS + 1) * DAY_NS;
    (*work)++;
  }
  if (input->utc_ns >= wcx_engine_next_deadline_ns(input->engine))
  {
    wcx_tick_t tick = {.transact_time = input->utc_ns};
    if (wcx_input_internal(input, WCX_TEMPLATE_TICK, 0, 0, &tick, sizeof(tick)) == 0)
      return false;
    (*work)++;
  }
  return true;
}

static uint32_t look_at_binding(wcx_loop_t *loop, wcx_binding_t *binding)
{
  if (binding->closed_seq != UINT64_MAX)
    return 0;
  /* silence counts only when there is nothing unread that could be the client's */
  bool heard = loop->rx_drained && loop->frame_idx == loop->frame_cnt;
  if (heard && loop->mono_ns - binding->last_rx_ns > binding->timeout_ns)
  {
    wcx_session_closed_t closed = {
        .reason = WCX_SESSION_CLOSE_REASON_KEEP_ALIVE_EXPIRED, .cancel_orders = 1, .terminate = 1, .terminate_code = WCX_TERMINATE_CODE_KEEP_ALIVE_EXPIRED};
    if (!wcx_signon_close(&loop->signon, binding, &closed))
      return 0;
    wcx_stat_add(&loop->stats->keepalive_expired, 1);
    return 1;
  }
  if (!binding->acked || loop->mono_ns - binding->last_tx_ns < binding->heartbeat_ns)
    return 0;
  wcx_session_t *session = wcx_binding_session(&loop->sessions, binding);
  if (!wcx_egress_heartbeat(&loop->egress, &binding->peer, binding->server_port, binding->mold, session->next_released))
    return 0;
  binding->last_tx_ns = loop->mono_ns;
  return 1;
}

static uint32_t look_at_bindings(wcx_loop_t *loop)
{
  uint32_t work = 0;
  uint32_t cnt = loop->sessions.used_cnt < BINDINGS_PER_TURN ? loop->sessions.used_cnt : BINDINGS_PER_TURN;
  for (uint32_t i = 0; i < cnt; i++)
  {
    loop->scan_idx = loop->scan_idx + 1 < loop->sessions.used_cnt ? loop->scan_idx + 1 : 0;
    work += look_at_binding(loop, &loop->sessions.bindings[loop->sessions.used[loop->scan_idx]]);
  }
  return work;
}

static void ring_doorbells(wcx_loop_t *loop)
{
  if (loop->input.ring_dirty)
  {
    loop->input.ring_dirty = 0;
    if (wcx_doorbell_ring(&loop->shm->jring.bell))
      wcx_stat_add(&loop->stats->journal_wakes, 1);
  }
  if (loop->signon.auth_dirty)
  {
    loop->signon.auth_dirty = 0;
    if (wcx_doorbell_ring(&loop->shm->auth.bell))
      wcx_stat_add(&loop->stats->auth_wakes, 1);
  }
}

/* Some hundred bytes that nobody is in a hurry for. */
static void show_rejects(wcx_loop_t *loop)
{
  for (enum wcx_reject reject = WCX_REJECT_NONE + 1; reject < WCX_REJECT_CNT; reject++)
    atomic_store_explicit(&loop->shm->rejects.cnt[reject], wcx_engine_reject_cnt(loop->input.engine, reject), memory_order_relaxed);
  loop->rejects_due = 0;
}

static void account(wcx_loop_t *loop, uint32_t work, uint32_t passed)
{
  wcx_region_dataplane_state_t *state = &loop->shm->dataplane;
  wcx_stat_add(&loop->stats->loop_turns, 1);
  atomic_store_explicit(&state->loop_ns, loop->mono_ns, memory_order_relaxed);
  if (loop->serving)
    atomic_store_explicit(&state->pressure, wcx_pressure_rung(&loop->sequencer.pressure, &loop->input, loop->mono_ns), memory_order_relaxed);
  if (loop->rejects_due && atomic_load_explicit(&loop->stats->loop_turns, memory_order_relaxed) % REJECTS_EVERY_TURNS == 0)
    show_rejects(loop);
  if (work == 0)
    return;
  wcx_stat_add(&loop->stats->loop_busy_turns, 1);
  wcx_stat_add(&loop->stats->outputs, passed);
  if (!loop->serving)
    return; /* a replay is not news */
  loop->rejects_due = 1;
  atomic_store_explicit(&state->applied_seq, loop->input.applied_seq, memory_order_relaxed);
  atomic_store_explicit(&state->live_bindings, loop->sessions.used_cnt - loop->sessions.closing_cnt, memory_order_relaxed);
  atomic_store_explicit(&state->orders_live, wcx_engine_orders_live(loop->input.engine), memory_order_relaxed);
}

/* --- the turn ---------------------------------------------------------------------------------------------------------------------------------- */

static void begin_serving(wcx_loop_t *loop)
{
  wcx_session_view_t view;
  for (uint32_t i = 0; wcx_engine_session_at(loop->input.engine, i, &view); i++)
    (void)wcx_sessions_get(&loop->sessions, view.session_id);
  for (uint32_t i = 0; i < loop->params->session_cnt; i++)
  {
    const wcx_params_session_t *params = &loop->params->sessions[i];
    wcx_session_t *session = wcx_sessions_find(&loop->sessions, params->session_id);
    if (session == NULL)
      continue;
    wcx_throttle_configure(&session->throttle, params);
    session->drop_copy = params->drop_copy;
  }
  loop->next_day_ns = (loop->input.utc_ns / DAY_NS + 1) * DAY_NS;
  wcx_cycle_start(&loop->cycle, loop->start.epoch, loop->mono_ns);
  loop->serving = 1;
  atomic_store_explicit(&loop->shm->dataplane.phase, WCX_DATAPLANE_SERVING, memory_order_release);
}

static uint32_t serve(wcx_loop_t *loop)
{
  uint32_t work = 0;
  if (time_inputs(loop, &work))
  {
    work += poll_port(loop);
    loop->links.heard = loop->rx_drained && loop->frame_idx == loop->frame_cnt;
    wcx_trace_links(&loop->input.trace);
    work += wcx_links_step(&loop->links, loop->mono_ns);
    wcx_trace_linked(&loop->input.trace);
  }
  else
    wcx_stat_add(&loop->stats->backpressure_turns, 1);
  return work + look_at_bindings(loop);
}

uint32_t wcx_loop_step(wcx_loop_t *loop, uint64_t mono_ns, uint64_t utc_ns)
{
  loop->mono_ns = mono_ns;
  loop->input.utc_ns = wcx_clock_turn(&loop->clock, mono_ns, utc_ns);
  uint32_t work = 0;
  if (__builtin_expect(loop->serving, 1))
    work = serve(loop);
  else
  {
    WCX_CHECK(loop->port != NULL || !wcx_loop_replayed(loop), "a loop without a port goes on behind its replay");
    work = wcx_start_step(&loop->start);
    if (loop->start.phase == WCX_START_DONE)
      begin_serving(loop);
  }
  ring_doorbells(loop);
  if (loop->serving)
    work += wcx_signon_poll(&loop->signon, mono_ns);
  ring_doorbells(loop);

  read_release(loop);
  uint32_t passed = 0;
  if (wcx_loop_replayed(loop)) /* a replay passes what it says unsent */
    work += run_gate(loop, &passed);
  work += loop->serving ? wcx_feed_heartbeat(&loop->feed, mono_ns) : 0;
  work += loop->serving ? wcx_cycle_step(&loop->cycle, loop->input.release_seq, mono_ns) : 0;
  work += transmit(loop);
  wcx_input_publish_marks(&loop->input);
  account(loop, work, passed);
  return work;
}

/* --- set-up ------------------------------------------------------------------------------------------------------------------------------------ */

static uint32_t rings_of(const wcx_params_t *params, const wcx_params_shard_t *shard)
{
  uint32_t rings = SESSIONS_SPARE;
  for (uint32_t i = 0; i < params->session_cnt; i++)
    rings += params->sessions[i].shard == shard->shard;
  return rings < shard->sessions_max ? rings : shard->sessions_max;
}

/* Orders that a snapshot cycle can hold. */
static uint32_t cycle_orders_of(const wcx_params_t *params, const wcx_params_shard_t *shard)
{
  uint32_t orders = shard->snapshot_orders_max < shard->orders_max ? shard->snapshot_orders_max : shard->orders_max;
  return params->snapshot_cycle_ms != 0 ? orders : 0;
}

/* Where each part of the memory begins. */
typedef struct parts
{
  size_t loop, engine, log, sessions, links, drop, feed_retain, cycle, end_pos, walk_buf, end;
} parts_t;

static parts_t parts_of(const wcx_params_t *params, const wcx_params_shard_t *shard)
{
  wcx_engine_limits_t limits = wcx_engine_limits_of(shard, 0);
  size_t sizes[] = {sizeof(wcx_loop_t),
                    wcx_engine_footprint(&limits),
                    shard->outlog_sz,
                    wcx_sessions_footprint(shard->sessions_max, rings_of(params, shard), shard->retain_session_msgs),
                    wcx_links_footprint(params->tcp_connections_max),
                    wcx_drop_copy_footprint(params, shard),
                    (size_t)shard->retain_feed_msgs * sizeof(uint64_t),
                    (size_t)cycle_orders_of(params, shard) * sizeof(wcx_snapshot_order_t),
                    (size_t)shard->jring_slot_max * sizeof(uint64_t),
                    WCX_JOURNAL_WALK_BUF_SZ};
  size_t offs[sizeof(sizes) / sizeof(sizes[0]) + 1] = {0};
  for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
    offs[i + 1] = (offs[i] + sizes[i] + 4095) & ~(size_t)4095;
  return (parts_t){.loop = offs[0],
                   .engine = offs[1],
                   .log = offs[2],
                   .sessions = offs[3],
                   .links = offs[4],
                   .drop = offs[5],
                   .feed_retain = offs[6],
                   .cycle = offs[7],
                   .end_pos = offs[8],
                   .walk_buf = offs[9],
                   .end = offs[10]};
}

static bool power_of_two(uint64_t value)
{
  return value != 0 && (value & (value - 1)) == 0;
}

const char *wcx_loop_params_error(const wcx_params_t *params, uint32_t shard_idx)
{
  if (shard_idx >= params->shard_cnt)
    return "there is no such shard";
  const wcx_params_shard_t *shard = &params->shards[shard_idx];
  wcx_engine_limits_t limits = wcx_engine_limits_of(shard, 0);
  if (wcx_engine_footprint(&limits) == 0)
    return "orders_max, levels_max, instruments_max, accounts_max or sessions_max is out of range";
  if (!power_of_two(shard->retain_feed_msgs) || !power_of_two(shard->retain_session_msgs))
    return "retain_feed_msgs and retain_session_msgs must be powers of two";
  if (!power_of_two(shard->outlog_sz) || shard->outlog_sz < 65536)
    return "output_log_mib must be a power of two";
  if (shard->outlog_sz < wcx_engine_output_bound_max(&limits) + 2 * WCX_INPUT_LOG_RESERVE)
    return "output_log_mib is too small for orders_max: an input that ends every order there is must fit (about 1.8 KB an order, and 1 MiB)";
  return NULL;
}

size_t wcx_loop_footprint(const wcx_params_t *params, uint32_t shard_idx)
{
  return wcx_loop_params_error(params, shard_idx) == NULL ? parts_of(params, &params->shards[shard_idx]).end : 0;
}

static void connect_cycle(wcx_loop_t *loop, const wcx_params_shard_t *shard)
{
  const wcx_params_t *params = loop->params;
  loop->cycle.engine = loop->input.engine;
  loop->cycle.egress = &loop->egress;
  loop->cycle.stats = loop->stats;
  loop->cycle.groups[0] = wcx_net_group(shard->snapshot_group_a_ip, shard->snapshot_group_a_port);
  loop->cycle.groups[1] = wcx_net_group(shard->snapshot_group_b_ip, shard->snapshot_group_b_port);
  loop->cycle.from_port = params->rerequest_udp_port;
  loop->cycle.orders_max = cycle_orders_of(params, shard);
  loop->cycle.interval_ns = (uint64_t)params->snapshot_cycle_ms * 1000000;
  loop->cycle.heartbeat_ns = (uint64_t)params->feed_heartbeat_ms * 1000000;
  loop->cycle.pace = wcx_rate_of(params->snapshot_packets_per_s, 2 * WCX_CYCLE_PACKETS_MAX);
}

static void connect(wcx_loop_t *loop, const wcx_params_shard_t *shard)
{
  wcx_stats_t *stats = loop->stats;
  const wcx_params_t *params = loop->params;
  loop->gate = (wcx_gate_t){.log = &loop->log,
                            .sessions = &loop->sessions,
                            .signon = &loop->signon,
                            .links = &loop->links,
                            .drop = &loop->drop,
                            .feed = &loop->feed,
                            .egress = &loop->egress,
                            .stats = stats};
  loop->sequencer = (wcx_sequencer_t){.input = &loop->input, .sessions = &loop->sessions, .signon = &loop->signon, .links = &loop->links, .egress = &loop->egress, .stats = stats};
  loop->signon.links = &loop->links;
  loop->links.input = &loop->input;
  loop->links.sessions = &loop->sessions;
  loop->links.signon = &loop->signon;
  loop->links.sequencer = &loop->sequencer;
  loop->links.stats = stats;
  loop->links.feed = &loop->feed;
  loop->links.drop = &loop->drop;
  memcpy(loop->links.ports, wcx_loop_tcp_config(params).ports, sizeof(loop->links.ports));
  loop->signon.input = &loop->input;
  loop->signon.sessions = &loop->sessions;
  loop->signon.egress = &loop->egress;
  loop->signon.auth = &loop->shm->auth;
  loop->signon.stats = stats;
  loop->signon.params = params;
  loop->signon.sources.rate = wcx_rate_of(params->establish_per_source_per_s, params->establish_per_source_per_s);
  loop->rerequest.log = &loop->log;
  loop->rerequest.sessions = &loop->sessions;
  loop->rerequest.feed = &loop->feed;
  loop->rerequest.egress = &loop->egress;
  loop->rerequest.stats = stats;
  loop->rerequest.shard = shard->shard;
  loop->rerequest.port = params->rerequest_udp_port;
  loop->rerequest.sources.rate = wcx_rate_of(params->rerequest_per_source_per_s, params->rerequest_per_source_per_s);
  loop->egress.stats = stats;
  loop->egress.net.ip = params->ip;
  loop->feed.egress = &loop->egress;
  loop->feed.groups[0] = wcx_net_group(shard->group_a_ip, shard->group_a_port);
  loop->feed.groups[1] = wcx_net_group(shard->group_b_ip, shard->group_b_port);
  loop->feed.from_port = params->rerequest_udp_port;
  loop->feed.next_released = 1;
  loop->feed.heartbeat_ns = (uint64_t)params->feed_heartbeat_ms * 1000000;
  loop->start.input = &loop->input;
  loop->start.gate = &loop->gate;
  loop->start.feed = &loop->feed;
  loop->start.params = params;
  loop->start.shard = shard;
  loop->start.phase = WCX_START_ASK;
}

wcx_tcp_config_t wcx_loop_tcp_config(const wcx_params_t *params)
{
  return (wcx_tcp_config_t){
      .ip = params->ip, .conn_max = params->tcp_connections_max, .ports = {params->order_tcp_port, params->purge_tcp_port, params->drop_copy_tcp_port, params->replay_tcp_port}};
}

wcx_loop_t *wcx_loop_new(const wcx_loop_config_t *config)
{
  const wcx_params_t *params = &config->region->params;
  const wcx_params_shard_t *shard = &params->shards[config->shard_idx];
  size_t sz = wcx_loop_footprint(params, config->shard_idx);
  WCX_CHECK(sz != 0 && config->mem_sz >= sz, "memory of a loop: %zu bytes given, %zu needed", config->mem_sz, sz);
  parts_t parts = parts_of(params, shard);
  uint8_t *mem = config->mem;
  wcx_loop_t *loop = (wcx_loop_t *)(void *)mem;
  memset(loop, 0, sizeof(*loop));
  loop->params = params;
  loop->shm = wcx_region_shard(config->region, config->shard_idx);
  loop->stats = &loop->shm->stats;
  wcx_clock_init(&loop->clock, &loop->shm->clock, loop->stats);
  wcx_outlog_init(&loop->log, mem + parts.log, shard->outlog_sz);
  wcx_sessions_init(&loop->sessions, mem + parts.sessions, shard->sessions_max, rings_of(params, shard), shard->retain_session_msgs, config->hash_key);
  wcx_links_init(&loop->links, mem + parts.links, params->tcp_connections_max);
  memset(mem + parts.feed_retain, 0, (size_t)shard->retain_feed_msgs * sizeof(uint64_t));
  loop->feed.retain = (wcx_retain_t){.positions = (uint64_t *)(void *)(mem + parts.feed_retain), .max = shard->retain_feed_msgs};
  loop->input.journaled = params->durability != WCX_DURABILITY_LEVEL_D0_NONE;
  wcx_engine_limits_t limits = wcx_engine_limits_of(shard, config->hash_key);
  wcx_engine_limits_t least = {.shard = shard->shard, .orders_max = 1, .levels_max = 1, .instruments_max = 1, .accounts_max = 1, .sessions_max = 1};
  /* with a journal, snapshot or replay make the one that counts: its tables are cleared once */
  loop->input.engine = wcx_engine_new(mem + parts.engine, wcx_engine_footprint(&limits), loop->input.journaled ? &least : &limits);
  loop->start.engine_mem = mem + parts.engine;
  loop->start.engine_sz = wcx_engine_footprint(&limits);
  loop->start.limits = limits;
  loop->input.log = &loop->log;
  wcx_drop_copy_init(&loop->drop, mem + parts.drop, params, shard, loop->input.engine, &loop->log);
  loop->input.shm = loop->shm;
  wcx_trace_init(&loop->input.trace, &loop->shm->stages);
  loop->input.shard = shard->shard;
  loop->cycle.orders = (wcx_snapshot_order_t *)(void *)(mem + parts.cycle);
  connect(loop, shard);
  connect_cycle(loop, shard);
  loop->signon.sources.hash_key = config->hash_key;
  loop->signon.next_nonce = config->hash_key; /* verdicts for an earlier process are not ours */
  loop->rerequest.sources.hash_key = config->hash_key;
  loop->start.watch_faults = config->watch_faults;
  loop->start.walk_buf = mem + parts.walk_buf;
  loop->start.end_pos = (uint64_t *)(void *)(mem + parts.end_pos);
  atomic_store_explicit(&loop->shm->dataplane.phase, WCX_DATAPLANE_STARTING, memory_order_relaxed);
  if (config->port != NULL)
    wcx_loop_plug(loop, config->port, config->tcp);
  return loop;
}

void wcx_loop_plug(wcx_loop_t *loop, wcx_port_t *port, wcx_tcp_t *tcp)
{
  WCX_CHECK(loop->port == NULL && port != NULL, "a loop gets one port");
  loop->port = port;
  loop->egress.port = port;
  wcx_port_mac(port, loop->egress.net.mac);
  loop->links.tcp = tcp;
  if (tcp != NULL)
    wcx_tcp_attach(tcp, &loop->egress);
}

bool wcx_loop_replayed(const wcx_loop_t *loop)
{
  return loop->start.phase > WCX_START_REPLAY;
}

bool wcx_loop_serving(const wcx_loop_t *loop)
{
  return loop->serving;
}

const char *wcx_loop_waiting_for(const wcx_loop_t *loop)
{
  return wcx_start_waiting_for(&loop->start);
}

uint64_t wcx_loop_snapshot_seq(const wcx_loop_t *loop)
{
  return loop->start.snapshot_seq;
}

uint64_t wcx_loop_define(wcx_loop_t *loop, uint16_t template_id, const void *body, uint16_t body_sz)
{
  return wcx_input_internal(&loop->input, template_id, 0, 0, body, body_sz);
}

const wcx_engine_t *wcx_loop_engine(const wcx_loop_t *loop)
{
  return loop->input.engine;
}
