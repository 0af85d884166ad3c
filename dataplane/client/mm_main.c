/* wcx-mm: two sample market makers, a listener of the feed, a live board and a JSON summary. */
#include "dataplane/client/mm.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: wcx-mm [options]\n"
                            "  --seconds N           trade so long (0: until interrupted)\n"
                            "  --rate N              requests a second and session (3000)\n"
                            "  --window N            undecided requests a session (64)\n"
                            "  --server ADDRESS      the appliance (10.77.0.2)\n"
                            "  --interface NAME      where the clients' address is (wcx-mm0); \"\" = as the kernel routes\n"
                            "  --transport udp|tcp   of order entry (udp)\n"
                            "  --sessions A[,B]      sessions to use (1,2)\n"
                            "  --board | --plain     a screen, or a line a second (by what stdout is)\n"
                            "  --wcxctl PATH         at the end, compare with `PATH journal dump -o json`\n"
                            "  --state-dir DIR       --state-dir of that command\n"
                            "  --control-socket PATH ask there for generated and released\n"
                            "  --summary FILE        write the JSON there instead of stdout\n"
                            "  --seed S              of the random choices\n"
                            "  --random-orders N     send N random requests at any price instead, then end\n"
                            "  --dump-books FILE     write the books built from the feed, before the sessions end\n"
                            "  --late                do not ask for the feed's past: books from the snapshot channel\n"
                            "  --no-cod              without cancel-on-disconnect\n"
                            "  --tags                a tag on every datagram of the sessions, both ways\n"
                            "  --probe               sign on with the first session, end it in order, exit 0 when that was answered\n"
                            "  --timeout SECONDS     how long --probe tries (10)\n"
                            "exit status: 0; 1 something was lost, missing or could not be had, and why; 2 a wrong command line\n";

/* A wrong command line: said, and the end. */
static _Noreturn void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void wrong(const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  fputs("wcx: error: ", stderr);
  vfprintf(stderr, fmt, args);
  fputc('\n', stderr);
  va_end(args);
  exit(2);
}

static void parse_sessions(wcx_mm_options_t *options, const char *text)
{
  char *end = NULL;
  options->session_cnt = 0;
  for (const char *at = text; *at != 0; at = *end == ',' ? end + 1 : end)
  {
    unsigned long id = strtoul(at, &end, 10);
    if (end == at || id == 0 || id > UINT32_MAX || options->session_cnt == WCX_MM_SESSIONS_MAX || (*end != 0 && *end != ','))
      wrong("--sessions '%s': one to %u session numbers with commas between them", text, WCX_MM_SESSIONS_MAX);
    for (uint32_t i = 0; i < options->session_cnt; i++)
      if (options->session_ids[i] == id)
        wrong("--sessions '%s': %lu stands there twice", text, id);
    options->session_ids[options->session_cnt++] = (uint32_t)id;
  }
  if (options->session_cnt == 0)
    wrong("--sessions: none given");
}

static double number(const char *name, const char *text)
{
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != 0 || !(value >= 0) || value > 1e9)
    wrong("--%s '%s': a number of 0 or more is needed", name, text);
  return value;
}

enum
{
  OPT_HELP = 1,
  OPT_PROBE,
  OPT_TIMEOUT,
  OPT_SERVER,
  OPT_INTERFACE,
  OPT_SESSIONS,
  OPT_SECONDS,
  OPT_RATE,
  OPT_WINDOW,
  OPT_BOARD,
  OPT_PLAIN,
  OPT_WCXCTL,
  OPT_STATE_DIR,
  OPT_CONTROL_SOCKET,
  OPT_SUMMARY,
  OPT_SEED,
  OPT_RANDOM_ORDERS,
  OPT_DUMP_BOOKS,
  OPT_LATE,
  OPT_NO_COD,
  OPT_TRANSPORT,
  OPT_TAGS,
};

static const struct option longopts[] = {
    {"help", no_argument, NULL, OPT_HELP},
    {"probe", no_argument, NULL, OPT_PROBE},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"server", required_argument, NULL, OPT_SERVER},
    {"interface", required_argument, NULL, OPT_INTERFACE},
    {"sessions", required_argument, NULL, OPT_SESSIONS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"rate", required_argument, NULL, OPT_RATE},
    {"window", required_argument, NULL, OPT_WINDOW},
    {"board", no_argument, NULL, OPT_BOARD},
    {"plain", no_argument, NULL, OPT_PLAIN},
    {"wcxctl", required_argument, NULL, OPT_WCXCTL},
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"control-socket", required_argument, NULL, OPT_CONTROL_SOCKET},
    {"summary", required_argument, NULL, OPT_SUMMARY},
    {"seed", required_argument, NULL, OPT_SEED},
    {"random-orders", required_argument, NULL, OPT_RANDOM_ORDERS},
    {"dump-books", required_argument, NULL, OPT_DUMP_BOOKS},
    {"late", no_argument, NULL, OPT_LATE},
    {"no-cod", no_argument, NULL, OPT_NO_COD},
    {"transport", required_argument, NULL, OPT_TRANSPORT},
    {"tags", no_argument, NULL, OPT_TAGS},
    {NULL, 0, NULL, 0},
};

static void set_option(wcx_mm_options_t *options, int opt)
{
  switch (opt)
  {
  case OPT_TIMEOUT:
    options->timeout_s = number("timeout", optarg);
    break;
  case OPT_SERVER:
    options->server = optarg;
    break;
  case OPT_INTERFACE:
    options->interface = optarg;
    break;
  case OPT_SESSIONS:
    parse_sessions(options, optarg);
    break;
  case OPT_SECONDS:
    options->seconds = number("seconds", optarg);
    break;
  case OPT_RATE:
    options->rate = number("rate", optarg);
    break;
  case OPT_WINDOW:
    options->window = (uint32_t)number("window", optarg);
    if (options->window < 1 || options->window > 4096)
      wrong("--window '%s': 1 to 4096", optarg);
    break;
  case OPT_BOARD:
    options->board = 1;
    break;
  case OPT_PLAIN:
    options->board = 0;
    break;
  case OPT_WCXCTL:
    options->wcxctl = optarg;
    break;
  case OPT_STATE_DIR:
    options->state_dir = optarg;
    break;
  case OPT_CONTROL_SOCKET:
    options->control_socket = optarg;
    break;
  case OPT_SUMMARY:
    options->summary = optarg;
    break;
  case OPT_SEED:
    options->seed = (uint64_t)number("seed", optarg);
    break;
  case OPT_RANDOM_ORDERS:
    options->random_orders = (uint64_t)number("random-orders", optarg);
    break;
  case OPT_DUMP_BOOKS:
    options->dump_books = optarg;
    break;
  case OPT_TRANSPORT:
    if (strcmp(optarg, "udp") != 0 && strcmp(optarg, "tcp") != 0)
      wrong("--transport '%s': udp or tcp", optarg);
    options->order_entry = strcmp(optarg, "tcp") == 0 ? WCX_CLIENT_TCP : WCX_CLIENT_UDP;
    break;
  case OPT_LATE:
    options->late = true;
    break;
  case OPT_TAGS:
    options->tags = true;
    break;
  default: /* OPT_NO_COD */
    options->cancel_on_disconnect = false;
    break;
  }
}

int main(int argc, char **argv)
{
  wcx_mm_options_t options = {.server = "10.77.0.2",
                              .interface = "wcx-mm0",
                              .order_entry = WCX_CLIENT_UDP,
                              .timeout_s = 10,
                              .rate = 3000,
                              .window = 64,
                              .session_ids = {1, 2},
                              .session_cnt = 2,
                              .seed = 1,
                              .cancel_on_disconnect = true,
                              .board = -1};
  bool probe = false;
  int opt;
  while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1)
    if (opt == '?')
    {
      fputs(usage, stderr);
      return 2;
    }
    else if (opt == OPT_HELP)
    {
      fputs(usage, stdout);
      return 0;
    }
    else if (opt == OPT_PROBE)
      probe = true;
    else
      set_option(&options, opt);
  if (optind != argc)
  {
    fputs(usage, stderr);
    return 2;
  }
  return probe ? wcx_mm_probe(&options) : wcx_mm_run(&options);
}
