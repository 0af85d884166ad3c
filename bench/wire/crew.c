#include "bench/wire/crew.h"

#include "bench/wire/net_drops.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <unistd.h>

#define SIGN_ON_NS UINT64_C(20000000000)
#define SIGN_OFF_NS UINT64_C(3000000000)
#define KEEP_ALIVE_MS 10000u /* a server that stands still for a while keeps its bindings */
#define FIND_NS UINT64_C(5000000000)

typedef struct member
{
  struct wcx_crew *crew;
  wcx_client_session_t session;
} member_t;

struct wcx_crew
{
  wcx_crew_config_t config;
  uint32_t opened_cnt; /* members with a session */
  uint32_t rest_next;
  wcx_lines_t *lines;
  member_t *members;
};

/* --- secrets ------------------------------------------------------------------------------------------------------------------------------ */

/* The secret of a key in a file of "KEY: secret" lines. */
static bool find_secret(FILE *file, const char *key, char secret[65])
{
  char line[256], name[65];
  rewind(file);
  while (fgets(line, sizeof(line), file) != NULL)
    if (sscanf(line, " %64[^:#\n]: %64s", name, secret) == 2 && strcmp(name, key) == 0)
      return true;
  return false;
}

static bool configure(const wcx_crew_t *crew, uint32_t i, FILE *file, wcx_client_session_config_t *config, char *err, size_t err_sz)
{
  uint32_t session_id = crew->config.first + i;
  *config = (wcx_client_session_config_t){.session_id = session_id,
                                          .transport = crew->config.lines.tcp ? WCX_CLIENT_TCP : WCX_CLIENT_UDP,
                                          .server_port = crew->config.lines.port,
                                          .flags = WCX_CLIENT_FLAG_CANCEL_ON_DISCONNECT | WCX_CLIENT_FLAG_TAKE_OVER,
                                          .keep_alive_ms = KEEP_ALIVE_MS,
                                          .ctx = &crew->members[i]};
  int len = snprintf(config->access_key_id, sizeof(config->access_key_id), "%s%u", crew->config.key_prefix, session_id);
  snprintf(config->user, sizeof(config->user), "mm%u", session_id % 10000);
  if (len > 0 && (size_t)len < sizeof(config->access_key_id) && find_secret(file, config->access_key_id, config->secret))
    return true;
  snprintf(err, err_sz, "%s: has no '%s: secret': give --secrets and --key-prefix of the appliance's sessions %u to %u", crew->config.secrets_path, config->access_key_id,
           crew->config.first, crew->config.first + crew->config.lines.cnt - 1);
  return false;
}

/* --- making ------------------------------------------------------------------------------------------------------------------------------- */

static void on_decided(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns)
{
  (void)now_ns;
  const member_t *member = ctx;
  const wcx_crew_config_t *config = &member->crew->config;
  config->on_decided(config->ctx, request->tag, request->fate, message, sz);
}

static void on_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  (void)number;
  const wcx_crew_config_t *config = &((const member_t *)ctx)->crew->config;
  config->on_message(config->ctx, message, sz);
}

static bool open_members(wcx_crew_t *crew, FILE *file, char *err, size_t err_sz)
{
  for (uint32_t i = 0; i < crew->config.lines.cnt; i++)
  {
    member_t *member = &crew->members[i];
    wcx_client_session_config_t config;
    member->crew = crew;
    if (!configure(crew, i, file, &config, err, err_sz))
      return false;
    config.on_decided = on_decided;
    config.on_message = on_message;
    wcx_lines_open(crew->lines, i, &member->session, &config);
    explicit_bzero(config.secret, sizeof(config.secret));
    crew->opened_cnt++;
  }
  return true;
}

wcx_crew_t *wcx_crew_new(const wcx_crew_config_t *config, char *err, size_t err_sz)
{
  FILE *file = fopen(config->secrets_path, "re");
  if (file == NULL)
  {
    snprintf(err, err_sz, "--secrets %s: %s", config->secrets_path, strerror(errno));
    return NULL;
  }
  wcx_crew_t *crew = calloc(1, sizeof(*crew));
  WCX_CHECK(crew != NULL, "out of memory");
  *crew = (wcx_crew_t){.config = *config, .lines = wcx_lines_new(&config->lines), .members = calloc(config->lines.cnt, sizeof(*crew->members))};
  WCX_CHECK(crew->members != NULL, "out of memory");
  bool good = open_members(crew, file, err, err_sz);
  fclose(file);
  if (good)
    return crew;
  wcx_crew_free(crew);
  return NULL;
}

void wcx_crew_free(wcx_crew_t *crew)
{
  for (uint32_t i = 0; i < crew->opened_cnt; i++)
    wcx_client_session_free(&crew->members[i].session);
  wcx_lines_free(crew->lines);
  free(crew->members);
  free(crew);
}

/* --- on and off --------------------------------------------------------------------------------------------------------------------------- */

/* Serve everybody until all are in `state`; the first who is not by then, or cnt. Who has the wrong key will not be. */
static uint32_t serve_until(wcx_crew_t *crew, enum wcx_client_state state, uint64_t patience_ns)
{
  uint64_t from_ns = wcx_env_mono_ns();
  uint32_t done = 0;
  while (done < crew->config.lines.cnt && wcx_env_mono_ns() - from_ns < patience_ns)
  {
    wcx_lines_take(crew->lines, wcx_env_mono_ns());
    for (uint32_t i = 0; i < crew->config.lines.cnt; i++)
      wcx_client_session_step(&crew->members[i].session, wcx_env_mono_ns());
    while (done < crew->config.lines.cnt && crew->members[done].session.state == state)
      done++;
    if (done < crew->config.lines.cnt && crew->members[done].session.reject_code == WCX_ESTABLISH_REJECT_CODE_CREDENTIALS)
      break;
    usleep(500);
  }
  return done;
}

bool wcx_crew_sign_on(wcx_crew_t *crew, char *err, size_t err_sz)
{
  if (!wcx_lines_find(crew->lines, FIND_NS))
  {
    snprintf(err, err_sz, "nobody answers ARP for %s on %s: does the appliance run, and is its port the other end?", crew->config.lines.server, crew->config.lines.device);
    return false;
  }
  for (uint32_t i = 0; i < crew->config.lines.cnt; i++)
    wcx_client_session_open(&crew->members[i].session, wcx_env_mono_ns());
  uint32_t done = serve_until(crew, WCX_CLIENT_READY, SIGN_ON_NS);
  if (done == crew->config.lines.cnt)
  {
    wcx_lines_settle(crew->lines);
    return true;
  }
  snprintf(err, err_sz, "session %u does not sign on at %s:%u (reject code %u; 0: no answer): does the appliance run, and have its sessions these keys?", crew->config.first + done,
           crew->config.lines.server, crew->config.lines.port, crew->members[done].session.reject_code);
  return false;
}

void wcx_crew_sign_off(wcx_crew_t *crew)
{
  for (uint32_t i = 0; i < crew->config.lines.cnt; i++)
    wcx_client_session_terminate(&crew->members[i].session, wcx_env_mono_ns());
  (void)serve_until(crew, WCX_CLIENT_CLOSED, SIGN_OFF_NS);
}

/* --- running ------------------------------------------------------------------------------------------------------------------------------ */

uint64_t wcx_crew_next_id(const wcx_crew_t *crew, uint32_t member)
{
  return wcx_client_session_next_id(&crew->members[member].session);
}

uint32_t wcx_crew_account(const wcx_crew_t *crew, uint32_t member)
{
  return crew->config.first + member;
}

bool wcx_crew_send(wcx_crew_t *crew, uint32_t member, uint64_t now_ns, const void *message, size_t sz, uint32_t tag)
{
  wcx_client_session_t *session = &crew->members[member].session;
  return session->undecided_cnt < crew->config.window && wcx_client_session_request(session, now_ns, message, sz, tag);
}

void wcx_crew_flush(wcx_crew_t *crew, uint32_t member, uint64_t now_ns)
{
  wcx_client_session_flush(&crew->members[member].session, now_ns);
}

void wcx_crew_take(wcx_crew_t *crew, uint64_t now_ns)
{
  wcx_lines_take(crew->lines, now_ns);
}

void wcx_crew_wait(wcx_crew_t *crew, uint64_t timeout_ns)
{
  wcx_lines_wait(crew->lines, timeout_ns);
}

uint64_t wcx_crew_came_ns(const wcx_crew_t *crew)
{
  return wcx_lines_came_ns(crew->lines);
}

const char *wcx_crew_stamps(const wcx_crew_t *crew)
{
  return wcx_lines_stamps(crew->lines);
}

void wcx_crew_run(wcx_crew_t *crew, void (*fn)(void *arg), void *arg)
{
  wcx_lines_run(crew->lines, fn, arg);
}

void wcx_crew_rest(wcx_crew_t *crew, uint64_t now_ns)
{
  wcx_lines_rest(crew->lines, now_ns);
  wcx_client_session_step(&crew->members[crew->rest_next].session, now_ns);
  crew->rest_next = crew->rest_next + 1 < crew->config.lines.cnt ? crew->rest_next + 1 : 0;
}

wcx_crew_faults_t wcx_crew_faults(const wcx_crew_t *crew)
{
  wcx_crew_faults_t faults = {.drops = {.unsent = wcx_lines_unsent(crew->lines), .port = wcx_lines_lost(crew->lines)}};
  const wcx_crew_config_t *config = &crew->config;
  faults.drops.knows_interface = config->lines.interface[0] != 0 && wcx_net_drops(0, config->lines.interface, &faults.drops.interface);
  faults.drops.knows_server = config->far_interface[0] != 0 && wcx_net_drops(config->far_pid, config->far_interface, &faults.drops.server);
  for (uint32_t i = 0; i < crew->config.lines.cnt; i++)
  {
    const wcx_client_session_t *session = &crew->members[i].session;
    faults.bindings_lost += session->lost_cnt;
    faults.gaps += session->inbound.hole_recovered_cnt + session->inbound.hole_lost_cnt;
    faults.conflicts += session->sequence_conflict_cnt;
  }
  return faults;
}
