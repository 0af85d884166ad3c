/* The whole loop on a simulated port, in one thread: region in ordinary memory, a stand-in for the journal worker that writes real blocks into memory
   and moves the release word when it is told to, a stand-in for the auth worker, and clients made of bytes.

   world_turn runs the loop once and lets the stand-ins work; `hold` keeps the release word where it is. world_crash forgets the loop and makes a new one over
   the same region and journal. Frames the loop sent are read by world_next. */
#ifndef WCX_TESTS_LOOP_FIXTURE_H
#define WCX_TESTS_LOOP_FIXTURE_H

#include "dataplane/loop.h"
#include "dataplane/mold.h"
#include "dataplane/net.h"
#include "dataplane/port_sim.h"
#include "dataplane/tcp_sim.h"
#include "engine/shm/journal_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define WORLD_JOURNAL_SZ (256u << 20)              /* a block takes 4 KiB at least; memory is taken as it is written */
#define WORLD_UTC_NS UINT64_C(1790000000000000000) /* 2026-09-21 */
#define WORLD_IP 0x0a4d0002u
#define CLIENT_IP 0x0a4d0001u

/* Establish.Flags */
#define FLAG_COD 0x1u
#define FLAG_DROP_COPY 0x2u
#define FLAG_TAKE_OVER 0x4u
#define FLAG_TAG 0x8u

/* What a test may watch: each record as it becomes durable; each Establish on its way to a verdict (the stand-in's: all are valid). */
typedef void world_record_t(void *ctx, const wcx_record_hdr_t *hdr, const uint8_t *body);
typedef void world_judge_t(void *ctx, wcx_auth_slot_t *slot);

typedef struct world
{
  wcx_region_t *region;
  wcx_region_shard_t *shm;
  wcx_wire_t *wire;
  wcx_port_t *port;
  wcx_tcp_t *tcp;
  wcx_loop_t *loop;
  void *mem;
  uint64_t mono_ns;
  uint64_t utc_ns;
  bool jumps_unconfirmed; /* else an operator confirms each jump of utc_ns in the turn in which it happens */
  uint32_t shard_idx;
  bool plugged; /* the loop has its port */

  /* journal stand-in */
  bool hold;   /* drain, but do not release */
  bool forget; /* make durable without keeping the bytes: long runs that need no replay */
  bool dead;   /* not even drain */
  uint64_t durable_seq;
  wcx_jring_consumer_t consumer;
  wcx_journal_chain_t *chain;
  uint8_t *journal; /* superblock copy, then segment 1 */
  uint64_t journal_off;
  const uint8_t *override_page; /* the only one of the journal's file `overrides`; NULL: there is none */
  uint64_t epoch;

  /* auth stand-in */
  bool auth_silent;
  uint32_t mold_cnt;

  bool tags; /* datagrams may end with a tag: world_next takes it off unread */

  void *ctx; /* of these, which may be NULL */
  world_record_t *on_record;
  world_judge_t *judge;
} world_t;

/* A datagram the loop sent. */
typedef struct sent
{
  wcx_datagram_t datagram;
  uint32_t to_ip;
  wcx_mold_t mold;
  uint8_t frame[WCX_FRAME_SZ_MAX];
} sent_t;

/* A client: its address, its session and its next numbers. */
typedef struct client
{
  uint32_t session_id;
  uint32_t ip;
  uint16_t port;
  char mold[10];
  uint64_t next_seq;
  uint64_t cl_ord_id;
  uint64_t uuid;
  wcx_establish_ack_t ack;
} client_t;

/* Shard `shard_idx` of `shard_cnt` of a region made for it; the tune function may change the parameters first. */
typedef void world_tune_t(wcx_params_t *params);
wcx_region_t *world_region(uint32_t shard_cnt, world_tune_t *tune);
void world_open(world_t *w, wcx_region_t *region, uint32_t shard_idx);
void world_new(world_t *w, world_tune_t *tune); /* one shard, started and serving, feed of the start thrown away */
void world_close(world_t *w);
void world_start(world_t *w); /* turns until it serves */
void world_crash(world_t *w); /* the loop is gone; world_start makes it serve again */

void world_turn(world_t *w); /* 10 us pass */
void world_turns(world_t *w, uint32_t cnt);
void world_pass(world_t *w, uint64_t ns);  /* that much time passes in turns of 1 ms */
void world_stall(world_t *w, uint64_t ns); /* that much time passes without a turn */
void world_release(world_t *w);            /* what is durable is released */

/* Next datagram the loop sent; false when there is none. Checksums and framing are asserted. */
bool world_next(world_t *w, sent_t *sent);
void world_drain(world_t *w); /* throw away what was sent */
/* Next datagram to this client; others are thrown away. */
bool world_next_to(world_t *w, const client_t *client, sent_t *sent);
/* The next message with this template to this client (in any datagram; what comes before is thrown away); its block is copied. */
bool world_expect(world_t *w, const client_t *client, uint16_t template_id, void *block, size_t sz);

/* Raw sending. */
void world_send(world_t *w, uint32_t ip, uint16_t port, uint16_t to_port, const void *payload, uint32_t len);
uint32_t world_frame(uint8_t *frame, uint32_t ip, uint16_t port, uint16_t to_port, const void *payload, uint32_t len);

client_t client_of(uint32_t session_id);
/* The Establish as this client would send it now. The signature's first byte 0xbb makes the stand-in refuse it, all else is valid. */
wcx_establish_t client_establish(const world_t *w, client_t *client);
void client_send_establish(world_t *w, const client_t *client, const wcx_establish_t *establish);
/* The whole sign-on; asserts that it is accepted. */
void client_sign_on(world_t *w, client_t *client);
/* Send blocks (SBE header and body each) in one datagram at `seq`. */
uint32_t client_block(uint8_t *to, uint16_t template_id, const void *body, uint16_t sz);
void client_send_at(world_t *w, const client_t *client, uint64_t seq, uint16_t count, const uint8_t *blocks, uint32_t sz);
void client_send(world_t *w, client_t *client, uint16_t template_id, const void *body, uint16_t sz); /* at next_seq, which moves on */
wcx_new_order_single_t client_order(client_t *client, uint32_t security_id, uint8_t side, int64_t price, int64_t qty, uint8_t tif);
void client_send_order(world_t *w, client_t *client, uint32_t security_id, uint8_t side, int64_t price, int64_t qty, uint8_t tif); /* its ClOrdID is client->cl_ord_id then */

#endif
