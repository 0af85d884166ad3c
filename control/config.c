#include "control/config.h"

#include "control/config_schema.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one load works on, so that every check can say what is wrong in one line. */
typedef struct loading
{
  wcx_config_t *config;
  const wcx_raw_t *raw;
  char *err;
  size_t err_sz;
} loading_t;

__attribute__((format(printf, 2, 3))) static bool refuse(loading_t *load, const char *fmt, ...)
{
  int at = snprintf(load->err, load->err_sz, "%s: ", load->config->path);
  va_list args;
  va_start(args, fmt);
  if (at > 0 && (size_t)at < load->err_sz)
    vsnprintf(load->err + at, load->err_sz - (size_t)at, fmt, args);
  va_end(args);
  return false;
}

wcx_config_t *wcx_config_new(void)
{
  return calloc(1, sizeof(wcx_config_t));
}

void wcx_config_free(wcx_config_t *config)
{
  free(config);
}

/* --- ranges ------------------------------------------------------------------------------------ */

static bool check_ranges(loading_t *load, const void *entry, const wcx_config_range_t *ranges, const char *list, uint32_t idx)
{
  for (; ranges->key != NULL; ranges++)
  {
    uint64_t value;
    memcpy(&value, (const uint8_t *)entry + ranges->off, sizeof(value));
    bool inside = value >= ranges->min && value <= ranges->max && (!ranges->power_of_two || (value & (value - 1)) == 0);
    if (inside)
      continue;
    char place[64] = "";
    if (list != NULL)
      snprintf(place, sizeof(place), "%s[%u].", list, idx);
    return refuse(load, "%s%s is %" PRIu64 ": set it to %s %" PRIu64 "..%" PRIu64, place, ranges->key, value, ranges->power_of_two ? "a power of two in" : "a value in",
                  ranges->min, ranges->max);
  }
  return true;
}

static bool check_all_ranges(loading_t *load)
{
  const wcx_raw_t *raw = load->raw;
  bool fine = check_ranges(load, raw, wcx_config_ranges, NULL, 0);
  for (uint32_t i = 0; fine && i < raw->shard_cnt; i++)
    fine = check_ranges(load, &raw->shards[i], wcx_config_shard_ranges, "shards", i);
  for (uint32_t i = 0; fine && i < raw->instrument_cnt; i++)
    fine = check_ranges(load, &raw->instruments[i], wcx_config_instrument_ranges, "instruments", i);
  for (uint32_t i = 0; fine && i < raw->account_cnt; i++)
    fine = check_ranges(load, &raw->accounts[i], wcx_config_account_ranges, "accounts", i);
  for (uint32_t i = 0; fine && i < raw->session_cnt; i++)
    fine = check_ranges(load, &raw->sessions[i], wcx_config_session_ranges, "sessions", i);
  return fine;
}

/* --- one section each -------------------------------------------------------------------------- */

static bool parse_ip(const char *text, uint32_t *ip)
{
  struct in_addr addr;
  if (inet_pton(AF_INET, text, &addr) != 1)
    return false;
  *ip = ntohl(addr.s_addr);
  return true;
}

static bool parse_group(loading_t *load, uint32_t idx, const char *key, const char *text, uint32_t *ip, uint16_t *port)
{
  char host[16];
  unsigned number = 0;
  int end = 0;
  bool sound = sscanf(text, "%15[0-9.]:%u%n", host, &number, &end) == 2 && text[end] == '\0' && parse_ip(host, ip) && number >= 1 && number <= 65535;
  if (!sound || *ip >> 28 != 0xe)
    return refuse(load, "shards[%u].%s is '%s': write a multicast group and a port, as in 239.77.0.1:7101", idx, key, text);
  *port = (uint16_t)number;
  return true;
}

static void pad(char *to, size_t sz, const char *text, char fill)
{
  size_t len = strlen(text);
  memset(to, fill, sz);
  memcpy(to, text, len < sz ? len : sz);
}

/* What a connection is for is told by the port it came to. */
static bool fill_tcp_ports(loading_t *load)
{
  const wcx_raw_t *raw = load->raw;
  wcx_params_t *params = &load->config->params;
  const struct
  {
    const char *key;
    uint64_t from;
    uint16_t *to;
  } ports[] = {{"order_tcp_port", raw->network.order_tcp_port, &params->order_tcp_port},
               {"purge_tcp_port", raw->network.purge_tcp_port, &params->purge_tcp_port},
               {"drop_copy_tcp_port", raw->network.drop_copy_tcp_port, &params->drop_copy_tcp_port},
               {"replay_tcp_port", raw->network.replay_tcp_port, &params->replay_tcp_port}};
  for (uint32_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
  {
    *ports[i].to = (uint16_t)ports[i].from;
    for (uint32_t k = 0; k < i; k++)
      if (*ports[k].to == *ports[i].to)
        return refuse(load, "network.%s and network.%s are both %u: they must differ", ports[k].key, ports[i].key, *ports[i].to);
  }
  return true;
}

static bool fill_transport(loading_t *load)
{
  const wcx_raw_t *raw = load->raw;
  wcx_params_t *params = &load->config->params;
  params->port_kind = raw->network.port_kind;
  if (strlen(raw->network.device) >= sizeof(params->port_device))
    return refuse(load, "network.device '%s' is longer than %zu characters: shorten it", raw->network.device, sizeof(params->port_device) - 1);
  pad(params->port_device, sizeof(params->port_device), raw->network.device, '\0');
  if (!parse_ip(raw->network.ip, &params->ip) || params->ip == 0 || params->ip >> 28 >= 0xe)
    return refuse(load, "network.ip is '%s': write the appliance's own IPv4 address, as in 10.77.0.2", raw->network.ip);
  params->order_udp_port = (uint16_t)raw->network.order_udp_port;
  params->rerequest_udp_port = (uint16_t)raw->network.rerequest_udp_port;
  if (params->order_udp_port == params->rerequest_udp_port)
    return refuse(load, "network.order_udp_port and network.rerequest_udp_port are both %u: they must differ", params->order_udp_port);
  params->tcp_connections_max = (uint32_t)raw->network.tcp_connections_max;
  params->feed_heartbeat_ms = (uint32_t)raw->network.feed_heartbeat_ms;
  params->snapshot_cycle_ms = (uint32_t)raw->network.snapshot_cycle_ms;
  params->snapshot_packets_per_s = (uint32_t)raw->network.snapshot_packets_per_s;
  params->establish_per_source_per_s = (uint32_t)raw->network.establish_per_source_per_s;
  params->rerequest_per_source_per_s = (uint32_t)raw->network.rerequest_per_source_messages_per_s;
  params->cod_timeout_keepalives = (uint32_t)raw->network.cod_timeout_keepalives;
  params->hugepages = raw->memory.hugepages;
  params->production = raw->production;

  uint32_t http_ip;
  if (!parse_ip(raw->http.listen_ip, &http_ip))
    return refuse(load, "http.listen_ip is '%s': write an IPv4 address of this machine, as in 127.0.0.1", raw->http.listen_ip);
  snprintf(load->config->http_ip, sizeof(load->config->http_ip), "%s", raw->http.listen_ip);
  load->config->http_tcp_port = (uint16_t)raw->http.listen_tcp_port;
  return true;
}

static bool fill_durability(loading_t *load)
{
  const wcx_raw_t *raw = load->raw;
  wcx_params_t *params = &load->config->params;
  params->durability = raw->durability.level;
  if (params->durability >= WCX_DURABILITY_LEVEL_D2_MAJORITY_MEMORY)
    return refuse(load, "durability.level D%u needs several machines, which is not built yet: set D1", params->durability);
  if (params->durability == WCX_DURABILITY_LEVEL_D0_NONE && raw->production)
    return refuse(load, "durability.level D0 keeps no journal and is refused when production is true: set D1");
  params->journal_segment_sz = (uint32_t)raw->durability.journal_segment_mib << 20;
  params->journal_segments_ahead = (uint32_t)raw->durability.journal_segments_ahead;
  load->config->snapshot_every_s = (uint32_t)raw->durability.snapshot_every_s;
  load->config->snapshot_every_inputs = (uint32_t)raw->durability.snapshot_every_inputs;
  load->config->snapshots_kept = (uint32_t)raw->durability.snapshots_kept;
  load->config->snapshot_mib_per_s = (uint32_t)raw->durability.snapshot_mib_per_s;
  return true;
}

static bool shard_exists(const wcx_params_t *params, uint64_t shard)
{
  for (uint32_t i = 0; i < params->shard_cnt; i++)
    if (params->shards[i].shard == shard)
      return true;
  return false;
}

/* The four groups of a shard: a receiver that joins one wants that one's messages only. */
static bool fill_groups(loading_t *load, uint32_t idx, wcx_params_shard_t *to)
{
  const wcx_raw_shard_t *from = &load->raw->shards[idx];
  const struct
  {
    const char *key, *text;
    uint32_t *ip;
    uint16_t *port;
  } groups[] = {{"group_a", from->group_a, &to->group_a_ip, &to->group_a_port},
                {"group_b", from->group_b, &to->group_b_ip, &to->group_b_port},
                {"snapshot_group_a", from->snapshot_group_a, &to->snapshot_group_a_ip, &to->snapshot_group_a_port},
                {"snapshot_group_b", from->snapshot_group_b, &to->snapshot_group_b_ip, &to->snapshot_group_b_port}};
  for (uint32_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
  {
    if (!parse_group(load, idx, groups[i].key, groups[i].text, groups[i].ip, groups[i].port))
      return false;
    for (uint32_t k = 0; k < i; k++)
      if (*groups[k].ip == *groups[i].ip && *groups[k].port == *groups[i].port)
        return refuse(load, "shards[%u].%s and shards[%u].%s are both %s: they must differ", idx, groups[i].key, idx, groups[k].key, groups[i].text);
  }
  return true;
}

static bool fill_shards(loading_t *load)
{
  wcx_params_t *params = &load->config->params;
  for (uint32_t i = 0; i < load->raw->shard_cnt; i++)
  {
    const wcx_raw_shard_t *from = &load->raw->shards[i];
    wcx_params_shard_t *to = &params->shards[i];
    if (shard_exists(params, from->shard))
      return refuse(load, "shards[%u].shard %" PRIu64 " stands there twice: give each shard its own number", i, from->shard);
    *to = (wcx_params_shard_t){.shard = (uint16_t)from->shard,
                               .lcore = (uint16_t)from->lcore,
                               .jring_slot_max = (uint32_t)from->journal_ring_slots,
                               .orders_max = (uint32_t)from->orders_max,
                               .levels_max = (uint32_t)from->levels_max,
                               .instruments_max = (uint32_t)from->instruments_max,
                               .accounts_max = (uint32_t)from->accounts_max,
                               .sessions_max = (uint32_t)from->sessions_max,
                               .outlog_sz = from->output_log_mib << 20,
                               .retain_session_msgs = (uint32_t)from->retain_session_msgs,
                               .retain_feed_msgs = (uint32_t)from->retain_feed_msgs,
                               .snapshot_orders_max = (uint32_t)from->snapshot_orders_max};
    if (!fill_groups(load, i, to))
      return false;
    params->shard_cnt = i + 1;
  }
  return true;
}

static bool fill_instruments(loading_t *load)
{
  wcx_params_t *params = &load->config->params;
  for (uint32_t i = 0; i < load->raw->instrument_cnt; i++)
  {
    const wcx_raw_instrument_t *from = &load->raw->instruments[i];
    wcx_security_definition_t *to = &params->instruments[i];
    for (uint32_t k = 0; k < i; k++)
      if (params->instruments[k].security_id == from->security_id)
        return refuse(load, "instruments[%u].security_id %" PRIu64 " stands there twice: give each instrument its own number", i, from->security_id);
    if (!shard_exists(params, from->shard))
      return refuse(load, "instruments[%u].shard %" PRIu64 " is not among the shards: name one of them or add it", i, from->shard);
    const int64_t exponents[] = {from->price_exponent, from->qty_exponent, from->amt_exponent};
    const char *names[] = {"price_exponent", "qty_exponent", "amt_exponent"};
    for (uint32_t k = 0; k < 3; k++)
      if (exponents[k] < -18 || exponents[k] > 18)
        return refuse(load, "instruments[%u].%s is %" PRId64 ": set it to a value in -18..18", i, names[k], exponents[k]);
    *to = (wcx_security_definition_t){.security_id = (uint32_t)from->security_id,
                                      .security_trading_status = (uint8_t)from->status,
                                      .price_exponent = (int8_t)from->price_exponent,
                                      .qty_exponent = (int8_t)from->qty_exponent,
                                      .amt_exponent = (int8_t)from->amt_exponent,
                                      .min_price_increment = (int64_t)from->min_price_increment,
                                      .round_lot = (int64_t)from->round_lot,
                                      .low_limit_price = WCX_I64_NULL,
                                      .high_limit_price = WCX_I64_NULL,
                                      .market_segment_id = (uint32_t)from->shard};
    pad(to->symbol, sizeof(to->symbol), from->symbol, ' ');
    pad(to->base_asset, sizeof(to->base_asset), from->base_asset, ' ');
    pad(to->quote_asset, sizeof(to->quote_asset), from->quote_asset, ' ');
    params->instrument_group[i] = (uint8_t)from->group;
    params->instrument_cnt = i + 1;
  }
  return true;
}

static bool fill_accounts(loading_t *load)
{
  wcx_params_t *params = &load->config->params;
  for (uint32_t i = 0; i < load->raw->account_cnt; i++)
  {
    const wcx_raw_account_t *from = &load->raw->accounts[i];
    for (uint32_t k = 0; k < i; k++)
      if (params->accounts[k].account == from->account)
        return refuse(load, "accounts[%u].account %" PRIu64 " stands there twice: give each account its own number", i, from->account);
    params->accounts[i] = (wcx_account_definition_t){.account = (uint32_t)from->account,
                                                     .self_match_prevention_id = (uint32_t)from->self_match_prevention_id,
                                                     .credit = (uint8_t)from->credit,
                                                     .status = (uint8_t)from->status,
                                                     .firm = (uint32_t)from->firm};
    params->account_cnt = i + 1;
  }
  return true;
}

static bool key_is_free(const wcx_params_t *params, const char key[20])
{
  for (uint32_t i = 0; i < params->session_cnt; i++)
    for (uint32_t k = 0; k < params->sessions[i].key_cnt; k++)
      if (memcmp(params->sessions[i].access_key_id[k], key, 20) == 0)
        return false;
  return true;
}

static bool fill_keys(loading_t *load, uint32_t idx, wcx_params_session_t *to)
{
  const wcx_raw_session_t *from = &load->raw->sessions[idx];
  for (uint32_t k = 0; k < from->access_key_id_cnt; k++)
  {
    const char *key = from->access_key_ids[k];
    pad(to->access_key_id[k], 20, key, ' ');
    bool twice = k == 1 && memcmp(to->access_key_id[0], to->access_key_id[1], 20) == 0;
    if (twice || !key_is_free(&load->config->params, to->access_key_id[k]))
      return refuse(load, "sessions[%u].access_key_ids '%s' is in use already: a key belongs to one session", idx, key);
    if (load->raw->production && strncmp(key, "DEMO-", 5) == 0)
      return refuse(load, "sessions[%u].access_key_ids '%s' is a development key and is refused when production is true: issue real keys", idx, key);
    to->key_cnt++;
  }
  return true;
}

static bool fill_sessions(loading_t *load)
{
  wcx_params_t *params = &load->config->params;
  for (uint32_t i = 0; i < load->raw->session_cnt; i++)
  {
    const wcx_raw_session_t *from = &load->raw->sessions[i];
    wcx_params_session_t *to = &params->sessions[i];
    for (uint32_t k = 0; k < i; k++)
      if (params->sessions[k].session_id == from->session)
        return refuse(load, "sessions[%u].session %" PRIu64 " stands there twice: give each session its own number", i, from->session);
    bool known = false;
    for (uint32_t k = 0; k < params->account_cnt; k++)
      known = known || params->accounts[k].account == from->account;
    if (!known)
      return refuse(load, "sessions[%u].account %" PRIu64 " is not among the accounts: name one of them or add it", i, from->account);
    if (!shard_exists(params, from->shard))
      return refuse(load, "sessions[%u].shard %" PRIu64 " is not among the shards: name one of them or add it", i, from->shard);
    *to = (wcx_params_session_t){.session_id = (uint32_t)from->session,
                                 .account = (uint32_t)from->account,
                                 .shard = (uint16_t)from->shard,
                                 .throttle_per_s = (uint32_t)from->throttle_per_s,
                                 .throttle_burst = (uint32_t)from->throttle_burst,
                                 .cancel_per_s = (uint32_t)from->cancel_per_s,
                                 .cancel_burst = (uint32_t)from->cancel_burst,
                                 .drop_copy = (uint8_t)from->drop_copy};
    for (uint32_t k = 0; k < from->ord_type_cnt; k++)
      to->ord_types |= 1u << from->ord_types[k];
    for (uint32_t k = 0; k < from->instrument_group_cnt; k++)
    {
      if (from->instrument_groups[k] > 63)
        return refuse(load, "sessions[%u].instrument_groups holds %" PRIu64 ": groups are 0..63", i, from->instrument_groups[k]);
      to->instrument_groups |= UINT64_C(1) << from->instrument_groups[k];
    }
    if (!fill_keys(load, i, to))
      return false;
    params->session_cnt = i + 1;
  }
  return true;
}

static bool check_capacity(loading_t *load)
{
  const wcx_params_t *params = &load->config->params;
  for (uint32_t i = 0; i < params->shard_cnt; i++)
  {
    const wcx_params_shard_t *shard = &params->shards[i];
    uint32_t instruments = 0;
    uint32_t sessions = 0;
    for (uint32_t k = 0; k < params->instrument_cnt; k++)
      instruments += params->instruments[k].market_segment_id == shard->shard;
    for (uint32_t k = 0; k < params->session_cnt; k++)
      sessions += params->sessions[k].shard == shard->shard;
    if (instruments > shard->instruments_max)
      return refuse(load, "shards[%u].instruments_max is %u but the shard has %u instruments: raise it", i, shard->instruments_max, instruments);
    if (sessions > shard->sessions_max)
      return refuse(load, "shards[%u].sessions_max is %u but the shard has %u sessions: raise it", i, shard->sessions_max, sessions);
    if (params->account_cnt > shard->accounts_max)
      return refuse(load, "shards[%u].accounts_max is %u but there are %u accounts: raise it", i, shard->accounts_max, params->account_cnt);
  }
  return true;
}

/* --- paths ------------------------------------------------------------------------------------- */

static bool join(loading_t *load, char out[WCX_CONFIG_PATH_MAX], const char *base, const char *path, const char *key)
{
  int len = path[0] == '/' ? snprintf(out, WCX_CONFIG_PATH_MAX, "%s", path) : snprintf(out, WCX_CONFIG_PATH_MAX, "%s/%s", base, path);
  if (len < 0 || (size_t)len >= WCX_CONFIG_PATH_MAX)
    return refuse(load, "%s is longer than %u characters as an absolute path: choose a shorter one", key, WCX_CONFIG_PATH_MAX - 1);
  for (const char *at = out; *at != '\0'; at++)
    if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
      return refuse(load, "%s holds a quotation mark, a backslash or a control character, which appliance.json cannot: choose another path", key);
  return true;
}

static bool fill_paths(loading_t *load)
{
  wcx_config_t *config = load->config;
  const wcx_raw_t *raw = load->raw;
  char here[PATH_MAX];
  char beside[PATH_MAX];
  if (getcwd(here, sizeof(here)) == NULL)
    return refuse(load, "the working directory is gone (%s): start from one that exists", strerror(errno));
  if (realpath(config->path, beside) == NULL)
    return refuse(load, "cannot be resolved: %s", strerror(errno));
  *strrchr(beside, '/') = '\0';
  bool fine = join(load, config->run_dir, here, raw->paths.run_dir, "paths.run_dir") && join(load, config->state_dir, config->run_dir, raw->paths.state_dir, "paths.state_dir") &&
              join(load, config->region, config->run_dir, raw->paths.region, "paths.region") &&
              join(load, config->control_dir, config->run_dir, raw->paths.control_dir, "paths.control_dir") &&
              join(load, config->secrets_file, beside, raw->paths.secrets_file, "paths.secrets_file") &&
              join(load, config->operators_file, beside, raw->paths.operators_file, "paths.operators_file");
  if (!fine)
    return false;
  memcpy(config->params.state_dir, config->state_dir, sizeof(config->params.state_dir));
  return true;
}

/* At most one way to archive, and never a command whose result cannot be read back. */
static bool fill_archive(loading_t *load)
{
  wcx_config_t *config = load->config;
  const char *dir = load->raw->archive.dir;
  const char *command = load->raw->archive.command;
  const char *fetch = load->raw->archive.fetch_command;
  if ((command[0] != '\0') != (fetch[0] != '\0'))
    return refuse(load, "archive.command and archive.fetch_command belong together: what is stored is read back before the journal lets go of it; give both or none");
  if (dir[0] != '\0' && command[0] != '\0')
    return refuse(load, "archive.dir and archive.command exclude each other: leave one of them empty");
  memcpy(config->archive_command, command, strlen(command) + 1);
  memcpy(config->archive_fetch_command, fetch, strlen(fetch) + 1);
  config->scrub_mib_per_s = (uint32_t)load->raw->archive.scrub_mib_per_s;
  return dir[0] == '\0' || join(load, config->archive_dir, config->run_dir, dir, "archive.dir");
}

/* As the other secrets, relative paths count from the directory of the file. */
static bool fill_sinks(loading_t *load)
{
  wcx_config_t *config = load->config;
  const char *pg = load->raw->sinks.postgresql_connection_file;
  const char *redis = load->raw->sinks.redis_connection_file;
  char beside[PATH_MAX];
  if (realpath(config->path, beside) == NULL)
    return refuse(load, "cannot be resolved: %s", strerror(errno));
  *strrchr(beside, '/') = '\0';
  config->hold_inputs_max = (uint32_t)load->raw->sinks.hold_inputs_max;
  return (pg[0] == '\0' || join(load, config->pg_connection_file, beside, pg, "sinks.postgresql_connection_file")) &&
         (redis[0] == '\0' || join(load, config->redis_connection_file, beside, redis, "sinks.redis_connection_file"));
}

bool wcx_config_load(wcx_config_t *config, const char *path, const wcx_config_sets_t *sets, char *err, size_t err_sz)
{
  memset(config, 0, sizeof(*config));
  if (strlen(path) >= sizeof(config->path))
  {
    snprintf(err, err_sz, "the path of the configuration is longer than %zu characters: choose a shorter one", sizeof(config->path) - 1);
    return false;
  }
  memcpy(config->path, path, strlen(path) + 1);
  wcx_raw_t *raw = wcx_config_raw_load(path, err, err_sz);
  bool fine = raw != NULL;
  for (unsigned i = 0; fine && sets != NULL && i < sets->set_cnt; i++)
    fine = wcx_config_raw_set(raw, sets->sets[i], err, err_sz);
  loading_t load = {.config = config, .raw = raw, .err = err, .err_sz = err_sz};
  fine = fine && check_all_ranges(&load) && fill_transport(&load) && fill_tcp_ports(&load) && fill_durability(&load) && fill_shards(&load) && fill_instruments(&load) &&
         fill_accounts(&load) && fill_sessions(&load) && check_capacity(&load) && fill_paths(&load) && fill_archive(&load) && fill_sinks(&load);
  wcx_config_raw_free(raw);
  config->params.magic = WCX_PARAMS_MAGIC;
  config->params.version = WCX_PARAMS_VERSION;
  config->params.sz = (uint32_t)sizeof(config->params);
  config->params.digest = wcx_params_digest(&config->params);
  return fine;
}
