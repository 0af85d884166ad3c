#include "bench/paced.h"

#include "bench/flow.h"
#include "bench/rig.h"
#include "dataplane/mold.h"
#include "dataplane/net.h"
#include "engine/base/env.h"

#include <math.h>
#include <sys/mman.h>

#define CLIENT_IP 0x0a4d0001u
#define CLIENT_PORT 40001u
#define FRAME_ROOM 192u /* no request of a flow takes more */
#define ACK_NS UINT64_C(5000000000)
#define LEAD_NS 1000000u /* from the making of a schedule to its first request */

void wcx_paced_params(wcx_params_t *params, uint32_t orders_max, uint32_t levels_max)
{
  wcx_params_shard_t *shard = &params->shards[0];
  shard->orders_max = orders_max;
  shard->levels_max = levels_max;
  shard->accounts_max = WCX_FLOW_OWNER_MAX;
  params->session_cnt = 1;
  params->sessions[0] = wcx_worker_rig_session(WCX_PACED_SESSION_ID, UINT32_MAX, shard->shard);
  params->account_cnt = WCX_FLOW_OWNER_MAX;
  for (uint32_t i = 0; i < WCX_FLOW_OWNER_MAX; i++)
    params->accounts[i] = (wcx_account_definition_t){.account = i + 1, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
  params->instrument_cnt = 1;
  params->instruments[0] = wcx_rig_security(1, shard->shard);
}

/* --- frames in -------------------------------------------------------------------------------------------------------------------------- */

static uint32_t put_frame(wcx_paced_t *paced, uint8_t *frame, const char *mold, uint64_t sequence, uint16_t template_id, const void *body, uint16_t body_sz)
{
  wcx_net_t sender = {.ip = CLIENT_IP, .mac = {2, 0, 0, 0, 0, 9}};
  wcx_peer_t to = {.ip = paced->worker->file.region->params.ip, .port = paced->worker->file.region->params.order_udp_port};
  wcx_port_mac(paced->port, to.mac);
  wcx_message_header_t header = {.block_length = body_sz, .template_id = template_id, .schema_id = WCX_SCHEMA_ID};
  uint8_t message[sizeof(header) + WCX_RECORD_BODY_SZ_MAX];
  memcpy(message, &header, sizeof(header));
  memcpy(message + sizeof(header), body, body_sz);
  uint8_t *payload = frame + wcx_net_headers_sz(&to);
  uint32_t len = wcx_mold_begin(payload, mold, sequence, 0);
  len = wcx_mold_add(payload, len, message, (uint16_t)(sizeof(header) + body_sz));
  return wcx_net_finish_udp(&sender, frame, &to, CLIENT_PORT, (uint16_t)len);
}

/* The frames and times of a round. */
static void schedule(wcx_paced_t *paced, uint32_t cnt, double per_s)
{
  double at_ns = 0;
  for (uint32_t i = 0; i < cnt; i++)
  {
    wcx_record_hdr_t hdr;
    memcpy(&hdr, paced->next_record, sizeof(hdr));
    uint8_t *room = paced->frames + (size_t)i * FRAME_ROOM;
    uint32_t len = put_frame(paced, room + sizeof(uint32_t), paced->mold, paced->sent_cnt + i + 1, hdr.template_id, paced->next_record + sizeof(hdr), hdr.body_sz);
    WCX_CHECK(sizeof(len) + len <= FRAME_ROOM, "frame of %u bytes", len);
    memcpy(room, &len, sizeof(len));
    paced->next_record += wcx_record_sz(hdr.body_sz);
    double uniform = (double)((wcx_rig_random(&paced->random) >> 11) + 1) * 0x1p-53;
    at_ns -= log(uniform) * 1e9 / per_s;
    paced->due_ns[i] = (uint64_t)at_ns;
  }
  uint64_t from_ns = wcx_env_mono_ns() + LEAD_NS;
  for (uint32_t i = 0; i < cnt; i++)
    paced->due_ns[i] += from_ns;
}

/* --- answers ---------------------------------------------------------------------------------------------------------------------------- */

/* The first answer to a request counts; a maker's trade names one that was answered before. */
static bool answered(wcx_paced_t *paced, uint64_t cl_ord_id, uint64_t now_ns)
{
  if (cl_ord_id <= paced->first_cnt || cl_ord_id > paced->sent_cnt)
    return false;
  uint64_t *due_ns = &paced->due_ns[cl_ord_id - paced->first_cnt - 1];
  if (*due_ns == 0)
    return false;
  if (paced->hist != NULL)
  {
    wcx_hist_record(paced->hist, now_ns - *due_ns);
    wcx_ack_trace_answer(paced->trace, cl_ord_id, *due_ns, now_ns);
  }
  *due_ns = 0;
  paced->answered_cnt++;
  return true;
}

/* Where an answer of this kind names the request it answers; 0: a flow's requests have no such answer. */
static size_t request_off(uint16_t template_id)
{
  switch (template_id)
  {
  case WCX_TEMPLATE_EXECUTION_REPORT_NEW:
    return offsetof(wcx_execution_report_new_t, cl_ord_id);
  case WCX_TEMPLATE_EXECUTION_REPORT_TRADE:
    return offsetof(wcx_execution_report_trade_t, cl_ord_id);
  case WCX_TEMPLATE_EXECUTION_REPORT_REPLACE:
    return offsetof(wcx_execution_report_replace_t, cl_ord_id);
  case WCX_TEMPLATE_EXECUTION_REPORT_CANCEL:
    return offsetof(wcx_execution_report_cancel_t, request_cl_ord_id);
  case WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT:
    return offsetof(wcx_business_message_reject_t, business_reject_ref_id);
  case WCX_TEMPLATE_ORDER_CANCEL_REJECT:
    return offsetof(wcx_order_cancel_reject_t, cl_ord_id);
  default:
    return 0;
  }
}

static void read_message(wcx_paced_t *paced, const uint8_t *message, uint64_t now_ns)
{
  wcx_message_header_t header;
  memcpy(&header, message, sizeof(header));
  size_t off = request_off(header.template_id);
  WCX_CHECK(off != 0, "the loop says template %u", header.template_id);
  uint64_t cl_ord_id;
  memcpy(&cl_ord_id, message + sizeof(header) + off, sizeof(cl_ord_id));
  bool refuses = header.template_id == WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT || header.template_id == WCX_TEMPLATE_ORDER_CANCEL_REJECT;
  paced->refused_cnt += answered(paced, cl_ord_id, now_ns) && refuses;
}

/* False: the frame is for somebody else. */
static bool is_ours(const uint8_t *frame, uint32_t len, wcx_mold_t *mold)
{
  wcx_net_t receiver = {.ip = CLIENT_IP};
  memcpy(receiver.mac, frame, sizeof(receiver.mac));
  wcx_datagram_t datagram;
  return wcx_net_parse(&receiver, frame, len, &datagram) == WCX_NET_UDP && datagram.to_port == CLIENT_PORT && wcx_mold_parse(datagram.payload, datagram.len, mold);
}

static void read_answers(wcx_paced_t *paced)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  uint64_t now_ns = wcx_env_mono_ns();
  for (uint32_t len; (len = wcx_wire_recv(paced->wire, frame)) != 0;)
  {
    wcx_mold_t mold;
    if (!is_ours(frame, len, &mold))
      continue;
    const uint8_t *at = mold.blocks;
    const uint8_t *message;
    uint16_t sz;
    for (uint32_t i = 0; i < mold.count && wcx_mold_next(&mold, &at, &message, &sz); i++)
      read_message(paced, message, now_ns);
  }
}

static uint64_t turn(wcx_paced_t *paced)
{
  uint64_t now_ns = wcx_env_mono_ns();
  (void)wcx_loop_step(paced->loop, now_ns, wcx_env_utc_ns());
  return now_ns;
}

/* Looked at behind the turn: what the gate let through was released before this. */
static void see_release(wcx_paced_t *paced)
{
  const wcx_region_shard_t *shm = paced->worker->shm;
  uint64_t seq = wcx_release_seq(atomic_load_explicit(&shm->release.release_word, memory_order_acquire)); /* pairs with the worker's release */
  wcx_ack_trace_release(paced->trace, seq, atomic_load_explicit(&shm->journal.commit_ns_last, memory_order_relaxed), wcx_env_mono_ns());
}

/* --- a round ---------------------------------------------------------------------------------------------------------------------------- */

void wcx_paced_round(wcx_paced_t *paced, uint32_t cnt, double per_s, wcx_hist_t *hist)
{
  WCX_CHECK(cnt <= paced->round_max, "%u requests in a round of at most %u", cnt, paced->round_max);
  schedule(paced, cnt, per_s);
  wcx_ack_trace_begin(paced->trace);
  paced->first_cnt = paced->sent_cnt;
  paced->hist = hist;
  uint64_t end_cnt = paced->sent_cnt + cnt;
  uint64_t start_ns = wcx_env_mono_ns();
  uint64_t patience_ns = paced->due_ns[cnt - 1] - start_ns + ACK_NS;
  while (paced->answered_cnt < end_cnt)
  {
    uint64_t now_ns = wcx_env_mono_ns();
    while (paced->sent_cnt < end_cnt && paced->due_ns[paced->sent_cnt - paced->first_cnt] <= now_ns)
    {
      const uint8_t *room = paced->frames + (paced->sent_cnt - paced->first_cnt) * FRAME_ROOM;
      uint32_t len;
      memcpy(&len, room, sizeof(len));
      if (!wcx_wire_send(paced->wire, room + sizeof(len), len))
        break; /* full: the loop was away for long; it is sent when there is room and late by then */
      paced->sent_cnt++;
    }
    (void)turn(paced);
    see_release(paced);
    read_answers(paced);
    if (now_ns - start_ns > patience_ns)
      WCX_DIE("%llu of %u requests are not answered", (unsigned long long)(end_cnt - paced->answered_cnt), cnt);
  }
  wcx_worker_rig_check(paced->worker);
}

void wcx_paced_rest(wcx_paced_t *paced, _Atomic uint32_t *done)
{
  while (atomic_load_explicit(done, memory_order_acquire) == 0)
  {
    (void)turn(paced);
    read_answers(paced);
  }
}

/* --- set-up ----------------------------------------------------------------------------------------------------------------------------- */

/* The auth worker's part: whoever asks is who it says. */
static void judge(wcx_paced_t *paced)
{
  wcx_auth_ring_t *auth = &paced->worker->shm->auth;
  wcx_auth_slot_t slot;
  while (wcx_auth_pop(&auth->dataplane_auth, &slot))
  {
    slot.verdict = WCX_AUTH_VALID;
    memcpy(slot.mold_session, paced->mold, sizeof(slot.mold_session));
    WCX_CHECK(wcx_auth_push(&auth->auth_dataplane, &slot), "one question, one answer");
  }
}

static bool is_acked(wcx_paced_t *paced)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  for (uint32_t len; (len = wcx_wire_recv(paced->wire, frame)) != 0;)
  {
    wcx_mold_t mold;
    wcx_message_header_t header;
    if (!is_ours(frame, len, &mold) || mold.count != 1)
      continue;
    memcpy(&header, mold.blocks + 2, sizeof(header));
    if (header.template_id == WCX_TEMPLATE_ESTABLISH_ACK)
      return true;
  }
  return false;
}

static void sign_on(wcx_paced_t *paced)
{
  wcx_establish_t establish = {
      .session_id = WCX_PACED_SESSION_ID, .uuid = 1, .request_timestamp = wcx_env_utc_ns(), .next_client_seq_no = 1, .keep_alive_interval = 60000, .flags = 1, .hmac_version = 1};
  memset(establish.access_key_id, ' ', sizeof(establish.access_key_id));
  uint8_t frame[WCX_FRAME_SZ_MAX];
  (void)wcx_wire_send(paced->wire, frame, put_frame(paced, frame, NULL, 0, WCX_TEMPLATE_ESTABLISH, &establish, sizeof(establish)));
  uint64_t from_ns = wcx_env_mono_ns();
  do
  {
    if (turn(paced) - from_ns > ACK_NS)
      WCX_DIE("the session does not sign on");
    judge(paced);
  } while (!is_acked(paced));
}

void wcx_paced_open(wcx_paced_t *paced, wcx_worker_rig_t *worker, const uint8_t *requests, uint32_t round_max, wcx_ack_trace_t *trace)
{
  *paced = (wcx_paced_t){.worker = worker,
                         .next_record = requests,
                         .round_max = round_max,
                         .trace = trace,
                         .random = UINT64_C(0x5eed0fda7a),
                         .mold = {'M', 'o', 'l', 'd', '0', '0', '0', '0', '0', '1'}};
  const wcx_params_t *params = &worker->file.region->params;
  const char *error = wcx_loop_params_error(params, 0);
  if (error != NULL)
    WCX_DIE("%s", error);
  paced->wire = wcx_wire_get("paced");
  paced->port = wcx_port_open(WCX_PORT_AF_XDP, "paced", 0, false);
  wcx_tcp_config_t tcp_config = wcx_loop_tcp_config(params);
  paced->tcp = wcx_tcp_open(&tcp_config);
  paced->mem_sz = wcx_loop_footprint(params, 0);
  paced->mem = wcx_rig_map(paced->mem_sz);
  memset(paced->mem, 0, paced->mem_sz); /* no page fault on the clock */
  wcx_loop_config_t config = {.region = worker->file.region, .port = paced->port, .tcp = paced->tcp, .mem = paced->mem, .mem_sz = paced->mem_sz, .hash_key = 1};
  paced->loop = wcx_loop_new(&config);
  paced->due_ns = calloc(round_max, sizeof(*paced->due_ns));
  paced->frames = calloc(round_max, FRAME_ROOM);
  WCX_CHECK(paced->due_ns != NULL && paced->frames != NULL, "out of memory");
  while (!wcx_loop_serving(paced->loop))
  {
    (void)turn(paced);
    wcx_worker_rig_check(worker);
  }
  sign_on(paced);
}

void wcx_paced_close(wcx_paced_t *paced)
{
  wcx_port_close(paced->port);
  wcx_tcp_close(paced->tcp);
  wcx_wire_drop(paced->wire);
  munmap(paced->mem, paced->mem_sz);
  free(paced->due_ns);
  free(paced->frames);
}
