/* Rules of wcx-conform about the wire: sign-on, packets lost on purpose, links lost on purpose, both transports, the book against the feed. */
#include "dataplane/client/conform.h"

#include "engine/base/env.h"

#define MS_NS UINT64_C(1000000)
#define SECOND_NS (1000 * MS_NS)
#define FLOW_CNT 300u
#define CUT_CNT 20u
#define CUT_ORDERS 5u

/* --- sign-on ---------------------------------------------------------------------------------------- */

bool wcx_conform_sign_on(wcx_conform_t *rig)
{
  return wcx_conform_signed_on(&rig->member) && wcx_conform_signed_on(&rig->other);
}

bool wcx_conform_credentials(wcx_conform_t *rig)
{
  wcx_conform_key_t wrong = rig->member.key;
  memcpy(wrong.secret, "wrong", 6);
  wcx_conform_party_open(rig, &rig->spare, &wrong, WCX_CONFORM_UDP_PORT, 0);
  uint64_t start_ns = wcx_env_mono_ns();
  while (rig->spare.session.reject_code == 0 && wcx_conform_turn(rig) - start_ns < rig->patience_ns)
    ;
  uint8_t code = rig->spare.session.reject_code;
  bool never = rig->spare.session.established_cnt == 0;
  return wcx_conform_party_close(&rig->spare) &&
         wcx_conform_says(rig, never && code == WCX_ESTABLISH_REJECT_CODE_CREDENTIALS, "a wrong secret got %s%s", code != 0 ? "EstablishReject with " : "no answer",
                          code != 0 ? wcx_conform_value_name(WCX_TEMPLATE_ESTABLISH_REJECT, "Code", code) : "") &&
         wcx_conform_settled(rig, &rig->member);
}

/* --- lost packets ----------------------------------------------------------------------------------- */

/* Send immediate-or-cancel orders far from any price; the ClOrdIDs are [*first, *first + FLOW_CNT). */
static bool flow(wcx_conform_t *rig, uint64_t *first)
{
  *first = wcx_client_session_next_id(&rig->member.session);
  uint64_t start_ns = wcx_env_mono_ns();
  for (uint32_t sent = 0; sent < FLOW_CNT;)
  {
    if (wcx_conform_turn(rig) - start_ns > 20 * SECOND_NS)
      return wcx_conform_says(rig, false, "only %u of %u orders could be sent in 20 s", sent, FLOW_CNT);
    for (uint32_t n = 0; n < 3 && sent < FLOW_CNT && rig->member.session.state == WCX_CLIENT_READY; n++, sent++)
      if (wcx_conform_send(&rig->member, wcx_conform_limit(rig, &rig->member, WCX_SIDE_BUY, 1, rig->qty, WCX_TIME_IN_FORCE_IOC)) == 0)
        return false;
  }
  return wcx_conform_settled(rig, &rig->member);
}

/* What the session was told about each order is what happened to it: answered means exactly one ER_New and one ER_Cancel, never applied means none. */
static bool fates_are_true(wcx_conform_t *rig, uint64_t first, uint32_t cnt, uint32_t *not_applied)
{
  *not_applied = 0;
  for (uint64_t id = first; id < first + cnt; id++)
  {
    const wcx_client_request_t *request = wcx_client_session_find(&rig->member.session, id);
    uint32_t answered = request != NULL && request->fate == WCX_CLIENT_ANSWERED;
    uint32_t news = wcx_conform_count(&rig->member, WCX_TEMPLATE_EXECUTION_REPORT_NEW, id);
    uint32_t cancels = wcx_conform_count(&rig->member, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, id);
    if (!wcx_conform_says(rig, request != NULL && news == answered && cancels == answered,
                          "ClOrdID %llu counts as %s, and %u ExecutionReport_New and %u ExecutionReport_Cancel came about it", (unsigned long long)id,
                          answered ? "answered" : "never applied", news, cancels))
      return false;
    *not_applied += answered == 0;
  }
  return wcx_conform_says(rig, rig->member.misnumbered_cnt == 0 && rig->member.session.inbound.hole_lost_cnt == 0 && rig->member.session.sequence_conflict_cnt == 0,
                          "%llu numbers of the stream out of order, %llu holes that could not be filled, %llu answers to requests that were said never to have been applied",
                          (unsigned long long)rig->member.misnumbered_cnt, (unsigned long long)rig->member.session.inbound.hole_lost_cnt,
                          (unsigned long long)rig->member.session.sequence_conflict_cnt);
}

bool wcx_conform_loses_received(wcx_conform_t *rig)
{
  uint64_t first;
  uint32_t not_applied;
  uint64_t asked = rig->member.session.inbound.ask_cnt;
  rig->member.lose_received_pct = 30;
  bool fine = flow(rig, &first);
  rig->member.lose_received_pct = 0;
  return fine && fates_are_true(rig, first, FLOW_CNT, &not_applied) &&
         wcx_conform_says(rig, rig->member.session.inbound.ask_cnt > asked, "nothing had to be asked for again: no packet was lost");
}

bool wcx_conform_loses_sent(wcx_conform_t *rig)
{
  uint64_t first;
  uint32_t not_applied;
  rig->member.lose_sent_pct = 30;
  rig->member.twice_pct = 20;
  rig->member.late_pct = 10;
  bool fine = flow(rig, &first);
  rig->member.lose_sent_pct = rig->member.twice_pct = rig->member.late_pct = 0;
  rig->member.late_sz = 0;
  return fine && fates_are_true(rig, first, FLOW_CNT, &not_applied) &&
         wcx_conform_says(rig, not_applied > 0 && not_applied < FLOW_CNT, "%u of %u orders never applied: no packet was lost, or all", not_applied, FLOW_CNT);
}

bool wcx_conform_silence(wcx_conform_t *rig)
{
  uint64_t first = wcx_client_session_next_id(&rig->member.session);
  uint64_t established = rig->member.session.established_cnt;
  uint32_t not_applied;
  rig->member.lose_sent_pct = rig->member.lose_received_pct = 100;
  for (uint32_t i = 0; i < CUT_ORDERS; i++)
    if (wcx_conform_send(&rig->member, wcx_conform_limit(rig, &rig->member, WCX_SIDE_BUY, 1, rig->qty, WCX_TIME_IN_FORCE_IOC)) == 0)
      return false;
  wcx_conform_run(rig, 1500 * MS_NS);
  rig->member.lose_sent_pct = rig->member.lose_received_pct = 0;
  return wcx_conform_settled(rig, &rig->member) && fates_are_true(rig, first, CUT_ORDERS, &not_applied) &&
         wcx_conform_says(rig, rig->member.session.established_cnt > established && not_applied == CUT_ORDERS,
                          "after 1.5 s of silence: %llu sign-ons, %u of %u orders never applied", (unsigned long long)(rig->member.session.established_cnt - established),
                          not_applied, CUT_ORDERS);
}

/* --- TCP -------------------------------------------------------------------------------------------- */

/* The member's session over TCP, opened by the first rule that wants it. */
static bool tcp_is_up(wcx_conform_t *rig)
{
  if (rig->tcp.rig == NULL)
    wcx_conform_party_open(rig, &rig->tcp, &rig->member.key, WCX_CONFORM_TCP_PORT, rig->member.said[0].number);
  return wcx_conform_signed_on(&rig->tcp);
}

bool wcx_conform_tcp_sign_on(wcx_conform_t *rig)
{
  return wcx_conform_says(rig, rig->member.said_cnt != 0, "the member's session has said nothing yet") && tcp_is_up(rig);
}

bool wcx_conform_tcp_same(wcx_conform_t *rig)
{
  uint32_t cnt = rig->member.said_cnt;
  if (!tcp_is_up(rig))
    return false;
  uint64_t start_ns = wcx_env_mono_ns();
  while (rig->tcp.said_cnt < cnt && wcx_conform_turn(rig) - start_ns < rig->patience_ns)
    ;
  if (!wcx_conform_says(rig, rig->tcp.said_cnt >= cnt, "%u messages over UDP, %u over TCP", cnt, rig->tcp.said_cnt))
    return false;
  for (uint32_t i = 0; i < cnt; i++)
  {
    const wcx_conform_said_t *udp = &rig->member.said[i];
    const wcx_conform_said_t *tcp = &rig->tcp.said[i];
    if (!wcx_conform_says(rig, udp->number == tcp->number && udp->sz == tcp->sz && memcmp(udp->bytes, tcp->bytes, udp->sz) == 0, "message %llu is not the same over TCP",
                          (unsigned long long)udp->number))
      return false;
  }
  return true;
}

/* Both bindings carry the session's stream: wait until one has heard what the other has, ClOrdIDs included. */
static bool caught_up(wcx_conform_t *rig, const wcx_conform_party_t *party, const wcx_conform_party_t *ahead)
{
  uint64_t start_ns = wcx_env_mono_ns();
  while (party->session.inbound.next < ahead->session.inbound.next)
    if (wcx_conform_turn(rig) - start_ns > rig->patience_ns)
      return wcx_conform_says(rig, false, "port %u has carried the session's messages below %llu, port %u those below %llu", party->session.config.server_port,
                              (unsigned long long)party->session.inbound.next, ahead->session.config.server_port, (unsigned long long)ahead->session.inbound.next);
  return true;
}

bool wcx_conform_tcp_trade(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_execution_report_trade_t trade;
  if (!tcp_is_up(rig) || !caught_up(rig, &rig->tcp, &rig->member))
    return false;
  uint64_t id = wcx_conform_send(&rig->tcp, wcx_conform_limit(rig, &rig->tcp, WCX_SIDE_BUY, rig->price, rig->qty, WCX_TIME_IN_FORCE_GTC));
  bool fine = wcx_conform_expect(&rig->tcp, WCX_TEMPLATE_EXECUTION_REPORT_NEW, id, &ack, sizeof(ack)) && wcx_conform_shows(rig, ack.order_id, rig->price, rig->qty);
  uint64_t sell = fine ? wcx_conform_send(&rig->other, wcx_conform_limit(rig, &rig->other, WCX_SIDE_SELL, rig->price, rig->qty, WCX_TIME_IN_FORCE_IOC)) : 0;
  fine = sell != 0 && wcx_conform_expect(&rig->tcp, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, id, &trade, sizeof(trade)) &&
         wcx_conform_expect(&rig->member, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, id, &trade, sizeof(trade)) &&
         wcx_conform_says(rig, trade.last_px == rig->price && trade.last_qty == rig->qty, "ExecutionReport_Trade of %lld at %lld, expected %lld at %lld", (long long)trade.last_qty,
                          (long long)trade.last_px, (long long)rig->qty, (long long)rig->price);
  return fine && caught_up(rig, &rig->member, &rig->tcp);
}

/* Send orders, cut the link some time later, recover. */
static bool cut_once(wcx_conform_t *rig, uint32_t *not_applied)
{
  wcx_conform_party_t *tcp = &rig->tcp;
  uint64_t first = wcx_client_session_next_id(&tcp->session);
  for (uint32_t i = 0; i < CUT_ORDERS; i++)
    if (wcx_conform_send(tcp, wcx_conform_limit(rig, tcp, WCX_SIDE_BUY, 1, rig->qty, WCX_TIME_IN_FORCE_IOC)) == 0)
      return false;
  wcx_conform_run(rig, wcx_conform_roll(rig, 3 * MS_NS));
  wcx_client_transport_hang_up(&rig->transport, tcp->wire.socket_idx);
  wcx_client_session_link_down(&tcp->session, wcx_env_mono_ns());
  if (!wcx_conform_settled(rig, tcp))
    return false;
  for (uint64_t id = first; id < first + CUT_ORDERS; id++)
  {
    const wcx_client_request_t *request = wcx_client_session_find(&tcp->session, id);
    uint32_t answered = request != NULL && request->fate == WCX_CLIENT_ANSWERED;
    uint32_t news = wcx_conform_count(tcp, WCX_TEMPLATE_EXECUTION_REPORT_NEW, id);
    if (!wcx_conform_says(rig, news == answered, "ClOrdID %llu counts as %s, and %u ExecutionReport_New came about it", (unsigned long long)id,
                          answered ? "answered" : "never applied", news))
      return false;
    *not_applied += answered == 0;
  }
  return wcx_conform_says(rig, tcp->misnumbered_cnt == 0 && tcp->session.inbound.hole_lost_cnt == 0 && tcp->session.sequence_conflict_cnt == 0,
                          "%llu numbers of the stream out of order, %llu that could not be had again, %llu answers to requests that were said never to have been applied",
                          (unsigned long long)tcp->misnumbered_cnt, (unsigned long long)tcp->session.inbound.hole_lost_cnt, (unsigned long long)tcp->session.sequence_conflict_cnt);
}

bool wcx_conform_tcp_cut(wcx_conform_t *rig)
{
  uint32_t not_applied = 0;
  uint64_t lost = rig->tcp.session.lost_cnt;
  bool fine = tcp_is_up(rig) && caught_up(rig, &rig->tcp, &rig->member);
  for (uint32_t i = 0; i < CUT_CNT && fine; i++)
    fine = cut_once(rig, &not_applied);
  return fine && caught_up(rig, &rig->member, &rig->tcp) &&
         wcx_conform_says(rig, rig->tcp.session.lost_cnt - lost == CUT_CNT, "%llu links lost, %u cut", (unsigned long long)(rig->tcp.session.lost_cnt - lost), CUT_CNT);
}
