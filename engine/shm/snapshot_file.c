#include "engine/shm/snapshot_file.h"

#include "engine/base/crc32c.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

void wcx_snapshot_file_name(char name[WCX_SNAPSHOT_FILE_NAME_SZ], uint64_t seq)
{
  snprintf(name, WCX_SNAPSHOT_FILE_NAME_SZ, "snap-%016" PRIx64 ".wcs", seq);
}

bool wcx_snapshot_file_seq(const char *name, uint64_t *seq)
{
  char same[WCX_SNAPSHOT_FILE_NAME_SZ];
  if (sscanf(name, "snap-%16" SCNx64 ".wcs", seq) != 1)
    return false;
  wcx_snapshot_file_name(same, *seq);
  return strcmp(name, same) == 0;
}

uint32_t wcx_snapshot_file_crc(const wcx_snapshot_file_t *hdr)
{
  wcx_snapshot_file_t copy = *hdr;
  copy.crc32c = 0;
  return wcx_crc32c(0, &copy, sizeof(copy));
}

void wcx_snapshot_anchor_keep(wcx_snapshot_anchor_t *kept, const wcx_journal_anchor_t *anchor)
{
  *kept = (wcx_snapshot_anchor_t){.segment_no = anchor->segment_no,
                                  .off = anchor->off,
                                  .next_block_no = anchor->chain.next_block_no,
                                  .next_seq = anchor->chain.next_seq,
                                  .epoch = anchor->chain.epoch,
                                  .digest = anchor->chain.digest,
                                  .incarnation = anchor->incarnation,
                                  .last_stamp_ns = anchor->last_stamp_ns,
                                  .committed_hint = anchor->committed_hint};
}

void wcx_snapshot_anchor_give(const wcx_snapshot_anchor_t *kept, uint32_t shard, wcx_journal_anchor_t *anchor)
{
  *anchor = (wcx_journal_anchor_t){.segment_no = kept->segment_no,
                                   .off = kept->off,
                                   .chain = {.shard = shard, .next_block_no = kept->next_block_no, .next_seq = kept->next_seq, .epoch = kept->epoch, .digest = kept->digest},
                                   .incarnation = kept->incarnation,
                                   .last_stamp_ns = kept->last_stamp_ns,
                                   .committed_hint = kept->committed_hint};
}

/* --- rule 4 ---------------------------------------------------------------------------------------- */

static __attribute__((format(printf, 3, 4))) bool refuse(char *err, size_t err_sz, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(err, err_sz, fmt, args);
  va_end(args);
  return false;
}

static bool sizes_sound(const wcx_snapshot_file_t *hdr, uint64_t file_sz)
{
  /* each below the whole, so that no sum can wrap */
  if (hdr->sz != file_sz || hdr->engine_sz == 0 || hdr->engine_sz > file_sz || hdr->window_sz > file_sz || hdr->stream_cnt > file_sz / sizeof(wcx_snapshot_stream_t))
    return false;
  return wcx_snapshot_file_sz(hdr) == file_sz;
}

static bool window_sound(const wcx_snapshot_file_t *hdr)
{
  bool cap = hdr->log_cap >= 65536 && (hdr->log_cap & (hdr->log_cap - 1)) == 0;
  bool place = hdr->tail_pos <= hdr->head_pos && hdr->head_pos - hdr->tail_pos == hdr->window_sz && hdr->tail_pos % 16 == 0 && hdr->head_pos % 16 == 0;
  return cap && place && hdr->window_sz <= hdr->log_cap && hdr->tail_feed_number > 0;
}

static bool days_sound(const wcx_snapshot_file_t *hdr)
{
  if (hdr->day_cnt == 0 || hdr->day_cnt > WCX_SNAPSHOT_FILE_DAYS_MAX || hdr->roll_cnt > WCX_SNAPSHOT_FILE_ROLLS_MAX || hdr->days[hdr->day_cnt - 1].from_seq > hdr->seq)
    return false;
  for (uint32_t i = 1; i < hdr->day_cnt; i++)
    if (hdr->days[i].from_seq <= hdr->days[i - 1].from_seq)
      return false;
  uint64_t day_seq = hdr->tail_day_seq;
  for (uint32_t i = 0; i < hdr->roll_cnt; day_seq = hdr->rolls[i++])
    if (hdr->rolls[i] <= day_seq)
      return false;
  return day_seq == hdr->days[hdr->day_cnt - 1].from_seq;
}

bool wcx_snapshot_check_header(const uint8_t *page, uint64_t file_sz, wcx_snapshot_file_t *hdr, char *err, size_t err_sz)
{
  if (file_sz < WCX_SNAPSHOT_FILE_ALIGN || file_sz % WCX_SNAPSHOT_FILE_ALIGN != 0)
    return refuse(err, err_sz, "%" PRIu64 " bytes: not a multiple of %u, and its header alone has as many", file_sz, WCX_SNAPSHOT_FILE_ALIGN);
  memcpy(hdr, page, sizeof(*hdr));
  if (hdr->magic != WCX_SNAPSHOT_FILE_MAGIC)
    return refuse(err, err_sz, "magic %016" PRIx64 ": no snapshot file, or one that was not finished", hdr->magic);
  if (hdr->version != WCX_SNAPSHOT_FILE_VERSION)
    return refuse(err, err_sz, "format version %u, this program reads version %u", hdr->version, (unsigned)WCX_SNAPSHOT_FILE_VERSION);
  uint32_t crc = wcx_snapshot_file_crc(hdr);
  if (crc != hdr->crc32c)
    return refuse(err, err_sz, "header: CRC32C %08x, it says %08x", crc, hdr->crc32c);
  if (!wcx_journal_all_zero(page + sizeof(*hdr), WCX_SNAPSHOT_FILE_ALIGN - sizeof(*hdr)))
    return refuse(err, err_sz, "the header's page is not zero behind the header");
  if (!sizes_sound(hdr, file_sz))
    return refuse(err, err_sz, "%" PRIu64 " bytes, the header says %" PRIu64 " of which engine %" PRIu64 ", %" PRIu64 " streams, window %" PRIu64, file_sz, hdr->sz, hdr->engine_sz,
                  hdr->stream_cnt, hdr->window_sz);
  bool place = hdr->anchor.next_seq == hdr->seq + 1 && hdr->genesis_seq <= hdr->seq && hdr->shard > 0 && hdr->reserved16 == 0;
  if (!place || !window_sound(hdr) || !days_sound(hdr))
    return refuse(err, err_sz, "the header contradicts itself (seq %" PRIu64 ", next of its anchor %" PRIu64 ", window %" PRIu64 " .. %" PRIu64 ")", hdr->seq, hdr->anchor.next_seq,
                  hdr->tail_pos, hdr->head_pos);
  return true;
}

bool wcx_snapshot_beyond(const uint8_t *bytes, int64_t sz, uint32_t shard, uint64_t seq, uint64_t last_seq)
{
  wcx_snapshot_file_t hdr = {0};
  char err[160];
  if (seq <= last_seq || sz <= 0 || !wcx_snapshot_check_header(bytes, (uint64_t)sz, &hdr, err, sizeof(err)))
    return false;
  return hdr.seq == seq && hdr.shard == shard;
}

static bool check_part(const uint8_t *bytes, uint64_t off, uint64_t sz, uint32_t said, const char *name, char *err, size_t err_sz)
{
  uint32_t crc = wcx_crc32c(0, bytes + off, sz);
  if (crc != said)
    return refuse(err, err_sz, "%s: CRC32C %08x, the header says %08x", name, crc, said);
  if (!wcx_journal_all_zero(bytes + off + sz, wcx_snapshot_round(sz) - sz))
    return refuse(err, err_sz, "%s: not zero behind its end", name);
  return true;
}

bool wcx_snapshot_check(const uint8_t *bytes, uint64_t file_sz, wcx_snapshot_file_t *hdr, char *err, size_t err_sz)
{
  if (file_sz < WCX_SNAPSHOT_FILE_ALIGN)
    return refuse(err, err_sz, "%" PRIu64 " bytes: its header alone has %u", file_sz, WCX_SNAPSHOT_FILE_ALIGN);
  return wcx_snapshot_check_header(bytes, file_sz, hdr, err, err_sz) && check_part(bytes, wcx_snapshot_engine_off(), hdr->engine_sz, hdr->engine_crc, "engine", err, err_sz) &&
         check_part(bytes, wcx_snapshot_streams_off(hdr), hdr->stream_cnt * sizeof(wcx_snapshot_stream_t), hdr->streams_crc, "streams", err, err_sz) &&
         check_part(bytes, wcx_snapshot_window_off(hdr), hdr->window_sz, hdr->window_crc, "window", err, err_sz);
}
