#include "bench/rig.h"

#include <errno.h>
#include <sys/mman.h>

#define HASH_KEY UINT64_C(0x9d3f5b1c77a1e42d)

void *wcx_rig_map(uint64_t sz)
{
  void *mem = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mem == MAP_FAILED)
    WCX_DIE("cannot get %llu bytes of memory: %s", (unsigned long long)sz, strerror(errno));
  madvise(mem, sz, MADV_HUGEPAGE);
  return mem;
}

void wcx_rig_init(wcx_rig_t *rig, const wcx_engine_limits_t *limits, uint64_t log_sz)
{
  *rig = (wcx_rig_t){.limits = *limits};
  rig->limits.shard = WCX_RIG_SHARD;
  rig->limits.hash_key = HASH_KEY;
  rig->engine_sz = wcx_engine_footprint(&rig->limits);
  if (rig->engine_sz == 0)
    WCX_DIE("no engine holds %u orders, %u levels, %u instruments", limits->orders_max, limits->levels_max, limits->instruments_max);
  rig->engine_mem = wcx_rig_map(rig->engine_sz);
  wcx_outlog_init(&rig->log, wcx_rig_map(log_sz), log_sz);
}

void wcx_rig_restart(wcx_rig_t *rig)
{
  rig->engine = wcx_engine_new(rig->engine_mem, rig->engine_sz, &rig->limits);
  rig->seq = 0;
  rig->keep = NULL;
  wcx_rig_clear_log(rig);
}

void wcx_rig_free(wcx_rig_t *rig)
{
  munmap(rig->log.base, rig->log.cap);
  munmap(rig->engine_mem, rig->engine_sz);
  *rig = (wcx_rig_t){0};
}

static void define(wcx_rig_t *rig, uint16_t template_id, const void *body, uint16_t body_sz)
{
  _Alignas(8) uint8_t record[WCX_RECORD_SZ_MAX];
  wcx_engine_input_t input = wcx_rig_encode(rig, record, template_id, 0, 0, body, body_sz);
  const char *error = wcx_engine_definition_error(rig->engine, input.hdr, input.body);
  if (error != NULL)
    WCX_DIE("the engine refuses a definition: %s", error);
  wcx_engine_apply(rig->engine, input.hdr, input.body, &rig->log);
  if (rig->keep == NULL)
    return;
  uint32_t sz = wcx_record_sz(body_sz);
  memset(rig->keep + sz - 8, 0, 8);
  memcpy(rig->keep, record, sizeof(wcx_record_hdr_t) + body_sz);
  rig->keep += sz;
}

wcx_security_definition_t wcx_rig_security(uint32_t security_id, uint32_t market_segment_id)
{
  return (wcx_security_definition_t){.security_id = security_id,
                                     .security_trading_status = WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE,
                                     .symbol = "BTC-USDT",
                                     .base_asset = "BTC",
                                     .quote_asset = "USDT",
                                     .min_price_increment = 1,
                                     .round_lot = 1,
                                     .low_limit_price = WCX_I64_NULL,
                                     .high_limit_price = WCX_I64_NULL,
                                     .market_segment_id = market_segment_id};
}

void wcx_rig_instrument(wcx_rig_t *rig, uint32_t security_id)
{
  wcx_security_definition_t definition = wcx_rig_security(security_id, WCX_RIG_SHARD);
  define(rig, WCX_TEMPLATE_SECURITY_DEFINITION, &definition, sizeof(definition));
}

void wcx_rig_account(wcx_rig_t *rig, uint32_t account, enum wcx_credit credit)
{
  wcx_account_definition_t definition = {.account = account, .credit = (uint8_t)credit, .status = WCX_ACCOUNT_STATUS_ACTIVE};
  define(rig, WCX_TEMPLATE_ACCOUNT_DEFINITION, &definition, sizeof(definition));
}

void wcx_rig_balance(wcx_rig_t *rig, uint32_t account, const char *asset, int64_t amount)
{
  wcx_balance_adjustment_t adjustment = {.account = account, .amount = amount, .reference = 1};
  memcpy(adjustment.asset, asset, strlen(asset));
  define(rig, WCX_TEMPLATE_BALANCE_ADJUSTMENT, &adjustment, sizeof(adjustment));
}

void wcx_rig_session(wcx_rig_t *rig, uint32_t session_id, uint32_t account)
{
  wcx_session_definition_t definition = {.session_id = session_id, .account = account};
  define(rig, WCX_TEMPLATE_SESSION_DEFINITION, &definition, sizeof(definition));
}
