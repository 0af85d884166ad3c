#include "engine/snapshot.h"

#include "engine/base/crc32c.h"
#include "engine/snapshot_table.h"

#include <stdarg.h>
#include <stdio.h>

static uint32_t section_cnt(void)
{
  return wcx_snapshot_section_cnt + 1; /* the fields go first */
}

static uint64_t head_sz(void)
{
  return sizeof(wcx_snapshot_hdr_t) + section_cnt() * sizeof(wcx_snapshot_entry_t);
}

static uint32_t fields_sz(void)
{
  uint32_t sz = 0;
  for (uint32_t i = 0; i < wcx_snapshot_field_cnt; i++)
    if (wcx_snapshot_fields[i].kind == WCX_FIELD_KEPT)
      sz += wcx_snapshot_fields[i].sz;
  return sz;
}

static uint8_t *base_of(const wcx_engine_t *engine, const wcx_snapshot_section_t *section)
{
  uint8_t *base;
  memcpy(&base, (const uint8_t *)engine + section->base_off, sizeof(base));
  return base;
}

/* Elements that are kept. */
static uint64_t kept_cnt(const wcx_engine_t *engine, const wcx_snapshot_section_t *section)
{
  uint64_t used = section->used(engine);
  if (section->has == NULL)
    return used;
  uint64_t cnt = 0;
  for (uint64_t idx = section->first; idx < section->first + used; idx++)
    cnt += section->has(engine, idx);
  return cnt;
}

/* Of the header with its crc 0, and the table. */
static uint32_t head_crc(const wcx_snapshot_hdr_t *hdr, const void *table)
{
  wcx_snapshot_hdr_t copy = *hdr;
  copy.crc = 0;
  return wcx_crc32c(wcx_crc32c(0, &copy, sizeof(copy)), table, section_cnt() * sizeof(wcx_snapshot_entry_t));
}

/* --- save ------------------------------------------------------------------------------------------------------------------------------- */

uint64_t wcx_engine_snapshot_sz(const wcx_engine_t *engine)
{
  uint64_t sz = head_sz() + fields_sz();
  for (uint32_t i = 0; i < wcx_snapshot_section_cnt; i++)
    sz += kept_cnt(engine, &wcx_snapshot_sections[i]) * wcx_snapshot_sections[i].sz;
  return sz;
}

/* Returns where the next section begins. */
static uint8_t *save_fields(const wcx_engine_t *engine, uint8_t *to)
{
  wcx_engine_t copy = *engine;
  copy.record_digest = wcx_state_settled_digest(engine);
  if (!engine->capacity_journaled) /* it is a size of memory */
    copy.capacity = (wcx_capacity_t){0};
  for (uint32_t i = 0; i < wcx_snapshot_field_cnt; i++)
  {
    const wcx_snapshot_field_t *field = &wcx_snapshot_fields[i];
    if (field->kind != WCX_FIELD_KEPT)
      continue;
    memcpy(to, (const uint8_t *)&copy + field->off, field->sz);
    to += field->sz;
  }
  return to;
}

static uint8_t *save_section(const wcx_engine_t *engine, const wcx_snapshot_section_t *section, uint8_t *to)
{
  _Alignas(64) uint8_t element[WCX_SNAPSHOT_ELEMENT_SZ_MAX];
  const uint8_t *base = base_of(engine, section);
  uint64_t used = section->used(engine);
  if (section->has == NULL && section->clean == NULL)
  {
    memcpy(to, base + (uint64_t)section->first * section->sz, used * section->sz);
    return to + used * section->sz;
  }
  for (uint64_t idx = section->first; idx < section->first + used; idx++)
  {
    if (section->has != NULL && !section->has(engine, idx))
      continue;
    memcpy(element, base + idx * section->sz, section->sz);
    if (section->clean != NULL)
      section->clean(idx, element);
    memcpy(to, element, section->sz);
    to += section->sz;
  }
  return to;
}

uint64_t wcx_engine_snapshot_save(const wcx_engine_t *engine, void *buf, uint64_t sz)
{
  uint64_t needed = wcx_engine_snapshot_sz(engine);
  if (sz < needed)
    return 0;
  wcx_snapshot_entry_t table[WCX_SNAPSHOT_SECTIONS_MAX] = {{.id = WCX_SNAPSHOT_FIELDS, .sz = fields_sz(), .cnt = 1}};
  uint8_t *from = (uint8_t *)buf + head_sz();
  uint8_t *to = save_fields(engine, from);
  table[0].crc = wcx_crc32c(0, from, (size_t)(to - from));
  for (uint32_t i = 0; i < wcx_snapshot_section_cnt; i++)
  {
    const wcx_snapshot_section_t *section = &wcx_snapshot_sections[i];
    from = to;
    to = save_section(engine, section, from);
    table[i + 1] = (wcx_snapshot_entry_t){.id = section->id, .sz = section->sz, .cnt = (uint64_t)(to - from) / section->sz, .crc = wcx_crc32c(0, from, (size_t)(to - from))};
  }
  wcx_snapshot_hdr_t hdr = {
      .magic = WCX_SNAPSHOT_MAGIC,
      .byte_order = WCX_SNAPSHOT_BYTE_ORDER,
      .format = WCX_SNAPSHOT_FORMAT,
      .shard = (uint16_t)engine->limits.shard,
      .sz = needed,
      .seq = engine->seq,
      .stamp_ns = engine->stamp_ns,
      .state_digest = wcx_engine_state_digest(engine),
      .output_digest = wcx_engine_output_digest(engine),
      .section_cnt = section_cnt(),
  };
  hdr.crc = head_crc(&hdr, table);
  memcpy(buf, &hdr, sizeof(hdr));
  memcpy((uint8_t *)buf + sizeof(hdr), table, section_cnt() * sizeof(table[0]));
  return needed;
}

/* --- load ------------------------------------------------------------------------------------------------------------------------------- */

typedef struct loader
{
  const uint8_t *bytes;
  uint64_t sz;
  wcx_snapshot_hdr_t hdr;
  wcx_snapshot_entry_t table[WCX_SNAPSHOT_SECTIONS_MAX];
  const uint8_t *section[WCX_SNAPSHOT_SECTIONS_MAX]; /* where each begins */
  char *error;
  size_t error_sz;
} loader_t;

static __attribute__((format(printf, 2, 3))) bool refuse(const loader_t *loader, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(loader->error, loader->error_sz, fmt, args);
  va_end(args);
  return false;
}

static const char *name_of(uint32_t i)
{
  return i == 0 ? "fields" : wcx_snapshot_sections[i - 1].name;
}

/* Validity 1 and 2, for header and table. */
static bool read_head(loader_t *loader)
{
  wcx_snapshot_hdr_t *hdr = &loader->hdr;
  if (loader->sz < sizeof(*hdr))
    return refuse(loader, "%llu bytes are no snapshot: its header alone has %zu", (unsigned long long)loader->sz, sizeof(*hdr));
  memcpy(hdr, loader->bytes, sizeof(*hdr));
  if (memcmp(hdr->magic, WCX_SNAPSHOT_MAGIC, sizeof(hdr->magic)) != 0)
    return refuse(loader, "no snapshot: it does not begin with " WCX_SNAPSHOT_MAGIC);
  if (hdr->byte_order != WCX_SNAPSHOT_BYTE_ORDER)
    return refuse(loader, "byte order %08x, this machine's is %08x", hdr->byte_order, WCX_SNAPSHOT_BYTE_ORDER);
  if (hdr->format != WCX_SNAPSHOT_FORMAT)
    return refuse(loader, "format %u, this build reads %u", hdr->format, WCX_SNAPSHOT_FORMAT);
  if (hdr->section_cnt != section_cnt())
    return refuse(loader, "%u sections, format %u has %u", hdr->section_cnt, WCX_SNAPSHOT_FORMAT, section_cnt());
  if (hdr->sz != loader->sz || hdr->sz < head_sz())
    return refuse(loader, "%llu bytes, the header says %llu", (unsigned long long)loader->sz, (unsigned long long)hdr->sz);
  memcpy(loader->table, loader->bytes + sizeof(*hdr), section_cnt() * sizeof(loader->table[0]));
  uint32_t crc = head_crc(hdr, loader->table);
  return crc == hdr->crc || refuse(loader, "header: CRC32C %08x, it says %08x", crc, hdr->crc);
}

/* The same for the sections. */
static bool read_sections(loader_t *loader)
{
  uint64_t off = head_sz();
  for (uint32_t i = 0; i < section_cnt(); i++)
  {
    const wcx_snapshot_entry_t *entry = &loader->table[i];
    uint32_t id = i == 0 ? WCX_SNAPSHOT_FIELDS : wcx_snapshot_sections[i - 1].id;
    uint32_t sz = i == 0 ? fields_sz() : wcx_snapshot_sections[i - 1].sz;
    if (entry->id != id || entry->sz != sz || entry->reserved != 0)
      return refuse(loader, "%s: section %u of elements of %u bytes, this build has section %u of %u", name_of(i), entry->id, entry->sz, id, sz);
    if (entry->cnt > (loader->sz - off) / sz)
      return refuse(loader, "%s: %llu elements of %u bytes, %llu bytes are left", name_of(i), (unsigned long long)entry->cnt, sz, (unsigned long long)(loader->sz - off));
    loader->section[i] = loader->bytes + off;
    uint32_t crc = wcx_crc32c(0, loader->bytes + off, entry->cnt * sz);
    if (crc != entry->crc)
      return refuse(loader, "%s: CRC32C %08x, the table says %08x", name_of(i), crc, entry->crc);
    off += entry->cnt * sz;
  }
  if (loader->table[0].cnt != 1)
    return refuse(loader, "fields: %llu elements", (unsigned long long)loader->table[0].cnt);
  return off == loader->sz || refuse(loader, "%llu bytes follow the last section", (unsigned long long)(loader->sz - off));
}

static bool load_fields(const loader_t *loader, wcx_engine_t *engine)
{
  const uint8_t *from = loader->section[0];
  wcx_capacity_t of_memory = engine->capacity;
  for (uint32_t i = 0; i < wcx_snapshot_field_cnt; i++)
  {
    const wcx_snapshot_field_t *field = &wcx_snapshot_fields[i];
    if (field->kind != WCX_FIELD_KEPT)
      continue;
    memcpy((uint8_t *)engine + field->off, from, field->sz);
    from += field->sz;
  }
  if (!engine->capacity_journaled)
    engine->capacity = of_memory;
  return (engine->seq == loader->hdr.seq && engine->stamp_ns == loader->hdr.stamp_ns) ||
         refuse(loader, "seq %llu stamp %llu, the header says %llu and %llu", (unsigned long long)engine->seq, (unsigned long long)engine->stamp_ns,
                (unsigned long long)loader->hdr.seq, (unsigned long long)loader->hdr.stamp_ns);
}

/* Validity 3, for what clients may come to use. */
static bool capacity_fits(const loader_t *loader, const wcx_engine_t *engine)
{
  const wcx_capacity_t *capacity = &engine->capacity;
  const wcx_engine_limits_t *limits = &engine->limits;
  const struct
  {
    const char *limit;
    const char *field;
    uint32_t has;
    uint32_t needs;
  } rows[] = {{"orders_max", "MaxOrders", limits->orders_max, capacity->max_orders},
              {"levels_max", "MaxLevels", limits->levels_max, capacity->max_levels},
              {"instruments_max", "MaxInstruments", limits->instruments_max, capacity->max_instruments},
              {"accounts_max", "MaxAccounts", limits->accounts_max, capacity->max_accounts},
              {"sessions_max", "MaxSessions", limits->sessions_max, capacity->max_sessions}};
  for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
    if (rows[i].needs > rows[i].has)
      return refuse(loader, "%s is %u: the snapshot's %s is %u", rows[i].limit, rows[i].has, rows[i].field, rows[i].needs);
  return true;
}

/* Elements that a table of the arena has room for. */
static uint64_t room_of(const wcx_engine_t *engine, const wcx_snapshot_section_t *section)
{
  wcx_table_t tables[WCX_TABLES_MAX];
  uint32_t cnt = wcx_engine_tables(&engine->limits, tables);
  uint64_t off = (uint64_t)(base_of(engine, section) - (const uint8_t *)engine);
  for (uint32_t i = 0; i < cnt; i++)
    if (tables[i].off == off)
      return tables[i].cnt - section->first;
  return 0;
}

static bool load_section(const loader_t *loader, wcx_engine_t *engine, uint32_t i)
{
  const wcx_snapshot_section_t *section = &wcx_snapshot_sections[i];
  uint8_t *base = base_of(engine, section);
  const uint8_t *from = loader->section[i + 1];
  uint64_t used = section->used(engine);
  uint64_t room = room_of(engine, section);
  if (used > room)
    return refuse(loader, "%s gives room for %llu of %s: the snapshot uses %llu", section->limit, (unsigned long long)room, section->name, (unsigned long long)used);
  uint64_t kept = kept_cnt(engine, section);
  if (kept != loader->table[i + 1].cnt)
    return refuse(loader, "%s: %llu elements, %llu are in use", section->name, (unsigned long long)loader->table[i + 1].cnt, (unsigned long long)kept);
  if (section->has == NULL && section->clean == NULL)
  {
    memcpy(base + (uint64_t)section->first * section->sz, from, used * section->sz);
    return true;
  }
  for (uint64_t idx = section->first; idx < section->first + used; idx++)
  {
    if (section->has != NULL && !section->has(engine, idx))
      continue;
    memcpy(base + idx * section->sz, from, section->sz);
    if (section->clean != NULL)
      section->clean(idx, base + idx * section->sz);
    from += section->sz;
  }
  return true;
}

static bool same_digest(const loader_t *loader, const char *what, wcx_digest_t here, wcx_digest_t said)
{
  return (here.lo == said.lo && here.hi == said.hi) || refuse(loader, "%s %016llx%016llx, the header says %016llx%016llx", what, (unsigned long long)here.hi,
                                                              (unsigned long long)here.lo, (unsigned long long)said.hi, (unsigned long long)said.lo);
}

static bool load_engine(const loader_t *loader, wcx_engine_t *engine)
{
  if (loader->hdr.shard != engine->limits.shard)
    return refuse(loader, "shard is %u: the snapshot is of shard %u", engine->limits.shard, loader->hdr.shard);
  if (!load_fields(loader, engine) || !capacity_fits(loader, engine))
    return false;
  for (uint32_t i = 0; i < wcx_snapshot_section_cnt; i++)
    if (!load_section(loader, engine, i))
      return false;
  wcx_snapshot_rebuild_maps(engine);
  if (!wcx_snapshot_sound(engine, loader->error, loader->error_sz))
    return false;
  wcx_snapshot_rebuild(engine);
  return same_digest(loader, "state digest", wcx_engine_state_digest(engine), loader->hdr.state_digest) &&
         same_digest(loader, "state digest from scratch", wcx_engine_state_digest_full(engine), loader->hdr.state_digest) &&
         same_digest(loader, "output digest", wcx_engine_output_digest(engine), loader->hdr.output_digest);
}

wcx_engine_t *wcx_engine_snapshot_load(void *mem, size_t sz, const wcx_engine_limits_t *limits, const void *snapshot, uint64_t snapshot_sz, char *error, size_t error_sz)
{
  loader_t loader = {.bytes = snapshot, .sz = snapshot_sz, .error = error, .error_sz = error_sz};
  if (!read_head(&loader) || !read_sections(&loader))
    return NULL;
  wcx_engine_t *engine = wcx_engine_new(mem, sz, limits);
  return load_engine(&loader, engine) ? engine : NULL;
}
