#include "bench/wire/wire_report.h"

#include "bench/json_text.h"

#include <inttypes.h>
#include <string.h>

#define WINDOWS_MAX 200u
#define WINDOW_CNT_MIN 50u /* requests that a p99 of a window is taken from, on average */

static void put_hist(FILE *file, const char *name, const wcx_hdr_t *hdr)
{
  fprintf(file, ",\"%s\":{\"count\":%" PRIu64 ",\"mean_ns\":%.1f,\"min_ns\":%" PRIu64, name, hdr->cnt, wcx_hdr_mean(hdr), hdr->cnt == 0 ? 0 : hdr->min);
  static const struct
  {
    const char *name;
    uint32_t ppm;
  } points[] = {{"p50_ns", 500000}, {"p90_ns", 900000}, {"p99_ns", 990000}, {"p999_ns", 999000}, {"p9999_ns", 999900}};
  for (uint32_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
    fprintf(file, ",\"%s\":%" PRIu64, points[i].name, wcx_hdr_percentile(hdr, points[i].ppm));
  fprintf(file, ",\"max_ns\":%" PRIu64 "}", hdr->max);
}

static void put_ramp(FILE *file, const wcx_ramp_t *ramp)
{
  fprintf(file, ",\"knee_per_s\":%.0f,\"bound_ns\":%" PRIu64 ",\"limit\":\"%s\",\"steps\":[", ramp->knee_per_s, ramp->bound_ns, ramp->is_ours ? "generator" : "server");
  for (uint32_t i = 0; i < ramp->step_cnt; i++)
  {
    const wcx_ramp_step_t *step = &ramp->steps[i];
    fprintf(file, "%s{\"per_s\":%.0f,\"tries\":%u,\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 ",\"late_p99_ns\":%" PRIu64 ",\"behind_ns\":%" PRIu64 ",\"held\":%s,\"fault\":",
            i == 0 ? "" : ",", step->per_s, step->tries, step->p50_ns, step->p99_ns, step->late_p99_ns, step->behind_ns, step->held ? "true" : "false");
    wcx_json_text(file, step->fault == NULL ? "" : step->fault);
    fputc('}', file);
  }
  fputc(']', file);
}

static void put_known(FILE *file, const char *name, bool is_known, uint64_t cnt)
{
  if (is_known)
    fprintf(file, ",\"%s\":%" PRIu64, name, cnt);
  else
    fprintf(file, ",\"%s\":null", name);
}

static uint64_t drops_of(const wcx_drops_t *drops)
{
  return drops->unsent + drops->port + drops->interface + drops->server;
}

static void put_drops(FILE *file, const wcx_drops_t *drops)
{
  fprintf(file, ",\"port_drops\":%" PRIu64 ",\"drops\":{\"unsent\":%" PRIu64 ",\"client_port\":%" PRIu64, drops_of(drops), drops->unsent, drops->port);
  put_known(file, "client_interface", drops->knows_interface, drops->interface);
  put_known(file, "server_interface", drops->knows_server, drops->server);
  fputc('}', file);
}

void wcx_wire_report_json(FILE *file, const wcx_wire_report_t *report)
{
  const wcx_wire_run_t *run = report->run;
  wcx_crew_faults_t faults = wcx_wire_run_suffered(run);
  fprintf(file, "{\"valid\":%s,\"fault\":", report->fault == NULL ? "true" : "false");
  wcx_json_text(file, report->fault == NULL ? "" : report->fault);
  fputs(",\"port\":", file);
  wcx_json_text(file, report->port);
  fputs(",\"server\":", file);
  wcx_json_text(file, report->server);
  fprintf(file, ",\"transport\":\"%s\",\"profile\":\"%s\",\"mix\":\"%s\",\"rate\":%.0f,\"seconds\":%.3f,\"sessions\":%u,\"window\":%u,\"seed\":%" PRIu64, report->transport,
          report->profile, report->mix, report->per_s, report->seconds, report->sessions, report->window, report->seed);
  fprintf(file, ",\"requests\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"not_applied\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"cancels_rejected\":%" PRIu64,
          run->request_cnt, run->answered_cnt, run->not_applied_cnt, run->refused_cnt, run->rejected_cnt, run->missed_cnt);
  fprintf(file, ",\"gaps\":%" PRIu64 ",\"bindings_lost\":%" PRIu64 ",\"held_back\":%" PRIu64, faults.gaps, faults.bindings_lost, run->blocked_cnt);
  put_drops(file, &faults.drops);
  fprintf(file, ",\"answered_per_s\":%.1f", report->answered_per_s);
  if (report->drift_p99 != 0)
    fprintf(file, ",\"drift_p99\":%.3f", report->drift_p99);
  if (run->reference != NULL)
    fprintf(file, ",\"trades\":%" PRIu64 ",\"trade_hash\":\"%016" PRIx64 "\",\"reference_trade_hash\":\"%016" PRIx64 "\",\"live_orders\":%" PRIu64, run->reference->trade_cnt,
            run->reference->hash, run->reference->wanted.trade_hash, run->reference->live_cnt);
  if (run->affected_cnt != 0)
    fprintf(file, ",\"mass_cancel\":{\"orders\":%" PRIu64 ",\"ns\":%" PRIu64 "}", run->affected_cnt, run->mass_ns);
  put_hist(file, "corrected", &report->corrected);
  put_hist(file, "uncorrected", &report->uncorrected);
  put_hist(file, "late", &report->late);
  if (report->ramp != NULL)
    put_ramp(file, report->ramp);
  fputs(",\"timestamps\":", file);
  wcx_json_text(file, wcx_crew_stamps(run->crew));
  fputs("}\n", file);
}

static void print_hist(const char *name, const wcx_hdr_t *hdr)
{
  printf("%-28s %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f\n", name, (double)wcx_hdr_percentile(hdr, 500000) / 1e3, (double)wcx_hdr_percentile(hdr, 900000) / 1e3,
         (double)wcx_hdr_percentile(hdr, 990000) / 1e3, (double)wcx_hdr_percentile(hdr, 999000) / 1e3, (double)wcx_hdr_percentile(hdr, 999900) / 1e3, (double)hdr->max / 1e3);
}

static void print_ramp(const wcx_ramp_t *ramp)
{
  printf("%12s %12s %12s %12s\n", "requests/s", "p50 us", "p99 us", "behind us");
  for (uint32_t i = 0; i < ramp->step_cnt; i++)
  {
    const wcx_ramp_step_t *step = &ramp->steps[i];
    printf("%12.0f %12.1f %12.1f %12.1f  %s%s%s\n", step->per_s, (double)step->p50_ns / 1e3, (double)step->p99_ns / 1e3, (double)step->behind_ns / 1e3,
           step->held ? "held" : "not held", step->fault == NULL ? "" : ": ", step->fault == NULL ? "" : step->fault);
  }
  printf("knee %.0f orders/s (corrected p99 within %.0f us)%s\n", ramp->knee_per_s, (double)ramp->bound_ns / 1e3,
         ramp->is_ours ? ", as far as this generator goes: beyond it, it was late itself" : "");
}

void wcx_wire_report_table(const wcx_wire_report_t *report)
{
  const wcx_wire_run_t *run = report->run;
  printf("%s over %s, %s, %s, %u session%s of %s", report->transport, report->port, report->profile, report->mix, report->sessions, report->sessions == 1 ? "" : "s",
         report->server);
  printf(report->ramp != NULL ? ", from %.0f requests/s\n" : ", %.0f requests/s for %.1f s\n", report->per_s, report->seconds);
  if (report->ramp != NULL)
    print_ramp(report->ramp);
  printf("%-28s %9s %9s %9s %9s %9s %9s\n", "us", "p50", "p90", "p99", "p99.9", "p99.99", "max");
  print_hist("due to answer (corrected)", &report->corrected);
  print_hist("sent to answer (uncorrected)", &report->uncorrected);
  print_hist("due to sent", &report->late);
  printf("%" PRIu64 " requests, %" PRIu64 " answered (%.0f a second), %" PRIu64 " cancels rejected", run->request_cnt, run->answered_cnt, report->answered_per_s, run->missed_cnt);
  wcx_crew_faults_t faults = wcx_wire_run_suffered(run);
  printf(", %" PRIu64 " dropped%s\ntimestamps: %s\n", drops_of(&faults.drops), faults.drops.knows_server ? "" : " (at the appliance's port: not told)", wcx_crew_stamps(run->crew));
  if (run->reference != NULL)
    printf("%" PRIu64 " trades, hash %016" PRIx64 "; of the reference run %016" PRIx64 "\n", run->reference->trade_cnt, run->reference->hash, run->reference->wanted.trade_hash);
  if (run->affected_cnt != 0)
    printf("mass cancel of %" PRIu64 " orders: last report after %.1f us\n", run->affected_cnt, (double)run->mass_ns / 1e3);
  if (report->drift_p99 != 0)
    printf("p99 of the last tenth: %.3f of the first\n", report->drift_p99);
  if (report->fault != NULL)
    printf("INVALID: %s\n", report->fault);
}

/* --- the folder --------------------------------------------------------------------------------------------------------------------------- */

static void keep_window(const wcx_open_loop_t *loop, uint64_t from, uint64_t to, uint64_t began_ns, wcx_run_folder_t *folder)
{
  static wcx_hdr_t hdrs[3];
  static const char *const tags[] = {"corrected", "uncorrected", "late"};
  memset(hdrs, 0, sizeof(hdrs));
  wcx_open_loop_delays(loop, from, to, &hdrs[0], &hdrs[1], &hdrs[2]);
  for (uint32_t i = 0; i < 3; i++)
    wcx_run_folder_hist(folder, tags[i], began_ns + loop->due_ns[from], began_ns + loop->due_ns[to - 1], &hdrs[i]);
  if (hdrs[0].cnt > 0)
    wcx_run_folder_sample_at(folder, (double)loop->due_ns[from] / 1e9, (double)wcx_hdr_percentile(&hdrs[0], 990000) / 1e3);
}

void wcx_wire_report_keep(const wcx_wire_report_t *report, uint64_t began_ns, wcx_run_folder_t *folder)
{
  if (report->loop == NULL)
  {
    uint64_t now_ns = began_ns;
    wcx_run_folder_hist(folder, "corrected", now_ns, now_ns, &report->corrected);
    wcx_run_folder_hist(folder, "uncorrected", now_ns, now_ns, &report->uncorrected);
    wcx_run_folder_hist(folder, "late", now_ns, now_ns, &report->late);
    for (uint32_t i = 0; i < report->ramp->step_cnt; i++)
      wcx_run_folder_sample_at(folder, (double)i * report->ramp->step_ms / 1e3, (double)report->ramp->steps[i].p99_ns / 1e3);
    return;
  }
  uint64_t cnt = report->loop->cnt;
  uint64_t windows = cnt / WINDOW_CNT_MIN < WINDOWS_MAX ? cnt / WINDOW_CNT_MIN : WINDOWS_MAX;
  windows = windows == 0 ? 1 : windows;
  for (uint64_t i = 0; i < windows; i++)
    keep_window(report->loop, cnt * i / windows, cnt * (i + 1) / windows, began_ns, folder);
}
