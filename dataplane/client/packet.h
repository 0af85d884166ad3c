/* MoldUDP64 packets as a client sees them: 20 bytes of header, then blocks of a big-endian length and a message.

       0         10                 18         20
       | session | sequence (u64be) | count    | len (u16be) | SBE message | len | SBE message | ...

   A session that agreed on tags (Establish.Flags bit 3) has 8 more bytes behind the last block: SipHash-2-4 over everything before, little-endian.

   count 0 is a heartbeat, 0xFFFF the end of the session; a request has the same 20 bytes and no blocks.

   Owner:     the caller; no state beyond the arguments.
   Memory:    readers point into the datagram; nothing is copied or aligned.
   Bounds:    a datagram is at most WCX_CLIENT_DATAGRAM_MAX bytes.
   Pinned by: tests/unit/test_client_session.c. */
#ifndef WCX_CLIENT_PACKET_H
#define WCX_CLIENT_PACKET_H

#include "engine/base/siphash.h"
#include "engine/sbe.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#define WCX_CLIENT_DATAGRAM_MAX 1400u
#define WCX_CLIENT_PACKET_HDR_SZ 20u
#define WCX_CLIENT_NO_SESSION "          " /* ten spaces: what is not part of a numbered flow */
#define WCX_CLIENT_END_OF_SESSION 0xFFFFu
#define WCX_CLIENT_TAG_SZ 8u
#define WCX_CLIENT_FLAG_TAG 0x8u /* Establish.Flags: datagrams carry tags */

typedef struct wcx_client_packet
{
  char session[10];
  uint16_t count;    /* blocks; 0 heartbeat */
  uint64_t sequence; /* of the first block */
  const uint8_t *at; /* next block */
  const uint8_t *end;
} wcx_client_packet_t;

/* Write a header. */
static inline void wcx_client_packet_header(uint8_t *datagram, const char session[10], uint64_t sequence, uint16_t count)
{
  uint64_t sequence_be = htobe64(sequence);
  uint16_t count_be = htobe16(count);
  memcpy(datagram, session, 10);
  memcpy(datagram + 10, &sequence_be, 8);
  memcpy(datagram + 18, &count_be, 2);
}

/* Append a block of `sz` bytes at `off`; returns the new end. The caller checked the room. */
static inline size_t wcx_client_packet_append(uint8_t *datagram, size_t off, const void *message, size_t sz)
{
  uint16_t len_be = htobe16((uint16_t)sz);
  memcpy(datagram + off, &len_be, 2);
  memcpy(datagram + off + 2, message, sz);
  return off + 2 + sz;
}

/* Append the tag of datagram[0, sz), which has room for it; returns the new end. */
static inline size_t wcx_client_packet_tag(uint8_t *datagram, size_t sz, const uint8_t key[WCX_SIPHASH_KEY_SZ])
{
  uint64_t tag_le = htole64(wcx_siphash(key, datagram, sz));
  memcpy(datagram + sz, &tag_le, WCX_CLIENT_TAG_SZ);
  return sz + WCX_CLIENT_TAG_SZ;
}

/* Whether a received datagram ends with its tag; the bytes before it are the datagram. */
static inline bool wcx_client_packet_tagged(const void *datagram, size_t sz, const uint8_t key[WCX_SIPHASH_KEY_SZ])
{
  uint64_t tag_le;
  if (sz < WCX_CLIENT_PACKET_HDR_SZ + WCX_CLIENT_TAG_SZ)
    return false;
  memcpy(&tag_le, (const uint8_t *)datagram + sz - WCX_CLIENT_TAG_SZ, WCX_CLIENT_TAG_SZ);
  return le64toh(tag_le) == wcx_siphash(key, datagram, sz - WCX_CLIENT_TAG_SZ);
}

/* Open a received datagram. False when its framing is wrong anywhere: then none of it may be used. */
static inline bool wcx_client_packet_open(wcx_client_packet_t *packet, const void *datagram, size_t sz)
{
  const uint8_t *bytes = datagram;
  if (sz < WCX_CLIENT_PACKET_HDR_SZ)
    return false;
  uint64_t sequence_be;
  uint16_t count_be;
  memcpy(packet->session, bytes, 10);
  memcpy(&sequence_be, bytes + 10, 8);
  memcpy(&count_be, bytes + 18, 2);
  packet->sequence = be64toh(sequence_be);
  packet->count = be16toh(count_be);
  packet->at = bytes + WCX_CLIENT_PACKET_HDR_SZ;
  packet->end = bytes + sz;
  if (packet->count == WCX_CLIENT_END_OF_SESSION)
    return true;
  const uint8_t *at = packet->at;
  for (uint32_t block = 0; block < packet->count; block++)
  {
    if (packet->end - at < 2)
      return false;
    uint16_t len = (uint16_t)(at[0] << 8 | at[1]);
    at += 2;
    if (packet->end - at < len || len < sizeof(wcx_message_header_t))
      return false;
    at += len;
  }
  return true;
}

/* The next block, NULL after the last. Call at most `count` times. */
static inline const uint8_t *wcx_client_packet_next(wcx_client_packet_t *packet, uint16_t *len)
{
  *len = (uint16_t)(packet->at[0] << 8 | packet->at[1]);
  const uint8_t *message = packet->at + 2;
  packet->at = message + *len;
  return message;
}

/* Template id of a message, 0 when its block does not hold `block_sz` bytes. */
static inline uint16_t wcx_client_message_template(const void *message, size_t sz)
{
  wcx_message_header_t hdr;
  if (sz < sizeof(hdr))
    return 0;
  memcpy(&hdr, message, sizeof(hdr));
  return hdr.block_length + sizeof(hdr) <= sz ? hdr.template_id : 0;
}

/* Copy the root block of a message into a struct of the schema: what the sender left out is zero, what it added is ignored. */
static inline void wcx_client_message_block(void *block, size_t block_sz, const void *message, size_t sz)
{
  size_t have = sz - sizeof(wcx_message_header_t);
  memset(block, 0, block_sz);
  memcpy(block, (const uint8_t *)message + sizeof(wcx_message_header_t), have < block_sz ? have : block_sz);
}

/* Write SBE header and block to `out`; returns the bytes. */
static inline size_t wcx_client_message_write(uint8_t *out, uint16_t template_id, const void *block, uint16_t block_sz)
{
  wcx_message_header_t hdr = {.block_length = block_sz, .template_id = template_id, .schema_id = WCX_SCHEMA_ID, .version = WCX_SCHEMA_VERSION};
  memcpy(out, &hdr, sizeof(hdr));
  memcpy(out + sizeof(hdr), block, block_sz);
  return sizeof(hdr) + block_sz;
}

#endif
