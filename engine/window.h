/* The retained window of an output log as bytes: what a snapshot file keeps of it (engine/shm/snapshot_file.h, rule 3).

   The bytes are those of the log at positions tail .. head, where a position that is a multiple of the log's capacity begins a new turn of the ring. SKIP entries are
   among them. A log of the same capacity takes them back as they are, at the same positions; one of another capacity takes entry by entry.

   Owner:     whoever holds the bytes.
   Result:    wcx_window_sound says whether every entry can be walked; it believes nothing of what stands there.
   Pinned by: tests/unit/test_snapshot_file.c. */
#ifndef WCX_ENGINE_WINDOW_H
#define WCX_ENGINE_WINDOW_H

#include "engine/outlog.h"

/* Size of the entry at `bytes`, of which `left` are there; 0 when it is none. `to_end`: bytes to the end of the ring, which no entry crosses. */
static inline uint64_t wcx_window_entry_sz(const uint8_t *bytes, uint64_t left, uint64_t to_end)
{
  wcx_out_entry_t entry;
  if (left < 16)
    return 0;
  memcpy(&entry, bytes, 8);
  if (entry.entry_sz < 16 || entry.entry_sz % 16 != 0 || entry.entry_sz > left || entry.entry_sz > to_end)
    return 0;
  if (entry.stream == WCX_STREAM_SKIP)
    return entry.entry_sz;
  bool sound = entry.stream >= WCX_STREAM_SESSION && entry.stream <= WCX_STREAM_UNSEQUENCED && entry.len >= 8 && entry.entry_sz == wcx_outlog_entry_sz(entry.len);
  return sound ? entry.entry_sz : 0;
}

/* Whether `sz` bytes from position `tail` of a log of capacity `cap` are entries from the first to the last byte, of inputs that never fall and end at `last_seq` or before. */
static inline bool wcx_window_sound(const uint8_t *bytes, uint64_t sz, uint64_t tail, uint64_t cap, uint64_t last_seq)
{
  uint64_t input_seq = 0;
  for (uint64_t off = 0; off < sz;)
  {
    uint64_t entry_sz = wcx_window_entry_sz(bytes + off, sz - off, cap - ((tail + off) & (cap - 1)));
    if (entry_sz == 0)
      return false;
    wcx_out_entry_t entry;
    memcpy(&entry, bytes + off, 8);
    if (entry.stream != WCX_STREAM_SKIP)
    {
      memcpy(&entry, bytes + off, sizeof(entry));
      if (entry.input_seq < input_seq || entry.input_seq > last_seq)
        return false;
      input_seq = entry.input_seq;
    }
    off += entry_sz;
  }
  return true;
}

/* Copy the bytes back into a log of the same capacity: afterwards sent_pos is the tail and write_pos the head. */
static inline void wcx_window_put_back(wcx_outlog_t *log, const uint8_t *bytes, uint64_t tail, uint64_t head)
{
  uint64_t at = tail & (log->cap - 1);
  uint64_t first = log->cap - at < head - tail ? log->cap - at : head - tail;
  memcpy(log->base + at, bytes, first);
  memcpy(log->base, bytes + first, head - tail - first);
  log->sent_pos = tail;
  log->write_pos = head;
}

#endif
