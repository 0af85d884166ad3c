/* What the outside says: the api worker about the release position, and a fresh process about what is in the journal. */
#include "dataplane/client/mm.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOUND UINT64_C(0x100) /* in a request's fate: it is in the journal */

/* --- the release position --------------------------------------------------------------------------- */

static bool read_number(const char *text, const char *key, uint64_t *value)
{
  const char *at = strstr(text, key);
  if (at == NULL)
    return false;
  at += strlen(key);
  at += strspn(at, ": ");
  char *end;
  errno = 0;
  unsigned long long number = strtoull(at, &end, 10);
  *value = number;
  return end != at && errno == 0;
}

void wcx_mm_status(wcx_mm_t *mm)
{
  static const char ask[] = "{\"Status\":{}}\n";
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  if (mm->options->control_socket == NULL || strlen(mm->options->control_socket) >= sizeof(at.sun_path))
    return;
  memcpy(at.sun_path, mm->options->control_socket, strlen(mm->options->control_socket) + 1);
  mm->status_known = false;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return;
  struct timeval wait = {.tv_usec = 50000};
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
  char answer[8192];
  size_t got = 0;
  if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(ask) - 1)
    for (ssize_t n; got < sizeof(answer) - 1 && (n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0)) > 0;)
    {
      got += (size_t)n;
      if (answer[got - 1] == '\n')
        break;
    }
  close(fd);
  answer[got] = 0;
  mm->status_known = read_number(answer, "\"AppliedSeq\"", &mm->applied_seq) && read_number(answer, "\"ReleaseSeq\"", &mm->release_seq);
}

/* --- the journal ------------------------------------------------------------------------------------ */

static wcx_maker_t *maker_of(wcx_mm_t *mm, uint64_t session_id)
{
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
    if (mm->options->session_ids[i] == session_id)
      return &mm->makers[i];
  return NULL;
}

/* A line of the dump: the record header's fields come first, then the message. */
static void audit_line(wcx_mm_t *mm, const char *line)
{
  uint64_t seq, session_id, cl_ord_id;
  if (!read_number(line, "\"Seq\"", &seq))
    return;
  mm->journal_records++;
  mm->journal_last_seq = seq;
  if (!read_number(line, "\"SessionID\"", &session_id) || !read_number(line, "\"ClOrdID\"", &cl_ord_id))
    return;
  wcx_maker_t *maker = maker_of(mm, session_id);
  if (maker == NULL || maker->fates.values == NULL || cl_ord_id < maker->fates.base || cl_ord_id - maker->fates.base >= maker->fates.max)
    return;
  uint64_t *fate = &maker->fates.values[cl_ord_id - maker->fates.base];
  if (*fate == 0)
    return; /* of an earlier run */
  mm->duplicate_cnt += (*fate & FOUND) != 0;
  *fate |= FOUND;
}

static FILE *open_wcxctl(const wcx_mm_options_t *options, const char *noun, const char *verb, pid_t *pid)
{
  int ends[2];
  if (pipe(ends) != 0)
    return NULL;
  *pid = fork();
  if (*pid == 0)
  {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    if (options->state_dir != NULL)
      execl(options->wcxctl, options->wcxctl, "--state-dir", options->state_dir, noun, verb, "-o", "json", (char *)NULL);
    else
      execl(options->wcxctl, options->wcxctl, noun, verb, "-o", "json", (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  if (*pid < 0)
  {
    close(ends[0]);
    return NULL;
  }
  return fdopen(ends[0], "r");
}

static void learn_line(wcx_mm_t *mm, const char *line)
{
  uint64_t id, increment, lot;
  if (!read_number(line, "\"SecurityID\"", &id) || !read_number(line, "\"MinPriceIncrement\"", &increment) || !read_number(line, "\"RoundLot\"", &lot))
    return;
  wcx_security_definition_t definition = {.security_id = (uint32_t)id, .min_price_increment = (int64_t)increment, .round_lot = (int64_t)lot};
  bool ready = strstr(line, "\"SecurityTradingStatus\":\"ReadyToTrade\"") != NULL;
  definition.security_trading_status = ready ? WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE : WCX_SECURITY_TRADING_STATUS_NOT_AVAILABLE_FOR_TRADING;
  const char *symbol = strstr(line, "\"Symbol\":\"");
  if (symbol != NULL)
  {
    symbol += strlen("\"Symbol\":\"");
    size_t len = strcspn(symbol, "\"");
    memcpy(definition.symbol, symbol, len < sizeof(definition.symbol) ? len : sizeof(definition.symbol));
  }
  uint8_t message[sizeof(wcx_message_header_t) + sizeof(definition)];
  size_t sz = wcx_client_message_write(message, WCX_TEMPLATE_SECURITY_DEFINITION, &definition, sizeof(definition));
  wcx_client_books_apply(&mm->books, message, sz);
}

void wcx_mm_learn(wcx_mm_t *mm)
{
  pid_t pid = -1;
  FILE *list = mm->options->wcxctl != NULL ? open_wcxctl(mm->options, "instrument", "list", &pid) : NULL;
  if (list == NULL)
    return;
  char *line = NULL;
  size_t line_max = 0;
  while (getline(&line, &line_max, list) > 0)
    learn_line(mm, line);
  free(line);
  fclose(list);
  waitpid(pid, NULL, 0);
}

bool wcx_mm_audit(wcx_mm_t *mm)
{
  pid_t pid = -1;
  FILE *dump = open_wcxctl(mm->options, "journal", "dump", &pid);
  if (dump == NULL)
    return false;
  char *line = NULL;
  size_t line_max = 0;
  while (getline(&line, &line_max, dump) > 0)
    audit_line(mm, line);
  free(line);
  fclose(dump);
  int status = -1;
  waitpid(pid, &status, 0);
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
  {
    const wcx_mm_numbers_t *fates = &mm->makers[i].fates;
    for (uint64_t at = 0; at < fates->max; at++)
      mm->missing_cnt += fates->values[at] == WCX_CLIENT_ANSWERED;
  }
  bool made = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!made)
    fprintf(stderr, "wcx-mm: '%s journal dump -o json' failed with status %d: the journal was not checked\n", mm->options->wcxctl, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  return made;
}
