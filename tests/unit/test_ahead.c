/* What a look at a burst asks for, and what it does not; that it reads no byte behind a frame, believes nothing and changes nothing. */
#include "tests/unit/engine_fixture.h"

#include "dataplane/ahead.h"
#include "dataplane/soup.h"

#include <sys/mman.h>
#include <unistd.h>

#define ORDERS 20000u /* so many that wcx_engine_prefetch does all it can */
#define PORT 7002u
#define CLIENT_PORT 40001u
#define CLIENTS 2u
#define ROUNDS 20000u

static const wcx_engine_limits_t limits = {
    .shard = 1, .orders_max = 24000, .levels_max = 5000, .instruments_max = 1, .accounts_max = 16, .sessions_max = 16, .hash_key = UINT64_C(0x5eed)};
static const wcx_net_t us = {.ip = 0x0a4d0002u, .mac = {2, 0x77, 0x63, 0x78, 0, 1}};
static const char *const molds[CLIENTS] = {"Mold000001", "Mold000002"};

static world_t w;
static wcx_sessions_t sessions;
static void *sessions_mem;
static wcx_ahead_t ahead;
static wcx_frame_t frames[WCX_PORT_BURST_MAX];
static uint8_t rooms[WCX_PORT_BURST_MAX][WCX_FRAME_SZ_MAX];
static uint32_t frame_cnt;
static uint64_t random_state = 0x5eed;

static uint64_t draw(uint64_t below)
{
  random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
  return (random_state >> 33) % below;
}

/* --- what was asked: linked with --wrap ------------------------------------------------------------------------------------------------------ */

typedef struct asked
{
  uint16_t template_id;
  uint16_t body_sz;
  uint32_t session_id;
  const uint8_t *body;
} asked_t;

static asked_t asked[256];
static uint32_t asked_cnt;
static uint32_t calls;

void __real_wcx_engine_prefetch(const wcx_engine_t *engine, const wcx_engine_input_t *inputs, uint32_t cnt);
void __wrap_wcx_engine_prefetch(const wcx_engine_t *engine, const wcx_engine_input_t *inputs, uint32_t cnt);
void __wrap_wcx_engine_prefetch(const wcx_engine_t *engine, const wcx_engine_input_t *inputs, uint32_t cnt)
{
  calls++;
  for (uint32_t i = 0; i < cnt && asked_cnt < sizeof(asked) / sizeof(asked[0]); i++)
  {
    const wcx_record_hdr_t *hdr = inputs[i].hdr;
    asked[asked_cnt++] = (asked_t){.template_id = hdr->template_id, .body_sz = hdr->body_sz, .session_id = hdr->session_id, .body = inputs[i].body};
  }
  __real_wcx_engine_prefetch(engine, inputs, cnt);
}

/* --- frames ----------------------------------------------------------------------------------------------------------------------------------- */

static uint32_t client_ip(uint32_t client)
{
  return 0x0a4d0001u + 16 * client;
}

typedef struct packet
{
  uint32_t len;
  uint8_t bytes[WCX_MOLD_SZ_MAX];
} packet_t;

static packet_t begin(const char *mold)
{
  packet_t packet;
  packet.len = wcx_mold_begin(packet.bytes, mold, 1, 0);
  return packet;
}

static void add(packet_t *packet, uint16_t template_id, const void *body, uint16_t body_sz)
{
  uint8_t block[256];
  wcx_message_header_t header = {.block_length = body_sz, .template_id = template_id, .schema_id = WCX_SCHEMA_ID};
  memcpy(block, &header, sizeof(header));
  memcpy(block + sizeof(header), body, body_sz);
  packet->len = wcx_mold_add(packet->bytes, packet->len, block, (uint16_t)(sizeof(header) + body_sz));
}

static void add_cancel(packet_t *packet, uint64_t orig_cl_ord_id)
{
  wcx_order_cancel_request_t request = {.cl_ord_id = 1, .orig_cl_ord_id = orig_cl_ord_id, .order_id = WCX_U64_NULL, .security_id = 1};
  add(packet, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &request, sizeof(request));
}

/* Whole, from that client's address. */
static uint32_t put_frame(uint8_t *frame, uint32_t client, uint16_t to_port, const packet_t *packet)
{
  wcx_net_t sender = {.ip = client_ip(client), .mac = {2, 0, 0, 0, 0, 9}};
  wcx_peer_t to = {.ip = us.ip, .port = to_port};
  memcpy(to.mac, us.mac, sizeof(us.mac));
  memcpy(frame + wcx_net_headers_sz(&to), packet->bytes, packet->len);
  return wcx_net_finish_udp(&sender, frame, &to, CLIENT_PORT, (uint16_t)packet->len);
}

/* A cancel, or something else that looks like one, as a packet of a stream. */
static uint32_t put_packet(uint8_t *to, char type, uint64_t orig_cl_ord_id)
{
  wcx_message_header_t header = {.block_length = sizeof(wcx_order_cancel_request_t), .template_id = WCX_TEMPLATE_ORDER_CANCEL_REQUEST, .schema_id = WCX_SCHEMA_ID};
  wcx_order_cancel_request_t request = {.cl_ord_id = 1, .orig_cl_ord_id = orig_cl_ord_id, .order_id = WCX_U64_NULL, .security_id = 1};
  uint32_t at = wcx_soup_begin(to, type, sizeof(header) + sizeof(request));
  memcpy(to + at, &header, sizeof(header));
  memcpy(to + at + sizeof(header), &request, sizeof(request));
  return at + (uint32_t)(sizeof(header) + sizeof(request));
}

static void give(uint32_t client, uint16_t to_port, const packet_t *packet)
{
  uint8_t *room = rooms[frame_cnt];
  frames[frame_cnt++] = (wcx_frame_t){.data = room, .len = put_frame(room, client, to_port, packet)};
}

static void give_cancels(uint32_t client, uint32_t cnt)
{
  packet_t packet = begin(molds[client]);
  for (uint32_t i = 0; i < cnt; i++)
    add_cancel(&packet, 100 * frame_cnt + i);
  give(client, PORT, &packet);
}

static void look(void)
{
  wcx_ahead_look(&ahead, w.engine, &sessions, &us, PORT, frames, frame_cnt);
}

static void new_burst(void)
{
  frame_cnt = asked_cnt = calls = 0;
  ahead.looked_cnt = ahead.parsed_cnt = 0;
}

/* --- tests ------------------------------------------------------------------------------------------------------------------------------------ */

static void crowd(uint32_t live)
{
  while (wcx_engine_orders_live(w.engine) < live)
  {
    uint8_t side = (uint8_t)(1 + draw(2));
    int64_t away = (int64_t)draw(2000);
    order(&w, 1 + (uint32_t)draw(8), side, side == BUY ? 999999 - away : 1000000 + away, 1 + (int64_t)draw(9));
  }
}

static int set_up(void **state)
{
  (void)state;
  world_make(&w, &limits, 1 << 20);
  world_populate(&w);
  size_t sz = wcx_sessions_footprint(4, 4, 16);
  sessions_mem = aligned_alloc(64, (sz + 63) & ~(size_t)63);
  assert_non_null(sessions_mem);
  wcx_sessions_init(&sessions, sessions_mem, 4, 4, 16, 1);
  for (uint32_t client = 0; client < CLIENTS; client++)
  {
    wcx_binding_t *binding = wcx_binding_open(&sessions, wcx_sessions_get(&sessions, client + 1), molds[client], 1);
    binding->peer = (wcx_peer_t){.ip = client_ip(client), .port = CLIENT_PORT};
  }
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  world_free(&w);
  free(sessions_mem);
  return 0;
}

/* Runs first: few orders rest until it has seen that. */
static void a_burst_of_two_above_many_orders_is_looked_at(void **state)
{
  (void)state;
  wcx_frame_t two[2] = {{.len = 100}, {.len = 100}};
  uint8_t stream[256];
  uint32_t len = put_packet(stream, 'U', 1);
  len += put_packet(stream + len, 'U', 2);
  len += put_packet(stream + len, 'U', 3);
  crowd(WCX_AHEAD_ORDERS_MIN - 1); /* which asks, too */
  new_burst();
  wcx_ahead_stream(w.engine, 1, stream, len);
  assert_int_equal(asked_cnt, 0);
  wcx_ahead_burst(&ahead, w.engine, two, 2);
  assert_int_equal(ahead.looked_cnt, 2);
  crowd(WCX_AHEAD_ORDERS_MIN);
  wcx_ahead_burst(&ahead, w.engine, two, 2);
  assert_int_equal(ahead.looked_cnt, 0);
  wcx_ahead_burst(&ahead, w.engine, two, 1);
  assert_int_equal(ahead.looked_cnt, 1);
  two[0].len = WCX_AHEAD_FRAME_MIN;
  wcx_ahead_burst(&ahead, w.engine, two, 1);
  assert_int_equal(ahead.looked_cnt, 0);
  ahead.parsed_cnt = 7;
  wcx_ahead_burst(&ahead, w.engine, two, 0);
  assert_int_equal(ahead.looked_cnt, 0);
  assert_int_equal(ahead.parsed_cnt, 0);
  crowd(ORDERS);
}

/* One order of any kind, whatever is around it, is shorter than what is taken for two; two moves are not, nor are three cancels. */
static void one_long_frame_holds_two_requests(void **state)
{
  (void)state;
  wcx_new_order_single_t one = an_order(1, 1, BUY, 1, 1);
  wcx_order_cancel_replace_request_t move = a_replace(2, 1, 1, 1);
  packet_t packet = begin(molds[0]);
  new_burst();
  add(&packet, WCX_TEMPLATE_NEW_ORDER_SINGLE, &one, sizeof(one));
  give(0, PORT, &packet);
  assert_true(frames[0].len + 4 + WCX_TAG_SZ < WCX_AHEAD_FRAME_MIN);
  packet = begin(molds[0]);
  add(&packet, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, &move, sizeof(move));
  add(&packet, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, &move, sizeof(move));
  give(0, PORT, &packet);
  assert_true(frames[1].len >= WCX_AHEAD_FRAME_MIN);
  give_cancels(0, 3);
  assert_true(frames[2].len >= WCX_AHEAD_FRAME_MIN);
}

static void what_is_asked_is_what_clients_say(void **state)
{
  (void)state;
  new_burst();
  wcx_new_order_single_t one = an_order(7, 2, SELL, 1000100, 5);
  packet_t packet = begin(molds[1]);
  add(&packet, WCX_TEMPLATE_NEW_ORDER_SINGLE, &one, sizeof(one));
  add_cancel(&packet, 5);
  give(1, PORT, &packet);
  give_cancels(0, 1);
  look();
  assert_int_equal(calls, 1);
  assert_int_equal(asked_cnt, 3);
  assert_int_equal(asked[0].template_id, WCX_TEMPLATE_NEW_ORDER_SINGLE);
  assert_int_equal(asked[0].session_id, 2);
  assert_int_equal(asked[0].body_sz, sizeof(one));
  assert_memory_equal(asked[0].body, &one, sizeof(one));
  assert_int_equal(asked[1].template_id, WCX_TEMPLATE_ORDER_CANCEL_REQUEST);
  assert_int_equal(asked[1].session_id, 2);
  assert_int_equal(asked[1].body_sz, sizeof(wcx_order_cancel_request_t));
  assert_int_equal(asked[2].session_id, 1);
  assert_int_equal(ahead.looked_cnt, 2);
  assert_int_equal(ahead.parsed_cnt, 2);
}

static void what_is_not_a_clients_asks_for_nothing(void **state)
{
  (void)state;
  new_burst(); /* what an older burst left does not matter */
  for (uint32_t i = 0; i < 10; i++)
    give_cancels(0, 1);
  look();
  new_burst();
  give_cancels(0, 1);
  give_cancels(0, 1);
  rooms[1][60] ^= 1; /* the UDP checksum does not fit */
  packet_t packet = begin("Nobody0000");
  add_cancel(&packet, 1);
  give(0, PORT, &packet);
  packet = begin(NULL);
  add_cancel(&packet, 1);
  give(0, PORT, &packet);
  packet = begin(molds[0]);
  add_cancel(&packet, 1);
  give(1, PORT, &packet);     /* not its address */
  give(0, PORT + 1, &packet); /* not the port of orders */
  packet = begin(molds[0]);
  packet.len = 19; /* no header */
  give(0, PORT, &packet);
  give_cancels(0, 1);
  frames[frame_cnt - 1].len = 13; /* no frame */
  give_cancels(1, 1);
  look();
  assert_int_equal(asked_cnt, 2);
  assert_int_equal(asked[0].session_id, 1);
  assert_int_equal(asked[1].session_id, 2);

  /* for the real path it is parsed as it would have been there */
  assert_int_equal(ahead.parsed_cnt, frame_cnt);
  for (uint32_t i = 0; i < frame_cnt; i++)
  {
    wcx_datagram_t datagram;
    enum wcx_net_verdict verdict = wcx_net_parse(&us, frames[i].data, frames[i].len, &datagram);
    assert_int_equal(ahead.verdicts[i], verdict);
    if (verdict == WCX_NET_UDP)
      assert_memory_equal(&ahead.datagrams[i], &datagram, sizeof(datagram));
  }
}

static void one_request_alone_is_not_asked(void **state)
{
  (void)state;
  new_burst();
  give_cancels(0, 1);
  packet_t packet = begin(NULL);
  give(0, PORT, &packet);
  look();
  assert_int_equal(calls, 0);
  assert_int_equal(ahead.parsed_cnt, 2);
}

static void a_look_is_bounded(void **state)
{
  (void)state;
  new_burst();
  for (uint32_t i = 0; i < WCX_PORT_BURST_MAX; i++)
    give_cancels(i % CLIENTS, 1);
  for (uint32_t looks = 1; looks <= WCX_PORT_BURST_MAX / WCX_AHEAD_BLOCKS; looks++)
  {
    look();
    assert_int_equal(calls, looks);
    assert_int_equal(asked_cnt, looks * WCX_AHEAD_BLOCKS);
    assert_int_equal(ahead.looked_cnt, looks * WCX_AHEAD_BLOCKS);
    assert_int_equal(ahead.parsed_cnt, ahead.looked_cnt);
  }

  new_burst(); /* frames are looked at whole */
  give_cancels(0, WCX_AHEAD_BLOCKS - 1);
  give_cancels(1, WCX_AHEAD_BLOCKS);
  give_cancels(0, 1);
  look();
  assert_int_equal(asked_cnt, 2 * WCX_AHEAD_BLOCKS - 1);
  assert_int_equal(ahead.looked_cnt, 2);

  new_burst(); /* but no more of one than that */
  give_cancels(0, 2 * WCX_AHEAD_BLOCKS);
  give_cancels(1, 1);
  look();
  assert_int_equal(asked_cnt, WCX_AHEAD_BLOCKS);
  assert_int_equal(ahead.looked_cnt, 1);
}

/* A count that says more than there is, a block that is shorter than its header, a length that leads outside. */
static void only_whole_blocks_are_asked(void **state)
{
  (void)state;
  new_burst();
  packet_t packet = begin(molds[0]);
  add_cancel(&packet, 1);
  packet.bytes[18] = 0xff;
  give(0, PORT, &packet);
  packet = begin(molds[0]);
  add_cancel(&packet, 2);
  packet.len = wcx_mold_add(packet.bytes, packet.len, "1234567", 7);
  add_cancel(&packet, 3);
  give(0, PORT, &packet);
  packet = begin(molds[0]);
  add_cancel(&packet, 4);
  packet.bytes[21]++;
  give(0, PORT, &packet);
  give_cancels(0, 1);
  look();
  assert_int_equal(asked_cnt, 3);
  assert_int_equal(ahead.looked_cnt, 4);
}

/* --- streams ---------------------------------------------------------------------------------------------------------------------------------- */

static void whole_requests_of_a_stream_are_asked(void **state)
{
  (void)state;
  uint8_t stream[4096];
  uint32_t len = put_packet(stream, 'U', 1);
  len += wcx_soup_begin(stream + len, 'R', 0);
  len += wcx_soup_begin(stream + len, 'U', 0); /* shorter than its header */
  len += put_packet(stream + len, '+', 2);
  len += put_packet(stream + len, 'U', 3);
  uint32_t two = len;
  len += put_packet(stream + len, 'U', 4);
  for (uint32_t cut = 0; cut <= len; cut++)
  {
    new_burst();
    wcx_ahead_stream(w.engine, 7, stream, cut);
    assert_int_equal(asked_cnt, cut == len ? 3 : cut >= two ? 2 : 0); /* one alone is not asked */
  }
  assert_int_equal(asked[2].session_id, 7);
  assert_int_equal(asked[2].template_id, WCX_TEMPLATE_ORDER_CANCEL_REQUEST);
  assert_int_equal(asked[2].body_sz, sizeof(wcx_order_cancel_request_t));
  assert_ptr_equal(asked[2].body, stream + len - sizeof(wcx_order_cancel_request_t));

  new_burst(); /* what comes behind a length that is none is no packet */
  stream[two] = 0xff;
  wcx_ahead_stream(w.engine, 7, stream, len);
  assert_int_equal(asked_cnt, 2);

  new_burst();
  len = 0;
  for (uint32_t i = 0; i < 3 * WCX_AHEAD_BLOCKS; i++)
    len += put_packet(stream + len, 'U', i);
  wcx_ahead_stream(w.engine, 7, stream, len);
  assert_int_equal(calls, 1);
  assert_int_equal(asked_cnt, 2 * WCX_AHEAD_BLOCKS - 1);
}

/* A page behind which nothing can be read: a step too far ends the test. */
static uint8_t *guarded_page(size_t page)
{
  uint8_t *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(pages != MAP_FAILED);
  assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
  return pages;
}

static void damaged_streams_are_not_believed(void **state)
{
  (void)state;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  uint8_t *pages = guarded_page(page);
  wcx_digest_t before = wcx_engine_state_digest(w.engine);
  uint32_t asked_of_damaged = 0;
  for (uint32_t round = 0; round < ROUNDS; round++)
  {
    uint8_t stream[WCX_SOUP_SZ_MAX];
    uint32_t len = 0;
    while (len + 64 < sizeof(stream) && draw(20) != 0)
      len += put_packet(stream + len, draw(8) == 0 ? 'R' : 'U', draw(3000));
    for (uint64_t turns = len > 0 ? draw(6) : 0; turns > 0; turns--)
      stream[draw(len)] = (uint8_t)draw(256);
    len = draw(2) == 0 ? len : (uint32_t)draw(len + 1);
    memcpy(pages + page - len, stream, len);
    new_burst();
    wcx_ahead_stream(w.engine, 1 + (uint32_t)draw(9), pages + page - len, len);
    asked_of_damaged += asked_cnt;
  }
  assert_true(asked_of_damaged > ROUNDS);
  wcx_digest_t after = wcx_engine_state_digest_full(w.engine);
  assert_memory_equal(&before, &after, sizeof(before));
  munmap(pages, 2 * page);
}

/* --- damage ----------------------------------------------------------------------------------------------------------------------------------- */

static void damage(packet_t *packet)
{
  uint64_t kind = draw(8);
  if (kind == 0)
    packet->len = (uint32_t)draw(packet->len + 1);
  if (kind == 1)
    packet->bytes[18 + draw(2)] = (uint8_t)draw(256);
  if (kind == 2 && packet->len >= 22)
    packet->bytes[20 + draw(2)] ^= (uint8_t)(1u << draw(8));
  for (uint64_t turns = kind < 6 ? draw(6) : 0; turns > 0 && packet->len > 20; turns--)
    packet->bytes[20 + draw(packet->len - 20)] = (uint8_t)draw(256);
}

/* Frames whose checksums fit, so that what is wrong inside them is seen; some cut short, some not. */
static void damaged_frames_are_not_believed(void **state)
{
  (void)state;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  uint8_t *pages = guarded_page(page);
  wcx_digest_t before = wcx_engine_state_digest(w.engine);
  uint32_t asked_of_damaged = 0;
  for (uint32_t round = 0; round < ROUNDS; round++)
  {
    new_burst();
    give_cancels(1, 1);
    packet_t packet = begin(molds[0]);
    for (uint64_t blocks = draw(30); blocks > 0 && packet.len < 1200; blocks--)
    {
      if (draw(2) == 0)
        add_cancel(&packet, draw(3000));
      else
      {
        wcx_new_order_single_t one = an_order(draw(3000), 1, (uint8_t)draw(4), (int64_t)(draw(2) == 0 ? draw(2000000) : draw(UINT64_MAX)), 5);
        add(&packet, (uint16_t)(WCX_TEMPLATE_NEW_ORDER_SINGLE + draw(4)), &one, (uint16_t)(draw(8) == 0 ? draw(sizeof(one)) : sizeof(one)));
      }
    }
    damage(&packet);
    uint8_t room[WCX_FRAME_SZ_MAX];
    uint32_t len = put_frame(room, 0, PORT, &packet);
    if (draw(8) == 0)
      room[draw(len)] ^= (uint8_t)(1u << draw(8));
    if (draw(8) == 0)
      len = (uint32_t)draw(len + 1);
    memcpy(pages + page - len, room, len);
    frames[frame_cnt++] = (wcx_frame_t){.data = pages + page - len, .len = len};
    look();
    asked_of_damaged += asked_cnt;
  }
  assert_true(asked_of_damaged > ROUNDS);
  wcx_digest_t after = wcx_engine_state_digest_full(w.engine);
  assert_memory_equal(&before, &after, sizeof(before));
  munmap(pages, 2 * page);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_burst_of_two_above_many_orders_is_looked_at),
      cmocka_unit_test(one_long_frame_holds_two_requests),
      cmocka_unit_test(what_is_asked_is_what_clients_say),
      cmocka_unit_test(what_is_not_a_clients_asks_for_nothing),
      cmocka_unit_test(one_request_alone_is_not_asked),
      cmocka_unit_test(a_look_is_bounded),
      cmocka_unit_test(only_whole_blocks_are_asked),
      cmocka_unit_test(damaged_frames_are_not_believed),
      cmocka_unit_test(whole_requests_of_a_stream_are_asked),
      cmocka_unit_test(damaged_streams_are_not_believed),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
