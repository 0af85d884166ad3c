#include "bench/wire/wire_run.h"

#include "bench/cli.h"
#include "dataplane/client/orders.h"
#include "engine/base/env.h"

#include <inttypes.h>

#define NO_REQUEST UINT32_MAX /* a tag of none of the books */
#define BURST 64u             /* requests sent before answers are taken again */
#define LEAD_NS 1000000u      /* from the start of a stretch to its first request */
#define SHOW_NS UINT64_C(500000000)
#define NAP_NS UINT64_C(1000000) /* at most, for the timers of the sessions */
#define QUIET_NS 200000u         /* progress is shown only when nothing is due for so long */

void wcx_wire_run_decided(void *ctx, uint32_t tag, uint8_t fate, const void *message, size_t sz)
{
  wcx_wire_run_t *run = ctx;
  if (run->loop == NULL) /* too late: it was given up */
    return;
  if (fate == WCX_CLIENT_NOT_APPLIED)
  {
    run->not_applied_cnt++;
    return;
  }
  uint16_t template_id = wcx_client_message_template(message, sz);
  if (run->reference != NULL && tag != NO_REQUEST)
    wcx_reference_answered(run->reference, run->base + tag, message, sz);
  run->refused_cnt += fate == WCX_CLIENT_REFUSED;
  run->rejected_cnt += template_id == WCX_TEMPLATE_EXECUTION_REPORT_REJECT;
  run->missed_cnt += template_id == WCX_TEMPLATE_ORDER_CANCEL_REJECT;
  run->answered_cnt += wcx_open_loop_answered(run->loop, tag, wcx_crew_came_ns(run->crew));
}

/* A mass cancel is answered by the first of its orders' reports; its own is behind them all. */
void wcx_wire_run_message(void *ctx, const void *message, size_t sz)
{
  wcx_wire_run_t *run = ctx;
  if (run->reference != NULL)
    wcx_reference_message(run->reference, message, sz);
  if (run->resting_cnt == 0 || run->loop == NULL || wcx_client_message_template(message, sz) != WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT)
    return;
  wcx_order_mass_cancel_report_t report;
  wcx_client_message_block(&report, sizeof(report), message, sz);
  run->affected_cnt += report.total_affected_orders;
  run->mass_ns = wcx_crew_came_ns(run->crew) - run->loop->start_ns - run->loop->due_ns[run->mass_idx];
}

/* Those who have a request in a datagram that is not sent yet. */
typedef struct touched
{
  uint32_t members[BURST];
  uint32_t cnt;
} touched_t;

static void touch(touched_t *touched, uint32_t member)
{
  for (uint32_t i = 0; i < touched->cnt; i++)
    if (touched->members[i] == member)
      return;
  touched->members[touched->cnt++] = member;
}

/* False: it cannot leave now. */
static bool send_next(wcx_wire_run_t *run, touched_t *touched)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t idx = run->base + run->loop->sent_cnt;
  uint32_t sender = wcx_mix_session(run->mix, idx);
  uint64_t id = wcx_crew_next_id(run->crew, sender);
  size_t sz = wcx_mix_put(run->mix, idx, sender, wcx_crew_account(run->crew, sender), id, message);
  uint64_t now_ns = wcx_env_mono_ns();
  touch(touched, sender);
  if (!wcx_crew_send(run->crew, sender, now_ns, message, sz, (uint32_t)run->loop->sent_cnt))
    return false;
  wcx_open_loop_sent(run->loop, now_ns);
  wcx_mix_sent(run->mix, idx, sender, id);
  if (run->reference != NULL)
    wcx_reference_sent(run->reference, sender, id, message, sz);
  return true;
}

/* What is due by now leaves together: requests of one session share datagrams. False: one could not leave. */
static bool send_due(wcx_wire_run_t *run, uint64_t now_ns)
{
  touched_t touched = {.cnt = 0};
  bool leaves = true;
  for (uint32_t i = 0; i < BURST && leaves && wcx_open_loop_is_due(run->loop, now_ns); i++)
    leaves = send_next(run, &touched);
  run->blocked_cnt += !leaves;
  for (uint32_t i = 0; i < touched.cnt; i++)
    wcx_crew_flush(run->crew, touched.members[i], wcx_env_mono_ns());
  return leaves;
}

/* Until something comes or is due; what is due and cannot leave waits for the former. */
static void nap(wcx_wire_run_t *run, bool leaves)
{
  const wcx_open_loop_t *loop = run->loop;
  uint64_t now_ns = wcx_env_mono_ns();
  uint64_t until_ns = now_ns + NAP_NS;
  if (leaves && loop->sent_cnt < loop->cnt && loop->start_ns + loop->due_ns[loop->sent_cnt] < until_ns)
    until_ns = loop->start_ns + loop->due_ns[loop->sent_cnt];
  if (until_ns > now_ns)
    wcx_crew_wait(run->crew, until_ns - now_ns);
}

static void show(const wcx_wire_run_t *run, uint64_t now_ns, uint64_t *shown_ns)
{
  const wcx_open_loop_t *loop = run->loop;
  uint64_t next_ns = loop->sent_cnt < loop->cnt ? loop->start_ns + loop->due_ns[loop->sent_cnt] : now_ns;
  bool is_quiet = next_ns > now_ns + QUIET_NS || now_ns - *shown_ns > 4 * SHOW_NS;
  if (now_ns - *shown_ns < SHOW_NS || !is_quiet)
    return;
  static const char bar[] = "########################################";
  double part = (double)loop->sent_cnt / (double)loop->cnt;
  *shown_ns = now_ns;
  wcx_cli_progress("[%-40.*s] %3.0f %%  %" PRIu64 " of %" PRIu64 " requests answered", (int)(part * 40), bar, part * 100, loop->answered_cnt, loop->cnt);
}

bool wcx_wire_run_stretch(wcx_wire_run_t *run, wcx_open_loop_t *loop)
{
  uint64_t not_applied_before = run->not_applied_cnt;
  run->loop = loop;
  run->request_cnt += loop->cnt;
  wcx_open_loop_start(loop, wcx_env_mono_ns() + LEAD_NS);
  uint64_t give_up_ns = loop->start_ns + wcx_open_loop_end_ns(loop) + run->patience_ns;
  uint64_t shown_ns = loop->start_ns + 2 * SHOW_NS;
  for (uint64_t now_ns = wcx_env_mono_ns();
       (loop->answered_cnt + (run->not_applied_cnt - not_applied_before) < loop->cnt || run->affected_cnt < run->resting_cnt) && now_ns < give_up_ns; now_ns = wcx_env_mono_ns())
  {
    wcx_crew_take(run->crew, now_ns);
    bool leaves = send_due(run, wcx_env_mono_ns());
    wcx_crew_rest(run->crew, wcx_env_mono_ns()); /* not before what was just sent: a session would think it had been silent */
    if (run->sleeps)
      nap(run, leaves);
    if (run->shows && now_ns > shown_ns)
      show(run, now_ns, &shown_ns);
  }
  run->base += loop->sent_cnt;
  run->loop = NULL;
  if (run->shows)
    wcx_cli_progress("%s", "");
  return loop->answered_cnt + (run->not_applied_cnt - not_applied_before) == loop->cnt;
}

void wcx_wire_run_sweep(wcx_wire_run_t *run)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t from_ns = wcx_env_mono_ns();
  uint32_t sent_cnt = 0;
  for (uint64_t now_ns = from_ns; run->reference->swept_cnt < run->reference->session_cnt && now_ns - from_ns < run->patience_ns; now_ns = wcx_env_mono_ns())
  {
    if (sent_cnt < run->reference->session_cnt)
    {
      size_t sz = wcx_client_put_mass_cancel(message, wcx_crew_next_id(run->crew, sent_cnt), wcx_crew_account(run->crew, sent_cnt));
      bool leaves = wcx_crew_send(run->crew, sent_cnt, now_ns, message, sz, NO_REQUEST);
      wcx_crew_flush(run->crew, sent_cnt, now_ns);
      sent_cnt += leaves;
    }
    wcx_crew_take(run->crew, now_ns);
    wcx_crew_rest(run->crew, wcx_env_mono_ns());
  }
}

void wcx_wire_run_count_anew(wcx_wire_run_t *run)
{
  run->request_cnt = run->answered_cnt = run->not_applied_cnt = run->refused_cnt = run->rejected_cnt = run->missed_cnt = run->blocked_cnt = run->affected_cnt = 0;
  run->before = wcx_crew_faults(run->crew);
}

wcx_crew_faults_t wcx_wire_run_suffered(const wcx_wire_run_t *run)
{
  wcx_crew_faults_t faults = wcx_crew_faults(run->crew);
  faults.bindings_lost -= run->before.bindings_lost;
  faults.gaps -= run->before.gaps;
  wcx_drops_t *drops = &faults.drops;
  drops->unsent -= run->before.drops.unsent;
  drops->port -= run->before.drops.port;
  drops->knows_interface = drops->knows_interface && run->before.drops.knows_interface;
  drops->knows_server = drops->knows_server && run->before.drops.knows_server;
  drops->interface -= drops->knows_interface ? run->before.drops.interface : drops->interface;
  drops->server -= drops->knows_server ? run->before.drops.server : drops->server;
  faults.conflicts -= run->before.conflicts;
  return faults;
}

const char *wcx_wire_run_fault(const wcx_wire_run_t *run)
{
  wcx_crew_faults_t faults = wcx_wire_run_suffered(run);
  const struct
  {
    bool is_wrong;
    const char *text;
  } faulty[] = {
      {faults.drops.port + faults.drops.interface != 0, "the client's port dropped what came or was sent"},
      {faults.drops.server != 0, "the appliance's port dropped frames"},
      {faults.drops.unsent != 0, "the client's port did not take a datagram"},
      {faults.bindings_lost != 0, "a session was ended by the appliance"},
      {run->not_applied_cnt != 0, "requests were lost on the way (NotApplied)"},
      {run->answered_cnt != run->request_cnt, "requests were not answered"},
      {run->refused_cnt != 0, "requests were refused by BusinessMessageReject: is the session's throttle below the rate?"},
      {run->rejected_cnt != 0, "orders were rejected"},
      {run->missed_cnt != 0 && !wcx_mix_races(run->mix), "cancels were rejected"},
      {run->affected_cnt != run->resting_cnt, "the mass cancel did not end all orders that rested, and only those"},
      {faults.gaps != 0, "answers were lost and had to be asked for again"},
      {faults.conflicts != 0, "an answer contradicts what was known of its request"},
  };
  for (uint32_t i = 0; i < sizeof(faulty) / sizeof(faulty[0]); i++)
    if (faulty[i].is_wrong)
      return faulty[i].text;
  return NULL;
}
