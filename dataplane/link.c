#include "dataplane/link.h"

#include "dataplane/ahead.h"
#include "dataplane/sequencer.h"
#include "dataplane/signon.h"

#define SCANNED_PER_TURN 8u

enum packet_result
{
  PACKET_DONE = 1,
  PACKET_WAIT = 2, /* no room or no tokens now: it stays unread */
  PACKET_END = 3,  /* the link is gone, or says no more */
};

size_t wcx_links_footprint(uint32_t link_max)
{
  return (size_t)link_max * (sizeof(wcx_link_t) + 4 * sizeof(uint32_t)) + 64;
}

void wcx_links_init(wcx_links_t *links, void *mem, uint32_t link_max)
{
  memset(mem, 0, wcx_links_footprint(link_max));
  *links = (wcx_links_t){.max = link_max};
  links->links = mem;
  links->used = (uint32_t *)(void *)(links->links + link_max);
  links->dirty = links->used + link_max;
  links->waiting = links->dirty + link_max;
  links->readers = links->waiting + link_max;
}

void wcx_link_wait(wcx_links_t *links, wcx_link_t *link)
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

static void forget_reader(wcx_links_t *links, const wcx_link_t *link)
{
  uint32_t last = links->readers[--links->reader_cnt];
  links->readers[link->reader_pos] = last;
  links->links[last].reader_pos = link->reader_pos;
}

void wcx_link_release(wcx_links_t *links, wcx_link_t *link, bool at_once)
{
  if (link->state == WCX_LINK_OPEN)
  {
    uint32_t *held = &links->sessions->sessions[link->session_idx].links[link->service];
    *held = *held == wcx_link_idx(links, link) + 1 ? 0 : *held;
    if (link->service >= WCX_SERVICE_DROP_COPY)
      forget_reader(links, link);
  }
  wcx_tcp_end(links->tcp, wcx_link_idx(links, link), at_once);
  uint32_t last = links->used[--links->used_cnt];
  links->used[link->used_pos] = last;
  links->links[last].used_pos = link->used_pos;
  link->state = WCX_LINK_FREE;
}

static enum wcx_service service_of(const wcx_links_t *links, uint16_t port)
{
  for (uint32_t service = 0; service < WCX_SERVICES; service++)
    if (links->ports[service] == port)
      return service;
  return WCX_SERVICE_ORDER;
}

/* When places run short, the stranger that has been here longest goes: whoever connects and says nothing keeps nobody out. */
static void make_place(wcx_links_t *links)
{
  wcx_link_t *oldest = NULL;
  for (uint32_t i = 0; i < links->used_cnt; i++)
  {
    wcx_link_t *link = &links->links[links->used[i]];
    if (link->state < WCX_LINK_OPEN && (oldest == NULL || link->since_ns < oldest->since_ns))
      oldest = link;
  }
  if (oldest == NULL)
    return;
  wcx_stat_add(&links->stats->tcp_strangers_dropped, 1);
  wcx_link_release(links, oldest, true);
}

static void start(wcx_links_t *links, uint32_t idx, uint64_t mono_ns)
{
  if (links->used_cnt >= links->max - links->max / 4)
    make_place(links);
  wcx_link_t *link = &links->links[idx];
  *link = (wcx_link_t){.state = WCX_LINK_LOGIN,
                       .dirty = link->dirty,
                       .waiting = link->waiting,
                       .service = (uint8_t)service_of(links, wcx_tcp_conn(links->tcp, idx)->port),
                       .generation = link->generation + 1,
                       .used_pos = links->used_cnt,
                       .since_ns = mono_ns,
                       .last_rx_ns = mono_ns,
                       .last_tx_ns = mono_ns};
  links->used[links->used_cnt++] = idx;
  wcx_stat_add(&links->stats->tcp_connections, 1);
}

/* --- sign-on -------------------------------------------------------------------------------------------------------------------------------------- */

wcx_link_t *wcx_links_judged(const wcx_links_t *links, uint32_t link_idx, uint32_t generation)
{
  wcx_link_t *link = &links->links[link_idx];
  return link->state == WCX_LINK_JUDGED && link->generation == generation ? link : NULL;
}

void wcx_links_opened(wcx_links_t *links, wcx_link_t *link, wcx_session_t *session, const wcx_session_opened_t *opened, uint64_t number, uint64_t mono_ns)
{
  enter(link, WCX_LINK_OPEN, mono_ns);
  link->session_idx = session->idx;
  link->opened_number = number;
  link->uuid = opened->uuid;
  link->timeout_ns = (uint64_t)opened->cod_timeout_window * 1000000;
  link->last_rx_ns = mono_ns;
  session->links[WCX_SERVICE_ORDER] = wcx_link_idx(links, link) + 1;
  wcx_link_wait(links, link); /* what came behind the Establish has not been looked at */
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
  session->links[WCX_SERVICE_ORDER] = 0;
  link->end = view.next_server_seq;
  enter(link, WCX_LINK_DRAIN, mono_ns);
  wcx_links_touch(links, wcx_link_idx(links, link));
  return true;
}

/* --- in ------------------------------------------------------------------------------------------------------------------------------------------- */

static enum packet_result end_link(wcx_links_t *links, wcx_link_t *link, bool at_once)
{
  wcx_link_release(links, link, at_once);
  return PACKET_END;
}

static bool binds(const wcx_link_t *link)
{
  return link->state == WCX_LINK_OPEN && link->service == WCX_SERVICE_ORDER;
}

static enum packet_result close_for(wcx_links_t *links, wcx_link_t *link, enum wcx_session_close_reason reason, enum wcx_terminate_code code, uint64_t mono_ns)
{
  if (link->service != WCX_SERVICE_ORDER)
  {
    wcx_links_dismiss(links, link, (uint8_t)code);
    return PACKET_END;
  }
  wcx_session_closed_t closed = {.reason = (uint8_t)reason, .cancel_orders = 1, .terminate = 1, .terminate_code = (uint8_t)code};
  return wcx_links_close(links, link, &closed, mono_ns) ? PACKET_END : PACKET_WAIT;
}

/* The peer is gone: nobody is told. */
static enum packet_result lose(wcx_links_t *links, wcx_link_t *link, enum wcx_session_close_reason reason, uint64_t mono_ns)
{
  if (binds(link))
  {
    wcx_session_closed_t closed = {.reason = (uint8_t)reason, .cancel_orders = 1};
    if (!wcx_links_close(links, link, &closed, mono_ns))
      return PACKET_WAIT;
    wcx_stat_add(&links->stats->tcp_lost, reason == WCX_SESSION_CLOSE_REASON_LINK_LOST);
  }
  return end_link(links, link, reason == WCX_SESSION_CLOSE_REASON_LINK_LOST); /* who has logged out is closed in order */
}

/* The session string of a login, and the number it would go on with. False: that session may not read such a stream. */
static bool stream_of(wcx_links_t *links, wcx_link_t *link, const wcx_session_t *session, char text[WCX_SOUP_SESSION_SZ], uint64_t *next)
{
  const wcx_feed_day_t *day = wcx_feed_day_of(links->feed, links->day_seq);
  link->day_seq = links->day_seq;
  switch (link->service)
  {
  case WCX_SERVICE_DROP_COPY:
    link->drop_stream = wcx_drop_copy_of(links->drop, session->session_id, session->drop_copy);
    if (link->drop_stream == WCX_DROP_NONE || day == NULL)
      return false;
    wcx_drop_copy_session(text, &links->drop->streams[link->drop_stream].scope, day->session);
    break;
  case WCX_SERVICE_REPLAY:
    if (day == NULL)
      return false;
    memcpy(text, day->session, WCX_SOUP_SESSION_SZ);
    break;
  default:
    wcx_soup_session(text, session->session_id);
    break;
  }
  *next = link->service == WCX_SERVICE_PURGE ? 1 : wcx_link_next(links, link);
  return true;
}

static enum packet_result reject_login(wcx_links_t *links, wcx_link_t *link, char code)
{
  uint8_t answer[WCX_SOUP_HEADER_SZ + 1];
  uint32_t idx = wcx_link_idx(links, link);
  uint32_t sz = wcx_soup_begin(answer, 'J', 1);
  answer[sz] = (uint8_t)code;
  if (wcx_tcp_write(links->tcp, idx, answer, sz + 1))
    wcx_tcp_push(links->tcp, idx, 0);
  wcx_stat_add(&links->stats->tcp_refused, 1);
  return end_link(links, link, false);
}

static enum packet_result log_in(wcx_links_t *links, wcx_link_t *link, const wcx_soup_packet_t *packet, uint64_t mono_ns)
{
  wcx_soup_login_t login;
  if (!wcx_soup_login_parse(packet, &login))
    return end_link(links, link, true);
  uint32_t session_id = wcx_soup_user(login.user);
  wcx_session_view_t view;
  if (session_id == 0 || !wcx_engine_session(links->input->engine, session_id, &view))
    return reject_login(links, link, WCX_SOUP_NOT_AUTHORIZED);
  wcx_session_t *session = wcx_sessions_get(links->sessions, session_id);
  link->session_idx = session->idx;
  char text[WCX_SOUP_SESSION_SZ];
  uint64_t next;
  bool any = memcmp(login.session, "          ", WCX_SOUP_SESSION_SZ) == 0;
  if (!stream_of(links, link, session, text, &next) || (!any && memcmp(login.session, text, WCX_SOUP_SESSION_SZ) != 0))
    return reject_login(links, link, WCX_SOUP_NO_SESSION);
  link->cursor = login.number != 0 && link->service != WCX_SERVICE_PURGE ? login.number : next;
  uint8_t answer[WCX_SOUP_HEADER_SZ + WCX_SOUP_LOGIN_ACCEPTED_SZ];
  uint32_t sz = wcx_soup_login_accepted(answer, text, link->cursor);
  if (!wcx_tcp_write(links->tcp, wcx_link_idx(links, link), answer, sz))
    return end_link(links, link, true);
  wcx_tcp_push(links->tcp, wcx_link_idx(links, link), 0);
  enter(link, WCX_LINK_ESTABLISH, mono_ns);
  return PACKET_DONE;
}

static enum packet_result establish(wcx_links_t *links, wcx_link_t *link, const wcx_soup_packet_t *packet, uint64_t mono_ns)
{
  const wcx_tcp_conn_t *conn = wcx_tcp_conn(links->tcp, wcx_link_idx(links, link));
  if (packet->type != 'U')
    return end_link(links, link, true);
  switch (wcx_signon_receive_tcp(links->signon, &conn->peer, conn->port, wcx_link_idx(links, link), packet->payload, packet->payload_sz, mono_ns))
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
  bool reads_only = link->service >= WCX_SERVICE_DROP_COPY;
  if (packet->type != 'U' || packet->payload_sz < sizeof(wcx_message_header_t) || reads_only)
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
  if (link->service == WCX_SERVICE_PURGE && request.header.template_id == WCX_TEMPLATE_TERMINATE)
    return end_link(links, link, false); /* it binds nothing: there is nothing to say */
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
  if (got == 0)
    return 0;
  link->last_rx_ns = mono_ns;
  if (binds(link))
    wcx_ahead_stream(links->input->engine, links->sessions->sessions[link->session_idx].session_id, link->in, link->in_len);
  return wcx_soup_next(link->in, link->in_len, packet);
}

/* Everything that has come, as far as the link may be heard now. */
static void read_link(wcx_links_t *links, wcx_link_t *link, uint64_t mono_ns)
{
  if (link->state == WCX_LINK_DRAIN)
  {
    if (wcx_tcp_conn(links->tcp, wcx_link_idx(links, link))->state == WCX_TCP_GONE)
      wcx_link_release(links, link, true); /* what it is owed cannot be written any more */
    return;
  }
  uint8_t conn_state = wcx_tcp_conn(links->tcp, wcx_link_idx(links, link))->state;
  if (conn_state == WCX_TCP_GONE) /* what it sent and was not read is not entered any more: it could not be told */
  {
    if (lose(links, link, WCX_SESSION_CLOSE_REASON_LINK_LOST, mono_ns) == PACKET_WAIT)
      wcx_link_wait(links, link);
    return;
  }
  if (link->slow)
  {
    if (close_for(links, link, WCX_SESSION_CLOSE_REASON_SLOW_CONSUMER, WCX_TERMINATE_CODE_SLOW_CONSUMER, mono_ns) == PACKET_WAIT)
      wcx_link_wait(links, link);
    else
    {
      wcx_stat_add(&links->stats->tcp_slow, 1);
      if (link->state != WCX_LINK_FREE)
        wcx_link_release(links, link, true);
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
    if (result == PACKET_WAIT && (conn_state == WCX_TCP_OPEN || mono_ns - link->last_rx_ns <= link->timeout_ns))
    {
      wcx_link_wait(links, link);
      return;
    }
    if (result == PACKET_WAIT)
      break; /* it has left, and what it left behind has waited for as long as its orders may */
    link->in_off += sz;
    links->packets_left--;
    if (i + 1 == WCX_LINK_PACKETS_MAX || links->packets_left == 0)
    {
      wcx_link_wait(links, link);
      return;
    }
  }
  bool heard = link->state != WCX_LINK_JUDGED;
  if (conn_state != WCX_TCP_OPEN && heard && lose(links, link, WCX_SESSION_CLOSE_REASON_LINK_LOST, mono_ns) == PACKET_WAIT)
    wcx_link_wait(links, link);
}

/* --- time ----------------------------------------------------------------------------------------------------------------------------------------- */

static void look_at(wcx_links_t *links, wcx_link_t *link, uint64_t mono_ns)
{
  uint32_t idx = wcx_link_idx(links, link);
  if (link->state != WCX_LINK_OPEN)
  {
    if (mono_ns - link->since_ns > WCX_LINK_PATIENCE_NS)
      wcx_link_release(links, link, true);
    return;
  }
  if (links->heard && !link->waiting && mono_ns - link->last_rx_ns > link->timeout_ns)
  {
    if (close_for(links, link, WCX_SESSION_CLOSE_REASON_KEEP_ALIVE_EXPIRED, WCX_TERMINATE_CODE_KEEP_ALIVE_EXPIRED, mono_ns) == PACKET_END)
      wcx_stat_add(&links->stats->keepalive_expired, 1);
    return;
  }
  if (link->full && wcx_link_entry(links, link, link->cursor) == NULL)
  {
    link->slow = 1; /* what it would read next is gone */
    wcx_link_wait(links, link);
    return;
  }
  uint8_t heartbeat[WCX_SOUP_HEADER_SZ];
  if (mono_ns - link->last_tx_ns < WCX_LINK_HEARTBEAT_NS || wcx_link_next(links, link) <= link->opened_number)
    return;
  if (wcx_tcp_write(links->tcp, idx, heartbeat, wcx_soup_begin(heartbeat, 'H', 0)))
    wcx_tcp_push(links->tcp, idx, 0);
  link->last_tx_ns = mono_ns;
}

static void look_at_some(wcx_links_t *links, uint64_t mono_ns)
{
  uint32_t cnt = links->used_cnt < SCANNED_PER_TURN ? links->used_cnt : SCANNED_PER_TURN; /* nobody twice */
  for (uint32_t i = 0; i < cnt && links->used_cnt > 0; i++)
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
  links->packets_left = WCX_LINKS_PACKETS_MAX;
  for (uint32_t i = 0; i < again && links->packets_left > 0; i++)
  {
    wcx_link_t *link = &links->links[links->waiting[links->waiting_head]];
    links->waiting_head = (links->waiting_head + 1) % links->max;
    links->waiting_cnt--;
    link->waiting = 0;
    if (link->state != WCX_LINK_FREE)
      read_link(links, link, mono_ns);
  }
  uint32_t idx;
  for (uint32_t i = 0; i < WCX_LINKS_READY_MAX && links->packets_left > 0 && wcx_tcp_ready(links->tcp, &idx); i++, work++)
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
