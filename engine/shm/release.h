/* The release words of a shard: how far the journal is durable, and how far the gate is open.

   flushed_seq     written by the journal worker when a contiguous prefix of blocks is durable
   replicated_seq  written by the journal worker when a majority holds it (several machines; equal to flushed_seq on one)
   release_word    what the gate reads, computed by the journal worker alone: D1 = flushed, D2 = majority memory, D3 = majority flush

   release_word packs the low 16 bits of the epoch above 48 bits of sequence, so that one load tells both; the full epoch is beside it.
   A gate that finds a foreign epoch in it halts.

   Owner:      the journal worker writes, everyone reads.
   Ordering:   every word is stored with release after the data it speaks of is durable, and read with acquire by the gate.
   Pinned by:  tests/unit/test_shm.c. */
#ifndef WCX_SHM_RELEASE_H
#define WCX_SHM_RELEASE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#define WCX_RELEASE_SEQ_MAX ((UINT64_C(1) << 48) - 1)

typedef struct wcx_release
{
  _Alignas(64) _Atomic uint64_t flushed_seq;
  uint8_t pad0[56];
  _Alignas(64) _Atomic uint64_t replicated_seq;
  uint8_t pad1[56];
  _Alignas(64) _Atomic uint64_t release_word;
  _Atomic uint64_t epoch;
  uint8_t pad2[48];
} wcx_release_t;
static_assert(sizeof(wcx_release_t) == 192, "three lines");

static inline uint64_t wcx_release_pack(uint64_t epoch, uint64_t seq)
{
  return (epoch & 0xffffu) << 48 | (seq & WCX_RELEASE_SEQ_MAX);
}

static inline uint64_t wcx_release_seq(uint64_t word)
{
  return word & WCX_RELEASE_SEQ_MAX;
}

static inline uint16_t wcx_release_epoch16(uint64_t word)
{
  return (uint16_t)(word >> 48);
}

#endif
