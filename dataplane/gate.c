#include "dataplane/gate.h"

static bool entry_is(const wcx_out_entry_t *entry, const uint8_t *message, uint16_t template_id)
{
  wcx_message_header_t header;
  memcpy(&header, message, 8);
  return entry->len >= 8 && header.template_id == template_id;
}

static void send_packet(wcx_gate_t *gate, uint32_t at, uint64_t mono_ns)
{
  wcx_binding_t *binding = &gate->sessions->bindings[gate->packet_binding[at]];
  wcx_egress_send(gate->egress, &gate->packets[at], &binding->peer, binding->server_port);
  binding->open_packet = WCX_GATE_NO_PACKET;
  binding->last_tx_ns = mono_ns;
}

static void flush_private(wcx_gate_t *gate, uint64_t mono_ns)
{
  for (uint32_t i = 0; i < gate->packet_cnt; i++)
    send_packet(gate, i, mono_ns);
  gate->packet_cnt = 0;
  if (gate->links->dirty_cnt > 0 || gate->links->readers_due)
    wcx_links_write(gate->links, mono_ns);
}

/* The gate comes to input `seq`: when it begins a day, everything of the last one has passed. */
static void come_to(wcx_gate_t *gate, uint64_t seq, uint64_t mono_ns)
{
  const wcx_feed_day_t *day = wcx_feed_day_of(gate->feed, seq);
  if (day == NULL || day->from_seq == gate->links->day_seq)
    return;
  wcx_links_end_day(gate->links, mono_ns);
  gate->links->day_seq = day->from_seq;
  wcx_drop_copy_roll(gate->drop);
  wcx_feed_pass(gate->feed, day->from_seq > gate->feed->passed_seq ? day->from_seq : gate->feed->passed_seq);
}

/* Release bookkeeping of a session's message, whether or not anybody is there to hear it. */
static void enter_session(wcx_gate_t *gate, wcx_session_t *session, const wcx_out_entry_t *entry, uint64_t pos)
{
  WCX_CHECK(entry->number == session->next_released, "session %u: message %llu after %llu", session->session_id, (unsigned long long)entry->number,
            (unsigned long long)session->next_released - 1);
  session->next_released++;
  wcx_retain_put(&session->retain, entry->number, pos);
  if (wcx_drop_copy_enter(gate->drop, session, entry, pos))
    gate->links->readers_due = 1;
}

/* Whoever listens to this session over TCP: its link, and its purge link, which hears the answers to mass cancels. */
static void tell_links(wcx_gate_t *gate, const wcx_session_t *session, const wcx_out_entry_t *entry, const uint8_t *message, uint64_t mono_ns)
{
  if (session->links[WCX_SERVICE_ORDER] != 0)
    wcx_links_touch(gate->links, session->links[WCX_SERVICE_ORDER] - 1);
  wcx_link_t *purge = wcx_links_of(gate->links, session, WCX_SERVICE_PURGE);
  if (purge != NULL && entry_is(entry, message, WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT))
    (void)wcx_links_say(gate->links, purge, message, entry->len, entry->input_seq, mono_ns);
}

static void enter_feed(wcx_gate_t *gate, const wcx_out_entry_t *entry, uint64_t pos)
{
  wcx_feed_t *feed = gate->feed;
  wcx_feed_pass(feed, entry->input_seq);
  WCX_CHECK(entry->number == feed->next_released, "feed: message %llu after %llu", (unsigned long long)entry->number, (unsigned long long)feed->next_released - 1);
  feed->next_released++;
  gate->links->readers_due = 1;
  wcx_retain_put(&feed->retain, entry->number, pos);
}

/* The EstablishAck goes alone and outside the sequence: the client does not know its session string yet. */
static bool pass_ack(wcx_gate_t *gate, wcx_binding_t *binding, const wcx_out_entry_t *entry, const uint8_t *message, uint64_t mono_ns)
{
  wcx_packet_t packet;
  if (!wcx_egress_open(gate->egress, &packet, &binding->peer, NULL, 0))
    return false;
  WCX_CHECK(entry->len == WCX_BINDING_ACK_SZ, "an EstablishAck of %u bytes", entry->len);
  wcx_packet_add(&packet, message, entry->len, entry->input_seq);
  wcx_egress_send(gate->egress, &packet, &binding->peer, binding->server_port);
  memcpy(binding->ack, message, WCX_BINDING_ACK_SZ);
  binding->acked = 1;
  binding->last_tx_ns = mono_ns;
  wcx_signon_answered(gate->signon, binding->pending);
  return true;
}

static bool pass_private(wcx_gate_t *gate, wcx_binding_t *binding, const wcx_out_entry_t *entry, const uint8_t *message, uint64_t mono_ns)
{
  uint8_t at = binding->open_packet;
  if (at != WCX_GATE_NO_PACKET && !wcx_packet_fits(&gate->packets[at], entry->len))
  {
    send_packet(gate, at, mono_ns);
    uint32_t last = --gate->packet_cnt;
    if (at != last)
    {
      gate->packets[at] = gate->packets[last];
      gate->packet_binding[at] = gate->packet_binding[last];
      gate->sessions->bindings[gate->packet_binding[at]].open_packet = at;
    }
    at = WCX_GATE_NO_PACKET;
  }
  if (at == WCX_GATE_NO_PACKET)
  {
    if (gate->packet_cnt == WCX_GATE_PACKETS_MAX)
      flush_private(gate, mono_ns);
    at = (uint8_t)gate->packet_cnt;
    if (!wcx_egress_open(gate->egress, &gate->packets[at], &binding->peer, binding->mold, entry->number))
      return false;
    gate->packet_binding[at] = binding->idx;
    gate->packet_cnt++;
    binding->open_packet = at;
  }
  wcx_packet_add(&gate->packets[at], message, entry->len, entry->input_seq);
  return true;
}

static bool pass_session(wcx_gate_t *gate, const wcx_out_entry_t *entry, uint64_t pos, uint64_t mono_ns)
{
  wcx_session_t *session = wcx_sessions_get(gate->sessions, entry->stream_id);
  wcx_binding_t *binding = wcx_session_binding_at(gate->sessions, session, entry->input_seq);
  const uint8_t *message = (const uint8_t *)(entry + 1);
  if (binding != NULL)
  {
    bool ack = !binding->acked && entry_is(entry, message, WCX_TEMPLATE_ESTABLISH_ACK);
    bool passed = ack ? pass_ack(gate, binding, entry, message, mono_ns) : pass_private(gate, binding, entry, message, mono_ns);
    if (!passed)
      return false;
    wcx_stat_add(&gate->stats->messages_private, 1);
  }
  enter_session(gate, session, entry, pos);
  tell_links(gate, session, entry, message, mono_ns);
  return true;
}

static bool pass_feed(wcx_gate_t *gate, const wcx_out_entry_t *entry, uint64_t pos, uint64_t mono_ns)
{
  const uint8_t *message = (const uint8_t *)(entry + 1);
  enum wcx_feed_result result = wcx_feed_pack(gate->feed, entry, message, mono_ns);
  if (result == WCX_FEED_FULL)
  {
    flush_private(gate, mono_ns); /* private stream before public print */
    wcx_feed_flush(gate->feed, mono_ns);
    result = wcx_feed_pack(gate->feed, entry, message, mono_ns);
  }
  if (result != WCX_FEED_ADDED)
    return false;
  wcx_stat_add(&gate->stats->messages_feed, 1);
  enter_feed(gate, entry, pos);
  return true;
}

static void pass_to_link(wcx_gate_t *gate, const wcx_pending_t *pending, const wcx_out_entry_t *entry, uint64_t mono_ns)
{
  wcx_link_t *link = wcx_links_judged(gate->links, pending->link, pending->generation);
  if (link != NULL && entry_is(entry, (const uint8_t *)(entry + 1), WCX_TEMPLATE_ESTABLISH_ACK))
    wcx_links_acked(gate->links, link, entry + 1, entry->len, entry->input_seq, mono_ns);
  else if (link != NULL)
    wcx_links_refuse(gate->links, link, entry + 1, entry->len, entry->input_seq);
  wcx_signon_answered(gate->signon, entry->tag);
}

static bool pass_unsequenced(wcx_gate_t *gate, const wcx_out_entry_t *entry, uint64_t mono_ns)
{
  const wcx_pending_t *pending = wcx_signon_pending(gate->signon, entry->tag);
  if (pending != NULL && pending->transport != WCX_TRANSPORT_UDP)
  {
    pass_to_link(gate, pending, entry, mono_ns);
    return true;
  }
  const wcx_peer_t *peer = pending != NULL ? &pending->peer : NULL;
  uint16_t from_port = gate->signon->params->order_udp_port;
  if (entry->tag == 0)
  {
    wcx_session_t *session = wcx_sessions_find(gate->sessions, entry->stream_id);
    wcx_binding_t *binding = session != NULL ? wcx_session_binding_at(gate->sessions, session, entry->input_seq) : NULL;
    if (binding == NULL)
      return true;
    peer = &binding->peer;
    from_port = binding->server_port;
    binding->last_tx_ns = mono_ns;
  }
  if (peer == NULL)
    return true;
  wcx_packet_t packet;
  if (!wcx_egress_open(gate->egress, &packet, peer, NULL, 0))
    return false;
  wcx_packet_add(&packet, (const uint8_t *)(entry + 1), entry->len, entry->input_seq);
  wcx_egress_send(gate->egress, &packet, peer, from_port);
  wcx_signon_answered(gate->signon, entry->tag);
  return true;
}

uint32_t wcx_gate_run(wcx_gate_t *gate, uint64_t release_seq, uint64_t mono_ns)
{
  wcx_outlog_t *log = gate->log;
  uint32_t passed = 0;
  uint64_t passed_seq = release_seq; /* everything the log does not hold back */
  for (;;)
  {
    uint64_t pos = wcx_outlog_settle(log, log->sent_pos, log->write_pos);
    log->sent_pos = pos;
    if (pos == log->write_pos)
      break;
    const wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    bool ok = entry->input_seq <= release_seq && passed < WCX_GATE_MESSAGES_MAX;
    if (ok)
      come_to(gate, entry->input_seq, mono_ns);
    if (ok && entry->stream == WCX_STREAM_SESSION)
      ok = pass_session(gate, entry, pos, mono_ns);
    else if (ok && entry->stream == WCX_STREAM_FEED)
      ok = pass_feed(gate, entry, pos, mono_ns);
    else if (ok)
      ok = pass_unsequenced(gate, entry, mono_ns);
    if (!ok)
    {
      passed_seq = entry->input_seq - 1 < release_seq ? entry->input_seq - 1 : release_seq;
      break;
    }
    log->sent_pos = pos + entry->entry_sz;
    passed++;
  }
  flush_private(gate, mono_ns);
  gate->passed_seq = passed_seq;
  if (log->sent_pos != log->write_pos)
    wcx_stat_add(&gate->stats->gate_waits, 1);
  return passed;
}

void wcx_gate_publish(wcx_gate_t *gate, uint64_t mono_ns)
{
  wcx_feed_flush(gate->feed, mono_ns);
  come_to(gate, gate->passed_seq, mono_ns);
  wcx_feed_pass(gate->feed, gate->passed_seq);
  if (gate->sessions->closing_cnt > 0)
    wcx_sessions_reap(gate->sessions, gate->passed_seq);
}

void wcx_gate_skip(wcx_gate_t *gate, uint64_t applied_seq)
{
  wcx_outlog_t *log = gate->log;
  for (;;)
  {
    uint64_t pos = wcx_outlog_settle(log, log->sent_pos, log->write_pos);
    log->sent_pos = pos;
    if (pos == log->write_pos)
      break;
    const wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    come_to(gate, entry->input_seq, 0);
    if (entry->stream == WCX_STREAM_SESSION)
      enter_session(gate, wcx_sessions_get(gate->sessions, entry->stream_id), entry, pos);
    else if (entry->stream == WCX_STREAM_FEED)
      enter_feed(gate, entry, pos);
    log->sent_pos = pos + entry->entry_sz;
  }
  come_to(gate, applied_seq, 0);
  wcx_feed_pass(gate->feed, applied_seq);
}
