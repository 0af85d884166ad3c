#include "dataplane/ahead.h"
#include "dataplane/soup.h"

#define BLOCKS_MAX (2 * WCX_AHEAD_BLOCKS - 1)

static_assert(WCX_AHEAD_FRAME_MIN > WCX_NET_HEADERS_SZ_MAX + WCX_MOLD_HEADER_SZ + 2 + sizeof(wcx_message_header_t) + sizeof(wcx_new_order_single_t) + WCX_TAG_SZ, "one order");
static_assert(WCX_AHEAD_STREAM_MIN > WCX_SOUP_HEADER_SZ + sizeof(wcx_message_header_t) + sizeof(wcx_new_order_single_t), "one order");

typedef struct asked
{
  uint32_t cnt;
  wcx_record_hdr_t hdrs[BLOCKS_MAX];
  wcx_engine_input_t inputs[BLOCKS_MAX];
} asked_t;

/* A block that came from a client of that session, as what it says it is. False: it is none. */
static bool add(asked_t *asked, uint32_t session_id, const uint8_t *block, uint16_t block_sz)
{
  wcx_message_header_t header;
  if (block_sz < sizeof(header))
    return false;
  memcpy(&header, block, sizeof(header));
  wcx_record_hdr_t *hdr = &asked->hdrs[asked->cnt];
  *hdr = (wcx_record_hdr_t){.template_id = header.template_id, .session_id = session_id, .body_sz = (uint16_t)(block_sz - sizeof(header))};
  asked->inputs[asked->cnt++] = (wcx_engine_input_t){.hdr = hdr, .body = block + sizeof(header)};
  return true;
}

static void ask(const asked_t *asked, const wcx_engine_t *engine)
{
  if (asked->cnt > 1)
    wcx_engine_prefetch(engine, asked->inputs, asked->cnt);
}

static void add_datagram(asked_t *asked, wcx_sessions_t *sessions, const wcx_datagram_t *datagram)
{
  wcx_mold_t mold;
  if (!wcx_mold_parse(datagram->payload, datagram->len, &mold))
    return;
  const wcx_binding_t *binding = wcx_sessions_by_mold(sessions, mold.session);
  if (binding == NULL || !wcx_peer_equal(&binding->peer, &datagram->from))
    return;
  uint32_t session_id = wcx_binding_session(sessions, binding)->session_id;
  const uint8_t *at = mold.blocks;
  const uint8_t *block;
  uint16_t block_sz;
  for (uint32_t i = 0; i < mold.count && i < WCX_AHEAD_BLOCKS && wcx_mold_next(&mold, &at, &block, &block_sz); i++)
    if (!add(asked, session_id, block, block_sz))
      return;
}

void wcx_ahead_look(wcx_ahead_t *ahead, const wcx_engine_t *engine, wcx_sessions_t *sessions, const wcx_net_t *net, uint16_t order_port, const wcx_frame_t *frames, uint32_t cnt)
{
  asked_t asked;
  asked.cnt = 0;
  uint32_t at = ahead->looked_cnt;
  for (; at < cnt && asked.cnt < WCX_AHEAD_BLOCKS; at++)
  {
    wcx_datagram_t *datagram = &ahead->datagrams[at];
    ahead->verdicts[at] = wcx_net_parse(net, frames[at].data, frames[at].len, datagram);
    if (ahead->verdicts[at] == WCX_NET_UDP && datagram->to_port == order_port)
      add_datagram(&asked, sessions, datagram);
  }
  ahead->looked_cnt = ahead->parsed_cnt = at;
  ask(&asked, engine);
}

void wcx_ahead_look_at_stream(const wcx_engine_t *engine, uint32_t session_id, const uint8_t *data, uint32_t len)
{
  asked_t asked;
  asked.cnt = 0;
  wcx_soup_packet_t packet;
  uint32_t sz;
  for (uint32_t i = 0; i < BLOCKS_MAX && (sz = wcx_soup_next(data, len, &packet)) != 0 && sz != UINT32_MAX; i++, data += sz, len -= sz)
    if (packet.type == 'U')
      (void)add(&asked, session_id, packet.payload, packet.payload_sz);
  ask(&asked, engine);
}
