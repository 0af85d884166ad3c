/* What links are sent: the streams of the four services, read by cursors. */
#include "dataplane/link.h"

#define BATCH_SZ 2048u /* bytes given to the stack at once */

void wcx_links_touch(wcx_links_t *links, uint32_t link_idx)
{
  wcx_link_t *link = &links->links[link_idx];
  if (link->dirty)
    return;
  link->dirty = 1;
  links->dirty[links->dirty_cnt++] = link_idx;
}

uint64_t wcx_link_next(const wcx_links_t *links, const wcx_link_t *link)
{
  switch (link->service)
  {
  case WCX_SERVICE_DROP_COPY:
    return links->drop->streams[link->drop_stream].next;
  case WCX_SERVICE_REPLAY:
    return links->feed->next_released;
  default:
    return links->sessions->sessions[link->session_idx].next_released;
  }
}

const wcx_out_entry_t *wcx_link_entry(const wcx_links_t *links, const wcx_link_t *link, uint64_t number)
{
  const wcx_session_t *session = &links->sessions->sessions[link->session_idx];
  const wcx_outlog_t *log = links->input->log;
  if (link->service == WCX_SERVICE_DROP_COPY)
    return wcx_drop_copy_get(links->drop, link->drop_stream, number);
  if (link->service == WCX_SERVICE_ORDER)
    return wcx_retain_get(&session->retain, log, WCX_STREAM_SESSION, session->session_id, number);
  const wcx_out_entry_t *entry = wcx_retain_get(&links->feed->retain, log, WCX_STREAM_FEED, links->input->shard, number);
  if (entry == NULL) /* numbers start again each day */
    return NULL;
  const wcx_feed_day_t *day = wcx_feed_day_of(links->feed, entry->input_seq);
  return day != NULL && day->from_seq == links->day_seq ? entry : NULL;
}

/* Fill `batch` with S packets from the cursor on. Returns its bytes; *newest: the newest input they depend on. */
static uint32_t fill(wcx_links_t *links, wcx_link_t *link, uint64_t until, uint32_t room, uint8_t *batch, uint64_t *newest, uint32_t *cnt)
{
  uint32_t sz = 0;
  while (link->cursor < until && *cnt < WCX_LINK_MESSAGES_MAX)
  {
    const wcx_out_entry_t *entry = wcx_link_entry(links, link, link->cursor);
    if (entry == NULL)
    {
      link->slow = 1;
      break;
    }
    if (sz + WCX_SOUP_HEADER_SZ + entry->len > (room < BATCH_SZ ? room : BATCH_SZ))
      break;
    sz += wcx_soup_begin(batch + sz, 'S', entry->len);
    memcpy(batch + sz, entry + 1, entry->len);
    sz += entry->len;
    *newest = entry->input_seq > *newest ? entry->input_seq : *newest;
    link->cursor++;
    (*cnt)++;
  }
  return sz;
}

/* The number behind the last that may be written now. */
static uint64_t end_of(const wcx_links_t *links, const wcx_link_t *link)
{
  uint64_t next = wcx_link_next(links, link);
  if (link->service == WCX_SERVICE_PURGE || next <= link->opened_number)
    return link->cursor; /* written as it is said; or the ack is not released */
  return link->state == WCX_LINK_DRAIN && link->end < next ? link->end : next;
}

/* Write what is released as far as there is room. True: there is more, and room for it. */
static bool write_stream(wcx_links_t *links, wcx_link_t *link, uint64_t mono_ns)
{
  uint32_t idx = wcx_link_idx(links, link);
  uint64_t until = end_of(links, link);
  uint8_t batch[BATCH_SZ];
  uint64_t newest = 0;
  uint32_t cnt = 0;
  link->full = 0;
  while (link->cursor < until && cnt < WCX_LINK_MESSAGES_MAX && !link->slow)
  {
    uint64_t cursor = link->cursor;
    uint32_t before = cnt;
    uint32_t sz = fill(links, link, until, wcx_tcp_room(links->tcp, idx), batch, &newest, &cnt);
    if (sz == 0)
    {
      link->full = !link->slow;
      break;
    }
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
    wcx_link_wait(links, link);
  return link->cursor < until && cnt == WCX_LINK_MESSAGES_MAX;
}

void wcx_links_end_day(wcx_links_t *links, uint64_t mono_ns)
{
  while (links->reader_cnt > 0)
  {
    wcx_link_t *link = &links->links[links->readers[0]];
    uint32_t idx = wcx_link_idx(links, link);
    while (write_stream(links, link, mono_ns)) /* as far as its peer reads */
      ;
    uint8_t packet[WCX_SOUP_HEADER_SZ];
    bool complete = !link->slow && link->cursor >= wcx_link_next(links, link);
    if (complete && wcx_tcp_write(links->tcp, idx, packet, wcx_soup_begin(packet, 'Z', 0)))
    {
      wcx_tcp_push(links->tcp, idx, 0);
      wcx_link_release(links, link, false);
    }
    else
      wcx_links_dismiss(links, link, WCX_TERMINATE_CODE_SLOW_CONSUMER);
  }
}

/* It signed on when the day of its numbers was about to end. */
static bool is_of_another_day(const wcx_links_t *links, const wcx_link_t *link)
{
  return link->service >= WCX_SERVICE_DROP_COPY && link->day_seq != links->day_seq;
}

static void touch_readers(wcx_links_t *links)
{
  links->readers_due = 0;
  for (uint32_t i = 0; i < links->reader_cnt; i++)
    if (!links->links[links->readers[i]].full)
      wcx_links_touch(links, links->readers[i]);
}

void wcx_links_write(wcx_links_t *links, uint64_t mono_ns)
{
  if (links->readers_due)
    touch_readers(links);
  uint32_t cnt = links->dirty_cnt;
  links->dirty_cnt = 0;
  for (uint32_t i = 0; i < cnt; i++)
  {
    wcx_link_t *link = &links->links[links->dirty[i]];
    link->dirty = 0;
    if (link->state != WCX_LINK_OPEN && link->state != WCX_LINK_DRAIN)
      continue;
    if (is_of_another_day(links, link))
    {
      wcx_links_dismiss(links, link, WCX_TERMINATE_CODE_RE_REQUEST_OUT_OF_BOUNDS);
      continue;
    }
    bool more = write_stream(links, link, mono_ns);
    if (link->state == WCX_LINK_DRAIN && (link->cursor >= link->end || link->slow))
      wcx_link_release(links, link, link->slow);    /* what is kept no more is not waited for */
    else if (more || link->state == WCX_LINK_DRAIN) /* its session does not name it any more, so the gate does not touch it */
      wcx_links_touch(links, links->dirty[i]);      /* written over entry i or before, which are done with */
  }
}

/* One S. False when there is no room. */
static bool say(wcx_links_t *links, const wcx_link_t *link, const void *message, uint16_t len, uint64_t input_seq)
{
  uint8_t packet[WCX_SOUP_HEADER_SZ + 128];
  WCX_CHECK(len <= 128, "a message of %u bytes", len);
  uint32_t idx = wcx_link_idx(links, link);
  uint32_t sz = wcx_soup_begin(packet, 'S', len);
  memcpy(packet + sz, message, len);
  if (!wcx_tcp_write(links->tcp, idx, packet, sz + len))
    return false;
  wcx_tcp_push(links->tcp, idx, input_seq);
  return true;
}

bool wcx_links_say(wcx_links_t *links, wcx_link_t *link, const void *message, uint16_t len, uint64_t input_seq, uint64_t mono_ns)
{
  if (!say(links, link, message, len, input_seq))
  {
    link->slow = 1;
    wcx_link_wait(links, link);
    return false;
  }
  link->cursor++;
  link->last_tx_ns = mono_ns;
  return true;
}

void wcx_links_refuse(wcx_links_t *links, wcx_link_t *link, const void *message, uint16_t len, uint64_t input_seq)
{
  (void)say(links, link, message, len, input_seq); /* the connection is new: there is room */
  wcx_link_release(links, link, false);
}

void wcx_links_dismiss(wcx_links_t *links, wcx_link_t *link, uint8_t code)
{
  uint8_t message[8 + sizeof(wcx_terminate_t)];
  wcx_message_header_t header = {.block_length = sizeof(wcx_terminate_t), .template_id = WCX_TEMPLATE_TERMINATE, .schema_id = WCX_SCHEMA_ID};
  wcx_terminate_t terminate = {.uuid = link->uuid, .code = code};
  memcpy(message, &header, 8);
  memcpy(message + 8, &terminate, sizeof(terminate));
  bool told = say(links, link, message, sizeof(message), 0);
  wcx_link_release(links, link, !told);
}

void wcx_links_acked(wcx_links_t *links, wcx_link_t *link, const void *message, uint16_t len, uint64_t input_seq, uint64_t mono_ns)
{
  wcx_session_t *session = &links->sessions->sessions[link->session_idx];
  wcx_link_t *older = wcx_links_of(links, session, link->service);
  if (older != NULL)
    wcx_links_dismiss(links, older, WCX_TERMINATE_CODE_NEW_LOGIN);
  if (!say(links, link, message, len, input_seq))
  {
    wcx_link_release(links, link, true);
    return;
  }
  link->state = WCX_LINK_OPEN;
  link->since_ns = link->last_rx_ns = link->last_tx_ns = mono_ns;
  session->links[link->service] = wcx_link_idx(links, link) + 1;
  if (link->service >= WCX_SERVICE_DROP_COPY)
  {
    link->reader_pos = links->reader_cnt;
    links->readers[links->reader_cnt++] = wcx_link_idx(links, link);
  }
  wcx_links_touch(links, wcx_link_idx(links, link));
  wcx_link_wait(links, link);
}
