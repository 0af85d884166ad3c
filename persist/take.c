#include "persist/take.h"

#include "engine/base/crc32c.h"
#include "engine/base/env.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

enum part
{
  PART_ENGINE = 0,
  PART_STREAMS = 1,
  PART_WINDOW = 2,
  PARTS = 3,
};

static const char *const part_names[PARTS] = {"engine", "streams", "window"};

void wcx_take_init(wcx_take_t *take, const wcx_take_place_t *place)
{
  *take = (wcx_take_t){.place = *place, .phase = WCX_TAKE_IDLE};
}

static __attribute__((format(printf, 2, 3))) uint32_t fail(wcx_take_t *take, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  int len = vsnprintf(take->text, sizeof(take->text), fmt, args);
  va_end(args);
  wcx_disk_file_close(take->place.disk, WCX_TAKE_HANDLE);
  int result = wcx_disk_remove(take->place.disk, WCX_SNAPSHOT_FILE_TEMP);
  if (result < 0 && result != -ENOENT && len >= 0 && (size_t)len < sizeof(take->text)) /* what stays is never read, and removed before the next one */
    snprintf(take->text + len, sizeof(take->text) - (size_t)len, "; " WCX_SNAPSHOT_FILE_TEMP " cannot be removed: %s", strerrordesc_np(-result));
  take->failed = true;
  take->phase = WCX_TAKE_IDLE;
  return 1;
}

static uint64_t part_off(const wcx_take_t *take, enum part part)
{
  return part == PART_ENGINE ? wcx_snapshot_engine_off() : part == PART_STREAMS ? wcx_snapshot_streams_off(&take->hdr) : wcx_snapshot_window_off(&take->hdr);
}

static uint64_t part_sz(const wcx_take_t *take, enum part part)
{
  return part == PART_ENGINE ? take->hdr.engine_sz : part == PART_STREAMS ? take->hdr.stream_cnt * sizeof(wcx_snapshot_stream_t) : take->hdr.window_sz;
}

/* Bytes [off, off + sz) of the window, out of the ring. */
static void copy_window(const wcx_take_t *take, uint64_t off, uint8_t *to, uint64_t sz)
{
  const wcx_outlog_t *log = take->retained->log;
  uint64_t at = (take->hdr.tail_pos + off) & (log->cap - 1);
  uint64_t first = log->cap - at < sz ? log->cap - at : sz;
  memcpy(to, log->base + at, first);
  memcpy(to + first, log->base, sz - first);
}

/* What of [off, off + sz) of the file lies in a part: where in the part, where in the chunk, how much. */
typedef struct overlap
{
  uint64_t from;
  uint64_t at;
  uint64_t sz;
} overlap_t;

static overlap_t overlap_of(const wcx_take_t *take, enum part part, uint64_t off, uint64_t sz)
{
  uint64_t begin = part_off(take, part);
  uint64_t end = begin + part_sz(take, part);
  uint64_t from = off > begin ? off : begin;
  uint64_t to = off + sz < end ? off + sz : end;
  return from < to ? (overlap_t){.from = from - begin, .at = from - off, .sz = to - from} : (overlap_t){0};
}

static uint64_t chunk_sz(const wcx_take_t *take)
{
  uint64_t left = take->hdr.sz - take->off;
  return left < WCX_TAKE_CHUNK_SZ ? left : WCX_TAKE_CHUNK_SZ;
}

static bool pace(wcx_take_t *take, uint64_t now_ns)
{
  if (take->place.bytes_per_s == 0)
    return true;
  if (now_ns < take->next_ns)
    return false;
  take->next_ns = now_ns + (uint64_t)((double)chunk_sz(take) * 1e9 / (double)take->place.bytes_per_s);
  return true;
}

/* --- to the disk -------------------------------------------------------------------------------------- */

void wcx_take_begin(wcx_take_t *take, const wcx_engine_t *engine, wcx_outputs_t *retained, const wcx_snapshot_file_t *hdr, uint64_t now_ns)
{
  take->engine = engine;
  take->retained = retained;
  take->hdr = *hdr;
  take->hdr.magic = WCX_SNAPSHOT_FILE_MAGIC;
  take->hdr.version = WCX_SNAPSHOT_FILE_VERSION;
  take->hdr.seq = wcx_engine_applied_seq(engine);
  take->hdr.stamp_ns = wcx_engine_last_stamp_ns(engine);
  take->hdr.taken_ns = wcx_env_utc_ns();
  take->hdr.state_digest = wcx_engine_state_digest(engine);
  take->hdr.output_digest = wcx_engine_output_digest(engine);
  take->hdr.orders_live = wcx_engine_orders_live(engine);
  take->hdr.orders_max = take->place.limits->orders_max;
  take->hdr.levels_max = take->place.limits->levels_max;
  take->hdr.instruments_max = take->place.limits->instruments_max;
  take->hdr.accounts_max = take->place.limits->accounts_max;
  take->hdr.sessions_max = take->place.limits->sessions_max;
  take->done = take->failed = false;
  take->begun_ns = take->next_ns = now_ns;
  memset(take->crc, 0, sizeof(take->crc));
  take->off = WCX_SNAPSHOT_FILE_ALIGN;
  wcx_outputs_save(retained, &take->hdr);
  take->hdr.engine_sz = wcx_engine_snapshot_save(engine, take->place.image, take->place.image_sz);
  WCX_CHECK(take->hdr.engine_sz != 0, "an engine of %" PRIu64 " bytes, an image of %" PRIu64, wcx_engine_snapshot_sz(engine), take->place.image_sz);
  take->hdr.sz = wcx_snapshot_file_sz(&take->hdr);
  take->phase = WCX_TAKE_WRITE;
  wcx_env_crash_point("take.begin");
  int result = wcx_disk_remove(take->place.disk, WCX_SNAPSHOT_FILE_TEMP);
  if (result == 0 || result == -ENOENT)
    result = wcx_disk_file_open(take->place.disk, WCX_TAKE_HANDLE, WCX_SNAPSHOT_FILE_TEMP, true);
  if (result < 0)
    (void)fail(take, "cannot make " WCX_SNAPSHOT_FILE_TEMP ": %s", strerrordesc_np(-result));
}

static uint32_t step_write(wcx_take_t *take, uint64_t now_ns)
{
  if (!pace(take, now_ns))
    return 0;
  uint64_t sz = chunk_sz(take);
  uint8_t *chunk = take->place.chunk;
  memset(chunk, 0, sz);
  for (enum part part = PART_ENGINE; part < PARTS; part++)
  {
    overlap_t has = overlap_of(take, part, take->off, sz);
    if (has.sz == 0)
      continue;
    if (part == PART_ENGINE)
      memcpy(chunk + has.at, take->place.image + has.from, has.sz);
    else if (part == PART_STREAMS)
      memcpy(chunk + has.at, (const uint8_t *)take->retained->streams + has.from, has.sz);
    else
      copy_window(take, has.from, chunk + has.at, has.sz);
    take->crc[part] = wcx_crc32c(take->crc[part], chunk + has.at, has.sz);
  }
  int result = wcx_disk_write(take->place.disk, WCX_TAKE_HANDLE, take->off, chunk, sz);
  if (result < 0)
    return fail(take, "cannot write: %s", strerrordesc_np(-result));
  take->off += sz;
  if (take->off == take->hdr.sz)
    take->phase = WCX_TAKE_SEAL;
  return 1;
}

/* The header last: before it there is nothing that looks like a snapshot. */
static uint32_t step_seal(wcx_take_t *take)
{
  take->hdr.engine_crc = take->crc[PART_ENGINE];
  take->hdr.streams_crc = take->crc[PART_STREAMS];
  take->hdr.window_crc = take->crc[PART_WINDOW];
  take->hdr.crc32c = wcx_snapshot_file_crc(&take->hdr);
  uint8_t *page = take->place.chunk;
  memset(page, 0, WCX_SNAPSHOT_FILE_ALIGN);
  memcpy(page, &take->hdr, sizeof(take->hdr));
  int result = wcx_disk_write(take->place.disk, WCX_TAKE_HANDLE, 0, page, WCX_SNAPSHOT_FILE_ALIGN);
  if (result == 0)
    result = wcx_disk_sync(take->place.disk, WCX_TAKE_HANDLE);
  if (result < 0)
    return fail(take, "cannot make it durable: %s", strerrordesc_np(-result));
  wcx_env_crash_point("take.durable");
  result = wcx_disk_file_open(take->place.disk, WCX_TAKE_HANDLE, WCX_SNAPSHOT_FILE_TEMP, false);
  if (result < 0)
    return fail(take, "cannot open it to read it back: %s", strerrordesc_np(-result));
  take->off = 0;
  memset(take->crc, 0, sizeof(take->crc));
  take->phase = WCX_TAKE_READ;
  return 1;
}

/* --- and back ------------------------------------------------------------------------------------------- */

static uint32_t step_read(wcx_take_t *take, uint64_t now_ns)
{
  if (!pace(take, now_ns))
    return 0;
  uint64_t sz = chunk_sz(take);
  uint8_t *chunk = take->place.chunk;
  int got = wcx_disk_read(take->place.disk, WCX_TAKE_HANDLE, take->off, chunk, sz);
  if (got < 0 || (uint64_t)got != sz)
    return fail(take, "cannot read it back at %" PRIu64 ": %s", take->off, got < 0 ? strerrordesc_np(-got) : "it is shorter");
  char err[160];
  wcx_snapshot_file_t hdr;
  if (take->off == 0 && (!wcx_snapshot_check_header(chunk, take->hdr.sz, &hdr, err, sizeof(err)) || memcmp(&hdr, &take->hdr, sizeof(hdr)) != 0))
    return fail(take, "read back differently: the header");
  for (enum part part = PART_ENGINE; part < PARTS; part++)
  {
    overlap_t has = overlap_of(take, part, take->off, sz);
    if (has.sz == 0)
      continue;
    take->crc[part] = wcx_crc32c(take->crc[part], chunk + has.at, has.sz);
    if (part == PART_ENGINE)
      memcpy(take->place.image + has.from, chunk + has.at, has.sz);
  }
  take->off += sz;
  if (take->off == take->hdr.sz)
    take->phase = WCX_TAKE_LOAD;
  return 1;
}

static bool same(wcx_digest_t a, wcx_digest_t b)
{
  return a.lo == b.lo && a.hi == b.hi;
}

static uint32_t step_load(wcx_take_t *take)
{
  wcx_disk_file_close(take->place.disk, WCX_TAKE_HANDLE);
  const uint32_t said[PARTS] = {take->hdr.engine_crc, take->hdr.streams_crc, take->hdr.window_crc};
  for (enum part part = PART_ENGINE; part < PARTS; part++)
    if (take->crc[part] != said[part])
      return fail(take, "read back differently: %s has CRC32C %08x, %08x was written", part_names[part], take->crc[part], said[part]);
  char err[160];
  const wcx_engine_t *second =
      wcx_engine_snapshot_load(take->place.second, wcx_engine_footprint(take->place.limits), take->place.limits, take->place.image, take->hdr.engine_sz, err, sizeof(err));
  if (second == NULL)
    return fail(take, "cannot be loaded: %s", err);
  if (wcx_engine_applied_seq(second) != take->hdr.seq || !same(wcx_engine_state_digest(second), take->hdr.state_digest) ||
      !same(wcx_engine_output_digest(second), take->hdr.output_digest))
    return fail(take, "loaded differently: its digests are not those of the engine it was taken from");
  wcx_engine_verify(second);
  take->phase = WCX_TAKE_NAME;
  return 1;
}

static uint32_t step_name(wcx_take_t *take, uint64_t now_ns)
{
  char name[WCX_SNAPSHOT_FILE_NAME_SZ];
  wcx_snapshot_file_name(name, take->hdr.seq);
  wcx_env_crash_point("take.name");
  int result = wcx_disk_rename(take->place.disk, WCX_SNAPSHOT_FILE_TEMP, name);
  if (result == 0)
    result = wcx_disk_sync_dir(take->place.disk);
  if (result < 0)
    return fail(take, "cannot give it its name: %s", strerrordesc_np(-result));
  take->took_ns = now_ns - take->begun_ns;
  take->done = true;
  take->phase = WCX_TAKE_IDLE;
  return 1;
}

uint32_t wcx_take_step(wcx_take_t *take, uint64_t now_ns)
{
  switch (take->phase)
  {
  case WCX_TAKE_WRITE:
    return step_write(take, now_ns);
  case WCX_TAKE_SEAL:
    return step_seal(take);
  case WCX_TAKE_READ:
    return step_read(take, now_ns);
  case WCX_TAKE_LOAD:
    return step_load(take);
  case WCX_TAKE_NAME:
    return step_name(take, now_ns);
  default:
    return 0;
  }
}
