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
  uint64_t key;
  uint64_t hash;
  uint32_t seen; /* of a told message: 1 once the replay produced it; of a request: times journaled */
  uint32_t life; /* of another one: empty */
} wcx_oracle_slot_t;

typedef struct wcx_oracle
{
  wcx_oracle_slot_t *told; /* (stream, id, number) -> bytes */
  wcx_oracle_slot_t *sent; /* (session, ClOrdID) -> bytes */
  uint32_t *told_at;       /* places in use, so that nothing has to be searched */
  uint32_t life;           /* of what is remembered: raised by reset */
  uint64_t told_cnt;
  uint64_t sent_cnt;
  uint64_t lost;        /* told, and not in the replay */
  uint64_t divergences; /* told twice with different bytes, or different from the replay, or digests that differ */
  uint64_t phantom;     /* journaled, never sent */
  uint64_t duplicated;  /* journaled more than once */
} wcx_oracle_t;

#define WCX_STREAM_SNAPSHOT 200u    /* beside enum wcx_stream: a book at a number of the feed */
#define WCX_ORACLE_SLOT_MAX 262144u /* entries of each table, a power of two */
#define WCX_ORACLE_STREAMS 4u       /* parts of a table, in which numbers stand side by side: feed, snapshots, two sessions */

void wcx_oracle_init(wcx_oracle_t *oracle);
void wcx_oracle_free(wcx_oracle_t *oracle);
/* Begin another seed: forgets everything but the allocation. */
void wcx_oracle_reset(wcx_oracle_t *oracle);

/* Whether it was told. */
bool wcx_oracle_knows(const wcx_oracle_t *oracle, uint8_t stream, uint32_t stream_id, uint64_t number);
/* A numbered message left the appliance. */
void wcx_oracle_told(wcx_oracle_t *oracle, uint8_t stream, uint32_t stream_id, uint64_t number, const void *message, size_t sz);
/* A client sent a request (root block, whose first field is the ClOrdID). */
void wcx_oracle_sent(wcx_oracle_t *oracle, uint32_t session_id, const void *block, size_t sz);

/* A record of the journal, and then all outputs the replay produced for it. */
void wcx_oracle_journaled(wcx_oracle_t *oracle, const wcx_record_hdr_t *hdr, const void *body);
void wcx_oracle_replayed(wcx_oracle_t *oracle, uint8_t stream, uint32_t stream_id, uint64_t number, const void *message, size_t sz);
/* After the last record: whatever was told and not seen is lost. */
void wcx_oracle_finish(wcx_oracle_t *oracle);

#endif
