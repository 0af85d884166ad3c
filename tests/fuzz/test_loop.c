/* The whole receive path: frames into the real loop on the simulated port, with two sessions signed on and orders in the book.

   Input: operations, each a byte of kind, a byte of length and that many bytes (see enum operation). At most OPERATIONS_MAX count.

   What is asserted, by rules of this file's own reading of the protocol and not by what the loop counts:
     - a frame that the protocol (dataplane/client/PROTOCOL.md, sections 2 to 4) has refused or dropped leaves the engine's state digest and its number of inputs as they were;
     - an address that is not bound gets EstablishAck, EstablishReject, RetransmitReject and the feed's messages only, and from the order port never more bytes
       than it sent;
     - everything sent is a sound datagram (tests/unit/loop_fixture.c), and the running digest is the recomputed one.

   Every input starts from the same bytes (rewind.h). */
#include "engine/sbe_meta.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rewind.h"

#define OPERATIONS_MAX 24u
#define TURNS 6u
#define TURNS_MAX 200u
#define STRANGER_IP 0x0a4d0063u
#define STRANGER_PORT 40099u
#define GAP_MAX 65536u

enum operation
{
  OPERATION_FRAME = 0,          /* a whole Ethernet frame */
  OPERATION_ORDER_STRANGER = 1, /* a payload to the order port from an address that is not bound */
  OPERATION_ORDER_OWN = 2,      /* ... from the first client's */
  OPERATION_BLOCKS = 3,         /* a byte of distance, then blocks: session, sequence and count of the first client are put before them */
  OPERATION_REREQUEST_OWN = 4,  /* a payload to the re-request port */
  OPERATION_REREQUEST_STRANGER = 5,
  OPERATION_ESTABLISH = 6, /* a byte (bits 0..1 session, bit 2 own address, bit 3 same UUID again), then bytes laid over a valid Establish by exclusive or */
  OPERATION_TIME = 7,      /* two bytes: milliseconds, modulo 4,000 */
  OPERATION_CNT = 8,
};

static world_t w;
static client_t clients[2];
static client_t saved_clients[2];
static bool ready;
static bool stranger_bound;
static uint64_t stranger_in; /* bytes of payload the stranger sent to the order port, and what came back from it */
static uint64_t stranger_out;

/* --- one world, again and again ------------------------------------------------------------------------------------------------------------- */

static void set_up(void)
{
  rewind_new(&w);
  w.tags = true; /* an Establish may ask for them */
  for (uint32_t i = 0; i < 2; i++)
  {
    clients[i] = client_of(i + 1);
    client_sign_on(&w, &clients[i]);
    for (int64_t n = 1; n <= 3; n++)
    {
      client_send_order(&w, &clients[i], 1, (uint8_t)(i + 1), i == 0 ? 100 - n : 100 + n, 10, WCX_TIME_IN_FORCE_GTC);
    }
  }
  world_turns(&w, 20);
  world_drain(&w);
  rewind_keep(&w);
  memcpy(saved_clients, clients, sizeof(clients));
  ready = true;
}

static void go_back(void)
{
  rewind_back(&w);
  memcpy(clients, saved_clients, sizeof(clients));
  stranger_bound = false;
  stranger_in = stranger_out = 0;
}

/* --- what a datagram may do, read from the protocol ------------------------------------------------------------------------------------------ */

static uint64_t be(const uint8_t *at, uint32_t sz)
{
  uint64_t value = 0;
  for (uint32_t i = 0; i < sz; i++)
    value = value << 8 | at[i];
  return value;
}

static uint32_t le16(const uint8_t *at)
{
  return at[0] | (uint32_t)at[1] << 8;
}

/* A request the engine has to see: every other block is refused by the data plane alone. */
static bool is_request(const uint8_t *block, size_t sz)
{
  uint32_t length = le16(block);
  uint16_t template_id = (uint16_t)le16(block + 2);
  bool known = (template_id >= 101 && template_id <= 108) || template_id == 4;
  const wcx_sbe_msg_t *msg = wcx_sbe_find(template_id);
  if (!known || msg == NULL || le16(block + 4) != 1 || length < msg->block_length || sz < 8 + length)
    return false;
  if (le16(block + 6) == 0 && length != msg->block_length)
    return false;
  return wcx_sbe_bad_field(msg, block + 8) == 0;
}

/* Establish, alone in its datagram, outside any session. */
static bool is_establish(const uint8_t *payload, size_t len)
{
  if (be(payload + 10, 8) != 0 || be(payload + 18, 2) != 1 || len < 22 || be(payload + 20, 2) != len - 22 || len < 22 + 8 + 112)
    return false;
  const uint8_t *block = payload + 22;
  return le16(block) >= 112 && le16(block + 2) == 1 && le16(block + 4) == 1 && (le16(block + 6) != 0 || le16(block) == 112);
}

/* Whether a datagram may be an input, from whomever it is. Errs on the side of yes, but for what PROTOCOL names. */
static bool may_change(const uint8_t *payload, size_t len)
{
  if (len < 20)
    return false;
  if (memcmp(payload, "          ", 10) == 0)
    return is_establish(payload, len);
  uint64_t sequence = be(payload + 10, 8);
  uint64_t count = be(payload + 18, 2);
  bool requested = false;
  size_t at = 20;
  for (uint64_t i = 0; i < count; i++)
  {
    if (at + 2 > len || at + 2 + be(payload + at, 2) > len || be(payload + at, 2) < 8)
      return false;
    requested = requested || is_request(payload + at + 2, be(payload + at, 2));
    at += 2 + be(payload + at, 2);
  }
  if (at != len)
    return false;
  bool own = false;
  for (uint32_t i = 0; i < 2; i++)
    own =
        own || (memcmp(payload, saved_clients[i].mold, 10) == 0 && (sequence > saved_clients[i].next_seq + GAP_MAX || (requested && sequence + count > saved_clients[i].next_seq)));
  return own;
}

/* --- what came out --------------------------------------------------------------------------------------------------------------------------- */

static void check_stranger(const sent_t *sent)
{
  const uint8_t *payload = sent->datagram.payload;
  bool numbered = memcmp(payload, "          ", 10) != 0;
  uint32_t template_id = sent->mold.count > 0 ? le16(payload + 24) : 0;
  if (sent->datagram.from.port == 7002)
  {
    stranger_out += sent->datagram.len;
    WCX_CHECK(!numbered && sent->mold.count == 1 && (template_id == WCX_TEMPLATE_ESTABLISH_ACK || template_id == WCX_TEMPLATE_ESTABLISH_REJECT),
              "template %u of session %.10s to an address that is not bound", template_id, (const char *)payload);
    stranger_bound = template_id == WCX_TEMPLATE_ESTABLISH_ACK;
    WCX_CHECK(stranger_out <= stranger_in, "%llu bytes were answered with %llu", (unsigned long long)stranger_in, (unsigned long long)stranger_out);
  }
  else
    WCX_CHECK(numbered ? memcmp(payload, "M001", 4) == 0 : template_id == WCX_TEMPLATE_RETRANSMIT_REJECT, "template %u of session %.10s to anyone", template_id,
              (const char *)payload);
}

static void check_sent(void)
{
  sent_t sent;
  while (world_next(&w, &sent))
    if (!stranger_bound && sent.to_ip == STRANGER_IP)
      check_stranger(&sent);
}

/* --- operations ------------------------------------------------------------------------------------------------------------------------------ */

static void put_in(const uint8_t *frame, uint32_t len, bool changes)
{
  const wcx_engine_t *engine = wcx_loop_engine(w.loop);
  wcx_digest_t before = wcx_engine_state_digest(engine);
  uint64_t inputs = w.durable_seq;
  (void)wcx_wire_send(w.wire, frame, len);
  rewind_turns(&w, TURNS);
  wcx_digest_t after = wcx_engine_state_digest(engine);
  WCX_CHECK(changes || (memcmp(&before, &after, sizeof(before)) == 0 && w.durable_seq == inputs), "a frame of %u bytes that is to be refused made %llu inputs", len,
            (unsigned long long)(w.durable_seq - inputs));
  check_sent();
}

static void send_from(bool own, uint16_t to_port, const uint8_t *payload, uint32_t len)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  if (!own && to_port == 7002)
    stranger_in += len;
  uint32_t frame_sz = world_frame(frame, own ? clients[0].ip : STRANGER_IP, own ? clients[0].port : STRANGER_PORT, to_port, payload, len);
  put_in(frame, frame_sz, to_port == 7002 && may_change(payload, len) && (own || stranger_bound || memcmp(payload, "          ", 10) == 0));
}

static void send_blocks(const uint8_t *data, uint32_t len)
{
  uint8_t payload[20 + UINT8_MAX];
  if (len == 0)
    return;
  uint16_t count = 0;
  for (uint32_t at = 1; at + 2 <= len && at + 2 + be(data + at, 2) <= len; at += 2 + (uint32_t)be(data + at, 2))
    count++;
  uint64_t sequence = clients[0].next_seq + (uint64_t)(int64_t)(int8_t)data[0];
  (void)wcx_mold_begin(payload, clients[0].mold, sequence, count);
  memcpy(payload + 20, data + 1, len - 1);
  if (sequence + count > clients[0].next_seq)
    clients[0].next_seq = sequence + count;
  send_from(true, 7002, payload, 20 + len - 1);
}

static void send_establish(const uint8_t *data, uint32_t len)
{
  uint8_t payload[256];
  if (len == 0)
    return;
  client_t client = {.session_id = 1 + (data[0] & 3), .uuid = 100 + ((data[0] & 8) != 0 ? 0 : 1)};
  wcx_establish_t establish = client_establish(&w, &client);
  for (uint32_t i = 0; i + 1 < len && i < sizeof(establish); i++)
    ((uint8_t *)&establish)[i] ^= data[i + 1];
  uint32_t sz = wcx_mold_begin(payload, NULL, 0, 1);
  sz += client_block(payload + sz, WCX_TEMPLATE_ESTABLISH, &establish, sizeof(establish));
  send_from((data[0] & 4) != 0, 7002, payload, sz);
}

static void operate(uint8_t kind, const uint8_t *data, uint32_t len)
{
  uint8_t frame[UINT8_MAX];
  switch (kind % OPERATION_CNT)
  {
  case OPERATION_FRAME:
    if (len == 0)
      break; /* no port gives such a frame */
    memcpy(frame, data, len);
    put_in(frame, len, true); /* may be anything, so nothing is claimed; the targets net and mold know frames */
    break;
  case OPERATION_ORDER_STRANGER:
  case OPERATION_ORDER_OWN:
    send_from(kind % OPERATION_CNT == OPERATION_ORDER_OWN, 7002, data, len);
    break;
  case OPERATION_BLOCKS:
    send_blocks(data, len);
    break;
  case OPERATION_REREQUEST_OWN:
  case OPERATION_REREQUEST_STRANGER:
    send_from(kind % OPERATION_CNT == OPERATION_REREQUEST_OWN, 7003, data, len);
    break;
  case OPERATION_ESTABLISH:
    send_establish(data, len);
    break;
  default:
    rewind_pass(&w, len < 2 ? 0 : le16(data) % 4000);
    check_sent();
  }
}

void wcx_fuzz_one(const uint8_t *data, size_t sz)
{
  if (!ready)
    set_up();
  size_t at = 0;
  for (uint32_t i = 0; i < OPERATIONS_MAX && at + 2 <= sz; i++)
  {
    uint32_t len = data[at + 1] < sz - at - 2 ? data[at + 1] : (uint32_t)(sz - at - 2);
    operate(data[at], data + at + 2, len);
    at += 2 + len;
  }
  /* nothing of this input may wait in the port when the next one begins */
  uint64_t before = 0;
  for (uint32_t i = 0; i < TURNS_MAX && (i < TURNS || before != w.durable_seq); i++)
  {
    before = w.durable_seq;
    rewind_turns(&w, 1);
    check_sent();
  }
  wcx_digest_t running = wcx_engine_state_digest(wcx_loop_engine(w.loop));
  wcx_digest_t whole = wcx_engine_state_digest_full(wcx_loop_engine(w.loop));
  WCX_CHECK(memcmp(&running, &whole, sizeof(whole)) == 0, "the running digest is not the digest of the state");
  go_back();
}
