/* The loop of wcx-mm: sockets in, sessions and feed, strategies, sockets out; then the orderly end and the summary. */
#include "dataplane/client/mm.h"
#include "engine/base/check.h"
#include "engine/base/digest.h"
#include "engine/base/env.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)
#define DECIDE_NS_MAX (20 * SECOND_NS) /* the end waits so long for the last answers */
#define FEED_NS_MAX (5 * SECOND_NS)
#define QUIET_NS (300 * UINT64_C(1000000))
#define LEARN_NS (2 * SECOND_NS) /* so long the feed may take to name the instruments */
#define TURN_US 300u

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
  (void)number;
  interrupted = 1;
}

/* --- numbers that must not change ------------------------------------------------------------------- */

uint64_t *wcx_mm_number(wcx_mm_numbers_t *numbers, uint64_t number)
{
  if (numbers->values == NULL)
    numbers->base = number > 1000000 ? number - 1000000 : 0;
  if (number < numbers->base || number - numbers->base > UINT64_C(1) << 28)
    return NULL;
  uint64_t at = number - numbers->base;
  if (at >= numbers->max)
  {
    uint64_t max = numbers->max == 0 ? 65536 : numbers->max;
    while (max <= at)
      max *= 2;
    numbers->values = realloc(numbers->values, max * sizeof(*numbers->values));
    if (numbers->values == NULL)
      WCX_DIE("no memory for %llu numbers", (unsigned long long)max);
    memset(numbers->values + numbers->max, 0, (max - numbers->max) * sizeof(*numbers->values));
    numbers->max = max;
  }
  return &numbers->values[at];
}

/* The first content a number carried is the one it must always carry: copies, re-requests and restarts included. */
static void witness(wcx_mm_t *mm, wcx_mm_numbers_t *numbers, uint64_t number, const void *message, size_t sz)
{
  uint64_t hash = wcx_digest_of(1, message, sz).lo | 1;
  uint64_t *seen = wcx_mm_number(numbers, number);
  if (seen == NULL)
    return;
  if (*seen != 0 && *seen != hash)
    mm->conflict_cnt++;
  *seen = hash;
}

static void witness_packet(wcx_mm_t *mm, wcx_mm_numbers_t *numbers, const char *session, const void *datagram, size_t sz)
{
  wcx_client_packet_t packet;
  if (!wcx_client_packet_open(&packet, datagram, sz) || memcmp(packet.session, session, 10) != 0 || packet.count == WCX_CLIENT_END_OF_SESSION)
    return;
  for (uint16_t block = 0; block < packet.count; block++)
  {
    uint16_t len;
    const uint8_t *message = wcx_client_packet_next(&packet, &len);
    witness(mm, numbers, packet.sequence + block, message, len);
  }
}

/* --- callbacks of the client library ---------------------------------------------------------------- */

static void session_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  wcx_maker_t *maker = ctx;
  witness(maker->mm, &maker->witness, number, message, sz); /* also the EstablishAck, which came without its number */
  wcx_maker_message(maker, message, sz);
}

static void session_decided(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns)
{
  wcx_maker_t *maker = ctx;
  wcx_mm_t *mm = maker->mm;
  if (message != NULL)
  {
    mm->ack_cnt++;
    wcx_hist_record(&mm->rtt, now_ns - request->sent_ns);
    wcx_hist_record(&mm->rtt_second, now_ns - request->sent_ns);
  }
  wcx_maker_decided(maker, request, message, sz);
}

static bool session_pass(void *ctx, bool outgoing, const void *datagram, size_t sz)
{
  wcx_maker_t *maker = ctx;
  if (!outgoing)
    witness_packet(maker->mm, &maker->witness, maker->session.ack.mold_session, datagram, sz);
  return true;
}

static void feed_send(void *ctx, const void *datagram, size_t sz)
{
  wcx_mm_t *mm = ctx;
  wcx_client_transport_send(&mm->transport, mm->feed_sockets[WCX_CLIENT_LINE_REREQUEST], WCX_MM_REREQUEST_PORT, datagram, sz);
}

static void feed_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  wcx_mm_t *mm = ctx;
  mm->md_cnt++;
  (void)wcx_client_join_message(&mm->join, number, message, sz); /* contradictions are counted in the books */
}

static void feed_start(void *ctx, const char session[10], uint64_t number, enum wcx_client_start start)
{
  wcx_mm_t *mm = ctx;
  wcx_client_join_start(&mm->join, session, number, start);
}

static void snapshot_book(void *ctx, const char feed_session[10], const wcx_snapshot_start_t *start, const wcx_snapshot_order_t *orders)
{
  wcx_mm_t *mm = ctx;
  (void)wcx_client_join_book(&mm->join, feed_session, start, orders);
}

static void snapshot_cycle(void *ctx, const char feed_session[10], uint32_t book_cnt)
{
  wcx_mm_t *mm = ctx;
  wcx_client_join_cycle(&mm->join, feed_session, book_cnt);
}

static void feed_take(wcx_mm_t *mm, enum wcx_client_line line, uint64_t now_ns, const void *datagram, size_t sz)
{
  wcx_client_feed_datagram(&mm->feed, now_ns, line, datagram, sz);
  if (memcmp(mm->feed_day, mm->feed.session, sizeof(mm->feed_day)) != 0)
  {
    memcpy(mm->feed_day, mm->feed.session, sizeof(mm->feed_day));
    free(mm->feed_witness.values);
    mm->feed_witness = (wcx_mm_numbers_t){0};
  }
  witness_packet(mm, &mm->feed_witness, mm->feed_day, datagram, sz);
}

static void feed_take_a(void *ctx, uint64_t now_ns, const void *datagram, size_t sz)
{
  feed_take(ctx, WCX_CLIENT_LINE_A, now_ns, datagram, sz);
}

static void feed_take_b(void *ctx, uint64_t now_ns, const void *datagram, size_t sz)
{
  feed_take(ctx, WCX_CLIENT_LINE_B, now_ns, datagram, sz);
}

static void feed_take_rerequest(void *ctx, uint64_t now_ns, const void *datagram, size_t sz)
{
  feed_take(ctx, WCX_CLIENT_LINE_REREQUEST, now_ns, datagram, sz);
}

static void snapshot_take_a(void *ctx, uint64_t now_ns, const void *datagram, size_t sz)
{
  wcx_mm_t *mm = ctx;
  wcx_client_snapshot_datagram(&mm->snapshot, now_ns, WCX_CLIENT_LINE_A, datagram, sz);
}

static void snapshot_take_b(void *ctx, uint64_t now_ns, const void *datagram, size_t sz)
{
  wcx_mm_t *mm = ctx;
  wcx_client_snapshot_datagram(&mm->snapshot, now_ns, WCX_CLIENT_LINE_B, datagram, sz);
}

/* --- set-up ----------------------------------------------------------------------------------------- */

static void open_feed(wcx_mm_t *mm)
{
  mm->feed_sockets[WCX_CLIENT_LINE_A] = wcx_client_transport_add_group(&mm->transport, "239.77.0.1", 7101);
  mm->feed_sockets[WCX_CLIENT_LINE_B] = wcx_client_transport_add_group(&mm->transport, "239.77.0.2", 7102);
  mm->feed_sockets[WCX_CLIENT_LINE_REREQUEST] = wcx_client_transport_add_unicast(&mm->transport);
  mm->snapshot_sockets[WCX_CLIENT_LINE_A] = wcx_client_transport_add_group(&mm->transport, "239.77.0.3", 7103);
  mm->snapshot_sockets[WCX_CLIENT_LINE_B] = wcx_client_transport_add_group(&mm->transport, "239.77.0.4", 7104);
  wcx_client_feed_config_t feed = {.shard = 1, .from_start = !mm->options->late, .ctx = mm, .send = feed_send, .on_message = feed_message, .on_start = feed_start};
  wcx_client_feed_init(&mm->feed, &feed);
  wcx_client_snapshot_config_t snapshot = {.shard = 1, .ctx = mm, .on_book = snapshot_book, .on_cycle = snapshot_cycle};
  wcx_client_snapshot_init(&mm->snapshot, &snapshot);
  wcx_client_books_init(&mm->books);
  wcx_client_join_init(&mm->join, &mm->books);
}

static wcx_mm_t *mm_new(const wcx_mm_options_t *options)
{
  wcx_mm_t *mm = calloc(1, sizeof(*mm));
  if (mm == NULL)
    WCX_DIE("no memory");
  mm->options = options;
  mm->random = options->seed * 2 + 1;
  mm->pending_random = options->random_orders;
  mm->now_ns = wcx_env_mono_ns();
  mm->start_ns = mm->now_ns;
  wcx_client_transport_init(&mm->transport, options->interface, options->server, WCX_MM_ORDER_PORT, WCX_MM_REREQUEST_PORT);
  open_feed(mm);
  for (uint32_t i = 0; i < options->session_cnt; i++)
  {
    wcx_maker_t *maker = &mm->makers[i];
    wcx_maker_init(maker, mm, options->random_orders != 0 ? 20000 : 96);
    wcx_client_session_config_t config;
    wcx_mm_session_config(&config, options->session_ids[i], options);
    config.flags |= options->tags ? WCX_CLIENT_FLAG_TAG : 0;
    config.ctx = maker;
    config.on_message = session_message;
    config.on_decided = session_decided;
    wcx_client_wire_open(&maker->wire, &mm->transport, &maker->session, &config);
    maker->wire.pass = session_pass;
    maker->wire.ctx = maker;
    wcx_client_session_open(&maker->session, mm->now_ns);
  }
  return mm;
}

static void mm_free(wcx_mm_t *mm)
{
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
  {
    wcx_maker_t *maker = &mm->makers[i];
    wcx_client_session_free(&maker->session);
    free(maker->quotes);
    free(maker->free_quotes);
    free(maker->live);
    free(maker->quote_of);
    free(maker->fates.values);
    free(maker->witness.values);
  }
  wcx_client_snapshot_free(&mm->snapshot);
  wcx_client_feed_free(&mm->feed);
  wcx_client_join_free(&mm->join);
  wcx_client_books_free(&mm->books);
  wcx_client_transport_close(&mm->transport);
  free(mm->trade_ids.values);
  free(mm->feed_witness.values);
  free(mm);
}

/* --- the loop --------------------------------------------------------------------------------------- */

static void take_all(wcx_mm_t *mm, uint32_t socket_idx, wcx_client_take_t *take, void *ctx)
{
  for (uint32_t bursts = 0; bursts < 16; bursts++)
    if (wcx_client_transport_take(&mm->transport, socket_idx, mm->now_ns, take, ctx) < WCX_CLIENT_BURST)
      break;
}

static void turn(wcx_mm_t *mm)
{
  wcx_client_transport_wait(&mm->transport, TURN_US);
  uint64_t before_ns = mm->now_ns;
  mm->now_ns = wcx_env_mono_ns();
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
    wcx_client_wire_take(&mm->makers[i].wire, mm->now_ns);
  take_all(mm, mm->feed_sockets[WCX_CLIENT_LINE_A], feed_take_a, mm);
  take_all(mm, mm->feed_sockets[WCX_CLIENT_LINE_B], feed_take_b, mm);
  take_all(mm, mm->feed_sockets[WCX_CLIENT_LINE_REREQUEST], feed_take_rerequest, mm);
  take_all(mm, mm->snapshot_sockets[WCX_CLIENT_LINE_A], snapshot_take_a, mm); /* behind the feed: what they are valid at has been heard by then */
  take_all(mm, mm->snapshot_sockets[WCX_CLIENT_LINE_B], snapshot_take_b, mm);
  wcx_client_feed_step(&mm->feed, mm->now_ns);
  wcx_client_snapshot_step(&mm->snapshot, mm->now_ns);
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
  {
    wcx_maker_step(&mm->makers[i], mm->now_ns - before_ns);
    wcx_client_session_step(&mm->makers[i].session, mm->now_ns);
  }
}

static uint32_t undecided(const wcx_mm_t *mm)
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
    cnt += mm->makers[i].session.undecided_cnt;
  return cnt;
}

/* No session that was open once is out of touch now. */
static bool sessions_ready(const wcx_mm_t *mm)
{
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
    if (mm->makers[i].session.state != WCX_CLIENT_READY && mm->makers[i].session.established_cnt != 0)
      return false;
  return true;
}

static bool finished(wcx_mm_t *mm)
{
  if (interrupted || wcx_mm_board_wants_end(mm))
    return true;
  if (mm->options->seconds > 0 && mm->now_ns - mm->start_ns >= (uint64_t)(mm->options->seconds * 1e9))
    return true;
  return mm->options->random_orders != 0 && mm->pending_random == 0;
}

/* The feed names instruments when they are defined, and never again: whoever joined later knows only that they exist. */
static bool instruments_defined(const wcx_mm_t *mm)
{
  for (uint32_t i = 0; i < mm->books.instrument_cnt; i++)
    if (!mm->books.instruments[i].defined)
      return false;
  return mm->books.instrument_cnt != 0;
}

static void show_every_second(wcx_mm_t *mm, uint64_t *next_ns)
{
  if (mm->now_ns < *next_ns)
    return;
  *next_ns = mm->now_ns + SECOND_NS;
  if (!instruments_defined(mm) && mm->feed.joined && mm->now_ns - mm->start_ns > LEARN_NS)
    wcx_mm_learn(mm);
  wcx_mm_status(mm);
  wcx_mm_board_show(mm);
}

/* Nothing undecided, nothing missing, and no news for a while. */
static void settle(wcx_mm_t *mm, uint64_t *next_ns)
{
  uint64_t since_ns = mm->now_ns;
  while (mm->now_ns - since_ns < DECIDE_NS_MAX && (undecided(mm) != 0 || !sessions_ready(mm)))
  {
    turn(mm);
    show_every_second(mm, next_ns);
  }
}

static void settle_feed(wcx_mm_t *mm, uint64_t *next_ns)
{
  uint64_t since_ns = mm->now_ns;
  uint64_t news_ns = mm->now_ns;
  uint64_t seen = mm->md_cnt;
  while (mm->now_ns - since_ns < FEED_NS_MAX && (mm->now_ns - news_ns < QUIET_NS || wcx_client_stream_missing(&mm->feed.stream) != 0))
  {
    turn(mm);
    show_every_second(mm, next_ns);
    if (mm->md_cnt != seen)
      news_ns = mm->now_ns;
    seen = mm->md_cnt;
  }
}

static void terminate_all(wcx_mm_t *mm)
{
  bool open = true;
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
    wcx_client_session_terminate(&mm->makers[i].session, mm->now_ns);
  while (open)
  {
    turn(mm);
    open = false;
    for (uint32_t i = 0; i < mm->options->session_cnt; i++)
      open |= mm->makers[i].session.state != WCX_CLIENT_CLOSED;
  }
}

/* --- the summary ------------------------------------------------------------------------------------ */

static void dump_books(const wcx_mm_t *mm)
{
  FILE *file = fopen(mm->options->dump_books, "w");
  if (file == NULL)
    WCX_DIE("cannot write '%s'", mm->options->dump_books);
  for (uint32_t i = 0; i < mm->books.instrument_cnt; i++)
    wcx_client_books_print(&mm->books.instruments[i], file);
  if (fclose(file) != 0)
    WCX_DIE("cannot write '%s'", mm->options->dump_books);
}

static int summary(wcx_mm_t *mm, uint64_t trading_ns)
{
  bool signed_on = true;
  uint64_t sent = 0, not_applied = 0, refused = 0, rebinds = 0, wrong_fates = 0, session_gaps = 0, recovered = mm->feed.stream.hole_recovered_cnt;
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
  {
    const wcx_client_session_t *session = &mm->makers[i].session;
    sent += session->sent_cnt;
    if (session->established_cnt == 0)
    {
      fprintf(stderr, "wcx-mm: session %u never signed on to %s:%u: ", mm->options->session_ids[i], mm->options->server, session->config.server_port);
      if (session->reject_code != 0)
        fprintf(stderr, "EstablishReject code %u\n", session->reject_code);
      else
        fprintf(stderr, "no answer; does the appliance run (make up), and is this the clients' network namespace?\n");
      signed_on = false;
    }
    not_applied += session->not_applied_cnt;
    refused += session->refused_cnt;
    rebinds += session->lost_cnt;
    wrong_fates += session->sequence_conflict_cnt;
    session_gaps += session->inbound.hole_lost_cnt + (wcx_client_stream_missing(&session->inbound) != 0);
    recovered += session->inbound.hole_recovered_cnt;
  }
  uint64_t gaps = wcx_client_feed_gaps(&mm->feed) + session_gaps;
  uint64_t lost = mm->missing_cnt + mm->duplicate_cnt + undecided(mm);
  bool fine = signed_on && lost == 0 && gaps == 0 && mm->conflict_cnt == 0 && wrong_fates == 0 && (mm->options->wcxctl == NULL || mm->audited);
  FILE *file = mm->options->summary != NULL ? fopen(mm->options->summary, "w") : stdout;
  if (file == NULL)
    WCX_DIE("cannot write the summary to '%s'", mm->options->summary);
  fprintf(file,
          "{\"orders\":%llu,\"acks\":%llu,\"trades\":%llu,\"md_messages\":%llu,\"gaps\":%llu,\"gaps_recovered\":%llu,\"lost\":%llu,\"journal_records\":%llu,\"release_seq\":%llu,"
          "\"rtt_p50_us\":%.1f,\"rtt_p99_us\":%.1f,\"seconds\":%.3f,\"rejects\":%llu,\"refused\":%llu,\"not_applied\":%llu,\"rebinds\":%llu,\"undecided\":%u,\"missing\":%llu,"
          "\"duplicates\":%llu,\"conflicts\":%llu,\"wrong_fates\":%llu,\"contradictions\":%llu,\"books_joined\":%s,\"snapshots_taken\":%llu,\"snapshots_bad\":%llu,\"feed_number\":"
          "%llu,\"audited\":%s}\n",
          (unsigned long long)sent, (unsigned long long)mm->ack_cnt, (unsigned long long)mm->trade_cnt, (unsigned long long)mm->md_cnt, (unsigned long long)gaps,
          (unsigned long long)recovered, (unsigned long long)lost, (unsigned long long)mm->journal_records,
          (unsigned long long)(mm->status_known ? mm->release_seq : mm->journal_last_seq), (double)wcx_hist_percentile(&mm->rtt, 500000) / 1000,
          (double)wcx_hist_percentile(&mm->rtt, 990000) / 1000, (double)trading_ns / 1e9, (unsigned long long)mm->reject_cnt, (unsigned long long)refused,
          (unsigned long long)not_applied, (unsigned long long)rebinds, undecided(mm), (unsigned long long)mm->missing_cnt, (unsigned long long)mm->duplicate_cnt,
          (unsigned long long)mm->conflict_cnt, (unsigned long long)wrong_fates, (unsigned long long)mm->books.contradiction_cnt,
          wcx_client_join_done(&mm->join) ? "true" : "false", (unsigned long long)mm->join.taken_cnt, (unsigned long long)mm->snapshot.bad_checksum_cnt,
          (unsigned long long)(mm->feed.stream.next - 1), mm->audited ? "true" : "false");
  if (file == stdout ? fflush(file) != 0 : fclose(file) != 0)
    WCX_DIE("cannot write the summary");
  return fine ? 0 : 1;
}

static void on_interrupts(void (*handler)(int))
{
  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
}

int wcx_mm_run(const wcx_mm_options_t *options)
{
  wcx_mm_t *mm = mm_new(options);
  on_interrupts(on_signal);
  wcx_mm_board_open(mm);
  uint64_t next_ns = mm->now_ns + SECOND_NS;
  while (!finished(mm))
  {
    turn(mm);
    show_every_second(mm, &next_ns);
  }
  mm->stopping = true;
  uint64_t trading_ns = mm->now_ns - mm->start_ns;
  settle(mm, &next_ns);
  settle_feed(mm, &next_ns);
  if (options->dump_books != NULL)
    dump_books(mm);
  terminate_all(mm);
  settle_feed(mm, &next_ns);
  wcx_mm_status(mm);
  wcx_mm_board_show(mm);
  wcx_mm_board_close(mm);
  on_interrupts(SIG_IGN); /* and so does wcxctl: another Ctrl-C must not end the count */
  if (options->wcxctl != NULL)
    mm->audited = wcx_mm_audit(mm);
  int status = summary(mm, trading_ns);
  mm_free(mm);
  return status;
}
