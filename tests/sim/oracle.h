/* What clients were told and what they sent, and whether the journal agrees: the judge of a crash cycle.

   Every frame that leaves the simulated wire counts as told, whether or not anybody received it. After recovery the journal is replayed through a fresh
   engine; each told message must be among the replay's outputs, byte for byte, under the same stream and number, and each journaled
   request must have been sent by a client, once.

   Owner:     one thread.
   Memory:    two tables, allocated by init.
   Result:    counts; all but `told` must stay 0. */
#ifndef WCX_TESTS_SIM_ORACLE_H
#define WCX_TESTS_SIM_ORACLE_H

#include "engine/engine.h"

typedef struct wcx_oracle_slot
{
  uint64_t key; /* 0: empty */
  uint64_t hash;
  uint32_t seen; /* of a told message: 1 once the replay produced it; of a request: times journaled */
  uint32_t pad;
} wcx_oracle_slot_t;

typedef struct wcx_oracle
{
  wcx_oracle_slot_t *told; /* (stream, id, number) -> bytes */
  wcx_oracle_slot_t *sent; /* (session, ClOrdID) -> bytes */
  uint64_t told_cnt;
  uint64_t sent_cnt;
  uint64_t lost;        /* told, and not in the replay */
  uint64_t divergences; /* told twice with different bytes, or different from the replay, or digests that differ */
  uint64_t phantom;     /* journaled, never sent */
  uint64_t duplicated;  /* journaled more than once */
} wcx_oracle_t;

#define WCX_ORACLE_SLOT_MAX 65536u /* entries of each table, a power of two */

void wcx_oracle_init(wcx_oracle_t *oracle);
void wcx_oracle_free(wcx_oracle_t *oracle);
/* Begin another cycle: forgets everything but the allocation. */
void wcx_oracle_reset(wcx_oracle_t *oracle);

/* A numbered message left the appliance. */
void wcx_oracle_told(wcx_oracle_t *oracle, uint8_t stream, uint32_t stream_id, uint64_t number, const void *message, size_t sz);
/* A client sent a request (root block, whose first field is the ClOrdID). */
void wcx_oracle_sent(wcx_oracle_t *oracle, uint32_t session_id, const void *block, size_t sz);

/* A record of the journal, and then all outputs the replay produced for it. */
void wcx_oracle_journaled(wcx_oracle_t *oracle, const wcx_record_hdr_t *hdr, const void *body);
void wcx_oracle_replayed(wcx_oracle_t *oracle, const wcx_out_entry_t *entry, const void *message);
/* After the last record: whatever was told and not seen is lost. */
void wcx_oracle_finish(wcx_oracle_t *oracle);

#endif
