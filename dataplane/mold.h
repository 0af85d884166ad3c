/* MoldUDP64 packets, both directions: 20 bytes of header, then blocks of a 2-byte length and that many bytes.

       0         10         18       20
       | session | sequence | count  | len | block | len | block ...      (numbers big-endian)

   A count of 0 is a heartbeat, one of 0xFFFF ends the session; both carry the number after the last message. What stands outside any sequence carries ten spaces and sequence 0. A request has the same 20 bytes and no blocks.

   Owner:     the caller; no state.
   Memory:    a parsed packet points into the datagram.
   Bounds:    WCX_MOLD_SZ_MAX bytes to send.
   Pinned by: tests/unit/test_mold.c. */
#ifndef WCX_DATAPLANE_MOLD_H
#define WCX_DATAPLANE_MOLD_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WCX_MOLD_HEADER_SZ 20u
#define WCX_MOLD_SZ_MAX 1400u
#define WCX_MOLD_SESSION_SZ 10u
#define WCX_MOLD_END_OF_SESSION 0xFFFFu

typedef struct wcx_mold
{
  char session[WCX_MOLD_SESSION_SZ];
  uint16_t count;
  uint16_t pad;
  uint64_t sequence; /* of the first block */
  const uint8_t *blocks;
  const uint8_t *end;
} wcx_mold_t;

/* Read the header. False when there is none. */
static inline bool wcx_mold_parse(const uint8_t *payload, uint32_t len, wcx_mold_t *mold)
{
  if (len < WCX_MOLD_HEADER_SZ)
    return false;
  uint64_t sequence_be;
  uint16_t count_be;
  memcpy(mold->session, payload, WCX_MOLD_SESSION_SZ);
  memcpy(&sequence_be, payload + 10, 8);
  memcpy(&count_be, payload + 18, 2);
  mold->sequence = be64toh(sequence_be);
  mold->count = be16toh(count_be);
  mold->blocks = payload + WCX_MOLD_HEADER_SZ;
  mold->end = payload + len;
  return true;
}

/* Step to the next block; *at starts at mold->blocks. False when its length does not fit what is left. */
static inline bool wcx_mold_next(const wcx_mold_t *mold, const uint8_t **at, const uint8_t **block, uint16_t *block_sz)
{
  if (mold->end - *at < 2)
    return false;
  uint16_t sz_be;
  memcpy(&sz_be, *at, 2);
  uint16_t sz = be16toh(sz_be);
  if (mold->end - *at - 2 < sz)
    return false;
  *block = *at + 2;
  *block_sz = sz;
  *at += 2 + sz;
  return true;
}

/* Whether exactly `count` blocks fill the datagram, each with at least `block_sz_min` bytes. */
static inline bool wcx_mold_sound(const wcx_mold_t *mold, uint16_t block_sz_min)
{
  const uint8_t *at = mold->blocks;
  const uint8_t *block;
  uint16_t block_sz;
  for (uint32_t i = 0; i < mold->count; i++)
    if (!wcx_mold_next(mold, &at, &block, &block_sz) || block_sz < block_sz_min)
      return false;
  return at == mold->end;
}

static inline bool wcx_mold_no_session(const wcx_mold_t *mold)
{
  return memcmp(mold->session, "          ", WCX_MOLD_SESSION_SZ) == 0;
}

/* Write a header; NULL session: ten spaces. Returns the packet's length so far. */
static inline uint32_t wcx_mold_begin(uint8_t *payload, const char *session, uint64_t sequence, uint16_t count)
{
  uint64_t sequence_be = htobe64(sequence);
  uint16_t count_be = htobe16(count);
  memcpy(payload, session != NULL ? session : "          ", WCX_MOLD_SESSION_SZ);
  memcpy(payload + 10, &sequence_be, 8);
  memcpy(payload + 18, &count_be, 2);
  return WCX_MOLD_HEADER_SZ;
}

/* Append a block at `len` and raise the count in the header. Returns the new length. The caller checked the room. */
static inline uint32_t wcx_mold_add(uint8_t *payload, uint32_t len, const void *block, uint16_t block_sz)
{
  uint16_t sz_be = htobe16(block_sz);
  uint16_t count_be;
  memcpy(payload + len, &sz_be, 2);
  memcpy(payload + len + 2, block, block_sz);
  memcpy(&count_be, payload + 18, 2);
  count_be = htobe16((uint16_t)(be16toh(count_be) + 1));
  memcpy(payload + 18, &count_be, 2);
  return len + 2 + block_sz;
}

#endif
