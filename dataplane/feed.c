#include "dataplane/feed.h"
#include "engine/base/check.h"

void wcx_feed_roll(wcx_feed_t *feed, const wcx_engine_t *engine, uint64_t seq)
{
  wcx_feed_day_t day = {.from_seq = seq};
  wcx_engine_feed_session(engine, day.session);
  if (feed->day_cnt > 0 && memcmp(feed->days[(feed->day_cnt - 1) % WCX_FEED_DAYS_MAX].session, day.session, WCX_MOLD_SESSION_SZ) == 0)
    return;
  feed->days[feed->day_cnt++ % WCX_FEED_DAYS_MAX] = day;
}

const wcx_feed_day_t *wcx_feed_day_of(const wcx_feed_t *feed, uint64_t seq)
{
  uint32_t kept = feed->day_cnt < WCX_FEED_DAYS_MAX ? feed->day_cnt : WCX_FEED_DAYS_MAX;
  for (uint32_t i = 1; i <= kept; i++)
    if (feed->days[(feed->day_cnt - i) % WCX_FEED_DAYS_MAX].from_seq <= seq)
      return &feed->days[(feed->day_cnt - i) % WCX_FEED_DAYS_MAX];
  return NULL;
}

/* Whose first input is `seq`, or NULL when it is forgotten. */
static wcx_feed_day_t *day_from(wcx_feed_t *feed, uint64_t seq)
{
  for (uint32_t i = 0; i < WCX_FEED_DAYS_MAX && i < feed->day_cnt; i++)
    if (feed->days[i].from_seq == seq)
      return &feed->days[i];
  return NULL;
}

/* The gate has come to another day. */
static void enter_day(wcx_feed_t *feed, const wcx_feed_day_t *day)
{
  wcx_feed_day_t *before = day_from(feed, feed->passed_day_seq);
  if (before != NULL)
    before->next_number = feed->next_released;
  if (before != NULL && feed->heard)
    wcx_ending_begin(&feed->ending, before->session, feed->next_released, day->from_seq);
  feed->heard = 0;
  feed->passed_day_seq = day->from_seq;
  feed->next_released = 1;
}

void wcx_feed_pass(wcx_feed_t *feed, uint64_t seq)
{
  if (seq < feed->passed_seq)
    return; /* a NotApplied of a passed input that found no frame */
  const wcx_feed_day_t *day = wcx_feed_day_of(feed, seq);
  if (day != NULL && day->from_seq != feed->passed_day_seq)
    enter_day(feed, day);
  feed->passed_seq = seq;
}

enum wcx_feed_result wcx_feed_pack(wcx_feed_t *feed, const wcx_out_entry_t *entry, const uint8_t *message, uint64_t mono_ns)
{
  const wcx_feed_day_t *day = wcx_feed_day_of(feed, entry->input_seq);
  WCX_CHECK(day != NULL, "feed message %llu of input %llu has no day", (unsigned long long)entry->number, (unsigned long long)entry->input_seq);
  if (feed->open && (feed->packet_day != day || !wcx_packet_fits(&feed->packets[0], entry->len)))
    return WCX_FEED_FULL;
  if (!feed->open)
  {
    wcx_feed_pass(feed, day->from_seq > feed->passed_seq ? day->from_seq : feed->passed_seq); /* the input that began its day is released, as it is */
    if (wcx_ending_first(&feed->ending) && !wcx_ending_say(&feed->ending, feed->egress, feed->groups, feed->from_port, mono_ns, feed->heartbeat_ns))
      return WCX_FEED_NO_ROOM;
    if (!wcx_egress_room(feed->egress, 2) || !wcx_egress_open(feed->egress, &feed->packets[0], &feed->groups[0], day->session, entry->number))
      return WCX_FEED_NO_ROOM;
    if (!wcx_egress_open(feed->egress, &feed->packets[1], &feed->groups[1], day->session, entry->number))
    {
      wcx_egress_abandon(feed->egress, &feed->packets[0]);
      return WCX_FEED_NO_ROOM;
    }
    feed->open = 1;
    feed->packet_day = day;
  }
  wcx_packet_add(&feed->packets[0], message, entry->len, entry->input_seq);
  wcx_packet_add(&feed->packets[1], message, entry->len, entry->input_seq);
  return WCX_FEED_ADDED;
}

void wcx_feed_flush(wcx_feed_t *feed, uint64_t mono_ns)
{
  if (!feed->open)
    return;
  for (uint32_t side = 0; side < 2; side++)
    wcx_egress_send(feed->egress, &feed->packets[side], &feed->groups[side], feed->from_port);
  feed->open = 0;
  feed->heard = 1;
  feed->last_tx_ns = mono_ns;
}

uint32_t wcx_feed_heartbeat(wcx_feed_t *feed, uint64_t mono_ns)
{
  /* the day of what has passed the gate: a roll that is not released yet must not show, and before the first one there is no day to speak of */
  const wcx_feed_day_t *day = wcx_feed_day_of(feed, feed->passed_seq);
  (void)wcx_ending_say(&feed->ending, feed->egress, feed->groups, feed->from_port, mono_ns, feed->heartbeat_ns);
  if (feed->open || day == NULL || day->from_seq == 0 || mono_ns - feed->last_tx_ns < feed->heartbeat_ns || !wcx_egress_room(feed->egress, 2))
    return 0;
  uint32_t sent = 0;
  for (uint32_t side = 0; side < 2; side++)
    sent += wcx_egress_heartbeat(feed->egress, &feed->groups[side], feed->from_port, day->session, feed->next_released);
  feed->heard = 1;
  feed->last_tx_ns = mono_ns;
  return sent;
}
