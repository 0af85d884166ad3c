/* wcx-conform: what a new member runs before going live. Acts as a member, prints which rules of PROTOCOL.md held. */
#include "dataplane/client/conform.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND_NS UINT64_C(1000000000)
#define PATIENCE_S_MAX 600u
#define SESSION_MAX 999999999u

static const char usage[] = "usage: wcx-conform [options]\n"
                            "  --sessions A,B      your session and the one you trade with (4,5), with development keys\n"
                            "  --credentials FILE  instead: two lines 'SESSION ACCOUNT ACCESS-KEY-ID SECRET SOUP-USER'\n"
                            "  --server ADDRESS    the appliance (10.77.0.2)\n"
                            "  --interface NAME    where the clients' address is (\"\": as the kernel routes)\n"
                            "  --security N        an instrument whose book is empty (3)\n"
                            "  --price P --qty Q   around which to trade, and how much, as integers of the instrument (20000, 1000)\n"
                            "  --seed S            of the packets that are lost on purpose\n"
                            "  --patience S        how long an answer may take, in seconds (3)\n"
                            "  --only WORD         the rules whose name contains it, and the sign-on\n"
                            "exit status: 0 every rule held, 1 one did not, or nothing could be asked, 2 a wrong command line\n";

/* What a member can change, where it is the same for many rules. */
#define ORDER                                                                                                                                                                      \
  "--price and --qty must suit the instrument (increment, lot, band: SecurityDefinition), both accounts must be able to pay and entitled to it, and nobody else may trade it; "    \
  "PROTOCOL.md 5, 12"

static const struct
{
  const char *name;
  wcx_conform_rule_t *rule;
  const char *text;
  const char *change; /* what a member can change when it does not hold */
} rules[] = {
    {"sign-on", wcx_conform_sign_on, "a signed Establish opens the session over UDP", "key, secret, session and port must be those the venue gave you; PROTOCOL.md 3.1"},
    {"credentials", wcx_conform_credentials, "a wrong secret gets EstablishReject(Credentials) and disturbs nobody",
     "no answer: a path as slow as that needs a longer --patience; another code: show the venue this line"},
    {"limit", wcx_conform_limit_order, "a limit order is acknowledged as sent and shown by the feed", ORDER},
    {"cancel", wcx_conform_cancel, "a cancel is answered; what is gone cannot be canceled", ORDER},
    {"replace", wcx_conform_replace, "price and quantity change, OrderID stays", ORDER},
    {"trade", wcx_conform_trade, "both sides are told, at the maker's price, with one TrdMatchID", ORDER},
    {"ioc", wcx_conform_ioc, "immediate or cancel: what is left is canceled", ORDER},
    {"fok", wcx_conform_fok, "fill or kill: all or nothing", ORDER},
    {"gtd", wcx_conform_gtd, "good till date expires; a date that has passed is rejected",
     "the clock of this host must be right: ExpireTime is made from it, 1.5 s ahead; --patience must be longer than that"},
    {"day", wcx_conform_day, "a day order rests", "a day ends at 00:00:00 UTC: run it again if that has just been; else " ORDER},
    {"market", wcx_conform_market, "a market order trades and never rests", ORDER},
    {"market-to-limit", wcx_conform_market_to_limit, "what is left of it rests at the price of its last fill", ORDER},
    {"post-only", wcx_conform_post_only, "an order that may not take is rejected when it would", ORDER},
    {"iceberg", wcx_conform_iceberg, "only DisplayQty is shown; a refresh is a new public order", ORDER},
    {"hidden", wcx_conform_hidden, "a hidden order is not shown, and trades behind the shown ones of its price", ORDER},
    {"min-qty", wcx_conform_min_qty, "less than MinQty: nothing", ORDER},
    {"stop", wcx_conform_stop, "a stop waits unseen and goes to market when a trade reaches it", ORDER},
    {"stop-limit", wcx_conform_stop_limit, "or becomes a limit order", ORDER},
    {"self-match", wcx_conform_self_match, "you do not trade with yourself if you say so", ORDER},
    {"quotes", wcx_conform_quotes, "a MassQuote puts, moves and takes back both sides", "the session must be entitled to quote; else " ORDER},
    {"mass-cancel", wcx_conform_mass_cancel, "every order is canceled and counted", "no other program may have orders of this session or account; else " ORDER},
    {"rejects", wcx_conform_rejects, "wrong requests get the reason PROTOCOL.md names",
     "the two sessions must have an account each and not be entitled to the other's (--credentials); PROTOCOL.md 12"},
    {"loses-received", wcx_conform_loses_received, "30 % of what comes is lost: every answer is had again",
     "what was lost is asked for at UDP 7003 from the session's own socket: no firewall or address translation may keep that from the venue, or its answers from you"},
    {"loses-sent", wcx_conform_loses_sent, "30 % of what is sent is lost, 20 % doubled, 10 % late: each order is applied once or not at all, and you know which",
     "300 orders in a few seconds must be within the throttle agreed; if this host loses packets besides, take a better path"},
    {"silence", wcx_conform_silence, "after a silence the session is opened again and nothing is in doubt",
     "a new Establish from the same socket must get through after 1.5 s without a packet: no address translation with a shorter memory may be in between"},
    {"tcp-sign-on", wcx_conform_tcp_sign_on, "the same session opens over TCP, from its first number on",
     "run 'sign-on' and some rule that trades before it: the session must have messages to be had again"},
    {"tcp-same", wcx_conform_tcp_same, "what UDP carried comes again over TCP, under the same numbers, byte for byte",
     "a slow path needs a longer --patience; a message that differs: show the venue this line"},
    {"tcp-trade", wcx_conform_tcp_trade, "an order over TCP trades, and is told over both transports", ORDER},
    {"tcp-cut", wcx_conform_tcp_cut, "the link is cut 20 times with orders under way: each applied once or not at all, and you know which",
     "nothing may be in between that keeps a connection open when one end has cut it (a proxy); 5 orders at once must be within the throttle agreed"},
    {"purge", wcx_conform_purge, "the purge port cancels everything, under numbers of its own, and the session is told",
     "no other program may have orders of this session; else " ORDER},
    {"drop-copy", wcx_conform_drop_copy, "the drop copy holds every execution report of the session, byte for byte, from its first",
     "a drop copy holds one day: run it again if 00:00:00 UTC has just been; its scope must hold this session"},
    {"replay", wcx_conform_replay, "the replay port gives the feed from its first number, and the same books", "a day's market data can be long: a longer --patience"},
    {"book", wcx_conform_book, "the book from the feed, with a tenth of each line lost, is exactly your orders and theirs",
     "multicast of lines A and B must arrive (--interface), UDP 7003 answer, and nobody else trade the instrument (--security)"},
    {"sign-off", wcx_conform_sign_off, "Terminate is answered on every binding",
     "end any other program that has taken the session over; Terminate leaves every 200 ms and must be answered within 1.5 s: a path that loses so many packets is no path"},
};

#define RULE_CNT (sizeof(rules) / sizeof(rules[0]))

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

static void development_keys(wcx_conform_key_t keys[2], const char *text)
{
  char rest;
  uint64_t ids[2] = {0};
  if (sscanf(text, "%19" SCNu64 ",%19" SCNu64 "%c", &ids[0], &ids[1], &rest) != 2 || ids[0] == ids[1] || ids[0] - 1 >= SESSION_MAX || ids[1] - 1 >= SESSION_MAX)
    wrong("--sessions '%s': two different session numbers, 1 to %u, with a comma between them", text, SESSION_MAX);
  for (uint32_t i = 0; i < 2; i++)
  {
    keys[i].session_id = (uint32_t)ids[i];
    keys[i].account = keys[i].session_id;
    snprintf(keys[i].access_key_id, sizeof(keys[i].access_key_id), "DEMO-MM-%u", keys[i].session_id);
    snprintf(keys[i].secret, sizeof(keys[i].secret), "demo-secret-%u", keys[i].session_id);
    snprintf(keys[i].user, sizeof(keys[i].user), "mm%u", keys[i].session_id % 10000);
  }
}

static void file_keys(wcx_conform_key_t keys[2], const char *path)
{
  FILE *file = fopen(path, "r");
  if (file == NULL)
    WCX_DIE("--credentials '%s': %s", path, strerror(errno));
  for (uint32_t i = 0; i < 2; i++)
    if (fscanf(file, "%u %u %20s %64s %6s", &keys[i].session_id, &keys[i].account, keys[i].access_key_id, keys[i].secret, keys[i].user) != 5)
      WCX_DIE("--credentials '%s': line %u is not 'SESSION ACCOUNT ACCESS-KEY-ID SECRET SOUP-USER'", path, i + 1);
  fclose(file);
}

static uint64_t number(const char *name, const char *text, uint64_t max)
{
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || value == 0 || value > max)
    wrong("%s '%s': a whole number from 1 to %" PRIu64 " is needed", name, text, max);
  return value;
}

/* The instrument must be known and its book empty, or the answers depend on others. */
static bool book_is_ours(wcx_conform_t *rig)
{
  const wcx_client_instrument_t *instrument = NULL;
  uint64_t start_ns = wcx_env_mono_ns();
  while ((instrument == NULL || wcx_client_stream_missing(&rig->feed.stream) != 0) &&
         wcx_conform_turn(rig) - start_ns < 2 * rig->patience_ns) /* a quiet feed speaks once a second */
    instrument = wcx_client_books_find(&rig->books, rig->security_id);
  if (instrument != NULL && instrument->sides[0].cnt == 0 && instrument->sides[1].cnt == 0)
    return true;
  fprintf(stderr, "wcx-conform: instrument %u %s: give --security one whose book is empty\n", rig->security_id,
          instrument == NULL ? "is not in the feed (is multicast received?)" : "has orders of others");
  return false;
}

static int run(wcx_conform_t *rig, const char *only)
{
  uint32_t passed = 0;
  uint32_t failed = 0;
  for (uint32_t i = 0; i < RULE_CNT; i++)
  {
    if (i != 0 && only != NULL && strstr(rules[i].name, only) == NULL)
      continue;
    rig->why[0] = 0;
    rig->change = NULL;
    uint64_t start_ns = wcx_env_mono_ns();
    bool held = rules[i].rule(rig);
    if (held && rules[i].rule != wcx_conform_sign_off)
      held = wcx_conform_clean(rig);
    else if (rules[i].rule != wcx_conform_sign_off && rig->member.session.state == WCX_CLIENT_READY)
      (void)wcx_conform_clean(rig);
    passed += held;
    failed += !held;
    printf("%s  %-16s %6.2f s  %s%s%s\n", held ? "pass" : "FAIL", rules[i].name, (double)(wcx_env_mono_ns() - start_ns) / 1e9, rules[i].text, held ? "" : ": ",
           held ? "" : rig->why);
    if (!held)
      printf("      change: %s\n", rig->change != NULL ? rig->change : rules[i].change);
    fflush(stdout);
    if (i == 0 && (!held || !book_is_ours(rig)))
    {
      printf("the other rules were not run\n");
      return 1;
    }
  }
  printf("%u passed, %u failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
  static const struct option longopts[] = {{"sessions", required_argument, NULL, 's'}, {"credentials", required_argument, NULL, 'c'},
                                           {"server", required_argument, NULL, 'a'},   {"interface", required_argument, NULL, 'i'},
                                           {"security", required_argument, NULL, 'n'}, {"price", required_argument, NULL, 'p'},
                                           {"qty", required_argument, NULL, 'q'},      {"seed", required_argument, NULL, 'e'},
                                           {"patience", required_argument, NULL, 't'}, {"only", required_argument, NULL, 'o'},
                                           {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
  static wcx_conform_t rig;
  wcx_conform_key_t keys[2] = {0};
  const char *server = "10.77.0.2";
  const char *interface = "";
  const char *only = NULL;
  rig.security_id = 3;
  rig.price = 20000;
  rig.qty = 1000;
  rig.random = 1;
  rig.patience_ns = 3 * SECOND_NS;
  development_keys(keys, "4,5");
  for (int opt; (opt = getopt_long(argc, argv, "", longopts, NULL)) != -1;)
    switch (opt)
    {
    case 's':
      development_keys(keys, optarg);
      break;
    case 'c':
      file_keys(keys, optarg);
      break;
    case 'a':
      server = optarg;
      break;
    case 'i':
      interface = optarg;
      break;
    case 'n':
      rig.security_id = (uint32_t)number("--security", optarg, UINT32_MAX - 1);
      break;
    case 'p':
      rig.price = (int64_t)number("--price", optarg, INT64_MAX / 8);
      break;
    case 'q':
      rig.qty = (int64_t)number("--qty", optarg, INT64_MAX / 8);
      break;
    case 'e':
      rig.random = number("--seed", optarg, INT64_MAX / 8) * 2 + 1;
      break;
    case 't':
      rig.patience_ns = number("--patience", optarg, PATIENCE_S_MAX) * SECOND_NS;
      break;
    case 'o':
      only = optarg;
      break;
    case 'h':
      fputs(usage, stdout);
      return 0;
    default:
      fputs(usage, stderr);
      return 2;
    }
  if (optind != argc)
  {
    fputs(usage, stderr);
    return 2;
  }
  wcx_conform_open(&rig, server, interface, keys);
  int status = run(&rig, only);
  wcx_conform_close(&rig);
  return status;
}
