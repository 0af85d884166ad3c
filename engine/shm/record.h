/* The record: one input of the engine, as it stands in the journal ring, in a journal block and in the engine's hands.

   A record is this 64-byte header and then body_sz bytes of body, padded with zeros to a multiple of 8. The body is the SBE root block of
   `template_id` (with its repeating group, if it has one) without the 8-byte SBE header; schema 1 for templates below 401, schema 2 from there on.

   Owner:       written once, by the sequencer of the shard's data plane; afterwards read-only everywhere.
   Units:       stamp_ns and receive_ns are UTC ns since 1970.
   Invariants:  seq rises by exactly 1 per shard and starts at 1; stamp_ns strictly rises per shard; reserved bytes and padding are zero and verified.
   Versioning:  `format` is WCX_RECORD_FORMAT; a reader refuses any other.
   Pinned by:   the assertions below, tests/unit/test_journal_format.c. */
#ifndef WCX_SHM_RECORD_H
#define WCX_SHM_RECORD_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define WCX_RECORD_FORMAT 1
#define WCX_RECORD_BODY_SZ_MAX 1352                     /* MassQuote with 33 sets: 24 + 4 + 33 x 40 = 1348, padded */
#define WCX_RECORD_SZ_MAX (64 + WCX_RECORD_BODY_SZ_MAX) /* bytes, inclusive */

typedef struct wcx_record_hdr
{
  uint16_t format;
  uint16_t template_id;
  uint16_t schema_version; /* of the body's schema, as the client sent it */
  uint16_t flags;          /* WCX_RECORD_F_* */
  uint32_t shard;          /* 1..65535 */
  uint32_t session_id;     /* 0: no session (operator, clock, genesis) */
  uint64_t seq;
  uint64_t stamp_ns;   /* engine time of this input */
  uint64_t receive_ns; /* when the frame was received; 0 for internal inputs */
  uint64_t client_seq; /* sequence in the client's flow, see WCX_RECORD_F_TCP; 0 when it did not come from a client */
  uint32_t account;    /* of the body, for filters of tools; 0 when the body names none */
  uint16_t body_sz;    /* bytes, without padding */
  uint16_t reserved0;
  uint64_t reserved1;
} wcx_record_hdr_t;

#define WCX_RECORD_F_GENESIS 0x0001u /* comes from the configuration of an empty journal */
#define WCX_RECORD_F_TCP 0x0002u     /* client_seq counts the requests of a TCP binding: it says nothing about the flow over UDP */

static_assert(sizeof(wcx_record_hdr_t) == 64, "record header");
static_assert(offsetof(wcx_record_hdr_t, template_id) == 2, "record header");
static_assert(offsetof(wcx_record_hdr_t, schema_version) == 4, "record header");
static_assert(offsetof(wcx_record_hdr_t, flags) == 6, "record header");
static_assert(offsetof(wcx_record_hdr_t, shard) == 8, "record header");
static_assert(offsetof(wcx_record_hdr_t, session_id) == 12, "record header");
static_assert(offsetof(wcx_record_hdr_t, seq) == 16, "record header");
static_assert(offsetof(wcx_record_hdr_t, stamp_ns) == 24, "record header");
static_assert(offsetof(wcx_record_hdr_t, receive_ns) == 32, "record header");
static_assert(offsetof(wcx_record_hdr_t, client_seq) == 40, "record header");
static_assert(offsetof(wcx_record_hdr_t, account) == 48, "record header");
static_assert(offsetof(wcx_record_hdr_t, body_sz) == 52, "record header");
static_assert(offsetof(wcx_record_hdr_t, reserved0) == 54, "record header");
static_assert(offsetof(wcx_record_hdr_t, reserved1) == 56, "record header");

/* Bytes a record takes in a block: header, body, padding. */
static inline uint32_t wcx_record_sz(uint16_t body_sz)
{
  return 64u + ((body_sz + 7u) & ~7u);
}

#endif
