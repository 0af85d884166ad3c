#include "bench/hdr.h"

#include "engine/base/int128.h"

uint32_t wcx_hdr_slot(uint64_t value)
{
  if (value > WCX_HDR_VALUE_MAX)
    value = WCX_HDR_VALUE_MAX;
  uint32_t lg = 63u - (uint32_t)__builtin_clzll(value | (2 * WCX_HDR_HALF - 1));
  uint32_t bucket = lg - WCX_HDR_HALF_LG;
  return (bucket << WCX_HDR_HALF_LG) + (uint32_t)(value >> bucket);
}

uint64_t wcx_hdr_slot_begin(uint32_t slot)
{
  if (slot < 2 * WCX_HDR_HALF)
    return slot;
  uint32_t bucket = (slot >> WCX_HDR_HALF_LG) - 1;
  return (uint64_t)((slot & (WCX_HDR_HALF - 1)) + WCX_HDR_HALF) << bucket;
}

uint64_t wcx_hdr_slot_end(uint32_t slot)
{
  return wcx_hdr_slot_begin(slot + 1) - 1;
}

void wcx_hdr_record(wcx_hdr_t *hdr, uint64_t value, uint64_t cnt)
{
  if (cnt == 0)
    return;
  hdr->min = hdr->cnt == 0 || value < hdr->min ? value : hdr->min;
  hdr->max = value > hdr->max ? value : hdr->max;
  hdr->cnt += cnt;
  hdr->sum += (double)value * (double)cnt;
  hdr->slots[wcx_hdr_slot(value)] += cnt;
}

void wcx_hdr_record_corrected(wcx_hdr_t *hdr, uint64_t value, uint64_t interval)
{
  wcx_hdr_record(hdr, value, 1);
  if (interval == 0)
    return;
  while (value >= 2 * interval)
  {
    value -= interval;
    wcx_hdr_record(hdr, value, 1);
  }
}

void wcx_hdr_add(wcx_hdr_t *into, const wcx_hdr_t *from)
{
  if (from->cnt == 0)
    return;
  into->min = into->cnt == 0 || from->min < into->min ? from->min : into->min;
  into->max = from->max > into->max ? from->max : into->max;
  into->cnt += from->cnt;
  into->sum += from->sum;
  for (uint32_t i = 0; i < WCX_HDR_SLOTS; i++)
    into->slots[i] += from->slots[i];
}

uint64_t wcx_hdr_percentile(const wcx_hdr_t *hdr, uint32_t ppm)
{
  if (hdr->cnt == 0)
    return 0;
  uint64_t rank = (uint64_t)(((wcx_u128_t)hdr->cnt * ppm + 999999) / 1000000);
  uint64_t seen = 0;
  if (rank == 0)
    rank = 1;
  for (uint32_t i = 0; i < WCX_HDR_SLOTS; i++)
  {
    seen += hdr->slots[i];
    if (seen >= rank)
      return wcx_hdr_slot_end(i);
  }
  return hdr->max;
}

double wcx_hdr_mean(const wcx_hdr_t *hdr)
{
  return hdr->cnt == 0 ? 0 : hdr->sum / (double)hdr->cnt;
}
