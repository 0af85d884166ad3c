#include "persist/block.h"

uint32_t wcx_block_seal(wcx_block_t *block, wcx_journal_chain_t *chain, const wcx_block_words_t *words)
{
  uint32_t used = (uint32_t)sizeof(wcx_journal_block_t) + block->body_sz;
  uint32_t block_sz = (used + WCX_JOURNAL_ALIGN - 1) & ~(WCX_JOURNAL_ALIGN - 1);
  uint8_t *body = block->buf + sizeof(wcx_journal_block_t);
  memset(block->buf + used, 0, block_sz - used);
  wcx_journal_block_t header = {.magic = WCX_JOURNAL_BLOCK_MAGIC,
                                .version = WCX_JOURNAL_VERSION,
                                .kind = (uint16_t)words->kind,
                                .shard = chain->shard,
                                .epoch = words->epoch,
                                .block_no = chain->next_block_no,
                                .first_seq = chain->next_seq,
                                .count = block->count,
                                .body_sz = block->body_sz,
                                .block_sz = block_sz,
                                .in_flight_max = words->in_flight_max,
                                .committed_hint = words->committed_hint,
                                .prev_digest = chain->digest,
                                .body_digest = wcx_journal_body_digest(body, block->body_sz),
                                .written_ns = words->written_ns};
  header.crc32c = wcx_journal_block_crc(&header, body);
  memcpy(block->buf, &header, sizeof(header));
  wcx_journal_chain_advance(chain, &header);
  return block_sz;
}

uint32_t wcx_block_recovery(void *buf, wcx_journal_chain_t *chain, const wcx_block_words_t *words, uint64_t incarnation)
{
  wcx_block_t block;
  wcx_block_begin(&block, buf, WCX_JOURNAL_ALIGN);
  wcx_journal_recovery_t recovery = {.epoch = words->epoch, .incarnation = incarnation, .cut_seq = chain->next_seq - 1, .cut_digest = chain->digest};
  memcpy(wcx_block_tail(&block), &recovery, sizeof(recovery));
  block.body_sz = sizeof(recovery);
  return wcx_block_seal(&block, chain, words);
}
