#include "bench/burst.h"

#include "bench/rig.h"
#include "bench/run_folder.h"
#include "bench/worker_rig.h"
#include "dataplane/client/orders.h"
#include "dataplane/loop.h"
#include "dataplane/mold.h"
#include "dataplane/net.h"
#include "dataplane/port_sim.h"
#include "dataplane/soup.h"
#include "dataplane/tcp_sim.h"
#include "engine/base/env.h"

#include <sys/mman.h>
#include <unistd.h>

#define BATCH 256u
#define BATCHES_MAX 4096u
#define BURSTS 6u
#define ORDERS_PER_LEVEL 10u
#define ACCOUNTS 1000u
#define SESSION_ID 1u
#define SECURITY_ID 1u
#define MID 100000000
#define QTY 100
#define CLIENT_IP 0x0a4d0001u
#define CLIENT_PORT 40001u
#define TURN_NS 10000u
#define TURNS_MAX 100000u /* until the loop serves, until the session is signed on */
#define OUTLOG_PER_ORDER 2048u

static const uint32_t bursts[BURSTS] = {1, 2, 4, 8, 16, 32};

typedef struct options
{
  uint32_t orders, batches;
  bool tcp;
  wcx_run_asked_t asked;
} options_t;

enum pass
{
  PASS_ASKED = 0,
  PASS_UNASKED = 1, /* nothing is asked of memory ahead */
  PASSES = 2,
};

typedef struct result
{
  const options_t *options;
  double ns[PASSES][BURSTS]; /* a request */
} result_t;

typedef struct mine
{
  uint64_t cl_ord_id;
  uint32_t away; /* of its price from the middle */
  uint8_t side;
  uint8_t pad[3];
} mine_t;

typedef struct world
{
  wcx_region_file_t file;
  wcx_region_shard_t *shm;
  wcx_wire_t *wire;
  wcx_port_t *port;
  wcx_tcp_t *tcp; /* NULL: over UDP */
  wcx_loop_t *loop;
  void *mem;
  size_t mem_sz;
  uint64_t mono_ns, utc_ns;
  uint64_t random;
  uint64_t cl_ord_id; /* last; requests have the same numbers */
  mine_t *live;       /* in no order */
  uint32_t live_cnt;
  uint32_t levels_a_side;
  uint32_t answers[3]; /* new, cancel, replace: of this batch */
  char mold[WCX_MOLD_SESSION_SZ + 1];
  uint32_t conn;    /* the client's end, over TCP */
  uint32_t read_sz; /* of what it has read: less than a packet */
  uint8_t read[2 * WCX_SOUP_SZ_MAX];
} world_t;

static const char help[] = "wcx-bench burst: a request's cost in the poll loop by how many come at once (bench/burst.h)\n"
                           "  --orders N         that rest, 10..4000000 (1000000)\n"
                           "  --batches N        of 256 requests for each burst, 1..4096 (200)\n"
                           "  --tcp              over one TCP connection\n"
                           "  --cpu N            run on this CPU\n" WCX_RUN_ASKED_HELP;

/* Linked with --wrap: a loop that is told that no order rests asks nothing ahead (dataplane/ahead.h), and does all else as ever. */
static bool told_none;
uint32_t __real_wcx_engine_orders_live(const wcx_engine_t *engine);
uint32_t __wrap_wcx_engine_orders_live(const wcx_engine_t *engine);
uint32_t __wrap_wcx_engine_orders_live(const wcx_engine_t *engine)
{
  return told_none ? 0 : __real_wcx_engine_orders_live(engine);
}

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.orders = 1000000, .batches = 200, .asked = {.cpu = -1}};
  const wcx_cli_option_t known[] = {{"orders", WCX_CLI_U32, &options->orders, 10, 4000000, 0},
                                    {"batches", WCX_CLI_U32, &options->batches, 1, BATCHES_MAX, 0},
                                    {"tcp", WCX_CLI_FLAG, &options->tcp, 0, 0, 0},
                                    WCX_RUN_ASKED(&options->asked),
                                    {0}};
  return wcx_cli_options("burst", help, known, argc, argv);
}

/* --- the loop --------------------------------------------------------------------------------------------------------------------------- */

static uint32_t levels_of(uint32_t orders)
{
  uint32_t levels = orders / ORDERS_PER_LEVEL;
  return levels < 2 ? 2 : levels & ~1u;
}

static wcx_params_t *make_params(uint32_t orders)
{
  wcx_params_t *params = wcx_worker_rig_params("/nowhere", 0, 1 << 20);
  wcx_params_shard_t *shard = &params->shards[0];
  params->durability = WCX_DURABILITY_LEVEL_D0_NONE;
  shard->orders_max = orders + 1;
  shard->levels_max = levels_of(orders) + 1;
  shard->accounts_max = ACCOUNTS;
  while (shard->outlog_sz < (uint64_t)shard->orders_max * OUTLOG_PER_ORDER)
    shard->outlog_sz *= 2;
  params->session_cnt = 1;
  params->sessions[0] = wcx_worker_rig_session(SESSION_ID, UINT32_MAX, shard->shard);
  params->account_cnt = ACCOUNTS;
  for (uint32_t i = 0; i < ACCOUNTS; i++)
    params->accounts[i] = (wcx_account_definition_t){.account = i + 1, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
  params->instrument_cnt = 1;
  params->instruments[0] = wcx_rig_security(SECURITY_ID, shard->shard);
  return params;
}

/* The region is this process's alone: its name goes as soon as it is mapped. */
static void make_region(world_t *world, uint32_t orders)
{
  char path[64], err[512];
  wcx_params_t *params = make_params(orders);
  snprintf(path, sizeof(path), "/dev/shm/wcx-burst-%d", (int)getpid());
  if (!wcx_region_create(&world->file, path, params, err, sizeof(err)))
    WCX_DIE("%s", err);
  unlink(path);
  free(params);
  world->shm = wcx_region_shard(world->file.region, 0);
}

/* One turn, 10 us after the one before it. */
static void turn(world_t *world)
{
  world->mono_ns += TURN_NS;
  world->utc_ns += TURN_NS;
  (void)wcx_loop_step(world->loop, world->mono_ns, world->utc_ns);
}

/* --- frames ----------------------------------------------------------------------------------------------------------------------------- */

static void send_datagram(world_t *world, const char *mold, uint64_t sequence, const void *message, uint16_t message_sz)
{
  const wcx_params_t *params = &world->file.region->params;
  wcx_net_t sender = {.ip = CLIENT_IP, .mac = {2, 0, 0, 0, 0, 9}};
  wcx_peer_t to = {.ip = params->ip, .port = params->order_udp_port};
  uint8_t frame[WCX_FRAME_SZ_MAX];
  wcx_port_mac(world->port, to.mac);
  uint8_t *payload = frame + wcx_net_headers_sz(&to);
  uint32_t len = wcx_mold_begin(payload, mold, sequence, 0);
  len = wcx_mold_add(payload, len, message, message_sz);
  WCX_CHECK(wcx_wire_send(world->wire, frame, wcx_net_finish_udp(&sender, frame, &to, CLIENT_PORT, (uint16_t)len)), "the wire is full");
}

static void send_packet(world_t *world, char type, const void *payload, uint16_t payload_sz)
{
  uint8_t packet[WCX_SOUP_SZ_MAX];
  uint32_t len = wcx_soup_begin(packet, type, payload_sz);
  memcpy(packet + len, payload, payload_sz);
  WCX_CHECK(wcx_tcp_sim_send(world->tcp, world->conn, packet, len + payload_sz) == len + payload_sz, "the stream is full");
}

static void send_request(world_t *world, const void *message, size_t message_sz)
{
  if (world->tcp != NULL)
    send_packet(world, 'U', message, (uint16_t)message_sz);
  else
    send_datagram(world, world->mold, world->cl_ord_id, message, (uint16_t)message_sz);
}

/* Count an answer; true when it is the EstablishAck. */
static bool read_message(world_t *world, const uint8_t *message)
{
  wcx_message_header_t header;
  memcpy(&header, message, sizeof(header));
  world->answers[0] += header.template_id == WCX_TEMPLATE_EXECUTION_REPORT_NEW;
  world->answers[1] += header.template_id == WCX_TEMPLATE_EXECUTION_REPORT_CANCEL;
  world->answers[2] += header.template_id == WCX_TEMPLATE_EXECUTION_REPORT_REPLACE;
  return header.template_id == WCX_TEMPLATE_ESTABLISH_ACK;
}

static bool read_datagrams(world_t *world)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  bool acked = false;
  for (uint32_t len; (len = wcx_wire_recv(world->wire, frame)) != 0;)
  {
    wcx_net_t receiver = {.ip = CLIENT_IP};
    wcx_datagram_t datagram;
    wcx_mold_t mold;
    memcpy(receiver.mac, frame, sizeof(receiver.mac));
    if (wcx_net_parse(&receiver, frame, len, &datagram) != WCX_NET_UDP || !wcx_mold_parse(datagram.payload, datagram.len, &mold))
      continue;
    const uint8_t *at = mold.blocks;
    const uint8_t *message;
    uint16_t sz;
    for (uint32_t i = 0; i < mold.count && wcx_mold_next(&mold, &at, &message, &sz); i++)
      acked = read_message(world, message) || acked;
  }
  return acked;
}

static bool read_stream(world_t *world)
{
  bool acked = false;
  for (uint32_t got; (got = wcx_tcp_sim_recv(world->tcp, world->conn, world->read + world->read_sz, (uint32_t)sizeof(world->read) - world->read_sz)) != 0;)
  {
    wcx_soup_packet_t packet = {0};
    uint32_t at = 0;
    world->read_sz += got;
    for (uint32_t sz; (sz = wcx_soup_next(world->read + at, world->read_sz - at, &packet)) != 0; at += sz)
      acked = (packet.type == 'S' && read_message(world, packet.payload)) || acked;
    world->read_sz -= at;
    memmove(world->read, world->read + at, world->read_sz);
  }
  return acked;
}

/* Read what the loop sent. True: there was the EstablishAck. */
static bool read_answers(world_t *world)
{
  bool acked = read_datagrams(world); /* the feed's, too, whatever the client reads */
  return world->tcp != NULL ? read_stream(world) : acked;
}

static void log_in(world_t *world)
{
  wcx_peer_t from = {.ip = CLIENT_IP, .port = CLIENT_PORT, .mac = {2, 0, 0, 0, 0, 9}};
  world->conn = wcx_tcp_sim_connect(world->tcp, &from, world->file.region->params.order_tcp_port);
  WCX_CHECK(world->conn != WCX_TCP_SIM_NONE, "no connection");
  char login[WCX_SOUP_LOGIN_SZ + 1];
  snprintf(login, sizeof(login), "mm%-4u%-10s%-10s%20u", SESSION_ID, "any", "", 0u);
  send_packet(world, 'L', login, WCX_SOUP_LOGIN_SZ);
}

static void sign_on(world_t *world)
{
  wcx_message_header_t header = {.block_length = sizeof(wcx_establish_t), .template_id = WCX_TEMPLATE_ESTABLISH, .schema_id = WCX_SCHEMA_ID};
  wcx_establish_t establish = {
      .session_id = SESSION_ID, .uuid = 1, .request_timestamp = world->utc_ns, .next_client_seq_no = 1, .keep_alive_interval = 60000, .flags = 1, .hmac_version = 1};
  memset(establish.access_key_id, ' ', sizeof(establish.access_key_id));
  uint8_t message[sizeof(header) + sizeof(establish)];
  memcpy(message, &header, sizeof(header));
  memcpy(message + sizeof(header), &establish, sizeof(establish));
  if (world->tcp == NULL)
    send_datagram(world, NULL, 0, message, sizeof(message));
  else
  {
    log_in(world);
    send_packet(world, 'U', message, sizeof(message));
  }
  wcx_auth_ring_t *auth = &world->shm->auth;
  for (uint32_t turns = 0; !read_answers(world); turns++)
  {
    WCX_CHECK(turns < TURNS_MAX, "the session does not sign on");
    turn(world);
    wcx_auth_slot_t slot;
    if (!wcx_auth_pop(&auth->dataplane_auth, &slot))
      continue;
    slot.verdict = WCX_AUTH_VALID; /* whoever asks is who it says */
    memcpy(slot.mold_session, world->mold, sizeof(slot.mold_session));
    WCX_CHECK(wcx_auth_push(&auth->auth_dataplane, &slot), "one question, one answer");
  }
}

/* --- requests --------------------------------------------------------------------------------------------------------------------------- */

static int64_t price_of(uint8_t side, uint32_t away)
{
  return side == WCX_SIDE_BUY ? MID - 1 - (int64_t)away : MID + (int64_t)away;
}

static mine_t *any(world_t *world)
{
  return &world->live[wcx_rig_draw(&world->random, world->live_cnt)];
}

static void send_new(world_t *world)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  mine_t *order = &world->live[world->live_cnt++];
  *order = (mine_t){.cl_ord_id = ++world->cl_ord_id, .away = wcx_rig_draw(&world->random, world->levels_a_side), .side = (uint8_t)(WCX_SIDE_BUY + wcx_rig_draw(&world->random, 2))};
  uint32_t account = 1 + wcx_rig_draw(&world->random, ACCOUNTS);
  wcx_new_order_single_t request = wcx_client_limit_order(order->cl_ord_id, account, SECURITY_ID, order->side, price_of(order->side, order->away), QTY, WCX_TIME_IN_FORCE_GTC);
  send_request(world, message, wcx_client_put_new(message, &request));
}

static void send_cancel(world_t *world)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  mine_t *order = any(world);
  send_request(world, message, wcx_client_put_cancel(message, ++world->cl_ord_id, order->cl_ord_id, SECURITY_ID));
  *order = world->live[--world->live_cnt];
}

static void send_move(world_t *world)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  mine_t *order = any(world);
  uint64_t named = order->cl_ord_id;
  uint32_t apart = 1 + wcx_rig_draw(&world->random, world->levels_a_side - 1); /* another price */
  order->cl_ord_id = ++world->cl_ord_id;
  order->away = (order->away + apart) % world->levels_a_side;
  send_request(world, message, wcx_client_put_replace(message, order->cl_ord_id, named, SECURITY_ID, price_of(order->side, order->away), QTY));
}

/* A batch in turns of `burst`; returns how long the turns took. *number: of requests so far, which says what the next one is. */
static uint64_t run_batch(world_t *world, uint32_t burst, uint32_t *number)
{
  uint64_t took_ns = 0;
  for (uint32_t done = 0; done < BATCH; done += burst)
  {
    for (uint32_t i = 0; i < burst; i++)
    {
      uint32_t kind = (*number)++ % 3;
      if (kind == 0)
        send_cancel(world);
      else if (kind == 1)
        send_new(world);
      else
        send_move(world);
    }
    uint64_t from_ns = wcx_env_mono_ns();
    turn(world);
    took_ns += wcx_env_mono_ns() - from_ns;
    (void)read_answers(world);
  }
  return took_ns;
}

static void set_up(world_t *world, const options_t *options)
{
  memset(world, 0, sizeof(*world));
  world->random = 1;
  world->mono_ns = UINT64_C(1000000000);
  world->utc_ns = wcx_env_utc_ns();
  world->levels_a_side = levels_of(options->orders) / 2;
  memcpy(world->mold, "Mold000001", sizeof(world->mold));
  make_region(world, options->orders);
  const wcx_params_t *params = &world->file.region->params;
  const char *error = wcx_loop_params_error(params, 0);
  if (error != NULL)
    WCX_DIE("%s", error);
  world->live = wcx_rig_map(((uint64_t)options->orders + 1) * sizeof(*world->live));
  world->wire = wcx_wire_get("burst");
  world->port = wcx_port_open(WCX_PORT_AF_XDP, "burst", 0, false);
  world->mem_sz = wcx_loop_footprint(params, 0);
  world->mem = wcx_rig_map(world->mem_sz);
  memset(world->mem, 0, world->mem_sz); /* no page fault on the clock */
  if (options->tcp)
  {
    wcx_tcp_config_t tcp_config = wcx_loop_tcp_config(params);
    world->tcp = wcx_tcp_open(&tcp_config);
  }
  wcx_loop_config_t config = {.region = world->file.region, .port = world->port, .tcp = world->tcp, .mem = world->mem, .mem_sz = world->mem_sz, .hash_key = 1};
  world->loop = wcx_loop_new(&config);
  for (uint32_t turns = 0; !wcx_loop_serving(world->loop); turns++)
  {
    WCX_CHECK(turns < TURNS_MAX, "the loop does not serve: %s", wcx_loop_waiting_for(world->loop));
    turn(world);
  }
  sign_on(world);
  while (world->live_cnt < options->orders)
  {
    if (world->live_cnt % 65536 == 0)
      wcx_cli_bar((double)world->live_cnt / options->orders, "%u orders enter the book", options->orders);
    for (uint32_t i = 0; i < WCX_PORT_BURST_MAX && world->live_cnt < options->orders; i++)
      send_new(world);
    turn(world);
    (void)read_answers(world);
  }
}

static void free_world(world_t *world, const options_t *options)
{
  wcx_port_close(world->port);
  if (world->tcp != NULL)
    wcx_tcp_close(world->tcp);
  wcx_wire_drop(world->wire);
  munmap(world->mem, world->mem_sz);
  munmap(world->live, ((uint64_t)options->orders + 1) * sizeof(*world->live));
  wcx_region_close(&world->file);
}

static void measure(world_t *world, const options_t *options, result_t *result, wcx_run_folder_t *run)
{
  static double ns[PASSES][BURSTS][BATCHES_MAX];
  uint32_t number = 0;
  memset(world->answers, 0, sizeof(world->answers));
  for (uint32_t batch = 0; batch < options->batches; batch++)
  {
    wcx_cli_bar((double)batch / options->batches, "%u orders rest", options->orders);
    for (uint32_t i = 0; i < BURSTS * PASSES; i++)
    {
      enum pass pass = (i + batch) % PASSES; /* neither is always the first */
      told_none = pass == PASS_UNASKED;
      ns[pass][i / PASSES][batch] = (double)run_batch(world, bursts[i / PASSES], &number) / BATCH;
    }
    wcx_run_folder_sample(run, ns[PASS_ASKED][BURSTS - 1][batch]);
  }
  told_none = false;
  for (uint32_t i = 0; i < BURSTS * PASSES; i++)
    result->ns[i % PASSES][i / PASSES] = wcx_cli_median(ns[i % PASSES][i / PASSES], options->batches);
  uint32_t cancels = (number + 2) / 3, news = (number + 1) / 3, moves = number / 3;
  if (world->answers[0] != news || world->answers[1] != cancels || world->answers[2] != moves)
    wcx_run_fault(run, "%u new, %u cancels, %u moves were answered; %u, %u, %u were sent", world->answers[0], world->answers[1], world->answers[2], news, cancels, moves);
  if (wcx_engine_orders_live(wcx_loop_engine(world->loop)) != world->live_cnt)
    wcx_run_fault(run, "%u orders live, expected %u", wcx_engine_orders_live(wcx_loop_engine(world->loop)), world->live_cnt);
}

/* --- what is told ----------------------------------------------------------------------------------------------------------------------- */

static const char *over(const result_t *result)
{
  return result->options->tcp ? "tcp" : "udp";
}

static void tell_json(FILE *file, const void *found)
{
  const result_t *result = found;
  fprintf(file, ",\"orders\":%u,\"batches\":%u,\"over\":\"%s\"", result->options->orders, result->options->batches, over(result));
  for (uint32_t i = 0; i < BURSTS; i++)
    fprintf(file, ",\"burst_%u_ns\":%.1f,\"burst_%u_unasked_ns\":%.1f", bursts[i], result->ns[PASS_ASKED][i], bursts[i], result->ns[PASS_UNASKED][i]);
}

static void tell_table(FILE *file, const void *found)
{
  const result_t *result = found;
  fprintf(file, "%u resting orders; the whole poll loop over simulated %s, median of %u batches of %u requests\n", result->options->orders, over(result), result->options->batches,
          BATCH);
  for (uint32_t i = 0; i < BURSTS; i++)
    fprintf(file, "bursts of %-3u %8.1f ns a request   %8.1f with nothing asked ahead   x %.2f\n", bursts[i], result->ns[PASS_ASKED][i], result->ns[PASS_UNASKED][i],
            result->ns[PASS_ASKED][i] / result->ns[PASS_UNASKED][i]);
}

int wcx_burst_bench(int argc, char **argv)
{
  static wcx_run_folder_t run;
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  if (!wcx_run_begin(&run, &options.asked, "burst", argc, argv, "a request in bursts of 32, ns"))
    return WCX_CLI_BAD;
  world_t world;
  set_up(&world, &options);
  result_t result = {.options = &options};
  measure(&world, &options, &result, &run);
  free_world(&world, &options);
  for (uint32_t i = 0; i < BURSTS; i++)
  {
    char what[64], beside[64];
    snprintf(what, sizeof(what), "a request, bursts of %u", bursts[i]);
    snprintf(beside, sizeof(beside), "%.1f ns with nothing asked ahead", result.ns[PASS_UNASKED][i]);
    wcx_run_folder_value(&run, what, result.ns[PASS_ASKED][i], " ns", WCX_WANTED_NOTHING, 0, beside);
  }
  return wcx_run_end(&run, &options.asked, tell_json, tell_table, &result);
}
