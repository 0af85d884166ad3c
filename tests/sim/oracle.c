#include "tests/sim/oracle.h"

#include <stdlib.h>

static uint64_t hash_bytes(const void *bytes, size_t sz)
{
  return wcx_digest_of(7, bytes, sz).lo | 1;
}

static uint64_t key_of(uint64_t part, uint64_t number)
{
  return part << 60 | number;
}

static uint64_t stream_key(uint8_t stream, uint32_t stream_id, uint64_t number)
{
  uint64_t part = stream == WCX_STREAM_FEED ? 0 : stream == WCX_STREAM_SNAPSHOT ? 1 : 1 + stream_id;
  WCX_CHECK(part < WCX_ORACLE_STREAMS, "stream %u of %u", stream, stream_id);
  return key_of(part, number);
}

static uint64_t request_key(uint32_t session_id, uint64_t cl_ord_id)
{
  return key_of(session_id, cl_ord_id);
}

static wcx_oracle_slot_t *find(const wcx_oracle_t *oracle, wcx_oracle_slot_t *table, uint64_t key)
{
  for (uint64_t at = (key >> 60) * (WCX_ORACLE_SLOT_MAX / WCX_ORACLE_STREAMS) + key;; at++)
  {
    wcx_oracle_slot_t *slot = &table[at & (WCX_ORACLE_SLOT_MAX - 1)];
    if (slot->life != oracle->life || slot->key == key)
      return slot;
  }
}

static bool empty(const wcx_oracle_t *oracle, const wcx_oracle_slot_t *slot)
{
  return slot->life != oracle->life;
}

void wcx_oracle_init(wcx_oracle_t *oracle)
{
  *oracle = (wcx_oracle_t){.told = calloc(WCX_ORACLE_SLOT_MAX, sizeof(wcx_oracle_slot_t)),
                           .sent = calloc(WCX_ORACLE_SLOT_MAX, sizeof(wcx_oracle_slot_t)),
                           .told_at = calloc(WCX_ORACLE_SLOT_MAX / 2, sizeof(uint32_t)),
                           .life = 1};
  WCX_CHECK(oracle->told != NULL && oracle->sent != NULL && oracle->told_at != NULL, "no memory for the oracle");
}

void wcx_oracle_free(wcx_oracle_t *oracle)
{
  free(oracle->told);
  free(oracle->sent);
  free(oracle->told_at);
}

void wcx_oracle_reset(wcx_oracle_t *oracle)
{
  oracle->life++;
  oracle->told_cnt = oracle->sent_cnt = oracle->lost = oracle->divergences = oracle->phantom = oracle->duplicated = 0;
}

bool wcx_oracle_knows(const wcx_oracle_t *oracle, uint8_t stream, uint32_t stream_id, uint64_t number)
{
  return !empty(oracle, find(oracle, oracle->told, stream_key(stream, stream_id, number)));
}

void wcx_oracle_told(wcx_oracle_t *oracle, uint8_t stream, uint32_t stream_id, uint64_t number, const void *message, size_t sz)
{
  wcx_oracle_slot_t *slot = find(oracle, oracle->told, stream_key(stream, stream_id, number));
  uint64_t hash = hash_bytes(message, sz);
  if (empty(oracle, slot))
  {
    WCX_CHECK(oracle->told_cnt < WCX_ORACLE_SLOT_MAX / 2, "more messages than the oracle has room for");
    oracle->told_at[oracle->told_cnt++] = (uint32_t)(slot - oracle->told);
    *slot = (wcx_oracle_slot_t){.key = stream_key(stream, stream_id, number), .hash = hash, .life = oracle->life};
  }
  else if (slot->hash != hash)
    oracle->divergences++;
}

void wcx_oracle_sent(wcx_oracle_t *oracle, uint32_t session_id, const void *block, size_t sz)
{
  uint64_t cl_ord_id;
  memcpy(&cl_ord_id, block, sizeof(cl_ord_id));
  wcx_oracle_slot_t *slot = find(oracle, oracle->sent, request_key(session_id, cl_ord_id));
  if (!empty(oracle, slot))
    return;
  WCX_CHECK(++oracle->sent_cnt < WCX_ORACLE_SLOT_MAX / 2, "more requests than the oracle has room for");
  *slot = (wcx_oracle_slot_t){.key = request_key(session_id, cl_ord_id), .hash = hash_bytes(block, sz), .life = oracle->life};
}

void wcx_oracle_journaled(wcx_oracle_t *oracle, const wcx_record_hdr_t *hdr, const void *body)
{
  if (hdr->template_id < WCX_TEMPLATE_NEW_ORDER_SINGLE || hdr->template_id > WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST)
    return;
  uint64_t cl_ord_id;
  memcpy(&cl_ord_id, body, sizeof(cl_ord_id));
  wcx_oracle_slot_t *slot = find(oracle, oracle->sent, request_key(hdr->session_id, cl_ord_id));
  if (empty(oracle, slot) || slot->hash != hash_bytes(body, hdr->body_sz))
    oracle->phantom++;
  else if (++slot->seen > 1)
    oracle->duplicated++;
}

void wcx_oracle_replayed(wcx_oracle_t *oracle, uint8_t stream, uint32_t stream_id, uint64_t number, const void *message, size_t sz)
{
  wcx_oracle_slot_t *slot = find(oracle, oracle->told, stream_key(stream, stream_id, number));
  if (empty(oracle, slot))
    return;
  slot->seen = 1;
  if (slot->hash != hash_bytes(message, sz))
    oracle->divergences++;
}

void wcx_oracle_finish(wcx_oracle_t *oracle)
{
  for (uint64_t i = 0; i < oracle->told_cnt; i++)
    oracle->lost += oracle->told[oracle->told_at[i]].seen == 0;
}
