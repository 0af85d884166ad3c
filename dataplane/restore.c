#include "dataplane/restore.h"

#include "engine/window.h"

typedef struct restore
{
  wcx_gate_t *gate;
  const wcx_snapshot_file_t *hdr;
  uint32_t roll_next; /* of hdr->rolls */
} restore_t;

static const char *restore_streams(wcx_gate_t *gate, const wcx_snapshot_file_t *hdr, const uint8_t *streams)
{
  if (hdr->stream_cnt > gate->sessions->session_max)
    return "more sessions than sessions_max";
  for (uint64_t i = 0; i < hdr->stream_cnt; i++)
  {
    wcx_snapshot_stream_t stream;
    memcpy(&stream, streams + i * sizeof(stream), sizeof(stream));
    if (stream.next_number == 0 || wcx_sessions_find(gate->sessions, stream.session_id) != NULL)
      return "a session twice, or without a number";
    wcx_session_t *session = wcx_sessions_get(gate->sessions, stream.session_id);
    session->next_released = stream.next_number;
    wcx_drop_copy_resume(gate->drop, session, stream.copied_cnt);
  }
  return NULL;
}

static void restore_days(wcx_feed_t *feed, const wcx_snapshot_file_t *hdr)
{
  static_assert(WCX_SNAPSHOT_FILE_DAYS_MAX == WCX_FEED_DAYS_MAX, "as many days in a snapshot as in the feed");
  feed->day_cnt = hdr->day_cnt;
  for (uint32_t i = 0; i < hdr->day_cnt; i++)
  {
    feed->days[i] = (wcx_feed_day_t){.from_seq = hdr->days[i].from_seq, .next_number = hdr->days[i].next_number};
    memcpy(feed->days[i].session, hdr->days[i].session, sizeof(feed->days[i].session));
  }
  feed->passed_day_seq = hdr->tail_day_seq;
  feed->next_released = hdr->tail_feed_number;
}

/* Past the beginnings of days up to input `seq`: feed and drop copies count from 1 again. */
static void come_to(restore_t *restore, uint64_t seq)
{
  wcx_feed_t *feed = restore->gate->feed;
  while (restore->roll_next < restore->hdr->roll_cnt && restore->hdr->rolls[restore->roll_next] <= seq)
  {
    feed->passed_day_seq = restore->hdr->rolls[restore->roll_next++];
    feed->next_released = 1;
    wcx_drop_copy_roll(restore->gate->drop);
  }
}

static const char *enter(restore_t *restore, const wcx_out_entry_t *entry, uint64_t pos)
{
  wcx_gate_t *gate = restore->gate;
  come_to(restore, entry->input_seq);
  if (entry->stream == WCX_STREAM_FEED)
  {
    if (entry->number != gate->feed->next_released++)
      return "a number of the feed is missing in its window";
    wcx_retain_put(&gate->feed->retain, entry->number, pos);
  }
  if (entry->stream != WCX_STREAM_SESSION)
    return NULL;
  wcx_session_t *session = wcx_sessions_find(gate->sessions, entry->stream_id);
  if (session == NULL || entry->number != session->next_released++)
    return "a number of a session is missing in its window";
  wcx_retain_put(&session->retain, entry->number, pos);
  (void)wcx_drop_copy_enter(gate->drop, session, entry, pos);
  return NULL;
}

/* A log of another size takes entry by entry; what does not fit any more is the oldest. */
static uint64_t append(wcx_outlog_t *log, const uint8_t *bytes, uint32_t entry_sz)
{
  log->sent_pos = log->write_pos;
  memcpy(wcx_outlog_reserve(log, entry_sz), bytes, entry_sz);
  return log->write_pos - entry_sz;
}

static const char *walk(restore_t *restore, const uint8_t *window)
{
  const wcx_snapshot_file_t *hdr = restore->hdr;
  wcx_outlog_t *log = restore->gate->log;
  bool same = hdr->log_cap == log->cap;
  if (same)
    wcx_window_put_back(log, window, hdr->tail_pos, hdr->head_pos);
  for (uint64_t off = 0; off < hdr->window_sz;)
  {
    wcx_out_entry_t entry;
    memcpy(&entry, window + off, 8);
    if (entry.stream != WCX_STREAM_SKIP)
    {
      uint64_t pos = same ? hdr->tail_pos + off : append(log, window + off, entry.entry_sz);
      const char *why = enter(restore, wcx_outlog_at(log, pos), pos);
      if (why != NULL)
        return why;
    }
    off += entry.entry_sz;
  }
  log->sent_pos = log->write_pos;
  return NULL;
}

static void forget(wcx_gate_t *gate)
{
  wcx_sessions_t *sessions = gate->sessions;
  wcx_sessions_init(sessions, sessions->retained, sessions->session_max, sessions->ring_max, sessions->retain_max, sessions->hash_key);
  memset(gate->feed->retain.positions, 0, gate->feed->retain.max * sizeof(uint64_t));
  gate->feed->day_cnt = 0;
  gate->feed->passed_day_seq = 0;
  gate->feed->next_released = 1;
  wcx_feed_roll(gate->feed, gate->drop->engine, 0);
  wcx_drop_copy_clear(gate->drop);
  gate->log->write_pos = gate->log->sent_pos = 0;
}

const char *wcx_restore_window(wcx_gate_t *gate, const wcx_snapshot_file_t *hdr, const uint8_t *streams, const uint8_t *window)
{
  restore_t restore = {.gate = gate, .hdr = hdr};
  restore_days(gate->feed, hdr);
  const char *why = restore_streams(gate, hdr, streams);
  if (why == NULL)
    why = walk(&restore, window);
  if (why != NULL)
  {
    forget(gate);
    return why;
  }
  come_to(&restore, hdr->seq);
  gate->feed->passed_seq = hdr->seq;
  gate->links->day_seq = gate->feed->passed_day_seq;
  return NULL;
}
