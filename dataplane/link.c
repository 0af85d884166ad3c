#include "dataplane/link.h"

#include "dataplane/sequencer.h"
#include "dataplane/signon.h"

#define SCANNED_PER_TURN 8u
#define BATCH_SZ 2048u /* bytes given to the stack at once */

enum packet_result
{
  PACKET_DONE = 1,
  PACKET_WAIT = 2, /* no room or no tokens now: it stays unread */
  PACKET_END = 3,  /* the link is gone, or says no more */
};

size_t wcx_links_footprint(uint32_t link_max)
{
  return (size_t)link_max * (sizeof(wcx_link_t) + 3 * sizeof(uint32_t)) + 64;
}

void wcx_links_init(wcx_links_t *links, void *mem, wcx_tcp_t *tcp, uint32_t link_max)
{
  memset(mem, 0, wcx_links_footprint(link_max));
  *links = (wcx_links_t){.tcp = tcp, .max = link_max};
  links->links = mem;
  links->used = (uint32_t *)(void *)(links->links + link_max);
  links->dirty = links->used + link_max;
  links->waiting = links->dirty + link_max;
}

static void wait_for_room(wcx_links_t *links, wcx_link_t *link)
{
  if (link->waiting)
    return;
  link->waiting = 1;
  links->waiting[(links->waiting_head + links->waiting_cnt++) % links->max] = wcx_link_idx(links, link);
}

static void enter(wcx_link_t *link, enum wcx_link_state state, uint64_t mono_ns)
{
  link->state = (uint8_t)state;
  link->since_ns = mono_ns;
}

/* The connection is the stack's again. Lists that still name the link pass over a free one. */
static void release(wcx_links_t *links, wcx_link_t *link, bool at_once)
{
  wcx_tcp_end(links->tcp, wcx_link_idx(links, link), at_once);
  uint32_t last = links->used[--links->used_cnt];
  links->used[link->used_pos] = last;
  links->links[last].used_pos = link->used_pos;
  link->state = WCX_LINK_FREE;
}

static void start(wcx_links_t *links, uint32_t idx, uint64_t mono_ns)
{
  wcx_link_t *link = &links->links[idx];
  *link = (wcx_link_t){.state = WCX_LINK_LOGIN,
                       .dirty = link->dirty,
                       .waiting = link->waiting,
                       .generation = link->generation + 1,
                       .used_pos = links->used_cnt,
                       .since_ns = mono_ns,
                       .last_rx_ns = mono_ns,
                       .last_tx_ns = mono_ns};
  links->used[links->used_cnt++] = idx;
  wcx_stat_add(&links->stats->tcp_connections, 1);
}

/* --- out ------------------------------------------------------------------------------------------------------------------------------------------ */

void wcx_links_touch(wcx_links_t *links, uint32_t link_idx)
{
  wcx_link_t *link = &links->links[link_idx];
  if (link->dirty)
    return;
  link->dirty = 1;
  links->dirty[links->dirty_cnt++] = link_idx;
}

/* Fill `batch` with S packets from the cursor on. Returns its bytes; *newest: the newest input they depend on. */
static uint32_t fill(wcx_links_t *links, wcx_link_t *link, uint64_t until, uint32_t room, uint8_t *batch, uint64_t *newest, uint32_t *cnt)
{
  const wcx_session_t *session = &links->sessions->sessions[link->session_idx];
  const wcx_outlog_t *log = links->input->log;
  uint32_t sz = 0;
  while (link->cursor < until && *cnt < WCX_LINK_MESSAGES_MAX)
  {
    wcx_out_entry_t *entry = wcx_retain_get(&session->retain, log, WCX_STREAM_SESSION, session->session_id, link->cursor);
    if (entry == NULL)
    {
      link->slow = 1;
      break;
    }
    if (sz + WCX_SOUP_HEADER_SZ + entry->len > (room < BATCH_SZ ? room : BATCH_SZ))
      break;
    sz += wcx_soup_begin(batch + sz, 'S', entry->len);
    memcpy(batch + sz, wcx_out_message(entry), entry->len);
    sz += entry->len;
    *newest = entry->input_seq > *newest ? entry->input_seq : *newest;
    link->cursor++;
    (*cnt)++;
  }
  return sz;
}

/* Write what is released as far as there is room. True: there is more, and room for it. */
static bool write_stream(wcx_links_t *links, wcx_link_t *link, uint64_t mono_ns)
{
  const wcx_session_t *session = &links->sessions->sessions[link->session_idx];
  uint32_t idx = wcx_link_idx(links, link);
  uint64_t until = link->state == WCX_LINK_DRAIN && link->end < session->next_released ? link->end : session->next_released;
  if (session->next_released <= link->opened_number)
    return false; /* the ack is not released */
  uint8_t batch[BATCH_SZ];
  uint64_t newest = 0;
  uint32_t cnt = 0;
  while (link->cursor < until && cnt < WCX_LINK_MESSAGES_MAX && !link->slow)
  {
    uint64_t cursor = link->cursor;
    uint32_t before = cnt;
    uint32_t sz = fill(links, link, until, wcx_tcp_room(links->tcp, idx), batch, &newest, &cnt);
    if (sz == 0)
      break;
    if (!wcx_tcp_write(links->tcp, idx, batch, sz))
    {
      link->cursor = cursor;
      cnt = before;
      break;
    }
  }
  if (cnt > 0)
  {
    wcx_tcp_push(links->tcp, idx, newest);
    link->last_tx_ns = mono_ns;
    wcx_stat_add(&links->stats->messages_tcp, cnt);
  }
  if (link->slow)
    wait_for_room(links, link);
  return link->cursor < until && cnt == WCX_LINK_MESSAGES_MAX;
}

void wcx_links_write(wcx_links_t *links, uint64_t mono_ns)
{
  uint32_t cnt = links->dirty_cnt;
  links->dirty_cnt = 0;
  for (uint32_t i = 0; i < cnt; i++)
  {
    wcx_link_t *link = &links->links[links->dirty[i]];
    link->dirty = 0;
    if (link->state != WCX_LINK_OPEN && link->state != WCX_LINK_DRAIN)
      continue;
    bool more = write_stream(links, link, mono_ns);
    if (link->state == WCX_LINK_DRAIN && link->cursor >= link->end)
      release(links, link, false);
    else if (more || link->state == WCX_LINK_DRAIN) /* its session does not name it any more, so the gate does not touch it */
      wcx_links_touch(links, links->dirty[i]);      /* written over entry i or before, which are done with */
  }
}

/* --- sign-on -------------------------------------------------------------------------------------------------------------------------------------- */

wcx_link_t *wcx_links_judged(const wcx_links_t *links, uint32_t link_idx, uint32_t generation)
{
  wcx_link_t *link = &links->links[link_idx];
  return link->state == WCX_LINK_JUDGED && link->generation == generation ? link : NULL;
}

void wcx_links_refuse(wcx_links_t *links, wcx_link_t *link, const void *message, uint16_t len, uint64_t input_seq)
{
  uint8_t packet[WCX_SOUP_HEADER_SZ + 64];
  WCX_CHECK(len <= 64, "a refusal of %u bytes", len);
  uint32_t sz = wcx_soup_begin(packet, 'S', len);
  memcpy(packet + sz, message, len);
  uint32_t idx = wcx_link_idx(links, link);
  if (wcx_tcp_write(links->tcp, idx, packet, sz + len))
    wcx_tcp_push(links->tcp, idx, input_seq);
  release(links, link, false);
}

void wcx_links_opened(wcx_links_t *links, wcx_link_t *link, wcx_session_t *session, const wcx_session_opened_t *opened, uint64_t number, uint64_t mono_ns)
{
  enter(link, WCX_LINK_OPEN, mono_ns);
  link->session_idx = session->idx;
  link->opened_number = number;
  link->uuid = opened->uuid;
  link->timeout_ns = (uint64_t)opened->cod_timeout_window * 1000000;
  link->last_rx_ns = mono_ns;
  session->link = wcx_link_idx(links, link) + 1;
  wait_for_room(links, link); /* what came behind the Establish has not been looked at */
}

bool wcx_links_close(wcx_links_t *links, wcx_link_t *link, const wcx_session_closed_t *closed, uint64_t mono_ns)
{
  wcx_session_t *session = &links->sessions->sessions[link->session_idx];
  wcx_session_closed_t body = *closed;
  body.uuid = link->uuid;
  body.transport = WCX_TRANSPORT_TCP;
  if (body.cancel_orders == 1 && wcx_session_binding(links->sessions, session) != NULL)
    body.cancel_orders = 0; /* the session lives on over UDP */
  if (wcx_input_internal(links->input, WCX_TEMPLATE_SESSION_CLOSED, session->session_id, 0, &body, sizeof(body)) == 0)
    return false;
  wcx_stat_add(&links->stats->internal_sequenced, 1);
  wcx_stat_add(&links->stats->sessions_closed, 1);
  wcx_session_view_t view;
  WCX_CHECK(wcx_engine_session(links->input->engine, session->session_id, &view), "session %u is gone", session->session_id);
  session->link = 0;
  link->end = view.next_server_seq;
  enter(link, WCX_LINK_DRAIN, mono_ns);
  wcx_links_touch(links, wcx_link_idx(links, link));
  return true;
}

/* --- in ------------------------------------------------------------------------------------------------------------------------------------------- */

static enum packet_result end_link(wcx_links_t *links, wcx_link_t *link, bool at_once)
{
  release(links, link, at_once);
  return PACKET_END;
}

static enum packet_result close_for(wcx_links_t *links, wcx_link_t *link, enum wcx_session_close_reason reason, enum wcx_terminate_code code, uint64_t mono_ns)
{
  wcx_session_closed_t closed = {.reason = (uint8_t)reason, .cancel_orders = 1, .terminate = 1, .terminate_code = (uint8_t)code};
  return wcx_links_close(links, link, &closed, mono_ns) ? PACKET_END : PACKET_WAIT;
}

/* The peer is gone: nobody is told. */
static enum packet_result lose(wcx_links_t *links, wcx_link_t *link, enum wcx_session_close_reason reason, uint64_t mono_ns)
{
  if (link->state == WCX_LINK_OPEN)
  {
    wcx_session_closed_t closed = {.reason = (uint8_t)reason, .cancel_orders = 1};
    if (!wcx_links_close(links, link, &closed, mono_ns))
      return PACKET_WAIT;
    wcx_stat_add(&links->stats->tcp_lost, reason == WCX_SESSION_CLOSE_REASON_LINK_LOST);
  }
  return end_link(links, link, true);
}

static enum packet_result log_in(wcx_links_t *links, wcx_link_t *link, const wcx_soup_packet_t *packet, uint64_t mono_ns)
{
  wcx_soup_login_t login;
  if (!wcx_soup_login_parse(packet, &login))
    return end_link(links, link, true);
  uint32_t idx = wcx_link_idx(links, link);
  uint8_t answer[WCX_SOUP_HEADER_SZ + WCX_SOUP_LOGIN_ACCEPTED_SZ];
  char session_text[WCX_SOUP_SESSION_SZ];
  uint32_t session_id = wcx_soup_user(login.user);
  wcx_session_t *session = session_id != 0 ? wcx_sessions_find(links->sessions, session_id) : NULL;
  wcx_soup_session(session_text, session_id);
  bool any = memcmp(login.session, "          ", WCX_SOUP_SESSION_SZ) == 0;
  bool named = session != NULL && (any || memcmp(login.session, session_text, WCX_SOUP_SESSION_SZ) == 0);
  if (!named)
  {
    uint32_t sz = wcx_soup_begin(answer, 'J', 1);
    answer[sz] = session == NULL ? WCX_SOUP_NOT_AUTHORIZED : WCX_SOUP_NO_SESSION;
    if (wcx_tcp_write(links->tcp, idx, answer, sz + 1))
      wcx_tcp_push(links->tcp, idx, 0);
    wcx_stat_add(&links->stats->tcp_refused, 1);
    return end_link(links, link, false);
  }
  link->session_idx = session->idx;
  link->cursor = login.number != 0 ? login.number : session->next_released;
  uint32_t sz = wcx_soup_login_accepted(answer, session_text, link->cursor);
  if (!wcx_tcp_write(links->tcp, idx, answer, sz))
    return end_link(links, link, true);
  wcx_tcp_push(links->tcp, idx, 0);
  enter(link, WCX_LINK_ESTABLISH, mono_ns);
  return PACKET_DONE;
}

static enum packet_result establish(wcx_links_t *links, wcx_link_t *link, const wcx_soup_packet_t *packet, uint64_t mono_ns)
{
  const wcx_tcp_conn_t *conn = wcx_tcp_conn(links->tcp, wcx_link_idx(links, link));
  if (packet->type != 'U')
    return end_link(links, link, true);
  switch (wcx_signon_receive_tcp(links->signon, &conn->peer, conn->port, wcx_link_idx(links, link), link->generation, packet->payload, packet->payload_sz, mono_ns))
  {
  case WCX_SIGNON_ASKED:
    enter(link, WCX_LINK_JUDGED, mono_ns);
    return PACKET_DONE;
  case WCX_SIGNON_LATER:
    return PACKET_WAIT;
  default:
    return end_link(links, link, true);
  }
}

static enum packet_result request(wcx_links_t *links, wcx_link_t *link, const wcx_soup_packet_t *packet, uint64_t mono_ns)
{
  if (packet->type != 'U' || packet->payload_sz < sizeof(wcx_message_header_t))
  {
    wcx_stat_add(&links->stats->rx_drop_framing, 1);
    return close_for(links, link, WCX_SESSION_CLOSE_REASON_PROTOCOL_ERROR, WCX_TERMINATE_CODE_PROTOCOL_ERROR, mono_ns);
  }
  wcx_request_t request = {.session = &links->sessions->sessions[link->session_idx],
                           .link = link,
                           .client_seq = link->request_cnt + 1,
                           .body = packet->payload + sizeof(wcx_message_header_t),
                           .avail = (uint16_t)(packet->payload_sz - sizeof(wcx_message_header_t))};
  memcpy(&request.header, packet->payload, sizeof(request.header));
  switch (wcx_sequencer_request(links->sequencer, &request, mono_ns))
  {
  case WCX_REQUEST_WAIT:
    return PACKET_WAIT;
  case WCX_REQUEST_GOODBYE:
    return PACKET_END;
  default:
    link->request_cnt++;
    return PACKET_DONE;
  }
}

static enum packet_result handle(wcx_links_t *links, wcx_link_t *link, const wcx_soup_packet_t *packet, uint64_t mono_ns)
{
  if (packet->type == 'R' || packet->type == '+')
    return PACKET_DONE;
  if (packet->type == 'O')
    return lose(links, link, WCX_SESSION_CLOSE_REASON_FINISHED, mono_ns);
  switch (link->state)
  {
  case WCX_LINK_LOGIN:
    return log_in(links, link, packet, mono_ns);
  case WCX_LINK_ESTABLISH:
    return establish(links, link, packet, mono_ns);
  case WCX_LINK_OPEN:
    return request(links, link, packet, mono_ns);
  default:
    return PACKET_WAIT; /* its Establish is being judged */
  }
}

/* The next packet, read as far as need be. As wcx_soup_next. */
static uint32_t next_packet(wcx_links_t *links, wcx_link_t *link, wcx_soup_packet_t *packet, uint64_t mono_ns)
{
  uint32_t sz = wcx_soup_next(link->in + link->in_off, link->in_len - link->in_off, packet);
  if (sz != 0)
    return sz;
  memmove(link->in, link->in + link->in_off, link->in_len - link->in_off);
  link->in_len -= link->in_off;
  link->in_off = 0;
  uint32_t got = wcx_tcp_read(links->tcp, wcx_link_idx(links, link), link->in + link->in_len, WCX_SOUP_SZ_MAX - link->in_len);
  link->in_len += got;
  if (got > 0)
    link->last_rx_ns = mono_ns;
  return wcx_soup_next(link->in, link->in_len, packet);
}

/* Everything that has come, as far as the link may be heard now. */
static void read_link(wcx_links_t *links, wcx_link_t *link, uint64_t mono_ns)
{
  if (link->state == WCX_LINK_DRAIN)
  {
    if (wcx_tcp_conn(links->tcp, wcx_link_idx(links, link))->state == WCX_TCP_GONE)
      release(links, link, true); /* what it is owed cannot be written any more */
    return;
  }
  if (link->slow)
  {
    if (close_for(links, link, WCX_SESSION_CLOSE_REASON_SLOW_CONSUMER, WCX_TERMINATE_CODE_SLOW_CONSUMER, mono_ns) == PACKET_WAIT)
      wait_for_room(links, link);
    else
    {
      wcx_stat_add(&links->stats->tcp_slow, 1);
      release(links, link, true);
    }
    return;
  }
  for (uint32_t i = 0; i < WCX_LINK_PACKETS_MAX; i++)
  {
    if (link->state == WCX_LINK_JUDGED)
      break; /* asked again when the verdict is there */
    wcx_soup_packet_t packet;
    uint32_t sz = next_packet(links, link, &packet, mono_ns);
    if (sz == 0)
      break;
    enum packet_result result;
    if (sz != UINT32_MAX)
      result = handle(links, link, &packet, mono_ns);
    else if (link->state == WCX_LINK_OPEN)
      result = close_for(links, link, WCX_SESSION_CLOSE_REASON_PROTOCOL_ERROR, WCX_TERMINATE_CODE_PROTOCOL_ERROR, mono_ns);
    else
      result = end_link(links, link, true);
    if (result == PACKET_END)
      return;
    if (result == PACKET_WAIT)
    {
      wait_for_room(links, link);
      return;
    }
    link->in_off += sz;
    if (i + 1 == WCX_LINK_PACKETS_MAX)
    {
      wait_for_room(links, link);
      return;
    }
  }
  uint8_t state = wcx_tcp_conn(links->tcp, wcx_link_idx(links, link))->state;
  bool heard = link->state != WCX_LINK_JUDGED || state == WCX_TCP_GONE;
  if (state != WCX_TCP_OPEN && heard && lose(links, link, WCX_SESSION_CLOSE_REASON_LINK_LOST, mono_ns) == PACKET_WAIT)
    wait_for_room(links, link);
}

/* --- time ----------------------------------------------------------------------------------------------------------------------------------------- */

static void look_at(wcx_links_t *links, wcx_link_t *link, uint64_t mono_ns)
{
  uint32_t idx = wcx_link_idx(links, link);
  if (link->state != WCX_LINK_OPEN)
  {
    if (mono_ns - link->since_ns > WCX_LINK_PATIENCE_NS)
      release(links, link, true);
    return;
  }
  if (links->heard && !link->waiting && mono_ns - link->last_rx_ns > link->timeout_ns)
  {
    if (close_for(links, link, WCX_SESSION_CLOSE_REASON_KEEP_ALIVE_EXPIRED, WCX_TERMINATE_CODE_KEEP_ALIVE_EXPIRED, mono_ns) == PACKET_END)
      wcx_stat_add(&links->stats->keepalive_expired, 1);
    return;
  }
  const wcx_session_t *session = &links->sessions->sessions[link->session_idx];
  uint8_t heartbeat[WCX_SOUP_HEADER_SZ];
  if (mono_ns - link->last_tx_ns < WCX_LINK_HEARTBEAT_NS || session->next_released <= link->opened_number)
    return;
  if (wcx_tcp_write(links->tcp, idx, heartbeat, wcx_soup_begin(heartbeat, 'H', 0)))
    wcx_tcp_push(links->tcp, idx, 0);
  link->last_tx_ns = mono_ns;
}

static void look_at_some(wcx_links_t *links, uint64_t mono_ns)
{
  for (uint32_t i = 0; i < SCANNED_PER_TURN && links->used_cnt > 0; i++)
  {
    links->scan_idx = links->scan_idx + 1 < links->used_cnt ? links->scan_idx + 1 : 0;
    look_at(links, &links->links[links->used[links->scan_idx]], mono_ns);
  }
}

uint32_t wcx_links_step(wcx_links_t *links, uint64_t mono_ns)
{
  if (links->tcp == NULL)
    return 0;
  uint32_t work = wcx_tcp_step(links->tcp, mono_ns);
  uint32_t again = links->waiting_cnt < WCX_LINKS_READY_MAX ? links->waiting_cnt : WCX_LINKS_READY_MAX;
  for (uint32_t i = 0; i < again; i++)
  {
    wcx_link_t *link = &links->links[links->waiting[links->waiting_head]];
    links->waiting_head = (links->waiting_head + 1) % links->max;
    links->waiting_cnt--;
    link->waiting = 0;
    if (link->state != WCX_LINK_FREE)
      read_link(links, link, mono_ns);
  }
  uint32_t idx;
  for (uint32_t i = 0; i < WCX_LINKS_READY_MAX && wcx_tcp_ready(links->tcp, &idx); i++, work++)
  {
    wcx_link_t *link = &links->links[idx];
    if (link->state == WCX_LINK_FREE)
      start(links, idx, mono_ns);
    else if (link->state == WCX_LINK_OPEN || link->state == WCX_LINK_DRAIN)
      wcx_links_touch(links, idx); /* there may be room again */
    read_link(links, link, mono_ns);
  }
  look_at_some(links, mono_ns);
  return work;
}
