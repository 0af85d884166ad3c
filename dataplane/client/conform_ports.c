/* Rules of wcx-conform about the other ports (purge, drop copy, market-data replay), and about the book against the feed. */
#include "dataplane/client/conform.h"

#include "engine/base/env.h"

bool wcx_conform_purge(wcx_conform_t *rig)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  wcx_execution_report_new_t ack;
  wcx_execution_report_cancel_t cancel;
  wcx_order_mass_cancel_report_t report;
  uint64_t id = wcx_conform_send(&rig->member, wcx_conform_limit(rig, &rig->member, WCX_SIDE_BUY, rig->price, rig->qty, WCX_TIME_IN_FORCE_GTC));
  bool fine = wcx_conform_expect(&rig->member, WCX_TEMPLATE_EXECUTION_REPORT_NEW, id, &ack, sizeof(ack));
  wcx_conform_party_open(rig, &rig->spare, &rig->member.key, WCX_CONFORM_PURGE_PORT, 0);
  fine = fine && wcx_conform_signed_on(&rig->spare);
  uint64_t request = wcx_client_session_next_id(&rig->spare.session);
  fine = fine && wcx_conform_send_bytes(&rig->spare, message, wcx_client_put_mass_cancel(message, request, rig->member.key.account)) &&
         wcx_conform_expect(&rig->spare, WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT, request, &report, sizeof(report)) &&
         wcx_conform_says(rig, report.total_affected_orders == 1, "%u orders affected, 1 was live", report.total_affected_orders) &&
         wcx_conform_expect(&rig->member, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, id, &cancel, sizeof(cancel)) &&
         wcx_conform_expect(&rig->member, WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT, request, &report, sizeof(report));
  return wcx_conform_party_close(&rig->spare) && fine;
}

static bool is_report(const wcx_conform_said_t *said)
{
  uint16_t template_id = wcx_client_message_template(said->bytes, said->sz);
  return template_id >= WCX_TEMPLATE_EXECUTION_REPORT_NEW && template_id <= WCX_TEMPLATE_EXECUTION_REPORT_TRADE_BREAK;
}

/* Every execution report the member was told is in the copy, in the same order, byte for byte; the copy may hold more (of the day, of its scope). */
static bool copied(wcx_conform_t *rig)
{
  uint32_t at = 0;
  for (uint32_t i = 0; i < rig->member.said_cnt; i++)
  {
    const wcx_conform_said_t *said = &rig->member.said[i];
    if (!is_report(said))
      continue;
    while (at < rig->spare.said_cnt && (rig->spare.said[at].sz != said->sz || memcmp(rig->spare.said[at].bytes, said->bytes, said->sz) != 0))
      at++;
    if (at++ == rig->spare.said_cnt)
      return wcx_conform_says(rig, false, "message %llu of the session is not in its drop copy of %u messages", (unsigned long long)said->number, rig->spare.said_cnt);
  }
  return true;
}

bool wcx_conform_drop_copy(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_conform_party_open(rig, &rig->spare, &rig->member.key, WCX_CONFORM_DROP_COPY_PORT, 1);
  bool fine = wcx_conform_signed_on(&rig->spare);
  uint64_t id = fine ? wcx_conform_send(&rig->member, wcx_conform_limit(rig, &rig->member, WCX_SIDE_BUY, 1, rig->qty, WCX_TIME_IN_FORCE_GTC)) : 0;
  fine = wcx_conform_expect(&rig->member, WCX_TEMPLATE_EXECUTION_REPORT_NEW, id, &ack, sizeof(ack)) &&
         wcx_conform_expect(&rig->spare, WCX_TEMPLATE_EXECUTION_REPORT_NEW, id, &ack, sizeof(ack)) && copied(rig);
  return wcx_conform_party_close(&rig->spare) && fine;
}

bool wcx_conform_replay(wcx_conform_t *rig)
{
  wcx_client_books_t books;
  wcx_client_books_init(&books);
  uint64_t start_ns = wcx_env_mono_ns();
  wcx_conform_party_open(rig, &rig->spare, &rig->member.key, WCX_CONFORM_REPLAY_PORT, 1);
  bool fine = wcx_conform_signed_on(&rig->spare);
  while (fine && rig->spare.session.inbound.next < rig->feed.stream.next && wcx_conform_turn(rig) - start_ns < rig->patience_ns)
    ;
  for (uint32_t i = 0; i < rig->spare.said_cnt; i++)
    wcx_client_books_apply(&books, rig->spare.said[i].bytes, rig->spare.said[i].sz);
  fine = fine &&
         wcx_conform_says(rig, rig->spare.session.inbound.next >= rig->feed.stream.next, "the replay ends before %llu, the feed has %llu",
                          (unsigned long long)rig->spare.session.inbound.next, (unsigned long long)rig->feed.stream.next - 1) &&
         wcx_conform_says(rig, books.live_cnt == rig->books.live_cnt && books.contradiction_cnt == 0, "%u orders in the replayed books, %u in the feed's", books.live_cnt,
                          rig->books.live_cnt);
  wcx_client_books_free(&books);
  return wcx_conform_party_close(&rig->spare) && fine;
}

/* --- the book --------------------------------------------------------------------------------------- */

bool wcx_conform_book(wcx_conform_t *rig)
{
  enum
  {
    ORDERS = 40
  };
  uint64_t order_ids[ORDERS];
  wcx_new_order_single_t orders[ORDERS];
  for (uint32_t i = 0; i < ORDERS; i++)
  {
    wcx_conform_party_t *party = i % 3 == 0 ? &rig->other : &rig->member;
    uint8_t side = i % 2 == 0 ? WCX_SIDE_BUY : WCX_SIDE_SELL;
    int64_t off = 1 + (int64_t)wcx_conform_roll(rig, 8);
    wcx_execution_report_new_t ack;
    orders[i] = wcx_conform_limit(rig, party, side, side == WCX_SIDE_BUY ? rig->price - off : rig->price + off, rig->qty * (1 + i % 4), WCX_TIME_IN_FORCE_GTC);
    uint64_t id = wcx_conform_send(party, orders[i]);
    if (!wcx_conform_expect(party, WCX_TEMPLATE_EXECUTION_REPORT_NEW, id, &ack, sizeof(ack)))
      return false;
    order_ids[i] = ack.order_id;
  }
  uint32_t in_book = 0;
  for (uint32_t i = 0; i < ORDERS; i++)
    if (!wcx_conform_shows(rig, order_ids[i], orders[i].price, orders[i].order_qty))
      return false;
  const wcx_client_instrument_t *instrument = wcx_client_books_find(&rig->books, rig->security_id);
  for (uint32_t side = 0; side < 2 && instrument != NULL; side++)
    for (uint32_t level = 0; level < instrument->sides[side].cnt; level++)
      in_book += instrument->sides[side].levels[level].order_cnt;
  return wcx_conform_says(rig, in_book == ORDERS, "the book from the feed has %u orders, ours are %d", in_book, ORDERS) &&
         wcx_conform_says(rig, wcx_client_books_verify(&rig->books) && rig->books.contradiction_cnt == 0, "the feed contradicted the book %llu times",
                          (unsigned long long)rig->books.contradiction_cnt) &&
         wcx_conform_says(rig, wcx_client_feed_gaps(&rig->feed) == 0, "the feed has %llu gaps", (unsigned long long)wcx_client_feed_gaps(&rig->feed));
}

bool wcx_conform_sign_off(wcx_conform_t *rig)
{
  bool fine = true;
  while (rig->party_cnt != 0)
    fine = wcx_conform_party_close(rig->parties[0]) && fine;
  return fine;
}
