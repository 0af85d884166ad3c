/* Made flows as journal records: the definitions of the world they trade in, then requests.

   Owner:      one thread.
   Memory:     anonymous, advised for huge pages, given back by wcx_records_free; about 130 bytes a request.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_RECORDS_H
#define WCX_BENCH_RECORDS_H

#include "engine/engine.h"

typedef struct wcx_records
{
  uint8_t *mem;
  uint64_t mem_sz;
  uint8_t *requests; /* the first of them; definitions stand before */
  uint64_t definition_cnt;
  uint64_t request_cnt;
  wcx_engine_limits_t limits; /* of an engine that takes them */
} wcx_records_t;

/* A flow of bench/profile.h: set-up and timed records alike are requests. ClOrdIDs and client numbers from 1, sequences from 1. */
void wcx_records_make(wcx_records_t *records, char profile, uint64_t ops, uint64_t seed);

/* Make the requests go on where another flow has ended: sequences after `seq`, ClOrdIDs and client numbers after `cl_ord_id`. */
void wcx_records_move(wcx_records_t *records, uint64_t seq, uint64_t cl_ord_id);

void wcx_records_free(wcx_records_t *records);

/* The record behind this one. */
static inline const wcx_record_hdr_t *wcx_records_next(const wcx_record_hdr_t *hdr)
{
  return (const void *)((const uint8_t *)hdr + wcx_record_sz(hdr->body_sz));
}

#endif
