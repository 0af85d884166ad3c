#include "persist/outputs.h"

#include "engine/drop_scope.h"
#include "engine/window.h"

#define SKIP_MAX 2048u /* the most that is left over at the end of the ring (wcx_outlog_room) */
#define ENTRY_SZ_MIN 32u

static uint64_t note_max_of(uint64_t log_cap)
{
  uint64_t max = 64;
  while (max < log_cap / ENTRY_SZ_MIN)
    max *= 2;
  return max;
}

/* The sessions, which begin zeroed; the notes behind them are written before they are read. */
static size_t sessions_sz(uint32_t sessions_max)
{
  size_t sz = sessions_max * sizeof(wcx_snapshot_stream_t) + wcx_idmap_cap(sessions_max) * sizeof(wcx_idmap_entry_t) + wcx_idmap_direct_cnt(sessions_max) * sizeof(uint32_t);
  return (sz + 63) & ~(size_t)63;
}

size_t wcx_outputs_footprint(uint64_t log_cap, uint32_t sessions_max)
{
  return sessions_sz(sessions_max) + note_max_of(log_cap) * sizeof(wcx_outputs_note_t);
}

void wcx_outputs_init(wcx_outputs_t *retained, void *mem, uint32_t sessions_max, wcx_outlog_t *log, const wcx_engine_t *engine)
{
  memset(mem, 0, sessions_sz(sessions_max));
  *retained = (wcx_outputs_t){.log = log, .note_max = note_max_of(log->cap), .streams = mem, .stream_max = sessions_max, .tail_feed_number = 1, .day_cnt = 1};
  retained->stream_of.entries = (wcx_idmap_entry_t *)(retained->streams + sessions_max);
  retained->stream_of.mask = (uint32_t)(wcx_idmap_cap(sessions_max) - 1);
  retained->stream_of.direct = (uint32_t *)(retained->stream_of.entries + wcx_idmap_cap(sessions_max));
  retained->stream_of.direct_cnt = wcx_idmap_direct_cnt(sessions_max);
  retained->notes = (wcx_outputs_note_t *)(void *)((uint8_t *)mem + sessions_sz(sessions_max));
  wcx_engine_feed_session(engine, retained->days[0].session);
}

/* --- the tail ---------------------------------------------------------------------------------------- */

static wcx_snapshot_stream_t *add_stream(wcx_outputs_t *retained, uint32_t session_id)
{
  WCX_CHECK(retained->stream_cnt < retained->stream_max, "session %u beyond the %u there are", session_id, retained->stream_max);
  uint32_t idx = retained->stream_cnt++;
  wcx_idmap_add(&retained->stream_of, session_id, idx);
  retained->streams[idx] = (wcx_snapshot_stream_t){.session_id = session_id, .next_number = 1};
  return &retained->streams[idx];
}

static wcx_snapshot_stream_t *stream_of(wcx_outputs_t *retained, uint32_t session_id)
{
  uint32_t idx = wcx_idmap_find(&retained->stream_of, session_id);
  return idx != WCX_IDX_NONE ? &retained->streams[idx] : add_stream(retained, session_id);
}

/* Past the beginnings of days up to input `seq`. */
static void pass_days(wcx_outputs_t *retained, uint64_t seq)
{
  while (retained->roll_cnt > 0 && retained->rolls[0] <= seq)
  {
    retained->tail_day_seq = retained->rolls[0];
    memmove(retained->rolls, retained->rolls + 1, --retained->roll_cnt * sizeof(retained->rolls[0]));
    retained->tail_feed_number = 1;
    for (uint32_t i = 0; i < retained->stream_cnt; i++)
      retained->streams[i].copied_cnt = 0;
  }
}

static void forget(wcx_outputs_t *retained, const wcx_outputs_note_t *note)
{
  pass_days(retained, note->input_seq);
  if (note->stream == WCX_STREAM_FEED)
    retained->tail_feed_number = note->number + 1;
  if (note->stream != WCX_STREAM_SESSION)
    return;
  wcx_snapshot_stream_t *stream = stream_of(retained, note->stream_id);
  stream->next_number = note->number + 1;
  stream->copied_cnt += note->copied;
}

/* What stands at `scanned`. */
static void note_one(wcx_outputs_t *retained)
{
  const wcx_out_entry_t *entry = wcx_outlog_at(retained->log, retained->scanned);
  wcx_outputs_note_t *note = &retained->notes[retained->note_head++ & (retained->note_max - 1)];
  *note = (wcx_outputs_note_t){.pos = retained->scanned, .stream = entry->stream};
  if (entry->stream != WCX_STREAM_SKIP)
  {
    note->number = entry->number;
    note->input_seq = entry->input_seq;
    note->stream_id = entry->stream_id;
    note->copied = entry->stream == WCX_STREAM_SESSION && wcx_drop_copied((const uint8_t *)(entry + 1), entry->stream_id);
  }
  retained->scanned += entry->entry_sz;
}

void wcx_outputs_prepare(wcx_outputs_t *retained, uint64_t bound)
{
  wcx_outlog_t *log = retained->log;
  log->sent_pos = log->write_pos; /* nothing waits here: all of it is released */
  uint64_t reach = log->write_pos + bound + SKIP_MAX;
  if (reach <= log->cap)
    return;
  reach -= log->cap;
  while (retained->scanned < log->write_pos && retained->scanned < reach)
    note_one(retained);
}

static bool any_note(const wcx_outputs_t *retained)
{
  return retained->note_tail != retained->note_head;
}

static const wcx_outputs_note_t *oldest_note(const wcx_outputs_t *retained)
{
  return &retained->notes[retained->note_tail & (retained->note_max - 1)];
}

/* One day too many: the window begins with the second day in it. */
static void forget_a_day(wcx_outputs_t *retained)
{
  uint64_t seq = retained->rolls[0];
  for (;;)
  {
    if (!any_note(retained) && retained->scanned < retained->log->write_pos)
      note_one(retained);
    if (!any_note(retained))
      break;
    const wcx_outputs_note_t *note = oldest_note(retained);
    if (note->stream != WCX_STREAM_SKIP && note->input_seq >= seq)
      break;
    forget(retained, note);
    retained->note_tail++;
  }
  pass_days(retained, seq);
}

void wcx_outputs_applied(wcx_outputs_t *retained)
{
  const wcx_outlog_t *log = retained->log;
  uint64_t whole = log->write_pos > log->cap ? log->write_pos - log->cap : 0; /* as wcx_outlog_retained has it */
  for (; any_note(retained) && oldest_note(retained)->pos < whole; retained->note_tail++)
    forget(retained, oldest_note(retained));
  retained->tail = any_note(retained) ? oldest_note(retained)->pos : retained->scanned;
  WCX_CHECK(retained->tail >= whole, "the window begins at %llu, whole is what lies behind %llu", (unsigned long long)retained->tail, (unsigned long long)whole);
}

void wcx_outputs_rolled(wcx_outputs_t *retained, const wcx_engine_t *engine, uint64_t feed_number)
{
  wcx_snapshot_day_t day = {.from_seq = wcx_engine_applied_seq(engine)};
  wcx_engine_feed_session(engine, day.session);
  wcx_snapshot_day_t *before = &retained->days[retained->day_cnt - 1];
  if (memcmp(before->session, day.session, sizeof(day.session)) != 0)
  {
    before->next_number = feed_number;
    if (retained->day_cnt == WCX_SNAPSHOT_FILE_DAYS_MAX)
      memmove(retained->days, retained->days + 1, (--retained->day_cnt) * sizeof(day));
    retained->days[retained->day_cnt++] = day;
    if (retained->roll_cnt == WCX_SNAPSHOT_FILE_ROLLS_MAX)
      forget_a_day(retained);
    retained->rolls[retained->roll_cnt++] = day.from_seq;
  }
  wcx_outputs_applied(retained);
}

/* --- bytes -------------------------------------------------------------------------------------------- */

void wcx_outputs_save(wcx_outputs_t *retained, wcx_snapshot_file_t *hdr)
{
  const wcx_outlog_t *log = retained->log;
  for (uint64_t i = retained->note_tail; i != retained->note_head; i++)
    if (retained->notes[i & (retained->note_max - 1)].stream == WCX_STREAM_SESSION)
      (void)stream_of(retained, retained->notes[i & (retained->note_max - 1)].stream_id);
  for (uint64_t pos = retained->scanned; pos < log->write_pos;)
  {
    const wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    if (entry->stream == WCX_STREAM_SESSION)
      (void)stream_of(retained, entry->stream_id);
    pos += entry->entry_sz;
  }
  hdr->stream_cnt = retained->stream_cnt;
  hdr->window_sz = log->write_pos - retained->tail;
  hdr->log_cap = log->cap;
  hdr->tail_pos = retained->tail;
  hdr->head_pos = log->write_pos;
  hdr->tail_day_seq = retained->tail_day_seq;
  hdr->tail_feed_number = retained->tail_feed_number;
  hdr->day_cnt = retained->day_cnt;
  memcpy(hdr->days, retained->days, retained->day_cnt * sizeof(hdr->days[0]));
  hdr->roll_cnt = retained->roll_cnt;
  memcpy(hdr->rolls, retained->rolls, retained->roll_cnt * sizeof(hdr->rolls[0]));
}

/* Into a log of another capacity: entry by entry, from the beginning of the ring. */
static void append_window(wcx_outputs_t *retained, const wcx_snapshot_file_t *hdr, const uint8_t *window)
{
  wcx_outlog_t *log = retained->log;
  for (uint64_t off = 0; off < hdr->window_sz;)
  {
    wcx_out_entry_t entry;
    memcpy(&entry, window + off, 8);
    if (entry.stream != WCX_STREAM_SKIP)
    {
      wcx_outputs_prepare(retained, entry.entry_sz);
      memcpy(wcx_outlog_reserve(log, entry.entry_sz), window + off, entry.entry_sz);
      wcx_outputs_applied(retained);
    }
    off += entry.entry_sz;
  }
}

bool wcx_outputs_load(wcx_outputs_t *retained, const wcx_snapshot_file_t *hdr, const uint8_t *streams, const uint8_t *window)
{
  if (hdr->stream_cnt > retained->stream_max)
    return false;
  for (uint64_t i = 0; i < hdr->stream_cnt; i++)
  {
    wcx_snapshot_stream_t from;
    memcpy(&from, streams + i * sizeof(from), sizeof(from));
    if (wcx_idmap_find(&retained->stream_of, from.session_id) != WCX_IDX_NONE)
      return false;
    *add_stream(retained, from.session_id) = from;
  }
  retained->tail_day_seq = hdr->tail_day_seq;
  retained->tail_feed_number = hdr->tail_feed_number;
  retained->day_cnt = hdr->day_cnt;
  memcpy(retained->days, hdr->days, sizeof(retained->days));
  retained->roll_cnt = hdr->roll_cnt;
  memcpy(retained->rolls, hdr->rolls, sizeof(retained->rolls));
  if (hdr->log_cap != retained->log->cap)
  {
    append_window(retained, hdr, window);
    return true;
  }
  wcx_window_put_back(retained->log, window, hdr->tail_pos, hdr->head_pos);
  retained->tail = retained->scanned = hdr->tail_pos;
  return true;
}
