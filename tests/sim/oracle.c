#include "tests/sim/oracle.h"

#include <stdlib.h>

static uint64_t hash_bytes(const void *bytes, size_t sz)
{
  return wcx_digest_of(7, bytes, sz).lo | 1;
}

static uint64_t stream_key(uint8_t stream, uint32_t stream_id, uint64_t number)
{
  uint64_t parts[2] = {(uint64_t)stream << 32 | stream_id, number};
  return wcx_digest_of(1, parts, sizeof(parts)).lo | 1;
}

static uint64_t request_key(uint32_t session_id, uint64_t cl_ord_id)
{
  uint64_t parts[2] = {session_id, cl_ord_id};
  return wcx_digest_of(2, parts, sizeof(parts)).lo | 1;
}

static wcx_oracle_slot_t *find(wcx_oracle_slot_t *table, uint64_t key)
{
  for (uint64_t at = key >> 20;; at++)
  {
    wcx_oracle_slot_t *slot = &table[at & (WCX_ORACLE_SLOT_MAX - 1)];
    if (slot->key == key || slot->key == 0)
      return slot;
  }
}

void wcx_oracle_init(wcx_oracle_t *oracle)
{
  *oracle = (wcx_oracle_t){.told = calloc(WCX_ORACLE_SLOT_MAX, sizeof(wcx_oracle_slot_t)), .sent = calloc(WCX_ORACLE_SLOT_MAX, sizeof(wcx_oracle_slot_t))};
  WCX_CHECK(oracle->told != NULL && oracle->sent != NULL, "no memory for the oracle");
}

void wcx_oracle_free(wcx_oracle_t *oracle)
{
  free(oracle->told);
  free(oracle->sent);
}

void wcx_oracle_reset(wcx_oracle_t *oracle)
{
  memset(oracle->told, 0, WCX_ORACLE_SLOT_MAX * sizeof(wcx_oracle_slot_t));
  memset(oracle->sent, 0, WCX_ORACLE_SLOT_MAX * sizeof(wcx_oracle_slot_t));
  oracle->told_cnt = oracle->sent_cnt = oracle->lost = oracle->divergences = oracle->phantom = oracle->duplicated = 0;
}

void wcx_oracle_told(wcx_oracle_t *oracle, uint8_t stream, uint32_t stream_id, uint64_t number, const void *message, size_t sz)
{
  wcx_oracle_slot_t *slot = find(oracle->told, stream_key(stream, stream_id, number));
  uint64_t hash = hash_bytes(message, sz);
  if (slot->key == 0)
  {
    WCX_CHECK(++oracle->told_cnt < WCX_ORACLE_SLOT_MAX / 2, "more messages than the oracle has room for");
    *slot = (wcx_oracle_slot_t){.key = stream_key(stream, stream_id, number), .hash = hash};
  }
  else if (slot->hash != hash)
    oracle->divergences++;
}

void wcx_oracle_sent(wcx_oracle_t *oracle, uint32_t session_id, const void *block, size_t sz)
{
  uint64_t cl_ord_id;
  memcpy(&cl_ord_id, block, sizeof(cl_ord_id));
  wcx_oracle_slot_t *slot = find(oracle->sent, request_key(session_id, cl_ord_id));
  if (slot->key != 0)
    return;
  WCX_CHECK(++oracle->sent_cnt < WCX_ORACLE_SLOT_MAX / 2, "more requests than the oracle has room for");
  *slot = (wcx_oracle_slot_t){.key = request_key(session_id, cl_ord_id), .hash = hash_bytes(block, sz)};
}

void wcx_oracle_journaled(wcx_oracle_t *oracle, const wcx_record_hdr_t *hdr, const void *body)
{
  if (hdr->template_id < WCX_TEMPLATE_NEW_ORDER_SINGLE || hdr->template_id > WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST)
    return;
  uint64_t cl_ord_id;
  memcpy(&cl_ord_id, body, sizeof(cl_ord_id));
  wcx_oracle_slot_t *slot = find(oracle->sent, request_key(hdr->session_id, cl_ord_id));
  if (slot->key == 0 || slot->hash != hash_bytes(body, hdr->body_sz))
    oracle->phantom++;
  else if (++slot->seen > 1)
    oracle->duplicated++;
}

void wcx_oracle_replayed(wcx_oracle_t *oracle, const wcx_out_entry_t *entry, const void *message)
{
  if (entry->number == 0)
    return;
  wcx_oracle_slot_t *slot = find(oracle->told, stream_key(entry->stream, entry->stream_id, entry->number));
  if (slot->key == 0)
    return;
  slot->seen = 1;
  if (slot->hash != hash_bytes(message, entry->len))
    oracle->divergences++;
}

void wcx_oracle_finish(wcx_oracle_t *oracle)
{
  for (uint32_t i = 0; i < WCX_ORACLE_SLOT_MAX; i++)
    if (oracle->told[i].key != 0 && oracle->told[i].seen == 0)
      oracle->lost++;
}
