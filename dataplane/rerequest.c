#include "dataplane/rerequest.h"

#define REJECTS_MAX 64u              /* rejects for want of tokens before a source gets none */
#define TOO_HIGH_DELAY_NS 10000000u  /* what is asked for may be about to be released */
#define TOO_LOW_DELAY_NS 1000000000u /* it does not come back: a snapshot or a replay has it sooner */

/* Which stream is asked for. */
typedef struct stream
{
  const wcx_retain_t *retain;
  const char *session;
  const wcx_feed_day_t *day; /* of the feed: entries must belong to it */
  uint64_t next_released;
  uint32_t id;
  uint8_t kind;
} stream_t;

static void reject(wcx_rerequest_t *re, const wcx_peer_t *to, uint64_t number, uint8_t code, uint64_t delay_ns)
{
  wcx_retransmit_reject_t body = {.from_seq_no = number, .retry_delay_nanos = delay_ns, .code = code};
  wcx_message_header_t header = {.block_length = sizeof(body), .template_id = WCX_TEMPLATE_RETRANSMIT_REJECT, .schema_id = WCX_SCHEMA_ID};
  uint8_t message[8 + sizeof(body)];
  memcpy(message, &header, 8);
  memcpy(message + 8, &body, sizeof(body));
  wcx_stat_add(&re->stats->rerequest_rejected, 1);
  (void)wcx_egress_answer(re->egress, to, re->port, message, sizeof(message), 0);
}

/* Whom the answer goes to: the sender, as his session knows him when the session is his. */
static const wcx_peer_t *peer_of(const wcx_rerequest_t *re, const wcx_datagram_t *datagram, const wcx_mold_t *mold)
{
  const wcx_binding_t *binding = wcx_sessions_by_mold(re->sessions, mold->session);
  return binding != NULL && wcx_peer_equal(&binding->peer, &datagram->from) ? &binding->peer : &datagram->from;
}

static bool find_stream(wcx_rerequest_t *re, const wcx_datagram_t *datagram, const wcx_mold_t *mold, uint64_t mono_ns, stream_t *stream)
{
  uint32_t kept = re->feed->day_cnt < WCX_FEED_DAYS_MAX ? re->feed->day_cnt : WCX_FEED_DAYS_MAX;
  for (uint32_t i = 1; i <= kept; i++)
  {
    const wcx_feed_day_t *day = &re->feed->days[(re->feed->day_cnt - i) % WCX_FEED_DAYS_MAX];
    if (day->from_seq > re->feed->passed_seq || memcmp(day->session, mold->session, WCX_MOLD_SESSION_SZ) != 0)
      continue;
    bool today = day->from_seq == re->feed->passed_day_seq;
    *stream = (stream_t){.retain = &re->feed->retain, .session = day->session, .day = day, .id = re->shard, .kind = WCX_STREAM_FEED};
    stream->next_released = today ? re->feed->next_released : day->next_number;
    return true;
  }
  wcx_binding_t *binding = wcx_sessions_by_mold(re->sessions, mold->session);
  if (binding == NULL || !binding->acked || !wcx_peer_equal(&binding->peer, &datagram->from))
    return false;
  wcx_session_t *session = wcx_binding_session(re->sessions, binding);
  binding->last_rx_ns = mono_ns;
  *stream = (stream_t){.retain = &session->retain, .session = binding->mold, .next_released = session->next_released, .id = session->session_id, .kind = WCX_STREAM_SESSION};
  return true;
}

static const wcx_out_entry_t *lookup(const wcx_rerequest_t *re, const stream_t *stream, uint64_t number)
{
  if (number >= stream->next_released)
    return NULL;
  const wcx_out_entry_t *entry = wcx_retain_get(stream->retain, re->log, stream->kind, stream->id, number);
  if (entry != NULL && stream->day != NULL && wcx_feed_day_of(re->feed, entry->input_seq) != stream->day)
    return NULL;
  return entry;
}

/* Send from `number` on; returns the messages sent. */
static uint32_t serve(wcx_rerequest_t *re, const wcx_peer_t *to, const stream_t *stream, uint64_t number, uint32_t cnt)
{
  uint32_t sent = 0;
  const wcx_out_entry_t *entry = lookup(re, stream, number);
  for (uint32_t i = 0; i < WCX_REREQUEST_PACKETS_MAX && entry != NULL && sent < cnt; i++)
  {
    wcx_packet_t packet;
    if (!wcx_egress_open(re->egress, &packet, to, stream->session, number + sent))
      break;
    while (entry != NULL && sent < cnt && wcx_packet_fits(&packet, entry->len))
    {
      wcx_packet_add(&packet, entry + 1, entry->len, entry->input_seq);
      sent++;
      entry = lookup(re, stream, number + sent);
    }
    wcx_egress_send(re->egress, &packet, to, re->port);
  }
  return sent;
}

void wcx_rerequest_receive(wcx_rerequest_t *re, const wcx_datagram_t *datagram, uint64_t mono_ns)
{
  wcx_mold_t mold;
  bool sound = wcx_mold_parse(datagram->payload, datagram->len, &mold) && mold.count != 0;
  const wcx_peer_t *to = sound ? peer_of(re, datagram, &mold) : NULL;
  if (sound && to->tag != NULL && !wcx_tag_fits(to->tag, datagram->payload, datagram->len))
  {
    wcx_stat_add(&re->stats->rx_drop_tag, 1);
    return;
  }
  if (!sound || mold.end - mold.blocks != (to->tag != NULL ? (int)WCX_TAG_SZ : 0))
  {
    wcx_stat_add(&re->stats->rx_drop_framing, 1);
    return;
  }
  wcx_stat_add(&re->stats->rerequests, 1);
  wcx_bucket_t *bucket = wcx_sources_bucket(&re->sources, datagram->from.ip);
  uint64_t tokens = wcx_bucket_tokens(bucket, &re->sources.rate, mono_ns);
  if (tokens == 0)
  {
    if (bucket->full_ns > mono_ns + re->sources.rate.depth_ns + REJECTS_MAX * re->sources.rate.price_ns)
      return; /* who goes on asking gets silence: an answer is larger than its request */
    wcx_bucket_take(bucket, &re->sources.rate, mono_ns, 1);
    reject(re, to, mold.sequence, WCX_RETRANSMIT_REJECT_CODE_RATE_LIMIT, re->sources.rate.price_ns * mold.count);
    return;
  }
  stream_t stream;
  uint32_t sent = 0;
  if (!find_stream(re, datagram, &mold, mono_ns, &stream))
    reject(re, to, mold.sequence, WCX_RETRANSMIT_REJECT_CODE_BAD_SESSION, 0);
  else if (mold.sequence >= stream.next_released)
    reject(re, to, mold.sequence, WCX_RETRANSMIT_REJECT_CODE_TOO_HIGH, TOO_HIGH_DELAY_NS);
  else if (lookup(re, &stream, mold.sequence) == NULL)
    reject(re, to, mold.sequence, WCX_RETRANSMIT_REJECT_CODE_TOO_LOW, TOO_LOW_DELAY_NS);
  else
    sent = serve(re, to, &stream, mold.sequence, tokens < mold.count ? (uint32_t)tokens : mold.count);
  wcx_bucket_take(bucket, &re->sources.rate, mono_ns, sent > 0 ? sent : 1);
  wcx_stat_add(&re->stats->rerequest_messages, sent);
}
