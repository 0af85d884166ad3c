/* wcx-mm: two sample market makers, a listener of the feed, a live board and a JSON summary. */
#include "dataplane/client/mm.h"

#include "engine/base/check.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: wcx-mm [options]\n"
                            "  --probe             sign on with the first session, end it in order, exit 0 when that was answered\n"
                            "  --timeout SECONDS   how long --probe tries (10)\n"
                            "  --server ADDRESS    the appliance (10.77.0.2)\n"
                            "  --interface NAME    where the clients' address is (wcx-mm0); \"\" = as the kernel routes\n"
                            "  --sessions A[,B]    sessions to use (1,2)\n";

static void parse_sessions(wcx_mm_options_t *options, const char *text)
{
  char *end = NULL;
  options->session_cnt = 0;
  for (const char *at = text; *at != 0; at = *end == ',' ? end + 1 : end)
  {
    unsigned long id = strtoul(at, &end, 10);
    if (end == at || id == 0 || id > UINT32_MAX || options->session_cnt == WCX_MM_SESSIONS_MAX || (*end != 0 && *end != ','))
      WCX_DIE("--sessions '%s': one to %u session numbers with commas between them", text, WCX_MM_SESSIONS_MAX);
    options->session_ids[options->session_cnt++] = (uint32_t)id;
  }
  if (options->session_cnt == 0)
    WCX_DIE("--sessions: none given");
}

static double number(const char *name, const char *text)
{
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != 0 || !(value >= 0) || value > 1e9)
    WCX_DIE("--%s '%s': a number of 0 or more is needed", name, text);
  return value;
}

int main(int argc, char **argv)
{
  wcx_mm_options_t options = {.server = "10.77.0.2", .interface = "wcx-mm0", .timeout_s = 10, .session_ids = {1, 2}, .session_cnt = 2};
  enum
  {
    OPT_PROBE = 1,
    OPT_TIMEOUT,
    OPT_SERVER,
    OPT_INTERFACE,
    OPT_SESSIONS,
  };
  static const struct option longopts[] = {
      {"probe", no_argument, NULL, OPT_PROBE},
      {"timeout", required_argument, NULL, OPT_TIMEOUT},
      {"server", required_argument, NULL, OPT_SERVER},
      {"interface", required_argument, NULL, OPT_INTERFACE},
      {"sessions", required_argument, NULL, OPT_SESSIONS},
      {NULL, 0, NULL, 0},
  };
  bool probe = false;
  int opt;
  while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1)
    switch (opt)
    {
    case OPT_PROBE:
      probe = true;
      break;
    case OPT_TIMEOUT:
      options.timeout_s = number("timeout", optarg);
      break;
    case OPT_SERVER:
      options.server = optarg;
      break;
    case OPT_INTERFACE:
      options.interface = optarg;
      break;
    case OPT_SESSIONS:
      parse_sessions(&options, optarg);
      break;
    default:
      fputs(usage, stderr);
      return 2;
    }
  if (optind != argc)
  {
    fputs(usage, stderr);
    return 2;
  }
  if (probe)
    return wcx_mm_probe(&options);
  fputs(usage, stderr);
  return 2;
}
